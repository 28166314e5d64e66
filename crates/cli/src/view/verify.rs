//! Backups that were verified.

use std::time::Duration;

use lifeboat::format::BackupName;
use lifeboat::vault::Vault;
use lifeboat::verify::{Level, VerifyReport};
use serde::Serialize;

use super::place::Place;
use super::seconds;
use crate::output::{GREEN, RED, paint};
use crate::units;

/// One backup.
#[derive(Debug, Serialize)]
pub(crate) struct Verified {
    message_type: &'static str,
    name: String,
    good: bool,
    /// `full`, `sample` or `quick`.
    level: Option<&'static str>,
    bytes: u64,
    /// How many frames of the archive were checked, and how many there are.
    frames: usize,
    frames_total: usize,
    /// What chose the sample.
    seed: Option<u64>,
    seconds: f64,
    damage: Option<String>,
    #[serde(skip)]
    took: Duration,
}

impl Verified {
    pub(crate) fn good(report: &VerifyReport, level: Level) -> Self {
        Self {
            message_type: "verified",
            name: report.manifest.name.to_string(),
            good: true,
            level: Some(match level {
                Level::Quick => "quick",
                Level::Sample { .. } => "sample",
                Level::Full => "full",
            }),
            bytes: report.bytes,
            frames: report.frames,
            frames_total: report.manifest.archive.frames.0.len(),
            seed: match level {
                Level::Sample { seed, .. } => Some(seed),
                _ => None,
            },
            seconds: seconds(report.took),
            damage: None,
            took: report.took,
        }
    }

    pub(crate) fn damaged(name: &BackupName, damage: String) -> Self {
        Self {
            message_type: "verified",
            name: name.to_string(),
            good: false,
            level: None,
            bytes: 0,
            frames: 0,
            frames_total: 0,
            seed: None,
            seconds: 0.0,
            damage: Some(damage),
            took: Duration::ZERO,
        }
    }

    /// What a person reads.
    pub(crate) fn text(&self, colour: bool) -> String {
        let Self { name, .. } = self;
        if let Some(damage) = &self.damage {
            return format!("{name}: {} {damage}\n", paint(colour, RED, "DAMAGED"));
        }
        let good = paint(colour, GREEN, "good");
        if self.level == Some("quick") {
            return format!("{name}: {good}, as far as can be seen without reading the archive\n");
        }
        let rate = units::size(units::rate(self.bytes, self.took));
        if let Some(seed) = self.seed {
            return format!(
                "{name}: {good}, as far as a sample can tell: {} of {} frames, {} in {} ({rate}/s), \
                 chosen by --seed {seed}\n",
                units::count(self.frames as u64),
                units::count(self.frames_total as u64),
                units::size(self.bytes),
                units::took(self.took)
            );
        }
        format!(
            "{name}: {good}, every byte of {} was checked in {} ({rate}/s)\n",
            units::size(self.bytes),
            units::took(self.took)
        )
    }
}

/// All of them.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    message_type: &'static str,
    vault: String,
    #[serde(flatten)]
    place: Place,
    pub(crate) backups: usize,
    pub(crate) good: usize,
    pub(crate) damaged: usize,
    bytes: u64,
}

impl Summary {
    pub(crate) fn of(verified: &[Verified], vault: &Vault, place: Place) -> Self {
        let good = verified.iter().filter(|one| one.good).count();
        Self {
            message_type: "summary",
            vault: vault.to_string(),
            place,
            backups: verified.len(),
            good,
            damaged: verified.len() - good,
            bytes: verified.iter().map(|one| one.bytes).sum(),
        }
    }

    /// What a person reads.
    pub(crate) fn text(&self) -> String {
        format!(
            "{}: {} good, {} damaged\n",
            units::many(self.backups as u64, "backup"),
            self.good,
            self.damaged
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn tells_good_from_damaged() {
        let report = VerifyReport {
            manifest: sample::manifest(),
            bytes: 45_823_921,
            frames: 12,
            took: Duration::from_millis(400),
        };
        let damaged =
            Verified::damaged(&report.manifest.name, "its archive x is missing".to_owned());
        let text = [
            Verified::good(&report, Level::Full).text(false),
            Verified::good(&report, Level::Quick).text(false),
            Verified::good(&report, Level::Sample { percent: 5, seed: 7 }).text(false),
            damaged.text(false),
        ];
        insta::assert_snapshot!(text.concat());
    }
}
