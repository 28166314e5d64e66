//! Ctrl-C and SIGTERM in the middle of things.

use std::path::Path;
use std::time::Duration;

use tokio::process::Child;

use crate::proxy::Proxy;
use crate::support::{Database, Ran, database, listed};

pub(crate) async fn signal(child: &Child, name: &str) {
    let mut kill = tokio::process::Command::new("kill");
    let status = kill.arg(format!("-{name}")).arg(child.id().unwrap().to_string()).status().await;
    assert!(status.unwrap().success());
}

async fn begin_backup(database: &Database, vault: &Path) -> (Proxy, Child) {
    let proxy = Proxy::hold(database.server.bolt_port(), 200_000).await;
    let mut command = database.lifeboat(vault, ["backup"]);
    let child = command.env("LIFEBOAT_URI", proxy.uri()).spawn().unwrap();
    proxy.held().await;
    (proxy, child)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_interrupted_lists_nothing() {
    let database = database().await;
    database.create("Node", 20_000).await;
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let folder = tempfile::tempdir().unwrap();
        let (_proxy, child) = begin_backup(&database, folder.path()).await;
        signal(&child, name).await;
        let ran = Ran::from(child.wait_with_output().await.unwrap()).code(code);
        ran.says("stopping safely").says("error: interrupted");
        assert!(listed(folder.path()).await.is_empty());
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_is_interrupted_puts_the_old_data_back() {
    let database = database().await;
    let folder = tempfile::tempdir().unwrap();
    database.create("New", 60_000).await;
    Ran::of(database.lifeboat(folder.path(), ["backup", "--name", "new"])).await.code(0);
    database.wipe().await;
    database.create("Old", 100).await;
    let before = database.snapshot().await;

    let proxy = Proxy::slow(database.server.bolt_port(), Duration::from_millis(40)).await;
    let mut command = database.lifeboat(folder.path(), ["restore", "new", "--replace", "--yes"]);
    let child = command.env("LIFEBOAT_URI", proxy.uri()).spawn().unwrap();
    while database.count("New").await == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    signal(&child, "INT").await;
    let ran = Ran::from(child.wait_with_output().await.unwrap()).code(130);
    ran.says("putting the old data back").says("the old data was put back from the safety backup");
    lifeboat_testkit::oracle::assert_same(&before, &database.snapshot().await);
    assert_eq!(listed(folder.path()).await.len(), 2, "the safety backup is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_at_once_and_says_what_to_run() {
    let database = database().await;
    let folder = tempfile::tempdir().unwrap();
    database.create("New", 60_000).await;
    Ran::of(database.lifeboat(folder.path(), ["backup", "--name", "new"])).await.code(0);
    database.wipe().await;
    database.create("Old", 30_000).await;

    let proxy = Proxy::slow(database.server.bolt_port(), Duration::from_millis(40)).await;
    let mut command = database.lifeboat(folder.path(), ["restore", "new", "--replace", "--yes"]);
    let child = command.env("LIFEBOAT_URI", proxy.uri()).spawn().unwrap();
    while database.count("New").await == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    signal(&child, "INT").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    signal(&child, "INT").await;
    let ran = Ran::from(child.wait_with_output().await.unwrap()).code(130);
    ran.says("stopping safely").says("the database is incomplete").says("lifeboat list");

    // What it says to run brings the old data back.
    let list =
        Ran::of(database.lifeboat(folder.path(), ["list", "--json"])).await.code(0).document();
    let safety = list["backups"].as_array().unwrap().iter();
    let safety = safety.filter(|backup| !backup["safety_backup_before"].is_null());
    let names: Vec<_> = safety.map(|backup| backup["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 1, "{list}");
    let args = ["restore", names[0], "--replace", "--yes"];
    Ran::of(database.lifeboat(folder.path(), args)).await.code(0);
    assert_eq!((database.count("Old").await, database.count("New").await), (30_000, 0));
}
