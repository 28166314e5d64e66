//! `neo4j` schemes against single instances and against tables that mislead.

use lifeboat_bolt::{Access, Auth, Config, Connection, Error, Value};
use lifeboat_testkit::{Line, Neo4j};

use crate::fake::{Fake, entries, success};
use crate::support::{Result, assert_usable, config, in_company};

#[tokio::test]
async fn a_single_instance_leads_to_itself() -> Result<()> {
    let _company = in_company().await;
    for line in Line::ALL {
        let mut config = config(line).await?;
        let server = Neo4j::shared(line).await?;
        // The advertised address is another name of the same server.
        for host in ["127.0.0.1", "localhost"] {
            config.uri = format!("neo4j://{host}:{}", server.bolt_port()).parse()?;
            for role in [Access::Read, Access::Write] {
                for max_version in [Some((4, 4)), Some((5, 8)), None] {
                    (config.role, config.max_version) = (role, max_version);
                    let mut connection = Connection::connect(&config).await?;
                    assert_usable(&mut connection).await;
                }
            }
        }
        config.database = Some("nowhere".to_owned());
        let error = Connection::connect(&config).await.unwrap_err();
        assert_eq!(error.code(), Some("Neo.ClientError.Database.DatabaseNotFound"), "{error}");
    }
    Ok(())
}

/// A server that answers everything, and a request for routes with this table.
async fn seed(table: &[(&str, &[&str])]) -> Result<Fake> {
    let servers = table.iter().map(|(role, addresses)| {
        let addresses = addresses.iter().map(|address| Value::from(*address)).collect();
        Value::Map(entries(&[("role", (*role).into()), ("addresses", Value::List(addresses))]))
    });
    let table = entries(&[("ttl", Value::Int(1)), ("servers", Value::List(servers.collect()))]);
    Fake::start(move |mut end| {
        let table = table.clone();
        async move {
            end.greet(&[]).await?;
            while let Some(request) = end.receive().await? {
                match request[1] {
                    0x66 => end.send(&success(&[("rt", Value::Map(table.clone()))])).await?,
                    _ => end.send(&success(&[("fields", Value::List(vec![]))])).await?,
                }
            }
            Ok(())
        }
    })
    .await
}

async fn lead(seed: &Fake, role: Access) -> Result<Connection, Error> {
    let uri = format!("neo4j://{}", seed.address()).parse().expect("an address");
    Connection::connect(&Config { role, ..Config::new(uri, Auth::None) }).await
}

#[tokio::test]
async fn the_member_of_the_wanted_role_is_taken() -> Result<()> {
    let member = seed(&[]).await?;
    let address = member.address().to_string();
    let table: [(&str, &[&str]); 2] = [("WRITE", &["127.0.0.1:1", &address]), ("READ", &[])];
    let seed = seed(&table).await?;
    let connection = lead(&seed, Access::Write).await?;
    assert_eq!(connection.server().address, address);
    let error = lead(&seed, Access::Read).await.unwrap_err();
    assert!(error.to_string().contains("no server for reads: it names none"), "{error}");
    assert!(error.is_retryable());
    Ok(())
}

#[tokio::test]
async fn a_wrongly_advertised_single_instance_is_used_all_the_same() -> Result<()> {
    let gone: &[&str] = &["127.0.0.1:1"];
    let seed = seed(&[("WRITE", gone), ("READ", gone), ("ROUTE", gone)]).await?;
    for role in [Access::Read, Access::Write] {
        let connection = lead(&seed, role).await?;
        assert_eq!(connection.server().address, seed.address().to_string());
    }
    Ok(())
}

#[tokio::test]
async fn members_that_cannot_be_reached_are_named() -> Result<()> {
    let seed =
        seed(&[("WRITE", &["127.0.0.1:1", "127.0.0.1:x"]), ("READ", &["127.0.0.1:2"])]).await?;
    let error = lead(&seed, Access::Write).await.unwrap_err();
    let message = error.to_string();
    assert!(matches!(error, Error::NoServer { .. }), "{message}");
    assert!(message.contains("127.0.0.1:1: ") && message.contains("127.0.0.1:x"), "{message}");
    // Reading is possible from any member.
    assert!(lead(&seed, Access::Read).await.is_ok());
    Ok(())
}
