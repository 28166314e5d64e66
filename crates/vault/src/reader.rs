//! Reading an archive: ranges of it, in parallel, in any order.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt as _;
use lifeboat_archive::{BackupName, Manifest};
use object_store::{GetOptions, ObjectStore as _};
use tokio::sync::OnceCell;

use crate::keys::open::{MAX_HEADER, OpenError, Opener};
use crate::vault::{object_path, short};
use crate::{Damage, Error, Vault};

/// The archive of one backup, open for reading. Cheap to clone, for reading in parallel.
#[derive(Clone)]
pub struct ArchiveReader {
    vault: Vault,
    name: BackupName,
    file: String,
    /// Bytes of the archive, decrypted if need be.
    size: u64,
    /// Bytes of the file.
    stored: u64,
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
        let name = &manifest.name;
        let archive = &manifest.archive;
        let (file, expected) = (archive.file.clone(), archive.stored_size());
        match self.head(&file).await? {
            None => Err(self.damaged(name, Damage::ArchiveMissing(file))),
            Some(meta) if meta.size != expected => {
                let found = meta.size;
                Err(self.damaged(name, Damage::ArchiveSize { file, expected, found }))
            }
            Some(_) => Ok(ArchiveReader {
                vault: self.clone(),
                name: name.clone(),
                file,
                size: archive.size,
                stored: expected,
                opener: archive.encryption.as_ref().map(|_| Arc::default()),
            }),
        }
    }
}

impl fmt::Debug for ArchiveReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArchiveReader")
            .field("vault", &self.vault)
            .field("file", &self.file)
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
        &self.file
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
        blocking(move || opener.open(&range, stored)).await.map_err(|error| self.cannot_open(error))
    }

    /// Opens the header of an encrypted archive.
    async fn open(&self) -> Result<Arc<Opener>, Error> {
        let first = self.read_stored(0..self.stored.min(MAX_HEADER)).await?;
        let (keys, stored) = (self.vault.keys().clone(), self.stored);
        let opener = blocking(move || keys.opener(&first, stored)).await;
        opener.map(Arc::new).map_err(|error| self.cannot_open(error))
    }

    fn cannot_open(&self, error: OpenError) -> Error {
        match error {
            OpenError::WrongKey => Error::NoKey {
                vault: self.vault.to_string(),
                name: self.name.clone(),
                any: self.vault.keys().can_open(),
            },
            OpenError::Key(error) => error.into(),
            OpenError::Damaged(reason) => {
                let file = self.file.clone();
                self.vault.damaged(&self.name, Damage::Encryption { file, reason })
            }
        }
    }

    fn check_range(&self, range: &Range<u64>, size: u64) -> Result<(), Error> {
        if range.start <= range.end && range.end <= size {
            return Ok(());
        }
        Err(Error::Misuse(format!(
            "bytes {}..{} of {}, which has {size}",
            range.start, range.end, self.file
        )))
    }

    /// The bytes of a range of the file as it is stored.
    async fn read_stored(&self, range: Range<u64>) -> Result<Bytes, Error> {
        self.check_range(&range, self.stored)?;
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        // How many bytes came at the last try, when that was the trouble.
        let came = AtomicU64::new(u64::MAX);
        let result = self.vault.retry().run(async || self.read_once(range.clone(), &came).await);
        match result.await {
            Ok(bytes) => Ok(bytes),
            Err(error) => {
                Err(self.diagnose(error, range.end - range.start, came.into_inner()).await)
            }
        }
    }

    async fn read_once(&self, range: Range<u64>, came: &AtomicU64) -> Result<Bytes, Error> {
        came.store(u64::MAX, Ordering::Relaxed);
        let expected = range.end - range.start;
        let options = GetOptions::new().with_range(Some(range));
        let result = async {
            let found = self.vault.store().get_opts(&object_path(&self.file), options).await?;
            // Not `bytes()`: its buffer is as large as the answer claims to be.
            let mut stream = found.into_stream();
            let mut bytes = BytesMut::with_capacity(usize::try_from(expected).unwrap_or(0));
            while let Some(part) = stream.try_next().await? {
                bytes.extend_from_slice(&part);
                if bytes.len() as u64 > expected {
                    break;
                }
            }
            if bytes.len() as u64 == expected {
                return Ok(bytes.freeze());
            }
            came.store(bytes.len() as u64, Ordering::Relaxed);
            Err(short(bytes.len() as u64, expected))
        };
        result.await.map_err(|error| self.vault.explain("read", &self.file, &error))
    }

    /// Whether the archive itself is to blame for a failed read.
    async fn diagnose(&self, error: Error, expected: u64, came: u64) -> Error {
        let file = self.file.clone();
        let damage = match self.vault.head(&file).await {
            Ok(None) => Damage::ArchiveMissing(file),
            Ok(Some(meta)) if meta.size != self.stored => {
                Damage::ArchiveSize { file, expected: self.stored, found: meta.size }
            }
            Ok(Some(_)) if came != u64::MAX => Damage::Truncated { file, expected, found: came },
            _ => return error,
        };
        self.vault.damaged(&self.name, damage)
    }
}

/// Work that keeps a processor busy, away from the threads that others wait for.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, OpenError> + Send + 'static,
) -> Result<T, OpenError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(panic) => Err(OpenError::Damaged(panic.to_string())),
    }
}
