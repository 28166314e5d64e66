//! Is the graph in a database the one that a manifest describes?

use std::collections::BTreeMap;
use std::fmt::Display;

use lifeboat_archive::{Counts, DatabaseSection, Fingerprint};

use crate::error::{Error, Result};

/// How many differences are told.
const TOLD: usize = 8;

/// Compares what was backed up with what was read back.
///
/// # Errors
/// [`Error::Different`] with the label sets, types and counts that differ.
pub fn compare(wanted: &DatabaseSection, found: &DatabaseSection) -> Result<()> {
    let mut differences = Vec::new();
    let (counts, there) = (counts(wanted)?, counts(found)?);
    for (what, wanted, found) in [
        ("nodes", counts.nodes, there.nodes),
        ("relationships", counts.relationships, there.relationships),
        ("constraints", counts.constraints, there.constraints),
        ("indexes", counts.indexes, there.indexes),
    ] {
        if wanted != found {
            differences.push(format!("{wanted} {what} were backed up, {found} are there"));
        }
    }
    maps("label", &counts.labels, &there.labels, &mut differences);
    maps("type", &counts.types, &there.types, &mut differences);
    let (print, seen) = (fingerprint(wanted)?, fingerprint(found)?);
    if print.algorithm != seen.algorithm {
        differences.push(format!(
            "the fingerprint was made by {}, this program makes {}",
            print.algorithm, seen.algorithm
        ));
    } else if print.graph != seen.graph {
        maps("nodes of label set", &print.nodes, &seen.nodes, &mut differences);
        maps("relationships of type", &print.relationships, &seen.relationships, &mut differences);
        if print.schema != seen.schema {
            differences.push("constraints and indexes differ".to_owned());
        }
        if differences.is_empty() {
            differences.push(format!("fingerprint {} became {}", print.graph, seen.graph));
        }
    }
    if differences.is_empty() {
        return Ok(());
    }
    let more = differences.len().saturating_sub(TOLD);
    differences.truncate(TOLD);
    let mut difference = differences.join("; ");
    if more > 0 {
        difference.extend(["; and ", &more.to_string(), " more"]);
    }
    Err(Error::Different { difference })
}

/// What a backup counted.
///
/// # Errors
/// When it counted nothing, so that nothing can be compared with it.
pub fn counts(section: &DatabaseSection) -> Result<&Counts> {
    section.counts.as_ref().ok_or_else(|| lacks("counts"))
}

fn fingerprint(section: &DatabaseSection) -> Result<&Fingerprint> {
    section.fingerprint.as_ref().ok_or_else(|| lacks("a fingerprint"))
}

fn lacks(what: &str) -> Error {
    Error::Different { difference: format!("the manifest lacks {what} to compare with") }
}

fn maps<V: PartialEq + Display>(
    what: &str,
    wanted: &BTreeMap<String, V>,
    found: &BTreeMap<String, V>,
    differences: &mut Vec<String>,
) {
    for (name, value) in wanted {
        match found.get(name) {
            None => {
                differences.push(format!("{what} {}: {value} before, nothing now", shown(name)));
            }
            Some(now) if now != value => {
                differences.push(format!("{what} {}: {value} before, {now} now", shown(name)));
            }
            Some(_) => {}
        }
    }
    for (name, value) in found.iter().filter(|(name, _)| !wanted.contains_key(*name)) {
        differences.push(format!("{what} {}: nothing before, {value} now", shown(name)));
    }
}

/// A name from the data, which can be of any length and hold what a terminal obeys.
fn shown(name: &str) -> String {
    const LENGTH: usize = 60;
    let mut text: String = name.chars().take(LENGTH).flat_map(char::escape_debug).collect();
    if name.chars().nth(LENGTH).is_some() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn names_are_short_and_harmless() {
        assert_eq!(shown("`A`:`B`"), "`A`:`B`");
        assert_eq!(shown("a\u{1b}[2J"), "a\\u{1b}[2J");
        assert_eq!(shown(&"x".repeat(70_000)).chars().count(), 61);
    }
}
