//! A backup of a configuration that was made.

use std::fmt::Write as _;
use std::time::Duration;

use lifeboat::config_backup::ConfigBackupReport;
use lifeboat::format::{ConfigSection, LeftOut, Manifest, Reference};
use serde::Serialize;

use super::{foreign, pairs, seconds};
use crate::units;

/// The last line of JSON.
#[derive(Debug, Serialize)]
pub(crate) struct Summary<'a> {
    message_type: &'static str,
    name: &'a str,
    vault: &'a str,
    file: &'a str,
    size: u64,
    entries: usize,
    recovery_set: Option<&'a str>,
    #[serde(flatten)]
    config: Option<&'a ConfigSection>,
    seconds: f64,
}

impl<'a> Summary<'a> {
    pub(crate) fn new(report: &'a ConfigBackupReport, vault: &'a str) -> Self {
        let manifest = &report.manifest;
        Self {
            message_type: "summary",
            name: manifest.name.as_str(),
            vault,
            file: &manifest.archive.file,
            size: manifest.archive.size,
            entries: manifest.entries.len(),
            recovery_set: manifest.options.get(lifeboat::sets::SET_OPTION).map(String::as_str),
            config: manifest.config.as_ref(),
            seconds: seconds(report.took),
        }
    }
}

/// What a person reads.
pub(crate) fn text(manifest: &Manifest, took: Duration, vault: &str) -> String {
    let archive = &manifest.archive;
    let unpacked = units::size(archive.tar_size);
    let lines = [
        (
            "size",
            format!("{} ({}; {unpacked} unpacked)", units::size(archive.size), archive.compression),
        ),
        ("entries", units::count(manifest.entries.len() as u64)),
        ("took", units::took(took)),
    ];
    let mut text = format!("{} is in {vault}\n{}", manifest.name, pairs(&lines));
    if let Some(config) = &manifest.config {
        text.push_str(&not_kept(config));
    }
    text
}

/// What of a configuration is not in its backup.
pub(crate) fn not_kept(config: &ConfigSection) -> String {
    let mut text = String::new();
    if !config.references.is_empty() {
        text.push_str("secrets that are named and not kept, since the archive is not encrypted\n");
        for Reference { kind, name } in &config.references {
            let _ = writeln!(text, "  {kind:<11}  {}", foreign(name));
        }
    }
    for (title, list) in [("not kept", &config.incomplete), ("passed over", &config.skipped)] {
        if list.is_empty() {
            continue;
        }
        let _ = writeln!(text, "{title}");
        for LeftOut { path, reason } in list {
            let _ = writeln!(text, "  {}: {}", foreign(path), foreign(reason));
        }
    }
    text
}
