//! A graph into a running server: nodes, then relationships, then the schema, then the proof.
//!
//! ```text
//! payload ──▶ entries ──▶ parser (rows by statement) ──▶ batches ──▶ writers, a connection each
//! ```
//! Nodes are matched to their relationships by the ids that the target gives them, kept in a
//! [`NodeTable`]: nothing is added to the graph to find them again. Constraints and indexes come
//! after the data, when building them is cheapest.
//!
//! # A connection that breaks
//! A batch is one transaction, so it is there wholly or not at all; only when the connection breaks
//! during COMMIT is it unknown which. The target was empty and nobody else writes to it, so the
//! counts that the server keeps tell: with every other writer at rest, they are what was committed,
//! with this batch or without it. Any other number means that somebody else writes: then the
//! restore stops.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{StreamExt as _, stream};
use lifeboat_archive::DatabaseSection;
use lifeboat_bolt::packstream::Value;
use lifeboat_bolt::{Access, Config, Connection, Params, RunOptions};
use tokio::sync::{RwLock, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::apply;
use super::batch::{Batch, Batcher, Nodes};
use super::compare::counts;
use crate::database::Database;
use crate::error::{Error, Result};
use crate::node_table::NodeTable;
use crate::progress::{Phase, Progress};
use crate::schema::Schema;

/// Memory for the ids of nodes in the target; beyond it they go to a temporary file.
const TABLE_BUDGET: usize = 1 << 30;

/// How often a batch or a connection is tried before the restore gives up.
const ATTEMPTS: u32 = 12;

/// Where the entries of a payload come from; what it answers has been verified.
pub trait Payload: Send + Sync {
    /// Paths of the entries, in the order of the archive.
    fn paths(&self) -> Vec<String>;

    /// The content of an entry, by its place in [`Self::paths`].
    fn read(
        &self,
        index: usize,
    ) -> BoxFuture<'_, Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>>>;
}

/// Where to write, and how.
#[derive(Debug, Clone)]
pub struct WriteOptions {
    /// The server.
    pub config: Config,
    /// The database; the server's default when not given.
    pub database: Option<String>,
    /// Connections that write at the same time.
    pub writers: usize,
}

impl WriteOptions {
    fn run(&self, access: Access) -> RunOptions {
        RunOptions {
            database: self.database.clone(),
            access,
            fetch_size: -1,
            ..RunOptions::default()
        }
    }
}

/// The schema that a payload carries.
///
/// # Errors
/// When the payload cannot be read or has none.
pub async fn payload_schema(payload: &dyn Payload) -> Result<Schema> {
    let index = payload.paths().iter().position(|path| path == "schema.json");
    let index = index.ok_or_else(|| Error::payload("schema.json", 0, &"it is missing"))?;
    let bytes = payload.read(index).await.map_err(Error::Source)?;
    serde_json::from_slice(&bytes).map_err(|error| Error::payload("schema.json", 0, &error))
}

/// Writes a whole graph into an empty database, with its schema, and waits until every index
/// answers. It does not compare: [`super::compare`] does.
///
/// `cancel` stops it between two transactions. (Dropping the future instead could leave a COMMIT on
/// its way, which would land in whatever the caller does next.)
///
/// # Errors
/// [`Error::Interrupted`] when it was cancelled.
/// When the database is not empty, cannot hold what the payload has, somebody else writes to it, or
/// the server fails for longer than retrying lasts. What was written stays, for the caller to clear.
pub async fn write_graph(
    options: &WriteOptions,
    payload: Arc<dyn Payload>,
    section: &DatabaseSection,
    progress: &Arc<Progress>,
    cancel: &CancellationToken,
) -> Result<()> {
    let run = options.run(Access::Write);
    let mut connection = Connection::connect(&options.config).await?;
    let schema = payload_schema(payload.as_ref()).await?;
    apply::check_target(&mut connection, &run, &schema).await?;
    let counts = counts(section)?;
    let counts = (counts.nodes, counts.relationships);
    progress.expect(counts.0, counts.1);

    let restore = Arc::new(Restore {
        options: options.clone(),
        run,
        dialect: Database::dialect(connection.server()),
        table: Mutex::new(NodeTable::new(TABLE_BUDGET)),
        gate: RwLock::new(()),
        nodes: AtomicU64::new(0),
        relationships: AtomicU64::new(0),
        stop: cancel.child_token(),
        progress: Arc::clone(progress),
    });
    for (element, prefix) in [(Element::Node, "nodes/"), (Element::Relationship, "relationships/")]
    {
        progress.enter(match element {
            Element::Node => Phase::Nodes,
            Element::Relationship => Phase::Relationships,
        });
        restore.phase(element, prefix, &payload).await?;
    }
    let committed = (restore.committed(Element::Node), restore.committed(Element::Relationship));
    if committed != counts {
        return Err(Error::Different {
            difference: format!(
                "the payload holds {} nodes and {} relationships, its manifest promises {} and {}",
                committed.0, committed.1, counts.0, counts.1
            ),
        });
    }
    progress.enter(Phase::Schema);
    // A connection that was idle for the hours that data can take may have been dropped.
    let mut connection = Connection::connect(&options.config).await?;
    apply::create_schema(&mut connection, &restore.run, &schema).await?;
    connection.close().await;
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    Node,
    Relationship,
}

/// How far a transaction came.
#[derive(Debug, Default)]
struct Outcome {
    /// Ids of the payload and of the target, once the rows are created.
    ids: Vec<(u64, u64)>,
    /// From here on the transaction may be there even if no answer comes.
    commit_sent: bool,
    /// Its connection, as the server names it.
    connection_id: String,
}

#[derive(Debug)]
struct Restore {
    options: WriteOptions,
    run: RunOptions,
    dialect: &'static str,
    /// Ids of the payload to ids of the target, plus one.
    table: Mutex<NodeTable>,
    /// Writers hold it shared from BEGIN until a batch is counted; who must know exactly what was
    /// committed holds it alone.
    gate: RwLock<()>,
    nodes: AtomicU64,
    relationships: AtomicU64,
    /// Writers stop after the transaction at hand.
    stop: CancellationToken,
    progress: Arc<Progress>,
}

impl Restore {
    fn table(&self) -> MutexGuard<'_, NodeTable> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Restores all nodes, or all relationships.
    async fn phase(
        self: &Arc<Self>,
        element: Element,
        prefix: &str,
        payload: &Arc<dyn Payload>,
    ) -> Result<()> {
        let paths = payload.paths();
        let entries: Vec<(usize, String)> =
            paths.into_iter().enumerate().filter(|(_, path)| path.starts_with(prefix)).collect();
        let (entry_sender, entry_receiver) = mpsc::channel::<(String, Vec<u8>)>(1);
        let (batch_sender, batch_receiver) = mpsc::channel::<Batch>(self.options.writers.max(1));
        let batches = Arc::new(tokio::sync::Mutex::new(batch_receiver));
        let mut tasks = JoinSet::new();

        let source = Arc::clone(payload);
        tasks.spawn(async move {
            let mut contents = stream::iter(entries)
                .map(|(index, path)| {
                    let source = Arc::clone(&source);
                    async move { source.read(index).await.map(|bytes| (path, bytes)) }
                })
                .buffered(3);
            while let Some(content) = contents.next().await {
                if entry_sender.send(content.map_err(Error::Source)?).await.is_err() {
                    break;
                }
            }
            Ok(())
        });
        let restore = Arc::clone(self);
        tasks.spawn_blocking(move || restore.parse(element, entry_receiver, &batch_sender));
        for _ in 0..self.options.writers.max(1) {
            let (restore, batches) = (Arc::clone(self), Arc::clone(&batches));
            tasks.spawn(async move { restore.write(element, &batches).await });
        }
        drop(batches);
        let mut failure = None;
        while let Some(task) = tasks.join_next().await {
            let result = match task {
                Ok(result) => result,
                Err(panic) => Err(Error::Unexpected { what: panic.to_string() }),
            };
            if let Err(error) = result {
                // The first one is the cause; the others fail because it does.
                failure.get_or_insert(error);
                self.stop.cancel();
            }
        }
        match failure {
            Some(error) => Err(error),
            None if self.stop.is_cancelled() => Err(Error::Interrupted),
            None => Ok(()),
        }
    }

    /// One thread: entries into batches.
    fn parse(
        &self,
        element: Element,
        mut entries: mpsc::Receiver<(String, Vec<u8>)>,
        batches: &mpsc::Sender<Batch>,
    ) -> Result<()> {
        let mut batcher = Batcher::new(self.dialect, Nodes::Create);
        let mut send = |batch| batches.blocking_send(batch).map_err(|_| Error::Interrupted);
        while let Some((path, lines)) = entries.blocking_recv() {
            match element {
                Element::Node => batcher.nodes(&path, &lines, &mut send)?,
                Element::Relationship => {
                    let target = |id| {
                        let target = self.table().get(id).map_err(Error::Scratch)?;
                        Ok(target.map(|target| target - 1))
                    };
                    batcher.relationships(&path, &lines, target, &mut send)?;
                }
            }
            if batcher.is_large() {
                batcher.flush(&mut send)?;
            }
        }
        batcher.flush(&mut send)
    }

    /// One connection: batches into transactions.
    async fn write(
        &self,
        element: Element,
        batches: &tokio::sync::Mutex<mpsc::Receiver<Batch>>,
    ) -> Result<()> {
        let mut connection = None;
        loop {
            let next = async { batches.lock().await.recv().await };
            let batch = tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ok(()),
                batch = next => batch,
            };
            let Some(batch) = batch else { return Ok(()) };
            self.write_batch(element, &batch, &mut connection).await?;
        }
    }

    async fn write_batch(
        &self,
        element: Element,
        batch: &Batch,
        connection: &mut Option<Connection>,
    ) -> Result<()> {
        let mut attempt = 0;
        loop {
            let mut outcome = Outcome::default();
            let error = {
                let _shared = self.gate.read().await;
                match self.transaction(element, batch, connection, &mut outcome).await {
                    Ok(()) => return self.count(element, batch, &outcome),
                    Err(error) => error,
                }
            };
            if matches!(&error, Error::Bolt(error) if error.is_disconnected()) {
                *connection = None;
            }
            self.retry_after(error, &mut attempt).await?;
            if !outcome.commit_sent {
                continue;
            }
            loop {
                let _alone = self.gate.write().await;
                match self.was_committed(element, batch, connection, &outcome).await {
                    Ok(true) => return self.count(element, batch, &outcome),
                    Ok(false) => break,
                    Err(error) => self.retry_after(error, &mut attempt).await?,
                }
            }
        }
    }

    /// Waits before the next attempt, or gives the error back when there shall be none.
    async fn retry_after(&self, error: Error, attempt: &mut u32) -> Result<()> {
        *attempt += 1;
        if *attempt >= ATTEMPTS
            || self.stop.is_cancelled()
            || !matches!(&error, Error::Bolt(error) if error.is_retryable())
        {
            return Err(error);
        }
        tracing::warn!(%error, attempt, "a batch failed and is tried again");
        tokio::time::sleep(Duration::from_millis(50) * 2_u32.pow((*attempt).min(8))).await;
        Ok(())
    }

    /// Whether the transaction whose COMMIT was sent, and not answered, is there.
    async fn was_committed(
        &self,
        element: Element,
        batch: &Batch,
        connection: &mut Option<Connection>,
        outcome: &Outcome,
    ) -> Result<bool> {
        let open = connection.insert(Connection::connect(&self.options.config).await?);
        // The server may still be at it.
        let id = Value::String(outcome.connection_id.clone());
        let params = || Params::Values(vec![("id".to_owned(), id.clone())]);
        let query = "SHOW TRANSACTIONS YIELD connectionId AS id WHERE id = $id RETURN id";
        for _ in 0..600 {
            let mut rows = open.run(query, params(), &self.run).await?;
            if rows.next().await?.is_none() {
                break;
            }
            rows.finish().await?;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let (nodes, relationships) = Database::size(open, &self.run).await?;
        let (what, found) = match element {
            Element::Node => ("nodes", nodes),
            Element::Relationship => ("relationships", relationships),
        };
        let expected = self.committed(element);
        match found.checked_sub(expected) {
            Some(0) => Ok(false),
            Some(more) if more == batch.rows => Ok(true),
            _ => Err(Error::OtherWriter { database: self.database(), what, expected, found }),
        }
    }

    /// One transaction; `outcome` tells how far it came when it fails.
    async fn transaction(
        &self,
        element: Element,
        batch: &Batch,
        connection: &mut Option<Connection>,
        outcome: &mut Outcome,
    ) -> Result<()> {
        let open = match connection {
            Some(open) => open,
            none => none.insert(Connection::connect(&self.options.config).await?),
        };
        outcome.connection_id.clone_from(&open.server().connection_id);
        open.begin(&self.run).await?;
        let params = Params::Raw(batch.params.clone());
        let mut rows = open.run(&batch.statement, params, &self.run).await?;
        let mut created = 0;
        while let Some(row) = rows.next().await? {
            match (element, row.as_slice()) {
                (Element::Node, [Value::Int(source), Value::Int(target)]) => {
                    outcome.ids.push((source.unsigned_abs(), target.unsigned_abs()));
                    created += 1;
                }
                (Element::Relationship, [Value::Int(count)]) => created += count.unsigned_abs(),
                (_, other) => {
                    return Err(Error::Unexpected { what: format!("a batch answered {other:?}") });
                }
            }
        }
        rows.finish().await?;
        if created != batch.rows {
            let _ = open.rollback().await;
            return Err(Error::OtherWriter {
                database: self.database(),
                what: "rows created by a batch",
                expected: batch.rows,
                found: created,
            });
        }
        outcome.commit_sent = true;
        open.commit().await?;
        Ok(())
    }

    /// Takes a committed batch into the books.
    fn count(&self, element: Element, batch: &Batch, outcome: &Outcome) -> Result<()> {
        match element {
            Element::Node => {
                let mut table = self.table();
                for (source, target) in &outcome.ids {
                    table.set(*source, target + 1).map_err(Error::Scratch)?;
                }
                self.nodes.fetch_add(batch.rows, Ordering::SeqCst);
                self.progress.add_nodes(batch.rows);
            }
            Element::Relationship => {
                self.relationships.fetch_add(batch.rows, Ordering::SeqCst);
                self.progress.add_relationships(batch.rows);
            }
        }
        Ok(())
    }

    fn committed(&self, element: Element) -> u64 {
        match element {
            Element::Node => self.nodes.load(Ordering::SeqCst),
            Element::Relationship => self.relationships.load(Ordering::SeqCst),
        }
    }

    fn database(&self) -> String {
        self.options.database.clone().unwrap_or_else(|| "(default)".to_owned())
    }
}
