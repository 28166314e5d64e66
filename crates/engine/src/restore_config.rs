//! `restore config`: a configuration into a folder, or back to where it came from.
//!
//! The order is that of every restore: manifest, every digest, a comparison with what is there, and
//! only then the files. Each file is written beside its place and takes it in one step; the one that
//! was there stays beside, under a dated name. What stands where it should not (a folder in the
//! place of a file, a device) and links that lead out of the target are refused, and told. Nothing
//! is removed, and nothing is run.

mod diff;
mod plan;
mod tree;
mod write;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use jiff::Timestamp;
use lifeboat_archive::{BackupKind, Manifest};
use lifeboat_vault::Vault;
use tokio_util::sync::CancellationToken;

use crate::archive::Archive;
use crate::restore::verified;
use crate::{Error, Phase, Progress, Result};

pub use plan::{Change, ConfigPlan, Planned};
use write::Writer;

/// Where a configuration goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Below a folder, all of it, with the paths of the archive. The folder is made when it is
    /// missing.
    Folder(PathBuf),
    /// Files to where they were. What is no file of the system (values, outputs, lists) goes below
    /// the folder, if one is given, and else stays in the backup.
    InPlace(Option<PathBuf>),
}

/// What to restore, and where to.
#[derive(Debug, Clone)]
pub struct ConfigRestoreOptions {
    /// The vault.
    pub vault: Vault,
    /// The backup.
    pub manifest: Manifest,
    /// Where it goes.
    pub destination: Destination,
}

/// A configuration that was restored.
#[derive(Debug, Clone)]
pub struct ConfigRestoreReport {
    /// What was done, entry by entry.
    pub plan: ConfigPlan,
    /// Files and links that were there before, and are kept under these names.
    pub kept: Vec<PathBuf>,
    /// How long it took.
    pub took: Duration,
}

/// Compares a backup with what is there; changes nothing.
///
/// # Errors
/// When the backup cannot be read or holds no configuration, or a folder cannot be looked into.
pub async fn plan_config(options: &ConfigRestoreOptions) -> Result<ConfigPlan> {
    let manifest = &options.manifest;
    if manifest.kind != BackupKind::Config {
        return Err(Error::NotAConfiguration { name: manifest.name.clone() });
    }
    let archive = Archive::open(&options.vault, manifest).await?;
    let (this, destination) = (manifest.clone(), options.destination.clone());
    let plan = tokio::task::spawn_blocking(move || ConfigPlan::compare(&this, &destination))
        .await
        .map_err(|panic| Error::Internal(panic.to_string()))??;
    diff::add(plan, &archive).await
}

/// Restores what differs.
///
/// # Errors
/// When the archive is damaged, or with the first file that cannot be written: those before it are
/// restored, and the same call goes on.
pub async fn restore_config(
    options: &ConfigRestoreOptions,
    progress: &Arc<Progress>,
    cancel: &CancellationToken,
) -> Result<ConfigRestoreReport> {
    let began = Instant::now();
    verified(&options.vault, options.manifest.clone(), progress, cancel).await?;
    let plan = plan_config(options).await?;
    progress.enter(Phase::Copying);
    let archive = Archive::open(&options.vault, &options.manifest).await?;
    let total = options.manifest.archive.size;
    progress.bytes(0, total);
    let (frames, suffix) = (archive.frames().clone(), aside_suffix(Timestamp::now()));
    let mut writer = Writer::new(frames, &plan, &options.destination, suffix)?;
    writer = blocking(move || writer.begin()).await?;
    let mut stream = std::pin::pin!(archive.stream(0..archive.frames().len()));
    let mut done = 0;
    let mut index = 0;
    while let Some(frame) = stream.next().await {
        if cancel.is_cancelled() {
            return Err(Error::Interrupted);
        }
        let frame = frame?;
        writer = blocking(move || writer.take(&frame)).await?;
        let range = archive.frames().range(index);
        done += range.end - range.start;
        index += 1;
        progress.bytes(done, total);
    }
    let kept = blocking(move || writer.finish()).await?;
    Ok(ConfigRestoreReport { plan, kept, took: began.elapsed() })
}

/// What is put behind the name of a file that is kept.
fn aside_suffix(now: Timestamp) -> String {
    now.strftime(".before-restore-%Y%m%d-%H%M%S").to_string()
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|panic| Error::Internal(panic.to_string()))?
}

#[cfg(test)]
mod tests;
