//! What a drill makes first, and what it does not touch. Its environments need nothing real; the
//! three disasters are rehearsed in `disaster`.

use std::path::Path;
use std::time::Duration;

use crate::runbooks::story;
use crate::support::{Ran, lifeboat};

const SETTINGS: &str = r#"
[vault.primary]
url = "vault/neo4j-backups"
[config_backup]
include = ["app.toml"]
[runbooks]
folder = "books"
state = "runs"
[drill.environments]
primary = "rehearsal"
[environment.primary]
[environment.rehearsal]
disposable = true
[environment.rehearsal.provision]
kind = "command"
create = ["sh", "-c", "echo making >> story; while [ -e hold ]; do sleep 0.05; done; test -e ready"]
remove = ["sh", "-c", "echo removed >> story"]
"#;

/// Makes no resources, and needs them.
const NEEDY: &str = r#"
title = "Needy"
[inputs.environment]
kind = "environment"
default = "primary"
[[step]]
id = "work"
kind = "command"
command = ["sh", "-c", "echo working >> story"]
"#;

const CONFIGURE: &str = r#"
title = "Configure"
[inputs.environment]
kind = "environment"
default = "primary"
[[step]]
id = "restore"
kind = "restore-config"
environment = "{inputs.environment}"
backup = "settings"
"#;

fn world() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["vault/neo4j-backups", "vault/config-backups", "books"] {
        std::fs::create_dir_all(folder.path().join(name)).unwrap();
    }
    for (name, text) in [
        ("lifeboat.toml", SETTINGS),
        ("app.toml", "level = 1\n"),
        ("books/needy.toml", NEEDY),
        ("books/configure.toml", CONFIGURE),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn command(folder: &Path, args: &[&str]) -> tokio::process::Command {
    let mut command = lifeboat(args);
    command.current_dir(folder);
    command
}

async fn run(folder: &Path, args: &[&str]) -> Ran {
    Ran::of(command(folder, args)).await
}

/// The id of the only run.
async fn only_run(folder: &Path) -> String {
    let runs = run(folder, &["runbook", "status", "--json"]).await.code(0).document();
    assert_eq!(runs["runs"].as_array().map(Vec::len), Some(1), "{runs:#}");
    runs["runs"][0]["run"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_a_runbook_takes_for_granted_is_made_first() {
    let folder = world();
    let folder = folder.path();
    let failed = run(folder, &["drill", "run", "needy"]).await.code(1);
    let id = only_run(folder).await;
    failed
        .says("rehearsal cannot be made for the drill")
        .says(&format!("`lifeboat runbook resume {id}`"))
        .says(&format!("`lifeboat drill cleanup {id}`"));
    assert_eq!(story(folder), ["making"]);
    std::fs::write(folder.join("ready"), "").unwrap();
    let resumed = run(folder, &["runbook", "resume", &id]).await.code(0);
    assert!(resumed.stdout.contains("what the drill needs stands"), "{resumed:?}");
    // A drill that was resumed ends as any other: it keeps a report, and what it made goes.
    assert_eq!(story(folder), ["making", "making", "working", "removed"]);
    assert!(resumed.stdout.contains(&format!("cleaned up after {id}")), "{resumed:?}");
    let report = run(folder, &["drill", "report", &id]).await.code(0);
    assert!(report.stdout.contains("Needy"), "{report:?}");
    let left = run(folder, &["drill", "cleanup"]).await.code(0);
    assert!(left.stdout.contains("no drill has left anything"), "{left:?}");
    // A run that is no drill makes nothing.
    run(folder, &["runbook", "run", "needy"]).await.code(0);
    assert_eq!(story(folder)[3..], ["removed", "working"]);
}

#[tokio::test]
async fn a_drill_that_is_killed_while_it_makes_things_is_cleaned_up() {
    let folder = world();
    let folder = folder.path();
    std::fs::write(folder.join("hold"), "").unwrap();
    let mut child = command(folder, &["drill", "run", "needy"]).spawn().unwrap();
    let making = async {
        while story(folder).is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(2), making).await.unwrap();
    child.kill().await.unwrap();
    std::fs::remove_file(folder.join("hold")).unwrap();
    let id = only_run(folder).await;
    let early = run(folder, &["drill", "cleanup"]).await.code(0);
    assert!(early.stdout.contains(&format!("what {id} made stays until")), "{early:?}");
    assert_eq!(story(folder), ["making"]);
    run(folder, &["drill", "cleanup", &id]).await.code(0);
    assert_eq!(story(folder), ["making", "removed"]);
}

#[tokio::test]
async fn a_drill_restores_no_configuration_to_where_it_came_from() {
    let folder = world();
    let folder = folder.path();
    std::fs::write(folder.join("ready"), "").unwrap();
    run(folder, &["backup", "config", "--name", "settings"]).await.code(0);
    std::fs::write(folder.join("app.toml"), "level = 2\n").unwrap();
    let refused = run(folder, &["drill", "run", "configure"]).await.code(1);
    let why = "set environment.rehearsal.configuration to a folder of its own";
    assert!(refused.stdout.contains(why), "{refused:?}");
    assert_eq!(std::fs::read_to_string(folder.join("app.toml")).unwrap(), "level = 2\n");
}
