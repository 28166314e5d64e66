//! Indexes and constraints, as models want them and as servers tell them.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use lifeboat_bolt::{Connection, Params, RunOptions, Value};

use crate::graph::schema::{Entity, Kind, Rule};

/// How the current line calls what the older one calls `vector.quantization.enabled`.
const QUANTIZATION: &str = "vector.quantization.type";
/// A setting that only the current line has.
const EXPANSION: &str = "vector.default_search_expansion_factor";

/// One index or constraint, in a form that both lines of servers share.
///
/// Left out is what no statement can set: ids, counts, times, and the provider of an index, which
/// is each version's own.
#[derive(Debug, Clone, PartialEq)]
pub struct SchemaEntry {
    /// The name; none for lookup indexes that the server named by itself, each line in its way.
    pub name: Option<String>,
    /// Constraint or index, and which.
    pub kind: String,
    /// `NODE` or `RELATIONSHIP`.
    pub entity: String,
    /// Labels or types, sorted.
    pub labels: Vec<String>,
    /// Properties in order; those to filter by come last.
    pub properties: Vec<String>,
    /// Settings, as text.
    pub config: BTreeMap<String, String>,
    /// Whether settings that are not named may be anything.
    pub only_named: bool,
    /// `ONLINE`, for an index.
    pub state: String,
}

impl SchemaEntry {
    /// What a rule of a model asks for.
    pub(super) fn wanted(rule: &Rule) -> Self {
        let kind = match rule.kind {
            Kind::Unique => "UNIQUENESS",
            Kind::Range => "RANGE",
            Kind::Text => "TEXT",
            Kind::Point => "POINT",
            Kind::Fulltext => "FULLTEXT",
            Kind::Vector => "VECTOR",
            Kind::Lookup => "LOOKUP",
        };
        let entity = match rule.entity {
            Entity::Node => "NODE",
            Entity::Relationship => "RELATIONSHIP",
        };
        let config = rule.config.iter().map(|(k, v)| (k.clone(), v.trim_matches('\'').to_owned()));
        let mut labels = rule.labels.clone();
        labels.sort_unstable();
        Self {
            name: rule.name.clone(),
            kind: kind.to_owned(),
            entity: entity.to_owned(),
            labels,
            properties: rule.properties.iter().chain(&rule.filters).cloned().collect(),
            config: of_both_lines(config.collect()),
            only_named: true,
            state: "ONLINE".to_owned(),
        }
    }

    fn key(&self) -> (&str, &str, Option<&str>, &[String], &[String]) {
        (&self.kind, &self.entity, self.name.as_deref(), &self.labels, &self.properties)
    }

    fn is_like(&self, other: &Self) -> bool {
        let same = |key: &String| {
            let (mine, theirs) = (self.config.get(key), other.config.get(key));
            mine == theirs
                || mine.is_none() && (self.only_named || key == EXPANSION)
                || theirs.is_none() && (other.only_named || key == EXPANSION)
        };
        self.key() == other.key()
            && self.state == other.state
            && self.config.keys().chain(other.config.keys()).all(same)
    }
}

/// Each rule that has no equal on the other side.
pub(super) fn differences(left: &[SchemaEntry], right: &[SchemaEntry]) -> Vec<String> {
    let mut rest: Vec<&SchemaEntry> = right.iter().collect();
    let mut found = Vec::new();
    for entry in left {
        match rest.iter().position(|other| entry.is_like(other)) {
            Some(at) => drop(rest.swap_remove(at)),
            None => found.push(format!("rule only left: {entry:?}")),
        }
    }
    found.extend(rest.into_iter().map(|entry| format!("rule only right: {entry:?}")));
    found
}

/// Every index and constraint of a database; the index of a constraint is not told apart from it.
pub(super) async fn read(
    connection: &mut Connection,
    options: &RunOptions,
) -> Result<Vec<SchemaEntry>> {
    let queries = [
        "SHOW CONSTRAINTS YIELD name, type, entityType, labelsOrTypes, properties \
         RETURN name, type, entityType, labelsOrTypes, properties, {}, 'ONLINE'",
        "SHOW INDEXES YIELD name, type, entityType, labelsOrTypes, properties, options, state, \
         owningConstraint WHERE owningConstraint IS NULL \
         RETURN name, type, entityType, labelsOrTypes, properties, options, state",
    ];
    let mut entries = Vec::new();
    for query in queries {
        let mut records = connection.run(query, Params::None, options).await?;
        while let Some(record) = records.next().await? {
            entries.push(entry(&record).with_context(|| format!("odd rule {record:?}"))?);
        }
        records.finish().await?;
    }
    Ok(entries)
}

fn entry(record: &[Value]) -> Option<SchemaEntry> {
    let [name, kind, entity, labels, properties, settings, state] = record else { return None };
    let name = name.as_str()?;
    // A relationship's constraint has a name of its own for the kind, of which `entity` tells.
    let kind = match kind.as_str()? {
        "RELATIONSHIP_UNIQUENESS" => "UNIQUENESS",
        kind => kind,
    };
    let of_the_server = kind == "LOOKUP"
        && name
            .strip_prefix("index_")
            .is_some_and(|rest| rest.len() == 8 && rest.bytes().all(|b| b.is_ascii_hexdigit()));
    let config = settings.get("indexConfig").and_then(Value::as_map).unwrap_or_default();
    let config = config.iter().map(|(key, value)| (key.clone(), setting(value))).collect();
    let mut labels = texts(labels)?;
    labels.sort_unstable();
    Some(SchemaEntry {
        name: (!of_the_server).then(|| name.to_owned()),
        kind: kind.to_owned(),
        entity: entity.as_str()?.to_owned(),
        labels,
        properties: texts(properties)?,
        config: of_both_lines(config),
        only_named: false,
        state: state.as_str()?.to_owned(),
    })
}

fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Null => Some(Vec::new()),
        value => value.as_list()?.iter().map(|t| t.as_str().map(str::to_owned)).collect(),
    }
}

/// A setting as Cypher writes it, without quotes.
fn setting(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(flag) => flag.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => format!("{number:?}"),
        Value::List(items) => {
            format!("[{}]", items.iter().map(setting).collect::<Vec<_>>().join(", "))
        }
        other => format!("{other:?}"),
    }
}

/// What one line calls by another name or writes in another way.
fn of_both_lines(mut config: BTreeMap<String, String>) -> BTreeMap<String, String> {
    if let Some(enabled) = config.remove("vector.quantization.enabled") {
        let kind = if enabled == "true" { "BINARY" } else { "NONE" };
        config.insert(QUANTIZATION.to_owned(), kind.to_owned());
    }
    config
}
