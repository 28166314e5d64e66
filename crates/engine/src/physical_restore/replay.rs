//! The log that was shipped after a backup, laid behind the backup's own.
//!
//! The main database goes exactly as far as it is told; the others, `system` with them, to the
//! same moment.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lifeboat_archive::{Manifest, PhysicalDatabase};
use lifeboat_neo4j::txlog::LogFolder;
use lifeboat_vault::Vault;

use super::target::Staging;
use super::{HomeRestoreOptions, HomeRestorePlan, physical};
use crate::select::safety_of;
use crate::ship::{BaseLog, Replay, Until, find_replay};
use crate::{Error, Progress, Result};

/// Zeros behind the last transaction, as there are behind those of a running server.
const MARGIN: u64 = 4096;

/// Finds the newest physical backup from which a point can be reached.
pub(super) async fn find_base(vault: &Vault, until: Until) -> Result<Manifest> {
    let is_before = |manifest: &Manifest| {
        let Ok((section, store)) = physical(manifest) else { return false };
        let Some(main) = store.databases.get(&section.name) else { return false };
        match until {
            Until::Latest => true,
            Until::Tx(wanted) => main.last_tx.is_some_and(|last| last <= wanted),
            Until::Time(wanted) => main.last_tx_time.unwrap_or(manifest.finished) <= wanted,
        }
    };
    vault
        .list()
        .await?
        .into_iter()
        .filter_map(|listed| listed.manifest.ok())
        .find(|manifest| safety_of(manifest).is_none() && is_before(manifest))
        .map(Arc::unwrap_or_clone)
        .ok_or_else(|| Error::NoBackup {
            vault: vault.to_string(),
            hint: format!("no physical backup is from before {until}; `lifeboat list` shows them"),
        })
}

/// Finds the log that leads from a backup to a point; `None` when there is none to be had and none
/// is needed.
pub(super) async fn find(
    vault: &Vault,
    manifest: &Manifest,
    name: &str,
    until: Until,
) -> Result<Option<Replay>> {
    let (_, store) = physical(manifest)?;
    let unreachable =
        |why: &str| Error::Unreached { name: manifest.name.clone(), until, why: why.to_owned() };
    let Some(database) = store.databases.get(name) else { return Ok(None) };
    let Some(base) = BaseLog::of(name, database) else {
        return match until {
            Until::Latest => Ok(None),
            _ => {
                Err(unreachable("its log could not be read, so it stands at no known transaction"))
            }
        };
    };
    if is_own_end(Some(database), until) {
        return Ok(None);
    }
    if let Until::Time(wanted) = until
        && database.last_tx_time.is_some_and(|last| last > wanted)
    {
        return Err(unreachable("the backup already holds later transactions; use an older one"));
    }
    let found = find_replay(vault, &base, until).await?;
    match until {
        Until::Tx(_) | Until::Time(_) if found.is_none() => {
            Err(unreachable("no log that follows this backup has been shipped"))
        }
        _ => Ok(found),
    }
}

/// Whether a point is the very transaction with which a backup of a database ends, so that no log
/// is wanted.
fn is_own_end(database: Option<&PhysicalDatabase>, until: Until) -> bool {
    matches!(until, Until::Tx(wanted) if database.is_some_and(|one| one.last_tx == Some(wanted)))
}

/// Lays the log behind that of each database; the last transaction of each after that.
pub(super) async fn replay(
    options: &HomeRestoreOptions,
    plan: &HomeRestorePlan,
    staging: &Staging,
    main: &str,
    progress: &Progress,
) -> Result<BTreeMap<String, u64>> {
    let (_, store) = physical(&plan.manifest)?;
    let mut last = BTreeMap::new();
    let mut until = options.until;
    if is_own_end(store.databases.get(main), until) {
        // The others, too, stay as the backup has them: their log may be of another timeline.
        let known = plan
            .databases
            .iter()
            .filter_map(|name| Some((name.clone(), store.databases.get(name)?.last_tx?)));
        return Ok(known.collect());
    }
    let main_first = plan.databases.iter().filter(|name| *name == main);
    let others = plan.databases.iter().filter(|name| *name != main);
    for name in main_first.chain(others) {
        let Some(database) = store.databases.get(name) else { continue };
        let found = match find(&options.vault, &plan.manifest, name, until).await {
            // What was written to it later than to the main database is in the backup, and stays.
            Err(Error::Unreached { .. }) if name != main => None,
            found => found?,
        };
        let mut reached = (database.last_tx, database.last_tx_time);
        if let Some(mut replay) = found {
            let folder = LogFolder::new(staging.transactions().join(name));
            lay(&mut replay, &folder, database, progress).await?;
            let end = replay.reached();
            reached = (Some(end.last_tx), end.committed.or(database.last_tx_time));
            if !end.verified {
                reached.0 = None;
            }
        }
        if let Some(tx) = reached.0 {
            last.insert(name.clone(), tx);
        }
        if name == main
            && let (Until::Tx(_), Some(time)) = (until, reached.1)
        {
            until = Until::Time(time);
        }
    }
    Ok(last)
}

/// Writes the pieces of a log into its files, and cuts what follows the last.
async fn lay(
    replay: &mut Replay,
    folder: &LogFolder,
    database: &PhysicalDatabase,
    progress: &Progress,
) -> Result<()> {
    let total = replay.stored_bytes();
    let mut done = 0;
    let mut version = database.log_end.version;
    let mut open = Open::at(folder, version)?;
    let mut end = database.log_end.offset;
    while let Some(piece) = replay.next().await? {
        if piece.version != version {
            open.cut(end)?;
            version = piece.version;
            open = Open::at(folder, version)?;
        }
        open.write(&piece.bytes, piece.offset)?;
        end = piece.offset + piece.bytes.len() as u64;
        done += piece.bytes.len() as u64;
        progress.bytes(done, done.max(total));
    }
    let reached = replay.reached();
    if reached.verified && reached.position.version == version {
        end = reached.position.offset;
    }
    open.cut(end)?;
    open.extend(end + MARGIN)
}

/// A log file that is being written.
struct Open {
    file: File,
    path: PathBuf,
}

impl Open {
    fn at(folder: &LogFolder, version: u64) -> Result<Self> {
        let path = folder.file(version);
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        Ok(Self { file: file.map_err(failed(&path))?, path })
    }

    fn write(&self, bytes: &[u8], offset: u64) -> Result<()> {
        self.file.write_all_at(bytes, offset).map_err(failed(&self.path))
    }

    /// Nothing is left behind `end`.
    fn cut(&self, end: u64) -> Result<()> {
        self.file.set_len(end).map_err(failed(&self.path))
    }

    /// There are zeros up to `end`.
    fn extend(&self, end: u64) -> Result<()> {
        self.file.set_len(end).map_err(failed(&self.path))
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let folder = path.to_owned();
    move |error| Error::Folder { action: "write", folder, error }
}
