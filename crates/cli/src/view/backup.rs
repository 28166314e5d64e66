//! A backup that was made.

use std::time::Duration;

use lifeboat::backup::BackupReport;
use lifeboat::format::Manifest;
use serde::Serialize;

use super::{pairs, seconds, snapshot_words};
use crate::units;

/// The last line of JSON.
#[derive(Debug, Serialize)]
pub(crate) struct Summary<'a> {
    message_type: &'static str,
    name: &'a str,
    vault: &'a str,
    file: &'a str,
    size: u64,
    nodes: Option<u64>,
    relationships: Option<u64>,
    late_nodes: Option<u64>,
    dangling_relationships: Option<u64>,
    exact: Option<bool>,
    first_tx: Option<u64>,
    last_tx: Option<u64>,
    fingerprint: Option<&'a str>,
    seconds: f64,
}

impl<'a> Summary<'a> {
    pub(crate) fn new(report: &'a BackupReport, vault: &'a str) -> Self {
        let manifest = &report.manifest;
        let database = manifest.database.as_ref();
        let counts = database.and_then(|database| database.counts.as_ref());
        let snapshot = database.and_then(|database| database.snapshot);
        let fingerprint = database.and_then(|database| database.fingerprint.as_ref());
        Self {
            message_type: "summary",
            name: manifest.name.as_str(),
            vault,
            file: &manifest.archive.file,
            size: manifest.archive.size,
            nodes: counts.map(|counts| counts.nodes),
            relationships: counts.map(|counts| counts.relationships),
            late_nodes: counts.map(|counts| counts.late_nodes),
            dangling_relationships: counts.map(|counts| counts.dangling_relationships),
            exact: snapshot.map(|snapshot| snapshot.exact),
            first_tx: snapshot.map(|snapshot| snapshot.first_tx),
            last_tx: snapshot.map(|snapshot| snapshot.last_tx),
            fingerprint: fingerprint.map(|fingerprint| fingerprint.graph.as_str()),
            seconds: seconds(report.took),
        }
    }
}

/// What a person reads.
pub(crate) fn text(manifest: &Manifest, took: Duration, vault: &str) -> String {
    let archive = &manifest.archive;
    let unpacked = units::size(archive.tar_size);
    let mut lines = vec![(
        "size",
        format!("{} ({}; {unpacked} unpacked)", units::size(archive.size), archive.compression),
    )];
    let mut rate = String::new();
    if let Some(database) = &manifest.database {
        if let Some(counts) = &database.counts {
            lines.push(("nodes", units::count(counts.nodes)));
            lines.push(("relationships", units::count(counts.relationships)));
            lines.push(("schema", schema(counts.constraints, counts.indexes)));
            let things = units::rate(counts.nodes + counts.relationships, took);
            rate = format!(" ({} nodes and relationships a second)", units::count(things));
        }
        lines.push(("snapshot", snapshot_words(database.snapshot.as_ref())));
        if let Some(fingerprint) = &database.fingerprint {
            lines.push(("fingerprint", fingerprint.graph.clone()));
        }
    }
    lines.push(("took", format!("{}{rate}", units::took(took))));
    format!("{} is in {vault}\n{}", manifest.name, pairs(&lines))
}

pub(super) fn schema(constraints: u64, indexes: u64) -> String {
    let indexes = if indexes == 1 {
        "1 index".to_owned()
    } else {
        format!("{} indexes", units::count(indexes))
    };
    format!("{}, {indexes}", units::many(constraints, "constraint"))
}

/// What is worth a warning.
pub(crate) fn warnings(manifest: &Manifest) -> Vec<String> {
    let counts = manifest.database.as_ref().and_then(|database| database.counts.as_ref());
    let dangling = counts.map_or(0, |counts| counts.dangling_relationships);
    if dangling == 0 {
        return Vec::new();
    }
    vec![format!(
        "{} left out, because an end node was deleted while the graph was read; take a backup \
         while less is written for an exact one",
        if dangling == 1 {
            "1 relationship was".to_owned()
        } else {
            format!("{} relationships were", units::count(dangling))
        }
    )]
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn tells_an_exact_backup() {
        insta::assert_snapshot!(text(
            &sample::manifest(),
            Duration::from_millis(1250),
            "/var/backups/neo4j"
        ));
        assert!(warnings(&sample::manifest()).is_empty());
    }

    #[test]
    fn tells_a_fuzzy_backup_and_warns() {
        let manifest = sample::fuzzy();
        insta::assert_snapshot!(text(
            &manifest,
            Duration::from_secs(125),
            "az://account/neo4j-backups"
        ));
        insta::assert_snapshot!(warnings(&manifest).join("\n"));
    }

    #[test]
    fn tells_a_program() {
        let report =
            BackupReport { manifest: sample::manifest(), took: Duration::from_millis(1250) };
        insta::assert_json_snapshot!(Summary::new(&report, "/v"));
    }
}
