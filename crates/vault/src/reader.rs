//! Reading an archive: ranges of it, in parallel, in any order.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use lifeboat_archive::{BackupName, Manifest};
use tokio::sync::OnceCell;

use crate::keys::blocking;
use crate::keys::open::{MAX_HEADER, OpenError, Opener};
use crate::stored::StoredFile;
use crate::{Damage, Error, Vault};

/// The archive of one backup, open for reading. Cheap to clone, for reading in parallel.
#[derive(Clone)]
pub struct ArchiveReader {
    file: StoredFile,
    /// Bytes of the archive, decrypted if need be.
    size: u64,
    /// What opens it, once it has been needed; `None` when it is not encrypted.
    opener: Option<Arc<OnceCell<Arc<Opener>>>>,
}

impl Vault {
    /// Opens the archive of a backup, after a look at its manifest.
    ///
    /// # Errors
    /// [`Error::NotFound`], and [`Error::Damaged`] when the archive is missing or of another size
    /// than the manifest says.
    pub async fn open_archive(&self, name: &BackupName) -> Result<ArchiveReader, Error> {
        let manifest = self.manifest(name).await?;
        self.open_archive_of(&manifest).await
    }

    /// Opens the archive that a manifest tells of.
    ///
    /// # Errors
    /// As [`open_archive`](Self::open_archive).
    pub async fn open_archive_of(&self, manifest: &Manifest) -> Result<ArchiveReader, Error> {
        let file = StoredFile::of(self, manifest);
        file.check().await?;
        let archive = &manifest.archive;
        let opener = archive.encryption.as_ref().map(|_| Arc::default());
        Ok(ArchiveReader { file, size: archive.size, opener })
    }
}

impl fmt::Debug for ArchiveReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArchiveReader")
            .field("vault", &self.file.vault)
            .field("file", &self.file.file)
            .field("encrypted", &self.opener.is_some())
            .finish_non_exhaustive()
    }
}

impl ArchiveReader {
    /// The size of the archive in bytes, as it is when it is not encrypted.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The archive's file name.
    pub fn file(&self) -> &str {
        &self.file.file
    }

    /// The bytes of a range of the archive: all of them, in memory, decrypted if need be. Tried
    /// again when the store fails or sends fewer.
    ///
    /// # Errors
    /// [`Error::Damaged`] when the archive is gone, or does not have these bytes;
    /// [`Error::NoKey`] when it is encrypted and no key fits; those of reading.
    pub async fn read_range(&self, range: Range<u64>) -> Result<Bytes, Error> {
        let Some(cell) = &self.opener else { return self.read_stored(range).await };
        self.check_range(&range, self.size)?;
        let opener = Arc::clone(cell.get_or_try_init(|| self.open()).await?);
        let stored = self.read_stored(opener.stored_range(&range)).await?;
        let opened = blocking(move || opener.open(&range, stored)).await;
        let opened = opened.unwrap_or_else(|panic| Err(OpenError::Damaged(panic.reason)));
        opened.map_err(|error| self.cannot_open(error))
    }

    /// Opens the header of an encrypted archive.
    async fn open(&self) -> Result<Arc<Opener>, Error> {
        let first = self.read_stored(0..self.file.size.min(MAX_HEADER)).await?;
        let (keys, stored) = (self.file.vault.keys().clone(), self.file.size);
        let opened = blocking(move || keys.opener(&first, stored)).await;
        let opened = opened.unwrap_or_else(|panic| Err(OpenError::Damaged(panic.reason)));
        opened.map(Arc::new).map_err(|error| self.cannot_open(error))
    }

    fn cannot_open(&self, error: OpenError) -> Error {
        let StoredFile { vault, name, file, .. } = &self.file;
        match error {
            OpenError::WrongKey => Error::NoKey {
                vault: vault.to_string(),
                name: name.clone(),
                any: vault.keys().can_open(),
            },
            OpenError::Key(error) => error.into(),
            OpenError::Damaged(reason) => {
                vault.damaged(name, Damage::Encryption { file: file.clone(), reason })
            }
        }
    }

    fn check_range(&self, range: &Range<u64>, size: u64) -> Result<(), Error> {
        if range.start <= range.end && range.end <= size {
            return Ok(());
        }
        Err(Error::Misuse(format!(
            "bytes {}..{} of {}, which has {size}",
            range.start, range.end, self.file.file
        )))
    }

    /// The bytes of a range of the file as it is stored.
    async fn read_stored(&self, range: Range<u64>) -> Result<Bytes, Error> {
        self.check_range(&range, self.file.size)?;
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let came = AtomicU64::default();
        let expected = range.end - range.start;
        match self.file.range(range, &came).await {
            Ok(bytes) => Ok(bytes),
            Err(error) => Err(self.diagnose(error, expected, came.into_inner()).await),
        }
    }

    /// Whether the archive itself is to blame for a failed read.
    async fn diagnose(&self, error: Error, expected: u64, came: u64) -> Error {
        match self.file.check().await {
            Err(damaged @ Error::Damaged { .. }) => damaged,
            Ok(()) if came != u64::MAX => {
                let StoredFile { vault, name, file, .. } = &self.file;
                let damage = Damage::Truncated { file: file.clone(), expected, found: came };
                vault.damaged(name, damage)
            }
            _ => error,
        }
    }
}
