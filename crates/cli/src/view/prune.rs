//! What was removed, or would be, and why everything else stays.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;
use lifeboat::prune::hold::Hold;
use lifeboat::prune::{PruneReport, Step, VaultReport};
use lifeboat::ship::Dropped;
use lifeboat::vault::Leftover;
use serde::Serialize;

use super::foreign;
use crate::units;

/// The whole of it.
#[derive(Debug, Serialize)]
pub(crate) struct Pruned {
    dry_run: bool,
    /// Why nothing expires, when that is so.
    holds: Vec<Held>,
    vaults: Vec<InVault>,
    /// Why the other region was not looked at, when that is so; nothing is deleted then.
    absent: Option<String>,
}

#[derive(Debug, Serialize)]
struct Held {
    backup: String,
    compared_with: String,
    collapsed: Vec<Collapsed>,
}

#[derive(Debug, Serialize)]
struct Collapsed {
    what: String,
    before: u64,
    now: u64,
}

#[derive(Debug, Serialize)]
struct InVault {
    vault: String,
    backups: Vec<Backup>,
    /// Why nothing was deleted that is due, when that is so.
    withheld: Option<String>,
    leftovers: Vec<Left>,
    /// Of runs that may still be going on; they stay.
    recent: Vec<Left>,
    /// Files that belong to no backup; they stay.
    unclaimed: Vec<String>,
    /// Shipped logs that no backup needs any more.
    logs: Dropped,
    /// Whether the store keeps what was removed as older versions.
    keeps_versions: bool,
}

#[derive(Debug, Serialize)]
struct Backup {
    name: String,
    /// `kept`, `unmarked`, `marked`, `waiting`, `withheld` or `removed`.
    step: &'static str,
    removed: bool,
    reason: String,
    /// When a backup that is waiting may be deleted.
    due: Option<Timestamp>,
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

impl From<&Hold> for Held {
    fn from(hold: &Hold) -> Self {
        let collapsed = hold.collapsed.iter().map(|(what, before, now)| Collapsed {
            what: what.clone(),
            before: *before,
            now: *now,
        });
        Self {
            backup: hold.backup.to_string(),
            compared_with: hold.compared_with.to_string(),
            collapsed: collapsed.collect(),
        }
    }
}

impl Pruned {
    pub(crate) fn new(report: &PruneReport, dry_run: bool) -> Self {
        Self {
            dry_run,
            holds: report.holds.iter().map(Held::from).collect(),
            vaults: report.vaults.iter().map(|vault| InVault::new(vault, dry_run)).collect(),
            absent: report.absent.clone(),
        }
    }

    /// What a person reads.
    pub(crate) fn text(&self) -> String {
        self.vaults.iter().map(|vault| vault.text(self.dry_run)).collect()
    }

    /// What a person should look at.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let holds = self.holds.iter().map(Held::text);
        let withheld = self.vaults.iter().filter_map(|vault| {
            let why = vault.withheld.as_ref()?;
            Some(format!("nothing was deleted in {}: {why}", vault.vault))
        });
        let absent =
            self.absent.iter().map(|why| format!("the other vault does not answer: {why}"));
        holds.chain(absent).chain(withheld).collect()
    }
}

impl Held {
    fn text(&self) -> String {
        // The first say enough.
        let collapsed: Vec<String> = self
            .collapsed
            .iter()
            .take(3)
            .map(|one| {
                let (before, now) = (units::count(one.before), units::count(one.now));
                format!("{} {now} instead of {before}", foreign(&one.what))
            })
            .collect();
        let more = match self.collapsed.len() {
            0..=3 => String::new(),
            number => format!(" and {} more", number - 3),
        };
        format!(
            "expiry is on hold: {backup} looks poisoned, compared with {}: {}{more}. Look at it; if \
             it is what it should be, `lifeboat prune --release-hold {backup}` ends the hold",
            self.compared_with,
            collapsed.join(", "),
            backup = self.backup,
        )
    }
}

impl InVault {
    fn new(report: &VaultReport, dry_run: bool) -> Self {
        let lefts = |list: &[Leftover]| -> Vec<Left> { list.iter().map(Left::from).collect() };
        let backups = report.backups.iter().map(|pruned| Backup {
            name: pruned.name.to_string(),
            step: match pruned.step {
                Step::Keep => "kept",
                Step::TakeBack => "unmarked",
                Step::Mark => "marked",
                Step::Wait(_) => "waiting",
                Step::Withhold => "withheld",
                Step::Remove => "removed",
            },
            removed: pruned.step == Step::Remove,
            reason: pruned.reason.clone(),
            due: match pruned.step {
                Step::Wait(due) => Some(due),
                _ => None,
            },
        });
        let gone = if dry_run { &report.leftovers.removable } else { &report.removed.removed };
        let mut recent: Vec<Left> = lefts(&report.leftovers.recent);
        recent.extend(report.removed.kept.iter().map(Left::from));
        Self {
            vault: report.vault.clone(),
            backups: backups.collect(),
            withheld: report.withheld.clone(),
            leftovers: lefts(gone),
            recent,
            unclaimed: report.leftovers.unclaimed.iter().map(|one| one.object.clone()).collect(),
            logs: report.logs.clone(),
            keeps_versions: report.keeps_versions,
        }
    }

    fn text(&self, dry_run: bool) -> String {
        let mut text = String::new();
        let (removes, marks) =
            if dry_run { ("would remove", "would mark") } else { ("removed", "marked") };
        for Backup { name, step, reason, due, .. } in &self.backups {
            let _ = match (*step, due) {
                ("removed", _) => writeln!(text, "{removes} {name}: {reason}"),
                ("marked", _) => writeln!(text, "{marks} {name}: {reason}"),
                ("unmarked", _) => writeln!(text, "kept {name}, its mark is taken back: {reason}"),
                ("waiting", Some(due)) => {
                    let due = due.strftime("%Y-%m-%d %H:%M UTC");
                    writeln!(text, "marked already {name}, goes after {due}: {reason}")
                }
                ("withheld", _) => writeln!(text, "kept {name}, which would go: {reason}"),
                _ => writeln!(text, "kept {name}: {reason}"),
            };
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
        if self.logs.objects > 0 || !self.logs.timelines.is_empty() {
            let (objects, size) = (self.logs.objects, units::size(self.logs.bytes));
            let objects = units::many(objects, "object");
            let _ =
                writeln!(text, "{removes} {objects} of shipped logs ({size}) that no backup needs");
        }
        if self.keeps_versions {
            text.push_str(
                "what was removed stays in the store as older versions, as long as its lock and \
                 its own rules say\n",
            );
        }
        let number = |step| self.backups.iter().filter(|backup| backup.step == step).count() as u64;
        let _ = writeln!(
            text,
            "{}: {removes} {} and {}, {marks} {}",
            self.vault,
            units::many(number("removed"), "backup"),
            units::many(self.leftovers.len() as u64, "leftover"),
            units::many(number("marked"), "backup"),
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

    fn pruned(dry_run: bool) -> Pruned {
        let backup = |name: &str, step, reason: &str| Backup {
            name: name.to_owned(),
            step,
            removed: step == "removed",
            reason: reason.to_owned(),
            due: (step == "waiting").then(|| "2026-11-25T02:30:00Z".parse().unwrap()),
        };
        let left = |object: &str, age_seconds| Left {
            objects: vec![object.to_owned()],
            bytes: 4096,
            age_seconds,
            holder: Some("lifeboat 0.1.0 on host (process 7)".to_owned()),
        };
        let old = "84 days old, past the 30 days that backups are kept";
        let collapsed = |what: &str, before, now| Collapsed { what: what.to_owned(), before, now };
        Pruned {
            dry_run,
            holds: vec![Held {
                backup: "neo4j-backup-20261124-020000".to_owned(),
                compared_with: "neo4j-backup-20261123-020000".to_owned(),
                collapsed: vec![
                    collapsed("label Function", 267_539, 12),
                    collapsed("label \u{1b}[2J", 1000, 0),
                    collapsed("nodes", 276_539, 9_012),
                    collapsed("relationships", 197_175, 0),
                ],
            }],
            vaults: vec![InVault {
                vault: "/var/backups/neo4j".to_owned(),
                backups: vec![
                    backup("neo4j-backup-20261124-020000", "kept", "1 hour old, within 30 days"),
                    backup("neo4j-backup-20260904-020000", "unmarked", "a base of the window"),
                    backup("neo4j-backup-20260903-020000", "marked", old),
                    backup("neo4j-backup-20260902-020000", "waiting", old),
                    backup("neo4j-backup-20260901-020000", "removed", old),
                    backup("neo4j-backup-20260831-020000", "withheld", old),
                ],
                withheld: Some("az://second/neo4j-backups lacks neo4j-backup-20261124".to_owned()),
                leftovers: vec![left("neo4j-backup-20261101-020000.claim.json", 90_000)],
                recent: vec![left("neo4j-backup-20261124-085900.claim.json", 30)],
                unclaimed: vec!["notes.txt".to_owned()],
                logs: Dropped { objects: 240, bytes: 9 << 20, timelines: vec!["000001".into()] },
                keeps_versions: !dry_run,
            }],
            absent: None,
        }
    }

    #[test]
    fn tells_what_went_and_why() {
        insta::assert_snapshot!(pruned(false).text());
        insta::assert_snapshot!(pruned(true).text());
        insta::assert_snapshot!(pruned(false).warnings().join("\n"));
    }

    #[test]
    fn tells_a_program() {
        insta::assert_json_snapshot!(pruned(false));
    }
}
