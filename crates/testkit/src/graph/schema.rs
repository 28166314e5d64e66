//! Indexes and constraints as a model knows them: what is wanted, from which both the statement
//! and the comparison with a server's answer follow.

use std::fmt::{self, Write};

/// The kind of an index or constraint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A uniqueness constraint; its range index comes with it.
    Unique,
    /// A range index.
    Range,
    /// A text index.
    Text,
    /// A point index.
    Point,
    /// A full-text index, over several labels or types and several properties.
    Fulltext,
    /// A vector index.
    Vector,
    /// The index from labels to nodes, or from types to relationships.
    Lookup,
}

/// What a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entity {
    /// Nodes with a label.
    Node,
    /// Relationships of a type.
    Relationship,
}

/// One index or constraint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its name; none for a lookup index that the server makes and names by itself.
    pub name: Option<String>,
    /// Its kind.
    pub kind: Kind,
    /// What it is about.
    pub entity: Entity,
    /// Labels or types; none for a lookup index.
    pub labels: Vec<String>,
    /// Properties, in order.
    pub properties: Vec<String>,
    /// Properties to filter a vector index by, which only Cypher 25 can say.
    pub filters: Vec<String>,
    /// Settings other than the defaults: name, and value as Cypher writes it.
    pub config: Vec<(String, String)>,
}

impl Rule {
    /// A rule with nothing set that need not be.
    pub fn new(kind: Kind, entity: Entity, name: &str, labels: &[&str], keys: &[&str]) -> Self {
        let owned = |texts: &[&str]| texts.iter().map(|&t| t.to_owned()).collect();
        Self {
            name: Some(name.to_owned()),
            kind,
            entity,
            labels: owned(labels),
            properties: owned(keys),
            filters: Vec::new(),
            config: Vec::new(),
        }
    }

    /// With a setting: its name, and its value as Cypher writes it.
    #[must_use]
    pub fn with(mut self, setting: &str, value: &str) -> Self {
        self.config.push((setting.to_owned(), value.to_owned()));
        self
    }

    /// With properties to filter by.
    #[must_use]
    pub fn filtered(mut self, keys: &[&str]) -> Self {
        self.filters = keys.iter().map(|&k| k.to_owned()).collect();
        self
    }

    /// The two lookup indexes that every new database has.
    pub fn default_lookups() -> [Self; 2] {
        [Entity::Node, Entity::Relationship]
            .map(|entity| Self { name: None, ..Self::new(Kind::Lookup, entity, "", &[], &[]) })
    }

    /// Whether only servers of the calendar versions have it, under `CYPHER 25`.
    pub fn needs_cypher_25(&self) -> bool {
        self.kind == Kind::Vector && (self.labels.len() > 1 || !self.filters.is_empty())
    }
}

/// The statement that creates it.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.needs_cypher_25() {
            f.write_str("CYPHER 25 ")?;
        }
        f.write_str(match self.kind {
            Kind::Unique => "CREATE CONSTRAINT",
            Kind::Range => "CREATE RANGE INDEX",
            Kind::Text => "CREATE TEXT INDEX",
            Kind::Point => "CREATE POINT INDEX",
            Kind::Fulltext => "CREATE FULLTEXT INDEX",
            Kind::Vector => "CREATE VECTOR INDEX",
            Kind::Lookup => "CREATE LOOKUP INDEX",
        })?;
        if let Some(name) = &self.name {
            write!(f, " {}", quoted(name))?;
        }
        let labels = join("|", self.labels.iter().map(|l| quoted(l)));
        let colon = if self.labels.is_empty() { "" } else { ":" };
        match self.entity {
            Entity::Node => write!(f, " FOR (e{colon}{labels})")?,
            Entity::Relationship => write!(f, " FOR ()-[e{colon}{labels}]-()")?,
        }
        let keys = |keys: &[String]| join(", ", keys.iter().map(|k| format!("e.{}", quoted(k))));
        let properties = keys(&self.properties);
        match (self.kind, self.entity) {
            (Kind::Unique, _) => write!(f, " REQUIRE ({properties}) IS UNIQUE")?,
            (Kind::Fulltext, _) => write!(f, " ON EACH [{properties}]")?,
            (Kind::Lookup, Entity::Node) => f.write_str(" ON EACH labels(e)")?,
            (Kind::Lookup, Entity::Relationship) => f.write_str(" ON EACH type(e)")?,
            _ => write!(f, " ON ({properties})")?,
        }
        if !self.filters.is_empty() {
            write!(f, " WITH [{}]", keys(&self.filters))?;
        }
        if !self.config.is_empty() {
            let config = self.config.iter().map(|(key, value)| format!("{}: {value}", quoted(key)));
            write!(f, " OPTIONS {{indexConfig: {{{}}}}}", join(", ", config))?;
        }
        Ok(())
    }
}

/// A name as Cypher quotes it, whatever it holds.
///
/// Doubling backticks is not enough: servers read `\\u0060` as a backtick before they look for
/// quotes, in names too. So a backslash is itself written that way.
pub fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\u005C").replace('`', "``"))
}

fn join(separator: &str, parts: impl Iterator<Item = String>) -> String {
    let mut text = String::new();
    for part in parts {
        let between = if text.is_empty() { "" } else { separator };
        // Writing to a string does not fail.
        let _ = write!(text, "{between}{part}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_read_as_the_manual_writes_them() {
        let [labels, types] = Rule::default_lookups();
        let rules = [
            Rule::new(Kind::Unique, Entity::Node, "a`b", &["L 1"], &["x", "y"]),
            Rule::new(Kind::Range, Entity::Relationship, "r", &["T"], &["x"]),
            Rule::new(Kind::Fulltext, Entity::Node, "f", &["A", "B"], &["x", "y"])
                .with("fulltext.analyzer", "'german'"),
            Rule::new(Kind::Vector, Entity::Node, "v", &["A", "B"], &["e"]).filtered(&["x"]),
            labels,
            types,
        ];
        let wanted = [
            "CREATE CONSTRAINT `a``b` FOR (e:`L 1`) REQUIRE (e.`x`, e.`y`) IS UNIQUE",
            "CREATE RANGE INDEX `r` FOR ()-[e:`T`]-() ON (e.`x`)",
            "CREATE FULLTEXT INDEX `f` FOR (e:`A`|`B`) ON EACH [e.`x`, e.`y`] \
             OPTIONS {indexConfig: {`fulltext.analyzer`: 'german'}}",
            "CYPHER 25 CREATE VECTOR INDEX `v` FOR (e:`A`|`B`) ON (e.`e`) WITH [e.`x`]",
            "CREATE LOOKUP INDEX FOR (e) ON EACH labels(e)",
            "CREATE LOOKUP INDEX FOR ()-[e]-() ON EACH type(e)",
        ];
        assert_eq!(rules.map(|r| r.to_string()), wanted);
        assert_eq!(quoted(r"a\u0060b"), r"`a\u005Cu0060b`");
    }
}
