//! What a restore into a home will do, and what it did.

use std::path::Path;

use jiff::Timestamp;
use lifeboat::physical_restore::{HomeRestorePlan, HomeRestoreReport, Proof};
use serde::Serialize;

use super::place::Place;
use super::restore::Step;
use super::{pairs, seconds, snapshot_words};
use crate::units;

/// The first line of JSON.
#[derive(Debug, Serialize)]
pub(crate) struct Plan<'a> {
    message_type: &'static str,
    backup: &'a str,
    created: Timestamp,
    home: &'a Path,
    databases: &'a [String],
    /// The version of the server of this home, when it is known.
    server_version: Option<String>,
    backup_version: Option<&'a str>,
    replaces: bool,
    dry_run: bool,
    bytes: u64,
    log_bytes: u64,
    until: String,
    last_tx: Option<u64>,
    #[serde(flatten)]
    place: Place,
}

impl<'a> Plan<'a> {
    pub(crate) fn new(plan: &'a HomeRestorePlan, place: Place, dry_run: bool) -> Self {
        let database = plan.manifest.database.as_ref();
        Self {
            message_type: "plan",
            backup: plan.manifest.name.as_str(),
            created: plan.manifest.created,
            home: &plan.layout.home,
            databases: &plan.databases,
            server_version: plan.version.as_ref().map(ToString::to_string),
            backup_version: database.map(|database| database.server.version.as_str()),
            replaces: plan.replaces,
            dry_run,
            bytes: plan.bytes,
            log_bytes: plan.log_bytes,
            until: plan.until.to_string(),
            last_tx: database.and_then(|database| database.snapshot).map(|at| at.last_tx),
            place,
        }
    }
}

/// What a person reads before.
pub(crate) fn plan_text(plan: &HomeRestorePlan, now: Timestamp) -> String {
    let manifest = &plan.manifest;
    let age = units::age(now.duration_since(manifest.created));
    let mut lines = vec![
        ("backup", format!("{}, {age} old, {}", manifest.name, units::size(manifest.archive.size))),
        ("databases", plan.databases.join(", ")),
    ];
    if let Some(database) = &manifest.database {
        let server = match &plan.version {
            Some(version) => format!("Neo4j {version}"),
            None => "of unknown version".to_owned(),
        };
        let from = format!("Neo4j {}, into a server that is {server}", database.server.version);
        lines.push(("written by", from));
        lines.push(("snapshot", snapshot_words(database.snapshot.as_ref())));
    }
    lines.push(("writes", units::size(plan.bytes)));
    let log = match plan.log_bytes {
        0 => "no shipped log follows it".to_owned(),
        bytes => format!("{} of shipped log, to {}", units::size(bytes), plan.until),
    };
    lines.push(("replays", log));
    let home = plan.layout.home.display();
    let verb = if plan.replaces {
        format!("Restores into {home}; the data there is kept beside:")
    } else {
        format!("Restores into {home}, which holds no data:")
    };
    format!("{verb}\n{}", pairs(&lines))
}

/// The last line of JSON.
#[derive(Debug, Serialize)]
pub(crate) struct Summary<'a> {
    message_type: &'static str,
    backup: &'a str,
    databases: &'a [String],
    last_tx: Option<u64>,
    /// A server started on it, and its last transaction was the one expected.
    proven: bool,
    checked: bool,
    counted: bool,
    fingerprinted: bool,
    kept_in: Option<&'a Path>,
    steps: Vec<Step>,
    seconds: f64,
}

impl<'a> Summary<'a> {
    pub(crate) fn new(report: &'a HomeRestoreReport) -> Self {
        let Proof { started, checked, counted, fingerprinted } = report.proof;
        Self {
            message_type: "summary",
            backup: report.manifest.name.as_str(),
            databases: &report.databases,
            last_tx: report.last_tx,
            proven: started,
            checked,
            counted,
            fingerprinted,
            kept_in: report.safety.as_deref(),
            steps: report.steps.iter().map(|(step, took)| Step::new(step, *took)).collect(),
            seconds: seconds(report.steps.iter().map(|(_, took)| *took).sum()),
        }
    }
}

/// What a person reads after.
pub(crate) fn text(report: &HomeRestoreReport, home: &Path) -> String {
    let mut lines = vec![("databases", report.databases.join(", "))];
    if let Some(tx) = report.last_tx {
        lines.push(("state", format!("after transaction {tx}")));
    }
    lines.push(("proof", proof(report.proof)));
    if let Some(safety) = &report.safety {
        let kept = format!("what was there before is kept in {}", safety.display());
        lines.push(("replaced", kept));
    }
    for (step, took) in &report.steps {
        lines.push((step, units::took(*took)));
    }
    let name = &report.manifest.name;
    format!("{name} is restored into {}\n{}", home.display(), pairs(&lines))
}

fn proof(proof: Proof) -> String {
    let words = [
        (proof.started, "a server recovered it to that transaction"),
        (proof.counted, "counts as in the backup"),
        (proof.fingerprinted, "fingerprint as in the backup"),
        (proof.checked, "Neo4j's consistency check is clean"),
    ];
    let done: Vec<_> = words.iter().filter(|(done, _)| *done).map(|(_, word)| *word).collect();
    if done.is_empty() {
        return "every byte is as it was backed up; no server has tried it".to_owned();
    }
    done.join("; ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lifeboat::neo4j::physical::Layout;
    use lifeboat::ship::Until;

    use super::super::sample;
    use super::*;

    fn plan(replaces: bool) -> HomeRestorePlan {
        HomeRestorePlan {
            manifest: sample::physical(),
            databases: vec!["neo4j".to_owned(), "system".to_owned()],
            layout: Layout {
                home: "/var/lib/neo4j".into(),
                data: "/var/lib/neo4j/data".into(),
                transactions: "/var/lib/neo4j/data/transactions".into(),
            },
            version: replaces.then(|| "5.26.18".parse().unwrap()),
            replaces,
            bytes: 812_345_678,
            log_bytes: if replaces { 5_000_000 } else { 0 },
            until: Until::Latest,
        }
    }

    #[test]
    fn shows_the_plan() {
        let now = "2026-11-24T09:00:00Z".parse().unwrap();
        insta::assert_snapshot!(plan_text(&plan(true), now));
        insta::assert_snapshot!(plan_text(&plan(false), now));
        insta::assert_json_snapshot!(Plan::new(&plan(true), Place::default(), true));
    }

    #[test]
    fn shows_the_result() {
        let mut report = HomeRestoreReport {
            manifest: sample::physical(),
            databases: vec!["neo4j".to_owned(), "system".to_owned()],
            last_tx: Some(1234),
            proof: Proof { started: true, checked: true, counted: true, fingerprinted: false },
            safety: Some("/var/lib/neo4j/data/before-restore-20261124-090000".into()),
            steps: vec![
                ("verify archive", Duration::from_millis(400)),
                ("write", Duration::from_millis(900)),
                ("recover and compare", Duration::from_secs(8)),
            ],
        };
        insta::assert_snapshot!(text(&report, Path::new("/var/lib/neo4j")));
        insta::assert_json_snapshot!(Summary::new(&report));
        report.proof = Proof::default();
        report.safety = None;
        insta::assert_snapshot!(text(&report, Path::new("/var/lib/neo4j")));
    }
}
