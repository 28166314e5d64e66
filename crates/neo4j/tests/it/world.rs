//! What the tests share: servers, and the steps of a backup and restore.

use std::sync::Arc;

use lifeboat_archive::DatabaseSection;
use lifeboat_bolt::{Access, Auth, Config, Connection, RunOptions};
use lifeboat_neo4j::logical::{Source, WriteOptions, clear, compare, fingerprint, write_graph};
use lifeboat_neo4j::{Error, Progress};
use lifeboat_testkit::graph::GraphSource;
use lifeboat_testkit::load::{load, wipe};
use lifeboat_testkit::oracle::Snapshot;
use lifeboat_testkit::{Line, Neo4j};
use tokio::sync::{Mutex, MutexGuard};
use tokio_util::sync::CancellationToken;

use crate::memory::MemoryArchive;

/// A server of each line, which one test at a time may fill and empty.
pub(crate) struct World {
    pub(crate) lts: &'static Neo4j,
    pub(crate) current: &'static Neo4j,
    _turn: MutexGuard<'static, ()>,
}

impl World {
    pub(crate) async fn take() -> Self {
        static TURN: Mutex<()> = Mutex::const_new(());
        let turn = TURN.lock().await;
        let lts = Neo4j::shared(Line::Lts).await.unwrap();
        let current = Neo4j::shared(Line::Current).await.unwrap();
        for server in [lts, current] {
            wipe(&mut connect(server).await, &RunOptions::default()).await.unwrap();
        }
        Self { lts, current, _turn: turn }
    }
}

pub(crate) fn config(server: &Neo4j) -> Config {
    config_at(server, &server.uri())
}

/// The same server by another way, such as through a proxy.
pub(crate) fn config_at(server: &Neo4j, uri: &str) -> Config {
    Config::new(uri.parse().unwrap(), Auth::basic(server.username(), server.password()))
}

pub(crate) async fn connect(server: &Neo4j) -> Connection {
    Connection::connect(&config(server)).await.unwrap()
}

pub(crate) fn source(server: &Neo4j) -> Source {
    Source { config: config(server), database: None, threads: 2 }
}

pub(crate) fn target(server: &Neo4j) -> WriteOptions {
    WriteOptions { config: config(server), database: None, writers: 2 }
}

pub(crate) fn run_options() -> RunOptions {
    RunOptions { access: Access::Write, ..RunOptions::default() }
}

pub(crate) async fn fill(server: &Neo4j, graph: &dyn GraphSource) {
    load(&mut connect(server).await, &run_options(), graph).await.unwrap();
}

pub(crate) async fn empty(server: &Neo4j) {
    clear(&mut connect(server).await, &run_options()).await.unwrap();
}

pub(crate) async fn snapshot(server: &Neo4j) -> Snapshot {
    Snapshot::read(&mut connect(server).await, &run_options()).await.unwrap()
}

pub(crate) async fn section(server: &Neo4j) -> DatabaseSection {
    fingerprint(&source(server), &Arc::default()).await.unwrap()
}

/// Restores, and compares as the product does.
pub(crate) async fn restore(
    options: &WriteOptions,
    archive: &Arc<MemoryArchive>,
) -> Result<DatabaseSection, Error> {
    let payload = Arc::clone(archive);
    let progress = Arc::new(Progress::default());
    let cancel = CancellationToken::new();
    write_graph(options, payload, &archive.section, &progress, &cancel).await?;
    let read = Source { config: options.config.clone(), database: None, threads: 2 };
    let found = fingerprint(&read, &progress).await?;
    compare(&archive.section, &found)?;
    Ok(found)
}
