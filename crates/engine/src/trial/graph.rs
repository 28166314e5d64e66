//! The trial of a logical backup: over Bolt, or through Neo4j's importer when the graph is large.

use std::sync::Arc;

use lifeboat_archive::{Check, Compression, DatabaseSection, Manifest};
use lifeboat_bolt::Auth;
use lifeboat_neo4j::logical::counts;
use tokio_util::sync::CancellationToken;

use super::bench::{Bench, server_failed, target};
use super::{Shown, TrialOptions, check, proven_archive};
use crate::bulk::{BulkRestoreOptions, restore_bulk};
use crate::restore::{RestoreOptions, Steps, restore};
use crate::select::Selector;
use crate::{Progress, Result};

/// Who one is on a new server.
const USER: &str = "neo4j";

/// Restores the graph, by the way that is the faster one for its size.
pub(super) async fn run(
    options: &TrialOptions,
    manifest: &Manifest,
    database: &DatabaseSection,
    progress: &Arc<Progress>,
) -> Result<Shown> {
    let counts = counts(database)?;
    let bench = Bench::new(&options.settings)?;
    if counts.nodes + counts.relationships >= options.settings.bulk_from() {
        Box::pin(in_bulk(&bench, options, manifest, database, progress)).await
    } else {
        Box::pin(online(&bench, options, manifest, database, progress)).await
    }
}

async fn online(
    bench: &Bench<'_>,
    options: &TrialOptions,
    manifest: &Manifest,
    database: &DatabaseSection,
    progress: &Arc<Progress>,
) -> Result<Shown> {
    let mut steps = Steps::default();
    let password = uuid::Uuid::new_v4().simple().to_string();
    bench.admin().set_initial_password(&password).await.map_err(server_failed)?;
    let server = bench.start(bench.options(&database.name)).await?;
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
    let mut done = [steps.list, report.steps].concat();
    let usable_after = done.len();

    let mut checks = proven(manifest, &report.restored);
    let mut steps = Steps::default();
    let databases = std::slice::from_ref(&database.name);
    checks.extend(bench.examine(server, &target, databases, &mut steps).await?);
    done.extend(steps.list);
    let server = Some(report.restored.server);
    Ok(Shown { way: "online", server, steps: done, usable_after, checks })
}

async fn in_bulk(
    bench: &Bench<'_>,
    options: &TrialOptions,
    manifest: &Manifest,
    database: &DatabaseSection,
    progress: &Arc<Progress>,
) -> Result<Shown> {
    let restoring = BulkRestoreOptions {
        vault: options.vault.clone(),
        backup: Selector::Name(manifest.name.clone()),
        home: bench.home.clone(),
        installation: bench.installation.folder().to_owned(),
        java: options.settings.java.clone(),
        database: None,
        replace: false,
    };
    let report = restore_bulk(&restoring, progress, &CancellationToken::new()).await?;
    let checks = proven(manifest, &report.restored);
    let server = Some(report.restored.server);
    let shown = Shown { way: "bulk", server, steps: report.steps, usable_after: 0, checks };
    bench.serve(&database.name, std::slice::from_ref(&database.name), shown).await
}

/// What the restore has proven by itself.
fn proven(manifest: &Manifest, restored: &DatabaseSection) -> Vec<Check> {
    let mut checks = vec![proven_archive(manifest)];
    if let Some(counts) = &restored.counts {
        let found = format!("{} nodes, {} relationships", counts.nodes, counts.relationships);
        checks.push(check("counts", &found));
    }
    if let Some(fingerprint) = &restored.fingerprint {
        checks.push(check("fingerprint", &fingerprint.graph));
    }
    checks
}
