//! When damage began that crept in unnoticed: found among real backups, by restoring them.

use std::path::Path;

use serde_json::Value;

use crate::support::{Ran, database, lifeboat};
use crate::trial::settings;

async fn diagnose(folder: &Path, args: &[&str]) -> Ran {
    let mut command = lifeboat(["diagnose"]);
    command.args(args).current_dir(folder);
    Ran::of(command).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_beginning_of_damage_is_found_and_the_last_good_backup_proposed() {
    let database = database().await;
    database.create("Good", 50).await;
    let folder = tempfile::tempdir().unwrap();
    let vault = folder.path().join("vault");
    let backup = async |name: &str| {
        Ran::of(database.lifeboat(&vault, ["backup", "--name", name])).await.code(0);
    };
    backup("first").await;
    backup("second").await;
    database.server.query("MATCH (n:Good {number: 7}) REMOVE n:Good").await.unwrap();
    backup("third").await;
    backup("fourth").await;
    settings(folder.path(), database.server, 49);

    let told = diagnose(folder.path(), &[]).await.code(0).stdout;
    let tried: Vec<&str> = told
        .lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_once(' '))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(tried, ["fourth", "second", "third"], "{told}");
    assert!(told.contains("BAD: the invariant \"all are good\" does not hold"), "{told}");
    let known = async |name: &str| {
        let shown = database.lifeboat(&vault, ["show", name, "--json"]);
        let document = Ran::of(shown).await.code(0).document();
        ["created", "finished"].map(|key| document[key].as_str().unwrap().to_owned())
    };
    let [good, until] = known("second").await;
    let [bad, _] = known("third").await;
    for words in [
        "3 of 4 recovery points were restored and checked".to_owned(),
        format!("the damage began between {good} and {bad}"),
        "the last good one is second".to_owned(),
        // This moment chooses the second, and not the third.
        format!("lifeboat runbook run corruption --input until={until}"),
    ] {
        assert!(told.contains(&words), "no {words:?} in {told}");
    }
    let left = std::fs::read_dir(folder.path().join("scratch")).unwrap().count();
    assert_eq!(left, 0, "nothing stays behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_nothing_is_good_or_nothing_tells_that_is_said() {
    let database = database().await;
    database.create("Good", 20).await;
    let folder = tempfile::tempdir().unwrap();
    let vault = folder.path().join("vault");
    for name in ["first", "second"] {
        Ran::of(database.lifeboat(&vault, ["backup", "--name", name])).await.code(0);
    }
    settings(folder.path(), database.server, 21);
    let summary = diagnose(folder.path(), &["--json"]).await.code(1).summary();
    let tried: Vec<(&Value, &Value)> = summary["tried"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (&one["backup"], &one["good"]))
        .collect();
    assert_eq!(tried, [(&"second".into(), &false.into()), (&"first".into(), &false.into())]);
    assert_eq!((&summary["last_good"], &summary["points"]), (&Value::Null, &2.into()));
    assert_eq!(summary["first_bad"]["backup"], "first");

    settings(folder.path(), database.server, 20);
    let told = diagnose(folder.path(), &[]).await.code(0).stdout;
    assert!(told.contains("the newest, second, is good"), "{told}");
    assert!(told.contains("1 of 2 recovery points"), "{told}");

    // What stands in the way of every trial says nothing of a backup.
    std::fs::remove_dir_all(folder.path().join("scratch")).unwrap();
    let ran = diagnose(folder.path(), &[]).await.code(1).says("cannot make a folder in");
    assert!(!ran.stdout.contains("BAD"), "{ran:?}");

    let text = std::fs::read_to_string(folder.path().join("lifeboat.toml")).unwrap();
    let (without, _) = text.split_once("[[verify.invariants]]").unwrap();
    std::fs::write(folder.path().join("lifeboat.toml"), without).unwrap();
    diagnose(folder.path(), &[]).await.code(1).says("[[verify.invariants]]");
}
