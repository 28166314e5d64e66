//! Something that must hold of a restored database: a query, and what it must answer.

use lifeboat_bolt::{Access, Connection, Params, RunOptions, Value};

use crate::config::{Expected, Invariant};
use crate::{Error, Result, Target};

/// Rows that are looked at: what is wrong shows in the first.
const ROWS: usize = 3;

/// Runs the query. What it found, for people.
pub(super) async fn check(target: &Target, invariant: &Invariant) -> Result<String> {
    let failed = |error: lifeboat_bolt::Error| Error::Invariant {
        name: invariant.name.clone(),
        found: format!("its query failed: {error}"),
    };
    let mut connection = Connection::connect(&target.config).await.map_err(failed)?;
    let run = RunOptions {
        database: target.database.clone(),
        access: Access::Read,
        ..RunOptions::default()
    };
    let mut rows = Vec::new();
    let mut records = connection.run(&invariant.query, Params::None, &run).await.map_err(failed)?;
    while rows.len() < ROWS
        && let Some(row) = records.next().await.map_err(failed)?
    {
        rows.push(row);
    }
    drop(records);
    connection.close().await;
    judge(invariant.expected, &rows)
        .map_err(|found| Error::Invariant { name: invariant.name.clone(), found })
}

/// What was found, when it is as expected; else what is wrong.
fn judge(expected: Expected, rows: &[Vec<Value>]) -> Result<String, String> {
    match (expected, rows) {
        (Expected::NoRows, []) => Ok("no rows".to_owned()),
        (Expected::NoRows, [first, ..]) => {
            Err(format!("it should answer no rows, and the first is {}", shown(first)))
        }
        (Expected::True, [row]) if row.as_slice() == [Value::Bool(true)] => Ok("true".to_owned()),
        (Expected::True, rows) => Err(format!("it should answer true, and answers {}", all(rows))),
        (Expected::Between(min, max), rows) => {
            let number = match rows {
                [row] => number(row),
                _ => None,
            };
            match number {
                Some(number) if (min..=max).contains(&number) => Ok(format!("{number}")),
                _ => Err(format!(
                    "it should answer a number from {min} to {max}, and answers {}",
                    all(rows)
                )),
            }
        }
    }
}

fn number(row: &[Value]) -> Option<f64> {
    match row {
        [Value::Int(number)] => Some(*number as f64),
        [Value::Float(number)] => Some(*number),
        _ => None,
    }
}

fn all(rows: &[Vec<Value>]) -> String {
    match rows {
        [] => "no rows".to_owned(),
        rows => rows.iter().map(|row| shown(row)).collect::<Vec<_>>().join(" and "),
    }
}

/// A row for people, short and harmless.
fn shown(row: &[Value]) -> String {
    let text = format!("{row:?}");
    match text.char_indices().nth(120) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(value: Value) -> Vec<Vec<Value>> {
        vec![vec![value]]
    }

    #[test]
    fn judges_by_what_is_expected() {
        assert!(judge(Expected::True, &row(Value::Bool(true))).is_ok());
        assert!(judge(Expected::NoRows, &[]).is_ok());
        assert!(judge(Expected::Between(1.0, 2.0), &row(Value::Int(2))).is_ok());
        assert!(judge(Expected::Between(1.0, f64::INFINITY), &row(Value::Float(1e9))).is_ok());
        for (expected, rows) in [
            (Expected::True, row(Value::Bool(false))),
            (Expected::True, Vec::new()),
            (Expected::True, vec![vec![Value::Bool(true)], vec![Value::Bool(true)]]),
            (Expected::True, row(Value::Int(1))),
            (Expected::NoRows, row(Value::Null)),
            (Expected::Between(1.0, 2.0), row(Value::Int(3))),
            (Expected::Between(1.0, 2.0), row(Value::Float(f64::NAN))),
            (Expected::Between(1.0, 2.0), row(Value::String("2".to_owned()))),
            (Expected::Between(1.0, 2.0), Vec::new()),
        ] {
            assert!(judge(expected, &rows).is_err(), "{expected:?} {rows:?}");
        }
        let long = judge(Expected::NoRows, &row(Value::String("\u{1b}ä".repeat(500)))).unwrap_err();
        assert!(long.chars().count() < 200 && !long.contains('\u{1b}'), "{long}");
    }
}
