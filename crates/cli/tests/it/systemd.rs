//! Services that are units of a real systemd.

use lifeboat_testkit::systemd::Systemd;

use crate::support::{Ran, lifeboat};

const SETTINGS: &str = r#"
[vault.primary]
url = "vault"
[runbooks]
folder = "books"
state = "runs"
[environment.primary]
services = ["story.service"]
[environment.primary.platform]
kind = "systemd"
[environment.broken]
services = ["broken.service"]
[environment.broken.platform]
kind = "systemd"
[environment.missing]
services = ["missing.service"]
[environment.missing.platform]
kind = "systemd"
"#;

const RUNBOOK: &str = r#"
title = "Services"
[inputs.environment]
kind = "environment"
default = "primary"
[[step]]
id = "act"
kind = "services"
action = "ACTION"
environment = "{inputs.environment}"
"#;

#[tokio::test]
async fn units_of_systemd_are_stopped_and_started() {
    let unit = |command: &str| {
        format!("[Unit]\nDefaultDependencies=no\n[Service]\nType=exec\nExecStart={command}\n")
    };
    let (story, broken) = (unit("/bin/sleep infinity"), unit("/no/program"));
    let started = Systemd::start(&[("story.service", &story), ("broken.service", &broken)]);
    let systemd = match started.unwrap() {
        Ok(systemd) => systemd,
        Err(why) => return eprintln!("not tested, since no systemd can be started: {why}"),
    };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for name in ["vault", "books"] {
        std::fs::create_dir(folder.join(name)).unwrap();
    }
    std::fs::write(folder.join("lifeboat.toml"), SETTINGS).unwrap();
    for action in ["stop", "start"] {
        let text = RUNBOOK.replace("ACTION", action);
        std::fs::write(folder.join(format!("books/{action}.toml")), text).unwrap();
    }
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", systemd.path().display());
    let run = |args: &[&str]| {
        let mut command = lifeboat(args);
        command.current_dir(folder).env("PATH", &path);
        Ran::of(command)
    };

    assert_eq!(systemd.is_active("story.service"), Some(false));
    run(&["runbook", "run", "start"]).await.code(0);
    assert_eq!(systemd.is_active("story.service"), Some(true));
    run(&["runbook", "plan", "stop"]).await.code(0);
    assert_eq!(systemd.is_active("story.service"), Some(true));
    run(&["runbook", "run", "stop"]).await.code(0);
    assert_eq!(systemd.is_active("story.service"), Some(false));

    let plan = run(&["runbook", "plan", "start", "--input", "environment=missing"]).await;
    assert!(plan.stdout.contains("systemd has no such unit"), "{plan:#?}");
    let ran = run(&["runbook", "run", "start", "--input", "environment=broken"]).await.code(1);
    assert!(format!("{}{}", ran.stdout, ran.stderr).contains("broken.service"), "{ran:#?}");
}
