//! What goes wrong, how the program says it, and what is left afterwards.

use std::path::Path;

use lifeboat_testkit::{Line, Neo4j};

use crate::proxy::Proxy;
use crate::support::{Database, NOBODY, Ran, bare, database, files, lifeboat, listed};

/// A backup called `good` of a small graph, which the database holds afterwards.
async fn good(database: &Database, vault: &Path) {
    database.create("Good", 300).await;
    Ran::of(database.lifeboat(vault, ["backup", "--name", "good"])).await.code(0);
}

#[tokio::test]
async fn a_server_that_cannot_be_used() {
    let database = database().await;
    let folder = tempfile::tempdir().unwrap();
    let run = |uri: String, password: &'static str| {
        let mut command = database.lifeboat(folder.path(), ["backup"]);
        command.env("LIFEBOAT_URI", uri).env("LIFEBOAT_PASSWORD", password);
        Ran::of(command)
    };
    let wrong = run(database.server.uri(), "wrong-password").await.code(1);
    let wrong = wrong.says("hint: check the user name and password");
    assert!(!wrong.stderr.contains("wrong-password"), "{wrong:?}");
    run(format!("bolt://{NOBODY}"), "x")
        .await
        .code(1)
        .says("cannot connect")
        .says("hint: check that Neo4j is running");
    run("bolt://no-such-host.invalid".to_owned(), "x")
        .await
        .code(1)
        .says("no-such-host.invalid")
        .says("hint: check the host name");
    let http = database.server.http_uri().replace("http", "bolt");
    run(http, "x").await.code(1).says("does not speak Bolt");
    assert!(listed(folder.path()).await.is_empty());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was begun");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_during_the_backup() {
    let mut server = Neo4j::start(Line::Lts).await.unwrap();
    let create =
        "UNWIND range(1, 50000) AS i CREATE (:Node {text: 'a text that is long enough ' + i})";
    server.query(create).await.unwrap();
    let proxy = Proxy::hold(server.bolt_port(), 200_000).await;
    let folder = tempfile::tempdir().unwrap();
    let mut command =
        lifeboat(["backup", "--uri", &proxy.uri(), "--vault", folder.path().to_str().unwrap()]);
    command.env("LIFEBOAT_PASSWORD", server.password());
    let child = command.spawn().unwrap();
    proxy.held().await;
    server.kill().unwrap();
    proxy.release();
    let ran = Ran::from(child.wait_with_output().await.unwrap()).code(1);
    assert!(
        ran.stderr.contains("the connection to") || ran.stderr.contains("cannot connect"),
        "{ran:?}"
    );
    assert!(ran.stderr.contains("hint:"), "{ran:?}");
    assert!(listed(folder.path()).await.is_empty());
}

#[tokio::test]
async fn a_vault_that_cannot_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    for command in [&["list"][..], &["show", "latest"], &["verify"], &["prune"]] {
        let args = [command, &["--vault", missing.to_str().unwrap()]].concat();
        Ran::of(lifeboat(args)).await.code(10).says("does not exist").says("hint:");
    }
    let list = ["list", "--vault", "az://lifeboattest/backups"];
    let mut command = lifeboat(list);
    command
        .env("AZURE_STORAGE_KEY", "bm9ib2R5")
        .env("AZURE_STORAGE_ENDPOINT", format!("http://{NOBODY}/lifeboattest"));
    Ran::of(command).await.code(1).says("cannot list").says("hint:");
    let mut command = lifeboat(list);
    command.env("AZURE_STORAGE_KEY", "this is no key");
    let ran = Ran::of(command).await.code(1).says("not base64").says("hint:");
    assert!(!ran.stderr.contains("this is no key"), "{ran:?}");
}

#[tokio::test]
async fn no_such_backup() {
    let database = database().await;
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| Ran::of(database.lifeboat(folder.path(), args));
    run(&["restore", "latest"]).await.code(1).says("no usable backup").says("lifeboat backup");
    for args in [&["show", "nightly"][..], &["verify", "nightly"], &["restore", "nightly"]] {
        run(args).await.code(1).says("there is no backup nightly").says("hint: `lifeboat list`");
    }
}

#[tokio::test]
async fn a_backup_whose_files_are_not_what_they_were() {
    let database = database().await;
    let folder = tempfile::tempdir().unwrap();
    let vault = folder.path();
    good(&database, vault).await;
    let (archive, manifest) = files(vault, "good");
    let (archive_bytes, manifest_bytes) =
        (std::fs::read(&archive).unwrap(), std::fs::read(&manifest).unwrap());
    let run = |args: &[&str]| Ran::of(database.lifeboat(vault, args));
    let damaged = async |words: &str| {
        let list = run(&["list"]).await.code(0);
        assert!(list.stdout.contains("damaged:") && list.stdout.contains(words), "{list:#?}");
        run(&["verify", "good"]).await.code(1).says(words).says("hint:");
        run(&["verify", "--all"]).await.code(1).says("1 of 1 backups did not pass");
        run(&["restore", "good", "--replace", "--yes"]).await.code(1).says(words);
        run(&["restore", "latest", "--replace", "--yes"]).await.code(1).says("no usable backup");
        assert_eq!(database.count("Good").await, 300);
    };

    std::fs::write(&archive, &archive_bytes[..archive_bytes.len() - 1]).unwrap();
    damaged("bytes instead of").await;
    std::fs::remove_file(&archive).unwrap();
    damaged("is missing").await;
    std::fs::write(&archive, &archive_bytes).unwrap();

    let newer = r#"{ "format": 2, "name": "good", "something": "new" }"#;
    std::fs::write(&manifest, newer).unwrap();
    damaged("format 2 is newer than this program understands (1): upgrade lifeboat").await;
    std::fs::write(&manifest, &manifest_bytes[..manifest_bytes.len() / 2]).unwrap();
    damaged("manifest").await;
    std::fs::write(&manifest, &manifest_bytes).unwrap();
    run(&["verify", "good"]).await.code(0);

    // A backup of the same length but with one byte changed is found by reading it.
    let middle = archive_bytes.len() / 2;
    std::fs::write(&archive, flipped(&archive_bytes, middle)).unwrap();
    run(&["restore", "good", "--replace", "--yes"]).await.code(1).says("damaged");
    assert_eq!(database.count("Good").await, 300);
    assert_eq!(listed(vault).await, ["good"], "no safety backup was needed");
}

fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 1 << (at % 8);
    bytes
}

/// Positions over the whole of a file, its ends among them.
fn sample(length: usize) -> impl Iterator<Item = usize> {
    (0..40).map(move |step| step * (length - 1) / 39)
}

#[tokio::test]
async fn one_flipped_byte_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let vault = folder.path();
    good(&database().await, vault).await;
    let (archive, manifest) = files(vault, "good");
    for file in [archive, manifest] {
        let bytes = std::fs::read(&file).unwrap();
        for at in sample(bytes.len()) {
            std::fs::write(&file, flipped(&bytes, at)).unwrap();
            let ran =
                Ran::of(lifeboat(["verify", "good", "--vault", vault.to_str().unwrap()])).await;
            let told = ran.code == Some(1) && ran.stderr.contains("damaged");
            assert!(told, "byte {at} of {}: {ran:#?}", file.display());
        }
        std::fs::write(&file, bytes).unwrap();
    }
    Ran::of(lifeboat(["verify", "good", "--vault", vault.to_str().unwrap()])).await.code(0);
}

/// On a file system of 256 KiB, which a process may mount for itself where the kernel lets it.
#[tokio::test]
async fn no_space_left() {
    let database = database().await;
    // Nothing that could be compressed.
    let create = "UNWIND range(1, 20000) AS i CREATE (:Node {a: randomUUID(), b: randomUUID()})";
    database.server.query(create).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mount = format!("mount -t tmpfs -o size=256k none '{}'", folder.path().display());
    let mut probe = bare("unshare");
    probe.args(["-rm", "sh", "-c", &mount]);
    if Ran::of(probe).await.code != Some(0) {
        eprintln!("skipped: this machine lets no process mount a small file system for itself");
        return;
    }
    let mut command = bare("unshare");
    let program = crate::support::LIFEBOAT;
    let script = format!(
        "{mount} && '{program}' backup; code=$?; '{program}' list; echo \"left: $(ls -A \"$LIFEBOAT_VAULT\")\" >&2; exit $code"
    );
    command.args(["-rm", "sh", "-c", &script]);
    command.env("LIFEBOAT_URI", database.server.uri()).env("LIFEBOAT_VAULT", folder.path());
    command.env("LIFEBOAT_PASSWORD", database.server.password());
    let ran = Ran::of(command).await.code(1).says("no space left").says("hint: free some");
    assert_eq!(ran.stdout, "", "nothing lists");
    assert!(ran.stderr.contains("left: \n"), "nothing stays: {ran:?}");
}
