//! All there is to know about a backup.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use lifeboat::format::Manifest;
use lifeboat::vault::Certified;

use super::config_backup::not_kept;
use super::place::Place;
use super::{backup::schema, foreign, pairs, snapshot_words, trial};
use crate::units;

/// What a program reads: the manifest, without the table of frames, which is for machines that
/// read the archive.
pub(crate) fn json(
    manifest: &Manifest,
    certified: Option<&Certified>,
    place: &Place,
) -> serde_json::Value {
    let mut value = serde_json::to_value(manifest).unwrap_or_default();
    place.add_to(&mut value);
    if let Some(archive) = value.get_mut("archive").and_then(serde_json::Value::as_object_mut) {
        archive.remove("frames");
    }
    match certified {
        Some(Certified::Valid(certificate)) => {
            value["certificate"] = serde_json::to_value(certificate.as_ref()).unwrap_or_default();
        }
        Some(Certified::Invalid(why)) => value["certificate_invalid"] = why.as_str().into(),
        None => {}
    }
    value
}

/// What a person reads.
pub(crate) fn text(
    manifest: &Manifest,
    certified: Option<&Certified>,
    vault: &str,
    now: Timestamp,
) -> String {
    let archive = &manifest.archive;
    let tool = &manifest.tool;
    let age = units::age(now.duration_since(manifest.created));
    let mut text = format!("{}\n", manifest.name);
    let mut lines = vec![
        ("vault", vault.to_owned()),
        ("created", format!("{} ({age} ago)", manifest.created.strftime("%Y-%m-%d %H:%M:%S UTC"))),
        ("took", units::took(manifest.duration().unsigned_abs())),
        ("made by", format!("{} {}", tool.name, tool.version)),
        ("archive", archive.file.clone()),
        ("size", format!("{} ({} bytes)", units::size(archive.size), archive.size)),
        ("unpacked", units::size(archive.tar_size)),
        ("compression", archive.compression.to_string()),
        ("BLAKE3", archive.blake3.to_string()),
        ("entries", units::count(manifest.entries.len() as u64)),
    ];
    if let Some(database) = &manifest.database {
        let server = &database.server;
        let edition = server.edition.as_deref().unwrap_or("of unknown edition");
        lines.push(("database", database.name.clone()));
        if let Some(id) = database.id {
            lines.push(("database id", id.to_string()));
        }
        lines.push(("server", format!("Neo4j {} {edition}", server.version)));
        lines.push(("method", database.method.to_string()));
        lines.push(("snapshot", snapshot_words(database.snapshot.as_ref())));
        if let Some(fingerprint) = &database.fingerprint {
            lines.push((
                "fingerprint",
                format!("{} ({})", fingerprint.graph, fingerprint.algorithm),
            ));
        }
        if let Some(counts) = &database.counts {
            lines.push(("nodes", units::count(counts.nodes)));
            lines.push(("relationships", units::count(counts.relationships)));
            lines.push(("schema", schema(counts.constraints, counts.indexes)));
            if counts.late_nodes > 0 {
                lines.push(("late nodes", units::count(counts.late_nodes)));
            }
            if counts.dangling_relationships > 0 {
                lines
                    .push(("left out", units::many(counts.dangling_relationships, "relationship")));
            }
        }
    }
    text.push_str(&pairs(&lines));
    if let Some(counts) = manifest.database.as_ref().and_then(|database| database.counts.as_ref()) {
        text.push_str(&numbers("nodes by label", &counts.labels));
        text.push_str(&numbers("relationships by type", &counts.types));
    }
    if let Some(config) = &manifest.config {
        if !config.application.is_empty() {
            let application: Vec<_> = config
                .application
                .iter()
                .map(|(key, text)| (foreign(key), foreign(text)))
                .collect();
            let _ = write!(text, "application\n{}", pairs(&application));
        }
        text.push_str(&not_kept(config));
    }
    match certified {
        Some(Certified::Valid(certificate)) => text.push_str(&trial::text(certificate, now)),
        Some(Certified::Invalid(why)) => {
            let _ = writeln!(text, "its certificate is invalid: {}", foreign(why));
        }
        None => {}
    }
    if !manifest.options.is_empty() {
        text.push_str("notes\n");
        let notes: Vec<_> =
            manifest.options.iter().map(|(key, note)| (foreign(key), foreign(note))).collect();
        text.push_str(&pairs(&notes));
    }
    text
}

fn numbers(title: &str, map: &BTreeMap<String, u64>) -> String {
    if map.is_empty() {
        return String::new();
    }
    let lines: Vec<_> =
        map.iter().map(|(name, number)| (foreign(name), units::count(*number))).collect();
    format!("{title}\n{}", pairs(&lines))
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn shows_everything() {
        let now = "2026-11-24T09:00:00Z".parse().unwrap();
        let valid = Certified::Valid(trial::sample::certificate().into());
        let invalid = Certified::Invalid("it does not match its own digest".to_owned());
        let vault = "/var/backups/neo4j";
        insta::assert_snapshot!(text(&sample::manifest(), Some(&valid), vault, now));
        insta::assert_snapshot!(text(&sample::fuzzy(), Some(&invalid), vault, now));
    }

    #[test]
    fn leaves_out_the_frames() {
        let json = json(&sample::manifest(), None, &Place::default());
        assert_eq!(json["name"], "neo4j-backup-20261124-020000");
        assert_eq!(json["archive"]["compression"], "zstd");
        assert!(json["archive"].get("frames").is_none());
    }
}
