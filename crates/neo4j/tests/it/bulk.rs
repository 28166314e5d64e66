//! The bulk way in, on both lines.

use std::collections::BTreeMap;
use std::sync::Arc;

use lifeboat_bolt::Value;
use lifeboat_neo4j::Progress;
use lifeboat_neo4j::bulk::{BulkOptions, import_graph};
use lifeboat_testkit::codegraph::{CodeGraph, Limit};
use lifeboat_testkit::graph::schema::Rule;
use lifeboat_testkit::graph::{Graph, GraphSource, NodeRow, Properties, RelRow};
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
/// row; and rows that fill few of many columns, and the same key with values of several types.
#[tokio::test(flavor = "multi_thread")]
async fn texts_of_several_lines_and_rows_of_many_shapes_survive_the_importer() {
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
    let mut nodes: Vec<NodeRow> = (0..3_000).map(node).collect();
    nodes.extend((0..1_000).map(|number| NodeRow {
        labels: if number % 3 == 0 { Vec::new() } else { vec!["Sparse".into()] },
        properties: sparse(number),
    }));
    let relationships = (0..1_000).map(|number| RelRow {
        rel_type: if number % 2 == 0 { "EVEN" } else { "ODD" }.into(),
        start: number,
        end: number * 3 % 1_000,
        properties: sparse(number as i64 + 7),
    });
    let relationships = relationships.collect();
    let graph = Graph { nodes, relationships, schema: Rule::default_lookups().to_vec() };
    assert!(graph.payload_bytes() > 8 << 20, "{}", graph.payload_bytes());
    import(&world, &graph, Line::Lts).await;
}

/// No, one or a few of 150 keys, whose values have one of three types, and are empty at times.
fn sparse(number: i64) -> Properties {
    let value = |at: i64| match (number + at) % 4 {
        0 => Value::Int(number),
        1 => Value::String(String::new()),
        2 => Value::String(format!("{number}\n{at}")),
        _ => Value::List(vec![Value::Int(at)]),
    };
    let keys: BTreeMap<i64, Value> =
        (0..number % 5).map(|at| ((number * 31 + at * 17) % 150, value(at))).collect();
    keys.into_iter().map(|(key, value)| (format!("key{key}").into(), value)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_graph_survives_the_importer_of_the_newer_line() {
    let world = World::take().await;
    let graph = CodeGraph::build(Limit::nodes(8_000)).unwrap();
    import(&world, graph.graph(), Line::Current).await;
}
