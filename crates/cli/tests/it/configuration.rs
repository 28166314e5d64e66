//! Backups of a configuration, and recovery sets, as people make and restore them.

use std::fs;
use std::path::Path;

use crate::support::{Ran, database, lifeboat, settings};

async fn run(folder: &Path, args: &[&str]) -> Ran {
    let mut command = lifeboat(args);
    command.current_dir(folder).env("STORY_URL", "http://story").env("STORY_TOKEN", "TOPSECRET");
    Ran::of(command).await
}

/// A folder with an application's files, and settings that list them.
fn application(folder: &Path) {
    fs::create_dir(folder.join("app")).unwrap();
    fs::write(folder.join("app/story.toml"), "level = 1\n").unwrap();
    fs::write(folder.join("app/tls.key"), "TOPSECRET").unwrap();
    let text = "[vault.primary]\nurl = \"vault/neo4j-backups\"\n\
                [config_backup]\ninclude = [\"app\"]\nsecret_files = [\"**/*.key\"]\n\
                environment = [\"STORY_URL\"]\nsecret_environment = [\"STORY_TOKEN\"]\n\
                [config_backup.application]\nimage = \"story:1.2.3\"\n\
                [[config_backup.commands]]\nname = \"uname\"\ncommand = [\"echo\", \"Linux\"]\n";
    fs::write(folder.join("lifeboat.toml"), text).unwrap();
}

#[tokio::test]
async fn a_configuration_goes_and_comes_back() {
    let temp = tempfile::tempdir().unwrap();
    let folder = fs::canonicalize(temp.path()).unwrap();
    application(&folder);
    let mut settings = settings();
    settings.add_filter(r"config-backup-\d{8}-\d{6}", "config-backup-[TIME]");
    settings.add_filter(r"before-restore-\d{8}-\d{6}", "before-restore-[TIME]");
    let shown_folder = folder.display().to_string();
    settings.add_filter(&shown_folder.replace('.', r"\."), "[HERE]");

    let backup = run(&folder, &["backup", "config"]).await.code(0);
    settings.bind(|| insta::assert_snapshot!("config_backup", backup.stdout));
    assert!(!format!("{backup:?}").contains("TOPSECRET"));
    assert!(folder.join("vault/config-backups").is_dir());
    // There is no vault for databases yet.
    let list = run(&folder, &["list", "--json"]).await.code(0).document();
    assert_eq!(list["backups"].as_array().unwrap().len(), 1);

    // Any tar opens it, and the secrets are nowhere in it.
    let archive = fs::read_dir(folder.join("vault/config-backups"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_str().unwrap().contains(".tar."))
        .unwrap();
    let tar = std::process::Command::new("tar").arg("xOf").arg(&archive).output().unwrap();
    let content = String::from_utf8(tar.stdout).unwrap();
    assert!(tar.status.success() && content.contains("level = 1"), "{content}");
    assert!(!content.contains("TOPSECRET") && content.contains("http://story"));

    // Into a folder.
    run(&folder, &["restore", "config"]).await.code(2).says("--to");
    run(&folder, &["restore", "config", "--to", "out"]).await.code(0);
    let value = folder.join("out/environment/STORY_URL");
    assert_eq!(fs::read_to_string(value).unwrap(), "http://story");

    // In place: first the difference, then the deed.
    fs::write(folder.join("app/story.toml"), "level = 2\n").unwrap();
    fs::write(folder.join("app/new.toml"), "").unwrap();
    let plan = run(&folder, &["restore", "config", "--in-place", "--dry-run"]).await.code(0);
    settings.bind(|| insta::assert_snapshot!("config_plan", plan.stdout));
    let plan = run(&folder, &["restore", "config", "--in-place", "--json"]).await.code(13);
    let plan: serde_json::Value = serde_json::from_str(plan.says("--yes").stdout.trim()).unwrap();
    assert_eq!(plan["entries"][0]["change"], "changed");
    assert_eq!(fs::read_to_string(folder.join("app/story.toml")).unwrap(), "level = 2\n");
    let restore =
        run(&folder, &["restore", "config", "latest", "--in-place", "--yes"]).await.code(0);
    assert_eq!(fs::read_to_string(folder.join("app/story.toml")).unwrap(), "level = 1\n");
    assert_eq!(fs::read_to_string(folder.join("app/tls.key")).unwrap(), "TOPSECRET");
    settings.bind(|| insta::assert_snapshot!("config_restore", restore.stdout));

    // What cannot be read makes it incomplete, and is told.
    fs::rename(folder.join("app"), folder.join("gone")).unwrap();
    let ran = run(&folder, &["backup", "config", "--name", "partly", "--json"]).await.code(3);
    assert_eq!(ran.summary()["incomplete"][0]["reason"], "nothing is there");
    ran.says("is not in the backup");
    run(&folder, &["restore", "partly", "--uri", "bolt://h"]).await.code(1);
    let text = fs::read_to_string(folder.join("lifeboat.toml")).unwrap();
    let (vault, _) = text.split_once("[config_backup]").unwrap();
    fs::write(folder.join("lifeboat.toml"), vault).unwrap();
    run(&folder, &["backup", "config"]).await.code(1).says("[config_backup]");
}

#[tokio::test]
async fn a_set_is_made_shown_verified_and_restored_together() {
    let database = database().await;
    database.create("Story", 3).await;
    let temp = tempfile::tempdir().unwrap();
    let folder = fs::canonicalize(temp.path()).unwrap();
    application(&folder);
    let run = |args: &[&str]| {
        let mut command = database.lifeboat(&folder, args);
        command.current_dir(&folder).env_remove("LIFEBOAT_VAULT").env("STORY_URL", "http://story");
        Ran::of(command)
    };
    run(&["backup", "all", "--name", "x"]).await.code(2).says("--name");
    let all = run(&["backup", "all"]).await.code(0);
    let set = all.stdout.lines().last().unwrap().strip_prefix("together they are ").unwrap();
    let list = run(&["list", "--json"]).await.code(0).document();
    let backups = list["backups"].as_array().unwrap();
    assert_eq!(backups.len(), 2, "{list}");
    for backup in backups {
        assert_eq!(
            (&backup["recovery_set"], backup["recovery_set_lacks"].is_null()),
            (&set.into(), true)
        );
    }
    let show = run(&["show", set]).await.code(0).stdout;
    assert!(show.contains("neo4j-backup-") && show.contains("config-backup-"), "{show}");
    let show = run(&["show", set, "--json"]).await.code(0).document();
    assert_eq!((&show["whole"], &show["config"]["kind"]), (&true.into(), &"config".into()));
    assert_eq!(run(&["verify", set, "--json"]).await.code(0).summary()["good"], 2);

    database.wipe().await;
    fs::write(folder.join("app/story.toml"), "level = 2\n").unwrap();
    run(&["restore", "set", set, "--in-place", "--dry-run"]).await.code(0);
    assert_eq!(database.count("Story").await, 0);
    run(&["restore", "set", "latest", "--in-place"]).await.code(13).says("--yes");
    assert_eq!(database.count("Story").await, 0);
    run(&["restore", "set", "latest", "--in-place", "--yes"]).await.code(0);
    assert_eq!(database.count("Story").await, 3);
    assert_eq!(fs::read_to_string(folder.join("app/story.toml")).unwrap(), "level = 1\n");

    // A half that is gone is told everywhere.
    let config = backups.iter().find(|b| b["method"].is_null()).unwrap()["name"].as_str().unwrap();
    let manifest = folder.join("vault/config-backups").join(format!("{config}.manifest.json"));
    fs::remove_file(manifest).unwrap();
    let list = run(&["list"]).await.code(0).stdout;
    assert!(list.contains("which lacks its config backup"), "{list}");
    run(&["show", set]).await.code(0).says("its config backup is missing");
    run(&["verify", set]).await.code(1).says("is not whole");
    run(&["restore", "set", set, "--to", "out"]).await.code(1).says("is not whole");
}
