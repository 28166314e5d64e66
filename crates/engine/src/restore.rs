//! `restore`: a backup into a database, with proof.
//!
//! The order is always: manifest, every digest, version and target, safety backup of what will be
//! replaced, restore, comparison with the manifest; and on any failure the old data comes back.
//! Nothing live is touched before the archive has proven itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lifeboat_archive::{BackupName, Compression, DatabaseSection, Manifest};
use lifeboat_bolt::{Access, Connection, RunOptions};
use lifeboat_neo4j::logical::{
    WriteOptions, check_target, clear, compare, fingerprint, payload_schema, write_graph,
};
use lifeboat_neo4j::{Database, Phase};
use lifeboat_vault::Vault;
use tokio_util::sync::CancellationToken;

use crate::archive::Archive;
use crate::backup::{BackupOptions, backup};
use crate::physical_restore::check_logical;
use crate::select::{SAFETY_NOTE, Selector, select};
use crate::verify::{Level, verify};
use crate::{Error, Progress, Result, Target, threads};

/// What to restore, and where to.
#[derive(Debug, Clone)]
pub struct RestoreOptions {
    /// The vault.
    pub vault: Vault,
    /// Which backup.
    pub backup: Selector,
    /// The database.
    pub target: Target,
    /// Replaces what the database holds, after a safety backup of it.
    pub replace: bool,
    /// How the safety backup is compressed.
    pub compression: Compression,
}

/// What a restore would do.
#[derive(Debug, Clone)]
pub struct RestorePlan {
    /// The backup.
    pub manifest: Manifest,
    /// The database as it is.
    pub target: Database,
    /// The database holds data, constraints or indexes that the restore replaces.
    pub replaces: bool,
}

/// A restore that was done.
#[derive(Debug, Clone)]
pub struct RestoreReport {
    /// The backup.
    pub manifest: Manifest,
    /// The database after, read back; its fingerprint equals the manifest's.
    pub restored: DatabaseSection,
    /// The backup of what was replaced.
    pub safety: Option<BackupName>,
    /// How long each step took, in order.
    pub steps: Vec<(&'static str, Duration)>,
}

impl RestoreReport {
    /// How long all of it took.
    pub fn took(&self) -> Duration {
        self.steps.iter().map(|(_, took)| *took).sum()
    }
}

/// Says what a restore would do; changes nothing.
///
/// # Errors
/// When the backup or the database cannot be read, or the database cannot take the backup.
pub async fn plan(options: &RestoreOptions) -> Result<RestorePlan> {
    let manifest = select(&options.vault, &options.backup).await?;
    plan_for(options, manifest).await
}

async fn plan_for(options: &RestoreOptions, manifest: Manifest) -> Result<RestorePlan> {
    check_logical(&manifest)?;
    let archive = Archive::open(&options.vault, &manifest).await?;
    let schema = payload_schema(&archive).await?;
    let mut connection = connect(&options.target).await?;
    let run = run_options(&options.target);
    let target = Database::inspect(&mut connection, &run).await?;
    let fit = check_target(&mut connection, &run, &schema).await;
    connection.close().await;
    let replaces = match fit {
        Ok(()) => false,
        Err(
            lifeboat_neo4j::Error::NotEmpty { .. } | lifeboat_neo4j::Error::ForeignSchema { .. },
        ) if options.replace => true,
        Err(error) => return Err(error.into()),
    };
    Ok(RestorePlan { manifest, target, replaces })
}

/// Restores a backup, and proves it.
///
/// # Errors
/// When the archive is damaged, the database cannot take it or is not empty, or the result differs
/// from the manifest. A database that was empty is left empty; what was replaced is put back.
pub async fn restore(
    options: &RestoreOptions,
    progress: &Arc<Progress>,
    cancel: &CancellationToken,
) -> Result<RestoreReport> {
    let Proven { manifest, wanted, mut steps } =
        prove_archive(&options.vault, &options.backup, progress, cancel).await?;
    let plan = plan_for(options, manifest).await?;
    let safety = if plan.replaces {
        let safety = safety_backup(options, &plan, progress, cancel).await?;
        steps.done("safety backup");
        Some(safety)
    } else {
        None
    };
    if cancel.is_cancelled() {
        return Err(Error::Interrupted);
    }

    let work = async {
        if safety.is_some() {
            empty(&options.target, progress).await?;
            steps.done("clear");
        }
        fill(options, &plan.manifest, &wanted, progress, cancel).await?;
        steps.done_in(progress, ONLINE);
        let restored = tokio::select! {
            restored = prove(options, &wanted, progress) => restored?,
            () = cancel.cancelled() => return Err(Error::Interrupted),
        };
        steps.done("compare");
        Ok(restored)
    };
    match work.await {
        Ok(restored) => Ok(RestoreReport {
            manifest: plan.manifest,
            restored,
            safety: safety.map(|manifest| manifest.name),
            steps: steps.list,
        }),
        Err(cause) => Err(roll_back(options, safety, cause, progress).await),
    }
}

/// What the phases of writing over Bolt are called as steps.
const ONLINE: &[(Phase, &str)] = &[
    (Phase::Nodes, "write nodes"),
    (Phase::Relationships, "write relationships"),
    (Phase::Schema, "constraints and indexes"),
];

/// A backup of a database whose every byte was checked.
pub(crate) struct Proven {
    pub(crate) manifest: Manifest,
    /// What the restored database must be.
    pub(crate) wanted: DatabaseSection,
    pub(crate) steps: Steps,
}

/// The first step of every restore, before anything that is there is touched.
pub(crate) async fn prove_archive(
    vault: &Vault,
    backup: &Selector,
    progress: &Arc<Progress>,
    cancel: &CancellationToken,
) -> Result<Proven> {
    let mut steps = Steps::default();
    progress.enter(Phase::Verifying);
    let manifest = select(vault, backup).await?;
    check_logical(&manifest)?;
    let wanted = section(&manifest)?.clone();
    let manifest = verified(vault, manifest, progress, cancel).await?;
    steps.done("verify archive");
    Ok(Proven { manifest, wanted, steps })
}

/// Brings the database back to what it was, and says how that went.
async fn roll_back(
    options: &RestoreOptions,
    safety: Option<Manifest>,
    cause: Error,
    progress: &Arc<Progress>,
) -> Error {
    tracing::warn!(%cause, "the restore failed; bringing the database back to what it was");
    let undone = async {
        empty(&options.target, progress).await?;
        if let Some(manifest) = &safety {
            let wanted = section(manifest)?;
            fill(options, manifest, wanted, progress, &CancellationToken::new()).await?;
            prove(options, wanted, progress).await?;
        }
        Ok(())
    }
    .await;
    match (safety, undone) {
        (None, Ok(())) => cause,
        (None, Err(rollback)) => {
            Error::NotCleared { cause: cause.into(), rollback: Box::new(rollback) }
        }
        (Some(safety), Ok(())) => Error::RolledBack { safety: safety.name, cause: cause.into() },
        (Some(safety), Err(rollback)) => Error::NotRolledBack {
            safety: safety.name,
            cause: cause.into(),
            rollback: Box::new(rollback),
        },
    }
}

/// Backs up what will be replaced, and verifies the backup: from here on it is all there is.
async fn safety_backup(
    options: &RestoreOptions,
    plan: &RestorePlan,
    progress: &Arc<Progress>,
    cancel: &CancellationToken,
) -> Result<Manifest> {
    let backup_options = BackupOptions {
        source: options.target.clone(),
        vault: options.vault.clone(),
        name: None,
        compression: options.compression,
        notes: vec![(SAFETY_NOTE.to_owned(), plan.manifest.name.to_string())],
    };
    let manifest = backup(backup_options, progress, cancel).await?.manifest;
    verified(&options.vault, manifest, progress, cancel).await
}

/// Checks every byte of a backup.
pub(crate) async fn verified(
    vault: &Vault,
    manifest: Manifest,
    progress: &Arc<Progress>,
    cancel: &CancellationToken,
) -> Result<Manifest> {
    progress.enter(Phase::Verifying);
    let size = manifest.archive.size;
    let done = |done| progress.bytes(done, size);
    Ok(verify(vault, manifest, Level::Full, &done, cancel).await?.manifest)
}

async fn empty(target: &Target, progress: &Arc<Progress>) -> Result<()> {
    progress.enter(Phase::Clearing);
    let mut connection = connect(target).await?;
    clear(&mut connection, &run_options(target)).await?;
    connection.close().await;
    Ok(())
}

async fn fill(
    options: &RestoreOptions,
    manifest: &Manifest,
    wanted: &DatabaseSection,
    progress: &Arc<Progress>,
    cancel: &CancellationToken,
) -> Result<()> {
    let archive = Archive::open(&options.vault, manifest).await?;
    let write = WriteOptions {
        config: options.target.config.clone(),
        database: options.target.database.clone(),
        writers: threads().min(4),
    };
    Ok(write_graph(&write, Arc::new(archive), wanted, progress, cancel).await?)
}

/// Reads the database back and compares it with what it should be.
async fn prove(
    options: &RestoreOptions,
    wanted: &DatabaseSection,
    progress: &Arc<Progress>,
) -> Result<DatabaseSection> {
    let found = fingerprint(&options.target.source(), progress).await?;
    compare(wanted, &found)?;
    Ok(found)
}

pub(crate) fn section(manifest: &Manifest) -> Result<&DatabaseSection> {
    manifest.database.as_ref().ok_or_else(|| Error::NotADatabase { name: manifest.name.clone() })
}

async fn connect(target: &Target) -> Result<Connection> {
    Connection::connect(&target.config).await.map_err(|error| Error::Database(error.into()))
}

fn run_options(target: &Target) -> RunOptions {
    RunOptions { database: target.database.clone(), access: Access::Write, ..RunOptions::default() }
}

/// Times the steps of a verb.
#[derive(Debug)]
pub(crate) struct Steps {
    began: Instant,
    pub(crate) list: Vec<(&'static str, Duration)>,
}

impl Default for Steps {
    fn default() -> Self {
        Self { began: Instant::now(), list: Vec::new() }
    }
}

impl Steps {
    pub(crate) fn done(&mut self, step: &'static str) {
        let now = Instant::now();
        self.list.push((step, now - self.began));
        self.began = now;
    }

    /// Several steps at once: the phases since the last, by their names as steps. What came before
    /// the first belongs to it, and so do phases that have no name of their own to the one before.
    pub(crate) fn done_in(&mut self, progress: &Progress, names: &[(Phase, &'static str)]) {
        let name = |phase| names.iter().find(|(named, _)| *named == phase).map(|(_, name)| *name);
        let (entered, since) = (progress.entered(), self.began);
        let mut began = entered
            .iter()
            .filter(|(_, began)| *began >= since)
            .filter_map(|(phase, began)| Some((name(*phase)?, *began)))
            .peekable();
        while let Some((step, _)) = began.next() {
            while began.next_if(|(next, _)| *next == step).is_some() {}
            let end = began.peek().map_or_else(Instant::now, |(_, began)| *began);
            self.list.push((step, end - self.began));
            self.began = end;
        }
    }
}
