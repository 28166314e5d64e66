//! `verify --restore`: really restores a backup, into a Neo4j that is started for it.
//!
//! What nobody has restored is a hope. The server is private (loopback, free ports, a random
//! password, a folder of its own) and gone afterwards, whatever happens. The restore is the one
//! that people run, with its own proof; then come the invariants of the settings and Neo4j's own
//! consistency check. What was shown, and how long it took, becomes a certificate beside the
//! backup. A trial that fails writes none.

mod folder;
mod home;
mod invariant;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lifeboat_archive::{
    Certificate, Check, Compression, Issuer, Manifest, Method, ServerInfo, TrialStep,
};
use lifeboat_bolt::{Auth, Config};
use lifeboat_server::{AdminTool, Installation, Server, ServerOptions, initialize_home};
use lifeboat_vault::Vault;
use tokio_util::sync::CancellationToken;

use crate::config::{Invariant, VerifySection};
use crate::restore::{RestoreOptions, RestoreReport, Steps, restore};
use crate::select::Selector;
use crate::verify::{Level, verify};
use crate::{Error, Progress, Result, Target, tool};

/// Who one is on a new server.
const USER: &str = "neo4j";

/// Memory of the private server; building indexes is what it does most.
const HEAP_MIB: u32 = 1024;
const PAGE_CACHE_MIB: u32 = 512;

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
    /// After so many steps the data could be used.
    usable_after: usize,
    checks: Vec<Check>,
}

async fn run(
    options: &TrialOptions,
    manifest: &Manifest,
    progress: &Arc<Progress>,
) -> Result<Shown> {
    let database = match &manifest.database {
        Some(database) if database.method == Method::Logical => database,
        Some(database) => return home::run(options, manifest, database, progress).await,
        None => return run_in_folder(options, manifest, progress).await,
    };
    let settings = &options.settings;
    let folder = settings.neo4j.as_ref().ok_or(Error::NoInstallation)?;
    let failed = lifeboat_neo4j::Error::from;
    let installation = Installation::find(folder, settings.java.as_deref()).map_err(failed)?;
    let scratch = scratch(settings)?;
    let home = scratch.path().join("home");
    let mut steps = Steps::default();

    let password = uuid::Uuid::new_v4().simple().to_string();
    initialize_home(&home).map_err(failed)?;
    let admin = AdminTool::new(&installation, &home);
    admin.set_initial_password(&password).await.map_err(failed)?;
    let server = ServerOptions {
        http: false,
        heap_mib: HEAP_MIB,
        page_cache_mib: PAGE_CACHE_MIB,
        scratch: Some(scratch.path().to_owned()),
        ..ServerOptions::new(&home)
    };
    let server = server.setting("initial.dbms.default_database", database.name.clone());
    let server = Server::start(&installation, server).await.map_err(failed)?;
    steps.done("start server");

    let target = target(&server, Auth::basic(USER, password), &database.name)?;
    let restoring = RestoreOptions {
        vault: options.vault.clone(),
        backup: Selector::Name(manifest.name.clone()),
        target: target.clone(),
        replace: false,
        compression: Compression::default(),
    };
    let report = restore(&restoring, progress, &CancellationToken::new()).await?;
    let mut done = [steps.list, report.steps.clone()].concat();
    let usable_after = done.len();
    let mut steps = Steps::default();

    let mut checks = proven(&report);
    if !settings.invariants.is_empty() {
        checks.extend(invariants(&target, &settings.invariants).await?);
        steps.done("invariants");
    }
    server.stop().await.map_err(failed)?;
    steps.done("stop server");
    let reports = format!("--report-path={}", scratch.path().display());
    let arguments = ["database", "check", reports.as_str(), database.name.as_str()];
    admin.run(arguments).await.map_err(failed)?;
    checks.push(check("neo4j-admin database check", "consistent"));
    steps.done("consistency check");
    done.extend(steps.list);
    let server = report.restored.server;
    let server = Some(server);
    Ok(Shown { way: "online", server, steps: done, usable_after, checks })
}

/// Without a server: into a folder, and read back.
async fn run_in_folder(
    options: &TrialOptions,
    manifest: &Manifest,
    progress: &Arc<Progress>,
) -> Result<Shown> {
    let scratch = scratch(&options.settings)?;
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

fn scratch(settings: &VerifySection) -> Result<tempfile::TempDir> {
    let parent = settings.scratch.clone().unwrap_or_else(std::env::temp_dir);
    let made = tempfile::Builder::new().prefix("lifeboat-trial-").tempdir_in(&parent);
    made.map_err(|error| Error::Folder { action: "make a folder in", folder: parent, error })
}

fn target(server: &Server, auth: Auth, database: &str) -> Result<Target> {
    let uri = server
        .bolt_uri()
        .parse()
        .map_err(|error: lifeboat_bolt::UriError| Error::Internal(error.to_string()))?;
    let mut config = Config::new(uri, auth);
    config.database = Some(database.to_owned());
    Ok(Target { config, database: Some(database.to_owned()) })
}

/// What the restore has proven by itself.
fn proven(report: &RestoreReport) -> Vec<Check> {
    let entries = report.manifest.entries.len();
    let mut checks = vec![check("archive", &format!("every byte of {entries} entries"))];
    if let Some(counts) = &report.restored.counts {
        let found = format!("{} nodes, {} relationships", counts.nodes, counts.relationships);
        checks.push(check("counts", &found));
    }
    if let Some(fingerprint) = &report.restored.fingerprint {
        checks.push(check("fingerprint", &fingerprint.graph));
    }
    checks
}

/// Asks whether something holds of a database; what was found, for people.
///
/// # Errors
/// [`Error::Invariant`] when it does not hold, or cannot be asked.
pub async fn holds(target: &Target, invariant: &Invariant) -> Result<String> {
    invariant::check(target, invariant).await
}

async fn invariants(target: &Target, invariants: &[Invariant]) -> Result<Vec<Check>> {
    let mut checks = Vec::new();
    for invariant in invariants {
        let found = invariant::check(target, invariant).await?;
        checks.push(check(&format!("invariant: {}", invariant.name), &found));
    }
    Ok(checks)
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
