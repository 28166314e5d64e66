//! What can be recovered, and what is at stake.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;
use lifeboat::ship::Window;
use lifeboat::status::StatusReport;
use serde::Serialize;

use super::{foreign, seconds};
use crate::units;

/// The whole of it.
#[derive(Debug, Serialize)]
pub(crate) struct Status {
    vault: String,
    windows: Vec<Window>,
    newest_base: Option<NewestBase>,
    shipper: Option<Shipper>,
    lags: Vec<LagRow>,
    /// How much would be lost if the server was lost now; null when it cannot be told.
    exposure_seconds: Option<f64>,
    rpo_seconds: Option<f64>,
    rpo_met: Option<bool>,
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

impl Status {
    pub(crate) fn new(report: &StatusReport, vault: &str, rpo: Option<Duration>) -> Self {
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
            windows: report.windows.clone(),
            newest_base: base,
            shipper,
            lags: lags.collect(),
            exposure_seconds: report.exposure().map(seconds),
            rpo_seconds: rpo.map(seconds),
            rpo_met: rpo.map(|rpo| report.meets(rpo)),
        }
    }

    /// What a person reads.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
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
        if let (Some(rpo), Some(met)) = (self.rpo_seconds, self.rpo_met) {
            let rpo = units::took(Duration::from_secs_f64(rpo));
            let met = if met { "met" } else { "MISSED" };
            let _ = writeln!(text, "objective    at most {rpo} (RPO): {met}");
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
