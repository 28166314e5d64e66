//! Looks at events and facts, decides, and stores what was decided.

mod machine;
mod shipping;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lifeboat::CancellationToken;
use lifeboat::config::JobKind;
use tokio::sync::{Notify, mpsc, watch as signal};
use uuid::Uuid;

use super::alert::Alert;
use super::book::{Book, Finding};
use super::facts::{Facts, Shipping, of_event, of_run};
use super::notice::{Due, Notice};
use super::settings::Settings;
use super::{Command, Handle, deliver};
use crate::Result;
use crate::catalog::{Backups, Catalog};
use crate::clock::Clock;
use crate::event::What;
use crate::run::{Run, Status};
use crate::scheduler;
use crate::snapshot::Snapshot;
use crate::store::Store;
use crate::store::alerts::Decided;

/// How often the vault is listed when nothing has happened.
const LIST_EVERY: SignedDuration = SignedDuration::from_mins(10);

/// How often what is not shipped is looked for.
const LOOK_EVERY: SignedDuration = SignedDuration::from_mins(2);

/// How long that may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// Runs of the past that tell how long one usually takes.
const PAST: usize = 20;

/// Events that are read at once.
const BATCH: usize = 1000;

/// The watch, before it begins.
pub struct Watch {
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where all is kept.
    pub store: Arc<Store>,
    /// The jobs.
    pub scheduler: scheduler::Handle,
    /// The backups.
    pub catalog: Arc<Catalog>,
    /// What the settings say, as they change.
    pub settings: signal::Receiver<Arc<Settings>>,
    /// Folders whose disks are watched.
    pub places: Vec<PathBuf>,
    /// The longest time between two looks: a disk fills without an event.
    pub every: Duration,
    /// How long a lease lasts: one that we held ourselves before we died has run out by then.
    pub lease: Duration,
    /// The name of this instance.
    pub instance: String,
    /// Tells the delivery that there is something.
    pub posted: Arc<Notify>,
}

impl Watch {
    /// How often things are looked at that no event tells of.
    pub const EVERY: Duration = Duration::from_mins(1);

    /// Prepares it. The future ends when `stop` is cancelled, or the store cannot be used.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn start(
        self,
        stop: CancellationToken,
    ) -> Result<(Handle, impl Future<Output = Result<()>> + Send)> {
        let (alerts, next) = self.store.open_alerts()?;
        let read = self.store.alerts_read()?;
        let (sender, commands) = mpsc::channel(16);
        let book = Book { alerts, next };
        let open = signal::Sender::new(Arc::new(book.open().cloned().collect()));
        let handle = Handle {
            commands: sender,
            open: open.subscribe(),
            settings: self.settings.clone(),
            instance: self.instance.clone(),
        };
        let stored = book.alerts.iter().map(|alert| (alert.number, alert.clone())).collect();
        let life = Life {
            watch: self,
            book,
            stored,
            read,
            open,
            listed: None,
            shipping: None,
            vault_away: None,
            leaderless: None,
            follows: None,
        };
        Ok((handle, life.live(commands, stop)))
    }
}

struct Life {
    watch: Watch,
    book: Book,
    /// The alerts as they are in the store.
    stored: BTreeMap<u64, Alert>,
    /// How far the events have been read.
    read: u64,
    open: signal::Sender<Arc<Vec<Alert>>>,
    /// The backups, and when they were listed.
    listed: Option<(Timestamp, Option<Arc<Backups>>)>,
    /// How shipping stands, and when that was looked at.
    shipping: Option<(Timestamp, Option<Shipping>)>,
    vault_away: Option<(Timestamp, String)>,
    leaderless: Option<Timestamp>,
    /// Since when another instance seems to lead.
    follows: Option<Timestamp>,
}

impl Life {
    async fn live(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        stop: CancellationToken,
    ) -> Result<()> {
        let mut newest = self.watch.store.newest();
        let mut snapshot = self.watch.scheduler.watch();
        let mut settings = self.watch.settings.clone();
        loop {
            newest.mark_unchanged();
            settings.mark_unchanged();
            let seen = Arc::clone(&snapshot.borrow_and_update());
            self.look(seen).await?;
            let sleep = self.sleep();
            tokio::select! {
                () = stop.cancelled() => break,
                Some(command) = commands.recv() => self.obey(command)?,
                changed = newest.changed() => if changed.is_err() { break },
                changed = snapshot.changed() => if changed.is_err() { break },
                changed = settings.changed() => if changed.is_err() { break },
                () = tokio::time::sleep(sleep) => {}
            }
        }
        // What happened at the very end is kept for the next start, which reads on from there.
        Ok(())
    }

    /// Looks at everything once. The snapshot is older than the events that are read then, which
    /// have the last word.
    async fn look(&mut self, snapshot: Arc<Snapshot>) -> Result<()> {
        let now = self.watch.clock.now();
        let events = self.watch.store.events(self.read, BATCH)?;
        let ended = |job: JobKind| {
            matches!(job, JobKind::Backup | JobKind::Replicate | JobKind::Prune | JobKind::Verify)
        };
        let fresh = events.iter().filter_map(|event| event.what.run()).any(|run| ended(run.job));
        if snapshot.leading {
            self.list(fresh, now).await;
            self.ship(&snapshot, now).await;
        }
        if snapshot.leader.is_some() {
            self.leaderless = None;
        } else {
            self.leaderless.get_or_insert(now);
        }
        if !snapshot.leading && snapshot.leader.is_some() {
            let since = *self.follows.get_or_insert(now);
            // At first it may be the lease that we held before we died: who leads again soon has
            // nothing to tell anew.
            let own = SignedDuration::try_from(self.watch.lease * 2).unwrap_or_default();
            if now.duration_since(since) > own {
                self.book.hand_over(now);
            }
        } else {
            self.follows = None;
        }
        let facts = self.facts(snapshot, now)?;
        self.book.look(&facts.covers(), facts.judge(), now);
        for event in &events {
            if let Some(finding) = of_event(&event.what) {
                self.book.note(finding, now);
            }
            self.read = event.number;
        }
        if events.iter().any(|event| matches!(event.what, What::LeadershipGained { .. })) {
            // What failed for the one who led before may not have been told.
            for run in failing(&self.watch.scheduler.snapshot()) {
                self.book.note(Finding::Raise(of_run(run)), now);
            }
        }
        self.decide(now)
    }

    /// Lists the vault, when that is due.
    async fn list(&mut self, fresh: bool, now: Timestamp) {
        let due = self
            .listed
            .as_ref()
            .is_none_or(|(at, _)| fresh || now.duration_since(*at).abs() > LIST_EVERY);
        if !due {
            return;
        }
        let catalog = &self.watch.catalog;
        // What was listed before a backup was made would say that there is none.
        let look = async { if fresh { catalog.changed().await } else { catalog.backups().await } };
        let found = tokio::time::timeout(PATIENCE, look).await;
        let found = match found {
            Ok(Ok(backups)) => Ok(backups),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("it does not answer".to_owned()),
        };
        let backups = match found {
            Ok(backups) => {
                self.vault_away = None;
                Some(backups)
            }
            Err(why) => {
                self.vault_away.get_or_insert((now, why));
                None
            }
        };
        self.listed = Some((now, backups));
    }

    /// Looks at what is not shipped, when that is due.
    async fn ship(&mut self, snapshot: &Snapshot, now: Timestamp) {
        let home = self.watch.settings.borrow().home.clone();
        let ships = snapshot.jobs.iter().any(|view| view.job == JobKind::Ship);
        let Some(home) = home.filter(|_| ships) else {
            self.shipping = None;
            return;
        };
        let due = |at: Timestamp| now.duration_since(at).abs() > LOOK_EVERY;
        if self.shipping.as_ref().is_some_and(|(at, _)| !due(*at)) {
            return;
        }
        let before = self.shipping.take().and_then(|(_, before)| before);
        let vault = self.watch.catalog.vault();
        let look = shipping::look(&vault, &home, before.as_ref(), now);
        let found = tokio::time::timeout(PATIENCE, look).await.ok().flatten();
        // What cannot be told now is as it was.
        self.shipping = Some((now, found.or(before)));
    }

    fn facts(&self, snapshot: Arc<Snapshot>, now: Timestamp) -> Result<Facts> {
        let settings = Arc::clone(&self.watch.settings.borrow());
        let mut usual = BTreeMap::new();
        for view in &snapshot.jobs {
            if view.current.as_ref().is_some_and(|run| run.status == Status::Running)
                && let Some(took) = self.usual(view.job)?
            {
                usual.insert(view.job, took);
            }
        }
        Ok(Facts {
            now,
            snapshot,
            usual,
            backups: self.listed.as_ref().and_then(|(_, backups)| backups.clone()),
            shipping: self.shipping.as_ref().and_then(|(_, shipping)| shipping.clone()),
            vault_away: self.vault_away.clone(),
            leaderless: self.leaderless,
            disks: machine::disks(&self.watch.places),
            certificates: machine::certificates(&settings.certificates),
            channels: self.watch.store.stuck_channels(deliver::STUCK)?,
            limits: settings.limits,
        })
    }

    /// How long a run of a job usually takes: the middle of those that succeeded.
    fn usual(&self, job: JobKind) -> Result<Option<Duration>> {
        let runs = self.watch.store.runs(Some(job), PAST)?;
        let mut took: Vec<Duration> = runs
            .iter()
            .filter(|run| run.status == Status::Succeeded)
            .filter_map(|run| run.ended?.duration_since(run.started?).try_into().ok())
            .collect();
        took.sort_unstable();
        Ok(took.get(took.len() / 2).copied())
    }

    /// Decides who is told now, and keeps all of it.
    fn decide(&mut self, now: Timestamp) -> Result<()> {
        let settings = Arc::clone(&self.watch.settings.borrow());
        let mut notices = Vec::new();
        for due in settings.routing.due(&self.book.alerts, now) {
            let notice = self.notice(&due, &settings, now);
            for channel in settings.channels_of(&due.contact) {
                notices.push((channel.clone(), notice.clone()));
            }
        }
        let changed = |alert: &&Alert| self.stored.get(&alert.number) != Some(*alert);
        let alerts: Vec<_> = self
            .book
            .alerts
            .iter()
            .filter(changed)
            .map(|alert| (alert, !alert.is_open() && !settings.routing.is_pending(alert)))
            .collect();
        let posted = !notices.is_empty();
        if !alerts.is_empty() || posted || self.watch.store.alerts_read()? != self.read {
            let decided = Decided { alerts, notices, read: Some(self.read) };
            self.watch.store.decide_alerts(now, &decided)?;
        }
        self.book.forget(&settings.routing);
        self.stored = self.book.alerts.iter().map(|alert| (alert.number, alert.clone())).collect();
        let open: Vec<Alert> = self.book.open().cloned().collect();
        self.open.send_if_modified(|old| {
            let changed = **old != open;
            if changed {
                *old = Arc::new(open);
            }
            changed
        });
        if posted {
            self.watch.posted.notify_one();
        }
        Ok(())
    }

    fn notice(&mut self, due: &Due, settings: &Settings, now: Timestamp) -> Notice {
        let alerts = self.book.tell(due, now);
        for alert in &alerts {
            let Alert { key, what, severity, .. } = alert;
            tracing::warn!(key, what, %severity, contact = due.contact, kind = ?due.kind, "a notice");
        }
        Notice {
            id: Uuid::new_v4().to_string(),
            kind: due.kind,
            contact: due.contact.clone(),
            instance: self.watch.instance.clone(),
            at: now,
            alerts,
            contacts: settings.reach(),
            runbooks: settings.runbooks.clone(),
            message: None,
        }
    }

    fn obey(&mut self, command: Command) -> Result<()> {
        let Command::Acknowledge(number, by, reply) = command;
        let now = self.watch.clock.now();
        let answer = self.book.acknowledge(number, &by, now);
        self.decide(now)?;
        // Whoever asked may have gone away.
        let _ = reply.send(answer);
        Ok(())
    }

    fn sleep(&self) -> Duration {
        // More events than were read at once wait.
        if *self.watch.store.newest().borrow() > self.read {
            return Duration::ZERO;
        }
        let routing = &self.watch.settings.borrow().routing;
        let wake = routing.wake(&self.book.alerts);
        let now = self.watch.clock.now();
        let every = self.watch.every;
        wake.map_or(every, |wake| {
            let wait = wake.duration_since(now).max(SignedDuration::from_millis(100));
            Duration::try_from(wait).unwrap_or(every).min(every)
        })
    }
}

/// The last run of each job that does not succeed.
fn failing(snapshot: &Snapshot) -> impl Iterator<Item = &Run> {
    let failing = snapshot.jobs.iter().filter(|view| view.failures > 0);
    failing
        .filter_map(|view| view.last.as_ref())
        .filter(|run| !matches!(run.status, Status::Succeeded | Status::Skipped))
}
