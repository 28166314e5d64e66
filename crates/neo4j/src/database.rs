//! What a database says about itself.

use lifeboat_archive::Counts;
use lifeboat_bolt::packstream::Value;
use lifeboat_bolt::{BookmarkTx, Connection, Params, RunOptions, ServerInfo};

use crate::counts;
use crate::error::{Error, Result};
use crate::schema::{Schema, SchemaKind};

/// A database and the server it lives on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// Its name.
    pub name: String,
    /// The server's version, such as `5.26.18`.
    pub version: String,
    /// The server's edition, such as `community`.
    pub edition: String,
    /// The version of Bolt that is spoken with it, such as `5.8`.
    pub bolt: String,
    /// Number of nodes now.
    pub nodes: u64,
    /// Number of relationships now.
    pub relationships: u64,
}

impl Database {
    /// Asks the server.
    ///
    /// # Errors
    /// When the server refuses or breaks off, or the database does not exist.
    pub async fn inspect(connection: &mut Connection, run: &RunOptions) -> Result<Self> {
        let components = "CALL dbms.components() YIELD name, versions, edition \
            WHERE name = 'Neo4j Kernel' RETURN versions[0], edition";
        let (version, edition) = match row(connection, components, run).await?.as_slice() {
            [Value::String(version), Value::String(edition)] => (version.clone(), edition.clone()),
            other => return Err(unexpected("dbms.components", other)),
        };
        let info = "CALL db.info() YIELD name RETURN name";
        let name = match row(connection, info, run).await?.as_slice() {
            [Value::String(name)] => name.clone(),
            other => return Err(unexpected("db.info", other)),
        };
        let (major, minor) = connection.server().version;
        let (nodes, relationships) = Self::size(connection, run).await?;
        Ok(Self { name, version, edition, bolt: format!("{major}.{minor}"), nodes, relationships })
    }

    /// Number of nodes and relationships, from the counts that the server keeps.
    ///
    /// # Errors
    /// When the server refuses or breaks off.
    pub async fn size(connection: &mut Connection, run: &RunOptions) -> Result<(u64, u64)> {
        let mut counts = [0; 2];
        let queries = ["MATCH (n) RETURN count(n)", "MATCH ()-[r]->() RETURN count(r)"];
        for (count, query) in counts.iter_mut().zip(queries) {
            *count = match row(connection, query, run).await?.as_slice() {
                [Value::Int(found)] => found.unsigned_abs(),
                other => return Err(unexpected(query, other)),
            };
        }
        Ok((counts[0], counts[1]))
    }

    /// Number of everything, from the counts that the server keeps: no node is read.
    ///
    /// # Errors
    /// When the server refuses or breaks off.
    pub async fn counts(connection: &mut Connection, run: &RunOptions) -> Result<Counts> {
        let schema = Schema::read(connection, run).await?;
        let graph = match counts::at_once(connection, run).await {
            Err(Error::Bolt(error)) if error.code().is_some() => {
                counts::one_by_one(connection, run).await?
            }
            counted => counted?,
        };
        Ok(Counts {
            constraints: schema.count(SchemaKind::Constraint),
            indexes: schema.count(SchemaKind::Index),
            ..graph
        })
    }

    /// The database's id and the last transaction that was committed, which a read's bookmark
    /// carries; `None` when the server's bookmarks are of a form that is not known.
    ///
    /// # Errors
    /// When the server refuses or breaks off.
    pub async fn last_tx(
        connection: &mut Connection,
        run: &RunOptions,
    ) -> Result<Option<BookmarkTx>> {
        let summary = connection.run("RETURN 1", Params::None, run).await?.finish().await?;
        Ok(summary.bookmark.and_then(|bookmark| bookmark.decoded()))
    }

    /// What a query begins with so that `id()` means what it always did: servers of the calendar
    /// line can be set to a dialect of Cypher without it.
    pub fn dialect(server: &ServerInfo) -> &'static str {
        let version = server.agent.strip_prefix("Neo4j/").unwrap_or_default();
        let line = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        if line.is_some_and(|line| line >= 2025) { "CYPHER 5 " } else { "" }
    }
}

/// The only row that a query answers.
pub(crate) async fn row(
    connection: &mut Connection,
    query: &str,
    run: &RunOptions,
) -> Result<Vec<Value>> {
    let mut records = connection.run(query, Params::None, run).await?;
    let row = records.next().await?.unwrap_or_default();
    records.finish().await?;
    Ok(row)
}

pub(crate) fn unexpected(query: &str, answer: &[Value]) -> Error {
    Error::Unexpected { what: format!("{query} answered {answer:?}") }
}
