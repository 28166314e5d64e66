//! Our own Bolt client, at a server of the testkit.

use lifeboat_bolt::{Auth, Config, Connection};
use lifeboat_testkit::Neo4j;

/// Logs in.
///
/// # Errors
/// When the server does not answer.
pub(crate) async fn connect(server: &Neo4j) -> anyhow::Result<Connection> {
    let auth = Auth::basic(server.username(), server.password());
    Ok(Connection::connect(&Config::new(server.uri().parse()?, auth)).await?)
}
