//! Which member of a cluster to talk to.
//!
//! A `neo4j` scheme names some member, the *seed*. It is asked for the members' table, and the
//! first member of the wanted role that answers is taken. A single instance names itself, maybe by
//! an address that cannot be reached from here (a container's, say): then the seed is as good.

use crate::messages::{self, take};
use crate::packstream::Value;
use crate::{Access, Config, Connection, Error};

/// Leads from the seed to a member of the wanted role.
pub(crate) async fn lead(config: &Config, mut seed: Connection) -> Result<Connection, Error> {
    let table = ask(config, &mut seed).await?;
    let role = match config.role {
        Access::Read => "READ",
        Access::Write => "WRITE",
    };
    let wanted = addresses(&table, role);
    if wanted.contains(&config.uri.address()) {
        return Ok(seed);
    }
    let mut tried = Vec::new();
    for address in &wanted {
        let opened = match config.uri.member(address) {
            Ok(uri) => Connection::open(config, &uri).await,
            Err(error) => {
                tried.push(error.to_string());
                continue;
            }
        };
        match opened {
            Ok(member) => {
                seed.close().await;
                return Ok(member);
            }
            Err(error) if error.is_disconnected() => tried.push(error.to_string()),
            Err(error) => return Err(error),
        }
    }
    // A seed can always be read from; it can be written to when it is all there is.
    let alone = distinct(&table) == 1;
    if !wanted.is_empty() && (alone || config.role == Access::Read) {
        tracing::warn!(
            address = config.uri.address(),
            ?tried,
            "no member at its advertised address; staying with the server that was asked"
        );
        return Ok(seed);
    }
    seed.close().await;
    Err(Error::NoServer {
        address: config.uri.address(),
        role: if config.role == Access::Read { "reads" } else { "writes" },
        reason: if tried.is_empty() { "it names none".to_owned() } else { tried.join("; ") },
    })
}

/// The servers of the routing table: role, addresses.
async fn ask(config: &Config, seed: &mut Connection) -> Result<Vec<(String, Vec<String>)>, Error> {
    let database = config.database.as_deref();
    let mut metadata = seed.request(|out| messages::route(out, &config.uri, database)).await?;
    let table = take(&mut metadata, "rt");
    match table.as_ref().and_then(servers) {
        Some(servers) => Ok(servers),
        None => Err(seed.wire.protocol("a routing table that cannot be understood")),
    }
}

fn servers(table: &Value) -> Option<Vec<(String, Vec<String>)>> {
    let entry = |server: &Value| {
        let addresses = server.get("addresses")?.as_list()?;
        let addresses = addresses.iter().map(|address| address.as_str().map(str::to_owned));
        Some((server.get("role")?.as_str()?.to_owned(), addresses.collect::<Option<_>>()?))
    };
    table.get("servers")?.as_list()?.iter().map(entry).collect()
}

fn addresses(table: &[(String, Vec<String>)], wanted: &str) -> Vec<String> {
    let of_role = table.iter().filter(|(role, _)| role == wanted);
    of_role.flat_map(|(_, addresses)| addresses.iter().cloned()).collect()
}

fn distinct(table: &[(String, Vec<String>)]) -> usize {
    let all = table.iter().flat_map(|(_, addresses)| addresses);
    all.collect::<std::collections::HashSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(role: &str, addresses: &[&str]) -> Value {
        let addresses = addresses.iter().map(|address| Value::from(*address)).collect();
        Value::Map(vec![
            ("addresses".into(), Value::List(addresses)),
            ("role".into(), Value::from(role)),
        ])
    }

    #[test]
    fn tables_are_understood() {
        let list = vec![
            server("WRITE", &["a:1"]),
            server("READ", &["b:1", "c:1"]),
            server("ROUTE", &["a:1", "b:1", "c:1"]),
        ];
        let table = Value::Map(vec![
            ("ttl".into(), Value::Int(300)),
            ("servers".into(), Value::List(list)),
        ]);
        let table = servers(&table).unwrap();
        assert_eq!(addresses(&table, "WRITE"), ["a:1"]);
        assert_eq!(addresses(&table, "READ"), ["b:1", "c:1"]);
        assert_eq!(distinct(&table), 3);
        assert_eq!(servers(&Value::Map(vec![])), None);
        let broken = Value::List(vec![Value::Map(vec![("role".into(), Value::Null)])]);
        assert_eq!(servers(&Value::Map(vec![("servers".into(), broken)])), None);
    }
}
