//! Ends that are silent, slow, broken or mad.

use std::sync::Arc;
use std::time::Duration;

use lifeboat_bolt::{Auth, Config, Connection, Error, Params, RunOptions, Value};
use lifeboat_testkit::{Line, Neo4j};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::fake::{Fake, chunked, failure, header, record, success};
use crate::support::{Result, assert_usable, config, in_company, x};

const LONG: Duration = Duration::from_hours(1);

fn config_of(fake: &Fake) -> Config {
    let uri = format!("bolt://{}", fake.address()).parse().expect("an address");
    Config::new(uri, Auth::None)
}

fn options() -> RunOptions {
    RunOptions::default()
}

/// Runs a query against an end that answers it, after a greeting, with these bytes and then hangs
/// up or falls silent.
async fn answered(wire: Vec<u8>, hang_up: bool) -> Result<(Fake, Connection)> {
    let fake = Fake::start(move |mut end| {
        let wire = wire.clone();
        async move {
            end.greet(&[]).await?;
            end.receive().await?;
            end.socket.write_all(&wire).await?;
            if !hang_up {
                while end.receive().await?.is_some() {}
            }
            Ok(())
        }
    })
    .await?;
    let mut config = config_of(&fake);
    config.timeouts.idle = Duration::from_millis(200);
    let connection = Connection::connect(&config).await?;
    Ok((fake, connection))
}

/// Everything fails at once from then on.
async fn assert_broken(mut connection: Connection) {
    for _ in 0..2 {
        let error = connection
            .execute("RETURN 1", Params::None, &options())
            .await
            .expect_err("the connection is broken");
        assert!(matches!(error, Error::Disconnected { .. }), "{error}");
        assert!(error.is_disconnected() && error.is_retryable());
        assert!(error.to_string().contains("connect again"), "{error}");
    }
    assert!(connection.begin(&options()).await.is_err());
    assert!(connection.reset().await.is_err());
    connection.close().await;
}

#[tokio::test]
async fn silence_at_the_handshake_ends() -> Result<()> {
    for greeting in [&[][..], &[0, 0], &[0, 0, 4, 5], &[0, 0, 1, 0xFF, 5, 0]] {
        let fake = Fake::start(move |mut end| async move {
            end.socket.write_all(greeting).await?;
            while end.receive().await?.is_some() {}
            Ok(())
        })
        .await?;
        for scheme in ["bolt", "bolt+ssc"] {
            let mut config = config_of(&fake);
            config.uri = format!("{scheme}://{}", fake.address()).parse()?;
            config.timeouts.handshake = Duration::from_millis(100);
            let error = Connection::connect(&config).await.unwrap_err();
            if scheme == "bolt" || greeting.is_empty() {
                assert!(matches!(error, Error::Timeout { .. }), "{error}");
                assert!(error.to_string().contains("within 0.1 s while shaking hands"), "{error}");
            }
            assert!(error.is_disconnected());
        }
    }
    Ok(())
}

#[tokio::test]
async fn silence_during_a_query_ends() -> Result<()> {
    let wire = [chunked(&header()), chunked(&record(Value::Int(1))), vec![0, 9, 1]].concat();
    let (_fake, mut connection) = answered(wire, false).await?;
    let mut records = connection.run("RETURN 1", Params::None, &options()).await?;
    assert_eq!(records.next().await?, Some(vec![Value::Int(1)]));
    let error = records.next().await.unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    assert!(error.is_disconnected() && error.is_retryable());
    assert!(error.to_string().contains("waiting for an answer"), "{error}");
    assert_broken(connection).await;
    Ok(())
}

#[tokio::test]
async fn signs_of_life_keep_a_query_alive() -> Result<()> {
    let fake = Fake::start(|mut end| async move {
        end.greet(&[]).await?;
        end.receive().await?;
        for _ in 0..40 {
            sleep(Duration::from_millis(100)).await;
            end.socket.write_all(&[0, 0]).await?;
        }
        end.send(&header()).await?;
        end.socket.write_all(&[0, 0, 0, 0]).await?;
        end.send(&record(Value::Int(1))).await?;
        end.socket.write_all(&[0, 0]).await?;
        end.send(&success(&[])).await?;
        while end.receive().await?.is_some() {}
        Ok(())
    })
    .await?;
    let mut config = config_of(&fake);
    config.timeouts.idle = Duration::from_secs(3);
    let mut connection = Connection::connect(&config).await?;
    let mut records = connection.run("RETURN 1", Params::None, &options()).await?;
    assert_eq!(records.next().await?, Some(vec![Value::Int(1)]));
    records.finish().await?;
    Ok(())
}

#[tokio::test]
async fn the_servers_own_limit_of_silence_counts_when_longer() -> Result<()> {
    let fake = Fake::start(|mut end| async move {
        end.greet(&[("connection.recv_timeout_seconds", Value::Int(600))]).await?;
        end.receive().await?;
        sleep(Duration::from_millis(500)).await;
        end.send(&header()).await?;
        end.send(&success(&[])).await?;
        while end.receive().await?.is_some() {}
        Ok(())
    })
    .await?;
    let mut config = config_of(&fake);
    config.timeouts.idle = Duration::from_millis(50);
    let mut connection = Connection::connect(&config).await?;
    connection.execute("RETURN 1", Params::None, &options()).await?;
    Ok(())
}

#[tokio::test]
async fn hanging_up_is_an_error_wherever_it_happens() -> Result<()> {
    let whole = [
        chunked(&header()),
        chunked(&record(Value::Int(1))),
        chunked(&record(Value::String("x".repeat(300)))),
        chunked(&success(&[])),
    ]
    .concat();
    for cut in 0..whole.len() {
        if cut % 7 != 0 && cut > 60 && cut + 20 < whole.len() {
            continue;
        }
        let (_fake, mut connection) = answered(whole[..cut].to_vec(), true).await?;
        let error = connection.execute("RETURN 1", Params::None, &options()).await.unwrap_err();
        assert!(error.is_disconnected(), "{cut}: {error}");
        assert!(error.to_string().contains("closed it"), "{cut}: {error}");
        assert_broken(connection).await;
    }
    let (_fake, mut connection) = answered(whole, true).await?;
    connection.execute("RETURN 1", Params::None, &options()).await?;
    Ok(())
}

#[tokio::test]
async fn what_the_protocol_does_not_allow_breaks_the_connection() -> Result<()> {
    for wire in [
        // No names of fields, a record first, an unknown message, no structure, no map.
        chunked(&success(&[])),
        chunked(&[0xB1, 0x55, 0xA0]),
        chunked(&[0x01]),
        chunked(&[0xB1, 0x70, 0x01]),
        chunked(&[0xB1, 0x70, 0xDA, 0xFF, 0xFF, 0xFF, 0xFF]),
        chunked(&[0xB0, 0x7E]),
    ] {
        let (_fake, mut connection) = answered(wire.clone(), false).await?;
        let error = connection.execute("RETURN 1", Params::None, &options()).await.unwrap_err();
        assert!(matches!(error, Error::Protocol { .. }), "{wire:x?}: {error}");
        assert!(error.is_disconnected());
        assert_broken(connection).await;
    }
    Ok(())
}

#[tokio::test]
async fn a_record_that_cannot_be_read_harms_nothing_else() -> Result<()> {
    let wire = [
        chunked(&header()),
        chunked(&[0xB1, 0x71, 0x91, 0xD0, 0xFF]),
        chunked(&record(Value::Int(2))),
        chunked(&success(&[])),
    ];
    let (_fake, mut connection) = answered(wire.concat(), false).await?;
    let mut records = connection.run("RETURN 1", Params::None, &options()).await?;
    let error = records.next().await.unwrap_err();
    assert!(matches!(error, Error::Record { .. }), "{error}");
    assert!(!error.is_disconnected());
    assert_eq!(records.next().await?, Some(vec![Value::Int(2)]));
    records.finish().await?;
    Ok(())
}

#[tokio::test]
async fn a_server_that_cannot_be_reset_is_given_up() -> Result<()> {
    let fake = Fake::start(|mut end| async move {
        end.greet(&[]).await?;
        while end.receive().await?.is_some() {
            end.send(&failure("Neo.TransientError.General.DatabaseUnavailable")).await?;
        }
        Ok(())
    })
    .await?;
    let mut connection = Connection::connect(&config_of(&fake)).await?;
    let error = connection.execute("RETURN 1", Params::None, &options()).await.unwrap_err();
    assert!(error.is_retryable() && !error.is_disconnected(), "{error}");
    let error = connection.execute("RETURN 1", Params::None, &options()).await.unwrap_err();
    assert!(error.to_string().contains("could not be reset"), "{error}");
    assert_broken(connection).await;
    Ok(())
}

/// Passes bytes on; those to the server only up to a limit until it is told to go on.
async fn gate(server: String, limit: u64, open: Arc<Notify>) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    tokio::spawn(async move {
        let (client, _) = listener.accept().await?;
        let server = TcpStream::connect(server).await?;
        let (client_read, mut client_write) = client.into_split();
        let (mut server_read, mut server_write) = server.into_split();
        tokio::spawn(async move { copy(&mut server_read, &mut client_write).await });
        let mut first = client_read.take(limit);
        copy(&mut first, &mut server_write).await?;
        open.notified().await;
        copy(&mut first.into_inner(), &mut server_write).await?;
        server_write.shutdown().await
    });
    Ok(address)
}

#[tokio::test]
async fn a_request_that_was_half_written_is_finished_first() -> Result<()> {
    let _company = in_company().await;
    for line in Line::ALL {
        let server = Neo4j::shared(line).await?;
        let mut config = config(line).await?;
        let long = Value::String("x".repeat(30_000_000));
        for in_transaction in [false, true] {
            let open = Arc::new(Notify::new());
            let address = format!("127.0.0.1:{}", server.bolt_port());
            let gate = gate(address, 1_000_000, Arc::clone(&open)).await?;
            config.uri = format!("bolt://{gate}").parse()?;
            let mut connection = Connection::connect(&config).await?;
            if in_transaction {
                connection.begin(&RunOptions::default()).await?;
            }
            let query = "CREATE (n:Half {x: $x})";
            let options = options();
            let run = connection.execute(query, x(long.clone()), &options);
            assert!(timeout(Duration::from_millis(300), run).await.is_err());
            open.notify_one();
            if in_transaction {
                let error = connection.commit().await.unwrap_err();
                assert!(matches!(error, Error::TransactionAborted { .. }), "{error}");
            }
            assert_usable(&mut connection).await;
            connection.execute("MATCH (n:Half) DELETE n", Params::None, &options).await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn an_end_that_does_not_read_is_given_up() -> Result<()> {
    let fake = Fake::start(|mut end| async move {
        end.greet(&[]).await?;
        sleep(LONG).await;
        Ok(())
    })
    .await?;
    let mut config = config_of(&fake);
    config.timeouts.idle = Duration::from_millis(200);
    let mut connection = Connection::connect(&config).await?;
    let long = Value::String("x".repeat(30_000_000));
    let error = connection.execute("RETURN $x", x(long), &options()).await.unwrap_err();
    assert!(error.to_string().contains("while sending a request"), "{error}");
    assert_broken(connection).await;
    Ok(())
}
