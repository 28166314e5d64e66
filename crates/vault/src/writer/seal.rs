//! What is done to a backup on its way into the store when the vault has keys: its archive is
//! encrypted, its manifest told how, and signed.

use bytes::Bytes;
use lifeboat_archive::{FileKind, Manifest};

use super::BackupWriter;
use crate::keys::{Sealer, blocking};
use crate::{Error, Vault};

/// How an archive goes into the store.
pub(super) enum Seal {
    /// As it is.
    Plain,
    /// Encrypted.
    Encrypted(Box<Sealer>),
    /// It was to be encrypted, and the encryption was broken off.
    Broken,
}

impl Vault {
    /// What encrypts the next archive, when archives are encrypted.
    pub(super) async fn new_sealer(&self) -> Result<Option<Box<Sealer>>, Error> {
        if !self.keys().encrypts() {
            return Ok(None);
        }
        let keys = self.keys().clone();
        Ok(blocking(move || keys.sealer()).await??.map(Box::new))
    }
}

impl BackupWriter {
    /// Encrypts what comes, when there is a sealer.
    pub(super) fn sealing_with(mut self, sealer: Option<Box<Sealer>>) -> Self {
        self.seal = sealer.map_or(Seal::Plain, Seal::Encrypted);
        self
    }

    /// The bytes to store for these.
    pub(super) async fn sealed(&mut self, plain: Bytes) -> Result<Bytes, Error> {
        // Whoever drops this call half-way leaves a writer that stores nothing any more.
        let mut sealer = match std::mem::replace(&mut self.seal, Seal::Broken) {
            Seal::Plain => {
                self.seal = Seal::Plain;
                return Ok(plain);
            }
            Seal::Encrypted(sealer) => sealer,
            Seal::Broken => return Err(self.broken()),
        };
        let push = move || sealer.push(&plain).map(|stored| (sealer, stored));
        let (sealer, stored) = blocking(push).await??;
        self.seal = Seal::Encrypted(sealer);
        Ok(stored)
    }

    fn broken(&self) -> Error {
        Error::Misuse(format!("the encryption of {} was broken off", self.name))
    }

    /// Ends the archive, and gives the manifest as it is to be stored.
    pub(super) async fn prepare(&mut self, manifest: &Manifest) -> Result<Manifest, Error> {
        let archive = &manifest.archive;
        let plain = self.name.archive_file(archive.compression);
        if manifest.name != self.name
            || archive.file != plain
            || archive.size != self.given
            || archive.encryption.is_some()
        {
            return Err(Error::Misuse(format!(
                "the manifest of {} tells {} with {} bytes; written were {} with {} bytes",
                manifest.name, archive.file, archive.size, self.claim.archive, self.given
            )));
        }
        let mut manifest = manifest.clone();
        match std::mem::replace(&mut self.seal, Seal::Broken) {
            Seal::Plain => {}
            Seal::Encrypted(sealer) => {
                let (rest, encryption) = blocking(move || sealer.finish()).await??;
                self.take_in(rest).await?;
                manifest.archive.encryption = Some(encryption);
            }
            Seal::Broken => return Err(self.broken()),
        }
        if manifest.archive.encryption.is_some() {
            manifest.archive.file.clone_from(&self.claim.archive);
        }
        if manifest.archive.file == self.claim.archive {
            return Ok(manifest);
        }
        Err(Error::Misuse(format!(
            "the manifest of {} tells {}; written was {}",
            manifest.name, manifest.archive.file, self.claim.archive
        )))
    }

    /// The bytes of the manifest, and those of its signature when one is made.
    pub(super) fn signed(&self, manifest: &Manifest) -> Result<(Bytes, Option<Bytes>), Error> {
        let bytes = manifest
            .to_bytes()
            .map_err(|e| Error::Misuse(format!("the manifest cannot be stored: {e}")))?;
        let file = self.name.file_name(FileKind::Manifest);
        let signature = self.vault.keys().sign(&bytes, &file)?;
        Ok((bytes.into(), signature.map(Bytes::from)))
    }
}
