//! Servers and short cuts for the tests.

use std::time::Duration;

use lifeboat_bolt::{Auth, Config, Connection, Params, RunOptions, Timeouts, Value};
use lifeboat_testkit::{Line, Neo4j};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

pub(crate) use anyhow::Result;

/// Held for reading by tests that do not mind company, for writing by those that do.
static COMPANY: RwLock<()> = RwLock::const_new(());

pub(crate) async fn in_company() -> RwLockReadGuard<'static, ()> {
    COMPANY.read().await
}

pub(crate) async fn alone() -> RwLockWriteGuard<'static, ()> {
    COMPANY.write().await
}

/// How to reach the shared server of a line.
pub(crate) async fn config(line: Line) -> Result<Config> {
    let server = Neo4j::shared(line).await?;
    let auth = Auth::basic(server.username(), server.password());
    let mut config = Config::new(server.uri().parse()?, auth);
    // The first query of a server on a busy machine takes its time.
    config.timeouts = Timeouts {
        connect: Duration::from_mins(1),
        handshake: Duration::from_mins(1),
        ..Timeouts::default()
    };
    Ok(config)
}

/// A connection to the shared server of a line.
pub(crate) async fn connect(line: Line) -> Result<Connection> {
    Ok(Connection::connect(&config(line).await?).await?)
}

/// The first field of the first record.
pub(crate) async fn single(connection: &mut Connection, cypher: &str) -> Result<Value> {
    single_with(connection, cypher, Params::None).await
}

pub(crate) async fn single_with(
    connection: &mut Connection,
    cypher: &str,
    params: Params,
) -> Result<Value> {
    let mut records = connection.run(cypher, params, &RunOptions::default()).await?;
    let record = records.next().await?;
    records.finish().await?;
    record
        .and_then(|fields| fields.into_iter().next())
        .ok_or_else(|| anyhow::anyhow!("no record from {cypher}"))
}

/// Proves that a connection works.
pub(crate) async fn assert_usable(connection: &mut Connection) {
    let answer = single(connection, "RETURN 42").await;
    assert_eq!(answer.expect("the connection works"), Value::Int(42));
}

/// A parameter `x`.
pub(crate) fn x(value: Value) -> Params {
    Params::Values(vec![("x".to_owned(), value)])
}
