//! The trial of a physical backup: into a home of its own, on which a server then starts.
//!
//! Only the backup is tried, not the log that was shipped after it.

use std::sync::Arc;

use lifeboat_archive::{DatabaseSection, Manifest, ServerInfo};
use lifeboat_bolt::Auth;
use lifeboat_server::{Installation, Server, ServerOptions};
use tokio_util::sync::CancellationToken;

use super::{HEAP_MIB, PAGE_CACHE_MIB, Shown, TrialOptions, check, invariants, scratch, target};
use crate::physical_restore::{HomeRestoreOptions, HomeRestoreReport, own_end, restore_home};
use crate::restore::Steps;
use crate::select::Selector;
use crate::{Error, Progress, Result};

pub(super) async fn run(
    options: &TrialOptions,
    manifest: &Manifest,
    database: &DatabaseSection,
    progress: &Arc<Progress>,
) -> Result<Shown> {
    let settings = &options.settings;
    let folder = settings.neo4j.as_ref().ok_or(Error::NoInstallation)?;
    let failed = lifeboat_neo4j::Error::from;
    let installation = Installation::find(folder, settings.java.as_deref()).map_err(failed)?;
    let scratch = scratch(settings)?;
    let home = scratch.path().join("home");
    std::fs::create_dir(&home).map_err(|error| Error::Folder {
        action: "make",
        folder: home.clone(),
        error,
    })?;
    let restoring = HomeRestoreOptions {
        vault: options.vault.clone(),
        backup: Selector::Name(manifest.name.clone()),
        until: own_end(manifest),
        home: home.clone(),
        database: None,
        installation: Some(folder.clone()),
        java: settings.java.clone(),
        check: true,
        start: None,
    };
    let report = restore_home(&restoring, progress, &CancellationToken::new()).await?;

    let mut steps = Steps::default();
    let server = ServerOptions {
        http: false,
        heap_mib: HEAP_MIB,
        page_cache_mib: PAGE_CACHE_MIB,
        scratch: Some(scratch.path().to_owned()),
        ..ServerOptions::new(&home)
    };
    // Its users came with it, and their passwords are nobody's business.
    let server =
        server.without_auth().setting("initial.dbms.default_database", database.name.clone());
    let server = Server::start(&installation, server).await.map_err(failed)?;
    steps.done("start server");
    let usable_after = report.steps.len() + 1;
    let mut checks = proven(&report, database);
    if !settings.invariants.is_empty() {
        let target = target(&server, Auth::None, &database.name)?;
        checks.extend(invariants(&target, &settings.invariants).await?);
        steps.done("invariants");
    }
    server.stop().await.map_err(failed)?;
    steps.done("stop server");
    let version = installation.version().to_string();
    let server = Some(ServerInfo { version, edition: None, bolt: None });
    let steps = [report.steps, steps.list].concat();
    Ok(Shown { way: "home", server, steps, usable_after, checks })
}

/// What the restore has proven by itself.
fn proven(report: &HomeRestoreReport, database: &DatabaseSection) -> Vec<super::Check> {
    let entries = report.manifest.entries.len();
    let mut checks = vec![check("archive", &format!("every byte of {entries} entries"))];
    if let Some(last_tx) = report.last_tx.filter(|_| report.proof.started) {
        checks.push(check("last transaction", &last_tx.to_string()));
    }
    if let Some(counts) = database.counts.as_ref().filter(|_| report.proof.counted) {
        let found = format!("{} nodes, {} relationships", counts.nodes, counts.relationships);
        checks.push(check("counts", &found));
    }
    if let Some(fingerprint) = database.fingerprint.as_ref().filter(|_| report.proof.fingerprinted)
    {
        checks.push(check("fingerprint", &fingerprint.graph));
    }
    if report.proof.checked {
        checks.push(check("neo4j-admin database check", "consistent"));
    }
    checks
}
