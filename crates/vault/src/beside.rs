//! The small files beside a backup: its signature, its certificate, the mark of retention.
//!
//! They say something about a backup and are never what makes one, so they come and go one by one;
//! and all of them go when the backup goes.

use bytes::Bytes;
use futures::future::try_join_all;
use lifeboat_archive::{BackupName, FileKind};

use crate::{Error, Vault};

/// The most bytes that are read of a file beside a backup.
const MAX_BESIDE: u64 = 16 << 20;

impl Vault {
    /// Reads a file beside a backup; `None` when there is none.
    ///
    /// # Errors
    /// Those of reading; [`Error::Misuse`] when the kind is none of [`FileKind::BESIDE`], or the
    /// file is too large to be one.
    pub async fn read_beside(
        &self,
        name: &BackupName,
        kind: FileKind,
    ) -> Result<Option<Bytes>, Error> {
        let object = file(name, kind)?;
        match self.get_small(&object, MAX_BESIDE).await? {
            None => Ok(None),
            Some(Ok(bytes)) => Ok(Some(bytes)),
            Some(Err(size)) => Err(Error::Misuse(format!(
                "{object} in {self} has {size} bytes, too many to be ours"
            ))),
        }
    }

    /// Writes a file beside a backup, in the place of the one that was there.
    ///
    /// # Errors
    /// Those of writing; [`Error::Misuse`] when the kind is none of [`FileKind::BESIDE`].
    pub async fn write_beside(
        &self,
        name: &BackupName,
        kind: FileKind,
        bytes: Bytes,
    ) -> Result<(), Error> {
        self.put(&file(name, kind)?, bytes.into()).await
    }

    /// Removes a file beside a backup; whether it was there. (A store that does not tell says it
    /// was.)
    ///
    /// # Errors
    /// Those of deleting; [`Error::Misuse`] when the kind is none of [`FileKind::BESIDE`].
    pub async fn remove_beside(&self, name: &BackupName, kind: FileKind) -> Result<bool, Error> {
        self.delete(&file(name, kind)?).await
    }

    /// Removes all of them.
    pub(crate) async fn delete_beside(&self, name: &BackupName) -> Result<(), Error> {
        let files = FileKind::BESIDE.map(|kind| name.file_name(kind));
        try_join_all(files.iter().map(|file| self.delete(file))).await.map(|_| ())
    }
}

fn file(name: &BackupName, kind: FileKind) -> Result<String, Error> {
    let file = name.file_name(kind);
    if FileKind::BESIDE.contains(&kind) {
        return Ok(file);
    }
    Err(Error::Misuse(format!("{file} is no file beside a backup, but a part of it")))
}
