//! The trial of a physical backup: into a home of its own, on which a server then starts.
//!
//! Only the backup is tried, not the log that was shipped after it.

use std::sync::Arc;

use lifeboat_archive::{Check, DatabaseSection, Manifest, ServerInfo};
use tokio_util::sync::CancellationToken;

use super::bench::Bench;
use super::{Shown, TrialOptions, check, proven_archive};
use crate::physical_restore::{HomeRestoreOptions, HomeRestoreReport, own_end, restore_home};
use crate::select::Selector;
use crate::{Progress, Result};

pub(super) async fn run(
    options: &TrialOptions,
    manifest: &Manifest,
    database: &DatabaseSection,
    progress: &Arc<Progress>,
) -> Result<Shown> {
    let bench = Bench::new(&options.settings)?;
    let restoring = HomeRestoreOptions {
        vault: options.vault.clone(),
        backup: Selector::Name(manifest.name.clone()),
        until: own_end(manifest),
        home: bench.home.clone(),
        database: None,
        installation: Some(bench.installation.folder().to_owned()),
        java: options.settings.java.clone(),
        // It comes afterwards, when the data can be used already.
        check: false,
        start: None,
    };
    let report = restore_home(&restoring, progress, &CancellationToken::new()).await?;

    let checks = proven(&report, database);
    let version = bench.installation.version().to_string();
    let server = Some(ServerInfo { version, edition: None, bolt: None });
    let databases: Vec<String> =
        report.databases.into_iter().filter(|name| name != "system").collect();
    let shown = Shown { way: "home", server, steps: report.steps, usable_after: 0, checks };
    bench.serve(&database.name, &databases, shown).await
}

/// What the restore has proven by itself.
fn proven(report: &HomeRestoreReport, database: &DatabaseSection) -> Vec<Check> {
    let mut checks = vec![proven_archive(&report.manifest)];
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
    checks
}
