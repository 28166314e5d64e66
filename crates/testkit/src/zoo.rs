//! A small graph of everything odd that a database can hold.
//!
//! A backup is only as good as its worst value. So here is one of each: every property type at its
//! edges, names that break naive quoting, shapes that break naive counting, and every index and
//! constraint that Community has. What it does not hold, a real server refused:
//! [`REFUSED`] lists what and why, and a test asks the servers again.

mod names;
mod schema;
mod values;

use lifeboat_bolt::Value;

pub use self::schema::{REFUSED, Refusal};
use crate::graph::schema::Rule;
use crate::graph::{Graph, Name, NodeRow, Properties, RelRow};
use crate::neo4j::Line;

/// Values beyond this size are on one node only, which has no index.
const SMALL: usize = 4000;

/// What a graph says about the two lookup indexes, which a database need not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookups {
    /// As a new database has them, with the names that the server gives.
    Default,
    /// With names of one's own.
    Renamed,
    /// Dropped: the database then knows labels only by reading every node.
    None,
}

/// The zoo that every supported line can hold. Always the same.
pub fn common() -> Graph {
    with_lookups(Lookups::Default)
}

/// The zoo with everything that this line can hold.
pub fn of(line: Line) -> Graph {
    let mut zoo = Zoo { graph: common() };
    for (name, value) in values::only(line) {
        zoo.node(&["Specimen"], properties([("name", text(&name)), ("value", value)]));
    }
    zoo.graph.schema.extend(schema::extra(line));
    zoo.graph
}

/// The common zoo, with other lookup indexes.
pub fn with_lookups(lookups: Lookups) -> Graph {
    let mut zoo = Zoo::default();
    zoo.specimens();
    zoo.odd_names();
    zoo.nodes();
    zoo.keyed();
    zoo.edges();
    zoo.shapes();
    zoo.graph.schema = schema::common();
    zoo.graph.schema.extend(match lookups {
        Lookups::Default => Rule::default_lookups().to_vec(),
        Lookups::Renamed => schema::renamed_lookups(),
        Lookups::None => Vec::new(),
    });
    zoo.graph
}

#[derive(Default)]
struct Zoo {
    graph: Graph,
}

impl Zoo {
    fn node(&mut self, labels: &[&str], properties: Properties) -> u64 {
        let labels = labels.iter().map(|&l| Name::from(l)).collect();
        self.graph.nodes.push(NodeRow { labels, properties });
        self.graph.nodes.len() as u64 - 1
    }

    fn edge(&mut self, start: u64, rel_type: &str, end: u64, properties: Properties) {
        let rel_type = Name::from(rel_type);
        self.graph.relationships.push(RelRow { start, end, rel_type, properties });
    }

    /// Every value: on a node, and on a relationship to it; always under the same key.
    fn specimens(&mut self) {
        let cabinet = self.node(&["Cabinet"], properties([("name", text("cabinet"))]));
        for (number, (name, value)) in values::all().into_iter().enumerate() {
            let node =
                NodeRow { labels: Vec::new(), properties: properties([("value", value.clone())]) };
            let small = node.payload_bytes() <= SMALL;
            let labels: &[&str] = if small { &["Specimen", "Small"] } else { &["Specimen"] };
            let kind = name.split(' ').next().unwrap_or_default();
            let shared = [
                ("name", text(&name)),
                ("kind", text(kind)),
                ("number", Value::Int(number as i64)),
            ];
            let mut row = properties(shared.clone());
            row.push((Name::from("value"), value.clone()));
            let node = self.node(labels, row);
            let mut row = properties(shared);
            if small {
                row.push((Name::from("value"), value));
            }
            self.edge(cabinet, "SHOWS", node, row);
        }
    }

    /// Every name as label, as key and as type.
    fn odd_names(&mut self) {
        let mut previous = None;
        let names = names::all();
        for name in &names {
            let node = self.node(&[name], properties([(name.as_str(), text(name))]));
            if let Some(previous) = previous {
                self.edge(previous, name, node, properties([(name.as_str(), text(name))]));
            }
            previous = Some(node);
        }
        let every: Vec<&str> = names.iter().map(String::as_str).collect();
        let row = every.iter().enumerate().map(|(i, &key)| (key, Value::Int(i as i64)));
        self.node(&every, properties(row));
    }

    /// Nodes of few and many labels and properties.
    fn nodes(&mut self) {
        self.node(&[], Vec::new());
        self.node(&["Bare"], Vec::new());
        self.node(&[], properties([("only", text("property"))]));
        self.node(&["One", "Two", "Three"], properties([("count", Value::Int(3))]));
        // The same labels in another order are the same labels.
        self.node(&["Three", "One", "Two"], properties([("count", Value::Int(4))]));
        let many: Vec<String> = (0..40).map(|i| format!("Label{i}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        self.node(&many, properties([("count", Value::Int(40))]));
        let wide = (0..250).map(|i| (format!("key{i:03}"), mixed(i)));
        let wide: Properties = wide.map(|(key, value)| (Name::from(key), value)).collect();
        let first = self.node(&["Wide"], wide.clone());
        let second = self.node(&["Wide"], Vec::new());
        self.edge(first, "WIDE", second, wide);
        // One key, another type each time.
        for i in 0..12 {
            self.node(&["Mixed"], properties([("mixed", mixed(i))]));
        }
        for (i, any) in [vec![0.5], vec![0.5, -1.5], vec![1e-3, 2.0, 3.0]].into_iter().enumerate() {
            let i = i as f64;
            let row = properties([
                ("embedding", floats([i + 0.25, -1.0, 0.125])),
                ("other", floats([i - 0.5, 0.75, 1e-3])),
                ("any", floats(any)),
                ("wide", floats([1.0, i, 0.0])),
                ("name", text("embedded")),
            ]);
            self.node(&["Embedded"], row);
        }
        for (name, x, y) in [("here", 1.5, 2.5), ("there", -99.0, 50.5), ("away", 1e9, -1e9)] {
            let at = Value::Point2D { srid: values::CARTESIAN, x, y };
            let z = Value::Point3D { srid: values::WGS_84_3D, x: x % 180.0, y: y % 90.0, z: 1.0 };
            self.node(&["Place"], properties([("name", text(name)), ("at", at), ("near", z)]));
        }
    }

    /// Nodes and relationships under uniqueness constraints. What has not all of the properties is
    /// under none.
    fn keyed(&mut self) {
        let ids = [
            Value::Int(1),
            text("1"),
            Value::Bool(true),
            Value::Int(i64::MAX),
            Value::Float(0.5),
            Value::Date { days: 1 },
            Value::List(vec![Value::Int(1)]),
            text("ä,\"\n`"),
        ];
        let mut previous = None;
        for (i, id) in ids.into_iter().enumerate() {
            let pair = [
                ("id", id.clone()),
                ("first", Value::Int(i as i64 / 2)),
                ("second", Value::Int(i as i64 % 2)),
            ];
            let node = self.node(&["Keyed"], properties(pair));
            if let Some(previous) = previous {
                let row =
                    properties([("id", id), ("a", Value::Int(i as i64)), ("b", text("same"))]);
                self.edge(previous, "KEYED", node, row);
            }
            previous = Some(node);
        }
        let first = self.node(&["Keyed"], properties([("first", Value::Int(0))]));
        let second = self.node(&["Keyed"], properties([("first", Value::Int(0))]));
        self.edge(first, "KEYED", second, Vec::new());
        self.edge(first, "KEYED", second, Vec::new());
    }

    /// Parallel edges, loops, edges with and without properties, and a node of many edges.
    fn edges(&mut self) {
        let one = self.node(&["End"], properties([("name", text("one"))]));
        let two = self.node(&["End"], properties([("name", text("two"))]));
        for _ in 0..3 {
            self.edge(one, "PARALLEL", two, Vec::new());
            self.edge(one, "PARALLEL", two, properties([("same", Value::Bool(true))]));
        }
        self.edge(two, "PARALLEL", one, Vec::new());
        self.edge(one, "LOOP", one, Vec::new());
        self.edge(one, "LOOP", one, Vec::new());
        self.edge(two, "LOOP", two, properties([("round", Value::Int(1))]));
        let row = properties([("embedding", floats([0.5, 0.25, -1.0, 2.0]))]);
        self.edge(one, "EMBEDDED", two, row);
        let hub = self.node(&["Hub"], properties([("name", text("hub"))]));
        for i in 0..120 {
            let spoke = self.node(&["Spoke"], properties([("number", Value::Int(i))]));
            let rel_type = ["TO", "FROM", "NEAR"][i as usize % 3];
            let row = properties([("number", Value::Int(i))]);
            if i % 2 == 0 {
                self.edge(hub, rel_type, spoke, row);
            } else {
                self.edge(spoke, rel_type, hub, row);
            }
        }
    }

    /// Parts that only their wiring tells apart, and parts that nothing does.
    fn shapes(&mut self) {
        for _ in 0..3 {
            self.node(&["Twin"], Vec::new());
        }
        let tree = self.node(&["Tree"], Vec::new());
        for _ in 0..6 {
            let leaf = self.node(&["Leaf"], Vec::new());
            self.edge(tree, "HAS", leaf, Vec::new());
        }
        // A ring of six and two of three: every node has the same neighbours in both.
        for sizes in [&[6_u64][..], &[3, 3]] {
            for &size in sizes {
                let first = self.graph.nodes.len() as u64;
                for _ in 0..size {
                    self.node(&["Ring"], Vec::new());
                }
                for i in 0..size {
                    self.edge(first + i, "NEXT", first + (i + 1) % size, Vec::new());
                }
            }
        }
    }
}

fn properties<'k>(entries: impl IntoIterator<Item = (&'k str, Value)>) -> Properties {
    entries.into_iter().map(|(key, value)| (Name::from(key), value)).collect()
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn floats(numbers: impl IntoIterator<Item = f64>) -> Value {
    Value::List(numbers.into_iter().map(Value::Float).collect())
}

/// Values of all kinds in turn.
fn mixed(i: i64) -> Value {
    match i % 12 {
        0 => Value::Int(i),
        1 => text(&format!("text {i}")),
        2 => Value::Float(i as f64 / 7.0),
        3 => Value::Bool(i % 24 == 3),
        4 => Value::List(vec![Value::Int(i)]),
        5 => Value::Bytes(vec![i as u8]),
        6 => Value::Date { days: i },
        7 => Value::Duration { months: i, days: 0, s: 0, nanos: 1 },
        8 => Value::Point2D { srid: values::WGS_84, x: 1.0, y: 2.0 },
        9 => Value::List(Vec::new()),
        10 => Value::DateTime { s: i, nanos: 0, offset_s: 3600 },
        _ => Value::LocalTime { nanos: i },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_zoo_is_always_the_same() {
        let text =
            |graph: &Graph| format!("{:?}{:?}{:?}", graph.nodes, graph.relationships, graph.schema);
        assert!(text(&common()) == text(&common()), "two zoos differ");
    }

    #[test]
    fn names_and_keys_are_unique_and_ends_exist() {
        let graph = common();
        let mut names = HashSet::new();
        for node in &graph.nodes {
            let mut keys = HashSet::new();
            assert!(node.properties.iter().all(|(key, _)| keys.insert(key)));
            let mut labels = HashSet::new();
            assert!(node.labels.iter().all(|label| labels.insert(label)));
            if node.labels.iter().any(|label| &**label == "Specimen") {
                assert!(names.insert(node.get("name").and_then(Value::as_str)), "{node:?}");
            }
        }
        let count = graph.nodes.len() as u64;
        assert!(graph.relationships.iter().all(|r| r.start < count && r.end < count));
        let mut rules = HashSet::new();
        assert!(graph.schema.iter().filter_map(|r| r.name.as_ref()).all(|name| rules.insert(name)));
    }
}
