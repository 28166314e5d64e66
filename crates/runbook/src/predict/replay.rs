//! How long the shipped log takes that is replayed behind a backup.
//!
//! Runs that restored with log tell it: how many bytes it was in the vault, and how long laying them
//! down and recovering took. Of the newest runs the one with the most log counts, since what else
//! there was to do weighs least in it.

use std::time::Duration;

use lifeboat::format::Manifest;
use lifeboat::ship::{BaseLog, Until, find_replay};
use lifeboat::vault::Vault;

use super::NEWEST;
use crate::journal::{Journals, Place};
use crate::state::RunState;

/// Seconds for a byte of log as long as nobody has measured it: a second for each MiB in the vault,
/// of which there is more once it is unpacked. Meant to be too long rather than too short.
const CAUTIOUS: f64 = 1.0 / (1 << 20) as f64;

/// With less log than this, in bytes, a run tells nothing of how long log takes.
const ENOUGH: u64 = 1 << 20;

/// The output of a step that restores with log: its bytes in the vault.
pub(crate) const LOG_BYTES: &str = "log-bytes";

/// The output of a step that restores: its parts.
pub(crate) const PARTS: &str = "parts";

/// Parts of a restore that replay log.
const REPLAYING: [&str; 2] = ["replay", "recover and compare"];

/// How long parts took, as a text from which [`time_of`] reads them.
pub(crate) fn words(parts: &[(&'static str, Duration)]) -> String {
    let words = parts.iter().map(|(name, took)| format!("{name} {} ms", took.as_millis()));
    words.collect::<Vec<_>>().join(", ")
}

/// The time of some of the parts in a text, in seconds.
fn time_of(names: &[&str], text: &str) -> f64 {
    let part = |part: &str| {
        let (name, ms) = part.strip_suffix(" ms")?.rsplit_once(' ')?;
        names.contains(&name).then(|| ms.parse::<u64>().ok()).flatten()
    };
    text.split(", ").filter_map(part).sum::<u64>() as f64 / 1000.0
}

/// The log in the vault that leads from a backup of a database to a point; `None` when there is
/// none, or that cannot be told.
pub(crate) async fn shipped(
    vault: &Vault,
    manifest: &Manifest,
    database: &str,
    until: Until,
) -> Option<lifeboat::ship::Replay> {
    let store = manifest.database.as_ref()?.physical.as_ref()?;
    let base = BaseLog::of(database, store.databases.get(database)?)?;
    find_replay(vault, &base, until).await.ok()?
}

/// How many bytes of log in the vault lead from a backup to a point; `None` as of [`shipped`].
pub async fn log_bytes(vault: &Vault, manifest: &Manifest, until: Until) -> Option<u64> {
    let database = &manifest.database.as_ref()?.name;
    Some(shipped(vault, manifest, database, until).await?.stored_bytes())
}

/// When a run began, by its id: `RUNBOOK-DATE-TIME-UNIQUE`.
fn moment(id: &str) -> Option<(String, String)> {
    let mut words = id.rsplit('-').skip(1).map(ToOwned::to_owned);
    let time = words.next()?;
    Some((words.next()?, time))
}

/// Seconds for a byte of log.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Replay {
    pub(super) per_byte: f64,
    /// Whether a run has measured it.
    pub(super) measured: bool,
}

impl Default for Replay {
    fn default() -> Self {
        Self { per_byte: CAUTIOUS, measured: false }
    }
}

impl Replay {
    /// What the newest runs that are journaled in a vault have measured.
    pub(super) async fn of_vault(vault: &Vault) -> Self {
        let Ok(place) = Place::vault(vault) else { return Self::default() };
        let journals = Journals::new(vec![place]);
        let (mut ids, _) = journals.runs().await;
        ids.sort_by_cached_key(|id| moment(id));
        let mut states = Vec::new();
        for id in ids.iter().rev().take(NEWEST) {
            if let Ok(records) = journals.read(id).await
                && let Some(state) = RunState::of(id, &records)
            {
                states.push(state);
            }
        }
        Self::of_runs(&states)
    }

    /// What runs have measured.
    pub(super) fn of_runs(states: &[RunState]) -> Self {
        let steps = states.iter().flat_map(|state| state.steps.values());
        let measured = steps.filter_map(|step| {
            let bytes: u64 = step.outputs.get(LOG_BYTES)?.parse().ok()?;
            Some((bytes, time_of(&REPLAYING, step.outputs.get(PARTS)?)))
        });
        let most = measured.filter(|(bytes, _)| *bytes >= ENOUGH).max_by_key(|(bytes, _)| *bytes);
        most.map_or_else(Self::default, |(bytes, seconds)| Self {
            per_byte: seconds / bytes as f64,
            measured: true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Event, Record};
    use crate::library::built_in;

    fn run(log_bytes: &str, parts: &[(&'static str, Duration)]) -> RunState {
        let declared = jiff::Timestamp::UNIX_EPOCH;
        let outputs = [(LOG_BYTES, log_bytes.to_owned()), (PARTS, words(parts))];
        let events = [
            Event::Declared {
                runbook: "region".to_owned(),
                source: built_in("region").unwrap().to_owned(),
                inputs: std::collections::BTreeMap::new(),
                declared,
                disaster: None,
                last_write: None,
                drill: None,
                predicted_ms: None,
            },
            Event::Begun { step: "restore-database".to_owned(), attempt: 1 },
            Event::Done {
                step: "restore-database".to_owned(),
                outputs: outputs.map(|(name, value)| (name.to_owned(), value)).into(),
            },
        ];
        let record = |(event, number)| Record { number, at: declared, by: "x".to_owned(), event };
        let records: Vec<Record> = events.into_iter().zip(1..).map(record).collect();
        RunState::of("region-20261124-020000-3f2a", &records).unwrap()
    }

    #[test]
    fn the_run_with_the_most_log_tells_how_long_log_takes() {
        let second = Duration::from_secs(1);
        let parts =
            [("write", 60 * second), ("replay", 2 * second), ("recover and compare", second)];
        let much = run(&(3 << 20).to_string(), &parts);
        let less = run(&(1 << 20).to_string(), &[("replay", 90 * second)]);
        let none = run("0", &[("write", second)]);
        let measured = Replay::of_runs(&[less, none.clone(), much]);
        assert!(measured.measured);
        assert!((measured.per_byte * f64::from(3 << 20) - 3.0).abs() < 1e-9, "{measured:?}");
        // Next to nothing tells nothing, and what cannot be read neither.
        let little = run("1000", &parts);
        let odd = run("many", &parts);
        assert_eq!(Replay::of_runs(&[little, none, odd]), Replay::default());
    }

    #[test]
    fn runs_are_told_apart_by_their_time() {
        let (early, late) = ("total-20261124-020000-ffff", "a-b-20261125-010000-0000");
        assert!(moment(early) < moment(late) && moment("odd").is_none());
    }
}
