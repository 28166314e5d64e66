//! `prune`: takes away what nobody needs: leftovers of interrupted runs, and backups past their
//! retention.
//!
//! The newest good backup always stays, however old. A damaged backup is never counted as good and
//! never deleted for its age alone while no good one is newer.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lifeboat_archive::BackupName;
use lifeboat_vault::{Leftovers, Removed, Vault};

use crate::Result;

/// What may go.
#[derive(Debug, Clone, Copy)]
pub struct PruneOptions {
    /// Backups older than this go; `None` keeps them all.
    pub retention: Option<Duration>,
    /// Claims younger than this may belong to a backup that is running.
    pub grace: Duration,
    /// Only says what would go.
    pub dry_run: bool,
}

/// What was done to a backup, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The backup.
    pub name: BackupName,
    /// It goes.
    pub remove: bool,
    /// Why.
    pub reason: String,
}

/// What `prune` did, or would do.
#[derive(Debug, Clone)]
pub struct PruneReport {
    /// Every backup, newest first.
    pub decisions: Vec<Decision>,
    /// What interrupted runs left, and what nobody claims, as it was found.
    pub leftovers: Leftovers,
    /// What became of the leftovers; empty when nothing was to be done.
    pub removed: Removed,
}

/// Removes what may go.
///
/// # Errors
/// When the vault does not answer or refuses; what was removed by then stays so.
pub async fn prune(vault: &Vault, options: PruneOptions) -> Result<PruneReport> {
    let listed = vault.list().await?;
    let now = Timestamp::now();
    let newest_good = listed.iter().position(|backup| backup.manifest.is_ok());
    let mut decisions = Vec::new();
    for (index, backup) in listed.iter().enumerate() {
        let age = now.duration_since(backup.created());
        let (remove, reason) = decide(options.retention, age, index, newest_good);
        if remove && !options.dry_run {
            vault.remove(&backup.name).await?;
        }
        decisions.push(Decision { name: backup.name.clone(), remove, reason });
    }
    let leftovers = vault.leftovers(options.grace).await?;
    let removed = if options.dry_run {
        Removed::default()
    } else {
        vault.remove_leftovers(options.grace).await?
    };
    Ok(PruneReport { decisions, leftovers, removed })
}

fn decide(
    retention: Option<Duration>,
    age: SignedDuration,
    index: usize,
    newest_good: Option<usize>,
) -> (bool, String) {
    let Some(retention) = retention else {
        return (false, "no retention is set".to_owned());
    };
    let days = age.as_hours() / 24;
    if age <= SignedDuration::try_from(retention).unwrap_or(SignedDuration::MAX) {
        return (false, format!("{days} days old, within the retention"));
    }
    match newest_good {
        Some(good) if good == index => (false, "the newest good backup always stays".to_owned()),
        Some(good) if index > good => (true, format!("{days} days old, past the retention")),
        _ => (false, "no newer backup is good".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remove(days: i64, index: usize, good: Option<usize>) -> bool {
        let retention = Some(Duration::from_hours(30 * 24));
        decide(retention, SignedDuration::from_hours(days * 24), index, good).0
    }

    #[test]
    fn only_what_is_old_and_not_needed_goes() {
        assert!(!remove(29, 3, Some(0)));
        assert!(!remove(30, 3, Some(0)));
        assert!(remove(31, 3, Some(0)));
        assert!(!remove(400, 0, Some(0)), "the newest good one");
        assert!(!remove(400, 0, Some(1)), "damaged, but newer than every good one");
        assert!(!remove(400, 2, None), "no good one at all");
        assert!(!remove(-5, 2, Some(0)), "from the future");
        assert!(!decide(None, SignedDuration::MAX, 2, Some(0)).0);
    }
}
