//! Where a server keeps what: the folders behind a home.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use lifeboat_archive::{Digest, FileDigest};

use crate::error::{Error, Result};

/// The folders of a home, wherever its `neo4j.conf` puts them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The home.
    pub home: PathBuf,
    /// The folder that a backup calls `data`.
    pub data: PathBuf,
    /// The folder that a backup calls `data/transactions`.
    pub transactions: PathBuf,
}

impl Layout {
    /// Finds the folders of a home, which need not be there.
    ///
    /// # Errors
    /// When its configuration is there but cannot be read.
    pub fn of(home: &Path) -> Result<Self> {
        Ok(Self {
            home: home.to_owned(),
            data: lifeboat_server::data_folder(home)?,
            transactions: lifeboat_server::transactions_folder(home)?,
        })
    }

    /// The folder that a backup calls `data/databases`.
    pub fn databases_folder(&self) -> PathBuf {
        self.data.join("databases")
    }

    /// Finds the folders of a home whose data can be copied.
    ///
    /// # Errors
    /// When this is no home, a server has never run on it, or its data cannot be read.
    pub fn readable(home: &Path) -> Result<Self> {
        let layout = Self::of(home)?;
        if layout.databases()?.is_empty() {
            return Err(not_a_home(home, "its data holds no database"));
        }
        Ok(layout)
    }

    /// The databases that are there, `system` first, else by name.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn databases(&self) -> Result<Vec<String>> {
        let folder = self.databases_folder();
        let items = match fs::read_dir(&folder) {
            Ok(items) => items,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(not_a_home(&self.home, &format!("there is no {}", folder.display())));
            }
            Err(error) => return Err(Error::file("read", folder)(error)),
        };
        let mut names = Vec::new();
        for item in items {
            let item = item.map_err(Error::file("read", &folder))?;
            let name = item.file_name().into_string();
            if let Ok(name) = name
                && item.path().is_dir()
                && self.transactions.join(&name).is_dir()
            {
                names.push(name);
            }
        }
        names.sort_by_key(|name| (name != "system", name.clone()));
        Ok(names)
    }

    /// The id in `data/server_id`: a byte that tells its form, and 16 of a UUID.
    pub fn server_id(&self) -> Option<String> {
        let bytes = fs::read(self.data.join("server_id")).ok()?;
        let id: [u8; 16] = bytes.get(1..)?.try_into().ok()?;
        Some(uuid::Uuid::from_bytes(id).to_string())
    }

    /// The files of a folder of the home, by name, with their digests; none when there is no such
    /// folder.
    ///
    /// # Errors
    /// When the folder or a file cannot be read.
    pub fn digests(&self, folder: &str) -> Result<Vec<FileDigest>> {
        let path = self.home.join(folder);
        let items = match fs::read_dir(&path) {
            Ok(items) => items,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::file("read", path)(error)),
        };
        let mut digests = Vec::new();
        for item in items {
            let item = item.map_err(Error::file("read", &path))?;
            let (file, Ok(name)) = (item.path(), item.file_name().into_string()) else { continue };
            if !file.is_file() {
                continue;
            }
            let mut hasher = blake3::Hasher::new();
            fs::File::open(&file)
                .and_then(|opened| hasher.update_reader(opened).map(drop))
                .map_err(Error::file("read", &file))?;
            digests.push(FileDigest {
                path: format!("{folder}/{name}"),
                size: hasher.count(),
                blake3: Digest::from(hasher.finalize()),
            });
        }
        digests.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(digests)
    }
}

pub(crate) fn not_a_home(home: &Path, why: &str) -> Error {
    Error::NotAHome { home: home.to_owned(), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_home_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let error = Layout::readable(folder.path()).unwrap_err().to_string();
        assert!(error.contains("there is no"), "{error}");
        fs::create_dir_all(folder.path().join("data/databases/neo4j")).unwrap();
        let error = Layout::readable(folder.path()).unwrap_err().to_string();
        assert!(error.contains("holds no database"), "{error}");
    }

    #[test]
    fn databases_have_a_log_and_system_comes_first() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["databases/a", "transactions/a", "databases/system", "transactions/system"] {
            fs::create_dir_all(folder.path().join("data").join(path)).unwrap();
        }
        fs::create_dir_all(folder.path().join("data/databases/half")).unwrap();
        fs::write(folder.path().join("data/databases/store_lock"), "").unwrap();
        let layout = Layout::readable(folder.path()).unwrap();
        assert_eq!(layout.databases().unwrap(), ["system", "a"]);
        assert_eq!(layout.server_id(), None);
        fs::write(folder.path().join("data/server_id"), [7; 17]).unwrap();
        assert_eq!(layout.server_id().unwrap(), "07070707-0707-0707-0707-070707070707");
    }

    #[test]
    fn files_beside_the_data_are_told_by_digest() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::of(folder.path()).unwrap();
        assert_eq!(layout.digests("plugins").unwrap(), []);
        fs::create_dir_all(folder.path().join("plugins/folder")).unwrap();
        fs::write(folder.path().join("plugins/a.jar"), "abc").unwrap();
        let digests = layout.digests("plugins").unwrap();
        assert_eq!(digests.len(), 1);
        assert_eq!((digests[0].path.as_str(), digests[0].size), ("plugins/a.jar", 3));
        assert_eq!(digests[0].blake3, Digest::of(b"abc"));
    }
}
