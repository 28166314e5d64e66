//! The bulk way in, on both lines.

use std::sync::Arc;

use lifeboat_bolt::Value;
use lifeboat_neo4j::Progress;
use lifeboat_neo4j::bulk::{BulkOptions, import_graph};
use lifeboat_testkit::codegraph::{CodeGraph, Limit};
use lifeboat_testkit::graph::schema::Rule;
use lifeboat_testkit::graph::{Graph, GraphSource, NodeRow};
use lifeboat_testkit::oracle::assert_same;
use lifeboat_testkit::{Line, Neo4j, Neo4jOptions, zoo};
use tokio_util::sync::CancellationToken;

use crate::memory::MemoryArchive;
use crate::world::{World, fill, snapshot, source};

async fn import(world: &World, graph: &dyn GraphSource, line: Line) {
    fill(world.lts, graph).await;
    let archive = MemoryArchive::of(&source(world.lts)).await;
    let server = if line == Line::Lts { world.lts } else { world.current };
    let scratch = lifeboat_testkit::folders::scratch("bulk").unwrap();
    let home = scratch.path().join("home");
    let options = BulkOptions {
        installation: server.installation().clone(),
        home: home.clone(),
        database: "neo4j".to_owned(),
        threads: 2,
    };
    let payload = Arc::clone(&archive);
    let progress = Arc::new(Progress::default());
    import_graph(&options, payload, &archive.section, &progress, &CancellationToken::new())
        .await
        .unwrap();
    let left: Vec<_> = std::fs::read_dir(home.join("data"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("lifeboat"))
        .collect();
    assert_eq!(left, Vec::<String>::new(), "staging is gone");

    // The home serves a server as any other home does. (It has no user yet: that is in `system`.)
    let any = Neo4jOptions::default().without_auth().home(&home);
    let restored = Neo4j::start_with(line, any).await.unwrap();
    assert_same(&snapshot(&restored).await, &snapshot(world.lts).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_zoo_survives_the_importer_of_the_older_line() {
    let world = World::take().await;
    import(&world, &zoo::common(), Line::Lts).await;
}

/// More than the importer reads at once, of texts in which it could take anything for the end of a
/// row.
#[tokio::test(flavor = "multi_thread")]
async fn many_texts_of_several_lines_survive_the_importer() {
    let world = World::take().await;
    let text = "say(\"a\", \"b\"),\n\",\"\r\n1,\"\"\n,,\n".repeat(120);
    let node = |number: i64| NodeRow {
        labels: vec!["Text".into()],
        properties: vec![
            ("number".into(), Value::Int(number)),
            ("text".into(), Value::String(text[..text.len() - number as usize % 700].to_owned())),
            ("bytes".into(), Value::Bytes(number.to_be_bytes().to_vec())),
            ("more".into(), Value::String(String::new())),
        ],
    };
    let schema = Rule::default_lookups().to_vec();
    let graph = Graph { nodes: (0..3_000).map(node).collect(), schema, ..Graph::default() };
    assert!(graph.payload_bytes() > 8 << 20, "{}", graph.payload_bytes());
    import(&world, &graph, Line::Lts).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_graph_survives_the_importer_of_the_newer_line() {
    let world = World::take().await;
    let graph = CodeGraph::build(Limit::nodes(8_000)).unwrap();
    import(&world, graph.graph(), Line::Current).await;
}
