//! Connections that break in the middle of a restore.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lifeboat_neo4j::logical::{WriteOptions, write_graph};
use lifeboat_neo4j::{Error, Progress};
use lifeboat_testkit::codegraph::{CodeGraph, Limit};
use lifeboat_testkit::oracle::assert_same;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::memory::MemoryArchive;
use crate::world::{World, config_at, fill, restore, snapshot, source, target};

/// Passes bytes on to a server, and cuts each connection after so many; where exactly differs from
/// connection to connection, so that requests and answers of every kind are lost.
struct Proxy {
    address: SocketAddr,
    cuts: Arc<AtomicU64>,
    _stop: tokio_util::sync::DropGuard,
}

impl Proxy {
    async fn start(server_port: u16, cut_after: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let cuts = Arc::new(AtomicU64::new(0));
        let stop = CancellationToken::new();
        let (counter, token) = (Arc::clone(&cuts), stop.clone());
        tokio::spawn(async move {
            let mut number = 0_u64;
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    () = token.cancelled() => return,
                };
                let Ok((client, _)) = accepted else { return };
                number += 1;
                // Spread over the messages of a batch; some connections live longer.
                let budget = cut_after / 2 + (number * 7_919_717) % cut_after;
                let (counter, to_client) = (Arc::clone(&counter), number.is_multiple_of(2));
                tokio::spawn(async move {
                    let Ok(server) = TcpStream::connect(("127.0.0.1", server_port)).await else {
                        return;
                    };
                    pass(client, server, budget, to_client).await;
                    counter.fetch_add(1, Ordering::Relaxed);
                });
            }
        });
        Self { address, cuts, _stop: stop.drop_guard() }
    }
}

/// Passes on until `budget` bytes went to the server, or a 200th of it came back.
async fn pass(client: TcpStream, server: TcpStream, budget: u64, count_answers: bool) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let (up, down) = if count_answers { (u64::MAX, budget / 200) } else { (budget, u64::MAX) };
    let forward = |limit: u64| move |done: u64| limit.saturating_sub(done).min(16_384) as usize;
    let upward = async {
        let (mut buffer, mut done, room) = (vec![0; 16_384], 0, forward(up));
        loop {
            let space = room(done);
            if space == 0 {
                return;
            }
            match from_client.read(&mut buffer[..space]).await {
                Ok(0) | Err(_) => return,
                Ok(count) => {
                    done += count as u64;
                    if to_server.write_all(&buffer[..count]).await.is_err() {
                        return;
                    }
                }
            }
        }
    };
    let downward = async {
        let (mut buffer, mut done, room) = (vec![0; 16_384], 0, forward(down));
        loop {
            let space = room(done);
            if space == 0 {
                return;
            }
            match from_server.read(&mut buffer[..space]).await {
                Ok(0) | Err(_) => return,
                Ok(count) => {
                    done += count as u64;
                    if to_client.write_all(&buffer[..count]).await.is_err() {
                        return;
                    }
                }
            }
        }
    };
    tokio::select! { () = upward => (), () = downward => () }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn broken_connections_lose_and_double_nothing() {
    let world = World::take().await;
    let graph = CodeGraph::build(Limit::nodes(8_000)).unwrap();
    fill(world.lts, graph.graph()).await;
    let archive = MemoryArchive::of(&source(world.lts)).await;
    let proxy = Proxy::start(world.current.bolt_port(), 3 << 20).await;
    let uri = format!("bolt://{}", proxy.address);
    let options = WriteOptions { config: config_at(world.current, &uri), ..target(world.current) };
    let progress = Arc::new(Progress::default());
    let payload = Arc::clone(&archive);
    let cancel = CancellationToken::new();
    write_graph(&options, payload, &archive.section, &progress, &cancel).await.unwrap();
    assert!(proxy.cuts.load(Ordering::Relaxed) >= 3, "the test must meet cuts");
    assert_same(&snapshot(world.current).await, &snapshot(world.lts).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_dies_and_comes_back_has_everything() {
    let world = World::take().await;
    let graph = CodeGraph::build(Limit::nodes(8_000)).unwrap();
    fill(world.lts, graph.graph()).await;
    let archive = MemoryArchive::of(&source(world.lts)).await;
    let mut mortal = lifeboat_testkit::Neo4j::start(lifeboat_testkit::Line::Lts).await.unwrap();
    let options = target(&mortal);
    let progress = Arc::new(Progress::default());
    let (seen, payload) = (Arc::clone(&progress), Arc::clone(&archive));
    let section = archive.section.clone();
    let restoring = tokio::spawn(async move {
        write_graph(&options, payload, &section, &seen, &CancellationToken::new()).await
    });
    while progress.snapshot().done < 2_000 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    mortal.kill().unwrap();
    assert!(!restoring.is_finished(), "it must have died in the middle");
    mortal.restart().await.unwrap();
    restoring.await.unwrap().unwrap();
    assert_same(&snapshot(&mortal).await, &snapshot(world.lts).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn another_writer_is_noticed_and_a_cancelled_restore_stops() {
    let world = World::take().await;
    let graph = CodeGraph::build(Limit::nodes(8_000)).unwrap();
    fill(world.lts, graph.graph()).await;
    let archive = MemoryArchive::of(&source(world.lts)).await;

    let cancel = CancellationToken::new();
    let progress = Arc::new(Progress::default());
    let (options, payload) = (target(world.current), Arc::clone(&archive));
    let restoring = write_graph(&options, payload, &archive.section, &progress, &cancel);
    let watching = async {
        while progress.snapshot().done < 1_000 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        cancel.cancel();
    };
    let (result, ()) = tokio::join!(restoring, watching);
    assert!(matches!(result, Err(Error::Interrupted)), "{result:?}");
    // Nothing is on its way any more: what is there now stays the same.
    let count = "MATCH (n) RETURN count(n)";
    let there = world.current.query(count).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(world.current.query(count).await.unwrap(), there);
    crate::world::empty(world.current).await;

    // Somebody else's nodes make the result differ, loudly.
    let stop = CancellationToken::new();
    let meddling = async {
        while !stop.is_cancelled() {
            world.current.query("CREATE (:Foreign)").await.unwrap();
        }
    };
    let restoring = async {
        let result = restore(&target(world.current), &archive).await;
        stop.cancel();
        result
    };
    let (result, ()) = tokio::join!(restoring, meddling);
    let error = result.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Different { .. } | Error::NotEmpty { .. } | Error::OtherWriter { .. }
        ),
        "{error}"
    );
}
