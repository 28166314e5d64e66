//! The fingerprint of a graph: a digest that depends on what the graph says, not on how it is stored.
//!
//! Internal ids, the order of nodes, labels and property keys, and the server's version do not
//! enter it, so a restored graph has the fingerprint of its source. Every element is hashed alone
//! and the hashes are *added*, so that any number of readers in any order reach the same result,
//! and an element that appears twice counts twice.
//!
//! # Algorithm `lifeboat-graph-1`
//! A value is written as a tag byte and its content (integers and lengths little-endian, 8 bytes):
//! `0` null · `1` false · `2` true · `3` integer · `4` float (its bits; every NaN is
//! `7ff8000000000000`) · `5` bytes (length, bytes) · `6` string (length, UTF-8) · `7` list (count,
//! items) · `8` map (count, then key and value by ascending key) · `9` PackStream structure (tag,
//! count, fields), which is what temporal values and points are.
//!
//! - node: BLAKE3 of `N`, count of labels, the labels in ascending order (length, bytes), and the
//!   properties as a map's content. Its first 16 bytes, little-endian, are added modulo 2¹²⁸ to the
//!   sum of its label set; its first 8 bytes stand for the node in its relationships (zero is taken as one).
//! - relationship: BLAKE3 of `R`, the type (length, bytes), the 8 bytes of the start node, those of
//!   the end node, and the properties. Its first 16 bytes are added to the sum of its type.
//! - schema: BLAKE3 over the sorted canonical lines of [`crate::schema`], first 16 bytes.
//! - graph: BLAKE3 over `lifeboat-graph-1`, and for each label set in ascending order `n`, its name,
//!   count and sum, for each type `r`, its name, count and sum, then `s` and the schema's digest;
//!   the first 16 bytes, written as 32 hexadecimal digits.
//!
//! What it cannot see: two nodes with equal labels and properties that exchange some of their
//! relationships. It finds damage and mistakes; it is not a defence against somebody who builds a
//! second graph with the same sums, which the archive's signature is for.

use std::collections::BTreeMap;

use lifeboat_archive::Fingerprint;

/// The name of the algorithm, as manifests carry it.
pub const ALGORITHM: &str = "lifeboat-graph-1";

/// How many elements share a label set or type, and the sum of their hashes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Number of elements.
    pub count: u64,
    /// Sum of their 128-bit hashes modulo 2¹²⁸.
    pub sum: u128,
}

impl Tally {
    /// Counts one element.
    pub fn add(&mut self, hash: u128) {
        self.merge(Self { count: 1, sum: hash });
    }

    /// Adds another part of the same set.
    pub fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.sum = self.sum.wrapping_add(other.sum);
    }
}

/// What some part of a graph adds to its fingerprint; parts merge in any order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tallies {
    /// By label set, named as [`label_set_name`] does.
    pub nodes: BTreeMap<String, Tally>,
    /// By relationship type.
    pub relationships: BTreeMap<String, Tally>,
}

impl Tallies {
    /// Adds another part of the same graph.
    pub fn merge(&mut self, other: Self) {
        for (labels, tally) in other.nodes {
            self.nodes.entry(labels).or_default().merge(tally);
        }
        for (kind, tally) in other.relationships {
            self.relationships.entry(kind).or_default().merge(tally);
        }
    }

    /// Number of nodes counted.
    pub fn node_count(&self) -> u64 {
        self.nodes.values().map(|tally| tally.count).sum()
    }

    /// Number of relationships counted.
    pub fn relationship_count(&self) -> u64 {
        self.relationships.values().map(|tally| tally.count).sum()
    }

    /// The fingerprint of the whole graph, with the digest of its schema.
    pub fn fingerprint(&self, schema: u128) -> Fingerprint {
        let mut hasher = blake3::Hasher::new();
        hasher.update(ALGORITHM.as_bytes());
        for (marker, tallies) in [(b"n", &self.nodes), (b"r", &self.relationships)] {
            for (name, tally) in tallies {
                hasher.update(marker);
                hasher.update(&(name.len() as u64).to_le_bytes());
                hasher.update(name.as_bytes());
                hasher.update(&tally.count.to_le_bytes());
                hasher.update(&tally.sum.to_le_bytes());
            }
        }
        hasher.update(b"s");
        hasher.update(&schema.to_le_bytes());
        let sums = |tallies: &BTreeMap<String, Tally>| {
            tallies.iter().map(|(name, tally)| (name.clone(), hex128(tally.sum))).collect()
        };
        Fingerprint {
            algorithm: ALGORITHM.to_owned(),
            graph: hex128(first_half(&hasher.finalize())),
            nodes: sums(&self.nodes),
            relationships: sums(&self.relationships),
            schema: hex128(schema),
        }
    }
}

/// The name of a label set, which is also how Cypher writes it: each label in backticks, those
/// within doubled, joined by `:`; empty for a node without labels. `labels` in ascending order.
pub fn label_set_name<'a>(labels: impl IntoIterator<Item = &'a str>) -> String {
    let mut name = String::new();
    for label in labels {
        if !name.is_empty() {
            name.push(':');
        }
        name.push_str(&quoted(label));
    }
    name
}

/// The labels that [`label_set_name`] joined.
pub fn labels_of(name: &str) -> Vec<String> {
    let mut labels = Vec::new();
    let mut rest = name.chars().peekable();
    while rest.next().is_some() {
        let mut label = String::new();
        while let Some(c) = rest.next() {
            if c != '`' {
                label.push(c);
            } else if rest.peek() == Some(&'`') {
                label.push('`');
                rest.next();
            } else {
                break;
            }
        }
        labels.push(label);
        rest.next();
    }
    labels
}

/// A name in backticks, those within doubled.
pub fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// Names and statements as Cypher must be given them: it reads `\u` and four digits as the
/// character of that number anywhere in a query, names included, so every backslash is written so.
pub fn escaped(cypher: &str) -> String {
    cypher.replace('\\', "\\u005C")
}

/// The first 16 bytes of a hash as the number that is summed.
pub fn first_half(hash: &blake3::Hash) -> u128 {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.as_bytes()[..16]);
    u128::from_le_bytes(bytes)
}

fn hex128(value: u128) -> String {
    format!("{value:032x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(label: &str, hashes: &[u128]) -> Tallies {
        let mut part = Tallies::default();
        for hash in hashes {
            part.nodes.entry(label_set_name([label])).or_default().add(*hash);
        }
        part
    }

    #[test]
    fn parts_merge_in_any_order() {
        let parts = [part("A", &[1, u128::MAX]), part("B", &[7]), part("A", &[5])];
        let mut forward = Tallies::default();
        let mut backward = Tallies::default();
        for part in &parts {
            forward.merge(part.clone());
        }
        for part in parts.iter().rev() {
            backward.merge(part.clone());
        }
        assert_eq!(forward.fingerprint(3), backward.fingerprint(3));
        assert_eq!(forward.node_count(), 4);
        assert_ne!(forward.fingerprint(3).graph, forward.fingerprint(4).graph);
    }

    #[test]
    fn an_element_that_appears_twice_counts_twice() {
        assert_ne!(part("A", &[9]).fingerprint(0), part("A", &[9, 9]).fingerprint(0));
        assert_ne!(part("A", &[]).fingerprint(0), part("A", &[9, 9]).fingerprint(0));
    }

    #[test]
    fn label_sets_round_trip_through_their_name() {
        for labels in [vec![], vec!["A"], vec!["A", "B:C"], vec!["a`b", "``", "x y", "ü"]] {
            assert_eq!(labels_of(&label_set_name(labels.iter().copied())), labels);
        }
    }
}
