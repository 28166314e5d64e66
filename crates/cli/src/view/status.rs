//! What can be recovered, to when, how fast, and how that is known.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;
use lifeboat::config::Objectives;
use lifeboat::ship::Window;
use lifeboat::status::{RegionStatus, StatusReport, last_trial, newest, replication_lag};
use lifeboat_runbook::predict::Predicted;
use lifeboat_service::alerts::alert::Alert;
use lifeboat_service::run::Status as RunStatus;
use lifeboat_service::snapshot::Snapshot;
use serde::Serialize;

use super::{foreign, seconds};
use crate::units;

/// The whole of it.
#[derive(Debug, Serialize)]
pub(crate) struct Status {
    vault: String,
    regions: Vec<RegionRow>,
    windows: Vec<Window>,
    newest_base: Option<NewestBase>,
    shipper: Option<Shipper>,
    lags: Vec<LagRow>,
    /// How much would be lost if the server was lost now; null when it cannot be told.
    exposure_seconds: Option<f64>,
    /// How long the last restore for trial took; null when there was none.
    restore_seconds: Option<f64>,
    /// The newest point that can be recovered to; null when there is no backup.
    recovery: Option<RecoveryRow>,
    rpo_seconds: Option<f64>,
    rpo_met: Option<bool>,
    rto_seconds: Option<f64>,
    rto_met: Option<bool>,
    replication_seconds: Option<f64>,
    replication_met: Option<bool>,
    /// What the service on this machine says; null when none answers.
    service: Option<Service>,
}

/// What a service says.
#[derive(Debug, Serialize)]
pub(crate) struct Service {
    #[serde(flatten)]
    pub(crate) snapshot: Snapshot,
    /// Those that are open.
    pub(crate) alerts: Vec<Alert>,
}

#[derive(Debug, Serialize)]
struct RegionRow {
    role: Option<lifeboat::vaults::Role>,
    vault: String,
    newest: Option<NewestBase>,
    certified: Option<TrialRow>,
    damaged: Option<usize>,
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct TrialRow {
    name: String,
    issued: Timestamp,
    age_seconds: i64,
    way: String,
    rto_seconds: f64,
}

impl RegionRow {
    fn new(region: &RegionStatus, now: Timestamp) -> Self {
        let age = |at: Timestamp| now.duration_since(at).as_secs();
        let holds = region.holds.as_ref().ok();
        Self {
            role: region.role,
            vault: region.vault.clone(),
            newest: holds.and_then(|holds| holds.newest.as_ref()).map(|newest| NewestBase {
                name: newest.name.to_string(),
                created: newest.created,
                age_seconds: age(newest.created),
            }),
            certified: holds.and_then(|holds| holds.certified.as_ref()).map(|trial| TrialRow {
                name: trial.name.to_string(),
                issued: trial.issued,
                age_seconds: age(trial.issued),
                way: trial.way.clone(),
                rto_seconds: seconds(trial.rto),
            }),
            damaged: holds.map(|holds| holds.damaged),
            error: region.holds.as_ref().err().cloned(),
        }
    }

    fn text(&self) -> String {
        let name = self.role.map_or("vault", lifeboat::vaults::Role::as_str);
        if let Some(error) = &self.error {
            return format!("{name:<11}  {}: {}\n", self.vault, foreign(error));
        }
        let old = |seconds| units::age(jiff::SignedDuration::from_secs(seconds));
        let mut text = match &self.newest {
            Some(newest) => {
                format!("{name:<11}  newest good {}, {} old", newest.name, old(newest.age_seconds))
            }
            None => format!("{name:<11}  no good backup"),
        };
        if let Some(damaged) = self.damaged.filter(|damaged| *damaged > 0) {
            let _ = write!(text, "; {damaged} damaged");
        }
        text.push('\n');
        match &self.certified {
            Some(trial) => {
                let took = units::took(Duration::from_secs_f64(trial.rto_seconds));
                let (name, way, age) = (&trial.name, &trial.way, old(trial.age_seconds));
                let _ =
                    writeln!(text, "  certified  {name}: restored ({way}) in {took}, {age} ago");
            }
            None => text.push_str("  certified  none; `lifeboat verify --restore` restores one\n"),
        }
        text
    }
}

#[derive(Debug, Serialize)]
struct NewestBase {
    name: String,
    created: Timestamp,
    age_seconds: i64,
}

#[derive(Debug, Serialize)]
struct Shipper {
    holder: String,
    since: Timestamp,
    renewed: Timestamp,
}

#[derive(Debug, Serialize)]
struct LagRow {
    database: String,
    committed_tx: u64,
    shipped_tx: Option<u64>,
    transactions: Option<u64>,
    seconds: Option<f64>,
}

/// The newest point, and how long a recovery to it will take.
#[derive(Debug, Serialize)]
struct RecoveryRow {
    backup: String,
    reaches: Timestamp,
    /// Null when nothing like it was ever tried.
    predicted_rto_seconds: Option<f64>,
    log_bytes: u64,
    /// Whether a run has measured how long log takes; else it is a cautious guess.
    log_was_measured: bool,
}

impl RecoveryRow {
    fn new(predicted: &Predicted) -> Self {
        Self {
            backup: predicted.backup.clone(),
            reaches: predicted.reaches,
            predicted_rto_seconds: predicted.took.map(seconds),
            log_bytes: predicted.log_bytes,
            log_was_measured: predicted.log_was_measured,
        }
    }

    fn words(&self) -> String {
        let Some(seconds) = self.predicted_rto_seconds else {
            return format!("from {}, in a time that nobody has measured", self.backup);
        };
        let took = units::took(Duration::try_from_secs_f64(seconds).unwrap_or_default());
        let mut words = format!("from {} in about {took}", self.backup);
        if self.log_bytes > 0 {
            let guess = if self.log_was_measured { "" } else { ", whose time is a cautious guess" };
            let _ = write!(words, ", with {} of log{guess}", units::size(self.log_bytes));
        }
        words
    }
}

impl Status {
    pub(crate) fn new(
        report: &StatusReport,
        regions: &[RegionStatus],
        vault: &str,
        objectives: &Objectives,
        recovery: Option<&Predicted>,
        service: Option<Service>,
    ) -> Self {
        // What is not shipped is in the newest backup, as far as that goes.
        let backup = newest(regions).map(|newest| report.now.duration_since(newest.created));
        let backup = backup.map(|age| Duration::try_from(age).unwrap_or_default());
        let exposure = report.exposure().into_iter().chain(backup).min();
        let restore = last_trial(regions).map(|trial| trial.rto);
        // Nobody has shown that what is unknown is met.
        let met = |limit: Option<Duration>, found: Option<Duration>| {
            limit.map(|limit| found.is_some_and(|found| found <= limit))
        };
        let Objectives { rpo, rto, replication } = *objectives;
        let lag = (regions.len() > 1).then(|| replication_lag(regions, report.now));
        let lag = lag.map(Option::unwrap_or_default);
        let base = report.newest_base.as_ref().map(|base| NewestBase {
            name: base.name.to_string(),
            created: base.created,
            age_seconds: report.now.duration_since(base.created).as_secs(),
        });
        let shipper = report.shipper.as_ref().map(|holder| Shipper {
            holder: holder.to_string(),
            since: holder.since,
            renewed: holder.renewed,
        });
        let lags = report.lags.iter().map(|lag| LagRow {
            database: lag.database.clone(),
            committed_tx: lag.committed_tx,
            shipped_tx: lag.shipped_tx,
            transactions: lag.transactions,
            seconds: lag.age.map(seconds),
        });
        Self {
            vault: vault.to_owned(),
            regions: regions.iter().map(|region| RegionRow::new(region, report.now)).collect(),
            windows: report.windows.clone(),
            newest_base: base,
            shipper,
            lags: lags.collect(),
            exposure_seconds: exposure.map(seconds),
            restore_seconds: restore.map(seconds),
            recovery: recovery.map(RecoveryRow::new),
            rpo_seconds: rpo.map(seconds),
            rpo_met: met(rpo, exposure),
            rto_seconds: rto.map(seconds),
            rto_met: met(rto, restore),
            replication_seconds: replication.map(seconds),
            replication_met: met(replication, lag),
            service,
        }
    }

    /// What a person reads.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for region in &self.regions {
            text.push_str(&region.text());
        }
        for window in &self.windows {
            let _ = writeln!(text, "{}", window_words(window));
        }
        if self.windows.is_empty() {
            text.push_str(
                "nothing can be recovered to a point in time: there is no physical backup with \
                 shipped logs\n",
            );
        }
        match &self.newest_base {
            Some(base) => {
                let age = units::age(jiff::SignedDuration::from_secs(base.age_seconds));
                let _ = writeln!(text, "newest base  {}, {age} old", base.name);
            }
            None => {
                text.push_str("newest base  none; `lifeboat backup --method physical` takes one\n");
            }
        }
        match &self.shipper {
            Some(shipper) => {
                let _ = writeln!(text, "shipper      {}", shipper.holder);
            }
            None => text.push_str("shipper      none is at work; `lifeboat ship` is one\n"),
        }
        for lag in &self.lags {
            let _ = writeln!(text, "{:<11}  {}", foreign(&lag.database), lag.words());
        }
        let exposure = match self.exposure_seconds {
            Some(exposure) => units::took(Duration::from_secs_f64(exposure)),
            None => "unknown, perhaps all that was written since the last backup".to_owned(),
        };
        let _ = writeln!(text, "at stake     {exposure}");
        let restore = match self.restore_seconds {
            Some(restore) => units::took(Duration::from_secs_f64(restore)),
            None => "unknown: nothing was restored for trial".to_owned(),
        };
        let _ = writeln!(text, "restore      {restore}");
        if let Some(recovery) = &self.recovery {
            let _ = writeln!(text, "recovery     {}", recovery.words());
        }
        for (limit, met, what) in [
            (self.rpo_seconds, self.rpo_met, "lost (RPO)"),
            (self.rto_seconds, self.rto_met, "to restore (RTO)"),
            (self.replication_seconds, self.replication_met, "until replicated"),
        ] {
            if let (Some(limit), Some(met)) = (limit, met) {
                let limit = units::took(Duration::from_secs_f64(limit));
                let met = if met { "met" } else { "MISSED" };
                let _ = writeln!(text, "objective    at most {limit} {what}: {met}");
            }
        }
        match &self.service {
            Some(service) => text.push_str(&service.text()),
            None => text.push_str("service      none answers on this machine\n"),
        }
        text
    }

    /// Whether an objective is missed.
    pub(crate) fn misses(&self) -> bool {
        [self.rpo_met, self.rto_met, self.replication_met].contains(&Some(false))
    }
}

impl Service {
    fn text(&self) -> String {
        let snapshot = &self.snapshot;
        let leader = match &snapshot.leader {
            Some(leader) => format!("{} does the jobs", foreign(leader)),
            None => "nobody does the jobs".to_owned(),
        };
        let mut text = format!("service      {leader}\n");
        for job in &snapshot.jobs {
            let going = job.current.as_ref().filter(|run| run.status == RunStatus::Running);
            let state = match (&job.paused, going.or(job.last.as_ref())) {
                (Some(paused), _) => format!("paused by {}", foreign(&paused.by)),
                (None, None) => "has not run yet".to_owned(),
                (None, Some(run)) => run.status.name().to_owned(),
            };
            let next = job.next.map(|next| next.strftime("%Y-%m-%d %H:%M UTC").to_string());
            let next = next.map(|next| format!(", next {next}")).unwrap_or_default();
            let _ = writeln!(text, "  {:<13}  {state}{next}", job.job);
        }
        for alert in &self.alerts {
            let (number, severity) = (alert.number, alert.severity.name().to_uppercase());
            let _ = writeln!(text, "alert {number}  {severity}: {}", foreign(&alert.what));
        }
        if self.alerts.is_empty() {
            text.push_str("alerts       none is open\n");
        }
        text
    }
}

impl LagRow {
    fn words(&self) -> String {
        match (self.shipped_tx, self.transactions) {
            (Some(_), Some(0)) => format!("all shipped, to transaction {}", self.committed_tx),
            (Some(shipped), Some(waiting)) => format!(
                "shipped to transaction {shipped}; {} not, the oldest {} ago",
                units::many(waiting, "transaction"),
                units::took(Duration::from_secs_f64(self.seconds.unwrap_or_default()))
            ),
            (Some(shipped), None) => format!(
                "shipped to transaction {shipped}, but the log is another now: a shipper has to \
                 begin a new timeline"
            ),
            (None, _) => {
                format!("not protected; committed up to transaction {}", self.committed_tx)
            }
        }
    }
}

/// A window in a line.
pub(crate) fn window_words(window: &Window) -> String {
    let time = |time: Timestamp| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    let mut text = format!(
        "{}: from {} (transaction {}) to {} (transaction {}), base {}",
        foreign(&window.database),
        time(window.from),
        window.first_tx,
        time(window.to),
        window.last_tx,
        window.base
    );
    if let Some(gap) = &window.gap {
        let _ = write!(text, "; then segments {} to {} are missing", gap.from, gap.to);
    }
    if !window.verified {
        text.push_str("; transactions cannot be told apart");
    }
    text
}
