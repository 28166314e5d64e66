//! Copying a backup into another vault, the same to the byte.
//!
//! The archive is hashed on its way out of the one vault and again after it was read back from the
//! other, and only then does the manifest follow; so a copy is proven before it exists, and what
//! does not match its manifest at the source never gets one. Nothing is decrypted, decompressed or
//! staged.
//!
//! A copy that was interrupted has left a claim that says so. The next one takes the claim over, as
//! both would make the same bytes; what is there in full already is read back and not sent again.
//! Callers see to it that there are no two at a time (a lease does); should there be two after all,
//! the claim's token lets only one of them finish.
//!
//! A damaged copy is replaced under the same claim: it is there before anything of the copy goes, so
//! that a run which stops anywhere between leaves what the next one takes over.

use bytes::Bytes;
use futures::TryStreamExt as _;
use lifeboat_archive::{BackupName, Digest, FileKind, Manifest};

use super::BackupWriter;
use crate::claim::{Claim, Purpose};
use crate::stored::StoredFile;
use crate::vault::Created;
use crate::{Damage, Error, Vault};

/// A backup that was copied.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Copied {
    /// Its manifest.
    pub manifest: Manifest,
    /// Bytes of the archive that were sent; 0 when an earlier run had stored it already.
    pub sent: u64,
}

impl Vault {
    /// Copies a backup into another vault, with its signature. `progress` is told of every byte
    /// that was read, here and there.
    ///
    /// # Errors
    /// [`Error::NotFound`], and [`Error::Damaged`] when the backup is not what its manifest says:
    /// then there is no copy. [`Error::AlreadyExists`] when the name is taken there. Those of
    /// reading and storing, after which the same call goes on where it stopped.
    pub async fn copy_to(
        &self,
        name: &BackupName,
        to: &Vault,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Copied, Error> {
        let (manifest, bytes) = self.read_manifest(name).await?;
        StoredFile::of(self, &manifest).check().await?;
        let writer = to.begin_copy(&manifest).await?;
        self.copy_with(manifest, &bytes, writer, progress).await
    }

    /// Replaces a damaged copy of a backup in another vault, once the backup here has been read in
    /// full and found good. The caller knows that the copy is of no use.
    ///
    /// # Errors
    /// As [`copy_to`](Self::copy_to). When the backup here is no better, the copy stays as it is.
    pub async fn copy_over(
        &self,
        name: &BackupName,
        to: &Vault,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Copied, Error> {
        let (manifest, bytes) = self.read_manifest(name).await?;
        self.check_stored(&manifest, progress).await?;
        let writer = to.begin_over(&manifest).await?;
        self.copy_with(manifest, &bytes, writer, progress).await
    }

    async fn copy_with(
        &self,
        manifest: Manifest,
        bytes: &Bytes,
        mut writer: BackupWriter,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Copied, Error> {
        let name = &manifest.name;
        let to = writer.vault.clone();
        let archive = StoredFile::of(self, &manifest);
        let there = StoredFile::of(&to, &manifest);
        // What lies under the archive's name is ours, whatever its size.
        let found = to.head(&there.file).await?;
        writer.stored = found.is_some();
        let mut sent = 0;
        if found.is_some_and(|meta| meta.size == there.size)
            && there.digest(progress).await.is_ok_and(|found| found == archive.blake3)
        {
            writer.written = archive.size;
        } else {
            let result = send(&archive, &mut writer, progress).await;
            let found = match result {
                Ok(found) => found,
                Err(error) => {
                    writer.give_up().await;
                    return Err(error);
                }
            };
            if found != archive.blake3 {
                writer.give_up().await;
                return Err(self.damaged(name, Damage::ArchiveContent(archive.file)));
            }
            sent = archive.size;
            writer.finish_archive().await?;
            match there.digest(progress).await {
                Ok(found) if found == archive.blake3 => {}
                Ok(_) => {
                    writer.give_up().await;
                    let (vault, object) = (to.to_string(), archive.file.clone());
                    return Err(Error::NotAsSent { vault, object });
                }
                // It may be there as it should be: the next run will see.
                Err(error) => {
                    writer.leave().await;
                    return Err(error);
                }
            }
        }
        if let Some(signature) = self.read_beside(name, FileKind::Signature).await? {
            writer.signed = true;
            to.write_beside(name, FileKind::Signature, signature).await?;
        }
        writer.publish(bytes).await?;
        Ok(Copied { manifest, sent })
    }

    /// Reads every stored byte of a backup's archive and compares them with its manifest. Needs no
    /// key when the archive is encrypted.
    ///
    /// # Errors
    /// [`Error::Damaged`]; those of reading.
    pub async fn check_stored(
        &self,
        manifest: &Manifest,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<(), Error> {
        let archive = StoredFile::of(self, manifest);
        archive.check().await?;
        if archive.digest(progress).await? == archive.blake3 {
            return Ok(());
        }
        Err(self.damaged(&manifest.name, Damage::ArchiveContent(archive.file)))
    }

    /// Claims the name for a copy, also from a copy that was interrupted, and after a removal that
    /// was.
    async fn begin_copy(&self, manifest: &Manifest) -> Result<BackupWriter, Error> {
        let name = &manifest.name;
        self.ensure().await?;
        if self.head(&name.manifest_file()).await?.is_some() {
            return Err(self.taken(&name.manifest_file()));
        }
        let claim = Claim::new(name, &manifest.archive.file, Purpose::Copy);
        let object = name.claim_file();
        let mut old = self.read_claim(name).await?;
        if let Some(removal) = &old
            && self.is_abandoned_removal(removal).await?
        {
            self.remove(name).await?;
            old = None;
        }
        match old {
            Some(old) if old.is_of_same_copy(&claim) => {
                self.put(&object, claim.to_bytes().into()).await?;
                // Of the damaged copy that it was to replace.
                self.delete_beside(name).await?;
            }
            Some(_) => return Err(self.taken(&object)),
            None => {
                self.check_free(name).await?;
                if let Created::Theirs(_) = self.create(&object, &claim.to_bytes()).await? {
                    return Err(self.taken(&object));
                }
                if let Err(error) = self.check_free(name).await {
                    let _ = self.delete(&object).await;
                    return Err(error);
                }
            }
        }
        Ok(BackupWriter::of(self, name, claim))
    }

    /// Claims the name for a copy in the place of a damaged one, and takes that away: all but an
    /// archive under the same name, which is good already or will be overwritten.
    async fn begin_over(&self, manifest: &Manifest) -> Result<BackupWriter, Error> {
        let name = &manifest.name;
        let claim = Claim::new(name, &manifest.archive.file, Purpose::Copy);
        let object = name.claim_file();
        if let Created::Theirs(_) = self.create(&object, &claim.to_bytes()).await? {
            let mine = match self.read_claim(name).await? {
                Some(old) => old.is_of_same_copy(&claim) || self.is_abandoned_removal(&old).await?,
                None => false,
            };
            if !mine {
                return Err(self.taken(&object));
            }
            self.put(&object, claim.to_bytes().into()).await?;
        }
        // Those of other names first: without the manifest, nothing would speak for them.
        let archives = FileKind::ALL.into_iter().filter(|kind| kind.is_archive());
        for file in archives.map(|kind| name.file_name(kind)) {
            if file != claim.archive {
                self.delete(&file).await?;
            }
        }
        self.delete(&name.manifest_file()).await?;
        self.delete_beside(name).await?;
        Ok(BackupWriter::of(self, name, claim))
    }
}

impl BackupWriter {
    /// Completes the archive and looks whether it is there in full.
    async fn finish_archive(&mut self) -> Result<(), Error> {
        let finished = match self.complete().await {
            Ok(()) => self.check_stored().await,
            Err(error) => Err(error),
        };
        let Err(error) = finished else { return Ok(()) };
        if error.is_retryable() {
            // An answer that got lost may belong to an archive that is there.
            self.leave().await;
        } else {
            self.give_up().await;
        }
        Err(error)
    }

    /// Deletes what was made, if it is still ours: else somebody makes this copy anew, and it is
    /// the same.
    async fn give_up(&mut self) {
        if self.check_claim().await.is_ok() {
            self.clean_up(false).await;
        } else {
            self.leave().await;
        }
    }
}

/// Sends an archive; the digest of what was read.
async fn send(
    archive: &StoredFile,
    writer: &mut BackupWriter,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Digest, Error> {
    let mut hasher = blake3::Hasher::new();
    let mut chunks = std::pin::pin!(archive.chunks());
    while let Some(chunk) = chunks.try_next().await? {
        hasher.update(&chunk);
        progress(chunk.len() as u64);
        writer.take_in(chunk).await?;
    }
    Ok(hasher.finalize().into())
}
