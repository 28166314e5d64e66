//! The models, put into real servers and read back.

use std::time::Instant;

use lifeboat_bolt::{Auth, Config, Connection, Params, RunOptions};
use lifeboat_testkit::codegraph::{CodeGraph, Limit};
use lifeboat_testkit::graph::{Counts, Graph, GraphSource};
use lifeboat_testkit::oracle::{Snapshot, assert_same, differences};
use lifeboat_testkit::zoo::{self, Lookups, REFUSED};
use lifeboat_testkit::{Line, Neo4j, load};

struct Database {
    _server: Neo4j,
    connection: Connection,
    options: RunOptions,
}

impl Database {
    async fn start(line: Line) -> Self {
        let server = Neo4j::start(line).await.unwrap();
        let auth = Auth::basic(server.username(), server.password());
        let config = Config::new(server.uri().parse().unwrap(), auth);
        let connection = Connection::connect(&config).await.unwrap();
        Self { _server: server, connection, options: RunOptions::default() }
    }

    async fn load(&mut self, source: &dyn GraphSource) -> Counts {
        load::load(&mut self.connection, &self.options, source).await.unwrap()
    }

    async fn read(&mut self) -> Snapshot {
        Snapshot::read(&mut self.connection, &self.options).await.unwrap()
    }

    async fn wipe(&mut self) {
        load::wipe(&mut self.connection, &self.options).await.unwrap();
    }
}

/// All in one server, one after the other: each begins with what `wipe` leaves.
async fn models_come_back(line: Line) {
    let mut database = Database::start(line).await;
    let fresh = database.read().await;
    assert_same(&fresh, &Snapshot::of(&empty()));

    for model in [
        zoo::of(line),
        zoo::with_lookups(Lookups::Renamed),
        zoo::with_lookups(Lookups::None),
        CodeGraph::build(Limit::nodes(3000)).unwrap().into_graph(),
    ] {
        let begun = Instant::now();
        let counts = database.load(&model).await;
        println!("{line:?}: {counts:?} loaded in {:?}", begun.elapsed());
        let found = database.read().await;
        assert_same(&Snapshot::of(&model), &found);

        // One write that changes little, and is seen.
        let statement = "MATCH (n) WITH n ORDER BY rand() LIMIT 1 SET n:Seen";
        let change = database.connection.execute(statement, Params::None, &database.options);
        assert_eq!(change.await.unwrap().counters.labels_added, 1);
        assert!(!differences(&found, &database.read().await).is_empty());

        database.wipe().await;
        assert_same(&fresh, &database.read().await);
    }

    for refusal in REFUSED.iter().filter(|refusal| refusal.lines.contains(&line)) {
        let statement = refusal.statement;
        let run = database.connection.execute(statement, Params::None, &database.options).await;
        let message = run.err().unwrap_or_else(|| panic!("{statement} is not refused")).to_string();
        assert!(message.contains(refusal.because), "{statement}: {message}");
    }
    assert_same(&fresh, &database.read().await);
}

fn empty() -> Graph {
    Graph {
        schema: lifeboat_testkit::graph::schema::Rule::default_lookups().to_vec(),
        ..Graph::default()
    }
}

#[tokio::test]
async fn lts_holds_every_model() {
    models_come_back(Line::Lts).await;
}

#[tokio::test]
async fn current_holds_every_model() {
    models_come_back(Line::Current).await;
}

/// What one line holds of the common zoo, the other holds too, and the same.
#[tokio::test]
async fn both_lines_hold_the_same_zoo() {
    let mut lts = Database::start(Line::Lts).await;
    let mut current = Database::start(Line::Current).await;
    lts.load(&zoo::common()).await;
    current.load(&zoo::common()).await;
    assert_same(&lts.read().await, &current.read().await);
}

/// A graph several times over, streamed: counts and keys as told.
#[tokio::test]
async fn a_scaled_graph_streams() {
    let mut database = Database::start(Line::Current).await;
    let graph = CodeGraph::build(Limit::nodes(1000)).unwrap();
    let scaled = graph.scaled(3);
    let begun = Instant::now();
    let counts = database.load(&scaled).await;
    println!("loaded {counts:?} in {:?}", begun.elapsed());
    assert_eq!(counts.nodes, 3000);
    assert_same(&Snapshot::of(&scaled), &database.read().await);
}
