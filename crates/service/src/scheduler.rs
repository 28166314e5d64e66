//! The scheduler: lets time pass, follows the rules of [`plan`](crate::plan), and runs jobs.
//!
//! One task owns all states. It changes them by the rules, stores the change, and then acts, in
//! this order, so that whatever dies in between can be told from the store and the ledger:
//!
//! - a run begins once its page of the ledger is written and its change is stored;
//! - its end is written to the ledger first, since another instance would do it again, and then
//!   stored. When the vault does not answer it is stored, and written as soon as that may be.
//!
//! It sleeps until something is due, and never longer than a minute, since a clock may be set.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use jiff::{SignedDuration, Timestamp};
use lifeboat::CancellationToken;
use lifeboat::config::{JobKind, Schedule, Timing};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::Result;
use crate::clock::Clock;
use crate::event::What;
use crate::job::{Job, JobError, RunContext};
use crate::leader::{Pace, Role};
use crate::ledger::{Ledger, LedgerError, Page};
use crate::plan::{JobState, Outcome, Planned};
use crate::run::{Run, Status, Trigger};
use crate::snapshot::{JobView, Snapshot};
use crate::store::{Change, Store};

/// The longest sleep: a clock that is set is noticed within it.
const MAX_SLEEP: Duration = Duration::from_mins(1);

/// How long the vault may take for a page of the ledger.
const PATIENCE: Duration = Duration::from_mins(1);

/// How soon a takeover, or a page, that failed is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// A job and its schedule.
#[derive(Clone)]
pub struct Entry {
    /// When.
    pub schedule: Schedule,
    /// What.
    pub job: Arc<dyn Job>,
}

/// All jobs that are done.
pub type Jobs = BTreeMap<JobKind, Entry>;

/// What is asked of the scheduler.
#[derive(Debug)]
pub enum Command {
    /// Run a job now; answers with the run's id.
    Run(JobKind, Reply<String>),
    /// Pause a job, in somebody's name.
    Pause(JobKind, String, Reply<()>),
    /// Resume a job, in somebody's name.
    Resume(JobKind, String, Reply<()>),
    /// Other jobs or schedules from now on.
    Reload(Reloaded),
    /// New settings cannot be used.
    ReloadRefused(String),
}

/// Where the answer goes.
pub type Reply<T> = oneshot::Sender<Result<T, Refusal>>;

/// New jobs, opaque to `Debug`.
pub struct Reloaded(pub Jobs);

impl std::fmt::Debug for Reloaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Reloaded").field(&self.0.keys().collect::<Vec<_>>()).finish()
    }
}

/// Why the scheduler does not do what it is asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Another instance decides.
    #[error("this instance does not lead{}; ask the one that does", leader.as_ref().map(|leader| format!(": {leader} does")).unwrap_or_default())]
    NotLeader {
        /// Which, if it is known.
        leader: Option<String>,
    },
    /// The job is not configured.
    #[error("the job {0} is not configured; `lifeboat jobs list` shows which are")]
    NoSuchJob(JobKind),
    /// The job is being done already.
    #[error("{0} is still going; wait for its end")]
    AlreadyRunning(String),
    /// The service ends.
    #[error("the service is stopping; ask again when it is back")]
    Stopping,
}

/// The scheduler, before it runs.
pub struct Scheduler {
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// The memory of this instance.
    pub store: Arc<Store>,
    /// The memory of all instances.
    pub ledger: Arc<dyn Ledger>,
    /// The name of this instance.
    pub instance: String,
    /// What is to be done.
    pub jobs: Jobs,
    /// How the lease is kept.
    pub pace: Pace,
}

/// A handle to a scheduler that runs.
#[derive(Debug, Clone)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
    snapshot: watch::Receiver<Arc<Snapshot>>,
}

impl Handle {
    /// How things stand.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.borrow())
    }

    /// How things stand, as it changes.
    pub fn watch(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshot.clone()
    }

    /// Runs a job now.
    ///
    /// # Errors
    /// When the scheduler refuses.
    pub async fn run(&self, job: JobKind) -> Result<String, Refusal> {
        self.ask(|reply| Command::Run(job, reply)).await
    }

    /// Pauses a job.
    ///
    /// # Errors
    /// When the scheduler refuses.
    pub async fn pause(&self, job: JobKind, by: &str) -> Result<(), Refusal> {
        self.ask(|reply| Command::Pause(job, by.to_owned(), reply)).await
    }

    /// Resumes a job.
    ///
    /// # Errors
    /// When the scheduler refuses.
    pub async fn resume(&self, job: JobKind, by: &str) -> Result<(), Refusal> {
        self.ask(|reply| Command::Resume(job, by.to_owned(), reply)).await
    }

    /// Hands over new jobs, or why there are none.
    pub async fn reload(&self, jobs: Result<Jobs, String>) {
        let command = match jobs {
            Ok(jobs) => Command::Reload(Reloaded(jobs)),
            Err(reason) => Command::ReloadRefused(reason),
        };
        // A scheduler that has ended needs no settings.
        let _ = self.commands.send(command).await;
    }

    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| Refusal::Stopping)?;
        answer.await.unwrap_or(Err(Refusal::Stopping))
    }
}

impl Scheduler {
    /// Prepares the scheduler. The handle works once the future is polled, which ends when `stop`
    /// is cancelled and everything has been put down safely.
    ///
    /// # Errors
    /// When the store cannot be read. The future fails when the store can no longer be written.
    pub fn start(
        self,
        role: watch::Receiver<Role>,
        stop: CancellationToken,
    ) -> Result<(Handle, impl Future<Output = Result<()>> + Send)> {
        let (states, page) = self.store.load()?;
        let (sender, commands) = mpsc::channel(16);
        let mut core = Core {
            clock: self.clock,
            store: self.store,
            ledger: self.ledger,
            instance: self.instance,
            jobs: self.jobs,
            pace: self.pace,
            stored: states.clone(),
            states,
            page,
            owed: Vec::new(),
            again: Instant::now(),
            wakes: BTreeMap::new(),
            leading: false,
            running: JoinSet::new(),
            tokens: BTreeMap::new(),
            shun: None,
            snapshot: watch::Sender::new(Arc::default()),
            shown: None,
            role,
            forgot: Timestamp::UNIX_EPOCH,
            glanced: Timestamp::UNIX_EPOCH,
        };
        core.publish();
        let handle = Handle { commands: sender, snapshot: core.snapshot.subscribe() };
        Ok((handle, core.live(commands, stop)))
    }
}

struct Core {
    clock: Arc<dyn Clock>,
    store: Arc<Store>,
    ledger: Arc<dyn Ledger>,
    instance: String,
    jobs: Jobs,
    pace: Pace,
    states: BTreeMap<JobKind, JobState>,
    /// The states as they are in the store.
    stored: BTreeMap<JobKind, JobState>,
    /// The page of the ledger that the states build on.
    page: u64,
    /// Runs whose end no page of the ledger tells yet.
    owed: Vec<Run>,
    /// A page for them is not tried before then.
    again: Instant,
    /// When each job needs attention next.
    wakes: BTreeMap<JobKind, Option<Timestamp>>,
    /// This instance leads, and knows what its predecessor knew.
    leading: bool,
    running: JoinSet<(JobKind, Outcome)>,
    /// What stops each run that goes on.
    tokens: BTreeMap<JobKind, CancellationToken>,
    /// Not before then may this instance lead: it was told that another does.
    shun: Option<Instant>,
    snapshot: watch::Sender<Arc<Snapshot>>,
    /// The role that the snapshot tells.
    shown: Option<Role>,
    role: watch::Receiver<Role>,
    forgot: Timestamp,
    glanced: Timestamp,
}

impl Core {
    async fn live(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        stop: CancellationToken,
    ) -> Result<()> {
        self.record(vec![What::ServiceStarted {
            instance: self.instance.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }])?;
        loop {
            self.follow_role().await?;
            if self.leading && !self.owed.is_empty() && self.again <= Instant::now() {
                self.share(Vec::new()).await?;
            }
            if self.leading {
                self.advance().await?;
            }
            self.tidy()?;
            if self.shown.as_ref() != Some(&*self.role.borrow()) {
                self.publish();
            }
            let sleep = self.sleep();
            tokio::select! {
                () = stop.cancelled() => break,
                changed = self.role.changed() => if changed.is_err() { break },
                Some(command) = commands.recv() => self.obey(command).await?,
                Some(ended) = self.running.join_next() => self.ended(ended).await?,
                () = tokio::time::sleep(sleep) => {}
            }
        }
        drop(commands);
        self.put_down("the service was stopped").await?;
        self.record(vec![What::ServiceStopped { instance: self.instance.clone() }])
    }

    /// Takes over, or steps down, as the lease says.
    async fn follow_role(&mut self) -> Result<()> {
        let role = self.role.borrow_and_update().clone();
        match role {
            Role::Leader if !self.leading => self.take_over().await,
            Role::Follower { reason, .. } if self.leading => self.step_down(&reason).await,
            Role::Follower { .. } => {
                let now = self.clock.now();
                let since = now.duration_since(self.glanced).abs();
                if since >= SignedDuration::try_from(MAX_SLEEP).unwrap_or_default() {
                    self.glanced = now;
                    // Only for showing: an error will come again when it matters.
                    if let Ok(Some(page)) = self.newest().await {
                        self.adopt(page)?;
                    }
                }
                Ok(())
            }
            Role::Leader => Ok(()),
        }
    }

    async fn newest(&self) -> Result<Option<Page>, LedgerError> {
        tokio::time::timeout(PATIENCE, self.ledger.newest())
            .await
            .unwrap_or_else(|_| Err(LedgerError::Vault("the vault does not answer".to_owned())))
    }

    /// What another instance has written since is what holds.
    fn adopt(&mut self, page: Page) -> Result<()> {
        if page.number <= self.page {
            return Ok(());
        }
        self.page = page.number;
        self.states.extend(page.jobs);
        self.record(Vec::new())
    }

    /// The ends that a page tells and our history does not.
    fn untold(&self, page: &Page) -> Result<Vec<Run>> {
        let mut untold = Vec::new();
        for run in &page.ends {
            if self.store.run(&run.id)?.is_none_or(|known| !known.status.is_end()) {
                untold.push(run.clone());
            }
        }
        Ok(untold)
    }

    /// Begins to lead: from where the one before has left off.
    async fn take_over(&mut self) -> Result<()> {
        if self.shun.is_some_and(|until| Instant::now() < until) {
            return Ok(());
        }
        self.shun = None;
        let mut events = vec![What::LeadershipGained { instance: self.instance.clone() }];
        match self.newest().await {
            Ok(Some(page)) => {
                // They stay owed until a page of our own tells them: we may die, too.
                self.owed = self.untold(&page)?;
                self.adopt(page)?;
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot take over yet: the ledger cannot be read");
                return Ok(());
            }
        }
        events.extend(self.owed.iter().map(|run| What::RunEnded { run: run.clone() }));
        let now = self.clock.now();
        let mut states = self.states.clone();
        for (job, entry) in &self.jobs {
            let state = states.entry(*job).or_insert_with(|| JobState::new(&entry.schedule, now));
            let mut planned = Planned { job: *job, schedule: &entry.schedule, state };
            if planned.state.is_running() {
                let had = planned.state.current.as_ref().and_then(|run| run.instance.clone());
                let had = had.unwrap_or_else(|| "an instance".to_owned());
                let why = format!("{had} ended or lost its lease during the run");
                events.extend(planned.finish(now, Outcome::Interrupted(why)));
            }
        }
        if let Err(error) = self.write_page(&states, now).await {
            tracing::warn!(%error, "cannot take over yet: the ledger cannot be written");
            return Ok(());
        }
        self.states = states;
        self.leading = true;
        self.wakes.clear();
        tracing::info!(instance = %self.instance, "this instance leads");
        self.record(events)
    }

    /// Leads no more: whatever goes on is stopped.
    async fn step_down(&mut self, reason: &str) -> Result<()> {
        tracing::warn!(instance = %self.instance, reason, "this instance leads no more");
        self.put_down(&format!("the lease was lost: {reason}")).await?;
        self.leading = false;
        self.owed.clear();
        self.record(vec![What::LeadershipLost {
            instance: self.instance.clone(),
            reason: reason.to_owned(),
        }])
    }

    /// Another instance has written the ledger: it leads, whatever our lease seemed to say. Until
    /// the lease has surely been asked for anew, its word is not trusted.
    async fn yield_to(&mut self, page: u64) -> Result<()> {
        self.shun = Some(Instant::now() + self.pace.lasts * 2);
        self.step_down(&LedgerError::Taken(page).to_string()).await
    }

    /// Stops every run, and waits until it has.
    async fn put_down(&mut self, why: &str) -> Result<()> {
        for token in self.tokens.values() {
            token.cancel();
        }
        let mut events = Vec::new();
        while let Some(ended) = self.running.join_next().await {
            let Ok((job, outcome)) = ended else { continue };
            let outcome = match outcome {
                Outcome::Interrupted(_) => Outcome::Interrupted(why.to_owned()),
                other => other,
            };
            events.extend(self.finish(job, outcome));
        }
        if self.leading {
            let (states, now) = (self.states.clone(), self.clock.now());
            // The lease may be gone already; the next leader knows by then.
            let _ = self.write_page(&states, now).await;
        }
        self.record(events)
    }

    /// Decides what is due, and begins what is ready.
    async fn advance(&mut self) -> Result<()> {
        let now = self.clock.now();
        let mut events = Vec::new();
        let mut ready = Vec::new();
        for (job, entry) in &self.jobs {
            let state =
                self.states.entry(*job).or_insert_with(|| JobState::new(&entry.schedule, now));
            let wake = *self.wakes.entry(*job).or_insert_with(|| state.wake(&entry.schedule));
            let mut planned = Planned { job: *job, schedule: &entry.schedule, state };
            if planned.needs_decision(wake, now) {
                events.extend(planned.decide(now));
                self.wakes.insert(*job, planned.state.wake(&entry.schedule));
            }
            if planned.is_ready(now) && !self.tokens.contains_key(job) {
                ready.push(*job);
            }
        }
        if !events.is_empty() {
            self.record(events)?;
        }
        if ready.is_empty() { Ok(()) } else { self.begin(&ready, now).await }
    }

    /// Begins runs: ledger first, then store, then work.
    async fn begin(&mut self, ready: &[JobKind], now: Timestamp) -> Result<()> {
        let mut states = self.states.clone();
        let mut events = Vec::new();
        for job in ready {
            if let Some(mut planned) = plan(&self.jobs, &mut states, *job) {
                events.extend(planned.begin(now, &self.instance));
            }
        }
        match self.write_page(&states, now).await {
            Ok(()) => {}
            Err(LedgerError::Taken(page)) => return self.yield_to(page).await,
            Err(error) => {
                tracing::warn!(%error, "cannot begin: the vault does not take the ledger's page");
                let why = format!("it could not begin, since the vault cannot be written: {error}");
                for job in ready {
                    if let Some(mut planned) = plan(&self.jobs, &mut self.states, *job) {
                        planned.put_off(now, why.clone());
                    }
                    self.wakes.remove(job);
                }
                return self.record(Vec::new());
            }
        }
        self.states = states;
        self.record(events)?;
        for job in ready {
            self.wakes.remove(job);
            self.spawn(*job);
        }
        Ok(())
    }

    fn spawn(&mut self, kind: JobKind) {
        let Some(entry) = self.jobs.get(&kind) else { return };
        let (job, timeout) = (Arc::clone(&entry.job), entry.schedule.timeout);
        let (stop, stopping) = (CancellationToken::new(), self.pace.stopping());
        self.tokens.insert(kind, stop.clone());
        let run = self.states.get(&kind).and_then(|state| state.current.as_ref());
        let context = RunContext {
            id: run.map(|run| run.id.clone()).unwrap_or_default(),
            due: run.filter(|run| run.trigger == Trigger::Schedule).map(|run| run.due),
            ..RunContext::default()
        };
        self.running
            .spawn(async move { (kind, supervise(job, context, timeout, stop, stopping).await) });
    }

    async fn ended(
        &mut self,
        ended: Result<(JobKind, Outcome), tokio::task::JoinError>,
    ) -> Result<()> {
        let (job, outcome) =
            ended.map_err(|error| crate::Error::Internal(format!("a run was lost: {error}")))?;
        let events = self.finish(job, outcome);
        self.share(events).await
    }

    /// Takes a run's end down, and what follows from it: to be shared and stored.
    fn finish(&mut self, job: JobKind, outcome: Outcome) -> Vec<What> {
        let now = self.clock.now();
        self.tokens.remove(&job);
        self.wakes.remove(&job);
        // The schedule may have been reloaded away meanwhile.
        let gone = Schedule::default_of(job);
        let schedule = self.jobs.get(&job).map_or(&gone, |entry| &entry.schedule);
        let Some(state) = self.states.get_mut(&job) else { return Vec::new() };
        let mut events = Planned { job, schedule, state }.finish(now, outcome);
        let done = events
            .iter()
            .filter_map(What::run)
            .any(|run| matches!(run.status, Status::Succeeded | Status::Incomplete));
        for event in &events {
            if let Some(run) = event.run() {
                let (id, status, message) = (&run.id, run.status.name(), run.message.as_deref());
                if run.status == Status::Succeeded {
                    tracing::info!(id, status, message, "a run ended");
                } else {
                    tracing::warn!(id, status, message, "a run has not succeeded");
                }
            }
        }
        if done {
            let next: Vec<JobKind> = self
                .jobs
                .iter()
                .filter(|(_, entry)| entry.schedule.after.contains(&job))
                .map(|(next, _)| *next)
                .collect();
            for next in next {
                if let Some(mut planned) = plan(&self.jobs, &mut self.states, next) {
                    events.extend(planned.after(now));
                }
                self.wakes.remove(&next);
            }
        }
        let ends = events.iter().filter_map(|event| match event {
            What::RunEnded { run } => Some(run.clone()),
            _ => None,
        });
        self.owed.extend(ends);
        events
    }

    /// Tells the other instances how things stand, and then stores what happened. If the vault does
    /// not answer, a later page will tell.
    async fn share(&mut self, events: Vec<What>) -> Result<()> {
        let (states, now) = (self.states.clone(), self.clock.now());
        let written = if self.leading { self.write_page(&states, now).await } else { Ok(()) };
        self.record(events)?;
        match written {
            Ok(()) => Ok(()),
            Err(LedgerError::Taken(page)) => self.yield_to(page).await,
            Err(error) => {
                tracing::warn!(%error, "the ledger's page could not be written");
                self.again = Instant::now() + RETRY;
                Ok(())
            }
        }
    }

    async fn write_page(
        &mut self,
        states: &BTreeMap<JobKind, JobState>,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        let page = Page {
            number: self.page + 1,
            instance: self.instance.clone(),
            at: now,
            jobs: states.clone(),
            ends: self.owed.clone(),
        };
        tokio::time::timeout(PATIENCE, self.ledger.write(&page))
            .await
            .unwrap_or_else(|_| Err(LedgerError::Vault("the vault does not answer".to_owned())))?;
        self.page = page.number;
        self.owed.clear();
        Ok(())
    }

    async fn obey(&mut self, command: Command) -> Result<()> {
        let now = self.clock.now();
        // Whoever asked may have gone away: then nobody hears the answer.
        match command {
            Command::Run(job, reply) => {
                let answer = self.planned(job).and_then(|mut planned| {
                    planned.request(now).map_err(|run| Refusal::AlreadyRunning(run.0))
                });
                self.wakes.remove(&job);
                if answer.is_ok() {
                    self.record(Vec::new())?;
                }
                let _ = reply.send(answer);
            }
            Command::Pause(job, by, reply) => {
                let answer = self.planned(job).map(|mut planned| planned.pause(now, &by));
                let continuous = self.jobs.get(&job).map(|entry| &entry.schedule.timing)
                    == Some(&Timing::Continuous);
                if continuous && let Some(token) = self.tokens.get(&job) {
                    token.cancel();
                }
                self.answer(job, answer, reply).await?;
            }
            Command::Resume(job, by, reply) => {
                let answer = self.planned(job).map(|mut planned| planned.resume(&by));
                self.answer(job, answer, reply).await?;
            }
            Command::Reload(Reloaded(jobs)) => {
                for (job, entry) in &jobs {
                    let new = !self.jobs.contains_key(job);
                    if let Some(state) = self.states.get_mut(job).filter(|_| new) {
                        // What passed while the job was not wanted is not missed.
                        state.decided = now;
                        state.timing = entry.schedule.timing.to_string();
                    }
                }
                self.jobs = jobs;
                self.wakes.clear();
                self.record(vec![What::SettingsReloaded])?;
            }
            Command::ReloadRefused(reason) => {
                self.record(vec![What::SettingsRefused { reason }])?;
            }
        }
        Ok(())
    }

    async fn answer(
        &mut self,
        job: JobKind,
        answer: Result<Vec<What>, Refusal>,
        reply: Reply<()>,
    ) -> Result<()> {
        self.wakes.remove(&job);
        let answer = match answer {
            Ok(events) => {
                self.record(events)?;
                self.share(Vec::new()).await?;
                Ok(())
            }
            Err(refusal) => Err(refusal),
        };
        let _ = reply.send(answer);
        Ok(())
    }

    /// A job that may be operated on here.
    fn planned(&mut self, job: JobKind) -> Result<Planned<'_>, Refusal> {
        if !self.leading {
            let leader = match &*self.role.borrow() {
                Role::Follower { leader, .. } => leader.clone(),
                Role::Leader => None,
            };
            return Err(Refusal::NotLeader { leader });
        }
        plan(&self.jobs, &mut self.states, job).ok_or(Refusal::NoSuchJob(job))
    }

    /// Stores the states with what happened to them.
    fn record(&mut self, events: Vec<What>) -> Result<()> {
        let changed = |(job, state): &(&JobKind, &JobState)| self.stored.get(job) != Some(*state);
        let jobs: Vec<_> =
            self.states.iter().filter(changed).map(|(job, state)| (*job, state)).collect();
        let fresh: Vec<_> = jobs.iter().map(|(job, state)| (*job, (*state).clone())).collect();
        let change = Change { jobs, events, ledger: Some(self.page) };
        self.store.commit(self.clock.now(), change)?;
        self.stored.extend(fresh);
        self.publish();
        Ok(())
    }

    /// Once a day, what is old is dropped.
    fn tidy(&mut self) -> Result<()> {
        let now = self.clock.now();
        if now.duration_since(self.forgot).abs() > SignedDuration::from_hours(24) {
            self.forgot = now;
            self.store.forget(now)?;
        }
        Ok(())
    }

    fn sleep(&self) -> Duration {
        let now = self.clock.now();
        if !self.leading {
            return if *self.role.borrow() == Role::Leader { RETRY } else { MAX_SLEEP };
        }
        let next = self.jobs.iter().filter_map(|(job, entry)| {
            let state = self.states.get(job)?;
            let idle = !self.tokens.contains_key(job);
            let waiting = state.current.as_ref().and_then(|run| run.not_before).filter(|_| idle);
            let due = match self.wakes.get(job) {
                Some(wake) => *wake,
                None => state.wake(&entry.schedule),
            };
            [waiting, due].into_iter().flatten().min()
        });
        let longest = if self.owed.is_empty() { MAX_SLEEP } else { RETRY };
        match next.min() {
            Some(next) if next > now => {
                let wait = Duration::try_from(next.duration_since(now)).unwrap_or(MAX_SLEEP);
                wait.min(longest)
            }
            Some(_) => Duration::from_millis(10),
            None => longest,
        }
    }

    fn publish(&mut self) {
        let role = self.role.borrow().clone();
        self.shown = Some(role.clone());
        let jobs = self
            .jobs
            .iter()
            .map(|(job, entry)| JobView::new(*job, &entry.schedule, self.states.get(job)));
        let snapshot = Snapshot {
            instance: self.instance.clone(),
            leading: self.leading,
            leader: match (&role, self.leading) {
                (_, true) => Some(self.instance.clone()),
                (Role::Follower { leader, .. }, _) => leader.clone(),
                (Role::Leader, false) => None,
            },
            why_not: match role {
                Role::Follower { reason, .. } => Some(reason),
                Role::Leader if self.leading => None,
                Role::Leader => Some("the ledger in the vault cannot be used yet".to_owned()),
            },
            jobs: jobs.collect(),
        };
        self.snapshot.send_if_modified(|old| {
            let changed = **old != snapshot;
            if changed {
                *old = Arc::new(snapshot);
            }
            changed
        });
    }
}

fn plan<'a>(
    jobs: &'a Jobs,
    states: &'a mut BTreeMap<JobKind, JobState>,
    job: JobKind,
) -> Option<Planned<'a>> {
    let schedule = &jobs.get(&job)?.schedule;
    let state = states.get_mut(&job)?;
    Some(Planned { job, schedule, state })
}

/// Runs a job until it ends, its time is over, or it is told to stop.
async fn supervise(
    job: Arc<dyn Job>,
    context: RunContext,
    timeout: Duration,
    stop: CancellationToken,
    stopping: Duration,
) -> Outcome {
    let work = AssertUnwindSafe(job.run(&context)).catch_unwind();
    let mut work = std::pin::pin!(async {
        work.await.unwrap_or_else(|_| {
            Err(JobError {
                message: "internal error: the job panicked; please report it".to_owned(),
                code: lifeboat::ExitCode::Failed as u8,
                retryable: true,
            })
        })
    });
    let cut = tokio::select! {
        result = &mut work => return Outcome::Done(result),
        () = tokio::time::sleep(timeout) => Outcome::TimedOut,
        () = stop.cancelled() => Outcome::Interrupted("it was stopped".to_owned()),
    };
    context.cancel.cancel();
    match tokio::time::timeout(stopping, work).await {
        // It was done just then.
        Ok(Ok(report)) => Outcome::Done(Ok(report)),
        _ => cut,
    }
}
