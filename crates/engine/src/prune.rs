//! `prune`: takes away what nobody needs: backups past their retention, and leftovers of
//! interrupted runs.
//!
//! Which backups go is decided in [`plan`](plan::plan) over plain data; the rest is here. A backup
//! goes in two phases: it is **marked**, and deleted by a later run when the mark has stood for the
//! grace time and the backup would still go. A mark is taken back when the backup is needed again.
//! So a mistake (a wrong setting, a store that shows half of what it holds, a clock) has to last
//! for the grace time before it costs anything, and whoever looks at `list` meanwhile sees it.
//!
//! All times that deleting rests on are the store's. It is safe to stop at any moment, beside
//! running backups, and beside another run.
//!
//! Two regions are pruned by one decision over both, so that they keep the same; and in one that is
//! ahead of the other, nothing is deleted.

mod calendar;
pub mod hold;
mod logs;
mod look;
pub mod plan;
mod release;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lifeboat_archive::{BackupName, FileKind};
use lifeboat_vault::{Lease, Leftovers, Listed, Removed};
use tokio_util::sync::CancellationToken;

use crate::config::Retention;
use crate::ship::Dropped;
use crate::vaults::{self, Region};
use crate::{Error, Result};
use hold::Hold;
use look::{Side, candidates, look};
use plan::{Circumstances, Decision, plan};
use release::{release, released};

/// For how long a run reserves a vault; it renews that between two backups.
const LEASE: Duration = Duration::from_mins(10);

/// What may go.
#[derive(Debug, Clone)]
pub struct PruneOptions {
    /// How long backups are kept.
    pub retention: Retention,
    /// How long a mark must have stood, and what an interrupted run left must have been unchanged:
    /// what is younger may belong to a backup that is running.
    pub grace: Duration,
    /// Only says what would be done.
    pub dry_run: bool,
    /// Ends the hold that this backup is the reason of, by a person's word.
    pub release: Option<BackupName>,
}

/// What is done with a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It stays.
    Keep,
    /// It stays, and its mark is taken back.
    TakeBack,
    /// It is marked.
    Mark,
    /// It is marked already, and deleted at this time or after.
    Wait(Timestamp),
    /// It has been marked long enough, but the other vault lacks what this one has.
    Withhold,
    /// It is deleted.
    Remove,
}

/// What was done with a backup, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pruned {
    /// The backup.
    pub name: BackupName,
    /// What was done, or would be.
    pub step: Step,
    /// Why.
    pub reason: String,
}

/// What `prune` did in a vault, or would do.
#[derive(Debug)]
pub struct VaultReport {
    /// The vault.
    pub vault: String,
    /// Every backup, newest first.
    pub backups: Vec<Pruned>,
    /// Why nothing was deleted that has been marked long enough, when that is so.
    pub withheld: Option<String>,
    /// What interrupted runs left, and what nobody claims, as it was found.
    pub leftovers: Leftovers,
    /// What became of the leftovers; empty when nothing was to be done.
    pub removed: Removed,
    /// Shipped logs that no backup needs any more: dropped, or to be dropped.
    pub logs: Dropped,
    /// Whether the store keeps what was removed as older versions, until its own rules let them go.
    pub keeps_versions: bool,
}

/// What `prune` did, or would do.
#[derive(Debug)]
pub struct PruneReport {
    /// Why nothing expires, when that is so.
    pub holds: Vec<Hold>,
    /// What was done in each vault.
    pub vaults: Vec<VaultReport>,
    /// Why the vaults of the other region were not looked at, when that is so.
    pub absent: Option<String>,
}

impl PruneReport {
    /// Whether all was done that is due.
    pub fn is_complete(&self) -> bool {
        self.holds.is_empty()
            && self.absent.is_none()
            && self
                .vaults
                .iter()
                .all(|vault| vault.backups.iter().all(|backup| backup.step != Step::Withhold))
    }
}

/// Removes what may go, from one region or from two that hold the same.
///
/// The first must answer. When the other does not, nothing is deleted, since the first may be
/// ahead of it.
///
/// # Errors
/// When a vault does not answer or refuses; what was removed by then stays so, and the next run
/// goes on. [`Error::Interrupted`] between two backups.
pub async fn prune(
    regions: &[Region],
    options: &PruneOptions,
    cancel: &CancellationToken,
) -> Result<PruneReport> {
    let mut sides = Vec::new();
    let mut absent = None;
    for (number, region) in regions.iter().enumerate() {
        match look(number, region, options).await {
            Ok(more) => sides.extend(more),
            Err(error) if number > 0 => absent = Some(error.to_string()),
            Err(error) => return Err(error),
        }
    }
    let mut leases = Vec::new();
    if !options.dry_run {
        for side in &sides {
            leases.push(side.vault.acquire_lease("prune", "prunes", LEASE).await?);
        }
    }
    let report = prune_held(sides, absent, options, &mut leases, cancel).await;
    for lease in leases {
        if let Err(error) = lease.release().await {
            tracing::debug!(%error, "the lease was not given back, and runs out by itself");
        }
    }
    report
}

async fn prune_held(
    mut sides: Vec<Side>,
    absent: Option<String>,
    options: &PruneOptions,
    leases: &mut [Lease],
    cancel: &CancellationToken,
) -> Result<PruneReport> {
    let now = now(&sides, options).await?;
    let backups = candidates(&sides);
    let needed = logs::needed(&sides, &options.retention, now).await?;
    let mut released = released(&sides).await?;
    let decide = |released: &BTreeSet<BackupName>| {
        let circumstances = Circumstances { now, needed: &needed, released };
        plan(&options.retention, &backups, &circumstances)
    };
    let mut plan = decide(&released);
    if let Some(name) = &options.release {
        release(&sides, &plan.holds, name).await?;
        released.insert(name.clone());
        plan = decide(&released);
    }
    let decisions: BTreeMap<&BackupName, &Decision> =
        plan.decisions.iter().map(|decision| (&decision.name, decision)).collect();
    let ahead = ahead(&sides, &decisions);

    let mut reports = Vec::new();
    for side in &mut sides {
        let why_not = absent.clone().or_else(|| ahead[side.region].clone());
        let pruned: Vec<Pruned> = side
            .listed
            .iter()
            .filter_map(|listed| {
                let decision = decisions.get(&listed.name)?;
                let marked = listed.beside(FileKind::Mark).map(|mark| mark.modified);
                let step = step(decision.goes, marked, now, options.grace, why_not.is_some());
                let reason = decision.reason.clone();
                Some(Pruned { name: listed.name.clone(), step, reason })
            })
            .collect();
        let withheld = why_not.filter(|_| pruned.iter().any(|one| one.step == Step::Withhold));
        reports.push(VaultReport {
            vault: side.vault.to_string(),
            backups: pruned,
            withheld,
            leftovers: std::mem::take(&mut side.leftovers),
            removed: Removed::default(),
            logs: Dropped::default(),
            keeps_versions: false,
        });
    }
    // What is on hold or withheld keeps its logs.
    let drops = plan.holds.is_empty() && absent.is_none();
    for (side, report) in sides.iter().zip(&mut reports) {
        if !options.dry_run {
            carry_out(side, report, options, now, leases, cancel).await?;
        }
        if drops && report.withheld.is_none() {
            report.logs = logs::drop_logs(side, &report.backups, options.dry_run).await?;
        }
    }
    Ok(PruneReport { holds: plan.holds, vaults: reports, absent })
}

/// Keeps what is held for longer than the next step can take.
async fn renew(leases: &mut [Lease]) -> Result<()> {
    for lease in leases.iter_mut().filter(|lease| lease.left() < LEASE / 2) {
        lease.renew().await?;
    }
    Ok(())
}

/// What time it is, by the clock that is behind: no mistake of a clock makes anything older.
async fn now(sides: &[Side], options: &PruneOptions) -> Result<Timestamp> {
    let mut now = Timestamp::now();
    if !options.dry_run {
        for side in sides {
            now = now.min(side.vault.store_time().await?);
        }
    }
    Ok(now)
}

/// For each region, what it has that the other lacks, of what stays; for people.
fn ahead(sides: &[Side], decisions: &BTreeMap<&BackupName, &Decision>) -> [Option<String>; 2] {
    let listed = |region: usize| -> Vec<Listed> {
        let sides = sides.iter().filter(|side| side.region == region);
        sides.flat_map(|side| side.listed.iter().cloned()).collect()
    };
    let other = |region: usize| sides.iter().find(|side| side.region == 1 - region);
    let regions = [listed(0), listed(1)];
    [0, 1].map(|region| {
        let other = other(region)?;
        let missing = vaults::ahead(&regions[region], &regions[1 - region]);
        let stays = |name: &&BackupName| decisions.get(name).is_some_and(|one| !one.goes);
        let missing: Vec<_> = missing.into_iter().filter(stays).collect();
        let name = missing.first()?;
        Some(match missing.len() {
            1 => format!("{} lacks {name}; replicate it first", other.vault),
            more => format!("{} lacks {name} and {} more; replicate first", other.vault, more - 1),
        })
    })
}

fn step(
    goes: bool,
    marked: Option<Timestamp>,
    now: Timestamp,
    grace: Duration,
    ahead: bool,
) -> Step {
    let due = |marked: Timestamp| {
        let grace = SignedDuration::try_from(grace).unwrap_or(SignedDuration::MAX);
        marked.checked_add(grace).unwrap_or(Timestamp::MAX)
    };
    match (goes, marked) {
        (false, None) => Step::Keep,
        (false, Some(_)) => Step::TakeBack,
        (true, None) => Step::Mark,
        (true, Some(marked)) if due(marked) > now => Step::Wait(due(marked)),
        (true, Some(_)) if ahead => Step::Withhold,
        (true, Some(_)) => Step::Remove,
    }
}

/// Does what the report says, and corrects it where things have changed meanwhile.
///
/// What makes room comes first, since on a full disk nothing can be marked.
async fn carry_out(
    side: &Side,
    report: &mut VaultReport,
    options: &PruneOptions,
    now: Timestamp,
    leases: &mut [Lease],
    cancel: &CancellationToken,
) -> Result<()> {
    let vault = &side.vault;
    report.removed = vault.remove_leftovers(options.grace).await?;
    let grace = SignedDuration::try_from(options.grace).unwrap_or(SignedDuration::MAX);
    let long_ago = now.checked_sub(grace).unwrap_or(Timestamp::MIN);
    let order = |step: Step| match step {
        Step::Remove => 0,
        Step::TakeBack => 1,
        _ => 2,
    };
    let mut work: Vec<&mut Pruned> = report.backups.iter_mut().collect();
    work.sort_by_key(|pruned| order(pruned.step));
    for pruned in work {
        if cancel.is_cancelled() {
            return Err(Error::Interrupted);
        }
        renew(leases).await?;
        let name = &pruned.name;
        match pruned.step {
            Step::Remove if side.has_damaged(name) && vault.open_archive(name).await.is_ok() => {
                pruned.step = Step::TakeBack;
                "it is not damaged after all".clone_into(&mut pruned.reason);
                vault.unmark(name).await?;
            }
            Step::Remove => {
                report.keeps_versions = report.keeps_versions || vault.keeps_versions(name).await?;
                if !vault.remove_marked(name, long_ago).await? {
                    pruned.step = Step::Keep;
                    "it has changed since it was marked".clone_into(&mut pruned.reason);
                }
            }
            Step::TakeBack => vault.unmark(name).await?,
            Step::Mark => vault.mark(name, &pruned.reason).await?,
            Step::Keep | Step::Wait(_) | Step::Withhold => {}
        }
    }
    Ok(())
}
