//! Physical backups of a running server, and what comes of them.

use std::path::Path;
use std::process::Command as Program;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use lifeboat_testkit::oracle::assert_same;
use lifeboat_testkit::{Line, Neo4j, Neo4jOptions};
use serde_json::Value;

use crate::support::{Ran, database, files, lifeboat};

/// Writes numbered nodes, one a transaction, until told to stop; tells the last acknowledged one.
struct Writer {
    stop: Arc<AtomicBool>,
    last: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<()>,
}

impl Writer {
    fn start(server: &'static Neo4j) -> Self {
        let (stop, last) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, acknowledged) = (Arc::clone(&stop), Arc::clone(&last));
        let task = tokio::spawn(async move {
            let mut number = 0;
            while !stopped.load(Ordering::Relaxed) {
                number += 1;
                let text = format!("CREATE (:Written {{number: {number}}})");
                server.query(&text).await.unwrap();
                acknowledged.store(number, Ordering::Relaxed);
            }
        });
        Self { stop, last, task }
    }

    async fn reach(&self, number: u64) {
        while self.last.load(Ordering::Relaxed) < number {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
        self.last.load(Ordering::Relaxed)
    }
}

async fn numbers(server: &Neo4j) -> Vec<u64> {
    let rows = server.query("MATCH (n:Written) RETURN n.number ORDER BY n.number").await.unwrap();
    rows.iter().map(|row| row[0].as_u64().unwrap()).collect()
}

fn untar(archive: &Path, into: &Path) {
    std::fs::create_dir_all(into).unwrap();
    let tar = Program::new("tar").arg("xf").arg(archive).arg("-C").arg(into).output().unwrap();
    assert!(tar.status.success() && tar.stderr.is_empty(), "{tar:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tar_makes_a_home_of_a_backup_of_a_busy_server() {
    let database = database().await;
    database.load_zoo().await;
    let before = database.snapshot().await;
    database
        .server
        .query("CREATE USER keeper SET PASSWORD 'kept-safe-and-sound' CHANGE NOT REQUIRED")
        .await
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let vault = folder.path().join("vault");
    let home = database.server.home().to_str().unwrap();
    let writer = Writer::start(database.server);
    writer.reach(50).await;
    let acknowledged = writer.last.load(Ordering::Relaxed);
    let args = ["backup", "--method", "physical", "--neo4j-home", home, "--json"];
    let summary = Ran::of(database.lifeboat(&vault, args)).await.code(0).summary();
    let last = writer.stop().await;
    let name = summary["name"].as_str().unwrap();
    Ran::of(database.lifeboat(&vault, ["verify", name])).await.code(0);
    let show = Ran::of(database.lifeboat(&vault, ["show", name, "--json"])).await.code(0);
    let section = &show.document()["database"];
    assert_eq!((&section["method"], &section["name"]), (&"physical".into(), &"neo4j".into()));
    let physical = &section["physical"];
    let names: Vec<_> = physical["databases"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["neo4j", "system"]);
    let of_neo4j = &physical["databases"]["neo4j"];
    assert_eq!(of_neo4j["store_format"], "record-aligned-1.1");
    assert_eq!(section["snapshot"]["last_tx"], of_neo4j["last_tx"]);
    assert!(of_neo4j["last_tx"].as_u64().unwrap() >= acknowledged, "{of_neo4j}");

    let copy = folder.path().join("home");
    untar(&files(&vault, name).0, &copy);
    let restored = Neo4j::start_with(Line::Lts, Neo4jOptions::default().home(&copy)).await.unwrap();
    let found = numbers(&restored).await;
    assert!(found.len() as u64 >= acknowledged && found.len() as u64 <= last, "{found:?}");
    assert!(found.iter().copied().eq(1..=found.len() as u64), "a prefix of what was written");
    restored.query("MATCH (n:Written) DELETE n").await.unwrap();
    database.server.query("MATCH (n:Written) DELETE n").await.unwrap();
    assert_same(&before, &crate::support::snapshot_of(&restored).await);
    let user = restored.query_as("keeper", "kept-safe-and-sound", "RETURN 1").await.unwrap();
    assert_eq!(user[0][0], Value::from(1));
    database.server.query("DROP USER keeper").await.unwrap();
}

#[tokio::test]
async fn a_home_that_cannot_be_copied_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let run = |args: &[&str]| {
        let mut command = lifeboat(["backup", "--vault", path]);
        command.args(args);
        Ran::of(command)
    };
    run(&["--method", "physical"]).await.code(2).says("--neo4j-home");
    run(&["--method", "physical", "--neo4j-home", path])
        .await
        .code(1)
        .says("is not the home of a Neo4j server")
        .says("hint:");
    run(&["--method", "auto", "--neo4j-home", path, "--uri", "bolt://127.0.0.1:1"])
        .await
        .code(1)
        .says("the backup is logical");
    run(&["--method", "other"]).await.code(2).says("`logical`, `physical` or `auto`");
}

/// The folder with `lib`, and the Java, of a server.
fn installation(server: &Neo4j) -> [String; 2] {
    let installation = server.installation();
    [installation.folder(), &installation.java().program()].map(|path| path.display().to_string())
}

/// The files below a folder, with their sizes.
fn tree(folder: &Path) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for item in std::fs::read_dir(next).unwrap() {
            let path = item.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let size = path.metadata().unwrap().len();
                found.push((path.strip_prefix(folder).unwrap().display().to_string(), size));
            }
        }
    }
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_physical_restore_is_the_graph_of_a_logical_backup() {
    let database = database().await;
    database.load_zoo().await;
    let before = database.snapshot().await;
    let folder = tempfile::tempdir().unwrap();
    let vault = folder.path().join("vault");
    let run = |args: &[&str]| Ran::of(database.lifeboat(&vault, args));
    let home = database.server.home().to_str().unwrap().to_owned();
    let physical = ["backup", "--method", "auto", "--neo4j-home", &home, "--fingerprint"];
    let physical = [&physical[..], &["--name", "files", "--json"]].concat();
    let physical = run(&physical).await.code(0).summary();
    let logical = run(&["backup", "--name", "graph", "--json"]).await.code(0).summary();
    assert_eq!(physical["fingerprint"], logical["fingerprint"]);
    assert_eq!(physical["last_tx"], logical["last_tx"]);
    assert_eq!(physical["nodes"], logical["nodes"]);

    // Each way back takes its own kind, and says which the other is.
    run(&["restore", "files", "--dry-run"])
        .await
        .code(1)
        .says("is a physical backup")
        .says("--into-home");
    let target = folder.path().join("home");
    std::fs::create_dir(&target).unwrap();
    let into = target.to_str().unwrap().to_owned();
    run(&["restore", "graph", "--into-home", &into]).await.code(1).says("is a logical backup");
    run(&["restore", "files", "--into-home", &home]).await.code(13).says("is running on");

    // A server is tried on the files before they count.
    let [lib, java] = installation(database.server);
    let args = ["restore", "files", "--into-home", &into, "--neo4j", &lib, "--java", &java];
    let plan = run(&[&args[..], &["--dry-run"]].concat()).await.code(0);
    assert!(plan.stdout.contains("holds no data"), "{plan:?}");
    assert_eq!(tree(&target), []);
    let summary = run(&[&args[..], &["--json"]].concat()).await.code(0).summary();
    for proof in ["proven", "checked", "counted", "fingerprinted"] {
        assert_eq!(summary[proof], true, "{proof}: {summary}");
    }
    let restored = tree(&target.join("data"));
    assert!(restored.iter().all(|(path, _)| !path.starts_with("restoring")), "{restored:?}");

    // What is there is kept, and comes back when the new server does not do.
    run(&args).await.code(13).says("nobody to ask");
    let failing = [&args[..], &["--yes", "--no-check", "--start-command", "exit 7"]].concat();
    run(&failing).await.code(1).says("the old data was put back").says("exit 7");
    assert_eq!(tree(&target.join("data")), restored);
    let summary = run(&[&args[..4], &["--yes", "--json"]].concat()).await.code(0).summary();
    assert_eq!(summary["proven"], false);
    let kept = summary["kept_in"].as_str().unwrap();
    assert_eq!(tree(Path::new(kept)).len(), restored.len());

    // A damaged archive changes nothing.
    let archive = files(&vault, "files").0;
    let mut bytes = std::fs::read(&archive).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&archive, bytes).unwrap();
    let there = tree(&target.join("data"));
    run(&[&args[..4], &["--yes"]].concat()).await.code(1).says("damaged");
    assert_eq!(tree(&target.join("data")), there);

    let server = Neo4j::start_with(Line::Lts, Neo4jOptions::default().home(&target)).await.unwrap();
    assert_same(&before, &crate::support::snapshot_of(&server).await);
}
