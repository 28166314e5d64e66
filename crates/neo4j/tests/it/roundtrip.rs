//! What goes in comes out: in the same line, and from the older into the newer.

use std::sync::Arc;

use lifeboat_archive::Counts;
use lifeboat_neo4j::logical::compare;
use lifeboat_neo4j::{Database, Error, counts};
use lifeboat_testkit::Neo4j;
use lifeboat_testkit::codegraph::{CodeGraph, Limit};
use lifeboat_testkit::graph::GraphSource;
use lifeboat_testkit::oracle::{Snapshot, assert_same};
use lifeboat_testkit::zoo::{self, Lookups};

use crate::memory::MemoryArchive;
use crate::world::{World, connect, empty, fill, restore, run_options, section, snapshot, target};

/// Loads into both lines, restores each backup into the other server where that is newer or equal,
/// and lets the oracle judge.
async fn round_trip(world: &World, graph: &dyn GraphSource) {
    let model = Snapshot::of(graph);
    fill(world.lts, graph).await;
    let archive = MemoryArchive::of(&crate::world::source(world.lts)).await;
    let snapshot_section = archive.section.snapshot.unwrap();
    assert!(snapshot_section.exact, "nothing wrote meanwhile: {snapshot_section:?}");
    let counts = archive.section.counts.clone().unwrap();
    assert_eq!(
        (counts.nodes as usize, counts.relationships as usize),
        (model.nodes.len(), model.relationships.len())
    );
    assert_eq!((counts.late_nodes, counts.dangling_relationships), (0, 0));
    kept_by(world.lts, &counts).await;

    // Into the newer line.
    restore(&target(world.current), &archive).await.unwrap();
    assert_same(&snapshot(world.current).await, &snapshot(world.lts).await);

    // From the newer line into itself, after all was taken away.
    let newer = MemoryArchive::of(&crate::world::source(world.current)).await;
    compare(&archive.section, &newer.section).unwrap();
    kept_by(world.current, &newer.section.counts.clone().unwrap()).await;
    empty(world.current).await;
    restore(&target(world.current), &newer).await.unwrap();
    let after = snapshot(world.current).await;
    assert_same(&after, &model);
}

/// What the server keeps as counts is what was counted, whichever way it is asked.
async fn kept_by(server: &Neo4j, counted: &Counts) {
    let mut connection = connect(server).await;
    let kept = Database::counts(&mut connection, &run_options()).await.unwrap();
    assert_eq!(&kept, counted);
    let graph = Counts { constraints: 0, indexes: 0, ..kept };
    assert_eq!(counts::at_once(&mut connection, &run_options()).await.unwrap(), graph);
    assert_eq!(counts::one_by_one(&mut connection, &run_options()).await.unwrap(), graph);
    connection.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_zoo_survives() {
    let world = World::take().await;
    round_trip(&world, &zoo::common()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_graph_survives() {
    let world = World::take().await;
    let graph = CodeGraph::build(Limit::nodes(8_000)).unwrap();
    round_trip(&world, graph.graph()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lookup_indexes_are_as_they_were() {
    let world = World::take().await;
    for lookups in [Lookups::Renamed, Lookups::None] {
        fill(world.lts, &zoo::with_lookups(lookups)).await;
        let archive = MemoryArchive::of(&crate::world::source(world.lts)).await;
        let before = snapshot(world.lts).await;
        empty(world.lts).await;
        restore(&target(world.lts), &archive).await.unwrap();
        assert_same(&snapshot(world.lts).await, &before);
        lifeboat_testkit::load::wipe(&mut connect(world.lts).await, &run_options()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_database_survives() {
    let world = World::take().await;
    let archive = MemoryArchive::of(&crate::world::source(world.lts)).await;
    assert_eq!(archive.section.counts.clone().unwrap().nodes, 0);
    restore(&target(world.current), &archive).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_ours_stays_behind() {
    let world = World::take().await;
    let graph = zoo::common();
    fill(world.lts, &graph).await;
    let archive = MemoryArchive::of(&crate::world::source(world.lts)).await;
    // A server that has never seen anything else.
    let fresh = lifeboat_testkit::Neo4j::start(lifeboat_testkit::Line::Current).await.unwrap();
    restore(&target(&fresh), &archive).await.unwrap();
    for procedure in [
        "db.labels() YIELD label AS name",
        "db.relationshipTypes() YIELD relationshipType AS name",
        "db.propertyKeys() YIELD propertyKey AS name",
    ] {
        let query = format!("CALL {procedure} RETURN name ORDER BY name");
        let (was, is) =
            (world.lts.query(&query).await.unwrap(), fresh.query(&query).await.unwrap());
        for name in &is {
            assert!(was.contains(name), "{procedure}: {name:?} is not of the source");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_with_data_is_refused_and_left_alone() {
    let world = World::take().await;
    world.current.query("CREATE (:Precious {keep: true})-[:R]->(:Precious)").await.unwrap();
    let before = section(world.current).await;
    let archive = MemoryArchive::of(&crate::world::source(world.lts)).await;
    let error = restore(&target(world.current), &archive).await.unwrap_err();
    assert!(matches!(&error, Error::NotEmpty { nodes: 2, relationships: 1, .. }), "{error}");
    assert!(error.to_string().contains("--replace"), "{error}");
    assert_eq!(section(world.current).await.fingerprint, before.fingerprint);
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_indexes_are_refused_and_left_alone() {
    let world = World::take().await;
    world.current.query("CREATE INDEX mine FOR (n:Mine) ON (n.key)").await.unwrap();
    let archive = MemoryArchive::of(&crate::world::source(world.lts)).await;
    let error = restore(&target(world.current), &archive).await.unwrap_err();
    assert!(matches!(&error, Error::ForeignSchema { count: 1, .. }), "{error}");
    assert_eq!(world.current.query("SHOW INDEXES WHERE name = 'mine'").await.unwrap().len(), 1);
}

/// The comparison finds what it is there to find.
#[tokio::test(flavor = "multi_thread")]
async fn every_small_change_is_found() {
    let world = World::take().await;
    fill(world.lts, &zoo::common()).await;
    world
        .lts
        .query("CREATE (:Probe {i: 1, f: 0.0, s: 'x', l: [1]})-[:PROBE {k: 1}]->(:Other)")
        .await
        .unwrap();
    let before = section(world.lts).await;
    for (change, undo) in [
        ("MATCH (n:Probe) SET n.i = 1.0", "MATCH (n:Probe) SET n.i = 1"),
        ("MATCH (n:Probe) SET n.f = 5e-324", "MATCH (n:Probe) SET n.f = 0.0"),
        ("MATCH (n:Probe) SET n.s = 'X'", "MATCH (n:Probe) SET n.s = 'x'"),
        ("MATCH (n:Probe) SET n.l = [1, 1]", "MATCH (n:Probe) SET n.l = [1]"),
        ("MATCH (n:Probe) SET n.more = true", "MATCH (n:Probe) REMOVE n.more"),
        ("MATCH (n:Probe) SET n:More", "MATCH (n:Probe) REMOVE n:More"),
        ("MATCH ()-[r:PROBE]->() SET r.k = 2", "MATCH ()-[r:PROBE]->() SET r.k = 1"),
        (
            "MATCH (a)-[r:PROBE]->(b) DELETE r CREATE (b)-[:PROBE {k: 1}]->(a)",
            "MATCH (a)-[r:PROBE]->(b) DELETE r CREATE (b)-[:PROBE {k: 1}]->(a)",
        ),
        (
            "MATCH (a:Probe), (b:Other) CREATE (a)-[:PROBE {k: 1}]->(b)",
            "MATCH ()-[r:PROBE]->() WITH collect(r) AS all DELETE all[0]",
        ),
        ("CREATE INDEX probe FOR (n:Probe) ON (n.i)", "DROP INDEX probe"),
        ("CREATE CONSTRAINT probe FOR (n:Probe) REQUIRE n.i IS UNIQUE", "DROP CONSTRAINT probe"),
    ] {
        world.lts.query(change).await.unwrap();
        let error = compare(&before, &section(world.lts).await).expect_err(change);
        assert!(matches!(error, Error::Different { .. }), "{error}");
        world.lts.query(undo).await.unwrap();
        compare(&before, &section(world.lts).await).expect(undo);
    }
}

/// A manifest that promises more than the payload holds is found out, also when each part is sound.
#[tokio::test(flavor = "multi_thread")]
async fn a_payload_that_lacks_something_is_found_out() {
    let world = World::take().await;
    world.lts.query("UNWIND range(1, 100) AS i CREATE (:N {i: i})").await.unwrap();
    let archive = MemoryArchive::of(&crate::world::source(world.lts)).await;
    let mut lying = Arc::try_unwrap(archive).unwrap_or_else(|_| panic!("the only owner"));
    lying.section.counts.as_mut().unwrap().nodes += 1;
    let error = restore(&target(world.current), &Arc::new(lying)).await.unwrap_err();
    assert!(error.to_string().contains("promises 101"), "{error}");
}
