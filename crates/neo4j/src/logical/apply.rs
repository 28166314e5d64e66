//! The target of a restore: is it fit, clear it, give it its schema.

use std::time::Duration;

use lifeboat_bolt::packstream::Value;
use lifeboat_bolt::{Connection, Params, RunOptions};

use crate::database::Database;
use crate::error::{Error, Result};
use crate::fingerprint::{escaped, quoted};
use crate::schema::{Schema, SchemaItem, SchemaKind};

/// Elements that one transaction deletes.
const DELETE_ROWS: u32 = 10_000;

/// Checks that a database can take a payload with this schema.
///
/// # Errors
/// [`Error::NotEmpty`] when it holds data, or constraints or indexes that the payload lacks;
/// [`Error::Unsupported`] when its edition does not have a kind of constraint.
pub async fn check_target(
    connection: &mut Connection,
    run: &RunOptions,
    schema: &Schema,
) -> Result<()> {
    let database = Database::inspect(connection, run).await?;
    if database.edition == "community"
        && let Some(item) = schema.items.iter().find(|item| needs_enterprise(item))
    {
        return Err(Error::Unsupported {
            what: format!("{} constraint {}", item.variant, quoted(&item.name)),
            why: "the Community edition does not have constraints of this kind".to_owned(),
        });
    }
    if database.nodes != 0 {
        return Err(Error::NotEmpty {
            database: database.name,
            nodes: database.nodes,
            relationships: database.relationships,
        });
    }
    let there = Schema::read(connection, run).await?;
    let foreign: Vec<&SchemaItem> =
        there.missing_in(schema).into_iter().filter(|item| !item.is_lookup()).collect();
    if let Some(item) = foreign.first() {
        return Err(Error::ForeignSchema {
            database: database.name,
            item: item.statement.clone(),
            count: foreign.len(),
        });
    }
    Ok(())
}

fn needs_enterprise(item: &SchemaItem) -> bool {
    item.kind == SchemaKind::Constraint && !item.variant.contains("UNIQUENESS")
}

/// Deletes every node, relationship, constraint and index of a database, in transactions of a
/// bounded size.
///
/// # Errors
/// When the server refuses or breaks off; what is deleted by then stays so.
pub async fn clear(connection: &mut Connection, run: &RunOptions) -> Result<()> {
    drop_items(connection, run, &Schema::default()).await?;
    let dialect = Database::dialect(connection.server());
    for pattern in ["()-[x]->()", "(x)"] {
        let query = format!(
            "{dialect}MATCH {pattern} CALL {{ WITH x DELETE x }} IN TRANSACTIONS OF {DELETE_ROWS} ROWS"
        );
        connection.run(&query, Params::None, run).await?.finish().await?;
    }
    Ok(())
}

/// Drops what the database has and `wanted` does not, except for the lookup indexes when `wanted`
/// says nothing of them.
async fn drop_items(connection: &mut Connection, run: &RunOptions, wanted: &Schema) -> Result<()> {
    let there = Schema::read(connection, run).await?;
    for item in there.missing_in(wanted) {
        if item.is_lookup() && wanted.items.is_empty() {
            continue;
        }
        let kind = match item.kind {
            SchemaKind::Constraint => "CONSTRAINT",
            SchemaKind::Index => "INDEX",
        };
        let query = format!("DROP {kind} {} IF EXISTS", escaped(&quoted(&item.name)));
        connection.run(&query, Params::None, run).await?.finish().await?;
    }
    Ok(())
}

/// Makes the schema of a database equal to `wanted`, and waits until every index answers.
///
/// # Errors
/// When the server refuses an item, or an index cannot be built.
pub(crate) async fn create_schema(
    connection: &mut Connection,
    run: &RunOptions,
    wanted: &Schema,
) -> Result<()> {
    if !wanted.items.is_empty() {
        drop_items(connection, run, wanted).await?;
    }
    let there = Schema::read(connection, run).await?;
    let dialect = Database::dialect(connection.server());
    for item in wanted.missing_in(&there) {
        let statement = format!("{dialect}{}", escaped(&item.statement));
        let made = match connection.run(&statement, Params::None, run).await {
            Ok(rows) => rows.finish().await,
            Err(error) => Err(error),
        };
        if let Err(error) = made {
            if error.is_retryable() {
                return Err(error.into());
            }
            return Err(Error::Unsupported {
                what: item.statement.clone(),
                why: error.to_string(),
            });
        }
    }
    await_indexes(connection, run).await
}

/// Waits until every index is online.
async fn await_indexes(connection: &mut Connection, run: &RunOptions) -> Result<()> {
    let query = "SHOW INDEXES YIELD name, state, populationPercent \
        WHERE state <> 'ONLINE' RETURN name, state, populationPercent";
    loop {
        let mut rows = connection.run(query, Params::None, run).await?;
        let mut waiting = false;
        while let Some(row) = rows.next().await? {
            waiting = true;
            if let [Value::String(name), Value::String(state), _] = row.as_slice()
                && state == "FAILED"
            {
                return Err(Error::Unsupported {
                    what: format!("index {}", quoted(name)),
                    why: "building it failed; the server's log tells more".to_owned(),
                });
            }
        }
        drop(rows);
        if !waiting {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
