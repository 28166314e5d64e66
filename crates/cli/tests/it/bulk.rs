//! `restore --bulk`, into the homes of stopped servers.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lifeboat::bolt::RunOptions;
use lifeboat_testkit::oracle::{Snapshot, assert_same};
use lifeboat_testkit::{Line, Neo4j, Neo4jOptions, folders};
use tokio::process::Command;

use crate::interrupts::signal;
use crate::support::{Database, Ran, connect, database, database_of, lifeboat, settings};

/// A backup of the graph of everything odd, and what it must come back as.
async fn zoo(database: &Database, vault: &Path) -> Snapshot {
    database.load_zoo().await;
    Ran::of(database.lifeboat(vault, ["backup", "--name", "zoo"])).await.code(0);
    database.snapshot().await
}

/// The program, told to restore the backup into a home.
fn bulk(database: &Database, vault: &Path, home: &Path, more: &[&str]) -> Command {
    let installation = database.server.installation();
    let mut command = lifeboat(["restore", "zoo", "--bulk"]);
    command.arg("--vault").arg(vault).arg("--into-home").arg(home);
    command.arg("--neo4j").arg(installation.folder());
    // One that the testkit fetched is not where the program looks for Java.
    command.arg("--java").arg(installation.java().home());
    command.args(more);
    command
}

/// The folders that restores have moved old databases to.
fn kept(home: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(home.join("data")).unwrap();
    let folders = entries.map(|entry| entry.unwrap().path());
    folders.filter(|path| path.to_str().unwrap().contains("before-restore-")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_home_gets_another_database_and_the_old_one_is_kept() {
    let database = database().await;
    let folder = tempfile::tempdir().unwrap();
    let scratch = folders::scratch("bulk-cli").unwrap();
    let home = scratch.path().join("home");
    let before = zoo(&database, folder.path()).await;
    let restore = |more: &[&str]| Ran::of(bulk(&database, folder.path(), &home, more));

    let mut server =
        Neo4j::start_with(Line::Lts, Neo4jOptions::default().home(&home)).await.unwrap();
    server.query("UNWIND range(1, 10) AS i CREATE (:Old {i: i})").await.unwrap();
    let old = async |server: &Neo4j| {
        let rows = server.query("MATCH (n:Old) RETURN count(n)").await.unwrap();
        rows[0][0].as_u64().unwrap()
    };
    let replace = ["--replace", "--yes"];

    // Not under a running server, not without being told to, not without a yes.
    restore(&replace).await.code(13).says("is running on").says("hint: stop it first");
    server.stop().await.unwrap();
    restore(&[]).await.code(13).says("exists").says("--replace");
    restore(&["--replace"]).await.code(13).says("--yes");
    assert_eq!(kept(&home), Vec::<PathBuf>::new());

    // The importer cannot run with this configuration: all is as it was.
    let conf = home.join("conf/neo4j.conf");
    std::fs::write(&conf, "server.memory.pagecache.size=nonsense\n").unwrap();
    restore(&replace).await.code(1).says("server.memory.pagecache.size");
    std::fs::remove_file(&conf).unwrap();
    assert_eq!(kept(&home), Vec::<PathBuf>::new());
    server.restart().await.unwrap();
    assert_eq!(old(&server).await, 10, "the old database is back");
    server.stop().await.unwrap();

    // So it is when somebody interrupts it.
    let child = bulk(&database, folder.path(), &home, &replace).spawn().unwrap();
    while kept(&home).is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    signal(&child, "INT").await;
    Ran::from(child.wait_with_output().await.unwrap()).code(130).says("error: interrupted");
    assert_eq!(kept(&home), Vec::<PathBuf>::new());
    server.restart().await.unwrap();
    assert_eq!(old(&server).await, 10, "the old database is back");
    server.stop().await.unwrap();

    let summary = restore(&["--replace", "--yes", "--json"]).await.code(0).summary();
    assert_eq!(summary["proven"], true);
    let folders = kept(&home);
    assert_eq!(folders.len(), 1);
    assert_eq!(summary["kept_in"], folders[0].to_str().unwrap());
    for kind in ["databases", "transactions"] {
        assert!(folders[0].join(kind).join("neo4j").is_dir(), "{folders:?}");
    }
    server.restart().await.unwrap();
    let after = Snapshot::read(&mut connect(&server).await, &RunOptions::default()).await.unwrap();
    assert_same(&before, &after);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_home_gets_a_database_of_the_newer_line() {
    let database = database_of(Line::Current).await;
    let folder = tempfile::tempdir().unwrap();
    let scratch = folders::scratch("bulk-cli").unwrap();
    let home = scratch.path().join("home");
    std::fs::create_dir(&home).unwrap();
    let before = zoo(&database, folder.path()).await;
    let ran = Ran::of(bulk(&database, folder.path(), &home, &[])).await.code(0);
    let text = ran.stdout.replace(home.to_str().unwrap(), "[HOME]");
    settings().bind(|| insta::assert_snapshot!("bulk", text));
    // It has no user yet: that is in `system`.
    let options = Neo4jOptions::default().without_auth().home(&home);
    let server = Neo4j::start_with(Line::Current, options).await.unwrap();
    let after = Snapshot::read(&mut connect(&server).await, &RunOptions::default()).await.unwrap();
    assert_same(&before, &after);
}
