//! Tells whether two graphs are the same, by reading all of both.
//!
//! It judges what the fingerprint of a backup claims, so it shares nothing with it: plain queries,
//! decoded values, texts and a search for a matching of the nodes. Slow where graphs are
//! repetitive, and sure: two graphs count as the same only when a one-to-one matching of nodes
//! that keeps labels, properties and relationships was shown to exist.
//!
//! Internal ids do not count, nor the order of labels and of properties. Not-a-number equals
//! itself; zero and minus zero differ.

mod canon;
mod schema;
mod wiring;

use std::collections::HashMap;

use anyhow::{Context, Result};
use lifeboat_bolt::{Connection, Params, RunOptions, Value};

pub use self::schema::SchemaEntry;
use crate::graph::{GraphSource, Name, NodeRow, Properties, RelRow};

/// Differences of a kind that are told one by one.
const SHOWN: usize = 8;
/// Longest text of a row in a difference, in characters.
const MAX_TEXT: usize = 400;

/// All that is in a database or in a model.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The nodes.
    pub nodes: Vec<NodeRow>,
    /// The relationships, their ends as positions among the nodes.
    pub relationships: Vec<RelRow>,
    /// Indexes and constraints.
    pub schema: Vec<SchemaEntry>,
}

impl Snapshot {
    /// What a model holds.
    pub fn of(source: &dyn GraphSource) -> Self {
        Self {
            nodes: source.nodes().map(std::borrow::Cow::into_owned).collect(),
            relationships: source.relationships().map(std::borrow::Cow::into_owned).collect(),
            schema: source.schema().iter().map(SchemaEntry::wanted).collect(),
        }
    }

    /// What a database holds. Nothing should be written meanwhile.
    ///
    /// # Errors
    /// When a query fails, or the server gives something else than was asked for.
    pub async fn read(connection: &mut Connection, options: &RunOptions) -> Result<Self> {
        let mut names = HashMap::new();
        let mut positions = HashMap::new();
        let mut nodes = Vec::new();
        let query = "MATCH (n) RETURN id(n), labels(n), properties(n)";
        let mut records = connection.run(query, Params::None, options).await?;
        while let Some(record) = records.next().await? {
            let Ok([Value::Int(id), Value::List(labels), Value::Map(properties)]) =
                <[Value; 3]>::try_from(record)
            else {
                anyhow::bail!("a node is not an id, labels and properties");
            };
            let labels = labels.iter().map(|label| {
                label.as_str().map(|l| shared(&mut names, l)).context("a label is no string")
            });
            let labels = labels.collect::<Result<_>>()?;
            positions.insert(id, nodes.len() as u64);
            nodes.push(NodeRow { labels, properties: renamed(&mut names, properties) });
        }
        records.finish().await?;

        let mut relationships = Vec::new();
        let query = "MATCH (a)-[r]->(b) RETURN id(a), id(b), type(r), properties(r)";
        let mut records = connection.run(query, Params::None, options).await?;
        while let Some(record) = records.next().await? {
            let Ok(
                [Value::Int(start), Value::Int(end), Value::String(kind), Value::Map(properties)],
            ) = <[Value; 4]>::try_from(record)
            else {
                anyhow::bail!("a relationship is not two ids, a type and properties");
            };
            let position = |id| {
                let found = positions.get(&id).copied();
                found.with_context(|| format!("a relationship of node {id}, which was not read"))
            };
            relationships.push(RelRow {
                start: position(start)?,
                end: position(end)?,
                rel_type: shared(&mut names, &kind),
                properties: renamed(&mut names, properties),
            });
        }
        records.finish().await?;
        Ok(Self { nodes, relationships, schema: schema::read(connection, options).await? })
    }
}

/// How two graphs differ, each difference one text for people; none when they are the same.
/// Indexes and constraints included.
pub fn differences(left: &Snapshot, right: &Snapshot) -> Vec<String> {
    let mut found = schema::differences(&left.schema, &right.schema);
    found.extend(data_differences(left, right));
    found
}

/// How the nodes and relationships of two graphs differ.
pub fn data_differences(left: &Snapshot, right: &Snapshot) -> Vec<String> {
    let [left_nodes, right_nodes] = [left, right]
        .map(|s| s.nodes.iter().map(|n| canon::hash(&canon::node(n))).collect::<Vec<_>>());
    let mut found = multiset(
        "node",
        (&left_nodes, &|i| canon::node(&left.nodes[i])),
        (&right_nodes, &|i| canon::node(&right.nodes[i])),
    );
    let edges = |snapshot: &Snapshot, nodes: &[u128]| {
        let hash = |r: &RelRow| {
            let ends = (nodes[r.start as usize], nodes[r.end as usize]);
            canon::hash(&(ends, canon::relationship(r)))
        };
        snapshot.relationships.iter().map(hash).collect::<Vec<_>>()
    };
    let text = |snapshot: &Snapshot, i: usize| {
        let row = &snapshot.relationships[i];
        let end = |at: u64| shortened(&canon::node(&snapshot.nodes[at as usize]), MAX_TEXT / 4);
        format!("{} -[{}]-> {}", end(row.start), canon::relationship(row), end(row.end))
    };
    found.extend(multiset(
        "relationship",
        (&edges(left, &left_nodes), &|i| text(left, i)),
        (&edges(right, &right_nodes), &|i| text(right, i)),
    ));
    if found.is_empty() {
        found.extend(wiring::difference((left, &left_nodes), (right, &right_nodes)));
    }
    found
}

/// Panics with the differences, if there are any.
///
/// # Panics
/// When the graphs differ.
pub fn assert_same(left: &Snapshot, right: &Snapshot) {
    let found = differences(left, right);
    assert!(found.is_empty(), "the graphs differ (left, right):\n{}", found.join("\n"));
}

type Side<'a> = (&'a [u128], &'a dyn Fn(usize) -> String);

/// What is in one side more often than in the other.
fn multiset(what: &str, left: Side<'_>, right: Side<'_>) -> Vec<String> {
    let mut counts: HashMap<u128, [i64; 2]> = HashMap::new();
    for (side, (hashes, _)) in [left, right].into_iter().enumerate() {
        for hash in hashes {
            counts.entry(*hash).or_default()[side] += 1;
        }
    }
    let mut found = Vec::new();
    for ((hashes, text), (this, that)) in [(left, (0, 1)), (right, (1, 0))] {
        for (position, hash) in hashes.iter().enumerate() {
            let Some(count) = counts.get(hash).filter(|count| count[this] > count[that]) else {
                continue;
            };
            let text = shortened(&text(position), MAX_TEXT);
            found.push(format!("{what} {} times left, {} right: {text}", count[0], count[1]));
            // Equal rows are told once.
            counts.remove(hash);
        }
    }
    if found.len() > SHOWN {
        let rest = found.split_off(SHOWN).len();
        found.push(format!("and {rest} more kinds of {what}s that differ"));
    }
    found
}

fn shortened(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((at, _)) => format!("{}… ({} bytes)", &text[..at], text.len()),
        None => text.to_owned(),
    }
}

fn shared(names: &mut HashMap<String, Name>, text: &str) -> Name {
    if let Some(name) = names.get(text) {
        return Name::clone(name);
    }
    let name = Name::from(text);
    names.insert(text.to_owned(), Name::clone(&name));
    name
}

fn renamed(names: &mut HashMap<String, Name>, properties: Vec<(String, Value)>) -> Properties {
    properties.into_iter().map(|(key, value)| (shared(names, &key), value)).collect()
}

#[cfg(test)]
mod tests;
