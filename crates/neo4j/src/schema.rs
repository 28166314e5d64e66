//! Constraints and indexes: read from a server, written as DDL, compared.
//!
//! A server spells the same index in its own way (`createStatement` carries providers and defaults
//! that change between versions), so what is compared, and what enters the fingerprint, is one
//! canonical line for each item: what it is, on what, its name, and those options that say what it
//! *does*. Indexes that a constraint owns come and go with it and are not listed.

use std::collections::BTreeMap;

use lifeboat_bolt::packstream::Value;
use lifeboat_bolt::{Connection, Params, RunOptions};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::fingerprint;

/// A constraint, or an index that no constraint owns.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SchemaItem {
    /// Constraint or index.
    pub kind: SchemaKind,
    /// As `SHOW … YIELD type` says: `RANGE`, `UNIQUENESS`, …
    #[serde(rename = "type")]
    pub variant: String,
    /// `NODE` or `RELATIONSHIP`.
    pub entity: String,
    /// Labels or relationship types; empty for lookup indexes.
    pub labels_or_types: Vec<String>,
    /// Property keys, in the order of the index.
    pub properties: Vec<String>,
    /// Its name.
    pub name: String,
    /// The options that change its meaning, as text by name.
    pub options: BTreeMap<String, String>,
    /// The DDL that makes it again.
    pub statement: String,
}

/// What a [`SchemaItem`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SchemaKind {
    /// A rule that the data must keep.
    Constraint,
    /// An access path.
    Index,
}

/// Options that decide what an index answers; all others tune it, and differ between versions.
const MEANINGFUL: [&str; 4] = [
    "fulltext.analyzer",
    "fulltext.eventually_consistent",
    "vector.dimensions",
    "vector.similarity_function",
];

impl SchemaItem {
    /// Whether it is one of the two token lookup indexes, which every database is born with.
    pub fn is_lookup(&self) -> bool {
        self.variant == "LOOKUP"
    }

    /// The line that says what it is, the same from every server.
    pub fn canonical(&self) -> String {
        // Labels of a full-text index are a set; properties of a composite index are a sequence.
        let mut labels = self.labels_or_types.clone();
        labels.sort_unstable();
        // The names of the lookup indexes are made up by the server.
        let name = if self.is_lookup() { "" } else { &self.name };
        format!(
            "{:?} {} {} {labels:?} {:?} {name:?} {:?}",
            self.kind, self.variant, self.entity, self.properties, self.options
        )
    }
}

/// Every constraint and index of a database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Schema {
    /// Constraints first, then indexes, each by name.
    pub items: Vec<SchemaItem>,
}

impl Schema {
    /// Reads the schema of a database.
    ///
    /// # Errors
    /// When the server refuses or breaks off, or answers in a form that is not known.
    pub async fn read(connection: &mut Connection, options: &RunOptions) -> Result<Self> {
        let constraints = "SHOW CONSTRAINTS YIELD name, type, entityType, labelsOrTypes, \
            properties, options, createStatement";
        let indexes = "SHOW INDEXES YIELD name, type, entityType, labelsOrTypes, \
            properties, options, createStatement, owningConstraint WHERE owningConstraint IS NULL \
            RETURN name, type, entityType, labelsOrTypes, properties, options, createStatement";
        let mut items = Vec::new();
        for (kind, query) in [(SchemaKind::Constraint, constraints), (SchemaKind::Index, indexes)] {
            let mut rows = connection.run(query, Params::None, options).await?;
            while let Some(row) = rows.next().await? {
                items.push(item(kind, &row)?);
            }
        }
        items.sort_unstable();
        Ok(Self { items })
    }

    /// Number of items of a kind.
    pub fn count(&self, kind: SchemaKind) -> u64 {
        self.items.iter().filter(|item| item.kind == kind).count() as u64
    }

    /// The digest that enters the fingerprint of the graph.
    pub fn digest(&self) -> u128 {
        let mut lines: Vec<String> = self.items.iter().map(SchemaItem::canonical).collect();
        lines.sort_unstable();
        let mut hasher = blake3::Hasher::new();
        for line in lines {
            hasher.update(&(line.len() as u64).to_le_bytes());
            hasher.update(line.as_bytes());
        }
        fingerprint::first_half(&hasher.finalize())
    }

    /// The schema as a Cypher script that a person can read and run.
    pub fn to_cypher(&self) -> String {
        self.items.iter().flat_map(|item| [item.statement.as_str(), ";\n"]).collect()
    }

    /// What `self` has and `other` lacks.
    pub fn missing_in<'a>(&'a self, other: &Self) -> Vec<&'a SchemaItem> {
        let there: Vec<String> = other.items.iter().map(SchemaItem::canonical).collect();
        self.items.iter().filter(|item| !there.contains(&item.canonical())).collect()
    }
}

fn item(kind: SchemaKind, row: &[Value]) -> Result<SchemaItem> {
    let unexpected = |row: &[Value]| Error::Unexpected {
        what: format!("SHOW {kind:?} answered in a form that is not known: {row:?}"),
    };
    let [name, variant, entity, labels, properties, options, statement] = row else {
        return Err(unexpected(row));
    };
    let (Value::String(name), Value::String(variant), Value::String(entity)) =
        (name, variant, entity)
    else {
        return Err(unexpected(row));
    };
    let Value::String(statement) = statement else {
        return Err(unexpected(row));
    };
    let mut found = BTreeMap::new();
    collect_options(options, &mut found);
    Ok(SchemaItem {
        kind,
        variant: variant.clone(),
        entity: entity.clone(),
        labels_or_types: strings(labels),
        properties: strings(properties),
        name: name.clone(),
        options: found,
        statement: statement.clone(),
    })
}

fn strings(value: &Value) -> Vec<String> {
    let Value::List(items) = value else { return Vec::new() };
    items
        .iter()
        .filter_map(|item| if let Value::String(s) = item { Some(s.clone()) } else { None })
        .collect()
}

fn collect_options(value: &Value, found: &mut BTreeMap<String, String>) {
    let Value::Map(entries) = value else { return };
    for (key, value) in entries {
        collect_options(value, found);
        if MEANINGFUL.contains(&key.as_str()) || key.starts_with("spatial.") {
            let text = match value {
                Value::String(text) => text.to_lowercase(),
                Value::Bool(value) => value.to_string(),
                Value::Int(value) => value.to_string(),
                other => format!("{other:?}"),
            };
            found.insert(key.clone(), text);
        }
    }
}
