//! Trial restores: into a Neo4j that is started for them, on both lines, and gone afterwards.

use std::path::Path;

use lifeboat_testkit::{Line, Neo4j};
use serde_json::Value;

use crate::support::{Ran, database, files, lifeboat};

/// Settings with an installation, and an invariant on the number of nodes.
pub(crate) fn settings(folder: &Path, server: &Neo4j, nodes: u64) {
    settings_with(folder, server, nodes, "");
}

/// The same, and more lines for `[verify]`.
fn settings_with(folder: &Path, server: &Neo4j, nodes: u64, more: &str) {
    let installation = server.installation();
    let text = format!(
        "[vault.primary]\nurl = \"vault\"\n[verify]\nneo4j = \"{}\"\njava = \"{}\"\n\
         scratch = \"scratch\"\n{more}\
         [[verify.invariants]]\nname = \"all are good\"\nexpect = \"no-rows\"\n\
         query = \"MATCH (n) WHERE NOT n:Good RETURN n\"\n\
         [[verify.invariants]]\nname = \"there are many\"\nmin = {nodes}\n\
         query = \"MATCH (n:Good) RETURN count(n)\"\n",
        installation.folder().display(),
        installation.java().program().display(),
    );
    std::fs::write(folder.join("lifeboat.toml"), text).unwrap();
    std::fs::create_dir_all(folder.join("scratch")).unwrap();
}

/// What a certificate checked, in order.
fn checked(summary: &Value) -> Vec<&str> {
    let checks = summary["certificate"]["checks"].as_array().unwrap();
    checks.iter().map(|check| check["name"].as_str().unwrap()).collect()
}

/// The steps of a certificate, in order; and those after which the data could be used.
fn steps(summary: &Value) -> (Vec<&str>, Vec<&str>) {
    let certificate = &summary["certificate"];
    let steps = certificate["steps"].as_array().unwrap();
    let names: Vec<_> = steps.iter().map(|step| step["name"].as_str().unwrap()).collect();
    let usable = certificate["rto_ms"].as_u64().unwrap();
    let mut sum = 0;
    let until = steps.iter().position(|step| {
        sum += step["ms"].as_u64().unwrap();
        sum >= usable
    });
    assert_eq!(sum, usable, "the steps of {certificate} do not come to its time");
    let usable = names[..=until.unwrap()].to_vec();
    (names, usable)
}

fn left(folder: &Path) -> usize {
    std::fs::read_dir(folder.join("scratch")).unwrap().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_restored_for_trial_and_certified() {
    let database = database().await;
    database.create("Good", 300).await;
    let folder = tempfile::tempdir().unwrap();
    let vault = folder.path().join("vault");
    Ran::of(database.lifeboat(&vault, ["backup", "--name", "good"])).await.code(0);
    let run = |args: &[&str]| {
        let mut command = lifeboat(args);
        command.current_dir(folder.path());
        Ran::of(command)
    };
    let certificate = vault.join("good.certificate.json");
    run(&["verify", "good", "--restore", "--vault", "vault"])
        .await
        .code(1)
        .says("needs a Neo4j to start")
        .says("hint: name the folder");

    // Newer servers restore it too; but what must hold does not.
    let newer = Neo4j::start(Line::Current).await.unwrap();
    settings(folder.path(), &newer, 301);
    drop(newer);
    run(&["verify", "good", "--restore"])
        .await
        .code(1)
        .says("\"there are many\" does not hold")
        .says("a number from 301 to inf, and answers [Int(300)]");
    assert!(!certificate.exists(), "a trial that failed certifies nothing");
    assert_eq!(left(folder.path()), 0, "nothing stays behind");

    settings(folder.path(), database.server, 300);
    let summary = run(&["verify", "good", "--restore", "--json"]).await.code(0).summary();
    assert_eq!(
        checked(&summary),
        [
            "archive",
            "counts",
            "fingerprint",
            "invariant: all are good",
            "invariant: there are many",
            "neo4j-admin database check"
        ]
    );
    assert_eq!(summary["certificate"]["server"]["version"], Line::Lts.version());
    assert_eq!(summary["certificate"]["way"], "online");
    let (all, usable) = steps(&summary);
    let written = ["write nodes", "write relationships", "constraints and indexes", "compare"];
    assert_eq!(usable, [&["start server", "verify archive"], &written[..]].concat());
    assert_eq!(all[usable.len()..], ["invariants", "stop server", "consistency check"]);
    assert_eq!(left(folder.path()), 0, "nothing stays behind");

    let list = run(&["list"]).await.code(0);
    assert!(list.stdout.contains("ok, restored") && list.stdout.contains(" ago in "), "{list:?}");
    let show = run(&["show", "good"]).await.code(0);
    assert!(show.stdout.contains("certificate\n") && show.stdout.contains("usable after"));
    let document = run(&["show", "good", "--json"]).await.code(0).document();
    assert_eq!(document["certificate"], summary["certificate"]);

    // One that was changed, and one that was made for another backup.
    let text = std::fs::read_to_string(&certificate).unwrap();
    std::fs::write(&certificate, text.replace("\"online\"", "\"0nline\"")).unwrap();
    let list = run(&["list"]).await.code(0);
    assert!(list.stdout.contains("invalid certificate: it does not match its own digest"));
    let (archive, manifest) = files(&vault, "good");
    for file in [archive, manifest, certificate.clone()] {
        std::fs::remove_file(file).unwrap();
    }
    Ran::of(database.lifeboat(&vault, ["backup", "--name", "good"])).await.code(0);
    std::fs::write(&certificate, text).unwrap();
    let show = run(&["show", "good"]).await.code(0);
    assert!(show.stdout.contains("its certificate is invalid: it was made for another backup"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_backup_is_imported_for_trial() {
    let database = database().await;
    database.create("Good", 300).await;
    let relate = "MATCH (a:Good {number: 1}), (b:Good {number: 2}) CREATE (a)-[:NEXT]->(b)";
    database.server.query(relate).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let vault = folder.path().join("vault");
    Ran::of(database.lifeboat(&vault, ["backup", "--name", "good"])).await.code(0);
    let tried = async |from: u64| {
        settings_with(folder.path(), database.server, 300, &format!("bulk_from = {from}\n"));
        let mut command = lifeboat(["verify", "good", "--restore", "--json"]);
        command.current_dir(folder.path());
        Ran::of(command).await.code(0).summary()
    };
    let bulk = tried(301).await;
    assert_eq!(bulk["certificate"]["way"], "bulk", "{bulk}");
    let (names, usable) = steps(&bulk);
    let imported = ["write tables", "import", "start server", "constraints and indexes", "compare"];
    assert_eq!(usable, [&["verify archive"], &imported[..], &["start server"]].concat());
    assert_eq!(names[usable.len()..], ["invariants", "stop server", "consistency check"]);
    assert_eq!(left(folder.path()), 0, "nothing stays behind");
    // One too few, and it goes over Bolt; what is shown is the same.
    let online = tried(302).await;
    assert_eq!(online["certificate"]["way"], "online");
    assert_eq!(bulk["certificate"]["checks"], online["certificate"]["checks"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_physical_backup_is_restored_for_trial_too() {
    let database = database().await;
    database.create("Good", 300).await;
    let folder = tempfile::tempdir().unwrap();
    let vault = folder.path().join("vault");
    let home = database.server.home().to_str().unwrap();
    let backup = ["backup", "--name", "files", "--method", "physical", "--fingerprint"];
    let backup = [&backup[..], &["--neo4j-home", home]].concat();
    Ran::of(database.lifeboat(&vault, backup)).await.code(0);
    let run = |args: &[&str]| {
        let mut command = lifeboat(args);
        command.current_dir(folder.path());
        Ran::of(command)
    };
    settings(folder.path(), database.server, 301);
    run(&["verify", "files", "--restore"]).await.code(1).says("\"there are many\" does not hold");
    assert!(!vault.join("files.certificate.json").exists());
    settings(folder.path(), database.server, 300);
    let summary = run(&["verify", "files", "--restore", "--json"]).await.code(0).summary();
    assert_eq!(
        checked(&summary),
        [
            "archive",
            "last transaction",
            "counts",
            "fingerprint",
            "invariant: all are good",
            "invariant: there are many",
            "neo4j-admin database check"
        ]
    );
    assert_eq!(summary["certificate"]["way"], "home");
    let (all, usable) = steps(&summary);
    assert_eq!(usable.last(), Some(&"start server"), "{all:?}");
    assert_eq!(all[usable.len()..], ["invariants", "stop server", "consistency check"]);
    assert_eq!(left(folder.path()), 0, "nothing stays behind");
    let list = run(&["list", "--certified"]).await.code(0);
    assert!(list.stdout.contains("ok, restored"), "{list:?}");
    let none = run(&["list", "--certified", "--kind", "config"]).await.code(0);
    assert!(none.stderr.contains("none of 1 backups"), "{none:?}");
    let old = run(&["list", "--until", "1h"]).await.code(0);
    assert!(old.stdout.is_empty(), "{old:?}");
}

#[tokio::test]
async fn a_trial_needs_a_backup_that_is_whole_and_an_installation_that_is_one() {
    let database = database().await;
    database.create("Good", 10).await;
    let folder = tempfile::tempdir().unwrap();
    let vault = folder.path().join("vault");
    Ran::of(database.lifeboat(&vault, ["backup", "--name", "good"])).await.code(0);
    let run = |args: &[&str]| Ran::of(database.lifeboat(&vault, args));
    let nowhere = folder.path().to_str().unwrap();
    run(&["verify", "good", "--restore", "--neo4j", nowhere]).await.code(1).says("lib/");
    run(&["verify", "good", "--restore", "--quick"]).await.code(2);
    run(&["verify", "--all", "--restore"]).await.code(2);

    // A sample finds what it looks at, and says what chose it.
    let sample = run(&["verify", "good", "--percent", "50", "--json"]).await.code(0).summary();
    assert_eq!(sample["good"], 1);
    let text = run(&["verify", "good", "--percent", "50", "--seed", "7"]).await.code(0).stdout;
    assert!(text.contains("as far as a sample can tell") && text.contains("--seed 7"), "{text}");
    let (archive, _) = files(&vault, "good");
    let mut bytes = std::fs::read(&archive).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&archive, bytes).unwrap();
    run(&["verify", "good", "--percent", "100"]).await.code(1).says("damaged");
}
