//! A graph out of a running server: one scan of the nodes, one of the relationships.
//!
//! ```text
//! Bolt stream ──▶ batches ──▶ workers (lines, hashes, frames) ──▶ sink
//! ```
//! The stream is read by one task; as many threads as asked for turn batches of records into lines,
//! and whole frames of lines into compressed ones, with no order between them. Every queue is
//! short, so the slowest part sets the pace and memory stays flat.
//!
//! # Exact or fuzzy
//! Community has no snapshot over several queries. A bookmark carries the last committed
//! transaction: when it is the same before and after, nothing was committed and the backup is the
//! graph at that transaction. Otherwise it is fuzzy: every element was there at some moment of the
//! range. A relationship that was created after its end nodes should have been scanned is kept:
//! the nodes are fetched by id ("late nodes"). When an end node is gone by then, the relationship
//! is gone as well (Neo4j keeps none without its ends): it is left out and counted.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lifeboat_archive::{
    Compression, Counts, DatabaseSection, EncodedFrame, EntryHeader, FRAME_SIZE, FrameWriter,
    Method, ServerInfo, Snapshot, encode,
};
use lifeboat_bolt::packstream::Value;
use lifeboat_bolt::{Access, Config, Connection, Params, RecordBatch, RunOptions};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::scan::Scanner;
use crate::database::Database;
use crate::error::{Error, Result};
use crate::fingerprint::{Tallies, labels_of};
use crate::node_table::NodeTable;
use crate::progress::{Phase, Progress};
use crate::schema::{Schema, SchemaKind};

/// Relationships that wait for their end nodes before those are fetched.
const WAITING: usize = 10_000;

/// Content of an entry that goes into one frame at most; the frame's own limit is 64 MiB.
const LARGE: usize = 32 << 20;

/// Memory for the digests of nodes; beyond it they go to a temporary file.
const TABLE_BUDGET: usize = 64 << 20;

/// What to read.
#[derive(Debug, Clone)]
pub struct Source {
    /// The server.
    pub config: Config,
    /// The database; the server's default when not given.
    pub database: Option<String>,
    /// Threads that work on what comes.
    pub threads: usize,
}

/// Where the payload goes, and in what form.
#[derive(Debug, Clone)]
pub struct Sink {
    /// Takes the entries, in any order.
    pub entries: mpsc::Sender<EncodedEntry>,
    /// Makes frames for the archive that they go into.
    pub frames: FrameWriter,
    /// How frames are compressed.
    pub compression: Compression,
}

/// The frames of one entry, which belong one after another.
pub type EncodedEntry = Vec<EncodedFrame>;

/// Reads a whole graph into a payload.
///
/// Dropping the future stops everything.
///
/// # Errors
/// When the server refuses or breaks off, or the receiver of the entries has gone.
pub async fn read_graph(
    source: &Source,
    sink: Sink,
    progress: &Arc<Progress>,
) -> Result<DatabaseSection> {
    read(source, Some(sink), progress).await
}

/// Reads a whole graph for its counts and fingerprint only.
///
/// # Errors
/// When the server refuses or breaks off.
pub async fn fingerprint(source: &Source, progress: &Arc<Progress>) -> Result<DatabaseSection> {
    read(source, None, progress).await
}

async fn read(
    source: &Source,
    sink: Option<Sink>,
    progress: &Arc<Progress>,
) -> Result<DatabaseSection> {
    let mut connection = Connection::connect(&source.config).await?;
    let run = RunOptions {
        database: source.database.clone(),
        access: Access::Read,
        fetch_size: -1,
        ..RunOptions::default()
    };
    let database = Database::inspect(&mut connection, &run).await?;
    let before = Database::last_tx(&mut connection, &run).await?;
    let schema = Schema::read(&mut connection, &run).await?;
    progress.expect(database.nodes, database.relationships);

    let shared = Arc::new(Shared {
        table: Mutex::new(NodeTable::new(TABLE_BUDGET)),
        waiting: Mutex::new(Vec::new()),
        writer: sink.map(|sink| Writer {
            sink,
            nodes: AtomicU64::new(0),
            relationships: AtomicU64::new(0),
        }),
        failed: AtomicBool::new(false),
        progress: Arc::clone(progress),
    });
    if let Some(writer) = &shared.writer {
        writer.schema(&schema).await?;
    }

    // Who only compares does not care which half is being read.
    let phases = if shared.writer.is_some() {
        [Phase::Nodes, Phase::Relationships]
    } else {
        [Phase::Comparing, Phase::Comparing]
    };
    progress.enter(phases[0]);
    let scan = Scan::begin(&shared, Element::Node, source.threads);
    let mut tallies = scan.run(&mut connection, "MATCH (n) RETURN n", &run, None).await?;

    if phases[1] != phases[0] {
        progress.enter(phases[1]);
    }
    let mut late = Late {
        source,
        run: &run,
        shared: &shared,
        connection: None,
        nodes: 0,
        dangling: 0,
        tallies: Tallies::default(),
    };
    let scan = Scan::begin(&shared, Element::Relationship, source.threads);
    let query = "MATCH ()-[r]->() RETURN r";
    tallies.merge(scan.run(&mut connection, query, &run, Some(&mut late)).await?);
    late.resolve().await?;
    tallies.merge(std::mem::take(&mut late.tallies));
    let (late_nodes, dangling_relationships) = (late.nodes, late.dangling);

    let schema_after = Schema::read(&mut connection, &run).await?;
    let after = Database::last_tx(&mut connection, &run).await?;
    connection.close().await;
    let mut labels = std::collections::BTreeMap::<String, u64>::new();
    for (set, tally) in &tallies.nodes {
        for label in labels_of(set) {
            *labels.entry(label).or_default() += tally.count;
        }
    }
    Ok(DatabaseSection {
        method: Method::Logical,
        name: database.name,
        id: before.as_ref().map(|before| before.database),
        server: ServerInfo {
            version: database.version,
            edition: Some(database.edition),
            bolt: Some(database.bolt),
        },
        snapshot: before.zip(after).map(|(before, after)| Snapshot {
            first_tx: before.tx_id,
            last_tx: after.tx_id,
            exact: before == after && schema == schema_after,
        }),
        counts: Some(Counts {
            nodes: tallies.node_count(),
            relationships: tallies.relationship_count(),
            labels,
            types: tallies.relationships.iter().map(|(k, t)| (k.clone(), t.count)).collect(),
            constraints: schema.count(SchemaKind::Constraint),
            indexes: schema.count(SchemaKind::Index),
            late_nodes,
            dangling_relationships,
        }),
        fingerprint: Some(tallies.fingerprint(schema.digest())),
        physical: None,
    })
}

/// What all threads of one backup share.
#[derive(Debug)]
struct Shared {
    /// The digest of every node seen.
    table: Mutex<NodeTable>,
    /// Records of relationships whose end nodes have not been seen.
    waiting: Mutex<Vec<Vec<u8>>>,
    writer: Option<Writer>,
    failed: AtomicBool,
    progress: Arc<Progress>,
}

/// Makes entries of lines.
#[derive(Debug)]
struct Writer {
    sink: Sink,
    nodes: AtomicU64,
    relationships: AtomicU64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    Node,
    Relationship,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A thread that panicked is reported when it is joined; the data is not used after that.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Writer {
    fn entry(&self, path: &str, content: &[u8]) -> Result<EncodedEntry> {
        // One node can hold more than fits into a frame.
        let frames = if content.len() <= LARGE {
            vec![self.sink.frames.entry(path, content)?]
        } else {
            let mut cutter = self.sink.frames.cutter(FRAME_SIZE);
            let mut frames = cutter.begin(EntryHeader::file(path, content.len() as u64))?;
            frames.extend(cutter.write(content)?);
            frames.extend(cutter.end()?);
            frames.extend(cutter.finish()?);
            frames
        };
        frames.into_iter().map(|raw| Ok(encode(raw, self.sink.compression)?)).collect()
    }

    /// Sends what a scanner has written, if it is enough for a frame or `all` is to go.
    fn flush(&self, scanner: &mut Scanner, element: Element, all: bool) -> Result<()> {
        if scanner.pending() < FRAME_SIZE && !(all && scanner.pending() > 0) {
            return Ok(());
        }
        let path = match element {
            Element::Node => {
                format!("nodes/{:06}.jsonl", self.nodes.fetch_add(1, Ordering::Relaxed))
            }
            Element::Relationship => format!(
                "relationships/{:06}.jsonl",
                self.relationships.fetch_add(1, Ordering::Relaxed)
            ),
        };
        let entry = self.entry(&path, &scanner.take_lines())?;
        self.sink.entries.blocking_send(entry).map_err(|_| Error::SinkClosed)
    }

    async fn schema(&self, schema: &Schema) -> Result<()> {
        let json = serde_json::to_vec_pretty(schema)
            .map_err(|error| Error::Unexpected { what: error.to_string() })?;
        for (path, bytes) in
            [("schema.json", json), ("schema.cypher", schema.to_cypher().into_bytes())]
        {
            let entry = self.entry(path, &bytes)?;
            self.sink.entries.send(entry).await.map_err(|_| Error::SinkClosed)?;
        }
        Ok(())
    }
}

impl Shared {
    fn nodes(&self, scanner: &mut Scanner, batch: &RecordBatch) -> Result<()> {
        let mut seen = Vec::with_capacity(batch.len());
        for record in batch.iter() {
            seen.extend(scanner.node(record)?);
        }
        let mut table = lock(&self.table);
        for (id, digest) in seen {
            table.set(id, digest).map_err(Error::Scratch)?;
        }
        drop(table);
        self.progress.add_nodes(batch.len() as u64);
        Ok(())
    }

    fn relationships<'r>(
        &self,
        scanner: &mut Scanner,
        records: impl Iterator<Item = &'r [u8]> + Clone,
    ) -> Result<Vec<Vec<u8>>> {
        let mut digests = Vec::new();
        let ends: Vec<_> = records.clone().map(Scanner::ends).collect::<Result<_>>()?;
        let mut table = lock(&self.table);
        for ends in ends {
            let start = table.get(ends.start).map_err(Error::Scratch)?;
            let end = table.get(ends.end).map_err(Error::Scratch)?;
            digests.push(start.zip(end));
        }
        drop(table);
        let mut waiting = Vec::new();
        let count = digests.len();
        for (record, digests) in records.zip(digests) {
            match digests {
                Some(digests) => scanner.relationship(record, digests)?,
                None => waiting.push(record.to_vec()),
            }
        }
        self.progress.add_relationships((count - waiting.len()) as u64);
        Ok(waiting)
    }

    /// One thread's work: batches until there are no more.
    fn work(
        &self,
        batches: &Mutex<mpsc::Receiver<RecordBatch>>,
        element: Element,
    ) -> Result<Tallies> {
        let mut scanner = Scanner::new(self.writer.is_some());
        loop {
            let batch = lock(batches).blocking_recv();
            let Some(batch) = batch else { break };
            match element {
                Element::Node => self.nodes(&mut scanner, &batch)?,
                Element::Relationship => {
                    let waiting = self.relationships(&mut scanner, batch.iter())?;
                    lock(&self.waiting).extend(waiting);
                }
            }
            if let Some(writer) = &self.writer {
                writer.flush(&mut scanner, element, false)?;
            }
        }
        if let Some(writer) = &self.writer {
            writer.flush(&mut scanner, element, true)?;
        }
        Ok(scanner.into_tallies())
    }
}

/// One scan: its queue and its threads.
struct Scan {
    shared: Arc<Shared>,
    batches: mpsc::Sender<RecordBatch>,
    workers: Vec<JoinHandle<Result<Tallies>>>,
}

impl Scan {
    fn begin(shared: &Arc<Shared>, element: Element, threads: usize) -> Self {
        let threads = threads.max(1);
        let (batches, receiver) = mpsc::channel(threads * 2);
        let receiver = Arc::new(Mutex::new(receiver));
        let workers = (0..threads)
            .map(|_| {
                let (shared, receiver) = (Arc::clone(shared), Arc::clone(&receiver));
                tokio::task::spawn_blocking(move || {
                    let result = shared.work(&receiver, element);
                    if result.is_err() {
                        // Stops the reader and the other threads.
                        shared.failed.store(true, Ordering::Relaxed);
                        lock(&receiver).close();
                    }
                    result
                })
            })
            .collect();
        Self { shared: Arc::clone(shared), batches, workers }
    }

    async fn run(
        self,
        connection: &mut Connection,
        query: &str,
        run: &RunOptions,
        mut late: Option<&mut Late<'_>>,
    ) -> Result<Tallies> {
        let mut records = connection.run(query, Params::None, run).await?;
        while let Some(batch) = records.next_batch().await? {
            if self.shared.failed.load(Ordering::Relaxed) || self.batches.send(batch).await.is_err()
            {
                break;
            }
            if let Some(late) = &mut late
                && lock(&self.shared.waiting).len() >= WAITING
            {
                late.resolve().await?;
            }
        }
        drop(self.batches);
        let mut tallies = Tallies::default();
        let mut failure = None;
        for worker in self.workers {
            match worker.await {
                Ok(Ok(part)) => tallies.merge(part),
                Ok(Err(error)) => failure = failure.or(Some(error)),
                Err(panic) => {
                    failure = failure.or(Some(Error::Unexpected { what: panic.to_string() }));
                }
            }
        }
        match failure {
            Some(error) => Err(error),
            None => Ok(tallies),
        }
    }
}

/// Finds the end nodes that the scan of nodes did not see, over a connection of its own.
struct Late<'a> {
    source: &'a Source,
    run: &'a RunOptions,
    shared: &'a Arc<Shared>,
    connection: Option<Connection>,
    nodes: u64,
    dangling: u64,
    tallies: Tallies,
}

impl Late<'_> {
    async fn resolve(&mut self) -> Result<()> {
        let waiting = std::mem::take(&mut *lock(&self.shared.waiting));
        if waiting.is_empty() {
            return Ok(());
        }
        let mut wanted = std::collections::BTreeSet::new();
        for record in &waiting {
            let ends = Scanner::ends(record)?;
            let mut table = lock(&self.shared.table);
            for id in [ends.start, ends.end] {
                if table.get(id).map_err(Error::Scratch)?.is_none() {
                    wanted.insert(id);
                }
            }
        }
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(Connection::connect(&self.source.config).await?),
        };
        let ids = wanted.into_iter().map(|id| Value::Int(id as i64)).collect();
        let params = Params::Values(vec![("ids".to_owned(), Value::List(ids))]);
        let dialect = Database::dialect(connection.server());
        let query = format!("{dialect}MATCH (n) WHERE id(n) IN $ids RETURN n");
        let mut records = connection.run(&query, params, self.run).await?;
        let mut batches = Vec::new();
        while let Some(batch) = records.next_batch().await? {
            batches.push(batch);
        }
        let shared = Arc::clone(self.shared);
        let count = waiting.len();
        let work = tokio::task::spawn_blocking(move || {
            let mut scanner = Scanner::new(shared.writer.is_some());
            let mut nodes = 0;
            for batch in &batches {
                shared.nodes(&mut scanner, batch)?;
                nodes += batch.len();
            }
            if let Some(writer) = &shared.writer {
                writer.flush(&mut scanner, Element::Node, true)?;
            }
            let records = waiting.iter().map(Vec::as_slice);
            let dangling = shared.relationships(&mut scanner, records)?.len();
            if let Some(writer) = &shared.writer {
                writer.flush(&mut scanner, Element::Relationship, true)?;
            }
            Ok::<_, Error>((scanner.into_tallies(), nodes as u64, dangling as u64))
        });
        let (tallies, nodes, dangling) =
            work.await.map_err(|panic| Error::Unexpected { what: panic.to_string() })??;
        self.tallies.merge(tallies);
        self.nodes += nodes;
        self.dangling += dangling;
        tracing::debug!(relationships = count, late_nodes = nodes, dangling, "resolved end nodes");
        Ok(())
    }
}
