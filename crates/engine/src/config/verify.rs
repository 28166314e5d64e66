//! `[verify]`: what a trial restore is made with, and what must hold afterwards.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::resolve;

/// `[verify]`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VerifySection {
    /// The folder that holds Neo4j's `lib`.
    pub neo4j: Option<PathBuf>,
    /// A Java to run it with, instead of the one that is found.
    pub java: Option<PathBuf>,
    /// In which folder the trial's own is made; the system's for temporary files when not given.
    pub scratch: Option<PathBuf>,
    /// A graph of so many nodes and relationships or more is tried through Neo4j's importer, a
    /// smaller one over Bolt.
    pub bulk_from: Option<u64>,
    /// What must hold of a restored database.
    pub invariants: Vec<Invariant>,
}

/// Below, starting one more server costs what the importer gains; docs/benchmarks.md has both ways
/// at 1.7 million.
const BULK_FROM: u64 = 1_000_000;

impl VerifySection {
    /// From how many nodes and relationships on a trial goes through Neo4j's importer.
    pub fn bulk_from(&self) -> u64 {
        self.bulk_from.unwrap_or(BULK_FROM)
    }

    pub(super) fn resolve(&mut self, folder: &Path) {
        for path in [&mut self.neo4j, &mut self.java, &mut self.scratch] {
            resolve(folder, path);
        }
    }
}

/// `[[verify.invariants]]`: something that must hold of a restored database.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "RawInvariant")]
pub struct Invariant {
    /// What it says, for people.
    pub name: String,
    /// A query that reads.
    pub query: String,
    /// What the query must answer.
    pub expected: Expected,
}

/// What a query must answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Expected {
    /// One row with `true`.
    True,
    /// No row.
    NoRows,
    /// One row with a number in this range, its ends included.
    Between(f64, f64),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawInvariant {
    name: String,
    query: String,
    expect: Option<Word>,
    min: Option<f64>,
    max: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Word {
    True,
    NoRows,
}

impl TryFrom<RawInvariant> for Invariant {
    type Error = String;

    fn try_from(raw: RawInvariant) -> Result<Self, String> {
        let expected = match (raw.expect, raw.min, raw.max) {
            (Some(Word::True), None, None) => Expected::True,
            (Some(Word::NoRows), None, None) => Expected::NoRows,
            (None, None, None) => {
                return Err("it needs expect = \"true\" or \"no-rows\", or min and max".to_owned());
            }
            (None, min, max) => {
                let (min, max) = (min.unwrap_or(f64::NEG_INFINITY), max.unwrap_or(f64::INFINITY));
                if min.is_nan() || max.is_nan() || min > max {
                    return Err(format!("no number is from {min} to {max}"));
                }
                Expected::Between(min, max)
            }
            _ => return Err("expect does not go together with min and max".to_owned()),
        };
        Ok(Self { name: raw.name, query: raw.query, expected })
    }
}
