//! `replicate`: brings to one region what it lacks of the other.
//!
//! The newest comes first, since it is what a disaster asks for. Each backup is copied to the byte
//! and proven at the target before it exists there; one that does not match its manifest is never
//! copied. Nothing at the target is ever replaced but a copy that is damaged, and that only after
//! the source has proven itself. What one run does not finish, the next one does.

mod plan;
mod segments;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use lifeboat_archive::{BackupKind, BackupName, FileKind};
use lifeboat_vault::{Error as VaultError, Lease, Listed, Vault};
use tokio_util::sync::CancellationToken;

use crate::vaults::Region;
use crate::{Error, Phase, Progress, Result};
use plan::{Step, Task};
pub use segments::SegmentReport;

/// The lease that keeps two replications into one vault apart.
const LEASE: &str = "replicate";

/// How long the lease outlives a process that was killed.
const LEASE_TIME: Duration = Duration::from_mins(2);

/// From where to where.
#[derive(Debug, Clone)]
pub struct ReplicateOptions {
    /// The region that has the backups.
    pub from: Region,
    /// The region that should have them too.
    pub to: Region,
    /// Only says what would be copied.
    pub dry_run: bool,
}

/// What became of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was copied, or would be.
    Copied,
    /// Its damaged copy was replaced, or would be.
    Repaired,
    /// The copy was there; its certificate was brought up to date, or would be.
    Certified,
    /// It could not be copied, for this reason.
    Failed(String),
}

/// A backup that the target lacked in whole or in part.
#[derive(Debug, Clone)]
pub struct Replicated {
    /// Its name.
    pub name: BackupName,
    /// What it holds.
    pub kind: BackupKind,
    /// Bytes of its archive.
    pub size: u64,
    /// When it was begun.
    pub created: Timestamp,
    /// What became of it.
    pub outcome: Outcome,
}

/// How far the target is behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lag {
    /// Backups that it lacks.
    pub backups: usize,
    /// Bytes of their archives.
    pub bytes: u64,
    /// When the newest of them was begun.
    pub newest: Option<Timestamp>,
}

impl Lag {
    /// How old the newest backup is that the target lacks; nothing when it lacks none.
    pub fn age(&self, now: Timestamp) -> Option<Duration> {
        let age = now.duration_since(self.newest?);
        Some(age.max(jiff::SignedDuration::ZERO).unsigned_abs())
    }

    fn add(&mut self, size: u64, created: Timestamp) {
        self.backups += 1;
        self.bytes += size;
        self.newest = self.newest.max(Some(created));
    }
}

/// A replication that was done.
#[derive(Debug, Clone)]
pub struct ReplicateReport {
    /// What the target lacked, in the order in which it was copied.
    pub backups: Vec<Replicated>,
    /// Backups that were there already.
    pub already: usize,
    /// How far the target was behind.
    pub before: Lag,
    /// How far it still is; in a dry run, as before.
    pub lag: Lag,
    /// The newest intact backup at the target: what a disaster of the source would leave.
    pub newest_copy: Option<Timestamp>,
    /// Log segments.
    pub segments: SegmentReport,
    /// Bytes of archives that were sent.
    pub sent: u64,
    /// How long it took.
    pub took: Duration,
}

impl ReplicateReport {
    /// Whether something could not be copied.
    pub fn is_incomplete(&self) -> bool {
        self.backups.iter().any(|one| matches!(one.outcome, Outcome::Failed(_)))
            || !self.segments.failed.is_empty()
    }
}

/// Copies what the target lacks. `told` hears of each backup when it is done.
///
/// # Errors
/// When a vault does not answer or refuses, or another replication into the target is running;
/// what was copied by then stays, and the next run goes on. A backup that alone cannot be copied
/// is no error: the report has it.
pub async fn replicate(
    options: &ReplicateOptions,
    progress: &Arc<Progress>,
    told: &(dyn Fn(&Replicated) + Sync),
    cancel: &CancellationToken,
) -> Result<ReplicateReport> {
    let work = run(options, progress, told);
    if options.dry_run {
        return tokio::select! {
            report = work => report,
            () = cancel.cancelled() => Err(Error::Interrupted),
        };
    }
    let vault = options.to.databases();
    vault.ensure().await?;
    let mut lease = vault.acquire_lease(LEASE, "replicates backups", LEASE_TIME).await?;
    let result = tokio::select! {
        report = work => report,
        lost = keep(&mut lease) => Err(lost.into()),
        () = cancel.cancelled() => Err(Error::Interrupted),
    };
    if let Err(error) = lease.release().await {
        tracing::warn!(%error, "the lease was not given back; it runs out by itself");
    }
    result
}

/// Renews a lease until it is lost.
async fn keep(lease: &mut Lease) -> VaultError {
    loop {
        tokio::time::sleep(LEASE_TIME / 6).await;
        match lease.renew().await {
            Err(error) if !error.is_retryable() || lease.left().is_zero() => return error,
            Err(error) => tracing::debug!(%error, "the lease was not renewed"),
            Ok(()) => {}
        }
    }
}

async fn run(
    options: &ReplicateOptions,
    progress: &Progress,
    told: &(dyn Fn(&Replicated) + Sync),
) -> Result<ReplicateReport> {
    let ReplicateOptions { from, to, dry_run } = options;
    let began = Instant::now();
    progress.enter(Phase::Preparing);
    let (here, there) = futures::try_join!(from.list(), list_target(to))?;
    let plan = plan::plan(&here, &there);
    let mut newest_copy = there.iter().filter(|one| one.is_intact()).map(Listed::created).max();

    progress.enter(Phase::Copying);
    let total = plan.tasks.iter().map(Task::bytes).sum();
    let done = AtomicU64::new(0);
    progress.bytes(0, total);
    let moved = |bytes| {
        progress.bytes(done.fetch_add(bytes, Ordering::Relaxed) + bytes, total);
    };
    let (mut backups, mut lag, mut sent) = (Vec::new(), Lag::default(), 0);
    let mut before = Lag::default();
    for task in plan.tasks {
        let missing = matches!(task.step, Step::Copy | Step::Repair);
        if missing {
            before.add(task.size, task.created);
        }
        let (here, there) = (from.vault(task.kind), to.vault(task.kind));
        let outcome = if *dry_run {
            task.step.outcome()
        } else {
            match Box::pin(carry_out(&task, here, there, &moved)).await {
                Ok(bytes) => {
                    sent += bytes;
                    task.step.outcome()
                }
                // It has been removed since the listing: nothing is missing.
                Err(VaultError::NotFound { .. }) => continue,
                Err(
                    error @ (VaultError::Damaged { .. }
                    | VaultError::AlreadyExists { .. }
                    | VaultError::Discarded { .. }
                    | VaultError::NotAsSent { .. }
                    | VaultError::Incomplete { .. }
                    | VaultError::Misuse(_)),
                ) => Outcome::Failed(error.to_string()),
                Err(error) => return Err(error.into()),
            }
        };
        let failed = matches!(outcome, Outcome::Failed(_));
        if missing && (*dry_run || failed) {
            lag.add(task.size, task.created);
        }
        if missing && !*dry_run && !failed {
            newest_copy = newest_copy.max(Some(task.created));
        }
        let Task { name, kind, size, created, .. } = task;
        let replicated = Replicated { name, kind, size, created, outcome };
        told(&replicated);
        backups.push(replicated);
    }
    // After the bases, without which they are of no use.
    let segments = segments::replicate(from, to, *dry_run).await?;
    Ok(ReplicateReport {
        segments,
        backups,
        already: plan.already,
        before,
        lag,
        newest_copy,
        sent,
        took: began.elapsed(),
    })
}

/// What the target has; a folder that is not there yet has nothing.
async fn list_target(to: &Region) -> Result<Vec<Listed>> {
    match to.list().await {
        Err(Error::Vault(error))
            if error.is_vault_missing() && to.databases().folder().is_some() =>
        {
            Ok(Vec::new())
        }
        result => result,
    }
}

/// Does what a task asks for; how many bytes of archive were sent.
async fn carry_out(
    task: &Task,
    from: &Vault,
    to: &Vault,
    moved: &(dyn Fn(u64) + Sync),
) -> Result<u64, VaultError> {
    let name = &task.name;
    let sent = match &task.step {
        Step::Refuse(reason) => return Err(VaultError::Misuse(reason.clone())),
        Step::Certify => 0,
        Step::Copy => from.copy_to(name, to, moved).await?.sent,
        Step::Repair => from.copy_over(name, to, moved).await?.sent,
    };
    // The signature first: until both are there the certificate counts for nothing.
    for kind in [FileKind::CertificateSignature, FileKind::Certificate] {
        if let Some(bytes) = from.read_beside(name, kind).await? {
            to.write_beside(name, kind, bytes).await?;
        }
    }
    Ok(sent)
}

#[cfg(test)]
mod tests;
