//! An archive as it is stored: bytes with a size and a digest, whatever they mean. This is all that
//! a copy and a check of what is stored need, and no key is needed for it.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};
use lifeboat_archive::{BackupName, Digest, Manifest};
use object_store::{GetOptions, ObjectStore as _};

use crate::vault::{gather, object_path, short};
use crate::{Damage, Error, Vault};

/// Bytes that are read at once.
const CHUNK: u64 = 4 << 20;

/// Reads at a time.
const PARALLEL: usize = 4;

/// The stored file of a backup in a vault.
#[derive(Debug, Clone)]
pub(crate) struct StoredFile {
    pub(crate) vault: Vault,
    pub(crate) name: BackupName,
    pub(crate) file: String,
    pub(crate) size: u64,
    pub(crate) blake3: Digest,
}

impl StoredFile {
    /// The archive that a manifest tells of.
    pub(crate) fn of(vault: &Vault, manifest: &Manifest) -> Self {
        let archive = &manifest.archive;
        Self {
            vault: vault.clone(),
            name: manifest.name.clone(),
            file: archive.file.clone(),
            size: archive.stored_size(),
            blake3: archive.stored_blake3(),
        }
    }

    /// Says what is wrong when it is not there with its size.
    pub(crate) async fn check(&self) -> Result<(), Error> {
        let (file, expected) = (self.file.clone(), self.size);
        let damage = match self.vault.head(&file).await? {
            None => Damage::ArchiveMissing(file),
            Some(meta) if meta.size != expected => {
                Damage::ArchiveSize { file, expected, found: meta.size }
            }
            Some(_) => return Ok(()),
        };
        Err(self.vault.damaged(&self.name, damage))
    }

    /// All its bytes in order, a few reads ahead.
    pub(crate) fn chunks(&self) -> impl Stream<Item = Result<Bytes, Error>> + '_ {
        let starts = (0..self.size).step_by(usize::try_from(CHUNK).unwrap_or(usize::MAX));
        stream::iter(starts)
            .map(async |start| {
                self.range(start..(start + CHUNK).min(self.size), &AtomicU64::default()).await
            })
            .buffered(PARALLEL)
    }

    /// The digest of what is there. `progress` is told how many bytes came.
    pub(crate) async fn digest(&self, progress: &(dyn Fn(u64) + Sync)) -> Result<Digest, Error> {
        let mut hasher = blake3::Hasher::new();
        let mut chunks = std::pin::pin!(self.chunks());
        while let Some(chunk) = chunks.try_next().await? {
            hasher.update(&chunk);
            progress(chunk.len() as u64);
        }
        Ok(hasher.finalize().into())
    }

    /// The bytes of a range: all of them, in memory. Tried again when the store fails or sends
    /// fewer; `came` is set to how many came at the last try when that was the trouble, else to
    /// [`u64::MAX`].
    pub(crate) async fn range(&self, range: Range<u64>, came: &AtomicU64) -> Result<Bytes, Error> {
        self.vault.retry().run(async || self.range_once(range.clone(), came).await).await
    }

    async fn range_once(&self, range: Range<u64>, came: &AtomicU64) -> Result<Bytes, Error> {
        came.store(u64::MAX, Ordering::Relaxed);
        let expected = range.end - range.start;
        let options = GetOptions::new().with_range(Some(range));
        let result = async {
            let found = self.vault.store().get_opts(&object_path(&self.file), options).await?;
            let bytes = gather(found, expected).await?;
            if bytes.len() as u64 == expected {
                return Ok(bytes);
            }
            came.store(bytes.len() as u64, Ordering::Relaxed);
            Err(short(bytes.len() as u64, expected))
        };
        result.await.map_err(|error| self.vault.explain("read", &self.file, &error))
    }
}
