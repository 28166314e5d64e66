//! At a terminal, which `script` of util-linux plays.

use tokio::io::AsyncWriteExt as _;

use crate::support::{Database, LIFEBOAT, Ran, bare, database};

/// Runs the program at a terminal where somebody types `answer`.
async fn at_terminal(
    database: &Database,
    vault: &std::path::Path,
    args: &str,
    answer: &str,
) -> Ran {
    let mut command = bare("script");
    command.args(["-qec", &format!("{LIFEBOAT} {args}"), "/dev/null"]);
    command.env("LIFEBOAT_URI", database.server.uri()).env("LIFEBOAT_VAULT", vault);
    command.env("LIFEBOAT_PASSWORD", database.server.password()).env("TERM", "xterm");
    let mut child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(format!("{answer}\n").as_bytes()).await.unwrap();
    let ran = Ran::from(child.wait_with_output().await.unwrap());
    drop(stdin);
    ran
}

#[tokio::test]
async fn asks_for_the_name_before_it_replaces() {
    let database = database().await;
    let folder = tempfile::tempdir().unwrap();
    database.create("Good", 10).await;
    Ran::of(database.lifeboat(folder.path(), ["backup", "--name", "good"])).await.code(0);
    database.create("More", 5).await;

    let args = "restore good --replace";
    let ran = at_terminal(&database, folder.path(), args, "yes").await.code(13);
    assert!(ran.stdout.contains("Type the name of the database (neo4j)"), "{ran:?}");
    assert!(ran.stdout.contains("that is not its name"), "{ran:?}");
    assert_eq!(database.count("More").await, 5);
    let ran = at_terminal(&database, folder.path(), args, "neo4j").await.code(0);
    assert!(ran.stdout.contains("good is restored into neo4j"), "{ran:?}");
    assert_eq!((database.count("Good").await, database.count("More").await), (10, 0));
}

#[tokio::test]
async fn shows_progress() {
    let database = database().await;
    let folder = tempfile::tempdir().unwrap();
    database.create("Node", 20_000).await;
    let ran = at_terminal(&database, folder.path(), "backup", "").await.code(0);
    assert!(ran.stdout.contains("\x1b["), "a bar draws itself anew: {ran:?}");
    let ran = at_terminal(&database, folder.path(), "backup --no-progress", "").await.code(0);
    assert!(!ran.stdout.contains('\x1b'), "{ran:?}");
}
