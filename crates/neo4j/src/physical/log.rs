//! How far the log of a database is written, and where it is cut.
//!
//! A log file is preallocated: behind what was written there are zeros, which are neither read nor
//! stored. The copy ends behind the last transaction whose checksum is right. All that the stores
//! hold is before it, since Neo4j writes the log first and the log is read last.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use lifeboat_archive::{LogPosition, PhysicalDatabase};

use crate::error::{Error, Result};
use crate::txlog::{self, Checkpoint, HEADER_SIZE, LogError, LogFolder, Stop};

/// What the names of a transaction log's files begin with.
pub(super) const LOG_PREFIX: &str = "neostore.transaction.db.";

/// What the names of the files that tell of checkpoints begin with.
const CHECKPOINT_PREFIX: &str = "checkpoint.";

/// How many zeros are kept behind what was written: an entry of the log may end with zeros.
pub(super) const MARGIN: u64 = 4096;

/// How much is looked at at a time, from behind, for the last byte that was written.
const STEP: u64 = 64 << 10;

/// How long the log is left alone before what was not understood is read again: a write may have
/// been seen in part.
const SETTLE: Duration = Duration::from_millis(20);

/// How often.
const TRIES: u32 = 5;

/// What is copied of a log.
#[derive(Debug)]
pub(super) struct Cut {
    /// What the manifest says.
    pub(super) database: PhysicalDatabase,
    /// The files.
    pub(super) files: Vec<LogFile>,
}

/// A file of a log. It is open: a server that prunes its log takes nothing away from who reads it.
#[derive(Debug)]
pub(super) struct LogFile {
    pub(super) number: u64,
    pub(super) path: PathBuf,
    pub(super) file: File,
    /// How many bytes of it are copied.
    pub(super) bytes: u64,
}

/// Finds what has to be copied of a log, whose newest copied checkpoint is `checkpoint`; `None`
/// when the server has pruned some of it meanwhile, which it does after a checkpoint.
pub(super) fn cut(logs: &LogFolder, checkpoint: Option<Checkpoint>) -> Result<Option<Cut>> {
    let versions = logs.versions()?;
    // Recovery reads nothing of before.
    let needed = checkpoint.map_or(0, |checkpoint| checkpoint.replay_from.version);
    let first = versions.iter().copied().find(|version| *version >= needed);
    let no_log = || LogError::NoLog { folder: logs.path().to_owned() };
    let first = first.ok_or_else(no_log)?;
    if checkpoint.is_some() && first > needed {
        return Ok(None);
    }
    let header = logs.header(first)?.ok_or_else(no_log)?;
    let mut database = PhysicalDatabase {
        store_format: header.store_format.clone(),
        store_id: header.store_id.clone(),
        log_format: u64::from(header.format),
        checkpoint: checkpoint.map(|checkpoint| checkpoint.replay_from),
        log_start: LogPosition { version: first, offset: HEADER_SIZE },
        ..PhysicalDatabase::default()
    };
    let end = if header.is_known() { known_end(logs)? } else { None };
    if let Some(end) = &end {
        database.log_end = end.position;
        database.last_tx = Some(end.last_tx);
        database.last_tx_time =
            end.last.and_then(|last| Timestamp::from_millisecond(last.committed).ok());
    } else {
        // As far as it is written: recovery finds the last transaction by itself.
        let last = versions.last().copied().unwrap_or(first);
        std::thread::sleep(SETTLE);
        let offset = written_of(&logs.file(last))?;
        database.log_end = LogPosition { version: last, offset };
    }
    let last = database.log_end;
    let mut files = Vec::new();
    for version in versions.into_iter().filter(|version| (first..=last.version).contains(version)) {
        let path = logs.file(version);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::file("read", &path)(error)),
        };
        let bytes = if version == last.version { last.offset } else { written(&file, &path)? };
        files.push(LogFile { number: version, path, file, bytes });
    }
    Ok(Some(Cut { database, files }))
}

/// Where the last whole transaction ends; `None` when something follows that is not understood.
fn known_end(logs: &LogFolder) -> Result<Option<txlog::LogEnd>> {
    for _ in 0..TRIES {
        let end = logs.end()?;
        if !matches!(end.stop, Stop::Unknown { .. }) {
            return Ok(Some(end));
        }
        std::thread::sleep(SETTLE);
    }
    Ok(None)
}

/// The files that tell of checkpoints, by number, with what is written in them.
pub(super) fn checkpoints(folder: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let mut found = Vec::new();
    let mut files = Vec::new();
    for item in fs::read_dir(folder).map_err(Error::file("read", folder))? {
        let item = item.map_err(Error::file("read", folder))?;
        let name = item.file_name();
        let number: Option<u64> =
            name.to_str().and_then(|name| name.strip_prefix(CHECKPOINT_PREFIX)?.parse().ok());
        files.extend(number.map(|number| (number, item.path())));
    }
    files.sort();
    for (number, path) in files {
        let mut content = fs::read(&path).map_err(Error::file("read", &path))?;
        let written = content.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        content.truncate(content.len().min(written + MARGIN as usize));
        found.push((format!("{CHECKPOINT_PREFIX}{number}"), content));
    }
    Ok(found)
}

fn written_of(path: &Path) -> Result<u64> {
    written(&File::open(path).map_err(Error::file("read", path))?, path)
}

/// Where the last byte of a file ends that is not zero.
fn written(file: &File, path: &Path) -> Result<u64> {
    let failed = || Error::file("read", path);
    let mut end = file.metadata().map_err(failed())?.len();
    let mut buffer = vec![0; STEP as usize];
    while end > 0 {
        let start = end.saturating_sub(1) / STEP * STEP;
        let part = &mut buffer[..(end - start) as usize];
        // A hole is not read: there is nothing but zeros in it.
        if super::copy::next_data(file, start, end) < end {
            file.read_exact_at(part, start).map_err(failed())?;
            if let Some(last) = part.iter().rposition(|byte| *byte != 0) {
                return Ok(start + last as u64 + 1);
            }
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_written_byte_is_found_behind_holes_and_zeros() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        assert_eq!(written(&file, &path).unwrap(), 0);
        file.set_len(256 << 20).unwrap();
        assert_eq!(written(&file, &path).unwrap(), 0);
        file.write_at(&[1], 0).unwrap();
        assert_eq!(written(&file, &path).unwrap(), 1);
        for at in [STEP - 1, STEP, 10 * STEP + 7] {
            file.write_at(&[1, 0, 0], at).unwrap();
            assert_eq!(written(&file, &path).unwrap(), at + 1);
        }
    }

    #[test]
    fn checkpoints_are_read_without_what_is_allocated_ahead() {
        let folder = tempfile::tempdir().unwrap();
        let mut content = vec![1, 2];
        content.resize(1 << 20, 0);
        fs::write(folder.path().join("checkpoint.10"), &content).unwrap();
        fs::write(folder.path().join("checkpoint.9"), [1, 0, 0]).unwrap();
        fs::write(folder.path().join("checkpoint.x"), "").unwrap();
        let found = checkpoints(folder.path()).unwrap();
        let sizes: Vec<_> = found.iter().map(|(name, c)| (name.as_str(), c.len())).collect();
        assert_eq!(sizes, [("checkpoint.9", 3), ("checkpoint.10", 2 + MARGIN as usize)]);
    }
}
