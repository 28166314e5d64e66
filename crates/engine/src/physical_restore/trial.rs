//! A private server on what was restored, before anything live is touched.

use std::sync::Arc;

use lifeboat_archive::DatabaseSection;
use lifeboat_bolt::{Access, Auth, Config, Connection, RunOptions};
use lifeboat_neo4j::Database;
use lifeboat_neo4j::logical::{Source, compare, fingerprint};
use lifeboat_server::{AdminTool, Installation, Server, ServerOptions, Version, initialize_home};

use super::target::Staging;
use super::{HomeRestoreOptions, HomeRestorePlan, Proof, physical};
use crate::{Error, Progress, Result, threads};

/// Starts a server, which recovers the store, and compares what it says; then checks the store.
pub(super) async fn run(
    options: &HomeRestoreOptions,
    plan: &HomeRestorePlan,
    staging: &Staging,
    main: &str,
    last_tx: Option<u64>,
    progress: &Arc<Progress>,
) -> Result<Proof> {
    let folder = options.installation.as_ref().unwrap_or(&options.home);
    let installation = Installation::find(folder, options.java.as_deref()).map_err(server)?;
    let mut proof = Proof::default();
    // Without its `system`, a server would not know a database alone.
    if options.database.is_none() {
        let mut settings = ServerOptions::new(&staging.home).without_auth();
        settings.http = false;
        let (wanted, _) = physical(&plan.manifest)?;
        if plan.log_bytes == 0 && wanted.fingerprint.is_none() {
            // It starts, answers a few questions and ends.
            settings = settings.soon_done();
        }
        let logs = staging.transactions();
        settings = settings
            .setting("server.directories.transaction.logs.root", logs.display().to_string())
            .setting("initial.dbms.default_database", main);
        let running = Server::start(&installation, settings).await.map_err(server)?;
        let asked = ask(&running, plan, main, last_tx, &mut proof, progress).await;
        let stopped = running.stop().await.map_err(server);
        asked?;
        stopped?;
        proof.started = true;
    }
    if options.check {
        check(&installation, plan, staging).await?;
        proof.checked = true;
    }
    tidy(staging);
    Ok(proof)
}

fn server(error: lifeboat_server::Error) -> Error {
    lifeboat_neo4j::Error::from(error).into()
}

/// Compares the recovered database with what the backup says.
async fn ask(
    running: &Server,
    plan: &HomeRestorePlan,
    main: &str,
    last_tx: Option<u64>,
    proof: &mut Proof,
    progress: &Arc<Progress>,
) -> Result<()> {
    let uri = running.bolt_uri().parse().map_err(|error| Error::Internal(format!("{error}")))?;
    let config = Config::new(uri, Auth::None);
    let newer = plan.version.as_ref().is_some_and(|version| is_newer(version, plan));
    check_last_tx(&config, main, last_tx, newer).await?;
    let (wanted, physical) = physical(&plan.manifest)?;
    let of_base = physical.databases.get(main).and_then(|database| database.last_tx);
    // What was counted at the base tells nothing of a later state.
    if last_tx != of_base || wanted.name != main {
        return Ok(());
    }
    let source = Source { config, database: Some(main.to_owned()), threads: threads() };
    if wanted.fingerprint.is_some() {
        let found = fingerprint(&source, progress).await?;
        compare(wanted, &found)?;
        proof.counted = true;
        proof.fingerprinted = true;
    } else if wanted.counts.is_some() {
        compare_counts(&source, wanted).await?;
        proof.counted = true;
    }
    Ok(())
}

fn is_newer(version: &Version, plan: &HomeRestorePlan) -> bool {
    let of_backup = plan.manifest.database.as_ref().map(|database| &database.server.version);
    of_backup.and_then(|text| text.parse::<Version>().ok()).is_none_or(|backup| *version > backup)
}

/// Compares the last transaction with the one that is expected. A newer server may have added some
/// of its own when it took the store over.
pub(super) async fn check_last_tx(
    config: &Config,
    main: &str,
    wanted: Option<u64>,
    newer: bool,
) -> Result<()> {
    let run = RunOptions {
        database: Some(main.to_owned()),
        access: Access::Read,
        ..RunOptions::default()
    };
    let failed = |error: lifeboat_bolt::Error| Error::Database(error.into());
    let mut connection = Connection::connect(config).await.map_err(failed)?;
    let found = Database::last_tx(&mut connection, &run).await?.map(|bookmark| bookmark.tx_id);
    connection.close().await;
    match (wanted, found) {
        (Some(wanted), Some(found)) if found != wanted && !(newer && found > wanted) => {
            Err(Error::OtherTransaction { database: main.to_owned(), wanted, found })
        }
        _ => Ok(()),
    }
}

async fn compare_counts(source: &Source, wanted: &DatabaseSection) -> Result<()> {
    let run = RunOptions {
        database: source.database.clone(),
        access: Access::Read,
        ..RunOptions::default()
    };
    let failed = |error: lifeboat_bolt::Error| Error::Database(error.into());
    let mut connection = Connection::connect(&source.config).await.map_err(failed)?;
    let found = Database::counts(&mut connection, &run).await?;
    connection.close().await;
    let wanted = wanted.counts.as_ref();
    if wanted == Some(&found) {
        return Ok(());
    }
    let told = wanted.map_or((0, 0), |counts| (counts.nodes, counts.relationships));
    let difference = format!(
        "{} nodes and {} relationships were backed up, {} and {} are there, or their labels, \
         types, constraints or indexes differ in number",
        told.0, told.1, found.nodes, found.relationships
    );
    Err(lifeboat_neo4j::Error::Different { difference }.into())
}

/// Runs Neo4j's own consistency check.
async fn check(
    installation: &Installation,
    plan: &HomeRestorePlan,
    staging: &Staging,
) -> Result<()> {
    initialize_home(&staging.home).map_err(server)?;
    let conf = staging.home.join("conf");
    let file = conf.join("neo4j.conf");
    let text =
        format!("server.directories.transaction.logs.root={}\n", staging.transactions().display());
    std::fs::write(&file, text).map_err(|error| Error::Folder {
        action: "write",
        folder: file,
        error,
    })?;
    let tool = AdminTool::new(installation, &staging.home);
    for database in plan.databases.iter().filter(|name| *name != "system") {
        let report = format!("--report-path={}", staging.home.join("run").display());
        tool.run(["database", "check", database, &report]).await.map_err(server)?;
    }
    Ok(())
}

/// Removes what a private server and a check have left beside the data.
fn tidy(staging: &Staging) {
    for folder in ["conf", "logs", "plugins", "import", "run", "licenses", "certificates"] {
        let _ = std::fs::remove_dir_all(staging.home.join(folder));
    }
}
