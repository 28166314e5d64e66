//! `ship`: the transaction logs of a server into a vault, as they are written.
//!
//! A physical backup (a **base**) and the log bytes after it are a recovery point for every
//! transaction in them. So the shipper reads what each database of a home has written to its log
//! ([`source`]), up to the end of the last whole transaction, and stores it as segments
//! ([`segment`]) of a timeline ([`timeline`]), every second or so. It keeps no state of its own:
//! where to go on is told by the last segment in the vault, so it can be killed at any moment, on
//! any machine. When the vault does not answer it waits, and then ships what has gathered; nothing
//! is skipped.
//!
//! One shipper at a time works for a vault; a lease sees to that. When the log that is found is
//! not the one that was shipped, a new timeline begins, and a new base is taken, since bases and
//! segments of different timelines never fit together.

mod bases;
mod canary;
mod follow;
mod pack;
mod recovery;
#[cfg(test)]
pub(crate) mod sample;
pub mod segment;
mod source;
#[cfg(test)]
mod tests;
mod timeline;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use lifeboat_archive::BackupName;
use lifeboat_neo4j::txlog::{LogError, LogPosition};

use lifeboat_vault::{Lease, Vault};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{Error, Result};
pub use bases::{PhysicalBases, base, bases, bases_of};
pub use canary::Canary;
use canary::Singing;
use follow::{Follower, Guard};
pub use pack::{Dropped, Packed, drop_unneeded, pack};
pub use recovery::{BaseLog, Gap, LogPiece, Reached, Replay, Until, Window, find_replay, windows};
pub use timeline::{Chunk, Reason, Timeline, TimelineInfo, timelines};

/// Where a timeline ends, and the last transaction before that: as far as it is shipped.
///
/// # Errors
/// When the vault fails.
pub async fn shipped(timeline: &Timeline) -> Result<(LogPosition, u64)> {
    Ok(match timeline.end().await? {
        Some(header) => (header.log.end(), header.transactions.last),
        None => (timeline.info.begins, timeline.info.last_tx),
    })
}

/// The lease of the shipper of a vault.
pub const LEASE: &str = "ship";
/// How long the lease lasts without a renewal: how long another waits after a crash.
pub const LEASE_TTL: Duration = Duration::from_secs(30);
/// The pause after the store did not answer.
const OUTAGE_PAUSE: Duration = Duration::from_secs(2);
/// The pause before a base is tried again, at first; then twice as long each time.
const BASE_PAUSE: Duration = Duration::from_secs(15);
/// The longest such pause.
const LONGEST_BASE_PAUSE: Duration = Duration::from_mins(15);

/// Why logs cannot be shipped, or not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShipError {
    /// There are no transaction logs.
    #[error(
        "{} holds no transaction logs; give the home of a Neo4j server that has run, on this \
         machine or on a shared volume (--neo4j-home)",
        folder.display()
    )]
    NoLogs {
        /// Where they should be.
        folder: PathBuf,
    },
    /// A passphrase is slow on purpose, and each segment would need it anew.
    #[error(
        "logs cannot be shipped to {vault}, which is encrypted by a passphrase alone: each of its \
         many segments would take a second to encrypt, and to open; give it a key pair as well \
         (`lifeboat key generate`, encryption.recipients)"
    )]
    Passphrase {
        /// The vault.
        vault: String,
    },
    /// A transaction log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A segment cannot be made.
    #[error("cannot make a segment of the log of {database}: {source}")]
    Segment {
        /// The database.
        database: String,
        /// Why.
        source: segment::SegmentError,
    },
    /// Somebody else has stored an object of that name.
    #[error(
        "{object} is already in {vault}, and not from this process; is there another shipper \
         without a lease?"
    )]
    Raced {
        /// The vault.
        vault: String,
        /// The object.
        object: String,
    },
    /// Something that was shipped is not what it was.
    #[error("{object} in {vault} is damaged: {why}")]
    Damaged {
        /// The vault.
        vault: String,
        /// The object.
        object: String,
        /// What is wrong.
        why: String,
    },
    /// No log leads from a base to where somebody wants to go.
    #[error("{database} cannot be recovered to {wanted}: {why}; {hint}")]
    Unreachable {
        /// The database.
        database: String,
        /// The transaction or time.
        wanted: String,
        /// Why not.
        why: String,
        /// What can be done.
        hint: String,
    },
}

/// An error about an object of the ship area.
fn damaged(vault: &Vault, object: &str, why: &str) -> Error {
    let object = format!("{}/{object}", timeline::AREA);
    ShipError::Damaged { vault: vault.to_string(), object, why: why.to_owned() }.into()
}

/// Why a base is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum BaseReason {
    /// A timeline has begun, and no base is of it.
    NewTimeline,
    /// The last one is older than it may be.
    Schedule,
    /// More log has gathered since the last one than may be.
    LongReplay,
}

/// Takes bases, and knows those that were taken.
pub trait Bases: std::fmt::Debug + Send + Sync {
    /// Takes one; gives it up, with nothing left that lists, when `cancel` says so.
    fn take(
        &self,
        reason: BaseReason,
        cancel: CancellationToken,
    ) -> BoxFuture<'_, Result<BackupName>>;

    /// When each was taken and where it stands in the logs, the newest first.
    fn list(&self) -> BoxFuture<'_, Result<Vec<Base>>>;
}

/// A physical backup from which logs can be replayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// The backup.
    pub name: BackupName,
    /// When it was begun.
    pub created: Timestamp,
    /// Where it stands in the log of each database.
    pub logs: Vec<BaseLog>,
}

/// What to ship, and how.
#[derive(Debug, Clone)]
pub struct ShipOptions {
    /// The vault.
    pub vault: Vault,
    /// The home of the server.
    pub home: PathBuf,
    /// How often to look for new transactions.
    pub interval: Duration,
    /// Whether to wait while another shipper is at work, rather than to fail.
    pub wait: bool,
    /// Whether to ship what is there and end.
    pub once: bool,
    /// Takes bases; without, somebody else must.
    pub bases: Option<Arc<dyn Bases>>,
    /// Writes a tiny transaction at an interval, to be found again in what was shipped.
    pub canary: Option<Canary>,
    /// How old the newest base may be.
    pub base_every: Duration,
    /// How many bytes of log may have to be replayed on top of the newest base.
    pub base_after: u64,
    /// How long the lease lasts without a renewal.
    pub lease_ttl: Duration,
}

impl ShipOptions {
    /// Ships from a home into a vault, every second, with a base a day.
    pub fn new(vault: Vault, home: impl Into<PathBuf>) -> Self {
        Self {
            vault,
            home: home.into(),
            interval: Duration::from_secs(1),
            wait: false,
            once: false,
            bases: None,
            canary: None,
            base_every: Duration::from_hours(24),
            base_after: 4 << 30,
            lease_ttl: LEASE_TTL,
        }
    }
}

/// What happens while logs are shipped.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "message_type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// Another shipper is at work.
    Waiting {
        /// Who.
        holder: String,
    },
    /// The lease is ours.
    Started {
        /// The vault.
        vault: String,
        /// The home.
        home: PathBuf,
    },
    /// Shipping of a database goes on where it was left.
    Resumed {
        /// The database.
        database: String,
        /// The timeline.
        timeline: String,
        /// The last transaction that was shipped.
        last_tx: u64,
    },
    /// A timeline has begun.
    Timeline {
        /// The database.
        database: String,
        /// The timeline.
        timeline: String,
        /// Why.
        reason: Reason,
    },
    /// A segment was stored.
    Shipped {
        /// The database.
        database: String,
        /// The timeline.
        timeline: String,
        /// The segment's number.
        sequence: u64,
        /// Transactions that end in it.
        transactions: u64,
        /// The last transaction that is shipped.
        last_tx: u64,
        /// When that was committed; none when none ends in this segment.
        #[serde(skip_serializing_if = "Option::is_none")]
        last_committed: Option<Timestamp>,
        /// Bytes of log.
        log_bytes: u64,
        /// Bytes stored.
        stored_bytes: u64,
        /// Whether it ends at a verified transaction.
        verified: bool,
    },
    /// The newest segment was damaged in the vault, and has been shipped again.
    Replaced {
        /// The database.
        database: String,
        /// The timeline.
        timeline: String,
        /// The segment's number.
        sequence: u64,
    },
    /// A transaction of the canary was found again in what was shipped.
    Canary {
        /// The database.
        database: String,
        /// The transaction.
        tx: u64,
        /// How long after its answer it was shipped, in seconds.
        seconds: f64,
    },
    /// A base is being taken.
    BaseBegun {
        /// Why.
        reason: BaseReason,
    },
    /// A base was taken.
    Base {
        /// The backup.
        name: BackupName,
        /// Why.
        reason: BaseReason,
    },
    /// Small segments were put together.
    Packed {
        /// The database.
        database: String,
        /// How many objects there were.
        objects: u64,
        /// How many there are.
        packs: u64,
    },
    /// Something does not work at the moment; it will be tried again.
    Trouble {
        /// What, and why.
        message: String,
    },
    /// It works again.
    Recovered,
    /// It was told to stop, and has.
    Stopped {
        /// Whether all that was in the logs then is shipped.
        complete: bool,
    },
}

/// What was shipped in all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ShipReport {
    /// Segments.
    pub segments: u64,
    /// Transactions.
    pub transactions: u64,
    /// Bytes of log.
    pub log_bytes: u64,
    /// Bytes stored.
    pub stored_bytes: u64,
}

/// Where events go. Whoever does not read them is not waited for.
pub type Events = mpsc::UnboundedSender<Event>;

/// Ships until it is told to stop, or, with `once`, until all is shipped.
///
/// # Errors
/// When the logs cannot be read at the start, when another shipper is at work or takes over, and
/// [`Error::Interrupted`] after it was told to stop and has shipped what there was.
pub async fn ship(
    options: ShipOptions,
    events: &Events,
    cancel: &CancellationToken,
) -> Result<ShipReport> {
    if options.vault.keys().encrypts_by_passphrase() {
        return Err(ShipError::Passphrase { vault: options.vault.to_string() }.into());
    }
    let folder = log_folder(&options.home)?;
    if databases(&folder)?.is_empty() {
        return Err(ShipError::NoLogs { folder }.into());
    }
    options.vault.ensure().await?;
    let lease = acquire(&options, events, cancel).await?;
    tell(events, Event::Started { vault: options.vault.to_string(), home: options.home.clone() });
    let canary = options.canary.clone();
    let mut shipper = Shipper {
        canary: canary.map(|canary| Singing::begin(canary, events.clone())),
        folder,
        guard: Guard::new(lease),
        followers: Vec::new(),
        report: ShipReport::default(),
        troubled: None,
        base: BaseState::default(),
        events: events.clone(),
        options,
    };
    let result = shipper.run(cancel).await;
    if let Err(error) = shipper.guard.release().await {
        tracing::warn!(%error, "the lease could not be given back; it runs out by itself");
    }
    result.map(|()| shipper.report)
}

fn tell(events: &Events, event: Event) {
    // Nobody need listen.
    let _ = events.send(event);
}

/// The folder of the transaction logs of a home, with one folder for each database.
///
/// # Errors
/// When the home's configuration cannot be read.
pub fn log_folder(home: &Path) -> Result<PathBuf> {
    Ok(lifeboat_server::transactions_folder(home).map_err(lifeboat_neo4j::Error::from)?)
}

/// The databases that have logs in a folder.
///
/// # Errors
/// When the folder is there and cannot be read.
pub fn databases(folder: &Path) -> Result<Vec<String>> {
    let failed = |error| ShipError::Log(LogError::Io { path: folder.to_owned(), error });
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().into_string().unwrap_or_default();
        if !name.is_empty() && entry.path().is_dir() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Takes the lease, or waits for it.
async fn acquire(
    options: &ShipOptions,
    events: &Events,
    cancel: &CancellationToken,
) -> Result<Lease> {
    let mut told = None;
    loop {
        let taken = options.vault.acquire_lease(LEASE, "ships transaction logs", options.lease_ttl);
        match taken.await {
            Ok(lease) => return Ok(lease),
            Err(lifeboat_vault::Error::Leased { holder, .. }) if options.wait => {
                let holder = holder.to_string();
                if told.as_ref() != Some(&holder) {
                    tell(events, Event::Waiting { holder: holder.clone() });
                    told = Some(holder);
                }
            }
            Err(error) => return Err(error.into()),
        }
        let pause = tokio::time::sleep(options.lease_ttl / 6);
        tokio::select! {
            () = pause => {}
            () = cancel.cancelled() => {
                tell(events, Event::Stopped { complete: false });
                return Err(Error::Interrupted);
            }
        }
    }
}

struct Shipper {
    options: ShipOptions,
    canary: Option<Singing>,
    folder: PathBuf,
    guard: Guard,
    followers: Vec<Follower>,
    report: ShipReport,
    /// What does not work at the moment.
    troubled: Option<String>,
    base: BaseState,
    events: Events,
}

/// What is known of bases.
#[derive(Debug, Default)]
struct BaseState {
    /// Whether the bases in the vault were looked at since a timeline began.
    known: bool,
    newest: Option<Base>,
    /// Whether what is shipped goes on where the newest stands; `None` until that can be told.
    covered: Option<bool>,
    /// The last that was taken here since a timeline began.
    taken: Option<BackupName>,
    running: Option<tokio::task::JoinHandle<Result<BackupName>>>,
    /// Stops the one that is being taken.
    cancel: CancellationToken,
    reason: Option<BaseReason>,
    /// When the next may be tried, after one failed.
    not_before: Option<Instant>,
    failures: u32,
}

impl BaseState {
    /// A timeline has begun: no base that is known is of it.
    fn forget(&mut self) {
        (self.known, self.taken) = (false, None);
    }
}

impl Shipper {
    async fn run(&mut self, cancel: &CancellationToken) -> Result<()> {
        loop {
            // Asked before, so that a whole round comes after the signal.
            let ended = cancel.is_cancelled();
            let result = self.round().await;
            let complete = result.is_ok();
            let pause = match result {
                Ok(()) => {
                    if self.troubled.take().is_some() {
                        tell(&self.events, Event::Recovered);
                    }
                    self.options.interval
                }
                Err(error) if is_passing(&error) && !self.options.once => {
                    self.trouble(&error);
                    OUTAGE_PAUSE.max(self.options.interval)
                }
                Err(error) => return Err(error),
            };
            if ended {
                // What there was at the signal has been shipped by the round that came after it.
                self.stop_base().await;
                tell(&self.events, Event::Stopped { complete });
                return Err(Error::Interrupted);
            }
            if self.options.once {
                if let Some(running) = self.base.running.take() {
                    self.base_ended(running.await);
                }
                return Ok(());
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = cancel.cancelled() => {}
            }
        }
    }

    fn trouble(&mut self, error: &Error) {
        let message = error.to_string();
        if self.troubled.as_ref() != Some(&message) {
            tell(&self.events, Event::Trouble { message: message.clone() });
            self.troubled = Some(message);
        }
    }

    /// Ships what is new of every database.
    async fn round(&mut self) -> Result<()> {
        self.guard.keep(&self.options).await?;
        for database in databases(&self.folder)? {
            if !self.followers.iter().any(|follower| follower.database() == database) {
                let path = self.folder.join(&database);
                let opened = Follower::open(&self.options.vault, &database, &path, &self.events);
                if let Some(follower) = opened.await? {
                    if follower.is_new() {
                        self.base.forget();
                    }
                    self.followers.push(follower);
                }
            }
        }
        let mut failed = None;
        let mut index = 0;
        while let Some(follower) = self.followers.get_mut(index) {
            let shipped =
                follower.ship(&mut self.guard, &self.options, &mut self.report, &self.events);
            match shipped.await {
                Ok(follow::Outcome::Current) => {
                    if let Some(canary) = &self.canary {
                        canary.look(follower.database(), follower.last_tx(), &self.events);
                    }
                }
                Ok(follow::Outcome::NewTimeline) => self.base.forget(),
                Ok(follow::Outcome::Gone) => {
                    self.followers.remove(index);
                    continue;
                }
                // Where it stands is asked of the vault again.
                Err(error @ Error::Ship(ShipError::Raced { .. })) => {
                    self.followers.remove(index);
                    failed = Some(error);
                    continue;
                }
                Err(error) => failed = Some(error),
            }
            index += 1;
        }
        match failed {
            Some(error) => Err(error),
            None => self.look_after_bases().await,
        }
    }

    /// Takes a base when one is due, beside the shipping.
    async fn look_after_bases(&mut self) -> Result<()> {
        let Some(bases) = self.options.bases.clone() else { return Ok(()) };
        if self.base.running.as_ref().is_some_and(tokio::task::JoinHandle::is_finished)
            && let Some(running) = self.base.running.take()
        {
            self.base_ended(running.await);
        }
        if self.base.running.is_some()
            || self.base.not_before.is_some_and(|not_before| Instant::now() < not_before)
        {
            return Ok(());
        }
        if !self.base.known {
            self.base.newest = bases.list().await?.into_iter().next();
            (self.base.known, self.base.covered) = (true, None);
        }
        if self.base.covered.is_none() {
            self.base.covered = self.covered().await?;
        }
        if let Some(reason) = self.base_due() {
            tell(&self.events, Event::BaseBegun { reason });
            self.base.reason = Some(reason);
            let cancel = self.base.cancel.clone();
            self.base.running = Some(tokio::spawn(async move { bases.take(reason, cancel).await }));
        }
        Ok(())
    }

    /// Whether every database can be recovered from the newest base on; `None` as long as that
    /// cannot be told.
    async fn covered(&self) -> Result<Option<bool>> {
        let Some(newest) = &self.base.newest else { return Ok(Some(false)) };
        let ours = self.base.taken.as_ref() == Some(&newest.name);
        let mut all = Some(true);
        for follower in &self.followers {
            match follower.covers(newest, ours).await? {
                Some(true) => {}
                Some(false) => return Ok(Some(false)),
                None => all = None,
            }
        }
        Ok(all)
    }

    fn base_due(&self) -> Option<BaseReason> {
        let Some(newest) = &self.base.newest else { return Some(BaseReason::NewTimeline) };
        if self.base.covered == Some(false) {
            return Some(BaseReason::NewTimeline);
        }
        // A clock that was moved back makes a base look as if it was of the future: take another.
        let age = Timestamp::now().duration_since(newest.created);
        let limit =
            SignedDuration::try_from(self.options.base_every).unwrap_or(SignedDuration::MAX);
        if age >= limit || age < -SignedDuration::from_hours(1) {
            return Some(BaseReason::Schedule);
        }
        let replay: u64 = self.followers.iter().map(|f| f.replay_after(&newest.logs)).sum();
        (replay > self.options.base_after).then_some(BaseReason::LongReplay)
    }

    fn base_ended(&mut self, ended: Result<Result<BackupName>, tokio::task::JoinError>) {
        let reason = self.base.reason.take().unwrap_or(BaseReason::Schedule);
        match ended.map_err(|panic| Error::Internal(panic.to_string())).flatten() {
            Ok(name) => {
                self.base.failures = 0;
                self.base.not_before = None;
                self.base.known = false;
                self.base.taken = Some(name.clone());
                tell(&self.events, Event::Base { name, reason });
            }
            Err(error) => {
                let factor = 1_u32.checked_shl(self.base.failures).unwrap_or(u32::MAX);
                let pause = BASE_PAUSE.saturating_mul(factor).min(LONGEST_BASE_PAUSE);
                self.base.failures += 1;
                self.base.not_before = Some(Instant::now() + pause);
                let message = format!("no base could be taken: {error}");
                tell(&self.events, Event::Trouble { message });
            }
        }
    }

    /// A base that is not done is given up: nothing of it lists.
    async fn stop_base(&mut self) {
        self.base.cancel.cancel();
        if let Some(running) = self.base.running.take() {
            let _ = running.await;
        }
    }
}

/// Whether the shipper should go on and try again: the vault is away, or the server's files are.
fn is_passing(error: &Error) -> bool {
    match error {
        Error::Vault(error) => !error.is_leased(),
        Error::Ship(error) => matches!(error, ShipError::Log(_) | ShipError::Raced { .. }),
        _ => false,
    }
}
