//! What was copied from one vault to the other.

use std::fmt::Write as _;

use jiff::Timestamp;
use lifeboat::replicate::{Lag, Outcome, ReplicateReport, Replicated, SegmentReport};
use serde::Serialize;

use super::seconds;
use crate::output::{RED, paint};
use crate::units;

/// A line of JSON for each backup.
#[derive(Debug, Serialize)]
pub(crate) struct Line<'a> {
    message_type: &'static str,
    name: &'a str,
    kind: String,
    size: u64,
    created: Timestamp,
    /// `copied`, `repaired`, `certified` or `failed`.
    outcome: &'static str,
    dry_run: bool,
    reason: Option<&'a str>,
}

impl<'a> Line<'a> {
    pub(crate) fn new(one: &'a Replicated, dry_run: bool) -> Self {
        let (outcome, reason) = match &one.outcome {
            Outcome::Copied => ("copied", None),
            Outcome::Repaired => ("repaired", None),
            Outcome::Certified => ("certified", None),
            Outcome::Failed(reason) => ("failed", Some(reason.as_str())),
        };
        Self {
            message_type: "replicated",
            name: one.name.as_str(),
            kind: one.kind.to_string(),
            size: one.size,
            created: one.created,
            outcome,
            dry_run,
            reason,
        }
    }
}

/// The last line of JSON.
#[derive(Debug, Serialize)]
pub(crate) struct Summary<'a> {
    message_type: &'static str,
    from: &'a str,
    to: &'a str,
    dry_run: bool,
    copied: usize,
    failed: usize,
    already: usize,
    bytes_sent: u64,
    behind_before: Behind,
    lag: Behind,
    newest_copy: Option<Timestamp>,
    segments: Segments<'a>,
    seconds: f64,
}

/// Log segments.
#[derive(Debug, Serialize)]
struct Segments<'a> {
    copied: u64,
    bytes: u64,
    missing: u64,
    missing_bytes: u64,
    failed: Vec<Unsent<'a>>,
}

/// An object of segments that could not be copied.
#[derive(Debug, Serialize)]
struct Unsent<'a> {
    object: &'a str,
    reason: &'a str,
}

impl<'a> Segments<'a> {
    fn new(report: &'a SegmentReport) -> Self {
        let failed = report.failed.iter().map(|(object, reason)| Unsent { object, reason });
        Self {
            copied: report.objects,
            bytes: report.bytes,
            missing: report.missing,
            missing_bytes: report.missing_bytes,
            failed: failed.collect(),
        }
    }
}

/// How far the target is behind.
#[derive(Debug, Serialize)]
struct Behind {
    backups: usize,
    bytes: u64,
    /// Of the newest backup that the target lacks.
    age_seconds: Option<u64>,
}

impl Behind {
    fn new(lag: &Lag, now: Timestamp) -> Self {
        let age_seconds = lag.age(now).map(|age| age.as_secs());
        Self { backups: lag.backups, bytes: lag.bytes, age_seconds }
    }
}

impl<'a> Summary<'a> {
    pub(crate) fn new(
        report: &'a ReplicateReport,
        from: &'a str,
        to: &'a str,
        dry_run: bool,
        now: Timestamp,
    ) -> Self {
        let failed = failed(report);
        Self {
            message_type: "summary",
            from,
            to,
            dry_run,
            copied: report.backups.len() - failed,
            failed,
            already: report.already,
            bytes_sent: report.sent,
            behind_before: Behind::new(&report.before, now),
            lag: Behind::new(&report.lag, now),
            newest_copy: report.newest_copy,
            segments: Segments::new(&report.segments),
            seconds: seconds(report.took),
        }
    }
}

fn failed(report: &ReplicateReport) -> usize {
    report.backups.iter().filter(|one| matches!(one.outcome, Outcome::Failed(_))).count()
}

/// What a person reads of each backup.
pub(crate) fn line_text(one: &Replicated, dry_run: bool, colour: bool) -> String {
    let Replicated { name, size, .. } = one;
    let size = units::size(*size);
    match (&one.outcome, dry_run) {
        (Outcome::Copied, false) => format!("{name}: copied, {size}\n"),
        (Outcome::Copied, true) => format!("{name}: would be copied, {size}\n"),
        (Outcome::Repaired, false) => format!("{name}: its damaged copy was replaced, {size}\n"),
        (Outcome::Repaired, true) => {
            format!("{name}: its damaged copy would be replaced, {size}\n")
        }
        (Outcome::Certified, false) => format!("{name}: its certificate was copied\n"),
        (Outcome::Certified, true) => format!("{name}: its certificate would be copied\n"),
        (Outcome::Failed(reason), _) => {
            format!("{name}: {} {reason}\n", paint(colour, RED, "NOT COPIED:"))
        }
    }
}

/// What a person reads of log segments.
fn segments_text(report: &SegmentReport, dry_run: bool) -> String {
    let mut text = String::new();
    for (object, reason) in &report.failed {
        let _ = writeln!(text, "{object}: NOT COPIED: {reason}");
    }
    if report.objects > 0 {
        let copied = if dry_run { "would be copied" } else { "copied" };
        let (objects, size) = (units::count(report.objects), units::size(report.bytes));
        let _ = writeln!(text, "log segments: {objects} {copied}, {size}");
    }
    if report.missing > 0 && !dry_run {
        let size = units::size(report.missing_bytes);
        let _ = writeln!(text, "log segments: {} missing, {size}", units::count(report.missing));
    }
    text
}

/// What a person reads in the end.
pub(crate) fn text(report: &ReplicateReport, to: &str, dry_run: bool, now: Timestamp) -> String {
    let missing = |lag: &Lag| {
        let age = lag.age(now).map_or_else(String::new, |age| {
            let age = jiff::SignedDuration::try_from(age).unwrap_or(jiff::SignedDuration::MAX);
            format!(", the newest {} old", units::age(age))
        });
        let backups = units::many(lag.backups as u64, "backup");
        format!("{to} lacks {backups} ({}{age})\n", units::size(lag.bytes))
    };
    let newest = report.newest_copy.map_or_else(
        || "it has no usable backup".to_owned(),
        |newest| format!("its newest backup is {} old", units::age(now.duration_since(newest))),
    );
    let segments = segments_text(&report.segments, dry_run);
    if report.lag.backups > 0 {
        return segments + &missing(&report.lag);
    }
    if dry_run {
        return format!("{segments}{to} lacks no backup; {newest}\n");
    }
    format!(
        "{segments}{to} has every backup: {} new ({} sent in {}), {} there before; {newest}\n",
        report.backups.len() - failed(report),
        units::size(report.sent),
        units::took(report.took),
        report.already,
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lifeboat::format::BackupKind;

    use super::*;

    fn now() -> Timestamp {
        "2026-11-24T09:00:00Z".parse().unwrap()
    }

    fn report(failed: bool) -> ReplicateReport {
        let one = |name: &str, outcome| Replicated {
            name: name.parse().unwrap(),
            kind: BackupKind::Database,
            size: 45_823_921,
            created: "2026-11-24T02:00:00Z".parse().unwrap(),
            outcome,
        };
        let newest: Timestamp = "2026-11-24T02:00:00Z".parse().unwrap();
        let lag = Lag { backups: 1, bytes: 45_823_921, newest: Some(newest) };
        let reason = "the backup is damaged: its archive x is missing".to_owned();
        ReplicateReport {
            backups: vec![
                one("neo4j-backup-20261124-020000", Outcome::Copied),
                one("neo4j-backup-20261123-020000", Outcome::Repaired),
                one("neo4j-backup-20261122-020000", Outcome::Certified),
                one(
                    "neo4j-backup-20261121-020000",
                    if failed { Outcome::Failed(reason) } else { Outcome::Copied },
                ),
            ],
            already: 27,
            before: lag,
            lag: if failed { lag } else { Lag::default() },
            newest_copy: Some(newest),
            segments: SegmentReport {
                objects: 12,
                bytes: 1_234_567,
                missing: u64::from(failed),
                missing_bytes: if failed { 4096 } else { 0 },
                failed: if failed {
                    vec![("ship/neo4j/000001/x.seg".to_owned(), "it is cut off".to_owned())]
                } else {
                    Vec::new()
                },
            },
            sent: 91_647_842,
            took: Duration::from_secs(3),
        }
    }

    #[test]
    fn tells_what_was_copied_and_what_is_missing() {
        for (failed, dry_run) in [(false, false), (true, false), (false, true)] {
            let report = report(failed);
            let mut shown: String =
                report.backups.iter().map(|one| line_text(one, dry_run, false)).collect();
            shown.push_str(&text(&report, "az://west/neo4j-backups", dry_run, now()));
            insta::assert_snapshot!(shown);
        }
    }

    #[test]
    fn tells_a_program() {
        let report = report(true);
        insta::assert_json_snapshot!(Summary::new(&report, "/a", "/b", false, now()));
        insta::assert_json_snapshot!(Line::new(&report.backups[3], false));
    }
}
