//! Writers of numbered transactions, and what a graph must be after the first of them.
//!
//! What transaction `n` does follows from the writer and `n` alone, so that the graph after the
//! first `n` can be told without asking anybody.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use lifeboat_bolt::{Access, Auth, Config, Connection, Params, RunOptions};
use lifeboat_testkit::Neo4j;
use tokio::task::JoinHandle;

/// How many nodes a large transaction creates.
const BULK: u64 = 400;

/// A transaction that was acknowledged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Acknowledged {
    /// Its id, as the bookmark tells it; `None` when the answer got lost.
    pub(crate) tx: Option<u64>,
    /// When it was sent, in milliseconds since 1970.
    pub(crate) sent: u64,
    /// When the answer had come.
    pub(crate) done: u64,
}

/// A writer at work. Its transactions are numbered from 1.
#[derive(Debug)]
pub(crate) struct Writer {
    id: u64,
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    done: Arc<Mutex<Vec<Acknowledged>>>,
    task: JoinHandle<()>,
}

/// Now, in milliseconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64)
}

impl Writer {
    /// Writes on from where it had come, until the server goes away or it is told to stop.
    pub(crate) fn start(server: &Neo4j, id: u64, done: Vec<Acknowledged>) -> anyhow::Result<Self> {
        let config = Config::new(server.uri().parse()?, Auth::None);
        let stop = Arc::new(AtomicBool::new(false));
        let sent = Arc::new(AtomicU64::new(done.len() as u64));
        let done = Arc::new(Mutex::new(done));
        let (stopped, counter, list) = (Arc::clone(&stop), Arc::clone(&sent), Arc::clone(&done));
        let task = tokio::spawn(async move {
            // The server is killed under it: how it ends is not the writer's concern.
            let _ = write(&config, id, &stopped, &counter, &list).await;
        });
        Ok(Self { id, stop, sent, done, task })
    }

    /// How many have been sent by now.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::SeqCst)
    }

    /// Ends it; its number, and all that was acknowledged.
    pub(crate) async fn stop(self) -> (u64, Vec<Acknowledged>) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = self.task.await;
        let done = self.done.lock().map_or_else(|p| p.into_inner().clone(), |list| list.clone());
        (self.id, done)
    }
}

async fn write(
    config: &Config,
    id: u64,
    stop: &AtomicBool,
    sent: &AtomicU64,
    done: &Mutex<Vec<Acknowledged>>,
) -> anyhow::Result<()> {
    let mut connection = Connection::connect(config).await?;
    let run = RunOptions { access: Access::Write, ..RunOptions::default() };
    loop {
        if stop.load(Ordering::SeqCst) {
            connection.close().await;
            return Ok(());
        }
        let number = sent.fetch_add(1, Ordering::SeqCst) + 1;
        if number.is_multiple_of(50) {
            // Indexes and constraints come and go; they are no numbered transactions.
            for statement in schema(id, number) {
                connection.run(&statement, Params::None, &run).await?.finish().await?;
            }
        }
        let begun = now();
        let statement = statement(id, number);
        let summary = loop {
            let records = connection.run(&statement, Params::None, &run).await?;
            match records.finish().await {
                // A lock of the other writer's; nothing was done.
                Err(error) if error.code().is_some_and(|c| c.starts_with("Neo.Transient")) => {}
                answer => break answer?,
            }
        };
        let bookmark = summary.bookmark.and_then(|bookmark| bookmark.decoded());
        let tx = bookmark.context("the server tells no transaction")?.tx_id;
        if let Ok(mut list) = done.lock() {
            list.push(Acknowledged { tx: Some(tx), sent: begun, done: now() });
        }
    }
}

fn schema(writer: u64, number: u64) -> [String; 2] {
    let name = format!("of_{writer}_{}", number / 50 % 3);
    match number / 50 % 2 {
        0 => [
            format!("CREATE INDEX i{name} IF NOT EXISTS FOR (n:Item{writer}) ON (n.value)"),
            format!(
                "CREATE CONSTRAINT c{name} IF NOT EXISTS FOR (n:Done{writer}) \
                 REQUIRE n.number IS UNIQUE"
            ),
        ],
        _ => {
            [format!("DROP INDEX i{name} IF EXISTS"), format!("DROP CONSTRAINT c{name} IF EXISTS")]
        }
    }
}

/// What a transaction does besides leaving its number.
enum Kind {
    Create,
    Update(u64),
    Delete(u64),
    Bulk,
}

fn kind(number: u64) -> Kind {
    match number % 10 {
        3 | 6 | 9 => Kind::Update(number / 2),
        5 => Kind::Delete(number / 3),
        0 if number.is_multiple_of(70) => Kind::Bulk,
        _ => Kind::Create,
    }
}

fn statement(writer: u64, number: u64) -> String {
    let done = format!("CREATE (:Done{writer} {{number: {number}}})");
    let item = format!("Item{writer}");
    match kind(number) {
        Kind::Create => format!(
            "{done} CREATE (:{item} {{key: {number}, value: {number}, text: 'number {number}'}})\
             -[:NEXT]->(:{item} {{key: -{number}, value: 0}})"
        ),
        Kind::Update(key) => {
            format!("{done} WITH 1 AS one MATCH (n:{item} {{key: {key}}}) SET n.value = {number}")
        }
        Kind::Delete(key) => {
            format!("{done} WITH 1 AS one MATCH (n:{item} {{key: {key}}}) DETACH DELETE n")
        }
        Kind::Bulk => format!(
            "{done} WITH 1 AS one UNWIND range(1, {BULK}) AS i \
             CREATE (:{item} {{key: {number} * 1000000 + i, value: i, text: 'bulk ' + i}})"
        ),
    }
}

/// The items after the first `last` transactions: value by key.
fn items(last: u64) -> BTreeMap<i64, i64> {
    let mut items = BTreeMap::new();
    for number in 1..=last {
        let signed = number.cast_signed();
        match kind(number) {
            Kind::Create => {
                items.insert(signed, signed);
                items.insert(-signed, 0);
            }
            Kind::Update(key) => {
                if let Some(value) = items.get_mut(&key.cast_signed()) {
                    *value = signed;
                }
            }
            Kind::Delete(key) => {
                items.remove(&key.cast_signed());
            }
            Kind::Bulk => {
                let bulk = 1..=BULK.cast_signed();
                items.extend(bulk.map(|i| (signed * 1_000_000 + i, i)));
            }
        }
    }
    items
}

/// How many of a writer's transactions a server holds; they must be its first, and the graph must
/// be as they left it.
pub(crate) async fn held(server: &Neo4j, writer: u64) -> anyhow::Result<u64> {
    let numbers =
        server.query(&format!("MATCH (n:Done{writer}) RETURN n.number ORDER BY n.number")).await?;
    let numbers: Vec<u64> = numbers.iter().filter_map(|row| row.first()?.as_u64()).collect();
    let last = numbers.len() as u64;
    ensure!(
        numbers.iter().copied().eq(1..=last),
        "the transactions of writer {writer} have a gap or a double: {numbers:?}"
    );
    let found = server
        .query(&format!("MATCH (n:Item{writer}) RETURN n.key, n.value ORDER BY n.key"))
        .await?;
    let found: BTreeMap<i64, i64> = found
        .iter()
        .filter_map(|row| Some((row.first()?.as_i64()?, row.get(1)?.as_i64()?)))
        .collect();
    let wanted = items(last);
    ensure!(
        found == wanted,
        "after {last} transactions of writer {writer} there should be {} items, and {} are, or \
         their values differ",
        wanted.len(),
        found.len()
    );
    Ok(last)
}
