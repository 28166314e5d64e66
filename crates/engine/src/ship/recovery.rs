//! The way back: which log leads from a base to a point in time, and which points can be reached.
//!
//! A base stands at a place in the log of each database, behind a certain transaction. It can be
//! rolled forward along a timeline if the timeline has that very transaction at that very place,
//! which its checksum tells; then [`Replay`] gives the bytes of log from there on, in order, each
//! checked: the segment's digest, that it follows the one before, and that the transactions in it
//! are those that it claims. It ends exactly behind the last transaction that is wanted.

use std::collections::VecDeque;
use std::fmt;

use bytes::Bytes;
use futures::stream::{FuturesOrdered, StreamExt as _};
use jiff::Timestamp;
use lifeboat_archive::PhysicalDatabase;
use lifeboat_archive::{BackupName, Digest};
use lifeboat_neo4j::txlog::{HEADER_SIZE, LogPosition, Transaction, Transactions as Parser};
use lifeboat_vault::{Keys, Vault};
use serde::Serialize;

use super::segment::{Segment, SegmentError};
use super::timeline::{Chunk, Timeline, end_of_run, timelines};
use super::{Base, ShipError, damaged};
use crate::{Error, Result};

/// Objects that are read ahead.
const AHEAD: usize = 3;

/// Where a base stands in the log of one database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseLog {
    /// The database.
    pub database: String,
    /// The id of the store, in hexadecimal digits, as the header of its log has it; when known.
    pub store_id: Option<String>,
    /// The end of the last whole transaction in the base's own log.
    pub position: LogPosition,
    /// The id of that transaction.
    pub last_tx: u64,
    /// When it was committed, by the server's clock, in milliseconds since 1970; when known.
    pub committed: Option<i64>,
    /// Its checksum; when known.
    pub checksum: Option<u32>,
}

impl BaseLog {
    /// Where a physical backup stands in the log of one of its databases; `None` when its log
    /// could not be read then.
    pub fn of(name: &str, database: &PhysicalDatabase) -> Option<Self> {
        Some(Self {
            database: name.to_owned(),
            store_id: Some(database.store_id.clone()).filter(|id| !id.is_empty()),
            position: database.log_end,
            last_tx: database.last_tx?,
            committed: database.last_tx_time.map(Timestamp::as_millisecond),
            checksum: None,
        })
    }

    /// Whether it may be of the store of this id.
    pub(super) fn is_of(&self, store_id: &str) -> bool {
        self.store_id.as_ref().is_none_or(|id| id == store_id)
    }

    /// Whether it ends with this transaction.
    pub(super) fn ends_with(&self, transaction: &Transaction) -> bool {
        let Transaction { id, committed, checksum, end, .. } = *transaction;
        self.position == end && self.has(id, Some(committed), Some(checksum))
    }

    /// Whether its last transaction may be the one of which this is known.
    fn has(&self, id: u64, committed: Option<i64>, checksum: Option<u32>) -> bool {
        fn agree<T: PartialEq + Copy>(one: Option<T>, other: Option<T>) -> bool {
            one.is_none() || other.is_none() || one == other
        }
        self.last_tx == id && agree(self.committed, committed) && agree(self.checksum, checksum)
    }
}

/// How far to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// As far as the log goes.
    Latest,
    /// To the last transaction before the first that was committed after this time, by the
    /// server's clock.
    Time(Timestamp),
    /// To this transaction.
    Tx(u64),
}

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("the latest transaction"),
            Self::Time(time) => write!(f, "{time}"),
            Self::Tx(id) => write!(f, "transaction {id}"),
        }
    }
}

/// Bytes of a log, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPiece {
    /// The number of the file that they belong to.
    pub version: u64,
    /// Where in it.
    pub offset: u64,
    /// They.
    pub bytes: Bytes,
}

/// How far a replay has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Reached {
    /// The end of the last transaction.
    pub position: LogPosition,
    /// Its id; of the base's last, when there was none.
    pub last_tx: u64,
    /// When it was committed; `None` when none was replayed.
    pub committed: Option<Timestamp>,
    /// Whether every transaction was told apart and checked. If not, `position` is where the
    /// shipped log ends, and a server finds the last whole transaction before it by itself.
    pub verified: bool,
}

/// The log from a base to where somebody wants to go.
#[derive(Debug)]
pub struct Replay {
    timeline: Timeline,
    until: Until,
    /// Objects still to be read.
    todo: VecDeque<Chunk>,
    /// The segment to go on with, and what came before it.
    sequence: u64,
    previous: Option<Digest>,
    /// Segments that were read and not yet given out.
    ready: VecDeque<Segment>,
    start: LogPosition,
    reached: Reached,
    parser: Option<Parser>,
    /// Whether there is nothing more to give out.
    done: bool,
}

/// Segments that are missing or damaged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Gap {
    /// The number of the first segment that cannot be used.
    pub from: u64,
    /// The number of the last.
    pub to: u64,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.from == self.to {
            write!(f, "segment {}", self.from)
        } else {
            write!(f, "segments {} to {}", self.from, self.to)
        }
    }
}

/// A stretch of time to every transaction of which a database can be recovered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Window {
    /// The database.
    pub database: String,
    /// The timeline.
    pub timeline: String,
    /// The oldest base in it.
    pub base: BackupName,
    /// The first transaction that it can be recovered to.
    pub first_tx: u64,
    /// About when that was: when the base was begun.
    pub from: Timestamp,
    /// The last transaction.
    pub last_tx: u64,
    /// When that was committed; with no transaction after the base, as `from`.
    pub to: Timestamp,
    /// Where the log is torn after this window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gap: Option<Gap>,
    /// Whether every transaction was told apart when it was shipped.
    pub verified: bool,
}

/// The segment of a timeline in which a base stands, by its number; `None` when the base is not of
/// this timeline, or the segments are gone.
pub(super) async fn locate(timeline: &Timeline, base: &BaseLog) -> Result<Option<u64>> {
    let info = &timeline.info;
    if info.database != base.database
        || !base.is_of(&info.store_id)
        || base.position < info.begins
        || base.last_tx < info.last_tx
    {
        return Ok(None);
    }
    // Where the timeline begins, no segment ends.
    if base.position == info.begins
        || (info.begins.offset == 0
            && base.position == LogPosition { offset: HEADER_SIZE, ..info.begins }
            && base.last_tx == info.last_tx)
    {
        let same = base.has(info.last_tx, info.committed, info.checksum);
        let whole = timeline.chunks.first().is_none_or(|chunk| chunk.first == 0);
        return Ok((same && whole).then_some(0));
    }
    let Some(chunk) = find_chunk(timeline, base.position).await? else { return Ok(None) };
    let Some(segments) = timeline.read(&chunk).await? else { return Ok(None) };
    for segment in segments {
        let log = segment.header.log;
        if log.version == base.position.version
            && log.from < base.position.offset
            && base.position.offset <= log.to
        {
            let keys = timeline.area().vault().keys();
            return Ok(stands_in(&segment, base, keys).then_some(segment.header.sequence));
        }
    }
    Ok(None)
}

/// Whether a segment has the base's last transaction where the base ends.
fn stands_in(segment: &Segment, base: &BaseLog, keys: &Keys) -> bool {
    let header = &segment.header;
    if !header.verified {
        return base.last_tx >= header.transactions.last;
    }
    let raw = match segment.raw(keys) {
        Ok(raw) => raw,
        // Without the key, the numbers must do.
        Err(SegmentError::Encrypted(_)) => {
            return base.last_tx + 1 >= header.transactions.first
                && base.last_tx <= header.transactions.last;
        }
        Err(_) => return false,
    };
    let mut start = header.log.start();
    let mut bytes = &raw[..];
    if start.offset < HEADER_SIZE {
        bytes =
            bytes.get(usize::try_from(HEADER_SIZE - start.offset).unwrap_or(0)..).unwrap_or(&[]);
        start.offset = HEADER_SIZE;
    }
    if base.position == start {
        return base.last_tx + 1 == header.transactions.first;
    }
    // The parts of a long transaction do not begin with one; a base never stands within it.
    let mut found = Vec::new();
    Parser::new(start, header.transactions.first.saturating_sub(1)).push(bytes, &mut found);
    if found.is_empty() && header.transactions.count == 1 && base.position == header.log.end() {
        let end = raw.len().checked_sub(4).and_then(|at| raw.get(at..)).unwrap_or_default();
        let checksum = end.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte));
        let transactions = header.transactions;
        return base.has(transactions.last, Some(transactions.last_committed), Some(checksum));
    }
    found
        .iter()
        .any(|tx| tx.end == base.position && base.has(tx.id, Some(tx.committed), Some(tx.checksum)))
}

/// The object in which a place of the log lies, by looking at the beginnings of some.
async fn find_chunk(timeline: &Timeline, position: LogPosition) -> Result<Option<Chunk>> {
    let chunks: Vec<Chunk> = timeline.runs().into_iter().flatten().collect();
    // The last that begins before the position.
    let (mut low, mut high) = (0, chunks.len());
    while low < high {
        let middle = usize::midpoint(low, high);
        // Where one is damaged, its neighbour before it tells as well.
        let mut looked = middle;
        let before = loop {
            match timeline.peek(&chunks[looked]).await {
                Ok(Some(header)) => break header.log.start() < position,
                Ok(None) => return Ok(None),
                Err(Error::Ship(ShipError::Damaged { .. })) if looked > low => looked -= 1,
                Err(Error::Ship(ShipError::Damaged { .. })) => break true,
                Err(error) => return Err(error),
            }
        };
        if before {
            low = middle + 1;
        } else {
            high = looked;
        }
    }
    Ok(low.checked_sub(1).map(|index| chunks[index].clone()))
}

/// Finds the log that leads from a base to where somebody wants to go, in the newest timeline that
/// the base is of. Nothing is promised yet but that the way is there as far as a listing and some
/// headers tell; each byte is checked when it is read.
///
/// `None` when the base is of no timeline: then nothing was shipped after it.
///
/// # Errors
/// [`ShipError::Unreachable`] when the log does not go as far; those of the vault.
pub async fn find_replay(vault: &Vault, base: &BaseLog, until: Until) -> Result<Option<Replay>> {
    let of_database = timelines(vault).await?.remove(&base.database).unwrap_or_default();
    let mut found = None;
    for timeline in of_database.into_iter().rev() {
        if let Some(sequence) = locate(&timeline, base).await? {
            found = Some((timeline, sequence));
            break;
        }
    }
    let Some((timeline, sequence)) = found else { return Ok(None) };
    let unreachable = |why: String, hint: &str| {
        Error::from(ShipError::Unreachable {
            database: base.database.clone(),
            wanted: until.to_string(),
            why,
            hint: hint.to_owned(),
        })
    };
    if let Until::Tx(id) = until
        && id < base.last_tx
    {
        let why = format!("the base already holds transaction {}", base.last_tx);
        return Err(unreachable(why, "use an older base"));
    }
    let (run, gap) = run_with(&timeline, sequence);
    let end = match end_of_run(&timeline, &run).await {
        // The replay tells how far all is well.
        Err(Error::Ship(ShipError::Damaged { .. })) => None,
        end => end?,
    };
    if let (Some(gap), Some(end)) = (gap, &end) {
        let (last, committed) = (end.transactions.last, end.transactions.last_time());
        // What was shipped behind the gap would be left out without a word.
        let is_behind = match until {
            Until::Latest => true,
            Until::Time(time) => committed.is_none_or(|committed| committed <= time),
            Until::Tx(id) => id > last,
        };
        if is_behind {
            let why = format!("the vault lacks {gap} of timeline {}", timeline.name());
            return Err(unreachable(why, &all_is_well(last, committed)));
        }
    }
    if let Some(end) = end {
        let last = end.transactions.last;
        match until {
            Until::Tx(id) if id > last && end.verified => {
                let why = format!("the log that was shipped ends at transaction {last}");
                return Err(unreachable(why, "`lifeboat status` shows what can be reached"));
            }
            Until::Tx(_) if !end.verified => {
                let why = "its log has a format in which transactions cannot be told apart".into();
                return Err(unreachable(why, "restore the latest, or use a newer lifeboat"));
            }
            _ => {}
        }
    } else if run.is_empty()
        && let Until::Tx(id) = until
        && id > base.last_tx
    {
        let why = format!("nothing was shipped after transaction {}", base.last_tx);
        return Err(unreachable(why, "`lifeboat status` shows what can be reached"));
    }
    let todo = run.into_iter().filter(|chunk| chunk.last >= sequence).collect();
    Ok(Some(Replay {
        timeline,
        until,
        todo,
        sequence,
        previous: None,
        ready: VecDeque::new(),
        start: base.position,
        reached: Reached {
            position: base.position,
            last_tx: base.last_tx,
            committed: None,
            verified: true,
        },
        parser: None,
        done: until == Until::Tx(base.last_tx),
    }))
}

/// The objects without a gap that have a segment among them, and the gap behind them.
fn run_with(timeline: &Timeline, sequence: u64) -> (Vec<Chunk>, Option<Gap>) {
    let mut runs = timeline.runs().into_iter();
    let run = runs.find(|run| {
        run.first().is_some_and(|first| first.first <= sequence)
            && run.last().is_some_and(|last| last.last >= sequence)
    });
    let run = run.unwrap_or_default();
    let next = runs.next();
    let gap = run.last().zip(next.as_ref().and_then(|next| next.first()));
    let gap = gap.map(|(last, next)| Gap { from: last.last + 1, to: next.first - 1 });
    (run, gap)
}

/// How far one can go when the log is torn behind a transaction.
fn all_is_well(last_tx: u64, committed: Option<Timestamp>) -> String {
    let time = committed.map(|time| format!(", committed {time}")).unwrap_or_default();
    format!(
        "up to transaction {last_tx}{time}, all is well: --until-tx {last_tx} goes there; or use a \
         newer base"
    )
}

impl Replay {
    /// The timeline that is followed.
    pub fn timeline(&self) -> &str {
        &self.timeline.info.timeline
    }

    /// Bytes to be read from the vault, at most.
    pub fn stored_bytes(&self) -> u64 {
        self.todo.iter().map(|chunk| chunk.size).sum()
    }

    /// How far it has come: when [`next`](Self::next) has given `None`, how far it goes.
    pub fn reached(&self) -> Reached {
        self.reached
    }

    /// The next bytes of the log, in order; `None` when it ends. The first begin where the base
    /// ends, others where those before ended, or at the beginning of the next file: then the file
    /// before ends there.
    ///
    /// # Errors
    /// When a segment is missing or damaged: [`reached`](Self::reached) tells how far all is well.
    pub async fn next(&mut self) -> Result<Option<LogPiece>> {
        loop {
            if self.done {
                return Ok(None);
            }
            let Some(segment) = self.next_segment().await? else {
                self.done = true;
                self.arrived()?;
                return Ok(None);
            };
            if let Some(piece) = self.cut(&segment)? {
                return Ok(Some(piece));
            }
        }
    }

    /// Whether the end is where it was to be.
    fn arrived(&self) -> Result<()> {
        match self.until {
            Until::Tx(id) if self.reached.last_tx != id => Err(ShipError::Unreachable {
                database: self.timeline.info.database.clone(),
                wanted: self.until.to_string(),
                why: format!("the log ends at transaction {}", self.reached.last_tx),
                hint: "`lifeboat status` shows what can be reached".to_owned(),
            }
            .into()),
            _ => Ok(()),
        }
    }

    async fn next_segment(&mut self) -> Result<Option<Segment>> {
        while self.ready.is_empty() {
            if self.todo.is_empty() {
                return Ok(None);
            }
            let timeline = self.timeline.clone();
            let mut reads: FuturesOrdered<_> =
                self.todo.iter().take(AHEAD).map(|chunk| timeline.read(chunk)).collect();
            let mut gone = false;
            let mut read = Vec::new();
            while let Some(segments) = reads.next().await {
                match segments {
                    Ok(Some(segments)) => read.push(segments),
                    Ok(None) => {
                        gone = true;
                        break;
                    }
                    // What is before it is given out first.
                    Err(_) if !read.is_empty() => break,
                    Err(error) => return Err(self.torn(&error)),
                }
            }
            drop(reads);
            for segments in read {
                self.todo.pop_front();
                let from = self.next_sequence();
                let new = segments.into_iter().filter(|one| one.header.sequence >= from);
                self.ready.extend(new);
            }
            if gone && self.ready.is_empty() {
                self.find_again().await?;
            }
        }
        Ok(self.ready.pop_front())
    }

    /// The number of the segment that is wanted behind those that are ready.
    fn next_sequence(&self) -> u64 {
        self.ready.back().map_or(self.sequence, |last| last.header.sequence + 1)
    }

    /// Somebody has packed what was to be read: looks where it is now.
    async fn find_again(&mut self) -> Result<()> {
        let wanted = self.sequence;
        self.timeline = self.timeline.refreshed().await?;
        let (run, _) = run_with(&self.timeline, wanted);
        if run.is_empty() {
            let key = format!("{}/{wanted:012}", self.timeline.name());
            let error = damaged(self.timeline.area().vault(), &key, "it is missing");
            return Err(self.torn(&error));
        }
        self.todo = run.into_iter().filter(|chunk| chunk.last >= wanted).collect();
        Ok(())
    }

    /// An error that says how far one can go all the same.
    fn torn(&self, error: &Error) -> Error {
        ShipError::Unreachable {
            database: self.timeline.info.database.clone(),
            wanted: self.until.to_string(),
            why: error.to_string(),
            hint: all_is_well(self.reached.last_tx, self.reached.committed),
        }
        .into()
    }

    /// What is wanted of a segment.
    fn cut(&mut self, segment: &Segment) -> Result<Option<LogPiece>> {
        let header = &segment.header;
        let key = format!("{}/{:012}", self.timeline.name(), header.sequence);
        let wrong =
            |this: &Self, why: &str| this.torn(&damaged(this.timeline.area().vault(), &key, why));
        if header.sequence != self.sequence
            || self.previous.is_some_and(|previous| header.previous != Some(previous))
        {
            return Err(wrong(self, "it does not follow the segment before"));
        }
        let raw = match segment.raw(self.timeline.area().vault().keys()) {
            Ok(raw) => Bytes::from(raw),
            Err(error) => return Err(wrong(self, &error.to_string())),
        };
        let first = self.previous.is_none();
        (self.sequence, self.previous) = (header.sequence + 1, Some(segment.digest));
        // The first segment may have begun before the base's end.
        let mut offset = header.log.from;
        let mut bytes = raw;
        if first && self.start.version == header.log.version && self.start.offset > offset {
            let skip = usize::try_from(self.start.offset - offset).unwrap_or(usize::MAX);
            bytes = bytes.slice(skip.min(bytes.len())..);
            offset = self.start.offset;
        }
        if !header.verified {
            self.parser = None;
            self.reached.verified = false;
            self.reached.position = header.log.end();
            self.reached.last_tx = header.transactions.last.max(self.reached.last_tx);
            return Ok(Some(LogPiece { version: header.log.version, offset, bytes }));
        }
        let version = header.log.version;
        let mut content = bytes.clone();
        if offset < HEADER_SIZE {
            let skip = usize::try_from(HEADER_SIZE - offset).unwrap_or(0).min(content.len());
            content = content.slice(skip..);
            let start = LogPosition { version, offset: HEADER_SIZE };
            self.parser = Some(Parser::new(start, self.reached.last_tx));
        }
        let last_tx = self.reached.last_tx;
        let start = LogPosition { version, offset };
        let parser = self.parser.get_or_insert_with(|| Parser::new(start, last_tx));
        let mut found: Vec<Transaction> = Vec::new();
        parser.push(&content, &mut found);
        let wanted = found.iter().position(|tx| match self.until {
            Until::Latest => false,
            Until::Time(time) => tx.committed > time.as_millisecond(),
            Until::Tx(id) => tx.id > id,
        });
        let ends = wanted.is_some();
        found.truncate(wanted.unwrap_or(found.len()));
        if let Some(last) = found.last() {
            self.reached.position = last.end;
            self.reached.last_tx = last.id;
            self.reached.committed = Timestamp::from_millisecond(last.committed).ok();
        }
        if ends || self.until == Until::Tx(self.reached.last_tx) {
            self.done = true;
            let end = self.reached.position;
            if end.version != version || end.offset <= offset {
                return Ok(None);
            }
            let keep = usize::try_from(end.offset - offset).unwrap_or(usize::MAX);
            bytes = bytes.slice(..keep.min(bytes.len()));
        } else if self.reached.last_tx != header.transactions.last {
            return Err(wrong(self, "its transactions are not those that its header tells"));
        }
        Ok(Some(LogPiece { version, offset, bytes }))
    }
}

/// What can be recovered: for each database and timeline the stretches that begin with a base.
///
/// # Errors
/// When the vault fails.
pub async fn windows(vault: &Vault, bases: &[Base]) -> Result<Vec<Window>> {
    let mut windows = Vec::new();
    for (database, of_database) in timelines(vault).await? {
        for timeline in &of_database {
            let mut of_timeline: Vec<Window> = Vec::new();
            // The oldest first: a window goes on until a gap, whatever bases come within it.
            for base in bases.iter().rev() {
                let Some(log) = base.logs.iter().find(|log| log.database == database) else {
                    continue;
                };
                if of_timeline.iter().any(|w| (w.first_tx..=w.last_tx).contains(&log.last_tx)) {
                    continue;
                }
                if let Some(sequence) = locate(timeline, log).await? {
                    of_timeline.push(window(timeline, base, log, sequence).await?);
                }
            }
            windows.extend(of_timeline);
        }
    }
    Ok(windows)
}

async fn window(timeline: &Timeline, base: &Base, log: &BaseLog, sequence: u64) -> Result<Window> {
    let (run, gap) = run_with(timeline, sequence);
    let end = end_of_run(timeline, &run).await?;
    let (last_tx, to) = match &end {
        Some(end) if end.transactions.last > log.last_tx => {
            // A segment without a transaction's end tells no time; about when it was made.
            (end.transactions.last, end.transactions.last_time().unwrap_or(end.created))
        }
        _ => (log.last_tx, base.created),
    };
    Ok(Window {
        database: timeline.info.database.clone(),
        timeline: timeline.info.timeline.clone(),
        base: base.name.clone(),
        first_tx: log.last_tx,
        from: base.created,
        last_tx,
        to: to.max(base.created),
        gap,
        verified: end.is_none_or(|end| end.verified),
    })
}
