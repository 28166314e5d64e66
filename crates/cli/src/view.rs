//! What a person or a program reads, made from the engine's reports as text and as JSON.
//!
//! Members of JSON are part of the interface: sizes in bytes, times in RFC 3339, durations in
//! seconds.

pub(crate) mod backup;
pub(crate) mod config;
pub(crate) mod doctor;
pub(crate) mod list;
pub(crate) mod prune;
pub(crate) mod restore;
pub(crate) mod show;
pub(crate) mod verify;

use lifeboat::format::{Manifest, Snapshot};

/// The note that the engine leaves in a safety backup.
const SAFETY_NOTE: &str = "safety-backup-before-restore-of";

/// The backup that was about to be restored when this one was taken for safety.
fn safety_of(manifest: &Manifest) -> Option<&str> {
    manifest.options.get(SAFETY_NOTE).map(String::as_str)
}

/// Lines of a name and a value, aligned.
fn pairs(lines: &[(&str, String)]) -> String {
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    lines.iter().map(|(name, value)| format!("  {name:width$}  {value}\n")).collect()
}

/// What a backup's transactions mean for whoever will restore it.
fn snapshot_words(snapshot: Option<&Snapshot>) -> String {
    match snapshot {
        None => "unknown: the server does not tell its transactions".to_owned(),
        Some(Snapshot { exact: true, last_tx, .. }) => {
            format!("exact: the graph as it was after transaction {last_tx}")
        }
        Some(Snapshot { first_tx, last_tx, .. }) => format!(
            "fuzzy: transactions {first_tx} to {last_tx} were committed while the graph was read, \
             and may be in the backup in part"
        ),
    }
}

/// Seconds with three digits behind the point.
fn seconds(duration: std::time::Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}

#[cfg(test)]
pub(crate) mod sample;
