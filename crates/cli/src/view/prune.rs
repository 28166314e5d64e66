//! What was removed, or would be.

use std::fmt::Write as _;
use std::time::Duration;

use lifeboat::prune::PruneReport;
use lifeboat::vault::Leftover;
use serde::Serialize;

use crate::units;

/// The whole of it.
#[derive(Debug, Serialize)]
pub(crate) struct Pruned {
    vault: String,
    dry_run: bool,
    backups: Vec<Backup>,
    leftovers: Vec<Left>,
    /// Of runs that may still be going on; they stay.
    recent: Vec<Left>,
    /// Files that belong to no backup; they stay.
    unclaimed: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Backup {
    name: String,
    removed: bool,
    reason: String,
}

#[derive(Debug, Serialize)]
struct Left {
    objects: Vec<String>,
    bytes: u64,
    age_seconds: u64,
    holder: Option<String>,
}

impl From<&Leftover> for Left {
    fn from(leftover: &Leftover) -> Self {
        Self {
            objects: leftover.objects.clone(),
            bytes: leftover.bytes,
            age_seconds: leftover.age.as_secs(),
            holder: leftover.holder.clone(),
        }
    }
}

impl Pruned {
    pub(crate) fn new(report: &PruneReport, vault: &str, dry_run: bool) -> Self {
        let lefts = |list: &[Leftover]| -> Vec<Left> { list.iter().map(Left::from).collect() };
        let backups = report.decisions.iter().map(|decision| Backup {
            name: decision.name.to_string(),
            removed: decision.remove,
            reason: decision.reason.clone(),
        });
        let gone = if dry_run { &report.leftovers.removable } else { &report.removed.removed };
        let mut recent: Vec<Left> = lefts(&report.leftovers.recent);
        recent.extend(report.removed.kept.iter().map(Left::from));
        Self {
            vault: vault.to_owned(),
            dry_run,
            backups: backups.collect(),
            leftovers: lefts(gone),
            recent,
            unclaimed: report.leftovers.unclaimed.iter().map(|one| one.object.clone()).collect(),
        }
    }

    /// What a person reads.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let removes = if self.dry_run { "would remove" } else { "removed" };
        for backup in &self.backups {
            let verb = if backup.removed { removes } else { "kept" };
            let _ = writeln!(text, "{verb} {}: {}", backup.name, backup.reason);
        }
        for left in &self.leftovers {
            let _ = writeln!(text, "{removes} {}", left.text());
        }
        for left in &self.recent {
            let _ = writeln!(text, "kept {}: too recent, it may still be at work", left.text());
        }
        for object in &self.unclaimed {
            let _ = writeln!(text, "kept {object}: it belongs to no backup, look at it yourself");
        }
        let gone = self.backups.iter().filter(|backup| backup.removed).count();
        let left = self.leftovers.len();
        let _ = writeln!(
            text,
            "{}: {removes} {} and {}",
            self.vault,
            units::many(gone as u64, "backup"),
            units::many(left as u64, "leftover"),
        );
        text
    }
}

impl Left {
    fn text(&self) -> String {
        let age = units::took(Duration::from_secs(self.age_seconds));
        let by = self.holder.as_ref().map(|holder| format!(", of {holder}")).unwrap_or_default();
        format!(
            "{} ({}, unchanged for {age}{by})",
            self.objects.join(" and "),
            units::size(self.bytes)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_went_and_why() {
        let backup = |name: &str, removed, reason: &str| Backup {
            name: name.to_owned(),
            removed,
            reason: reason.to_owned(),
        };
        let left = |object: &str, age_seconds| Left {
            objects: vec![object.to_owned()],
            bytes: 4096,
            age_seconds,
            holder: Some("lifeboat 0.1.0 on host (process 7)".to_owned()),
        };
        let mut pruned = Pruned {
            vault: "/var/backups/neo4j".to_owned(),
            dry_run: false,
            backups: vec![
                backup("neo4j-backup-20261124-020000", false, "0 days old, within the retention"),
                backup("neo4j-backup-20260901-020000", true, "84 days old, past the retention"),
            ],
            leftovers: vec![left("neo4j-backup-20261101-020000.claim.json", 90_000)],
            recent: vec![left("neo4j-backup-20261124-085900.claim.json", 30)],
            unclaimed: vec!["notes.txt".to_owned()],
        };
        insta::assert_snapshot!(pruned.text());
        pruned.dry_run = true;
        insta::assert_snapshot!(pruned.text().lines().last().unwrap_or_default());
    }
}
