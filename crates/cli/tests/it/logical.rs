//! A runbook that restores a logical backup into the database that runs.

use jiff::{Timestamp, ToSpan as _};
use lifeboat_testkit::oracle::assert_same;
use serde_json::Value;

use crate::support::{Ran, database, lifeboat};

const RUNBOOK: &str = r#"
title = "Put the graph back"
[[step]]
id = "choose"
kind = "recovery-point"
[[step]]
id = "restore"
kind = "restore-database"
environment = "primary"
backup = "{steps.choose.backup}"
vault = "{steps.choose.vault}"
until = "{steps.choose.until}"
[[step]]
id = "verify"
kind = "verify"
environment = "primary"
fingerprint = "{steps.restore.fingerprint}"
"#;

/// Looks whether a graph is still what it was.
const LOOK: &str = r#"
title = "Look"
[inputs.fingerprint]
kind = "text"
[[step]]
id = "verify"
kind = "verify"
environment = "primary"
fingerprint = "{inputs.fingerprint}"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_runbook_puts_a_logical_backup_back() {
    let database = database().await;
    database.load_zoo().await;
    let before = database.snapshot().await;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let server = database.server;
    let settings = format!(
        "[database]\nuri = \"{0}\"\nusername = \"{1}\"\npassword_file = \"password\"\n\
         [vault.primary]\nurl = \"vault\"\n[runbooks]\nstate = \"runs\"\n\
         [environment.primary.database]\nuri = \"{0}\"\nusername = \"{1}\"\n\
         password_file = \"password\"\n",
        server.uri(),
        server.username()
    );
    std::fs::create_dir(folder.join("vault")).unwrap();
    std::fs::write(folder.join("password"), server.password()).unwrap();
    std::fs::write(folder.join("lifeboat.toml"), settings).unwrap();
    std::fs::write(folder.join("back.toml"), RUNBOOK).unwrap();
    let run = |args: &[&str]| {
        let mut command = lifeboat(args);
        command.current_dir(folder);
        Ran::of(command)
    };
    run(&["backup", "--name", "whole"]).await.code(0);
    let list = run(&["list", "--json"]).await.code(0).document();
    let created: Timestamp = list["backups"][0]["created"].as_str().unwrap().parse().unwrap();
    database.wipe().await;
    database.create("Wrong", 500).await;

    // The last write is told by somebody.
    let (last, disaster) =
        ((created + 90.seconds()).to_string(), (created + 200.seconds()).to_string());
    let times = ["--last-write", &last, "--disaster", &disaster, "--json"];
    let ran = run(&[&["runbook", "run", "back.toml"], &times[..]].concat()).await.code(0);
    let summary = ran.summary();
    assert_same(&before, &database.snapshot().await);
    let outputs = |step: &str, name: &str| -> Value {
        summary["state"]["steps"][step]["outputs"][name].clone()
    };
    assert_eq!(
        (outputs("choose", "backup"), outputs("choose", "method")),
        ("whole".into(), "logical".into())
    );
    // What was there is kept, and is no point to recover to.
    let kept = outputs("restore", "kept");
    let kept = kept.as_str().unwrap();
    let shown = run(&["show", kept, "--json"]).await.code(0);
    assert!(shown.stdout.contains("Wrong"), "{shown:?}");
    let plan = run(&["runbook", "plan", "back.toml"]).await.code(0);
    assert!(plan.stdout.contains("whole can be restored over"), "{plan:?}");

    // The graph is compared as a whole, and one node more is another graph.
    let fingerprint = outputs("restore", "fingerprint");
    assert_eq!(
        outputs("verify", "checks"),
        format!("fingerprint: {}", fingerprint.as_str().unwrap())
    );
    std::fs::write(folder.join("look.toml"), LOOK).unwrap();
    let wanted = format!("fingerprint={}", fingerprint.as_str().unwrap());
    let look = ["runbook", "run", "look.toml", "--input", &wanted];
    run(&look).await.code(0);
    database.create("More", 1).await;
    let ran = run(&look).await.code(1);
    assert!(format!("{ran:?}").contains("so it was changed since, or is another"), "{ran:?}");

    let id = summary["run"].as_str().unwrap();
    let report = run(&["drill", "report", id, "--json"]).await.code(0).document();
    let measured = &report["measured"];
    assert_eq!(measured["reaches"].as_str().unwrap().parse::<Timestamp>().unwrap(), created);
    assert_eq!((&measured["rpo_ms"], &measured["rpo_exact"]), (&90_000.into(), &true.into()));
}
