//! Does the newest backup look poisoned? Then nothing should expire.
//!
//! A database that lost most of its content, by mistake or by malice, goes on being backed up, and
//! each of these backups is as good as any to a digest. So counts are compared: along a series,
//! each backup with the last one that did not look poisoned. One that has collapsed is not believed
//! and not compared with; so the hold lasts, however many more like it are made, until one has
//! recovered, or a person says that the newest is what it should be.

use std::collections::{BTreeMap, BTreeSet};

use lifeboat_archive::BackupName;

use super::plan::{Candidate, Series};
use crate::config::Retention;

/// Labels and types of fewer than this come and go.
const FEW: u64 = 100;

/// What the counts of everything together are called.
pub(crate) const TOTALS: [&str; 3] = ["nodes", "relationships", "entries"];

/// A backup that looks poisoned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// The backup, the newest of its series.
    pub backup: BackupName,
    /// The last one that did not look poisoned.
    pub compared_with: BackupName,
    /// What has collapsed: its name, how many there were, and are.
    pub collapsed: Vec<(String, u64, u64)>,
}

/// The newest backups that look poisoned, one a series at most.
pub(super) fn hold(
    policy: &Retention,
    backups: &[Candidate],
    released: &BTreeSet<BackupName>,
) -> Vec<Hold> {
    let share = u64::from(policy.collapse_percent);
    if share == 0 {
        return Vec::new();
    }
    let mut series: BTreeMap<&Series, Vec<&Candidate>> = BTreeMap::new();
    for backup in backups.iter().filter(|backup| !backup.counts.is_empty()) {
        if let Some(of) = backup.series() {
            series.entry(of).or_default().push(backup);
        }
    }
    let mut holds = Vec::new();
    for members in series.values_mut() {
        members.sort_by_key(|backup| (backup.since(), &backup.name));
        let mut believed: Option<&Candidate> = None;
        let mut held = None;
        for &backup in &*members {
            let collapsed = match believed {
                Some(before) if !released.contains(&backup.name) => {
                    collapsed(&before.counts, &backup.counts, share)
                }
                _ => Vec::new(),
            };
            match believed {
                Some(before) if !collapsed.is_empty() => {
                    held = Some(Hold {
                        backup: backup.name.clone(),
                        compared_with: before.name.clone(),
                        collapsed,
                    });
                }
                _ => (believed, held) = (Some(backup), None),
            }
        }
        holds.extend(held);
    }
    holds
}

fn collapsed(
    before: &BTreeMap<String, u64>,
    now: &BTreeMap<String, u64>,
    percent: u64,
) -> Vec<(String, u64, u64)> {
    before
        .iter()
        .filter(|(name, number)| **number >= FEW || TOTALS.contains(&name.as_str()))
        .map(|(name, number)| (name.clone(), *number, now.get(name).copied().unwrap_or(0)))
        .filter(|(_, before, now)| {
            let lost = u128::from(before.saturating_sub(*now));
            lost > 0 && lost * 100 >= u128::from(*before) * u128::from(percent)
        })
        .collect()
}
