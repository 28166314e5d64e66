//! Lines into batches: one statement and the rows that it creates.

use std::collections::HashMap;

use bytes::Bytes;
use lifeboat_bolt::packstream::Encoder;

use super::line;
use crate::error::{Error, Result};
use crate::fingerprint::{escaped, label_set_name, quoted};

/// Rows of a batch at most: a transaction's memory on the server grows with them.
const ROWS: u32 = 5_000;
/// Bytes of a batch at about the most.
const BYTES: usize = 1 << 20;
/// Bytes that wait for their batch to be full, at most.
const HELD: usize = 32 << 20;

/// Nodes of one label set or relationships of one type, to be created by one transaction.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The statement, which takes `$rows`.
    pub(crate) statement: String,
    /// The parameters, encoded.
    pub(crate) params: Bytes,
    /// Number of rows.
    pub(crate) rows: u64,
}

/// What becomes of a row that is a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nodes {
    /// It is created, with an id of its own.
    Create,
    /// The node of this id gets its labels and properties.
    Amend,
}

/// Collects rows by what they are, and gives out a batch whenever one is full.
#[derive(Debug)]
pub(crate) struct Batcher {
    dialect: &'static str,
    nodes: Nodes,
    open: HashMap<Key, Rows>,
    properties: Vec<u8>,
}

/// What the rows of one statement have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    /// A label set, as [`label_set_name`] writes it.
    Labels(String),
    /// A relationship type.
    Type(String),
}

#[derive(Debug, Default)]
struct Rows {
    bytes: Vec<u8>,
    count: u32,
}

impl Batcher {
    pub(crate) fn new(dialect: &'static str, nodes: Nodes) -> Self {
        Self { dialect, nodes, open: HashMap::new(), properties: Vec::new() }
    }

    /// Adds the nodes of an entry; `full` takes what is full.
    pub(crate) fn nodes(
        &mut self,
        entry: &str,
        lines: &[u8],
        mut full: impl FnMut(Batch) -> Result<()>,
    ) -> Result<()> {
        for (number, line) in numbered(lines) {
            self.properties.clear();
            let node = line::node(line, &mut self.properties)
                .map_err(|error| Error::payload(entry, number, &error))?;
            let key = Key::Labels(label_set_name(node.labels.iter().map(AsRef::as_ref)));
            let rows = self.open.entry(key.clone()).or_default();
            let mut out = Encoder::new(&mut rows.bytes);
            out.list_header(2);
            out.int(node.id as i64);
            rows.bytes.extend_from_slice(&self.properties);
            if rows.one_more() {
                full(self.take(&key))?;
            }
        }
        Ok(())
    }

    /// Adds the relationships of an entry, whose ends `target` translates to ids of the target.
    pub(crate) fn relationships(
        &mut self,
        entry: &str,
        lines: &[u8],
        mut target: impl FnMut(u64) -> Result<Option<u64>>,
        mut full: impl FnMut(Batch) -> Result<()>,
    ) -> Result<()> {
        for (number, line) in numbered(lines) {
            self.properties.clear();
            let relationship = line::relationship(line, &mut self.properties)
                .map_err(|error| Error::payload(entry, number, &error))?;
            let mut node = |id| {
                let missing = || Error::payload(entry, number, &format!("there is no node {id}"));
                target(id)?.ok_or_else(missing)
            };
            let (start, end) = (node(relationship.start)?, node(relationship.end)?);
            let key = Key::Type(relationship.kind.into_owned());
            let rows = self.open.entry(key.clone()).or_default();
            let mut out = Encoder::new(&mut rows.bytes);
            out.list_header(3);
            out.int(start as i64);
            out.int(end as i64);
            rows.bytes.extend_from_slice(&self.properties);
            if rows.one_more() {
                full(self.take(&key))?;
            }
        }
        Ok(())
    }

    /// Whether it holds much although no batch is full: there are many label sets or types.
    pub(crate) fn is_large(&self) -> bool {
        self.open.values().map(|rows| rows.bytes.len()).sum::<usize>() > HELD
    }

    /// Gives out everything that is left.
    pub(crate) fn flush(&mut self, mut full: impl FnMut(Batch) -> Result<()>) -> Result<()> {
        let keys: Vec<Key> = self.open.keys().cloned().collect();
        keys.iter().try_for_each(|key| full(self.take(key)))
    }

    fn take(&mut self, key: &Key) -> Batch {
        let dialect = self.dialect;
        let statement = match key {
            Key::Labels(set) => {
                let set = escaped(set);
                let labels = if set.is_empty() { String::new() } else { format!(":{set}") };
                let node = match self.nodes {
                    Nodes::Create => format!("CREATE (n{labels})"),
                    Nodes::Amend if set.is_empty() => "MATCH (n) WHERE id(n) = row[0]".to_owned(),
                    Nodes::Amend => format!("MATCH (n) WHERE id(n) = row[0] SET n{labels}"),
                };
                format!("{dialect}UNWIND $rows AS row {node} SET n = row[1] RETURN row[0], id(n)")
            }
            Key::Type(kind) => format!(
                "{dialect}UNWIND $rows AS row \
                 MATCH (a) WHERE id(a) = row[0] MATCH (b) WHERE id(b) = row[1] \
                 CREATE (a)-[r:{}]->(b) SET r = row[2] RETURN count(r)",
                escaped(&quoted(kind))
            ),
        };
        let rows = self.open.remove(key).unwrap_or_default();
        let mut params = Vec::with_capacity(rows.bytes.len() + 16);
        let mut out = Encoder::new(&mut params);
        out.map_header(1);
        out.string("rows");
        out.list_header(rows.count as usize);
        params.extend_from_slice(&rows.bytes);
        Batch { statement, params: params.into(), rows: u64::from(rows.count) }
    }
}

impl Rows {
    fn one_more(&mut self) -> bool {
        self.count += 1;
        self.count >= ROWS || self.bytes.len() >= BYTES
    }
}

fn numbered(lines: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    let lines = lines.strip_suffix(b"\n").unwrap_or(lines);
    let some = !lines.is_empty();
    (1..).zip(lines.split(|byte| *byte == b'\n')).take_while(move |_| some)
}
