//! Puts a model into a server, and takes everything out of one.
//!
//! Written for tests alone: what is tested is restore, and it must not be tested with itself. It
//! knows no retries and resumes nothing; a failure is the test's.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use lifeboat_bolt::packstream::Encoder;
use lifeboat_bolt::{Connection, Params, RunOptions, Value};

use crate::graph::schema::{Entity, Kind, Rule, quoted};
use crate::graph::{Counts, GraphSource, NodeRow, Properties, RelRow};

/// Rows of one statement: as many as these limits allow, whichever comes first.
const BATCH_ROWS: usize = 10_000;
const BATCH_BYTES: usize = 4 << 20;

/// How long indexes may take to be built, in seconds.
const INDEX_SECONDS: u32 = 600;

/// Loads a graph, then its indexes and constraints, and waits until they are there. The database
/// should be empty: what is in it stays.
///
/// # Errors
/// When the server refuses anything.
pub async fn load(
    connection: &mut Connection,
    options: &RunOptions,
    source: &dyn GraphSource,
) -> Result<Counts> {
    let ids = load_nodes(connection, options, source).await?;
    load_relationships(connection, options, source, &ids).await?;
    load_schema(connection, options, source.schema()).await?;
    Ok(source.counts())
}

/// Creates the nodes in their order, and tells their ids in the database.
async fn load_nodes(
    connection: &mut Connection,
    options: &RunOptions,
    source: &dyn GraphSource,
) -> Result<Vec<i64>> {
    let mut ids = Vec::with_capacity(usize::try_from(source.counts().nodes)?);
    let mut batch = Batch::default();
    for row in source.nodes() {
        let NodeRow { labels, properties } = &*row;
        let encoder = &mut batch.row(properties, 1);
        encoder.list_header(labels.len());
        for label in labels {
            encoder.string(label);
        }
        if batch.is_full() {
            create_nodes(connection, options, &mut batch, &mut ids).await?;
        }
    }
    create_nodes(connection, options, &mut batch, &mut ids).await?;
    Ok(ids)
}

async fn create_nodes(
    connection: &mut Connection,
    options: &RunOptions,
    batch: &mut Batch,
    ids: &mut Vec<i64>,
) -> Result<()> {
    // Labels as data: one statement to plan, however many there are.
    let statement = "UNWIND $rows AS row CREATE (n:$(row[1])) SET n = row[0] RETURN id(n) AS id";
    let (rows, params) = batch.take();
    let before = ids.len();
    let mut records = connection.run(statement, params, options).await?;
    while let Some(record) = records.next().await.context("cannot create nodes")? {
        ids.push(record.first().and_then(Value::as_int).context("a node without id")?);
    }
    records.finish().await?;
    ensure!(ids.len() - before == rows, "{} nodes of {rows} rows", ids.len() - before);
    Ok(())
}

async fn load_relationships(
    connection: &mut Connection,
    options: &RunOptions,
    source: &dyn GraphSource,
    ids: &[i64],
) -> Result<()> {
    let id = |position: u64| {
        let id = ids.get(usize::try_from(position)?).copied();
        id.context("a relationship of a node beyond the last")
    };
    let mut batch = Batch::default();
    for row in source.relationships() {
        let RelRow { start, end, rel_type, properties } = &*row;
        let encoder = &mut batch.row(properties, 3);
        encoder.int(id(*start)?);
        encoder.int(id(*end)?);
        encoder.string(rel_type);
        if batch.is_full() {
            create_relationships(connection, options, &mut batch).await?;
        }
    }
    create_relationships(connection, options, &mut batch).await
}

async fn create_relationships(
    connection: &mut Connection,
    options: &RunOptions,
    batch: &mut Batch,
) -> Result<()> {
    let statement = "UNWIND $rows AS row \
        MATCH (a) WHERE id(a) = row[1] MATCH (b) WHERE id(b) = row[2] \
        CREATE (a)-[r:$(row[3])]->(b) SET r = row[0]";
    let (rows, params) = batch.take();
    let summary = connection.execute(statement, params, options).await;
    let created = summary.context("cannot create relationships")?.counters.relationships_created;
    ensure!(created == rows as u64, "{created} relationships of {rows} rows");
    Ok(())
}

/// Creates indexes and constraints and waits for them. Lookup indexes end up as the rules say:
/// others are dropped.
///
/// # Errors
/// When the server refuses one, or an index fails to be built.
pub async fn load_schema(
    connection: &mut Connection,
    options: &RunOptions,
    rules: &[Rule],
) -> Result<()> {
    for (name, entity) in lookups(connection, options).await? {
        let wanted = rules.iter().find(|r| r.kind == Kind::Lookup && r.entity == entity);
        // One without a name of its own is wanted as it is.
        if wanted.is_none_or(|rule| rule.name.is_some()) {
            run(connection, options, &format!("DROP INDEX {}", quoted(&name))).await?;
        }
    }
    let there: Vec<_> = lookups(connection, options).await?.into_iter().map(|(_, e)| e).collect();
    for rule in rules {
        if rule.kind != Kind::Lookup || !there.contains(&rule.entity) {
            run(connection, options, &rule.to_string()).await?;
        }
    }
    await_indexes(connection, options).await
}

/// Waits until all indexes are there.
///
/// # Errors
/// When one failed, or they take longer than ten minutes.
pub async fn await_indexes(connection: &mut Connection, options: &RunOptions) -> Result<()> {
    run(connection, options, &format!("CALL db.awaitIndexes({INDEX_SECONDS})")).await?;
    run(connection, options, "CALL db.index.fulltext.awaitEventuallyConsistentIndexRefresh()").await
}

/// Makes a database as a new one is: no nodes, no rules, the lookup indexes under the names that
/// the server gives.
///
/// # Errors
/// When the server refuses anything.
pub async fn wipe(connection: &mut Connection, options: &RunOptions) -> Result<()> {
    for (what, query) in [
        ("CONSTRAINT", "SHOW CONSTRAINTS YIELD name"),
        ("INDEX", "SHOW INDEXES YIELD name, type WHERE type <> 'LOOKUP'"),
    ] {
        for name in names(connection, options, query).await? {
            run(connection, options, &format!("DROP {what} {}", quoted(&name))).await?;
        }
    }
    // Relationships apart from nodes: a node of very many would not fit into a transaction.
    for statement in [
        "MATCH ()-[r]->() CALL (r) { DELETE r } IN TRANSACTIONS OF 20000 ROWS",
        "MATCH (n) CALL (n) { DELETE n } IN TRANSACTIONS OF 20000 ROWS",
    ] {
        run(connection, options, statement).await?;
    }
    load_schema(connection, options, &[]).await?;
    load_schema(connection, options, &Rule::default_lookups()).await
}

async fn lookups(
    connection: &mut Connection,
    options: &RunOptions,
) -> Result<Vec<(String, Entity)>> {
    let mut found = Vec::new();
    for (name, entity) in [("NODE", Entity::Node), ("RELATIONSHIP", Entity::Relationship)] {
        let query = format!(
            "SHOW INDEXES YIELD name, type, entityType WHERE type = 'LOOKUP' AND entityType = '{name}'"
        );
        let names = names(connection, options, &query).await?;
        found.extend(names.into_iter().map(|name| (name, entity)));
    }
    Ok(found)
}

async fn names(
    connection: &mut Connection,
    options: &RunOptions,
    query: &str,
) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut records = connection.run(query, Params::None, options).await?;
    while let Some(record) = records.next().await? {
        names.extend(record.first().and_then(Value::as_str).map(str::to_owned));
    }
    records.finish().await?;
    Ok(names)
}

async fn run(connection: &mut Connection, options: &RunOptions, statement: &str) -> Result<()> {
    let done = connection.execute(statement, Params::None, options).await;
    done.with_context(|| format!("the server refused {statement:?}"))?;
    Ok(())
}

/// Encoded rows, each a list: the properties, then what else there is.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    rows: usize,
}

impl Batch {
    /// Begins a row; as many values as told must follow.
    fn row(&mut self, properties: &Properties, more: usize) -> Encoder<'_> {
        self.rows += 1;
        let mut encoder = Encoder::new(&mut self.bytes);
        encoder.list_header(1 + more);
        encoder.map_header(properties.len());
        for (key, value) in properties {
            encoder.string(key);
            encoder.value(value);
        }
        encoder
    }

    fn is_full(&self) -> bool {
        self.rows >= BATCH_ROWS || self.bytes.len() >= BATCH_BYTES
    }

    /// The number of rows, and the rows as parameters. Leaves nothing.
    fn take(&mut self) -> (usize, Params) {
        let Self { bytes: rows, rows: count } = std::mem::take(self);
        let mut bytes = Vec::with_capacity(rows.len() + 16);
        let mut encoder = Encoder::new(&mut bytes);
        encoder.map_header(1);
        encoder.string("rows");
        encoder.list_header(count);
        bytes.extend_from_slice(&rows);
        (count, Params::Raw(Bytes::from(bytes)))
    }
}
