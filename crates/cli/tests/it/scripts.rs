//! The documented scripts, with the command lines of the guide.

use std::path::Path;

use lifeboat_testkit::Line;
use lifeboat_testkit::azurite::ACCOUNT;
use lifeboat_testkit::oracle::assert_same;

use crate::proxy::Proxy;
use crate::support::{Ran, azurite, bare, database, database_of, script};

async fn container(name: &str) {
    azurite().await.create_container(ACCOUNT.0, name).await.unwrap();
}

async fn the_guide_s_command_lines_work(line: Line, container_name: &str) {
    container(container_name).await;
    let database = database_of(line).await;
    database.load_zoo().await;
    let before = database.snapshot().await;
    let (uri, password) = (database.server.uri(), database.server.password());
    let access = [
        "--neo4j-uri",
        &uri,
        "--neo4j-username",
        "neo4j",
        "--neo4j-password",
        password,
        "--storage-account",
        ACCOUNT.0,
        "--container",
        container_name,
    ];
    let list = ["--storage-account", ACCOUNT.0, "--container", container_name, "--list-only"];

    let backup = Ran::of(script("backup_neo4j.sh", &access).await).await.code(0);
    assert!(backup.stderr.contains("can be seen by everybody"), "{backup:?}");
    assert!(!format!("{backup:?}").contains(password));
    let listed = Ran::of(script("restore_neo4j.sh", &list).await).await.code(0);
    let name = listed.stdout.split_whitespace().find(|word| word.starts_with("neo4j-backup-"));
    let file = format!("{}.tar.gz", name.unwrap());

    let restore = [access.as_slice(), &["--backup-file", file.as_str()]].concat();
    Ran::of(script("restore_neo4j.sh", &restore).await).await.code(13).says("is not empty");
    database.wipe().await;
    Ran::of(script("restore_neo4j.sh", &restore).await).await.code(0);
    assert_same(&before, &database.snapshot().await);

    let replace = [restore.as_slice(), &["--replace", "--yes"]].concat();
    database.create("Corrupt", 3).await;
    Ran::of(script("restore_neo4j.sh", &replace).await).await.code(0);
    assert_eq!(database.count("Corrupt").await, 0);

    // The password by the environment, a name, and old backups removed.
    let mut named = vec!["--backup-name", "weekly", "--retention-days", "30"];
    named.extend_from_slice(&access[..4]);
    named.extend_from_slice(&access[6..]);
    let mut command = script("backup_neo4j.sh", &named).await;
    command.env("NEO4J_PASSWORD", password);
    let ran = Ran::of(command).await.code(0);
    assert!(!ran.stderr.contains("can be seen"), "{ran:?}");
    assert!(ran.stdout.contains("weekly is in az://"), "{ran:?}");
    assert!(ran.stdout.contains("removed 0 backups"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guide_s_command_lines_work_on_the_older_line() {
    the_guide_s_command_lines_work(Line::Lts, "neo4j-backups").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guide_s_command_lines_work_on_the_newer_line() {
    the_guide_s_command_lines_work(Line::Current, "neo4j-backups-current").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_shows_in_no_command_line() {
    container("argv").await;
    let database = database().await;
    database.create("Node", 20_000).await;
    let proxy = Proxy::hold(database.server.bolt_port(), 100_000).await;
    let (uri, password) = (proxy.uri(), database.server.password());
    let args = [
        "--neo4j-uri",
        &uri,
        "--neo4j-username",
        "neo4j",
        "--neo4j-password",
        password,
        "--storage-account",
        ACCOUNT.0,
        "--container",
        "argv",
    ];
    let child = script("backup_neo4j.sh", &args).await.spawn().unwrap();
    proxy.held().await;
    // The script has become the program: its process is the program's.
    let line = std::fs::read(format!("/proc/{}/cmdline", child.id().unwrap())).unwrap();
    let line = String::from_utf8(line).unwrap().replace('\0', " ");
    assert!(line.contains("lifeboat backup --uri"), "{line}");
    assert!(!line.contains(password), "{line}");
    proxy.release();
    Ran::from(child.wait_with_output().await.unwrap()).code(0);
}

#[tokio::test]
async fn scripts_tell_how_they_are_called() {
    for name in ["backup_neo4j.sh", "restore_neo4j.sh"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/scripts");
        let run = |args: &[&str]| {
            let mut command = bare(folder.join(name));
            command.args(args).env("LIFEBOAT_BIN", "/no/such/lifeboat");
            Ran::of(command)
        };
        let help = run(&["--help"]).await.code(0);
        for option in ["--neo4j-uri", "--neo4j-password", "--storage-account", "--container"] {
            assert!(help.stdout.contains(option), "{help:?}");
        }
        run(&["--what"]).await.code(2).says("there is no option --what").says("--help");
        run(&["--container"]).await.code(2).says("--container needs a value");
        run(&["--neo4j-uri", "bolt://h"]).await.code(2).says("--storage-account is missing");
        let place = ["--neo4j-uri", "bolt://h", "--storage-account", "a", "--container", "c"];
        run(&place).await.code(1).says("LIFEBOAT_BIN");
    }
}
