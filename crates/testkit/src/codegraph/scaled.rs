//! A larger graph out of copies, for measurements at several sizes.

use std::borrow::Cow;

use lifeboat_bolt::packstream::Value;

use crate::graph::schema::Rule;
use crate::graph::{Counts, Graph, GraphSource, NodeRow, RelRow, Rows};

/// A graph several times over, made while it is read. The first copy is the graph itself; in the
/// others what identifies a node (`key`, `path`, `name`) carries the number of the copy.
#[derive(Debug, Clone, Copy)]
pub struct Scaled<'a> {
    base: &'a Graph,
    factor: u32,
}

impl<'a> Scaled<'a> {
    pub(super) fn new(base: &'a Graph, factor: u32) -> Self {
        Self { base, factor }
    }
}

impl GraphSource for Scaled<'_> {
    fn counts(&self) -> Counts {
        let Counts { nodes, relationships } = self.base.counts();
        let factor = u64::from(self.factor);
        Counts { nodes: nodes * factor, relationships: relationships * factor }
    }

    fn nodes(&self) -> Rows<'_, NodeRow> {
        let base = self.base;
        Box::new((0..self.factor).flat_map(move |copy| {
            base.nodes.iter().map(move |row| match copy {
                0 => Cow::Borrowed(row),
                _ => Cow::Owned(renamed(row, copy)),
            })
        }))
    }

    fn relationships(&self) -> Rows<'_, RelRow> {
        let base = self.base;
        Box::new((0..self.factor).flat_map(move |copy| {
            let offset = u64::from(copy) * base.nodes.len() as u64;
            base.relationships.iter().map(move |row| match copy {
                0 => Cow::Borrowed(row),
                _ => Cow::Owned(RelRow {
                    start: row.start + offset,
                    end: row.end + offset,
                    ..row.clone()
                }),
            })
        }))
    }

    fn schema(&self) -> &[Rule] {
        &self.base.schema
    }
}

fn renamed(row: &NodeRow, copy: u32) -> NodeRow {
    let mut row = row.clone();
    for (key, value) in &mut row.properties {
        if let (Value::String(text), "key" | "path" | "name") = (value, &**key) {
            text.insert_str(0, &format!("r{copy}/"));
        }
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Name;

    #[test]
    fn copies_are_whole_and_apart() {
        let node = |key: &str| NodeRow {
            labels: vec![Name::from("A")],
            properties: vec![(Name::from("key"), Value::String(key.to_owned()))],
        };
        let edge = RelRow { start: 0, end: 1, rel_type: Name::from("R"), properties: Vec::new() };
        let base =
            Graph { nodes: vec![node("x"), node("y")], relationships: vec![edge], schema: vec![] };
        let scaled = Scaled::new(&base, 3);
        assert_eq!(scaled.counts(), Counts { nodes: 6, relationships: 3 });
        let keys: Vec<_> = scaled.nodes().map(|n| format!("{:?}", n.get("key"))).collect();
        let wanted = ["x", "y", "r1/x", "r1/y", "r2/x", "r2/y"]
            .map(|k| format!("{:?}", Some(Value::String(k.to_owned()))));
        assert_eq!(keys, wanted);
        let ends: Vec<_> = scaled.relationships().map(|r| (r.start, r.end)).collect();
        assert_eq!(ends, [(0, 1), (2, 3), (4, 5)]);
    }
}
