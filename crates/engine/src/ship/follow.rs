//! Following the log of one database, from the last segment in the vault on.

use std::ops::ControlFlow;
use std::path::Path;

use jiff::Timestamp;
use lifeboat_archive::Digest;
use lifeboat_neo4j::txlog::{
    HEADER_SIZE, LogEnd, LogError, LogFolder, LogHeader, LogPosition, Stop,
};
use lifeboat_vault::{Lease, Vault};

use super::recovery::{BaseLog, locate};
use super::segment::{self, LogRange, Meta, Segment};
use super::source::{Found, Piece, Source};
use super::timeline::{self, Reason, Timeline, TimelineInfo, timelines};
use super::{Base, Event, Events, ShipError, ShipOptions, ShipReport, acquire, bases, pack, tell};
use crate::{Error, Result};

/// After how many segments the vault is looked through for what can be packed.
const PACK_EVERY: u64 = 64;

/// The lease, kept as long as there is work.
pub(super) struct Guard {
    lease: Option<Lease>,
}

impl Guard {
    pub(super) fn new(lease: Lease) -> Self {
        Self { lease: Some(lease) }
    }

    /// Renews the lease when a third of its time is over; takes it again when it was lost, and
    /// nobody else has it.
    pub(super) async fn keep(&mut self, options: &ShipOptions) -> Result<()> {
        if let Some(lease) = &mut self.lease {
            if lease.left() > lease.ttl() * 2 / 3 {
                return Ok(());
            }
            match lease.renew().await {
                Ok(()) => return Ok(()),
                // Still ours for a while: what is new can be stored meanwhile.
                Err(error) if !error.is_leased() && !lease.left().is_zero() => {
                    tracing::debug!(%error, "the lease could not be renewed");
                    return Ok(());
                }
                Err(lifeboat_vault::Error::LeaseLost { .. }) => self.lease = None,
                Err(error) => return Err(error.into()),
            }
        }
        let (events, _) = tokio::sync::mpsc::unbounded_channel();
        let again = ShipOptions { wait: false, ..options.clone() };
        let lease = acquire(&again, &events, &tokio_util::sync::CancellationToken::new()).await?;
        self.lease = Some(lease);
        Ok(())
    }

    pub(super) async fn release(&mut self) -> Result<()> {
        match self.lease.take() {
            Some(lease) => Ok(lease.release().await?),
            None => Ok(()),
        }
    }
}

/// What became of a database's log in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// All of it is shipped.
    Current,
    /// All of it is shipped, to a timeline that began now.
    NewTimeline,
    /// It is not there any more.
    Gone,
}

/// Ships the log of one database.
#[derive(Debug)]
pub(super) struct Follower {
    database: String,
    folder: LogFolder,
    timeline: Timeline,
    source: Source,
    sequence: u64,
    previous: Option<Digest>,
    new: bool,
    since_pack: u64,
    /// Whether the next segment takes the place of a damaged one.
    replaces: bool,
}

/// The id of the store that a log is of, in hexadecimal digits; empty when it cannot be known.
fn store_id(folder: &LogFolder) -> Result<String> {
    let newest = folder.versions().map_err(ShipError::Log)?.last().copied();
    let header = match newest {
        Some(version) => folder.header(version).map_err(ShipError::Log)?,
        None => None,
    };
    Ok(header.map(|header| header.store_id).unwrap_or_default())
}

/// Where a new timeline of a log begins; `None` while there is nothing to begin with.
pub(super) fn beginning(log: &LogFolder, bases: Vec<BaseLog>) -> Result<Option<LogEnd>, LogError> {
    let Some(newest) = log.versions()?.last().copied() else { return Ok(None) };
    let Some(header) = log.header(newest)? else { return Ok(None) };
    if !header.is_known() {
        // Where its transactions end cannot be known: all of the newest file.
        let position = LogPosition { version: newest, offset: 0 };
        let last_tx = header.last_tx;
        return Ok(Some(LogEnd { position, last: None, last_tx, stop: Stop::End }));
    }
    for base in bases {
        if let Some(end) = end_of(&base, log)? {
            return Ok(Some(end));
        }
    }
    log.end().map(Some)
}

/// The end of a base, if it is the end of the same transaction in this log.
fn end_of(base: &BaseLog, log: &LogFolder) -> Result<Option<LogEnd>, LogError> {
    let version = base.position.version;
    let Some(header) = log.header(version)?.filter(LogHeader::is_known) else { return Ok(None) };
    let first = LogPosition { version, offset: HEADER_SIZE };
    if base.position == first {
        let end = LogEnd { position: first, last: None, last_tx: header.last_tx, stop: Stop::End };
        return Ok((header.last_tx == base.last_tx).then_some(end));
    }
    let end = log.transactions(first, header.last_tx, |transaction| {
        if transaction.end < base.position {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    })?;
    let same = end.last.is_some_and(|last| base.ends_with(&last));
    Ok(same.then_some(end))
}

impl Follower {
    /// Goes on where the newest timeline ends, or begins one. `None` while the database has no
    /// log to speak of.
    pub(super) async fn open(
        vault: &Vault,
        database: &str,
        path: &Path,
        events: &Events,
    ) -> Result<Option<Self>> {
        let folder = LogFolder::new(path);
        let id = store_id(&folder)?;
        if id.is_empty() && folder.versions().map_err(ShipError::Log)?.is_empty() {
            return Ok(None);
        }
        let newest = timelines(vault).await?.remove(database).and_then(|mut all| all.pop());
        let Some(timeline) = newest else {
            return Self::begin(vault, database, folder, None, Reason::First, events).await;
        };
        if timeline.info.store_id != id {
            let (after, reason) = (Some(&timeline), Reason::OtherStore);
            return Self::begin(vault, database, folder, after, reason, events).await;
        }
        let follower = match timeline.tail().await {
            Ok(tail) => Self::resume(database, folder, timeline, tail),
            Err(Error::Ship(error @ ShipError::Damaged { .. })) => {
                tell(events, Event::Trouble { message: error.to_string() });
                let Some((sequence, before)) = timeline.before_tail().await? else {
                    let (after, reason) = (Some(&timeline), Reason::Broken);
                    return Self::begin(vault, database, folder, after, reason, events).await;
                };
                // The server still has those bytes, or a timeline begins when they are looked for.
                let follower = Self::resume(database, folder, timeline, before);
                Self { sequence, replaces: true, ..follower }
            }
            Err(error) => return Err(error),
        };
        let (timeline, last_tx) =
            (follower.timeline.info.timeline.clone(), follower.source.last_tx());
        tell(events, Event::Resumed { database: database.to_owned(), timeline, last_tx });
        Ok(Some(follower))
    }

    fn resume(
        database: &str,
        folder: LogFolder,
        timeline: Timeline,
        tail: Option<Segment>,
    ) -> Self {
        let (source, sequence, previous) = if let Some(tail) = tail {
            let header = &tail.header;
            // The bytes of the last segment must still be what the log has there.
            let last = (header.log, header.raw.blake3);
            let (end, last_tx) = (header.log.end(), header.transactions.last);
            let source = Source::new(folder.clone(), end, last_tx, Some(last));
            (source, header.sequence + 1, Some(tail.digest))
        } else {
            let info = &timeline.info;
            // Of what was before only the checksum of the last transaction is known.
            let last = info.checksum.map(|checksum| {
                let to = info.begins.offset;
                let range = LogRange { version: info.begins.version, from: to - 4, to };
                (range, Digest::of(&checksum.to_le_bytes()))
            });
            (Source::new(folder.clone(), info.begins, info.last_tx, last), 0, None)
        };
        Self {
            database: database.to_owned(),
            folder,
            timeline,
            source,
            sequence,
            previous,
            new: false,
            since_pack: 0,
            replaces: false,
        }
    }

    /// Begins a timeline: at the newest physical backup from which the log still leads on, so that
    /// this is a base at once, or else at the end of the log as it is now.
    async fn begin(
        vault: &Vault,
        database: &str,
        folder: LogFolder,
        after: Option<&Timeline>,
        reason: Reason,
        events: &Events,
    ) -> Result<Option<Self>> {
        let store_id = store_id(&folder)?;
        let bases = bases::bases(vault).await?.into_iter().flat_map(|base| base.logs);
        let bases = bases.filter(|log| log.database == database && log.is_of(&store_id)).collect();
        let log = folder.clone();
        let Some(end) = blocking(move || beginning(&log, bases)).await? else { return Ok(None) };
        // A file's header is shipped with its first transaction.
        let begins = match end.position {
            LogPosition { version, offset: HEADER_SIZE } => LogPosition { version, offset: 0 },
            position => position,
        };
        let last = end.last.filter(|last| last.end == begins);
        let info = TimelineInfo {
            format: 1,
            database: database.to_owned(),
            timeline: timeline::next_name(after),
            created: Timestamp::now(),
            reason,
            begins,
            last_tx: end.last_tx,
            checksum: last.map(|last| last.checksum),
            committed: last.map(|last| last.committed),
            store_id,
        };
        let timeline = Timeline::begin(vault, info).await?;
        tell(
            events,
            Event::Timeline {
                database: database.to_owned(),
                timeline: timeline.info.timeline.clone(),
                reason,
            },
        );
        let follower = Self::resume(database, folder, timeline, None);
        Ok(Some(Self { new: true, ..follower }))
    }

    pub(super) fn database(&self) -> &str {
        &self.database
    }

    /// The last transaction that is shipped.
    pub(super) fn last_tx(&self) -> u64 {
        self.source.last_tx()
    }

    /// Whether its timeline began with it.
    pub(super) fn is_new(&self) -> bool {
        self.new
    }

    /// Whether what is shipped goes on where a base stands; `None` as long as it has not come so
    /// far. `ours` says whether the base was surely taken after the timeline began.
    pub(super) async fn covers(&self, base: &Base, ours: bool) -> Result<Option<bool>> {
        let Some(log) = base.logs.iter().find(|log| log.database == self.database) else {
            return Ok(Some(false));
        };
        if log.position > self.source.position() {
            let later = ours || base.created >= self.timeline.info.created;
            return Ok(if later { None } else { Some(false) });
        }
        Ok(Some(locate(&self.timeline, log).await?.is_some()))
    }

    /// About how many bytes have to be replayed on top of a base.
    pub(super) fn replay_after(&self, logs: &[BaseLog]) -> u64 {
        let Some(log) = logs.iter().find(|log| log.database == self.database) else { return 0 };
        let (from, to) = (log.position, self.source.position());
        if from.version == to.version {
            return to.offset.saturating_sub(from.offset);
        }
        let between = (from.version + 1..to.version).filter_map(|version| {
            std::fs::metadata(self.folder.file(version)).ok().map(|meta| meta.len())
        });
        between.sum::<u64>() + to.offset
    }

    /// Ships all that is new.
    pub(super) async fn ship(
        &mut self,
        guard: &mut Guard,
        options: &ShipOptions,
        report: &mut ShipReport,
        events: &Events,
    ) -> Result<Outcome> {
        let mut outcome = Outcome::Current;
        loop {
            let mut source = self.source.clone();
            let (source, found) = blocking(move || {
                let found = source.look()?;
                Ok((source, found))
            })
            .await?;
            self.source = source;
            match found {
                Found::Piece(piece) => {
                    guard.keep(options).await?;
                    self.store(&piece, report, events).await?;
                    self.source.advance(&piece);
                }
                Found::Nothing => break,
                Found::Gone => return Ok(Outcome::Gone),
                Found::Broken(reason) => {
                    let vault = &options.vault;
                    let folder = self.folder.clone();
                    let after = Some(&self.timeline);
                    let next =
                        Self::begin(vault, &self.database, folder, after, reason, events).await?;
                    match next {
                        Some(next) => *self = next,
                        None => return Ok(Outcome::Gone),
                    }
                    outcome = Outcome::NewTimeline;
                }
            }
        }
        if self.since_pack >= PACK_EVERY {
            self.since_pack = 0;
            self.timeline = self.timeline.refreshed().await?;
            match pack::pack_timeline(&self.timeline).await {
                Ok(packed) if packed.objects > 0 => {
                    let (database, objects, packs) =
                        (self.database.clone(), packed.objects, packed.packs);
                    tell(events, Event::Packed { database, objects, packs });
                }
                Ok(_) => {}
                // What cannot be packed does not keep what is new from being shipped.
                Err(Error::Ship(error @ ShipError::Damaged { .. })) => {
                    tell(events, Event::Trouble { message: error.to_string() });
                }
                Err(error) => return Err(error),
            }
            self.timeline = self.timeline.refreshed().await?;
        }
        Ok(outcome)
    }

    async fn store(
        &mut self,
        piece: &Piece,
        report: &mut ShipReport,
        events: &Events,
    ) -> Result<()> {
        let meta = Meta {
            database: self.database.clone(),
            timeline: self.timeline.info.timeline.clone(),
            sequence: self.sequence,
            previous: self.previous,
            log: piece.log,
            transactions: piece.transactions,
            verified: piece.verified,
        };
        let raw = piece.bytes.clone();
        let database = self.database.clone();
        let keys = self.timeline.area().vault().keys().clone();
        let encoded = tokio::task::spawn_blocking(move || segment::encode(meta, &raw, &keys));
        let (bytes, digest) = encoded
            .await
            .map_err(|panic| Error::Internal(panic.to_string()))?
            .map_err(|source| ShipError::Segment { database, source })?;
        if self.replaces {
            self.timeline.replace(self.sequence, &bytes).await?;
            self.replaces = false;
            let (database, timeline) = (self.database.clone(), self.timeline.info.timeline.clone());
            tell(events, Event::Replaced { database, timeline, sequence: self.sequence });
        } else {
            self.timeline.store(self.sequence, &bytes).await?;
        }
        report.segments += 1;
        report.transactions += piece.transactions.count;
        report.log_bytes += piece.bytes.len() as u64;
        report.stored_bytes += bytes.len() as u64;
        let event = Event::Shipped {
            database: self.database.clone(),
            timeline: self.timeline.info.timeline.clone(),
            sequence: self.sequence,
            transactions: piece.transactions.count,
            last_tx: piece.transactions.last,
            last_committed: piece.transactions.last_time(),
            log_bytes: piece.bytes.len() as u64,
            stored_bytes: bytes.len() as u64,
            verified: piece.verified,
        };
        tell(events, event);
        self.sequence += 1;
        self.since_pack += 1;
        self.previous = Some(digest);
        Ok(())
    }
}

/// Runs work that reads files.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, lifeboat_neo4j::txlog::LogError> + Send + 'static,
) -> Result<T> {
    let result = tokio::task::spawn_blocking(work).await;
    Ok(result.map_err(|panic| Error::Internal(panic.to_string()))?.map_err(ShipError::Log)?)
}
