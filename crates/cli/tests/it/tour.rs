//! Everything once, in a folder, as somebody would who has just found the program.

use lifeboat_testkit::Line;
use lifeboat_testkit::oracle::assert_same;

use crate::support::{LIFEBOAT, Ran, database, database_of, files, lifeboat, listed, settings};

async fn a_graph_goes_into_a_folder_and_comes_back(line: Line) {
    let database = database_of(line).await;
    database.load_zoo().await;
    let before = database.snapshot().await;
    let folder = tempfile::tempdir().unwrap();
    let vault = folder.path().join("vault");
    let run = |args: &[&str]| Ran::of(database.lifeboat(&vault, args));

    // The vault is made by the first backup, and missing before.
    run(&["list"]).await.code(10).says("does not exist").says("hint:");
    let doctor = run(&["doctor"]).await.code(1);
    assert!(doctor.stdout.contains("✗ vault"), "{doctor:?}");

    let backup = run(&["backup"]).await.code(0);
    settings().bind(|| insta::assert_snapshot!("tour_backup", backup.stdout));
    assert_eq!(backup.stderr, "");
    let names = listed(&vault).await;
    assert_eq!(names.len(), 1);
    let name = names[0].as_str();

    let list = run(&["list"]).await.code(0);
    settings().bind(|| insta::assert_snapshot!("tour_list", list.stdout));
    let show = run(&["show", "latest"]).await.code(0);
    let (head, labels) = show.stdout.split_once("nodes by label\n").unwrap();
    settings().bind(|| insta::assert_snapshot!("tour_show", head));
    assert!(!labels.contains(|c: char| c.is_control() && c != '\n'), "{labels:?}");
    let document = run(&["show", name, "--json"]).await.code(0).document();
    assert_eq!(document["database"]["method"], "logical");
    assert_eq!(document["database"]["snapshot"]["exact"], true);
    let verify = run(&["verify"]).await.code(0);
    settings().bind(|| insta::assert_snapshot!("tour_verify", verify.stdout));
    let verify = run(&["verify", "--all", "--quick"]).await.code(0);
    settings().bind(|| insta::assert_snapshot!("tour_verify_all", verify.stdout));
    let doctor = run(&["doctor"]).await.code(0);
    settings().bind(|| insta::assert_snapshot!("tour_doctor", doctor.stdout));
    run(&["doctor", "--json"]).await.code(0);

    // Any tar opens it.
    let (archive, _) = files(&vault, name);
    let tar = std::process::Command::new("tar").arg("tf").arg(&archive).output().unwrap();
    let entries = String::from_utf8(tar.stdout).unwrap();
    assert!(entries.contains("schema.cypher") && entries.contains("nodes/"), "{entries}");

    // Not into what is there.
    let refused = run(&["restore", "latest"]).await.code(13).says("is not empty").says("--replace");
    assert!(refused.stderr.contains("hint: use --replace"), "{refused:?}");
    run(&["restore", "latest", "--replace"]).await.code(13).says("nobody to ask").says("--yes");
    let plan = run(&["restore", "latest", "--replace", "--dry-run"]).await.code(0);
    settings().bind(|| insta::assert_snapshot!("tour_plan", plan.stdout));
    assert_same(&before, &database.snapshot().await);

    // Into nothing.
    database.wipe().await;
    let restore = run(&["restore", "latest"]).await.code(0);
    settings().bind(|| insta::assert_snapshot!("tour_restore", restore.stdout));
    assert_same(&before, &database.snapshot().await);

    // In the place of something else, which is kept.
    database.wipe().await;
    database.create("Other", 10).await;
    let file = format!("{name}.tar.zst");
    let summary = run(&["restore", &file, "--replace", "--yes", "--json"]).await.code(0).summary();
    assert_eq!(summary["proven"], true);
    assert_same(&before, &database.snapshot().await);
    let safety = summary["safety_backup"].as_str().unwrap();
    assert!(listed(&vault).await.iter().any(|listed| listed == safety));
    run(&["restore", safety, "--replace", "--yes"]).await.code(0);
    assert_eq!(database.count("Other").await, 10);

    // A second backup by another name, and with JSON.
    let summary =
        run(&["backup", "--name", "mine", "--compression", "gzip", "--note", "why=test", "--json"])
            .await
            .code(0)
            .summary();
    assert_eq!((&summary["name"], &summary["file"]), (&"mine".into(), &"mine.tar.gz".into()));
    assert_eq!(summary["nodes"], 10);
    run(&["backup", "--name", "mine"]).await.code(1).says("is already in").says("hint:");
    assert!(run(&["show", "mine"]).await.code(0).stdout.contains("why  test"));

    // Much less is in it than in the one before: nothing expires until somebody speaks for it.
    let held = run(&["prune", "--dry-run"]).await.code(3).says("expiry is on hold: mine looks");
    assert!(held.stderr.contains("nodes 10 instead of") || held.stderr.contains("more. Look"));
    run(&["prune", "--release-hold", "latest"]).await.code(1).says("is not the reason of a hold");
    run(&["prune", "--release-hold", "mine"]).await.code(0);
    let prune = run(&["prune", "--retention-days", "1", "--json"]).await.code(0).document();
    assert_eq!(prune["holds"], serde_json::json!([]));
    let backups = prune["vaults"][0]["backups"].as_array().unwrap();
    assert!(!backups.is_empty() && backups.iter().all(|b| b["step"] == "kept"), "{prune}");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_once_on_the_older_line() {
    a_graph_goes_into_a_folder_and_comes_back(Line::Lts).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_once_on_the_newer_line() {
    a_graph_goes_into_a_folder_and_comes_back(Line::Current).await;
}

#[tokio::test]
async fn settings_come_from_the_file_too() {
    let database = database().await;
    let folder = tempfile::tempdir().unwrap();
    let server = database.server;
    std::fs::write(folder.path().join("password"), format!("{}\n", server.password())).unwrap();
    let text = format!(
        "[database]\nuri = \"{}\"\nusername = \"neo4j\"\npassword_command = [\"cat\", \"{}\"]\n\
         [vault.primary]\nurl = \"vault\"\n[retention]\ndays = 7\n",
        server.uri(),
        folder.path().join("password").display()
    );
    std::fs::write(folder.path().join("lifeboat.toml"), text).unwrap();
    let run = |args: &[&str]| {
        let mut command = lifeboat(args);
        command.current_dir(folder.path());
        Ran::of(command)
    };
    run(&["backup", "--name", "first"]).await.code(0);
    assert_eq!(listed(&folder.path().join("vault")).await, ["first"]);
    let check = run(&["config", "check"]).await.code(0);
    settings().bind(|| insta::assert_snapshot!("config_check", check.stdout));
    assert!(!format!("{check:?}").contains(server.password()));

    // The command line comes before the environment, and that before the file.
    let elsewhere = folder.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let mut command = lifeboat(["list"]);
    command.current_dir(folder.path()).env("LIFEBOAT_VAULT", &elsewhere);
    Ran::of(command).await.code(0).says("there are no backups");
    let mut command = lifeboat(["list", "--vault", folder.path().join("vault").to_str().unwrap()]);
    command.current_dir(folder.path()).env("LIFEBOAT_VAULT", &elsewhere);
    assert!(Ran::of(command).await.code(0).stdout.contains("first"));

    std::fs::write(folder.path().join("lifeboat.toml"), "[database]\nurl = \"x\"\n").unwrap();
    run(&["list"]).await.code(2).says("lifeboat.toml, line 2, database.url").says("hint:");
    run(&["list", "-c", "no.toml"]).await.code(2).says("no.toml");
}

#[tokio::test]
async fn a_password_may_come_by_standard_input() {
    use tokio::io::AsyncWriteExt as _;

    let database = database().await;
    let folder = tempfile::tempdir().unwrap();
    let mut command = database.lifeboat(folder.path(), ["backup", "-q", "--password-file", "-"]);
    command.env("LIFEBOAT_PASSWORD", "wrong").stdin(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(format!("{}\n", database.server.password()).as_bytes()).await.unwrap();
    drop(stdin);
    let ran = Ran::from(child.wait_with_output().await.unwrap()).code(0);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""));
}

#[tokio::test]
async fn helps() {
    for command in [
        "",
        "backup",
        "list",
        "show",
        "verify",
        "restore",
        "restore config",
        "restore set",
        "replicate",
        "prune",
        "ship",
        "status",
        "doctor",
        "serve",
        "jobs list",
        "jobs run",
        "runbook",
        "runbook plan",
        "runbook run",
        "runbook resume",
        "fence",
        "fence check",
        "drill",
        "drill run",
        "drill report",
        "drill issues",
        "diagnose",
        "handbook",
        "config check",
        "completions",
        "man",
    ] {
        let mut args: Vec<&str> = command.split_whitespace().collect();
        args.push("--help");
        let ran = Ran::of(lifeboat(args)).await.code(0);
        let name = format!("help_{}", if command.is_empty() { "root" } else { command });
        insta::assert_snapshot!(name.replace(' ', "_"), ran.stdout);
    }
}

#[tokio::test]
async fn wrong_calls_are_told_from_failures() {
    Ran::of(lifeboat(["bakup"])).await.code(2).says("backup");
    Ran::of(lifeboat(["backup"])).await.code(2).says("no database is given").says("LIFEBOAT_URI");
    let args = ["backup", "--uri", "bolt://h", "--username", "x"];
    Ran::of(lifeboat(args)).await.code(2).says("no password for the user x");
    Ran::of(lifeboat(["list"])).await.code(2).says("no vault is given").says("LIFEBOAT_VAULT");
    Ran::of(lifeboat(["doctor"])).await.code(2).says("nothing to check");
    Ran::of(lifeboat(["backup", "--uri", "http://h:7474"])).await.code(2).says("Bolt is needed");
    Ran::of(lifeboat(["list", "--vault", "ftp://x/y"])).await.code(2).says("not the address");
    Ran::of(lifeboat(["list", "--json"])).await.code(2).says("\"message_type\":\"error\"");
}

#[tokio::test]
async fn manual_and_completions_are_made() {
    let page = Ran::of(lifeboat(["man"])).await.code(0).stdout;
    assert!(page.contains(".TH lifeboat 1"), "{page}");
    let folder = tempfile::tempdir().unwrap();
    Ran::of(lifeboat(["man", "--dir", folder.path().to_str().unwrap()])).await.code(0);
    assert!(folder.path().join("lifeboat-restore.1").exists());
    for shell in ["bash", "zsh", "fish"] {
        let script = Ran::of(lifeboat(["completions", shell])).await.code(0).stdout;
        assert!(script.contains("retention-days"), "{shell}");
    }
    // Bash accepts what was made for it.
    let check = format!("source <({LIFEBOAT} completions bash)");
    assert!(std::process::Command::new("bash").args(["-euc", &check]).status().unwrap().success());
}
