//! `restore --into-home`: a physical backup into the home of a stopped server.
//!
//! ```text
//! verify ──▶ write beside ──▶ replay ──▶ try in private ──▶ switch ──▶ start ──▶ ask
//! ```
//! Everything is written into a folder beside the data, and tried there by a private server if
//! there is one. The switch is a few renames; what was there stays beside it, under its date, until
//! a person removes it. Whatever fails before the switch leaves the data untouched, whatever fails
//! after it puts the old data back.

mod replay;
mod start;
mod target;
mod trial;
mod write;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lifeboat_archive::{DatabaseSection, Manifest, Method, PhysicalSection};
use lifeboat_neo4j::Phase;
use lifeboat_neo4j::physical::Layout;
use lifeboat_server::Version;
use lifeboat_vault::Vault;
use tokio_util::sync::CancellationToken;

pub use start::Start;

use crate::archive::Archive;
use crate::restore::{Steps, section, verified};
use crate::select::{Selector, select};
use crate::ship::Until;
use crate::{Error, Progress, Result};
pub use target::check_stopped;
use target::{Staging, Switched};

/// What to restore, and where to.
#[derive(Debug, Clone)]
pub struct HomeRestoreOptions {
    /// The vault.
    pub vault: Vault,
    /// Which backup.
    pub backup: Selector,
    /// How far to go, with the log that was shipped after the backup.
    pub until: Until,
    /// The home of the stopped server.
    pub home: PathBuf,
    /// Restores this database only; all of them, users and roles too, when not given.
    pub database: Option<String>,
    /// The folder with Neo4j's `lib`; the home itself when not given.
    pub installation: Option<PathBuf>,
    /// A Java to use instead of the one that is found.
    pub java: Option<PathBuf>,
    /// Whether Neo4j's own consistency check is run on what was restored.
    pub check: bool,
    /// How to start the server afterwards, and where to ask it; it is left to others when not
    /// given.
    pub start: Option<Start>,
}

/// What a restore into a home would do.
#[derive(Debug, Clone)]
pub struct HomeRestorePlan {
    /// The backup.
    pub manifest: Manifest,
    /// The databases that are restored.
    pub databases: Vec<String>,
    /// The folders that are written to.
    pub layout: Layout,
    /// The version of the server of this home; `None` when there is no `lib` to tell it.
    pub version: Option<Version>,
    /// Whether data is there that will be moved aside.
    pub replaces: bool,
    /// Bytes that are written.
    pub bytes: u64,
    /// Bytes of shipped log that are read and laid behind it, at most.
    pub log_bytes: u64,
    /// How far it goes.
    pub until: Until,
}

/// How far a restored store has been proven.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Proof {
    /// A server started on it, recovered it, and its last transaction was the one expected.
    pub started: bool,
    /// Neo4j's consistency check found nothing.
    pub checked: bool,
    /// Counts were those of the backup.
    pub counted: bool,
    /// The fingerprint was that of the backup.
    pub fingerprinted: bool,
}

/// A restore into a home that was done.
#[derive(Debug, Clone)]
pub struct HomeRestoreReport {
    /// The backup.
    pub manifest: Manifest,
    /// The databases that were restored.
    pub databases: Vec<String>,
    /// The last transaction of the main database; `None` when it is not known.
    pub last_tx: Option<u64>,
    /// What was proven.
    pub proof: Proof,
    /// Where the old data is kept.
    pub safety: Option<PathBuf>,
    /// How long each step took, in order.
    pub steps: Vec<(&'static str, Duration)>,
}

/// Says what a restore would do; changes nothing.
///
/// # Errors
/// When the backup or the home cannot be used, or do not fit together.
pub async fn plan_home(options: &HomeRestoreOptions) -> Result<HomeRestorePlan> {
    let manifest = match &options.backup {
        Selector::Physical => replay::find_base(&options.vault, options.until).await?,
        named => select(&options.vault, named).await?,
    };
    let (wanted, physical) = physical(&manifest)?;
    let layout = target::find(&options.home)?;
    let version = target::version(options)?;
    target::check_version(&wanted.server.version, version.as_ref())?;
    let databases = match &options.database {
        None => physical.databases.keys().cloned().collect(),
        Some(name) => {
            target::check_single(&layout, &manifest.name, physical, name)?;
            vec![name.clone()]
        }
    };
    let bytes = manifest
        .entries
        .iter()
        .filter(|entry| !entry.superseded && target::belongs(&entry.path, options))
        .map(|entry| entry.size)
        .sum();
    let main = options.database.as_ref().unwrap_or(&wanted.name);
    let log = replay::find(&options.vault, &manifest, main, options.until).await?;
    let log_bytes = log.map_or(0, |log| log.stored_bytes());
    let replaces = target::occupied(&layout, options.database.as_deref());
    let until = options.until;
    Ok(HomeRestorePlan { manifest, databases, layout, version, replaces, bytes, log_bytes, until })
}

/// What a backup says of the store files in it.
fn physical(manifest: &Manifest) -> Result<(&DatabaseSection, &PhysicalSection)> {
    let section = section(manifest)?;
    let wrong = || Error::NotPhysical { name: manifest.name.clone() };
    Ok((section, section.physical.as_ref().ok_or_else(wrong)?))
}

/// The point at which a physical backup itself ends: restored to it, no log that was shipped later
/// is laid behind its own. `Latest` when its log could not be read, since no log leads on then.
pub fn own_end(manifest: &Manifest) -> Until {
    physical(manifest)
        .ok()
        .and_then(|(section, store)| store.databases.get(&section.name)?.last_tx)
        .map_or(Until::Latest, Until::Tx)
}

/// Refuses a physical backup where only a graph can be restored.
pub(crate) fn check_logical(manifest: &Manifest) -> Result<()> {
    match section(manifest)?.method {
        Method::Logical => Ok(()),
        Method::Physical => Err(Error::NotLogical { name: manifest.name.clone() }),
    }
}

/// Restores a physical backup into a home, and proves it as far as it is told how.
///
/// # Errors
/// When the archive is damaged, a server runs on the home, backup and home do not fit, something
/// cannot be written, or the result is not what it should be; the old data is then in its place.
pub async fn restore_home(
    options: &HomeRestoreOptions,
    progress: &Arc<Progress>,
    cancel: &CancellationToken,
) -> Result<HomeRestoreReport> {
    let mut steps = Steps::default();
    let plan = plan_home(options).await?;
    target::check_stopped(&options.home)?;
    let manifest = verified(&options.vault, plan.manifest.clone(), progress, cancel).await?;
    steps.done("verify archive");

    progress.enter(Phase::Copying);
    let staging = Staging::make(&plan.layout)?;
    let work = prepare(options, &plan, &staging, &mut steps, progress);
    let prepared = tokio::select! {
        prepared = work => prepared,
        () = cancel.cancelled() => Err(Error::Interrupted),
    };
    let (mut proof, last_tx) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            staging.discard();
            return Err(error);
        }
    };
    // Whoever started it meanwhile must not have its files taken away.
    if let Err(error) = target::check_stopped(&options.home) {
        staging.discard();
        return Err(error);
    }
    let switched = staging.switch(options.database.as_deref())?;
    steps.done("switch");
    if let Some(start) = &options.start {
        progress.enter(Phase::Recovering);
        let main = &plan.databases;
        let started = tokio::select! {
            started = start.run(last_tx, main) => started,
            () = cancel.cancelled() => Err(Error::Interrupted),
        };
        if let Err(cause) = started {
            return Err(put_back(options, switched, start, cause).await);
        }
        proof.started = true;
        steps.done("start");
    }
    Ok(HomeRestoreReport {
        databases: plan.databases,
        last_tx,
        proof,
        safety: switched.kept(),
        steps: steps.list,
        manifest,
    })
}

/// Writes the new data beside the old, and tries it.
async fn prepare(
    options: &HomeRestoreOptions,
    plan: &HomeRestorePlan,
    staging: &Staging,
    steps: &mut Steps,
    progress: &Arc<Progress>,
) -> Result<(Proof, Option<u64>)> {
    let archive = Archive::open(&options.vault, &plan.manifest).await?;
    write::write(&archive, options, plan, staging, progress).await?;
    steps.done("write");
    let (wanted, _) = physical(&plan.manifest)?;
    let main = options.database.as_ref().unwrap_or(&wanted.name);
    let reached = replay::replay(options, plan, staging, main, progress).await?;
    let last_tx = reached.get(main).copied();
    if plan.log_bytes > 0 {
        steps.done("replay");
    }
    let mut proof = Proof::default();
    if plan.version.is_some() {
        progress.enter(Phase::Recovering);
        proof = trial::run(options, plan, staging, main, last_tx, progress).await?;
        steps.done("recover and compare");
    }
    staging.give_to_owner()?;
    staging.sync()?;
    Ok((proof, last_tx))
}

/// Takes the new data away again, and says how that went.
async fn put_back(
    options: &HomeRestoreOptions,
    switched: Switched,
    start: &Start,
    cause: Error,
) -> Error {
    tracing::warn!(%cause, "the restored server does not do; putting the old data back");
    let kept = switched.kept();
    let undone = async {
        start.stop().await?;
        target::check_stopped(&options.home)?;
        switched.put_back()
    };
    match undone.await {
        Ok(()) => Error::HomeRolledBack { cause: cause.into() },
        Err(rollback) => Error::HomeNotRolledBack {
            kept: kept.unwrap_or_else(|| options.home.clone()),
            cause: cause.into(),
            rollback: rollback.into(),
        },
    }
}
