//! Backups of a database that is being written to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::memory::MemoryArchive;
use crate::world::{World, restore, source, target};

/// Writers create, link and delete all the while. Whatever the backup saw, it must restore to
/// exactly what its manifest says, and must say that it is fuzzy.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_busy_database_gives_a_backup_that_restores() {
    let world = World::take().await;
    let lts = world.lts;
    lts.query("UNWIND range(1, 20000) AS i CREATE (:Base {i: i, text: 'text ' + i})")
        .await
        .unwrap();
    lts.query("MATCH (a:Base) CREATE (a)-[:SELF]->(a)").await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let writer = |statement: &'static str| {
        let stop = Arc::clone(&stop);
        tokio::spawn(async move {
            let mut count = 0;
            while !stop.load(Ordering::Relaxed) {
                // A writer that loses a deadlock only tries the next.
                if lts.query(statement).await.is_ok() {
                    count += 1;
                }
            }
            count
        })
    };
    let writers = [
        writer("CREATE (:New {at: timestamp()})-[:PAIR]->(:New)"),
        writer("MATCH (n:New) WITH n LIMIT 1 DETACH DELETE n"),
        writer(
            "MATCH (n:Base) WITH n SKIP toInteger(rand() * 1000) LIMIT 1 CREATE (n)-[:LINK]->(:New)",
        ),
    ];
    let mut late = 0;
    for _ in 0..3 {
        let archive = MemoryArchive::of(&source(lts)).await;
        let snapshot = archive.section.snapshot.unwrap();
        assert!(!snapshot.exact);
        assert!(snapshot.first_tx < snapshot.last_tx, "{snapshot:?}");
        let counts = archive.section.counts.clone().unwrap();
        late += counts.late_nodes;
        assert_eq!(archive.lines("nodes/").await.len() as u64, counts.nodes);
        assert_eq!(archive.lines("relationships/").await.len() as u64, counts.relationships);
        restore(&target(world.current), &archive).await.unwrap();
        crate::world::empty(world.current).await;
    }
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        assert!(writer.await.unwrap() > 0, "every writer did something");
    }
    assert!(late > 0, "the tests must meet nodes that came late");

    let archive = MemoryArchive::of(&source(lts)).await;
    assert!(archive.section.snapshot.unwrap().exact, "all is quiet again");
    restore(&target(world.current), &archive).await.unwrap();
}
