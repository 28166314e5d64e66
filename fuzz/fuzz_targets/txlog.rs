//! A transaction log from anybody: never a panic, and no transaction but such as has its checksum,
//! follows the one before, and is found in the same place however the bytes come in.
//!
//! Input: a byte that tells how the log is cut into pieces, a byte that tells what is set right,
//! then a file of a log. A random input would never have right checksums, so where an entry looks
//! like a commit its checksum is set right, and if the second byte says so its id too.
#![no_main]

use std::path::Path;

use crc_fast::{CrcAlgorithm, checksum};
use libfuzzer_sys::fuzz_target;
use lifeboat_neo4j::txlog::{HEADER_SIZE, LogHeader, LogPosition, Stop, Transaction, Transactions};

const START: u8 = 1;
const COMMIT: u8 = 5;
/// Bytes of the shortest start entry, and of a commit entry.
const START_SIZE: usize = 34;
const COMMIT_SIZE: usize = 22;

fn crc(bytes: &[u8]) -> u32 {
    checksum(CrcAlgorithm::Crc32Iscsi, bytes) as u32
}

/// Sets right what an attacker sets right.
fn forge(log: &mut [u8], mut last_tx: u64, with_ids: bool) {
    let mut start = 0;
    while log.get(start + 1) == Some(&START) {
        let kernel = log[start];
        let commit = (start + START_SIZE..log.len().saturating_sub(COMMIT_SIZE - 1))
            .find(|at| log[*at..*at + 2] == [kernel, COMMIT]);
        let Some(commit) = commit else { return };
        if with_ids {
            last_tx = last_tx.wrapping_add(1);
            log[commit + 2..commit + 10].copy_from_slice(&last_tx.to_le_bytes());
        }
        let end = commit + COMMIT_SIZE;
        let right = crc(&log[start..end - 4]);
        log[end - 4..end].copy_from_slice(&right.to_le_bytes());
        start = end;
    }
}

fn read(log: &[u8], piece: usize, last_tx: u64) -> (Vec<Transaction>, Stop) {
    let mut reader = Transactions::new(LogPosition { version: 7, offset: HEADER_SIZE }, last_tx);
    let mut found = Vec::new();
    for piece in log.chunks(piece) {
        reader.push(piece, &mut found);
    }
    assert_eq!(reader.last_tx(), found.last().map_or(last_tx, |last| last.id));
    (found, reader.stop())
}

fuzz_target!(|input: &[u8]| {
    let [cut, right, file @ ..] = input else { return };
    let header = LogHeader::parse(file, Path::new("neostore.transaction.db"));
    let last_tx = header.ok().flatten().map_or(1, |header| header.last_tx);
    let Some(log) = file.get(HEADER_SIZE as usize..) else { return };
    let mut log = log.to_vec();
    forge(&mut log, last_tx, right & 1 == 1);

    let (found, stop) = read(&log, log.len().max(1), last_tx);
    assert_eq!(read(&log, 1 + usize::from(*cut), last_tx), (found.clone(), stop));
    let (mut end, mut id) = (HEADER_SIZE, last_tx);
    for transaction in found {
        assert_eq!((transaction.start.version, transaction.end.version), (7, 7));
        assert_eq!(transaction.start.offset, end, "between two transactions is nothing");
        assert!(transaction.id > id);
        let at = |offset: u64| (offset - HEADER_SIZE) as usize;
        let bytes = &log[at(transaction.start.offset)..at(transaction.end.offset)];
        let (content, sum) = bytes.split_at(bytes.len() - 4);
        assert_eq!(
            (crc(content), &transaction.checksum.to_le_bytes()[..]),
            (transaction.checksum, sum)
        );
        (end, id) = (transaction.end.offset, transaction.id);
    }
});
