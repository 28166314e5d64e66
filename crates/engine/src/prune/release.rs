//! A person's word that a backup which looks poisoned is what it should be.
//!
//! It is kept in the vault, as `retention/released/NAME.json`, so that it holds for every run on
//! every machine; and it names the archive by digest, so that it speaks for no other.

use std::collections::BTreeSet;

use bytes::Bytes;
use jiff::Timestamp;
use lifeboat_archive::{BackupName, Digest};
use lifeboat_vault::Area;
use serde::{Deserialize, Serialize};

use super::hold::Hold;
use super::look::Side;
use crate::{Error, Result};

/// Where the words lie in a vault.
const AREA: &str = "retention/released";

/// The most bytes of one.
const MAX_WORD: u64 = 64 << 10;

#[derive(Debug, Serialize, Deserialize)]
struct Word {
    format: u32,
    backup: BackupName,
    /// BLAKE3 of its archive.
    archive: Digest,
    /// The user who said it.
    by: String,
    at: Timestamp,
}

fn key(name: &BackupName) -> String {
    format!("{name}.json")
}

/// The backups that somebody has spoken for, in any of the vaults. Words for backups that are gone
/// do no harm.
pub(super) async fn released(sides: &[Side]) -> Result<BTreeSet<BackupName>> {
    let mut released = BTreeSet::new();
    for side in sides {
        let area = side.vault.area(AREA)?;
        for object in area.list(None).await? {
            if let Some(name) = read(&area, &object.key, side).await? {
                released.insert(name);
            }
        }
    }
    Ok(released)
}

async fn read(area: &Area, key: &str, side: &Side) -> Result<Option<BackupName>> {
    let Some((bytes, _)) = area.read(key, MAX_WORD).await? else { return Ok(None) };
    let word: Word = match serde_json::from_slice(&bytes) {
        Ok(word) => word,
        Err(error) => {
            tracing::warn!(key, %error, "passing over a release that cannot be understood");
            return Ok(None);
        }
    };
    let of_it = word.format == 1 && side.archive(&word.backup) == Some(word.archive);
    Ok(of_it.then_some(word.backup))
}

/// Writes the word down, in every vault that has the backup.
///
/// # Errors
/// [`Error::NotHeld`] when the backup is not on hold.
pub(super) async fn release(sides: &[Side], holds: &[Hold], name: &BackupName) -> Result<()> {
    if !holds.iter().any(|hold| hold.backup == *name) {
        return Err(Error::NotHeld { name: name.clone() });
    }
    let user = ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    for side in sides {
        let Some(archive) = side.archive(name) else { continue };
        let word = Word {
            format: 1,
            backup: name.clone(),
            archive,
            by: user.clone().unwrap_or_else(|| "somebody".to_owned()),
            at: Timestamp::now(),
        };
        let bytes = serde_json::to_vec_pretty(&word).map_err(|e| Error::Internal(e.to_string()))?;
        let area = side.vault.area(AREA)?;
        if !area.create(&key(name), &Bytes::from(bytes.clone())).await? {
            // Of an earlier backup of this name, or somebody else has just said the same.
            area.delete(&key(name)).await?;
            area.create(&key(name), &Bytes::from(bytes)).await?;
        }
    }
    Ok(())
}
