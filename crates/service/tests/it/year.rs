//! A year of two instances in a few seconds: they crash, their clocks are set, the vault goes away.
//!
//! Only time, the vault's lease and ledger, the work itself and the way to people are simulated;
//! scheduler, rules, alerts and store are the real ones. Afterwards every time that came is accounted
//! for, and of whatever did not succeed somebody was told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use lifeboat::CancellationToken;
use lifeboat::config::{ContactSection, JobKind, Objectives, Schedule, Severity, Timing};
use lifeboat::vault::{Address, VaultConfig};
use lifeboat_service::alerts::alert::Alert;
use lifeboat_service::alerts::channel::{Channel, Channels, Undelivered};
use lifeboat_service::alerts::deliver::Post;
use lifeboat_service::alerts::facts::Limits;
use lifeboat_service::alerts::notice::{Notice, Routing};
use lifeboat_service::alerts::rule::Rule;
use lifeboat_service::alerts::settings::Settings;
use lifeboat_service::alerts::{Handle, Watch};
use lifeboat_service::catalog::Catalog;
use lifeboat_service::clock::Clock;
use lifeboat_service::event::What;
use lifeboat_service::job::{Job, JobError, Report, RunContext};
use lifeboat_service::leader::{self, Lead, Lease, Pace, Role};
use lifeboat_service::ledger::{Ledger, LedgerError, Page};
use lifeboat_service::run::{Run, Status, Trigger};
use lifeboat_service::scheduler::{Entry, Jobs, Scheduler};
use lifeboat_service::store::Store;
use tokio::sync::{Notify, watch};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::Instant;

const KINDS: [JobKind; 4] =
    [JobKind::Backup, JobKind::Replicate, JobKind::Verify, JobKind::RestoreTest];

/// A small generator: the same year for the same seed.
#[derive(Clone)]
struct Chance(Arc<Mutex<u64>>);

impl Chance {
    fn below(&self, limit: u64) -> u64 {
        let mut state = self.0.lock().unwrap();
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        *state % limit
    }

    fn seconds(&self, from: u64, to: u64) -> Duration {
        Duration::from_secs(from + self.below(to - from))
    }
}

/// True time, which flies as tokio's does.
#[derive(Clone, Copy)]
struct Time {
    base: Timestamp,
    began: Instant,
}

impl Time {
    fn now(self) -> Timestamp {
        self.base + self.began.elapsed()
    }
}

/// An instance's clock: true time, and what it is off by.
struct OffClock {
    time: Time,
    seconds: AtomicI64,
}

impl Clock for OffClock {
    fn now(&self) -> Timestamp {
        self.time.now() + SignedDuration::from_secs(self.seconds.load(Ordering::Relaxed))
    }
}

/// What the instances share: a vault that may be away.
#[derive(Default)]
struct Vault {
    away: AtomicBool,
    pages: Mutex<Vec<Page>>,
    lease: Mutex<Option<(String, Instant)>>,
}

impl Vault {
    async fn answer(&self) -> Result<(), LedgerError> {
        tokio::time::sleep(Duration::from_millis(200)).await;
        if self.away.load(Ordering::Relaxed) {
            return Err(LedgerError::Vault("the vault is away".to_owned()));
        }
        Ok(())
    }
}

#[async_trait]
impl Ledger for Vault {
    async fn newest(&self) -> Result<Option<Page>, LedgerError> {
        self.answer().await?;
        Ok(self.pages.lock().unwrap().last().cloned())
    }

    async fn write(&self, page: &Page) -> Result<(), LedgerError> {
        self.answer().await?;
        {
            let mut pages = self.pages.lock().unwrap();
            if pages.last().is_some_and(|last| last.number >= page.number) {
                return Err(LedgerError::Taken(page.number));
            }
            *pages = vec![page.clone()];
        }
        // The answer is on its way while the page is there.
        tokio::time::sleep(Duration::from_millis(200)).await;
        Ok(())
    }
}

const PACE: Pace = Pace { lasts: Duration::from_mins(6), every: Duration::from_mins(2) };

struct Seat {
    vault: Arc<Vault>,
    name: String,
}

#[async_trait]
impl Lease for Seat {
    async fn hold(&self) -> Result<Lead, String> {
        self.vault.answer().await.map_err(|error| error.to_string())?;
        let mut lease = self.vault.lease.lock().unwrap();
        let now = Instant::now();
        match &*lease {
            Some((holder, until)) if *holder != self.name && *until > now => {
                Ok(Lead::Theirs(holder.clone()))
            }
            _ => {
                *lease = Some((self.name.clone(), now + PACE.lasts));
                Ok(Lead::Ours)
            }
        }
    }

    async fn release(&self) {
        let mut lease = self.vault.lease.lock().unwrap();
        lease.take_if(|(holder, _)| *holder == self.name);
    }
}

/// Work that takes a while, fails now and then, and must never meet itself.
struct Work {
    kind: JobKind,
    vault: Arc<Vault>,
    chance: Chance,
    going: Arc<Mutex<BTreeSet<JobKind>>>,
}

/// Also when the work is dropped in the middle, as a crash does.
struct Going<'a>(&'a Work);

impl Drop for Going<'_> {
    fn drop(&mut self) {
        self.0.going.lock().unwrap().remove(&self.0.kind);
    }
}

#[async_trait]
impl Job for Work {
    async fn run(&self, run: &RunContext) -> Result<Report, JobError> {
        assert!(run.id.starts_with(self.kind.name()));
        assert!(self.going.lock().unwrap().insert(self.kind), "{} runs twice at once", run.id);
        let _going = Going(self);
        let failed = |retryable| JobError { message: "failed".to_owned(), code: 1, retryable };
        tokio::select! {
            () = tokio::time::sleep(self.chance.seconds(5, 3000)) => {}
            () = run.cancel.cancelled() => return Err(failed(true)),
        }
        match self.chance.below(20) {
            0 => Err(failed(false)),
            1 | 2 => Err(failed(true)),
            _ if self.vault.away.load(Ordering::Relaxed) => Err(failed(true)),
            _ => Ok(Report { message: "done".to_owned(), ..Report::default() }),
        }
    }
}

/// A way to people that now and then does not deliver, and writes down what it does.
struct Way {
    away: Arc<AtomicBool>,
    chance: Chance,
    arrived: Arrived,
}

/// Of which alerts people were told, by instance and number.
type Arrived = Arc<Mutex<BTreeSet<(String, u64)>>>;

#[async_trait]
impl Channel for Way {
    async fn send(&self, notice: &Notice) -> Result<(), Undelivered> {
        tokio::time::sleep(Duration::from_millis(300)).await;
        if self.away.load(Ordering::Relaxed) || self.chance.below(4) == 0 {
            return Err(Undelivered::passing("nobody answers"));
        }
        let told = notice.alerts.iter().map(|alert| (notice.instance.clone(), alert.number));
        self.arrived.lock().unwrap().extend(told);
        Ok(())
    }
}

/// What both instances have.
struct World {
    vault: Arc<Vault>,
    jobs: Jobs,
    catalog: Arc<Catalog>,
    settings: watch::Sender<Arc<Settings>>,
}

/// One of the two.
struct Instance {
    name: String,
    clock: Arc<OffClock>,
    store: Arc<Store>,
    tasks: Option<Tasks>,
    /// When it was started.
    starts: Vec<Timestamp>,
}

/// What an instance consists of while it lives.
struct Tasks {
    life: JoinHandle<()>,
    others: [JoinHandle<()>; 3],
    stop: CancellationToken,
    ended: CancellationToken,
    _alerts: Handle,
}

fn schedule(kind: JobKind) -> Schedule {
    let mut schedule = Schedule::default_of(kind);
    if kind == JobKind::Backup {
        schedule.jitter = Duration::from_mins(10);
        let Timing::Cron { zone, .. } = &mut schedule.timing else { panic!() };
        *zone = jiff::tz::TimeZone::get("Europe/Berlin").unwrap();
    }
    schedule
}

fn settings(channels: Channels) -> Settings {
    let contact = ContactSection {
        name: "primary".to_owned(),
        reach: None,
        channels: vec!["mail".to_owned()],
        after: Duration::ZERO,
        severity: Severity::Info,
    };
    Settings {
        routing: Routing {
            contacts: vec![contact],
            repeat: Duration::from_hours(24),
            group_wait: Duration::from_secs(30),
            quiet: None,
        },
        channels,
        limits: Limits {
            objectives: Objectives::default(),
            disk_free_percent: 0,
            certificate_days: 0,
            vault_quota: None,
            collapse_percent: 0,
        },
        runbooks: None,
        home: None,
        certificates: Vec::new(),
    }
}

impl Instance {
    fn start(&mut self, world: &World) {
        let (role, seen) =
            watch::channel(Role::Follower { leader: None, reason: "it has just begun".to_owned() });
        let (stop, ended) = (CancellationToken::new(), CancellationToken::new());
        let clock = || Arc::clone(&self.clock) as Arc<dyn Clock>;
        let scheduler = Scheduler {
            clock: clock(),
            store: Arc::clone(&self.store),
            ledger: Arc::clone(&world.vault) as Arc<dyn Ledger>,
            instance: self.name.clone(),
            jobs: world.jobs.clone(),
            pace: PACE,
        };
        let (handle, life) = scheduler.start(seen, stop.clone()).unwrap();
        let posted: Arc<Notify> = Arc::default();
        let watch = Watch {
            clock: clock(),
            store: Arc::clone(&self.store),
            scheduler: handle,
            catalog: Arc::clone(&world.catalog),
            settings: world.settings.subscribe(),
            places: Vec::new(),
            every: Duration::from_mins(30),
            lease: PACE.lasts,
            instance: self.name.clone(),
            posted: Arc::clone(&posted),
        };
        let (alerts, watching) = watch.start(ended.clone()).unwrap();
        let post = Post {
            clock: clock(),
            store: Arc::clone(&self.store),
            settings: world.settings.subscribe(),
            posted,
            metrics: Arc::default(),
        };
        let seat = Seat { vault: Arc::clone(&world.vault), name: self.name.clone() };
        let keep = leader::keep(Arc::new(seat), PACE, role, ended.clone());
        let posting = post.live(ended.clone());
        self.tasks = Some(Tasks {
            life: tokio::spawn(async { life.await.unwrap() }),
            others: [
                tokio::spawn(keep),
                tokio::spawn(async { watching.await.unwrap() }),
                tokio::spawn(async { posting.await.unwrap() }),
            ],
            stop,
            ended,
            _alerts: alerts,
        });
        self.starts.push(self.clock.time.now());
    }

    /// As kill -9 does: nothing is said to anybody.
    async fn crash(&mut self) {
        let Some(tasks) = self.tasks.take() else { return };
        let all: Vec<_> = std::iter::once(tasks.life).chain(tasks.others).collect();
        // All at once: none sees another go.
        all.iter().for_each(JoinHandle::abort);
        for task in all {
            let ended = task.await;
            assert!(ended.as_ref().is_err_and(JoinError::is_cancelled), "{ended:?}");
        }
    }

    async fn stop(&mut self) {
        let Some(tasks) = self.tasks.take() else { return };
        tasks.stop.cancel();
        tasks.life.await.unwrap();
        tasks.ended.cancel();
        for task in tasks.others {
            task.await.unwrap();
        }
    }
}

/// Times that came twice or not at all for some instance, since its clock was off.
type Odd = Vec<(Timestamp, Timestamp)>;

async fn live(seed: u64) {
    let time = Time { base: "2026-11-25T12:00:00Z".parse().unwrap(), began: Instant::now() };
    let chance = Chance(Arc::new(Mutex::new(seed)));
    let vault = Arc::new(Vault::default());
    let going = Arc::default();
    let jobs: Jobs = KINDS
        .into_iter()
        .map(|kind| {
            let work = Work {
                kind,
                vault: Arc::clone(&vault),
                chance: chance.clone(),
                going: Arc::clone(&going),
            };
            (kind, Entry { schedule: schedule(kind), job: Arc::new(work) as Arc<dyn Job> })
        })
        .collect();
    let (mail_away, arrived) = (Arc::new(AtomicBool::new(false)), Arrived::default());
    let ways = ["mail", "chat"].map(|name| {
        let away = if name == "mail" { Arc::clone(&mail_away) } else { Arc::default() };
        let way = Way { away, chance: chance.clone(), arrived: Arc::clone(&arrived) };
        (name.to_owned(), Arc::new(way) as Arc<dyn Channel>)
    });
    let folder = tempfile::tempdir().unwrap();
    let address = Address::Folder(folder.path().to_owned());
    let real = lifeboat::vault::Vault::open(&VaultConfig::new(address)).unwrap();
    real.ensure().await.unwrap();
    let world = World {
        vault: Arc::clone(&vault),
        jobs,
        catalog: Arc::new(Catalog::new(watch::Sender::new(real).subscribe())),
        settings: watch::Sender::new(Arc::new(settings(ways.into()))),
    };
    let mut instances = ["east", "west"].map(|name| Instance {
        name: name.to_owned(),
        clock: Arc::new(OffClock { time, seconds: AtomicI64::new(0) }),
        store: Arc::new(Store::in_memory().unwrap()),
        tasks: None,
        starts: Vec::new(),
    });
    for instance in &mut instances {
        // A reader that has seen none: so all events are kept.
        instance.store.set_cursor("accounts", 0).unwrap();
        instance.start(&world);
    }
    tokio::time::sleep(Duration::from_mins(1)).await;
    let from = time.now();

    let mut odd = Odd::new();
    let end = from + SignedDuration::from_hours(24 * 365);
    while time.now() < end {
        tokio::time::sleep(chance.seconds(3600, 4 * 86_400)).await;
        let which = usize::from(chance.below(2) == 0);
        let mut away = chance.seconds(5, 2 * 3600);
        match chance.below(9) {
            0..=2 => {
                // One dies; the other takes over.
                instances[which].crash().await;
                tokio::time::sleep(away).await;
                instances[which].start(&world);
            }
            3 => {
                // Both die, for minutes or days.
                if chance.below(2) == 0 {
                    away *= 30;
                }
                instances[0].crash().await;
                instances[1].crash().await;
                tokio::time::sleep(away).await;
                instances[1 - which].start(&world);
                instances[which].start(&world);
            }
            4 => {
                instances[which].stop().await;
                tokio::time::sleep(away).await;
                instances[which].start(&world);
            }
            5 | 6 => {
                vault.away.store(true, Ordering::Relaxed);
                tokio::time::sleep(away * 4).await;
                vault.away.store(false, Ordering::Relaxed);
            }
            7 => {
                mail_away.store(true, Ordering::Relaxed);
                tokio::time::sleep(away * 8).await;
                mail_away.store(false, Ordering::Relaxed);
            }
            _ => {
                // A clock is off, and is set right again.
                let off = chance.below(10 * 3600).cast_signed() - 5 * 3600;
                let began = time.now();
                instances[which].clock.seconds.store(off, Ordering::Relaxed);
                tokio::time::sleep(away).await;
                instances[which].clock.seconds.store(0, Ordering::Relaxed);
                let around = SignedDuration::from_secs(off.abs()) + SignedDuration::from_hours(1);
                odd.push((began - around, time.now() + around));
            }
        }
    }
    let until = time.now();
    tokio::time::sleep(Duration::from_hours(48)).await;
    for instance in &mut instances {
        instance.stop().await;
    }
    let stores = instances.each_ref().map(|instance| Arc::clone(&instance.store));
    account(&stores, from, until, &odd);
    for instance in &instances {
        told(instance, until, &odd, &arrived.lock().unwrap());
    }
}

/// Of every run that did not succeed somebody was told.
fn told(instance: &Instance, until: Timestamp, odd: &Odd, arrived: &BTreeSet<(String, u64)>) {
    let store = &instance.store;
    assert_eq!(store.next_delivery().unwrap(), None, "a notice still waits");
    let alerts = store.alerts(false, usize::MAX).unwrap();
    for alert in alerts.iter().filter(|alert| alert.since < until) {
        let key = (instance.name.clone(), alert.number);
        assert!(arrived.contains(&key), "nobody was told of {alert:#?}");
    }
    let mut count = 0;
    for event in store.events(0, usize::MAX).unwrap() {
        let What::RunEnded { run } = &event.what else { continue };
        let well = matches!(run.status, Status::Succeeded | Status::Skipped);
        if well || event.at >= until || is_odd(odd, event.at) {
            continue;
        }
        count += 1;
        // Who died right then has looked at its next start.
        let minute = SignedDuration::from_mins(1);
        let next = instance.starts.iter().find(|start| **start > event.at);
        let covers = |alert: &&Alert| {
            let begun = alert.since <= event.at + minute
                || next.is_some_and(|start| (*start..=*start + minute).contains(&alert.since));
            let key = format!("job/{}", run.job.name());
            alert.key == key && begun && alert.resolved.is_none_or(|end| end >= event.at)
        };
        assert!(alerts.iter().any(|alert| covers(&alert)), "no alert of {event:#?}: {alerts:#?}");
    }
    println!("{}: {count} runs did not succeed; {} alerts", instance.name, alerts.len());
    let rules: BTreeSet<Rule> = alerts.iter().map(|alert| alert.rule).collect();
    for rule in [Rule::Job, Rule::NoBackup] {
        assert!(rules.contains(&rule), "{rules:?}");
    }
    assert!(count > 5, "too quiet a year for {}", instance.name);
}

fn is_odd(odd: &Odd, at: Timestamp) -> bool {
    odd.iter().any(|(from, until)| (*from..*until).contains(&at))
}

/// Every time that came is a run, exactly one, and has an end.
fn account(stores: &[Arc<Store>; 2], from: Timestamp, until: Timestamp, odd: &Odd) {
    let mut runs: BTreeMap<(JobKind, Timestamp), BTreeMap<String, Vec<Run>>> = BTreeMap::new();
    let mut ends: BTreeMap<&'static str, u64> = BTreeMap::new();
    for store in stores {
        let events = store.events(0, usize::MAX).unwrap();
        assert!(events.is_sorted_by_key(|event| event.number));
        let told: BTreeMap<&str, &Run> = events
            .iter()
            .filter_map(|event| match &event.what {
                What::RunEnded { run } => Some((&*run.id, run)),
                _ => None,
            })
            .collect();
        for run in store.runs(None, usize::MAX).unwrap() {
            assert_eq!(run.occasions, 1, "{run:?}");
            if run.status.is_end() {
                assert_eq!(told.get(&*run.id), Some(&&run), "an end without its event");
            }
            *ends.entry(run.status.name()).or_default() += 1;
            if run.trigger == Trigger::Schedule {
                let due = runs.entry((run.job, run.due)).or_default();
                due.entry(run.id.clone()).or_default().push(run);
            }
        }
    }
    let mut expected = 0;
    for kind in KINDS {
        let timing = schedule(kind).timing;
        let mut due = from;
        loop {
            due = timing.next(due).unwrap();
            if due >= until {
                break;
            }
            expected += 1;
            let found = runs.get(&(kind, due));
            let Some(found) = found else { panic!("{kind} at {due} is not accounted for") };
            let all: Vec<&Run> = found.values().flatten().collect();
            assert!(all.iter().any(|run| run.status.is_end()), "{kind} at {due}: {all:#?}");
            if is_odd(odd, due) {
                continue;
            }
            assert_eq!(found.len(), 1, "{kind} at {due} is more than one run: {all:#?}");
            // Both instances may know of an end; then it is the same one.
            let mut done: Vec<_> =
                all.iter().filter(|run| run.status == Status::Succeeded).collect();
            done.dedup_by_key(|run| (run.started, run.ended));
            assert!(done.len() <= 1, "done twice: {done:#?}");
        }
    }
    println!("{expected} times were due; runs ended so: {ends:?}");
    for status in ["succeeded", "failed", "missed", "skipped"] {
        assert!(ends.get(status).is_some_and(|count| *count > 3), "{status} in {ends:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_year_with_crashes_outages_and_odd_clocks_loses_no_time() {
    for seed in [0x5eed_0001, 0x5eed_0b0a] {
        live(seed).await;
    }
}
