//! What a restore will do, and what it did.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use lifeboat::bulk::BulkRestoreReport;
use lifeboat::format::{Counts, DatabaseSection, Manifest};
use lifeboat::restore::{RestorePlan, RestoreReport};
use serde::Serialize;

use super::place::Place;
use super::{pairs, seconds, snapshot_words};
use crate::units;

/// The first line of JSON.
#[derive(Debug, Serialize)]
pub(crate) struct Plan<'a> {
    message_type: &'static str,
    backup: &'a str,
    created: Timestamp,
    server: &'a str,
    database: &'a str,
    replaces: bool,
    dry_run: bool,
    nodes_now: u64,
    relationships_now: u64,
    nodes_in_backup: Option<u64>,
    relationships_in_backup: Option<u64>,
    #[serde(flatten)]
    place: Place,
}

impl<'a> Plan<'a> {
    pub(crate) fn new(plan: &'a RestorePlan, server: &'a str, place: Place, dry_run: bool) -> Self {
        let counts = counts(&plan.manifest);
        Self {
            message_type: "plan",
            backup: plan.manifest.name.as_str(),
            created: plan.manifest.created,
            server,
            database: &plan.target.name,
            replaces: plan.replaces,
            dry_run,
            nodes_now: plan.target.nodes,
            relationships_now: plan.target.relationships,
            nodes_in_backup: counts.map(|counts| counts.nodes),
            relationships_in_backup: counts.map(|counts| counts.relationships),
            place,
        }
    }
}

fn counts(manifest: &Manifest) -> Option<&Counts> {
    manifest.database.as_ref()?.counts.as_ref()
}

fn amount(nodes: u64, relationships: u64) -> String {
    format!("{}, {}", units::many(nodes, "node"), units::many(relationships, "relationship"))
}

/// What a person reads before.
pub(crate) fn plan_text(plan: &RestorePlan, server: &str, now: Timestamp) -> String {
    let manifest = &plan.manifest;
    let age = units::age(now.duration_since(manifest.created));
    let target = &plan.target;
    let mut lines = vec![
        ("backup", format!("{}, {age} old, {}", manifest.name, units::size(manifest.archive.size))),
        (
            "into",
            format!("{} at {server} (Neo4j {} {})", target.name, target.version, target.edition),
        ),
        ("now there", amount(target.nodes, target.relationships)),
    ];
    if let Some(counts) = counts(manifest) {
        lines.push(("in the backup", amount(counts.nodes, counts.relationships)));
    }
    if let Some(database) = &manifest.database {
        lines.push(("snapshot", snapshot_words(database.snapshot.as_ref())));
    }
    let verb = if plan.replaces {
        "Replaces the database, after a safety backup of it:"
    } else {
        "Restores into an empty database:"
    };
    format!("{verb}\n{}", pairs(&lines))
}

/// The last line of JSON.
#[derive(Debug, Serialize)]
pub(crate) struct Summary<'a> {
    message_type: &'static str,
    backup: &'a str,
    database: &'a str,
    nodes: Option<u64>,
    relationships: Option<u64>,
    fingerprint: Option<&'a str>,
    /// The restored graph was read back, and is the one that was backed up.
    proven: bool,
    safety_backup: Option<&'a str>,
    /// Where a bulk restore keeps what it replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept_in: Option<&'a Path>,
    steps: Vec<Step>,
    seconds: f64,
}

#[derive(Debug, Serialize)]
pub(super) struct Step {
    step: &'static str,
    seconds: f64,
}

impl Step {
    pub(super) fn new(step: &'static str, took: Duration) -> Self {
        Self { step, seconds: seconds(took) }
    }
}

impl<'a> Summary<'a> {
    pub(crate) fn new(report: &'a RestoreReport) -> Self {
        let safety = report.safety.as_ref().map(AsRef::as_ref);
        Self {
            safety_backup: safety,
            ..Self::of(&report.manifest, &report.restored, &report.steps)
        }
    }

    pub(crate) fn bulk(report: &'a BulkRestoreReport) -> Self {
        let kept = report.safety.as_deref();
        Self { kept_in: kept, ..Self::of(&report.manifest, &report.restored, &report.steps) }
    }

    fn of(
        manifest: &'a Manifest,
        restored: &'a DatabaseSection,
        steps: &[(&'static str, Duration)],
    ) -> Self {
        Self {
            message_type: "summary",
            backup: manifest.name.as_str(),
            database: &restored.name,
            nodes: restored.counts.as_ref().map(|counts| counts.nodes),
            relationships: restored.counts.as_ref().map(|counts| counts.relationships),
            fingerprint: restored.fingerprint.as_ref().map(|print| print.graph.as_str()),
            proven: true,
            safety_backup: None,
            kept_in: None,
            steps: steps.iter().map(|(step, took)| Step::new(step, *took)).collect(),
            seconds: seconds(steps.iter().map(|(_, took)| *took).sum()),
        }
    }
}

/// What a person reads after a bulk restore.
pub(crate) fn bulk_text(report: &BulkRestoreReport, home: &Path) -> String {
    let restored = &report.restored;
    let mut lines = Vec::new();
    if let Some(counts) = &restored.counts {
        lines.push(("nodes", units::count(counts.nodes)));
        lines.push(("relationships", units::count(counts.relationships)));
    }
    if let Some(fingerprint) = &restored.fingerprint {
        lines.push(("fingerprint", format!("{}, the same as in the backup", fingerprint.graph)));
    }
    if let Some(safety) = &report.safety {
        let kept = format!("what was there before is kept in {}", safety.display());
        lines.push(("replaced", kept));
    }
    for (step, took) in &report.steps {
        lines.push((step, units::took(*took)));
    }
    format!(
        "{} is restored into {} of {}; the server can be started\n{}",
        report.manifest.name,
        restored.name,
        home.display(),
        pairs(&lines)
    )
}

/// What a person reads after.
pub(crate) fn text(report: &RestoreReport, server: &str) -> String {
    let restored = &report.restored;
    let mut lines = Vec::new();
    let mut rate = String::new();
    if let Some(counts) = &restored.counts {
        lines.push(("nodes", units::count(counts.nodes)));
        lines.push(("relationships", units::count(counts.relationships)));
        let things = units::rate(counts.nodes + counts.relationships, report.took());
        rate = format!(" ({} nodes and relationships a second)", units::count(things));
    }
    if let Some(fingerprint) = &restored.fingerprint {
        lines.push(("fingerprint", format!("{}, the same as in the backup", fingerprint.graph)));
    }
    if let Some(safety) = &report.safety {
        lines.push(("replaced", format!("what was there before is kept as {safety}")));
    }
    lines.push(("took", format!("{}{rate}", units::took(report.took()))));
    for (step, took) in &report.steps {
        lines.push((step, units::took(*took)));
    }
    format!(
        "{} is restored into {} at {server}\n{}",
        report.manifest.name,
        restored.name,
        pairs(&lines)
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lifeboat::neo4j::Database;

    use super::super::sample;
    use super::*;

    fn plan(replaces: bool) -> RestorePlan {
        let (nodes, relationships) = if replaces { (1, 20_000) } else { (0, 0) };
        RestorePlan {
            manifest: sample::manifest(),
            target: Database {
                name: "neo4j".to_owned(),
                version: "2026.09.0".to_owned(),
                edition: "community".to_owned(),
                bolt: "6.0".to_owned(),
                nodes,
                relationships,
            },
            replaces,
        }
    }

    #[test]
    fn shows_the_plan() {
        let now = "2026-11-24T09:00:00Z".parse().unwrap();
        insta::assert_snapshot!(plan_text(&plan(true), "bolt://localhost:7687", now));
        insta::assert_snapshot!(plan_text(&plan(false), "bolt://localhost:7687", now));
        insta::assert_json_snapshot!(Plan::new(
            &plan(true),
            "bolt://localhost:7687",
            Place::default(),
            true
        ));
    }

    #[test]
    fn shows_the_result() {
        let manifest = sample::manifest();
        let report = RestoreReport {
            restored: manifest.database.clone().unwrap(),
            manifest,
            safety: Some("neo4j-backup-20261124-090000".parse().unwrap()),
            steps: vec![
                ("verify archive", Duration::from_millis(400)),
                ("safety backup", Duration::from_millis(900)),
                ("write nodes", Duration::from_secs(4)),
                ("write relationships", Duration::from_secs(3)),
                ("constraints and indexes", Duration::from_secs(1)),
            ],
        };
        insta::assert_snapshot!(text(&report, "bolt://localhost:7687"));
        insta::assert_json_snapshot!(Summary::new(&report));
    }
}
