//! The transactions in a log's bytes, found by their checksums.

use crc_fast::{CrcAlgorithm, Digest};

use super::LogPosition;

/// The type of an entry that starts a transaction.
const START: u8 = 1;
/// The type of an entry that commits a transaction.
const COMMIT: u8 = 5;
/// Bytes of a commit entry: kernel version, type, id, time, checksum.
const COMMIT_SIZE: usize = 22;
/// Bytes of the shortest start entry.
const START_SIZE: usize = 34;
/// How far ahead of the last id the next one can be. On Community it is the next number.
const ID_AHEAD: u64 = 1 << 20;

/// A transaction whose checksum is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transaction {
    /// Its id, as bookmarks tell it.
    pub id: u64,
    /// When it was committed, in milliseconds since 1970 by the server's clock.
    pub committed: i64,
    /// Where its first byte is.
    pub start: LogPosition,
    /// Where its last byte ends.
    pub end: LogPosition,
    /// Its checksum.
    pub checksum: u32,
}

/// Why no more transactions come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The bytes end after a whole transaction, or zeros follow it.
    End,
    /// A transaction has begun, and its end is not there: it is being written, or torn.
    Unfinished,
    /// Something follows that is no transaction.
    Unknown {
        /// The first byte: of an entry, the kernel's version.
        kernel: u8,
        /// The second byte: of an entry, its type.
        entry: u8,
    },
}

/// Finds the transactions in the bytes of one file, which are pushed in pieces of any size.
///
/// It holds no more than a piece in memory, however long a transaction is.
#[derive(Debug)]
pub struct Transactions {
    version: u64,
    /// Where the first byte of `held` lies in the file.
    offset: u64,
    /// What was pushed and not yet looked at.
    held: Vec<u8>,
    last_tx: u64,
    state: State,
    /// Of the transaction that has begun, as far as it was looked at.
    digest: Digest,
}

#[derive(Debug)]
enum State {
    Between,
    Inside { kernel: u8, start: u64 },
    Stopped(Stop),
}

fn u64le(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The checksum of entries: CRC-32C.
pub(super) fn digest() -> Digest {
    Digest::new(CrcAlgorithm::Crc32Iscsi)
}

impl Transactions {
    /// Begins at a place between two transactions: behind the header, or at a transaction's end.
    /// `last_tx` is the id of the last transaction before it.
    pub fn new(at: LogPosition, last_tx: u64) -> Self {
        Self {
            version: at.version,
            offset: at.offset,
            held: Vec::new(),
            last_tx,
            state: State::Between,
            digest: digest(),
        }
    }

    /// Takes the next bytes of the file; what ends in them comes out.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<Transaction>) {
        if matches!(self.state, State::Stopped(_)) {
            return;
        }
        self.held.extend_from_slice(bytes);
        let held = std::mem::take(&mut self.held);
        let looked = self.look(&held, out);
        self.offset += looked as u64;
        self.held = held;
        self.held.drain(..looked);
    }

    /// Why no more came, when these were all the bytes.
    pub fn stop(&self) -> Stop {
        match self.state {
            State::Stopped(stop) => stop,
            State::Between if self.held.is_empty() => Stop::End,
            State::Between | State::Inside { .. } => Stop::Unfinished,
        }
    }

    /// Whether nothing more can come, whatever bytes follow.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Stopped(_))
    }

    /// The id of the last transaction so far.
    pub fn last_tx(&self) -> u64 {
        self.last_tx
    }

    /// Looks at as much as can be looked at; how much that was.
    fn look(&mut self, held: &[u8], out: &mut Vec<Transaction>) -> usize {
        let mut at = 0;
        loop {
            match &self.state {
                State::Stopped(_) => return held.len(),
                State::Between => match held.get(at..) {
                    Some([0, ..]) => self.state = State::Stopped(Stop::End),
                    Some([kernel, START, ..]) => {
                        let start = self.offset + at as u64;
                        self.state = State::Inside { kernel: *kernel, start };
                        self.digest = digest();
                    }
                    Some([kernel, entry, ..]) => {
                        let (kernel, entry) = (*kernel, *entry);
                        self.state = State::Stopped(Stop::Unknown { kernel, entry });
                    }
                    _ => return at,
                },
                State::Inside { kernel, start } => {
                    let digest = &mut self.digest;
                    let begun = self.offset + at as u64 - *start;
                    let skip = (START_SIZE as u64).saturating_sub(begun);
                    let from = at + usize::try_from(skip).unwrap_or(0);
                    let commit = [*kernel, COMMIT];
                    let found = held.get(from..).and_then(|rest| find(rest, commit));
                    let Some(found) = found.map(|found| from + found) else {
                        // The last byte may be the first of a commit entry.
                        let until = held.len().saturating_sub(1);
                        if until > at && until >= from {
                            digest.update(&held[at..until]);
                            return until;
                        }
                        return at;
                    };
                    let Some(entry) = held.get(found..found + COMMIT_SIZE) else {
                        digest.update(&held[at..found]);
                        return found;
                    };
                    digest.update(&held[at..found]);
                    at = found;
                    let id = u64le(&entry[2..10]);
                    let mut whole = *digest;
                    whole.update(&entry[..COMMIT_SIZE - 4]);
                    let checksum = u64le(&entry[COMMIT_SIZE - 4..]);
                    if id > self.last_tx
                        && id - self.last_tx <= ID_AHEAD
                        && whole.finalize() == checksum
                    {
                        let place = |offset| LogPosition { version: self.version, offset };
                        let end = self.offset + (found + COMMIT_SIZE) as u64;
                        out.push(Transaction {
                            id,
                            committed: u64le(&entry[10..18]).cast_signed(),
                            start: place(*start),
                            end: place(end),
                            checksum: u32::try_from(checksum).unwrap_or(0),
                        });
                        self.last_tx = id;
                        self.state = State::Between;
                        at += COMMIT_SIZE;
                    } else {
                        digest.update(&entry[..1]);
                        at += 1;
                    }
                }
            }
        }
    }
}

/// Where two bytes stand next to each other first.
fn find(bytes: &[u8], [first, second]: [u8; 2]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = memchr::memchr(second, &bytes[from..]) {
        let at = from + at;
        if at > 0 && bytes[at - 1] == first {
            return Some(at - 1);
        }
        from = at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KERNEL: u8 = 21;

    /// A transaction as a server writes it, with these bytes for commands.
    fn encode(id: u64, committed: i64, commands: &[u8]) -> Vec<u8> {
        let mut bytes = vec![KERNEL, START];
        bytes.extend(committed.to_le_bytes());
        bytes.extend((id - 1).to_le_bytes());
        bytes.extend([0; 16]);
        bytes.extend(commands);
        bytes.extend([KERNEL, COMMIT]);
        bytes.extend(id.to_le_bytes());
        bytes.extend(committed.to_le_bytes());
        let mut crc = digest();
        crc.update(&bytes);
        bytes.extend(u32::try_from(crc.finalize()).unwrap().to_le_bytes());
        bytes
    }

    fn read(bytes: &[u8], piece: usize) -> (Vec<Transaction>, Stop) {
        let mut found = Vec::new();
        let mut reader = Transactions::new(LogPosition { version: 4, offset: 128 }, 10);
        for piece in bytes.chunks(piece.max(1)) {
            reader.push(piece, &mut found);
        }
        (found, reader.stop())
    }

    #[test]
    fn the_checksum_is_that_of_java() {
        let mut crc = digest();
        crc.update(b"123456789");
        assert_eq!(crc.finalize(), 0xe306_9283);
    }

    #[test]
    fn a_forged_commit_in_a_command_is_passed_over() {
        // A commit entry of the right id, and a whole transaction, as the value of a property.
        let inner = encode(11, 5, b"inner");
        let bytes = encode(11, 7, &[&inner[inner.len() - 22..], &inner[..], &[KERNEL; 9]].concat());
        let (found, stop) = read(&bytes, 1000);
        assert_eq!(stop, Stop::End);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].id, found[0].committed), (11, 7));
        assert_eq!(found[0].end, LogPosition { version: 4, offset: 128 + bytes.len() as u64 });
    }

    #[test]
    fn what_follows_is_told() {
        let one = encode(11, 7, b"x");
        let with = |more: &[u8]| read(&[&one[..], more].concat(), 7).1;
        assert_eq!(with(&[]), Stop::End);
        assert_eq!(with(&[0; 100]), Stop::End);
        assert_eq!(with(&[KERNEL]), Stop::Unfinished);
        assert_eq!(with(&one[..one.len() - 1]), Stop::Unfinished);
        // The same again, or one from the past, is none.
        assert_eq!(with(&one), Stop::Unfinished);
        assert_eq!(with(&[KERNEL, 7, 1]), Stop::Unknown { kernel: KERNEL, entry: 7 });
        assert_eq!(read(&[], 1), (Vec::new(), Stop::End));
    }

    fn commands() -> impl Strategy<Value = Vec<u8>> {
        // Full of what looks like entries.
        let byte =
            prop_oneof![Just(KERNEL), Just(COMMIT), Just(START), Just(0), Just(11), any::<u8>()];
        prop::collection::vec(byte, 0..200)
    }

    proptest! {
        #[test]
        fn finds_what_was_written(
            all in prop::collection::vec((commands(), any::<i64>()), 0..8),
            piece in 1_usize..300,
            cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = Vec::new();
            let mut ends = vec![];
            for ((commands, committed), id) in all.iter().zip(11..) {
                bytes.extend(encode(id, *committed, commands));
                ends.push((id, *committed, 128 + bytes.len() as u64));
            }
            let told = |found: &[Transaction]| -> Vec<_> {
                found.iter().map(|tx| (tx.id, tx.committed, tx.end.offset)).collect()
            };
            let (found, stop) = read(&bytes, piece);
            prop_assert_eq!(told(&found), ends.clone());
            prop_assert_eq!(stop, Stop::End);
            for pair in found.windows(2) {
                prop_assert_eq!(pair[0].end, pair[1].start);
            }
            // Cut anywhere and filled with zeros, all that is whole is there and nothing else.
            let cut = cut.index(bytes.len() + 1);
            let mut torn = bytes.clone();
            torn.truncate(cut);
            torn.resize(bytes.len() + 50, 0);
            let (found, _) = read(&torn, piece);
            ends.retain(|(_, _, end)| *end <= 128 + cut as u64);
            // Where the bytes cut away were zeros themselves, more may be whole.
            prop_assert!(told(&found).starts_with(&ends));
            prop_assert!(found.iter().all(|tx| torn[..] == bytes[..] || tx.end.offset <= 128 + bytes.len() as u64));
        }

        #[test]
        fn a_flipped_byte_ends_it_there(
            all in prop::collection::vec((commands(), any::<i64>()), 1..6),
            at in any::<prop::sample::Index>(),
            bit in 0_u8..8,
        ) {
            let mut bytes = Vec::new();
            let mut ends = vec![];
            for ((commands, committed), id) in all.iter().zip(11..) {
                bytes.extend(encode(id, *committed, commands));
                ends.push(128 + bytes.len() as u64);
            }
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            ends.retain(|end| *end <= 128 + at as u64);
            let (found, _) = read(&bytes, 64);
            let found: Vec<_> = found.iter().map(|tx| tx.end.offset).collect();
            prop_assert_eq!(found, ends);
        }

        #[test]
        fn the_pieces_do_not_matter(bytes in prop::collection::vec(commands(), 0..10), piece in 1_usize..99) {
            let bytes = bytes.concat();
            prop_assert_eq!(read(&bytes, piece), read(&bytes, bytes.len()));
        }
    }
}
