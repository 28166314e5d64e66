//! Small files of a store, kept on this machine under the tag that the store gives to their content.
//!
//! A list reads every manifest, and over a network that is what takes its time. A store's tag (etag)
//! changes with the content, so what is kept under the tag of a listing need not be fetched again.
//! Nothing is believed for coming from here: it is parsed, checked against its digest and its
//! signature like what comes from the store, and what does not pass is fetched anew.
//!
//! The folder may be deleted at any time, and any number of processes may use it: a file appears
//! whole or not at all, and its name says what it holds.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;
use lifeboat_archive::Digest;

/// When the folder holds more bytes than this, the oldest files go.
const MOST: u64 = 256 << 20;

/// Files larger than this are not kept: one of them would push out very many others.
const LARGEST: u64 = 8 << 20;

/// A folder of files that were read before.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    folder: PathBuf,
    /// The vault, so that equal tags of two vaults are two.
    vault: String,
}

impl Cache {
    pub(crate) fn new(folder: &Path, vault: &str) -> Self {
        Self { folder: folder.join("objects"), vault: vault.to_owned() }
    }

    fn file(&self, object: &str, etag: &str, size: u64) -> PathBuf {
        let parts = [&self.vault, object, etag, &size.to_string()];
        let key: Vec<u8> =
            parts.iter().flat_map(|part| part.bytes().chain(std::iter::once(0))).collect();
        self.folder.join(Digest::of(&key).to_string())
    }

    /// What is kept; `None` when nothing is, or it cannot be read.
    pub(crate) fn read(&self, object: &str, etag: &str, size: u64) -> Option<Bytes> {
        let bytes = fs::read(self.file(object, etag, size)).ok()?;
        (bytes.len() as u64 == size).then(|| bytes.into())
    }

    /// Keeps a file. Whether it was done matters to nobody.
    pub(crate) fn write(&self, object: &str, etag: &str, bytes: &Bytes) {
        let size = bytes.len() as u64;
        if size > LARGEST {
            return;
        }
        if let Err(error) = self.try_write(&self.file(object, etag, size), bytes) {
            tracing::debug!(%error, folder = %self.folder.display(), "nothing is kept");
        }
    }

    fn try_write(&self, file: &Path, bytes: &[u8]) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let staged = self.folder.join(format!("{}.new", uuid::Uuid::new_v4()));
        let mut new =
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&staged)?;
        let written = new.write_all(bytes).and_then(|()| fs::rename(&staged, file));
        if written.is_err() {
            let _ = fs::remove_file(&staged);
        }
        written
    }

    /// Removes the oldest files when there is too much.
    pub(crate) fn trim(&self) {
        self.trim_to(MOST);
    }

    fn trim_to(&self, most: u64) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        let mut files: Vec<(SystemTime, u64, PathBuf)> = entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let meta = entry.metadata().ok()?;
                Some((meta.modified().ok()?, meta.len(), entry.path()))
            })
            .collect();
        let mut total: u64 = files.iter().map(|(_, size, _)| size).sum();
        if total <= most {
            return;
        }
        files.sort();
        // Not to the brim, or the next file would begin it all again.
        for (_, size, file) in files {
            if total <= most / 4 * 3 {
                break;
            }
            if fs::remove_file(file).is_ok() {
                total -= size;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_back_what_has_the_same_tag_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(&folder.path().join("deep/er"), "az://a/b");
        let bytes = Bytes::from_static(b"manifest");
        assert_eq!(cache.read("x", "1", 8), None);
        cache.write("x", "1", &bytes);
        assert_eq!(cache.read("x", "1", 8), Some(bytes.clone()));
        for (object, etag, size) in [("x", "2", 8), ("y", "1", 8), ("x", "1", 9)] {
            assert_eq!(cache.read(object, etag, size), None);
        }
        assert_eq!(Cache::new(folder.path(), "az://a/c").read("x", "1", 8), None);
        // Cut short by whatever: not there.
        fs::write(cache.file("x", "1", 8), b"man").unwrap();
        assert_eq!(cache.read("x", "1", 8), None);
        cache.write("x", "1", &bytes);
        assert_eq!(cache.read("x", "1", 8), Some(bytes));
    }

    #[test]
    fn stays_small() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path(), "v");
        for number in 0..20 {
            cache.write(&number.to_string(), "t", &Bytes::from(vec![0; 100]));
        }
        cache.trim_to(2000);
        assert_eq!(fs::read_dir(&cache.folder).unwrap().count(), 20);
        cache.trim_to(1999);
        assert_eq!(fs::read_dir(&cache.folder).unwrap().count(), 14);
        cache.write("large", "t", &Bytes::from(vec![0; LARGEST as usize + 1]));
        assert_eq!(cache.read("large", "t", LARGEST + 1), None);
    }
}
