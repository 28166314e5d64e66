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
        let archive = StoredFile::of(self, &manifest);
        archive.check().await?;
        let mut writer = to.begin_copy(&manifest).await?;
        let there = StoredFile::of(to, &manifest);
        writer.stored = there.is_there().await?;
        let mut sent = 0;
        if writer.stored && there.digest(progress).await.is_ok_and(|found| found == archive.blake3)
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
                    let (vault, object) = (to.to_string(), archive.file);
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
        writer.publish(&bytes).await?;
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

    /// Claims the name for a copy, also from a copy that was interrupted.
    async fn begin_copy(&self, manifest: &Manifest) -> Result<BackupWriter, Error> {
        let name = &manifest.name;
        self.ensure().await?;
        if self.head(&name.manifest_file()).await?.is_some() {
            return Err(self.taken(&name.manifest_file()));
        }
        let claim = Claim::new(name, &manifest.archive.file, Purpose::Copy);
        let object = name.claim_file();
        match self.read_claim(name).await? {
            Some(old) if old.purpose == Purpose::Copy && old.archive == claim.archive => {
                self.put(&object, claim.to_bytes().into()).await?;
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
