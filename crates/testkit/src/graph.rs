//! The graphs that tests load, as plain rows.
//!
//! One idea: a graph is a list of nodes, a list of relationships that name their ends by position
//! in that list, and its indexes and constraints. Nothing here knows of a database or of its ids,
//! so that a model can be compared with what any server gives back.

pub mod schema;

use std::borrow::Cow;
use std::sync::Arc;

use lifeboat_bolt::packstream::Value;

use schema::Rule;

/// A label, relationship type or property key. Shared, since a graph repeats few names very often.
pub type Name = Arc<str>;

/// The properties of one row, in no particular order; every key at most once.
pub type Properties = Vec<(Name, Value)>;

/// One node.
#[derive(Debug, Clone, Default)]
pub struct NodeRow {
    /// Its labels; possibly none.
    pub labels: Vec<Name>,
    /// Its properties.
    pub properties: Properties,
}

/// One relationship.
#[derive(Debug, Clone)]
pub struct RelRow {
    /// Position of the start node among the graph's nodes, from 0.
    pub start: u64,
    /// Position of the end node among the graph's nodes, from 0.
    pub end: u64,
    /// The relationship's type.
    pub rel_type: Name,
    /// Its properties.
    pub properties: Properties,
}

/// A graph in memory.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    /// The nodes.
    pub nodes: Vec<NodeRow>,
    /// The relationships between them.
    pub relationships: Vec<RelRow>,
    /// All indexes and constraints, lookup indexes included.
    pub schema: Vec<Rule>,
}

/// How much a graph holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Number of nodes.
    pub nodes: u64,
    /// Number of relationships.
    pub relationships: u64,
}

/// Rows one after the other: borrowed where they lie in memory, owned where they are made.
pub type Rows<'a, T> = Box<dyn Iterator<Item = Cow<'a, T>> + Send + 'a>;

/// A graph that can be read from the start any number of times, and need not fit in memory.
pub trait GraphSource: Sync {
    /// How many rows [`nodes`](Self::nodes) and [`relationships`](Self::relationships) give.
    fn counts(&self) -> Counts;
    /// Every node; its position in this order is what relationships name.
    fn nodes(&self) -> Rows<'_, NodeRow>;
    /// Every relationship.
    fn relationships(&self) -> Rows<'_, RelRow>;
    /// All indexes and constraints, lookup indexes included.
    fn schema(&self) -> &[Rule];
}

impl GraphSource for Graph {
    fn counts(&self) -> Counts {
        Counts { nodes: self.nodes.len() as u64, relationships: self.relationships.len() as u64 }
    }

    fn nodes(&self) -> Rows<'_, NodeRow> {
        Box::new(self.nodes.iter().map(Cow::Borrowed))
    }

    fn relationships(&self) -> Rows<'_, RelRow> {
        Box::new(self.relationships.iter().map(Cow::Borrowed))
    }

    fn schema(&self) -> &[Rule] {
        &self.schema
    }
}

impl Graph {
    /// The first `nodes` nodes with the relationships among them, and the same schema.
    #[must_use]
    pub fn cut(mut self, nodes: u64) -> Self {
        self.nodes.truncate(usize::try_from(nodes).unwrap_or(usize::MAX));
        let kept = self.nodes.len() as u64;
        self.relationships.retain(|r| r.start < kept && r.end < kept);
        self
    }

    /// About how many bytes the rows' names and values take, for reports and batch sizes.
    pub fn payload_bytes(&self) -> u64 {
        let nodes = self.nodes.iter().map(NodeRow::payload_bytes);
        let relationships = self.relationships.iter().map(RelRow::payload_bytes);
        nodes.chain(relationships).map(|n| n as u64).sum()
    }
}

impl NodeRow {
    /// About how many bytes the row's labels, keys and values take.
    pub fn payload_bytes(&self) -> usize {
        self.labels.iter().map(|l| l.len()).sum::<usize>() + properties_bytes(&self.properties)
    }

    /// The value of a property.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.properties.iter().find(|(k, _)| &**k == key).map(|(_, v)| v)
    }
}

impl RelRow {
    /// About how many bytes the row's type, keys and values take, with 16 for its ends.
    pub fn payload_bytes(&self) -> usize {
        16 + self.rel_type.len() + properties_bytes(&self.properties)
    }
}

fn properties_bytes(properties: &Properties) -> usize {
    properties.iter().map(|(key, value)| key.len() + value_bytes(value)).sum()
}

fn value_bytes(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 1,
        Value::String(s) => s.len(),
        Value::Bytes(b) => b.len(),
        Value::List(items) => items.iter().map(value_bytes).sum(),
        Value::Int(_) | Value::Float(_) => 8,
        _ => 16,
    }
}
