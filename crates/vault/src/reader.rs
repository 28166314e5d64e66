//! Reading an archive: ranges of it, in parallel, in any order.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt as _;
use lifeboat_archive::{BackupName, Manifest};
use object_store::{GetOptions, ObjectStore as _};

use crate::vault::{object_path, short};
use crate::{Damage, Error, Vault};

/// The archive of one backup, open for reading. Cheap to clone, for reading in parallel.
#[derive(Debug, Clone)]
pub struct ArchiveReader {
    vault: Vault,
    name: BackupName,
    file: String,
    size: u64,
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
        let (file, expected) = (manifest.archive.file.clone(), manifest.archive.size);
        match self.head(&file).await? {
            None => Err(self.damaged(name, Damage::ArchiveMissing(file))),
            Some(meta) if meta.size != expected => {
                let found = meta.size;
                Err(self.damaged(name, Damage::ArchiveSize { file, expected, found }))
            }
            Some(_) => {
                Ok(ArchiveReader { vault: self.clone(), name: name.clone(), file, size: expected })
            }
        }
    }
}

impl ArchiveReader {
    /// The size of the archive in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The archive's file name.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The bytes of a range of the file: all of them, in memory. Tried again when the store fails
    /// or sends fewer.
    ///
    /// # Errors
    /// [`Error::Damaged`] when the archive is gone, or does not have these bytes; those of reading.
    pub async fn read_range(&self, range: Range<u64>) -> Result<Bytes, Error> {
        if range.start > range.end || range.end > self.size {
            return Err(Error::Misuse(format!(
                "bytes {}..{} of {}, which has {}",
                range.start, range.end, self.file, self.size
            )));
        }
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
            Ok(Some(meta)) if meta.size != self.size => {
                Damage::ArchiveSize { file, expected: self.size, found: meta.size }
            }
            Ok(Some(_)) if came != u64::MAX => Damage::Truncated { file, expected, found: came },
            _ => return error,
        };
        self.vault.damaged(&self.name, damage)
    }
}
