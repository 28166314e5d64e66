//! Checkpoints: from where a recovery has to replay the log.
//!
//! A file `checkpoint.N` is a header as that of a log, and then records of one length, back to
//! back, the newest last. A record, little-endian, with a CRC-32C of all before in its last four
//! bytes:
//!
//! | At | Bytes | Content |
//! |---|---|---|
//! | 0 | 2 | kernel version, type |
//! | 2 | 16 | position: number of the file, offset |
//! | 18 | 16 | from kernel version 18 (5.22): the position from which to replay, at most the other |
//! | 34 (before: 18) | 8 | time, in milliseconds since 1970 |
//! | 42 (26) | 64 | id of the store |
//! | 106 (90) | 8 | id of the last transaction before it |
//! | … | | its checksum and time, a reason |
//!
//! It has 232 bytes, from 2026.08 on 486; the checksum tells which.

use std::fs;
use std::path::Path;

use super::transactions::digest;
use super::{HEADER_SIZE, LogError, LogPosition};

/// The lengths that a record may have.
const LENGTHS: [usize; 2] = [232, 486];
/// The kernel version that tells the position to replay from.
const WITH_OLDEST: u8 = 18;
/// The most bytes of a file of checkpoints that are read. They are rotated at 1 MiB.
const MAX_FILE: u64 = 64 << 20;

/// The newest checkpoint of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// All transactions before here are in the store files.
    pub position: LogPosition,
    /// From where a recovery replays: at most `position`. The logs must be there from here on.
    pub replay_from: LogPosition,
    /// The id of the last transaction before `position`.
    pub last_tx: u64,
    /// When, in milliseconds since 1970 by the server's clock.
    pub time: i64,
}

fn u64le(bytes: &[u8], at: usize) -> u64 {
    let bytes = bytes.get(at..at + 8).unwrap_or_default();
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The record that `bytes` begin with, and its length.
fn record(bytes: &[u8]) -> Option<(Checkpoint, usize)> {
    let length = LENGTHS.into_iter().find(|length| {
        let Some((content, checksum)) = bytes.get(..*length).map(|r| r.split_at(length - 4)) else {
            return false;
        };
        let mut crc = digest();
        crc.update(content);
        crc.finalize().to_le_bytes()[..4] == *checksum
    })?;
    let place = |at| LogPosition { version: u64le(bytes, at), offset: u64le(bytes, at + 8) };
    let position = place(2);
    let (replay_from, rest) =
        if bytes[0] >= WITH_OLDEST { (place(18), 34) } else { (position, 18) };
    let time = u64le(bytes, rest).cast_signed();
    let last_tx = u64le(bytes, rest + 72);
    Some((Checkpoint { position, replay_from: replay_from.min(position), last_tx, time }, length))
}

/// The last record of a file whose checksum is right.
fn last_record(bytes: &[u8]) -> Option<Checkpoint> {
    let mut rest = bytes.get(usize::try_from(HEADER_SIZE).ok()?..)?;
    let mut last = None;
    while let Some((checkpoint, length)) = record(rest) {
        last = Some(checkpoint);
        rest = &rest[length..];
    }
    last
}

/// The newest checkpoint in a folder of transaction logs; `None` when there is none yet.
///
/// # Errors
/// When the folder or a file of checkpoints cannot be read.
pub fn latest_checkpoint(folder: &Path) -> Result<Option<Checkpoint>, LogError> {
    let mut files: Vec<(u64, _)> = Vec::new();
    for entry in fs::read_dir(folder).map_err(LogError::io(folder))? {
        let path = entry.map_err(LogError::io(folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if let Some(number) = name.and_then(|name| name.strip_prefix("checkpoint.")?.parse().ok()) {
            files.push((number, path));
        }
    }
    files.sort();
    // The newest file may have been begun just now.
    for (_, path) in files.into_iter().rev() {
        let size = fs::metadata(&path).map_err(LogError::io(&path))?.len();
        if size > MAX_FILE {
            let why = format!("a file of checkpoints never has {size} bytes");
            return Err(LogError::NotALog { path, why });
        }
        if let Some(checkpoint) = last_record(&fs::read(&path).map_err(LogError::io(&path))?) {
            return Ok(Some(checkpoint));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(length: usize, kernel: u8, offset: u64) -> Vec<u8> {
        let mut bytes = vec![kernel, 8];
        for number in [3, offset] {
            bytes.extend(u64::to_le_bytes(number));
        }
        if kernel >= WITH_OLDEST {
            for number in [2, 500] {
                bytes.extend(u64::to_le_bytes(number));
            }
        }
        bytes.extend(77_i64.to_le_bytes());
        bytes.extend([1; 64]);
        bytes.extend(u64::to_le_bytes(99));
        bytes.resize(length - 4, 0);
        let mut crc = digest();
        crc.update(&bytes);
        bytes.extend_from_slice(&crc.finalize().to_le_bytes()[..4]);
        bytes
    }

    #[test]
    fn the_last_whole_record_counts() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(latest_checkpoint(folder.path()).unwrap(), None);
        let mut bytes = vec![0; 128];
        bytes.extend(encode(232, 17, 1000));
        bytes.extend(encode(232, 18, 2000));
        bytes.extend(encode(486, 40, 3000));
        bytes.extend(&encode(486, 40, 4000)[..485]);
        bytes.extend([0; 1000]);
        fs::write(folder.path().join("checkpoint.2"), &bytes).unwrap();
        let place = |version, offset| LogPosition { version, offset };
        let found = latest_checkpoint(folder.path()).unwrap().unwrap();
        assert_eq!((found.position, found.replay_from), (place(3, 3000), place(2, 500)));
        assert_eq!((found.last_tx, found.time), (99, 77));
        // A newer file without a record yet.
        fs::write(folder.path().join("checkpoint.10"), [0; 300]).unwrap();
        assert_eq!(latest_checkpoint(folder.path()).unwrap(), Some(found));
        let mut old = vec![0; 128];
        old.extend(encode(232, 17, 1000));
        fs::write(folder.path().join("checkpoint.11"), &old).unwrap();
        let found = latest_checkpoint(folder.path()).unwrap().unwrap();
        assert_eq!((found.position, found.replay_from), (place(3, 1000), place(3, 1000)));
    }
}
