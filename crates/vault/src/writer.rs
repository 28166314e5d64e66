//! Writing one backup: claim, archive, manifest, in this order.
//!
//! The archive goes up in parts, several at a time, in bounded memory. Until the manifest is
//! created nothing lists, so that a writer may fail, be dropped or be killed at any moment; what it
//! leaves is found by its claim, which a task renews as long as the writer lives.

mod copy;
mod parts;
mod seal;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use lifeboat_archive::{BackupKind, BackupName, Codec, FileKind, Manifest};
use object_store::{MultipartUpload, PutMultipartOptions, PutPayload};
use tokio::task::JoinSet;

use crate::claim::{Claim, Purpose, Tombstone};
use crate::error::Translator;
use crate::retry::PartRetry;
use crate::vault::{Created, object_path};
use crate::{Error, Vault};
pub use copy::Copied;
use parts::Parts;
use seal::Seal;

/// How often a claim is renewed. A grace time should be many times as long.
pub const CLAIM_RENEWAL: Duration = Duration::from_mins(1);

/// How many seconds after the wanted one a name is looked for.
const NAMES_TRIED: i64 = 120;

/// One backup being written. See the module's head for what happens when it is dropped.
pub struct BackupWriter {
    vault: Vault,
    name: BackupName,
    claim: Claim,
    parts: Parts,
    /// Bytes that fill no part yet.
    waiting: VecDeque<Bytes>,
    waiting_len: usize,
    upload: Option<Box<dyn MultipartUpload>>,
    sent: usize,
    tasks: JoinSet<object_store::Result<()>>,
    /// Bytes for the store so far.
    written: u64,
    /// Bytes that were given so far.
    given: u64,
    seal: Seal,
    /// Whether there may be an archive to delete.
    stored: bool,
    /// Whether there may be a signature to delete.
    signed: bool,
    /// Whether what was made has been deleted, or must be left to [`Vault::remove_leftovers`].
    over: bool,
    renewal: Option<Renewal>,
}

impl std::fmt::Debug for BackupWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BackupWriter")
            .field("vault", &self.vault)
            .field("name", &self.name)
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}

/// Renews a claim until dropped.
struct Renewal(tokio::task::JoinHandle<()>);

impl Renewal {
    fn start(vault: &Vault, claim: &Claim) -> Self {
        let (vault, bytes) = (vault.clone(), claim.to_bytes());
        let object = claim.name.claim_file();
        Self(tokio::spawn(async move {
            loop {
                tokio::time::sleep(CLAIM_RENEWAL).await;
                if let Err(error) = vault.put(&object, bytes.clone().into()).await {
                    tracing::debug!(%error, "the claim was not renewed");
                }
            }
        }))
    }

    /// Ends it, and returns when it has ended.
    async fn stop(mut self) {
        self.0.abort();
        let _ = (&mut self.0).await;
    }
}

impl Drop for Renewal {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Vault {
    /// Claims `name` and opens its archive for writing. A missing folder is made.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] when the name is taken by a backup, by a running one, or by a file
    /// of anybody's; [`Error::VaultMissing`] when the container does not exist.
    pub async fn begin(&self, name: &BackupName, codec: Codec) -> Result<BackupWriter, Error> {
        self.ensure().await?;
        let sealer = self.new_sealer().await?;
        let claim = self.claim_for_backup(name, codec, sealer.is_some()).await?;
        Ok(BackupWriter::of(self, name, claim).sealing_with(sealer))
    }

    /// Claims the standard name of `time`, or of the first second after it that is free.
    ///
    /// # Errors
    /// As [`begin`](Self::begin); [`Error::AlreadyExists`] when two minutes of names are taken.
    pub async fn begin_at(
        &self,
        kind: BackupKind,
        time: Timestamp,
        codec: Codec,
    ) -> Result<BackupWriter, Error> {
        self.ensure().await?;
        // Once for all names: by a passphrase it takes a second.
        let sealer = self.new_sealer().await?;
        let mut second = 0;
        loop {
            let name = BackupName::at(kind, time + jiff::SignedDuration::from_secs(second));
            second += 1;
            match self.claim_for_backup(&name, codec, sealer.is_some()).await {
                Err(Error::AlreadyExists { .. }) if second < NAMES_TRIED => {}
                claim => return Ok(BackupWriter::of(self, &name, claim?).sealing_with(sealer)),
            }
        }
    }

    /// Claims a name that nothing has.
    async fn claim_for_backup(
        &self,
        name: &BackupName,
        codec: Codec,
        encrypted: bool,
    ) -> Result<Claim, Error> {
        let archive = name.file_name(if encrypted {
            FileKind::EncryptedArchive(codec)
        } else {
            FileKind::Archive(codec)
        });
        // Before, so that a claim never speaks for an archive that was there before it; after,
        // because another run may have finished in between.
        self.check_free(name).await?;
        let claim = Claim::new(name, &archive, Purpose::Backup);
        let object = name.claim_file();
        if let Created::Theirs(_) = self.create(&object, &claim.to_bytes()).await? {
            return Err(self.taken(&object));
        }
        if let Err(error) = self.check_free(name).await {
            let _ = self.delete(&object).await;
            return Err(error);
        }
        Ok(claim)
    }

    async fn check_free(&self, name: &BackupName) -> Result<(), Error> {
        // The claim has its own check: it is created only if absent.
        let kinds = FileKind::ALL.into_iter().filter(|kind| *kind != FileKind::Claim);
        let objects: Vec<_> = kinds.map(|kind| name.file_name(kind)).collect();
        let found = futures::future::try_join_all(objects.iter().map(|o| self.head(o))).await;
        // A folder that was just made may not be seen yet by all; a container may be missing.
        for (object, found) in objects.iter().zip(found?) {
            if found.is_some() {
                return Err(self.taken(object));
            }
        }
        Ok(())
    }
}

impl BackupWriter {
    /// For a name that has just been claimed.
    fn of(vault: &Vault, name: &BackupName, claim: Claim) -> Self {
        Self {
            vault: vault.clone(),
            name: name.clone(),
            parts: Parts::of(vault.place()),
            waiting: VecDeque::new(),
            waiting_len: 0,
            upload: None,
            sent: 0,
            tasks: JoinSet::new(),
            written: 0,
            given: 0,
            seal: Seal::Plain,
            stored: false,
            signed: false,
            over: false,
            renewal: Some(Renewal::start(vault, &claim)),
            claim,
        }
    }

    /// The name that was claimed.
    pub fn name(&self) -> &BackupName {
        &self.name
    }

    /// The archive's file name, as the manifest must tell it.
    pub fn archive_file(&self) -> &str {
        &self.claim.archive
    }

    /// How many bytes have been given so far.
    pub fn given(&self) -> u64 {
        self.given
    }

    /// Takes the next bytes of the archive. Returns when there is room for more, not when they are
    /// stored.
    ///
    /// # Errors
    /// Those of storing this or earlier bytes; what was made has then been deleted as far as
    /// possible, and the writer is of no more use.
    pub async fn put(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.check_usable()?;
        self.given += bytes.len() as u64;
        let result = match self.sealed(bytes).await {
            Ok(stored) => self.take_in(stored).await,
            Err(error) => Err(error),
        };
        if result.is_err() {
            self.clean_up(false).await;
        }
        result
    }

    async fn take_in(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.written += bytes.len() as u64;
        self.waiting_len += bytes.len();
        if !bytes.is_empty() {
            self.waiting.push_back(bytes);
        }
        self.send_full_parts().await
    }

    /// Completes the archive, checks that it is there in full, and makes the backup exist. Gives
    /// the manifest as it was stored: it tells how the archive is encrypted, if it is.
    ///
    /// # Errors
    /// Those of storing; then there is no backup, except when only the answer of the last step got
    /// lost: then there may be one, and it is whole. [`Error::Discarded`] when somebody took this
    /// backup for an abandoned one. [`Error::Misuse`] when the manifest is not of this archive.
    pub async fn commit(mut self, manifest: &Manifest) -> Result<Manifest, Error> {
        self.check_usable()?;
        let prepared = match self.prepare(manifest).await {
            Ok(manifest) => self.signed(&manifest).map(|files| (manifest, files)),
            Err(error) => Err(error),
        };
        let (manifest, (bytes, signature)) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                self.clean_up(false).await;
                return Err(error);
            }
        };
        if let Err(error) = self.complete().await {
            // An answer that got lost may belong to an archive that appears later.
            self.clean_up(error.is_retryable()).await;
            return Err(error);
        }
        if let Err(error) = self.check_stored().await {
            self.clean_up(false).await;
            return Err(error);
        }
        if let Some(signature) = signature {
            self.store_signature(&signature).await?;
        }
        self.publish(&bytes).await?;
        Ok(manifest)
    }

    /// Stores the signature, which nobody had stored when the name was claimed: if somebody has by
    /// now, the name is no longer ours.
    async fn store_signature(&mut self, signature: &Bytes) -> Result<(), Error> {
        let object = self.name.file_name(FileKind::Signature);
        self.signed = true;
        match self.vault.create(&object, signature).await {
            Ok(Created::Ours) => Ok(()),
            Ok(Created::Theirs(_)) => {
                self.leave().await;
                Err(self.discarded())
            }
            Err(error) => {
                self.clean_up(error.is_retryable()).await;
                Err(error)
            }
        }
    }

    /// Gives up: deletes all that was made.
    ///
    /// # Errors
    /// Those of deleting; what is left then is found by [`Vault::leftovers`].
    pub async fn abort(mut self) -> Result<(), Error> {
        self.clean_up(false).await.map_or(Ok(()), Err)
    }

    fn check_usable(&self) -> Result<(), Error> {
        if self.over {
            return Err(Error::Misuse(format!("the writing of {} has failed before", self.name)));
        }
        Ok(())
    }

    fn explain(&self, error: &object_store::Error) -> Error {
        self.vault.explain("write", &self.claim.archive, error)
    }

    async fn send_full_parts(&mut self) -> Result<(), Error> {
        loop {
            let size = self.parts.size(self.sent);
            if self.waiting_len < size {
                return Ok(());
            }
            let part = self.take(size);
            self.send(part, size).await?;
        }
    }

    /// Takes `size` of the waiting bytes, without copying.
    fn take(&mut self, size: usize) -> PutPayload {
        let mut taken = Vec::new();
        let mut missing = size;
        while missing > 0 {
            let Some(mut first) = self.waiting.pop_front() else { break };
            if first.len() > missing {
                self.waiting.push_front(first.split_off(missing));
            }
            missing -= first.len();
            taken.push(first);
        }
        self.waiting_len -= size - missing;
        taken.into_iter().collect()
    }

    async fn send(&mut self, part: PutPayload, size: usize) -> Result<(), Error> {
        if self.upload.is_none() {
            let options = PutMultipartOptions::default()
                .with_retry_policy(Arc::new(PartRetry(*self.vault.retry())));
            let (vault, archive) = (&self.vault, &self.claim.archive);
            let path = object_path(archive);
            let begun = vault
                .retry()
                .run(async || {
                    let begun = vault.store().put_multipart_opts(&path, options.clone()).await;
                    begun.map_err(|e| vault.explain("write", archive, &e))
                })
                .await?;
            self.upload = Some(begun);
        }
        while self.tasks.len() >= Parts::parallel(size) {
            self.join_one().await?;
        }
        if let Some(upload) = &mut self.upload {
            self.tasks.spawn(upload.put_part(part));
            self.sent += 1;
        }
        Ok(())
    }

    async fn join_one(&mut self) -> Result<(), Error> {
        match self.tasks.join_next().await {
            None | Some(Ok(Ok(()))) => Ok(()),
            Some(Ok(Err(error))) => Err(self.explain(&error)),
            Some(Err(error)) => Err(self.explain(&error.into())),
        }
    }

    async fn complete(&mut self) -> Result<(), Error> {
        let rest = self.take(self.waiting_len);
        if self.upload.is_none() {
            self.check_claim().await?;
            self.stored = true;
            let archive = self.claim.archive.clone();
            return self.vault.put(&archive, rest).await;
        }
        let size = rest.content_length();
        if size > 0 {
            self.send(rest, size).await?;
        }
        while !self.tasks.is_empty() {
            self.join_one().await?;
        }
        // Not before the last moment: if the name has been given to another, so has the archive's.
        self.check_claim().await?;
        if let Some(upload) = &mut self.upload {
            self.stored = true;
            let completed = upload.complete().await;
            if let Err(error) = completed {
                // Of a folder's half-written file, only a clean-up can have taken it away.
                let discarded = self.vault.folder().is_some() && Translator::is_gone(&error);
                return Err(if discarded { self.discarded() } else { self.explain(&error) });
            }
            self.upload = None;
        }
        Ok(())
    }

    /// Whether the claim is still ours. (By `&mut`, since an upload cannot be shared by threads, and
    /// the future should be one that can be sent to another.)
    async fn check_claim(&mut self) -> Result<(), Error> {
        match self.vault.read_claim(&self.name).await? {
            Some(claim) if claim.token == self.claim.token => Ok(()),
            _ => Err(self.discarded()),
        }
    }

    /// Whether the archive is there in full, and the claim still ours.
    async fn check_stored(&mut self) -> Result<(), Error> {
        self.check_claim().await?;
        let archive = &self.claim.archive;
        let found = self.vault.head(archive).await?.map_or(0, |meta| meta.size);
        if found == self.written {
            return Ok(());
        }
        Err(Error::Incomplete {
            vault: self.vault.to_string(),
            object: archive.clone(),
            expected: self.written,
            found,
        })
    }

    fn discarded(&self) -> Error {
        Error::Discarded { vault: self.vault.to_string(), name: self.name.clone() }
    }

    /// Creates the manifest: from then on there is a backup.
    async fn publish(mut self, bytes: &Bytes) -> Result<(), Error> {
        let object = self.name.manifest_file();
        match self.vault.create(&object, bytes).await {
            Ok(Created::Ours) => {}
            Ok(Created::Theirs(other)) => {
                let discarded = other.is_none_or(|b| Tombstone::parse(&b, &self.name).is_some());
                if discarded {
                    self.clean_up(false).await;
                    return Err(self.discarded());
                }
                // There is another backup of this name, which now owns the archive's name.
                self.leave().await;
                return Err(self.vault.taken(&object));
            }
            Err(
                error @ (Error::Denied { .. } | Error::NoSpace { .. } | Error::VaultMissing { .. }),
            ) => {
                self.clean_up(false).await;
                return Err(error);
            }
            Err(error) => {
                // The manifest may be there or may yet appear: the archive must stay.
                self.leave().await;
                return Err(error);
            }
        }
        // Whoever discarded this backup before the manifest was there has left no archive.
        if let Ok(None) = self.vault.head(&self.claim.archive).await {
            self.vault.delete(&object).await?;
            self.leave().await;
            return Err(self.discarded());
        }
        self.stop_renewal().await;
        self.over = true;
        if let Err(error) = self.vault.delete(&self.name.claim_file()).await {
            tracing::warn!(%error, "a claim was left beside its finished backup");
        }
        Ok(())
    }

    async fn stop_renewal(&mut self) {
        if let Some(renewal) = self.renewal.take() {
            renewal.stop().await;
        }
    }

    async fn leave(&mut self) {
        self.over = true;
        self.stop_renewal().await;
    }

    /// Deletes what was made; the claim last, and only when nothing is left that needs it. The
    /// first failure is returned.
    async fn clean_up(&mut self, keep_claim: bool) -> Option<Error> {
        self.leave().await;
        self.waiting.clear();
        self.waiting_len = 0;
        if self.vault.folder().is_some() {
            // A write to a disk cannot be called off, and gives the room back only when it is done.
            while self.tasks.join_next().await.is_some() {}
        } else {
            self.tasks.shutdown().await;
        }
        let mut failure = None;
        if let Some(mut upload) = self.upload.take()
            && let Err(error) = upload.abort().await
        {
            // After a failed completion some stores have nothing left to abort.
            failure = (!self.stored).then(|| self.explain(&error));
        }
        if self.stored {
            failure = failure.or(self.vault.delete(&self.claim.archive).await.err());
        }
        if self.signed {
            failure = failure.or(self.vault.delete_beside(&self.name).await.err());
        }
        if failure.is_none() && !keep_claim {
            failure = self.vault.delete(&self.name.claim_file()).await.err();
        }
        if let Some(error) = &failure {
            tracing::warn!(%error, name = %self.name, "an unfinished backup was not cleaned up");
        }
        failure
    }
}
