//! How much of everything a graph has, from the counts that the server keeps: no node is read.

use lifeboat_archive::Counts;
use lifeboat_bolt::packstream::Value;
use lifeboat_bolt::{Connection, Params, RunOptions};

use crate::database::{Database, row, unexpected};
use crate::error::{Error, Result};
use crate::fingerprint::{escaped, quoted};

/// One answer has them all. An Enterprise server gives it to administrators only.
const STATISTICS: &str = "CALL db.stats.retrieve('GRAPH COUNTS') YIELD data RETURN data";

/// Asks for all counts at once. A server that was just started takes long for each query that it
/// has not seen, and one by one there is a query for each label and type. Constraints and indexes
/// are not counted.
///
/// # Errors
/// When the server refuses or breaks off.
pub async fn at_once(connection: &mut Connection, run: &RunOptions) -> Result<Counts> {
    let answer = row(connection, STATISTICS, run).await?;
    read(&answer).ok_or_else(|| unexpected(STATISTICS, &answer))
}

/// Reads what [`STATISTICS`] answers: lists of counts, one without a name that is the total, and one
/// for each label and type; those by type and label of an end are left out.
fn read(answer: &[Value]) -> Option<Counts> {
    let [data] = answer else { return None };
    let mut counts = Counts::default();
    for (list, name, total, found) in [
        ("nodes", "label", &mut counts.nodes, &mut counts.labels),
        ("relationships", "relationshipType", &mut counts.relationships, &mut counts.types),
    ] {
        for one in data.get(list)?.as_list()? {
            let count = one.get("count")?.as_int()?.unsigned_abs();
            let by_end = ["startLabel", "endLabel"].iter().any(|end| one.get(end).is_some());
            match one.get(name) {
                _ if by_end => {}
                None => *total = count,
                // A name that nothing bears any more is kept by the server.
                Some(_) if count == 0 => {}
                Some(name) => drop(found.insert(name.as_str()?.to_owned(), count)),
            }
        }
    }
    Some(counts)
}

/// Asks for one count after another, as any user who may read can. Constraints and indexes are not
/// counted.
///
/// # Errors
/// When the server refuses or breaks off.
pub async fn one_by_one(connection: &mut Connection, run: &RunOptions) -> Result<Counts> {
    let (nodes, relationships) = Database::size(connection, run).await?;
    let mut counts = Counts { nodes, relationships, ..Counts::default() };
    for (names, pattern, found) in [
        ("CALL db.labels()", "MATCH (n:NAME) RETURN count(n)", &mut counts.labels),
        ("CALL db.relationshipTypes()", "MATCH ()-[r:NAME]->() RETURN count(r)", &mut counts.types),
    ] {
        for name in self::names(connection, names, run).await? {
            let query = pattern.replace("NAME", &escaped(&quoted(&name)));
            match row(connection, &query, run).await?.as_slice() {
                [Value::Int(0)] => {}
                [Value::Int(count)] => {
                    found.insert(name, count.unsigned_abs());
                }
                other => return Err(unexpected(&query, other)),
            }
        }
    }
    Ok(counts)
}

async fn names(connection: &mut Connection, query: &str, run: &RunOptions) -> Result<Vec<String>> {
    let mut records = connection.run(query, Params::None, run).await?;
    let mut names = Vec::new();
    while let Some(row) = records.next().await? {
        match <[Value; 1]>::try_from(row) {
            Ok([Value::String(name)]) => names.push(name),
            other => return Err(Error::Unexpected { what: format!("{query} answered {other:?}") }),
        }
    }
    records.finish().await?;
    Ok(names)
}
