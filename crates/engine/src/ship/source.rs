//! The log that is shipped: what is new in it, and whether it still is the one that was shipped.
//!
//! Only what is settled is taken: up to the end of a transaction whose checksum is right. What
//! follows is being written, or torn, and is looked at again the next time. The very bytes that
//! were checked are those that are shipped.
//!
//! In a log of a format that is not known here there are no transactions to be found. Then a byte
//! counts as settled once it has been the same in two looks; a server recovers from a log that is
//! cut anywhere, to the last transaction that is whole.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};

use lifeboat_archive::Digest;
use lifeboat_neo4j::txlog::{
    HEADER_SIZE, LogError, LogFolder, LogHeader, LogPosition, Stop, Transaction,
    Transactions as Parser,
};

use super::segment::{LogRange, Transactions};
use super::timeline::Reason;

/// How much is read at once.
const PIECE: usize = 1 << 20;
/// Log that is put into one segment, when there is more.
const SEGMENT: usize = 8 << 20;
/// Log that is held while the end of a transaction is looked for. A longer transaction is first
/// looked through to its end, and then shipped in parts.
const HELD: usize = 32 << 20;
/// Bytes at the end of a log of unknown format that are compared between two looks: more than a
/// server buffers.
const UNSETTLED: u64 = 1 << 20;

/// New bytes of a log.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) log: LogRange,
    pub(super) bytes: Vec<u8>,
    pub(super) transactions: Transactions,
    pub(super) verified: bool,
}

/// What a look at the log found.
#[derive(Debug)]
pub(super) enum Found {
    /// More bytes.
    Piece(Piece),
    /// Nothing new.
    Nothing,
    /// The log's folder, or the file that is read, is not there: the database is being replaced,
    /// or dropped.
    Gone,
    /// What is there does not go on where the shipped log ended.
    Broken(Reason),
}

/// Where the reading of a log stands.
#[derive(Debug, Clone)]
pub(super) struct Source {
    folder: LogFolder,
    /// The end of what was shipped.
    position: LogPosition,
    last_tx: u64,
    /// The bytes right before `position`, which must stay what they are.
    before: Option<Before>,
    /// The end of a transaction too long for one segment, found already.
    within: Option<(LogPosition, Transaction)>,
    /// How the unsettled end of a log of unknown format looked the last time.
    guess: Option<(u64, Digest)>,
}

/// The last bytes that were shipped, to be found again.
#[derive(Debug, Clone)]
struct Before {
    range: LogRange,
    digest: Digest,
}

/// Opens a file of the log; `None` when it is not there.
fn open(folder: &LogFolder, version: u64) -> Result<Option<File>, LogError> {
    let path = folder.file(version);
    match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        file => file.map(Some).map_err(|error| LogError::Io { path, error }),
    }
}

/// The bytes of a range; fewer when the file has no more.
fn read(folder: &LogFolder, range: LogRange) -> Result<Option<Vec<u8>>, LogError> {
    let Some(mut file) = open(folder, range.version)? else { return Ok(None) };
    let failed = |error| LogError::Io { path: folder.file(range.version), error };
    file.seek(SeekFrom::Start(range.from)).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(range.to - range.from).read_to_end(&mut bytes).map_err(failed)?;
    Ok(Some(bytes))
}

impl Source {
    /// Goes on at `position`, the end of what was shipped. `last` are the last bytes that were, by
    /// their place and digest.
    pub(super) fn new(
        folder: LogFolder,
        position: LogPosition,
        last_tx: u64,
        last: Option<(LogRange, Digest)>,
    ) -> Self {
        let before = last.map(|(range, digest)| Before { range, digest });
        Self { folder, position, last_tx, before, within: None, guess: None }
    }

    /// The end of what was shipped.
    pub(super) fn position(&self) -> LogPosition {
        self.position
    }

    /// The id of the last transaction that was.
    pub(super) fn last_tx(&self) -> u64 {
        self.last_tx
    }

    /// Goes on behind a piece that was stored.
    pub(super) fn advance(&mut self, piece: &Piece) {
        self.position = piece.log.end();
        self.last_tx = piece.transactions.last;
        self.guess = None;
        if self.within.is_some_and(|(end, _)| end <= self.position) {
            self.within = None;
        }
        if !piece.bytes.is_empty() {
            // As much as tells one log from another and is quickly read.
            let kept = piece.bytes.len().min(4 << 10);
            let range = LogRange { from: piece.log.to - kept as u64, ..piece.log };
            let digest = Digest::of(&piece.bytes[piece.bytes.len() - kept..]);
            self.before = Some(Before { range, digest });
        }
    }

    /// Looks for what is new.
    pub(super) fn look(&mut self) -> Result<Found, LogError> {
        let versions = match self.folder.versions() {
            Err(LogError::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Found::Gone);
            }
            versions => versions?,
        };
        let (Some(oldest), Some(newest)) = (versions.first(), versions.last()) else {
            return Ok(Found::Gone);
        };
        if *oldest > self.position.version {
            // Pruned, but perhaps shipped to its end before.
            let next = self.folder.header(self.position.version + 1)?;
            return match next {
                Some(next) if next.is_known() && next.last_tx == self.last_tx => {
                    self.turn_over(&next.clone(), &next)
                }
                _ => Ok(Found::Broken(Reason::Pruned)),
            };
        }
        if *newest < self.position.version {
            return Ok(Found::Broken(Reason::Diverged));
        }
        if let Some(reason) = self.diverged()? {
            return Ok(Found::Broken(reason));
        }
        // Looked at first: when the next file is there, this one is finished.
        let next = self.folder.header(self.position.version + 1)?;
        let Some(header) = self.folder.header(self.position.version)? else {
            return Ok(Found::Nothing);
        };
        let found = if header.is_known() { self.verified(&header)? } else { self.settled()? };
        match (found, next) {
            (Found::Nothing, Some(next)) => self.turn_over(&header, &next),
            (found, _) => Ok(found),
        }
    }

    /// Whether the bytes before the position have changed: the file is another.
    fn diverged(&self) -> Result<Option<Reason>, LogError> {
        let Some(before) = &self.before else { return Ok(None) };
        if before.range.version != self.position.version && self.position.offset > 0 {
            return Ok(None);
        }
        match read(&self.folder, before.range)? {
            // The file before may have been pruned once it was shipped to its end.
            None => Ok(None),
            Some(bytes) if Digest::of(&bytes) == before.digest => Ok(None),
            Some(_) => Ok(Some(Reason::Diverged)),
        }
    }

    /// What is new up to the end of a transaction.
    fn verified(&mut self, header: &LogHeader) -> Result<Found, LogError> {
        if let Some((end, last)) = self.within {
            return self.part(end, &last);
        }
        let Some(mut file) = open(&self.folder, self.position.version)? else {
            return Ok(Found::Gone);
        };
        let failed = |error| LogError::Io { path: self.folder.file(self.position.version), error };
        let from = self.position.offset;
        file.seek(SeekFrom::Start(from)).map_err(failed)?;
        let mut bytes = Vec::new();
        let mut start = self.position;
        if from < HEADER_SIZE {
            // The header is shipped with what follows it.
            let missing = usize::try_from(HEADER_SIZE - from).unwrap_or(0);
            bytes.resize(missing, 0);
            file.read_exact(&mut bytes).map_err(failed)?;
            start.offset = HEADER_SIZE;
            if header.last_tx != self.last_tx {
                return Ok(Found::Broken(Reason::Broken));
            }
        }
        let mut parser = Parser::new(start, self.last_tx);
        let mut found: Vec<Transaction> = Vec::new();
        // Bytes from `from` on that were read, and whether they are still held.
        let mut piece = vec![0; PIECE];
        let mut held = true;
        loop {
            let read = file.read(&mut piece).map_err(failed)?;
            parser.push(&piece[..read], &mut found);
            if held {
                bytes.extend_from_slice(&piece[..read]);
            }
            let settled = found.last().map(|last| last.end.offset - from);
            if read == 0
                || parser.is_over()
                || (settled.is_some() && bytes.len() >= SEGMENT)
                || (settled.is_some() && !held)
            {
                break;
            }
            if bytes.len() > HELD && settled.is_none() {
                bytes = Vec::new();
                held = false;
            }
        }
        let Some(last) = found.last().copied() else {
            if let Stop::Unknown { .. } = parser.stop() {
                return self.settled();
            }
            // A header alone is worth a segment: the file has begun.
            if from < HEADER_SIZE && parser.stop() == Stop::End {
                bytes.truncate(usize::try_from(HEADER_SIZE - from).unwrap_or(0));
                let log = LogRange { version: start.version, from, to: HEADER_SIZE };
                let transactions = Transactions::none(self.last_tx);
                return Ok(Found::Piece(Piece { log, bytes, transactions, verified: true }));
            }
            return Ok(Found::Nothing);
        };
        if !held {
            // The first is the long one; others that were found behind it come later.
            let long = found.first().copied().unwrap_or(last);
            self.within = Some((long.end, long));
            return self.part(long.end, &long);
        }
        bytes.truncate(usize::try_from(last.end.offset - from).unwrap_or(usize::MAX));
        let first = found.first().copied().unwrap_or(last);
        let transactions = Transactions {
            count: found.len() as u64,
            first: first.id,
            last: last.id,
            first_committed: first.committed,
            last_committed: last.committed,
        };
        let log = LogRange { version: last.end.version, from, to: last.end.offset };
        Ok(Found::Piece(Piece { log, bytes, transactions, verified: true }))
    }

    /// A part of a transaction that is too long for one segment.
    fn part(&self, end: LogPosition, long: &Transaction) -> Result<Found, LogError> {
        let from = self.position.offset;
        let to = end.offset.min(from + SEGMENT as u64);
        let log = LogRange { version: end.version, from, to };
        let Some(bytes) = read(&self.folder, log)? else { return Ok(Found::Gone) };
        if bytes.len() as u64 != to - from {
            return Ok(Found::Broken(Reason::Diverged));
        }
        let transactions = if to == end.offset {
            Transactions {
                count: 1,
                first: long.id,
                last: long.id,
                first_committed: long.committed,
                last_committed: long.committed,
            }
        } else {
            Transactions::none(self.last_tx)
        };
        Ok(Found::Piece(Piece { log, bytes, transactions, verified: true }))
    }

    /// What is new in a log whose transactions cannot be told apart: what looks the same as the
    /// last time.
    fn settled(&mut self) -> Result<Found, LogError> {
        let Some(end) = self.last_byte()? else { return Ok(Found::Gone) };
        if end <= self.position.offset {
            return Ok(Found::Nothing);
        }
        let version = self.position.version;
        let unsettled = end.saturating_sub(UNSETTLED).max(self.position.offset);
        let range = |from, to| LogRange { version, from, to };
        let Some(bytes) = read(&self.folder, range(unsettled, end))? else {
            return Ok(Found::Gone);
        };
        let seen = (end, Digest::of(&bytes));
        let settled = match self.guess {
            Some((end, digest)) if end <= seen.0 => {
                let unsettled = end.saturating_sub(UNSETTLED).max(self.position.offset);
                let again = read(&self.folder, range(unsettled, end))?;
                again.is_some_and(|bytes| Digest::of(&bytes) == digest).then_some(end)
            }
            _ => None,
        };
        let Some(to) = settled else {
            self.guess = Some(seen);
            return Ok(Found::Nothing);
        };
        let to = to.min(self.position.offset + SEGMENT as u64);
        let log = range(self.position.offset, to);
        let Some(bytes) = read(&self.folder, log)? else { return Ok(Found::Gone) };
        let transactions = Transactions::none(self.last_tx);
        Ok(Found::Piece(Piece { log, bytes, transactions, verified: false }))
    }

    /// Behind the last byte of the file that is not zero; `None` when the file is not there.
    fn last_byte(&self) -> Result<Option<u64>, LogError> {
        let Some(mut file) = open(&self.folder, self.position.version)? else { return Ok(None) };
        let failed = |error| LogError::Io { path: self.folder.file(self.position.version), error };
        file.seek(SeekFrom::Start(self.position.offset)).map_err(failed)?;
        let (mut at, mut end) = (self.position.offset, self.position.offset);
        let mut piece = vec![0; PIECE];
        loop {
            let read = file.read(&mut piece).map_err(failed)?;
            if read == 0 {
                return Ok(Some(end));
            }
            if let Some(last) = piece[..read].iter().rposition(|byte| *byte != 0) {
                end = at + last as u64 + 1;
            }
            at += read as u64;
        }
    }

    /// Goes on in the next file, when this one has nothing more.
    fn turn_over(&mut self, header: &LogHeader, next: &LogHeader) -> Result<Found, LogError> {
        // The next file says which transaction came last before it. When that is not the last
        // here, something of this file was never understood.
        if header.is_known() && next.is_known() && next.last_tx != self.last_tx {
            return Ok(Found::Broken(Reason::Broken));
        }
        self.position = LogPosition { version: self.position.version + 1, offset: 0 };
        self.last_tx = next.last_tx.max(self.last_tx);
        self.guess = None;
        self.look()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::ship::sample::{header, transaction};

    fn source(folder: &Path, offset: u64, last_tx: u64) -> Source {
        let position = LogPosition { version: 0, offset };
        Source::new(LogFolder::new(folder), position, last_tx, None)
    }

    fn piece(found: Found) -> Piece {
        match found {
            Found::Piece(piece) => piece,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn takes_whole_transactions_only() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("neostore.transaction.db.0");
        let mut log = header(0, 1);
        fs::write(&path, &log).unwrap();
        let mut source = source(temp.path(), 0, 1);
        let first = piece(source.look().unwrap());
        assert_eq!((first.bytes.len(), first.transactions), (128, Transactions::none(1)));
        source.advance(&first);
        assert!(matches!(source.look().unwrap(), Found::Nothing));
        log.extend(transaction(2, 10, b"two"));
        log.extend(transaction(3, 11, b"three"));
        let whole = log.len();
        log.extend(&transaction(4, 12, b"four")[..20]);
        fs::write(&path, &log).unwrap();
        let second = piece(source.look().unwrap());
        assert_eq!(second.bytes, log[128..whole]);
        assert_eq!(
            second.transactions,
            Transactions { count: 2, first: 2, last: 3, first_committed: 10, last_committed: 11 }
        );
        source.advance(&second);
        assert!(matches!(source.look().unwrap(), Found::Nothing));
        // The torn one never comes; the server has recovered and goes on in another file.
        fs::write(temp.path().join("neostore.transaction.db.1"), header(1, 3)).unwrap();
        let third = piece(source.look().unwrap());
        assert_eq!(third.log, LogRange { version: 1, from: 0, to: 128 });
        source.advance(&third);
        // The old file may go now.
        fs::remove_file(&path).unwrap();
        assert!(matches!(source.look().unwrap(), Found::Nothing));
        fs::remove_file(temp.path().join("neostore.transaction.db.1")).unwrap();
        assert!(matches!(source.look().unwrap(), Found::Gone));
    }

    #[test]
    fn notices_what_is_not_the_same_log() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("neostore.transaction.db.0");
        let log = [header(0, 1), transaction(2, 10, b"two"), transaction(3, 11, b"three")].concat();
        fs::write(&path, &log).unwrap();
        let mut source = source(temp.path(), 0, 1);
        let first = piece(source.look().unwrap());
        source.advance(&first);
        let other = [header(0, 1), transaction(2, 10, b"two"), transaction(3, 11, b"THREE")];
        fs::write(&path, other.concat()).unwrap();
        assert!(matches!(source.look().unwrap(), Found::Broken(Reason::Diverged)));
        fs::write(&path, header(0, 1)).unwrap();
        assert!(matches!(source.look().unwrap(), Found::Broken(Reason::Diverged)));
        // Not all of the old file was shipped, and it is pruned.
        fs::write(&path, &log).unwrap();
        fs::rename(&path, temp.path().join("neostore.transaction.db.7")).unwrap();
        assert!(matches!(source.look().unwrap(), Found::Broken(Reason::Pruned)));
    }

    #[test]
    fn a_file_with_a_hole_is_broken() {
        let temp = tempfile::tempdir().unwrap();
        let log = [header(0, 1), transaction(2, 10, b"two")].concat();
        fs::write(temp.path().join("neostore.transaction.db.0"), &log).unwrap();
        fs::write(temp.path().join("neostore.transaction.db.1"), header(1, 5)).unwrap();
        let mut source = source(temp.path(), 0, 1);
        let first = piece(source.look().unwrap());
        source.advance(&first);
        assert!(matches!(source.look().unwrap(), Found::Broken(Reason::Broken)));
    }

    #[test]
    fn a_long_transaction_goes_in_parts() {
        let temp = tempfile::tempdir().unwrap();
        let long: Vec<u8> = (0..50_000_000_u32).map(|n| (n % 251) as u8 | 128).collect();
        let log = [
            header(0, 1),
            transaction(2, 10, b"two"),
            transaction(3, 11, &long),
            transaction(4, 12, b"four"),
        ];
        fs::write(temp.path().join("neostore.transaction.db.0"), log.concat()).unwrap();
        let mut source = source(temp.path(), 0, 1);
        let mut shipped = Vec::new();
        let mut last = 1;
        while let Found::Piece(piece) = source.look().unwrap() {
            assert!(piece.bytes.len() <= HELD + PIECE);
            assert_eq!(piece.log.from, shipped.len() as u64);
            assert!(piece.verified);
            last = piece.transactions.last;
            shipped.extend_from_slice(&piece.bytes);
            source.advance(&piece);
        }
        assert_eq!(last, 4);
        assert!(shipped == log.concat());
    }

    #[test]
    fn an_unknown_format_is_shipped_once_settled() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("neostore.transaction.db.0");
        let mut log = header(0, 1);
        log[0] = 10;
        log.extend(b"something");
        log.resize(5000, 0);
        fs::write(&path, &log).unwrap();
        let mut source = source(temp.path(), 0, 1);
        assert!(matches!(source.look().unwrap(), Found::Nothing));
        log[137..141].copy_from_slice(b"more");
        fs::write(&path, &log).unwrap();
        let first = piece(source.look().unwrap());
        assert_eq!((first.bytes.as_slice(), first.verified), (&log[..137], false));
        source.advance(&first);
        assert!(matches!(source.look().unwrap(), Found::Nothing));
        let second = piece(source.look().unwrap());
        assert_eq!(second.bytes, b"more");
    }
}
