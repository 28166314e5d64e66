//! Marks: the first of the two phases in which retention removes a backup.
//!
//! A mark (`NAME.mark.json`) says that nobody needs the backup any more, and why. It deletes
//! nothing: it lets a later run delete, when the mark has stood long enough by the store's clock
//! and nobody has taken it back. A mark is bound to the manifest that it was set on, so it never
//! speaks for another backup that has come to the same name.

use jiff::Timestamp;
use lifeboat_archive::{BackupName, Digest, FileKind};
use serde::{Deserialize, Serialize};

use crate::vault::modified;
use crate::{Error, Vault};

/// The content of `NAME.mark.json`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    format: u32,
    name: BackupName,
    /// BLAKE3 of the manifest's file.
    manifest: Digest,
    reason: String,
    by: String,
    host: String,
    since: Timestamp,
}

impl Mark {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mark: Self = serde_json::from_slice(bytes).ok()?;
        (mark.format == 1).then_some(mark)
    }
}

impl Vault {
    /// Marks a backup, also a damaged one, as one that nobody needs. A mark that was there is
    /// replaced, and its time begins again.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such backup; those of reading and writing.
    pub async fn mark(&self, name: &BackupName, reason: &str) -> Result<(), Error> {
        let mark = Mark {
            format: 1,
            name: name.clone(),
            manifest: self.manifest_digest(name).await?,
            reason: reason.to_owned(),
            by: concat!("lifeboat ", env!("CARGO_PKG_VERSION")).to_owned(),
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            since: Timestamp::now(),
        };
        let mut text = serde_json::to_vec_pretty(&mark).unwrap_or_default();
        text.push(b'\n');
        self.write_beside(name, FileKind::Mark, text.into()).await
    }

    /// Takes back the mark of a backup, if it has one.
    ///
    /// # Errors
    /// Those of deleting.
    pub async fn unmark(&self, name: &BackupName) -> Result<(), Error> {
        self.remove_beside(name, FileKind::Mark).await.map(|_| ())
    }

    /// Removes a backup that was marked before `long_ago`, by the store's clock. Whether it is gone;
    /// if not, it is not marked, or since a later time, or the mark was another backup's and has
    /// been taken away.
    ///
    /// # Errors
    /// As [`remove`](Self::remove).
    pub async fn remove_marked(
        &self,
        name: &BackupName,
        long_ago: Timestamp,
    ) -> Result<bool, Error> {
        let Some(meta) = self.head(&name.file_name(FileKind::Mark)).await? else {
            return Ok(false);
        };
        if modified(&meta) > long_ago {
            return Ok(false);
        }
        let mark = self.read_beside(name, FileKind::Mark).await?.and_then(|b| Mark::parse(&b));
        let manifest = match self.manifest_digest(name).await {
            Err(Error::NotFound { .. }) => return Ok(false),
            digest => digest?,
        };
        match mark {
            Some(mark) if mark.name == *name && mark.manifest == manifest => {
                self.remove(name).await?;
                Ok(true)
            }
            _ => {
                self.unmark(name).await?;
                Ok(false)
            }
        }
    }
}
