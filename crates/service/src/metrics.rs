//! What Prometheus reads. Names and labels are an interface: docs/reference/metrics.md lists them.
//!
//! What has not happened yet has no value: a time of a last success that was set to now at the
//! start would hide that there never was one.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use jiff::Timestamp;
use lifeboat::config::Severity;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::alerts::alert::Alert;
use crate::catalog::Backups;
use crate::event::What;
use crate::run::Status;
use crate::snapshot::Snapshot;
use crate::store::Store;

/// The content type of what [`Metrics::text`] makes.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Number = Gauge<f64, AtomicU64>;

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Job {
    name: String,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Ended {
    name: String,
    status: Status,
}

impl EncodeLabelValue for Status {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
        self.name().encode(encoder)
    }
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Answered {
    route: String,
    status: u16,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Delivery {
    channel: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Severe {
    severity: &'static str,
}

/// What is counted from the start of the process on.
#[derive(Debug, Default)]
pub struct Metrics {
    runs: Family<Ended, Counter>,
    retries: Family<Job, Counter>,
    requests: Family<Answered, Counter>,
    deliveries: Family<Delivery, Counter>,
}

impl Metrics {
    /// A request was answered.
    pub fn answered(&self, route: &str, status: u16) {
        self.requests.get_or_create(&Answered { route: route.to_owned(), status }).inc();
    }

    /// A notice was delivered, or not.
    pub fn delivered(&self, channel: &str, outcome: &'static str) {
        let delivery = Delivery { channel: channel.to_owned(), outcome };
        self.deliveries.get_or_create(&delivery).inc();
    }

    /// Counts what happens, from now on and for ever.
    pub async fn follow(self: Arc<Self>, store: Arc<Store>) {
        let mut newest = store.newest();
        let mut seen = *newest.borrow_and_update();
        while newest.changed().await.is_ok() {
            let events = match store.events(seen, usize::MAX) {
                Ok(events) => events,
                Err(error) => {
                    tracing::warn!(%error, "events cannot be read for the metrics");
                    continue;
                }
            };
            for event in events {
                seen = event.number;
                match event.what {
                    What::RunEnded { run } => {
                        let name = run.job.name().to_owned();
                        let ended = Ended { name, status: run.status };
                        self.runs.get_or_create(&ended).inc_by(run.occasions);
                    }
                    What::RunRetrying { run } => {
                        self.retries.get_or_create(&Job { name: run.job.name().to_owned() }).inc();
                    }
                    _ => {}
                }
            }
        }
    }

    /// Everything, in the text format of OpenMetrics.
    pub fn text(&self, snapshot: &Snapshot, backups: Option<&Backups>, alerts: &[Alert]) -> String {
        let mut registry = Registry::with_prefix("lifeboat");
        let version = vec![("version", env!("CARGO_PKG_VERSION"))];
        registry.register("build", "The program", Info::new(version));
        registry.register("job_runs", "Runs that ended, by how", self.runs.clone());
        registry.register(
            "job_retries",
            "Tries that failed and were repeated",
            self.retries.clone(),
        );
        registry.register("api_requests", "Requests that were answered", self.requests.clone());
        registry.register(
            "alert_deliveries",
            "Tries to deliver a notice, by how they went",
            self.deliveries.clone(),
        );
        let open = Family::<Severe, Number>::default();
        registry.register("alerts", "Alerts that are open", open.clone());
        for severity in Severity::ALL {
            let count = alerts.iter().filter(|alert| alert.severity == severity).count();
            open.get_or_create(&Severe { severity: severity.name() }).set(count as f64);
        }
        let mut gauge = |name: &str, help: &str, value: f64| {
            let gauge = Number::default();
            gauge.set(value);
            registry.register(name, help, gauge);
        };
        gauge("leader", "Whether this instance leads", f64::from(u8::from(snapshot.leading)));
        if let Some(backups) = backups {
            let intact = || backups.backups.iter().filter(|backup| backup.intact);
            let all = backups.backups.len();
            gauge("backups", "Backups in the vault", all as f64);
            gauge("backups_damaged", "Those that are damaged", (all - intact().count()) as f64);
            gauge(
                "backups_listed_timestamp_seconds",
                "When it was listed",
                seconds(backups.listed),
            );
            let bytes: u64 = backups.backups.iter().map(|backup| backup.size).sum();
            gauge("backups_size_bytes", "Bytes of all archives", bytes as f64);
            if let Some(newest) = intact().next() {
                let name = "backup_newest_timestamp_seconds";
                gauge(name, "When the newest intact backup was begun", seconds(newest.created));
                gauge("backup_newest_size_bytes", "Bytes of its archive", newest.size as f64);
            }
        }
        jobs(&mut registry, snapshot);
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode_registry(&mut text, &registry).and_then(|()| encode_eof(&mut text));
        text
    }
}

/// The gauges of each job.
fn jobs(registry: &mut Registry, snapshot: &Snapshot) {
    let mut family = |name: &str, help: &str| {
        let family = Family::<Job, Number>::default();
        registry.register(name, help, family.clone());
        family
    };
    let running = family("job_running", "Whether a run goes on");
    let paused = family("job_paused", "Whether the job is paused");
    let failures = family("job_failures", "Runs in a row that did not succeed, up to now");
    let next = family("job_next_timestamp_seconds", "When the job is due next");
    let success = family("job_last_success_timestamp_seconds", "When a run last succeeded");
    let end = family("job_last_end_timestamp_seconds", "When a run last ended, however");
    let duration = family("job_last_duration_seconds", "How long the last try took");
    for view in &snapshot.jobs {
        let job = Job { name: view.job.name().to_owned() };
        let flag = |yes: bool| f64::from(u8::from(yes));
        let goes_on = view.current.as_ref().is_some_and(|run| run.status == Status::Running);
        running.get_or_create(&job).set(flag(goes_on));
        paused.get_or_create(&job).set(flag(view.paused.is_some()));
        failures.get_or_create(&job).set(f64::from(view.failures));
        let last = view.last.as_ref();
        let ended = last.and_then(|run| run.ended);
        for (family, at) in [(&next, view.next), (&success, view.last_success), (&end, ended)] {
            if let Some(at) = at {
                family.get_or_create(&job).set(seconds(at));
            }
        }
        if let (Some(from), Some(to)) = (last.and_then(|run| run.started), ended) {
            duration.get_or_create(&job).set(to.duration_since(from).as_secs_f64());
        }
    }
}

fn seconds(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}
