//! How long a restore will take, by what trial restores have measured.
//!
//! A certificate tells how long each part of a trial took, and its manifest how much there was to
//! do. Of each part the time for a byte is the median over the newest certificates of the same
//! method; starting a server takes the same time whatever the size. Nothing is predicted that was
//! never measured, but for shipped log: see `replay`.

mod replay;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use lifeboat::format::{Certificate, Manifest, Method};
use lifeboat::ship::{Until, Window};
use lifeboat::vault::{Certified, Listed, Vault};

use replay::Replay;
pub use replay::log_bytes;
pub(crate) use replay::{LOG_BYTES, PARTS, shipped, words};

use crate::steps::newest_point;

/// The newest certificates count, no more: machines and networks change.
const NEWEST: usize = 10;

/// What was measured.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rates {
    by_method: BTreeMap<&'static str, Rate>,
    replay: Replay,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Rate {
    /// What takes its time whatever the size, in seconds.
    fixed: f64,
    /// Seconds for a byte of what is unpacked.
    per_byte: f64,
    /// How many trials it is from.
    trials: usize,
}

/// The newest point that can be recovered to, and how long that will take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Predicted {
    /// The backup that it begins with.
    pub backup: String,
    /// The point: all that was committed before is there.
    pub reaches: Timestamp,
    /// How long it will take; `None` when nothing like it was ever tried.
    pub took: Option<Duration>,
    /// How many bytes of log in the vault are replayed.
    pub log_bytes: u64,
    /// Whether the time of log was measured; else it is a cautious guess.
    pub log_was_measured: bool,
}

/// How long a recovery to the newest point of a vault will take. `None` when there is no backup of
/// a database.
pub async fn newest(vault: &Vault, listed: &[Listed], windows: &[Window]) -> Option<Predicted> {
    let point = newest_point(vault, listed, windows, None, false).await?;
    let mut manifests = listed.iter().filter_map(|one| one.manifest.as_ref().ok());
    let manifest = manifests.find(|one| one.name.as_str() == point.backup)?;
    let rates = Rates::of(listed).with_runs(vault).await;
    let log = log_bytes(vault, manifest, Until::Latest).await;
    Some(Predicted {
        took: rates.restore(manifest, log),
        backup: point.backup,
        reaches: point.reaches,
        log_bytes: log.unwrap_or(0),
        log_was_measured: rates.log_was_measured(),
    })
}

/// Parts that take the same time whatever the size.
const FIXED: [&str; 3] = ["start server", "start", "switch"];

fn method_of(manifest: &Manifest) -> Option<&'static str> {
    match manifest.database.as_ref()?.method {
        Method::Logical => Some("logical"),
        Method::Physical => Some("physical"),
    }
}

/// How much there is to restore: the bytes of its entries.
fn size_of(manifest: &Manifest) -> u64 {
    manifest.entries.iter().filter(|entry| !entry.superseded).map(|entry| entry.size).sum()
}

fn measure(certificate: &Certificate, size: u64) -> (f64, f64) {
    let fixed: u64 = certificate
        .steps
        .iter()
        .filter(|step| FIXED.contains(&step.name.as_str()))
        .map(|step| step.ms)
        .sum();
    let fixed = fixed.min(certificate.rto_ms);
    let rest = (certificate.rto_ms - fixed) as f64 / 1000.0;
    (fixed as f64 / 1000.0, rest / (size.max(1) as f64))
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(0.0)
}

impl Rates {
    /// What the trials of a vault have measured, and the runs whose journals are in it.
    ///
    /// # Errors
    /// When the vault does not answer.
    pub async fn measured(vault: &Vault) -> Result<Self, lifeboat::Error> {
        Ok(Self::of(&vault.list().await?).with_runs(vault).await)
    }

    /// As it is, with what runs have measured whose journals are in a vault.
    #[must_use]
    pub async fn with_runs(self, vault: &Vault) -> Self {
        Self { replay: Replay::of_vault(vault).await, ..self }
    }

    /// What the trials of a list have measured; the list has the newest first.
    pub fn of(listed: &[Listed]) -> Self {
        let mut found: BTreeMap<&'static str, Vec<(f64, f64)>> = BTreeMap::new();
        for one in listed {
            let Ok(manifest) = &one.manifest else { continue };
            let Some(certificate) = one.certificate.as_ref().and_then(Certified::valid) else {
                continue;
            };
            let Some(method) = method_of(manifest) else { continue };
            let rates = found.entry(method).or_default();
            if rates.len() < NEWEST {
                rates.push(measure(certificate, size_of(manifest)));
            }
        }
        let rate = |all: Vec<(f64, f64)>| Rate {
            trials: all.len(),
            fixed: median(all.iter().map(|one| one.0).collect()),
            per_byte: median(all.iter().map(|one| one.1).collect()),
        };
        Self {
            by_method: found.into_iter().map(|(method, all)| (method, rate(all))).collect(),
            replay: Replay::default(),
        }
    }

    /// How long a restore of a backup will take, with so many bytes of log to replay; `None` when
    /// nothing like it was ever tried.
    pub fn restore(&self, manifest: &Manifest, log_bytes: Option<u64>) -> Option<Duration> {
        let rate = self.by_method.get(method_of(manifest)?)?;
        let backup = rate.per_byte * size_of(manifest) as f64;
        let log = self.replay.per_byte * log_bytes.unwrap_or(0) as f64;
        Duration::try_from_secs_f64(rate.fixed + backup + log).ok()
    }

    /// As [`restore`](Self::restore), with the log in a vault that leads to a point.
    pub async fn recover(
        &self,
        vault: &Vault,
        manifest: &Manifest,
        until: Until,
    ) -> Option<Duration> {
        self.by_method.get(method_of(manifest)?)?;
        self.restore(manifest, log_bytes(vault, manifest, until).await)
    }

    /// Whether the time of shipped log was measured; else it is a cautious guess.
    pub fn log_was_measured(&self) -> bool {
        self.replay.measured
    }

    /// How many trials the prediction for a backup stands on.
    pub fn trials(&self, manifest: &Manifest) -> usize {
        method_of(manifest).and_then(|m| self.by_method.get(m)).map_or(0, |rate| rate.trials)
    }
}
