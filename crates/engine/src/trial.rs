//! `verify --restore`: really restores a backup, into a Neo4j that is started for it.
//!
//! What nobody has restored is a hope. The server is private (loopback, free ports, a random
//! password, a folder of its own) and gone afterwards, whatever happens. The restore is the one
//! that people run, with its own proof; then come the invariants of the settings and Neo4j's own
//! consistency check. What was shown, and how long it took, becomes a certificate beside the
//! backup. A trial that fails writes none.

mod bench;
mod folder;
mod graph;
mod home;
mod invariant;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lifeboat_archive::{Certificate, Check, Issuer, Manifest, Method, ServerInfo, TrialStep};
use lifeboat_vault::Vault;
use tokio_util::sync::CancellationToken;

use crate::config::{Invariant, VerifySection};
use crate::restore::Steps;
use crate::verify::{Level, verify};
use crate::{Error, Progress, Result, Target, tool};

/// What to restore, and with what.
#[derive(Debug, Clone)]
pub struct TrialOptions {
    /// The vault.
    pub vault: Vault,
    /// Which backup.
    pub manifest: Manifest,
    /// The installation, and what must hold.
    pub settings: VerifySection,
}

/// A trial restore that succeeded.
#[derive(Debug, Clone)]
pub struct TrialReport {
    /// The backup.
    pub manifest: Manifest,
    /// What was shown, as it is stored beside the backup now.
    pub certificate: Certificate,
}

/// Restores a backup into a server of its own, checks what came of it, and certifies that.
///
/// # Errors
/// When the backup is damaged, no server can be started, the restore does not prove itself, the
/// consistency check or an invariant fails; no certificate is written then, and an older one stays.
pub async fn trial(
    options: &TrialOptions,
    progress: &Arc<Progress>,
    cancel: &CancellationToken,
) -> Result<TrialReport> {
    let manifest = options.manifest.clone();
    let shown = tokio::select! {
        shown = Box::pin(run(options, &manifest, progress)) => shown?,
        // The server goes with it, and all that it held.
        () = cancel.cancelled() => return Err(Error::Interrupted),
    };
    let certificate = Certificate {
        backup: manifest.name.clone(),
        manifest: options.vault.manifest_digest(&manifest.name).await?,
        issued: Timestamp::now(),
        tool: tool(),
        by: issuer(),
        way: shown.way.to_owned(),
        server: shown.server,
        rto_ms: shown.steps.iter().take(shown.usable_after).map(|(_, took)| ms(*took)).sum(),
        steps: shown
            .steps
            .iter()
            .map(|(name, took)| TrialStep { name: (*name).to_owned(), ms: ms(*took) })
            .collect(),
        checks: shown.checks,
    };
    options.vault.certify(&certificate).await?;
    Ok(TrialReport { manifest, certificate })
}

/// What a trial has shown.
struct Shown {
    way: &'static str,
    server: Option<ServerInfo>,
    steps: Vec<(&'static str, Duration)>,
    /// After so many steps a server answered with the data; what came after them, a real restore
    /// can leave for later.
    usable_after: usize,
    checks: Vec<Check>,
}

async fn run(
    options: &TrialOptions,
    manifest: &Manifest,
    progress: &Arc<Progress>,
) -> Result<Shown> {
    match &manifest.database {
        None => run_in_folder(options, manifest, progress).await,
        Some(database) => match database.method {
            Method::Logical => graph::run(options, manifest, database, progress).await,
            Method::Physical => home::run(options, manifest, database, progress).await,
        },
    }
}

/// Without a server: into a folder, and read back.
async fn run_in_folder(
    options: &TrialOptions,
    manifest: &Manifest,
    progress: &Arc<Progress>,
) -> Result<Shown> {
    let scratch = bench::scratch(&options.settings)?;
    let mut steps = Steps::default();
    let done = |bytes| progress.bytes(bytes, manifest.archive.size);
    let cancel = CancellationToken::new();
    verify(&options.vault, manifest.clone(), Level::Full, &done, &cancel).await?;
    steps.done("verify archive");
    folder::unpack(&options.vault, manifest, scratch.path(), progress).await?;
    steps.done("unpack");
    let checks = folder::compare(manifest, scratch.path())?;
    steps.done("compare");
    let usable_after = steps.list.len();
    Ok(Shown { way: "folder", server: None, steps: steps.list, usable_after, checks })
}

/// That every byte was read and is what was written; the first thing that every restore does.
fn proven_archive(manifest: &Manifest) -> Check {
    check("archive", &format!("every byte of {} entries", manifest.entries.len()))
}

/// Asks whether something holds of a database; what was found, for people.
///
/// # Errors
/// [`Error::Invariant`] when it does not hold, or cannot be asked.
pub async fn holds(target: &Target, invariant: &Invariant) -> Result<String> {
    invariant::check(target, invariant).await
}

fn check(name: &str, found: &str) -> Check {
    Check { name: name.to_owned(), found: found.to_owned() }
}

fn issuer() -> Issuer {
    Issuer {
        user: ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok()),
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
