//! Rows as text: equal rows have equal texts, others do not, and people can read them.

use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};

use lifeboat_bolt::Value;

use crate::graph::{NodeRow, Properties, RelRow};

/// Labels and properties, both sorted.
pub(super) fn node(row: &NodeRow) -> String {
    let mut labels: Vec<&str> = row.labels.iter().map(|l| &**l).collect();
    labels.sort_unstable();
    let mut text = String::from("(");
    for label in labels {
        push(&mut text, format_args!(":{label:?}"));
    }
    properties(&mut text, &row.properties);
    text.push(')');
    text
}

/// Type and sorted properties.
pub(super) fn relationship(row: &RelRow) -> String {
    let mut text = format!(":{:?}", row.rel_type);
    properties(&mut text, &row.properties);
    text
}

/// 128 bits, enough that two texts of a test never meet by chance.
pub(super) fn hash(what: &impl Hash) -> u128 {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        salt.hash(&mut hasher);
        what.hash(&mut hasher);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}

fn properties(text: &mut String, properties: &Properties) {
    let mut sorted: Vec<_> = properties.iter().collect();
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    text.push_str(" {");
    for (position, (key, item)) in sorted.into_iter().enumerate() {
        let separator = if position == 0 { "" } else { ", " };
        push(text, format_args!("{separator}{key:?}: "));
        value(text, item);
    }
    text.push('}');
}

fn value(text: &mut String, item: &Value) {
    match item {
        Value::Null => text.push_str("null"),
        Value::Bool(bool) => push(text, format_args!("{bool}")),
        Value::Int(number) => push(text, format_args!("{number}")),
        Value::Float(number) => float(text, *number),
        Value::String(string) => push(text, format_args!("{string:?}")),
        Value::Bytes(bytes) => {
            text.push_str("0x");
            for byte in bytes {
                push(text, format_args!("{byte:02x}"));
            }
        }
        Value::List(items) => {
            text.push('[');
            for (position, item) in items.iter().enumerate() {
                text.push_str(if position == 0 { "" } else { ", " });
                value(text, item);
            }
            text.push(']');
        }
        Value::Point2D { srid, x, y } => point(text, *srid, &[*x, *y]),
        Value::Point3D { srid, x, y, z } => point(text, *srid, &[*x, *y, *z]),
        // Integers and texts under their names.
        other => push(text, format_args!("{other:?}")),
    }
}

fn point(text: &mut String, srid: i64, coordinates: &[f64]) {
    push(text, format_args!("point {srid} ("));
    for coordinate in coordinates {
        float(text, *coordinate);
        text.push(' ');
    }
    text.push(')');
}

/// The shortest digits that lead back to the same number; always told apart from an integer. All
/// that is not a number is alike.
fn float(text: &mut String, number: f64) {
    push(text, format_args!("{number:?}"));
}

fn push(text: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = text.write_fmt(what);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Name;

    fn text(item: &Value) -> String {
        let mut text = String::new();
        value(&mut text, item);
        text
    }

    #[test]
    fn values_that_differ_have_other_texts() {
        let values = [
            Value::Int(1),
            Value::Float(1.0),
            Value::String("1".to_owned()),
            Value::Bool(true),
            Value::String("true".to_owned()),
            Value::Float(0.0),
            Value::Float(-0.0),
            Value::Float(f64::NAN),
            Value::Float(f64::INFINITY),
            Value::Int(i64::MAX),
            Value::Float(i64::MAX as f64),
            Value::Bytes(Vec::new()),
            Value::Bytes(vec![1]),
            Value::List(Vec::new()),
            Value::List(vec![Value::Int(1)]),
            Value::String("1, 2".to_owned()),
            Value::List(vec![Value::Int(1), Value::Int(2)]),
            Value::List(vec![Value::String("1, 2".to_owned())]),
            Value::Point2D { srid: 7203, x: 0.0, y: 0.0 },
            Value::Point2D { srid: 7203, x: -0.0, y: 0.0 },
            Value::Point2D { srid: 4326, x: 0.0, y: 0.0 },
            Value::Point3D { srid: 7203, x: 0.0, y: 0.0, z: 0.0 },
            Value::LocalTime { nanos: 1 },
            Value::Date { days: 1 },
            Value::String("é".to_owned()),
            Value::String("e\u{301}".to_owned()),
        ];
        let texts: std::collections::HashSet<_> = values.iter().map(text).collect();
        assert_eq!(texts.len(), values.len(), "{texts:?}");
        assert_eq!(text(&Value::Float(f64::NAN)), text(&Value::Float(-f64::NAN)));
    }

    #[test]
    fn order_of_labels_and_keys_does_not_count() {
        let row = |labels: [&str; 2], keys: [(&str, i64); 2]| NodeRow {
            labels: labels.map(Name::from).to_vec(),
            properties: keys.map(|(k, v)| (Name::from(k), Value::Int(v))).to_vec(),
        };
        let one = node(&row(["A", "B"], [("x", 1), ("y", 2)]));
        assert_eq!(one, r#"(:"A":"B" {"x": 1, "y": 2})"#);
        assert_eq!(one, node(&row(["B", "A"], [("y", 2), ("x", 1)])));
        assert_ne!(one, node(&row(["B", "A"], [("y", 1), ("x", 2)])));
    }
}
