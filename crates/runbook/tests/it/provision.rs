//! Resources are made and removed by a real OpenTofu, which needs no provider for them.

use std::collections::BTreeMap;
use std::path::Path;

use lifeboat::CancellationToken;
use lifeboat::config::Config;
use lifeboat_runbook::journal::Outcome;
use lifeboat_runbook::sites::Sites;
use lifeboat_runbook::{Agreeing, Ending, Ran, RunOptions, World, find, plan, run};
use lifeboat_testkit::go::TOFU;

/// A resource that is built in, and writes down when it is made and removed.
const TEMPLATE: &str = r#"
variable "region" { type = string }
variable "run" { type = string }
resource "terraform_data" "place" {
  input = "${var.region}.example.test"
  provisioner "local-exec" { command = "echo made >> story" }
  provisioner "local-exec" {
    when    = destroy
    command = "echo removed >> story"
  }
}
output "address" { value = terraform_data.place.output }
output "run" { value = var.run }
output "password" {
  value     = "hush"
  sensitive = true
}
"#;

const RUNBOOK: &str = r#"
title = "Make or remove"
[inputs.environment]
kind = "environment"
[[step]]
id = "provision"
kind = "provision"
action = "ACTION"
environment = "{inputs.environment}"
"#;

fn world(folder: &Path, tofu: &Path) -> World {
    std::fs::create_dir_all(folder.join("templates")).unwrap();
    std::fs::create_dir_all(folder.join("runbooks")).unwrap();
    std::fs::write(folder.join("templates/main.tf"), TEMPLATE).unwrap();
    for action in ["create", "remove"] {
        let path = folder.join(format!("runbooks/{action}.toml"));
        std::fs::write(path, RUNBOOK.replace("ACTION", action)).unwrap();
    }
    let environment = |name: &str, disposable: bool| {
        format!(
            "[environment.{name}]\ndisposable = {disposable}\n[environment.{name}.provision]\n\
             kind = \"tofu\"\nfolder = \"templates\"\nprogram = \"{}\"\n\
             variables = {{ region = \"east\", run = \"{{run.id}}\" }}\n",
            tofu.display()
        )
    };
    let settings = format!(
        "[vault.primary]\nurl = \"vault\"\n[runbooks]\nfolder = \"runbooks\"\nstate = \"runs\"\n{}{}",
        environment("east", false),
        environment("rehearsal", true)
    );
    let path = folder.join("lifeboat.toml");
    std::fs::create_dir_all(folder.join("vault")).unwrap();
    let config = Config::parse(&settings, &path).unwrap();
    World::new(config, Sites::parse(&settings, &path).unwrap())
}

/// Runs a runbook, and answers with its ending and what became of its step.
async fn carry_out(world: &World, action: &str, environment: &str) -> (Ran, Outcomes) {
    let runbook = find(world, action).unwrap();
    let inputs = BTreeMap::from([("environment".to_owned(), environment.to_owned())]);
    let options = RunOptions { inputs, ..RunOptions::default() };
    let cancel = CancellationToken::new();
    let planned = plan(world, &runbook, &options, &cancel).await.unwrap();
    assert_eq!(planned.failures().count(), 0, "{planned:?}");
    let ran = run(world, &runbook, options, &Agreeing("nobody".to_owned()), &cancel).await.unwrap();
    let step = ran.state.step("provision");
    let done = match &step.error {
        Some(error) => Err(error.clone()),
        None => Ok(serde_json::from_str(&step.outputs["resources"]).unwrap()),
    };
    assert_eq!(done.is_ok(), ran.ending == Ending::Finished(Outcome::Succeeded), "{done:?}");
    (ran, done)
}

/// What was put out by name, or why it failed.
type Outcomes = Result<BTreeMap<String, String>, String>;

#[tokio::test]
async fn resources_are_made_once_and_removed_when_nobody_needs_them() {
    let Some(tofu) = TOFU.built_or_told().unwrap() else { return };
    let folder = tempfile::tempdir().unwrap();
    let world = world(folder.path(), &tofu);
    let story = || std::fs::read_to_string(folder.path().join("templates/story")).unwrap();
    for _ in 0..2 {
        let (ran, made) = carry_out(&world, "create", "east").await;
        // The values are those of the template; the secret is in no journal.
        let wanted = [("address", "east.example.test"), ("run", ran.run.as_str())];
        assert_eq!(made.unwrap(), wanted.map(|(a, b)| (a.to_owned(), b.to_owned())).into());
        assert_eq!(story(), "made\n", "what is there stays");
    }
    // What is not disposable is never removed.
    let error = carry_out(&world, "remove", "east").await.1.unwrap_err();
    assert!(error.contains("east is not disposable"), "{error}");
    assert_eq!(story(), "made\n");
    carry_out(&world, "remove", "rehearsal").await.1.unwrap();
    assert_eq!(story(), "made\nremoved\n");

    // A template that cannot be used is told in the words of who reads it.
    std::fs::write(folder.path().join("templates/main.tf"), "resource {").unwrap();
    let error = carry_out(&world, "create", "east").await.1.unwrap_err();
    assert!(error.contains("main.tf"), "{error}");
}

#[tokio::test]
async fn a_tofu_that_is_interrupted_gives_its_lock_back() {
    let Some(tofu) = TOFU.built_or_told().unwrap() else { return };
    let folder = tempfile::tempdir().unwrap();
    let world = world(folder.path(), &tofu);
    let templates = folder.path().join("templates");
    let slow = TEMPLATE.replace("echo made >> story", "echo begun >> story; sleep 600");
    std::fs::write(templates.join("main.tf"), slow).unwrap();
    let runbook = find(&world, "create").unwrap();
    let inputs = BTreeMap::from([("environment".to_owned(), "east".to_owned())]);
    let (options, cancel) =
        (RunOptions { inputs, ..RunOptions::default() }, CancellationToken::new());
    let agreeing = Agreeing("nobody".to_owned());
    let lock = templates.join(".terraform.tfstate.lock.info");
    let stop = async {
        while !templates.join("story").exists() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        assert!(lock.exists());
        cancel.cancel();
    };
    let work = run(&world, &runbook, options, &agreeing, &cancel);
    let (ran, ()) = futures::future::join(work, stop).await;
    assert_eq!(ran.unwrap().ending, Ending::Interrupted);
    assert!(!lock.exists());
    // What it had begun is known to its state, and the next run goes on from there.
    let state = std::fs::read_to_string(templates.join("terraform.tfstate")).unwrap();
    assert!(state.contains("terraform_data"), "{state}");
}
