//! `lifeboat serve` as a process: signals, kill -9, and a second instance.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use serde_json::Value;
use tokio::process::{Child, Command};

use crate::support::{Database, Ran, database, lifeboat, listed};

/// Leases are short here, so that takeovers are soon.
const SETTINGS: &str = "
[service]
listen = \"127.0.0.1:0\"
lease = \"5s\"
[schedule.backup]
cron = \"0 0 1 1 *\"
backoff = \"1s\"
[schedule.verify]
cron = \"0 0 1 1 *\"
[schedule.prune]
cron = \"0 0 1 1 *\"
";

/// A service that is a process of its own.
struct Service {
    child: Child,
    state: PathBuf,
}

fn settings(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("lifeboat.toml");
    std::fs::write(&path, text).unwrap();
    path
}

impl Service {
    fn start(database: &Database, folder: &Path, name: &str) -> Self {
        let config = settings(folder, SETTINGS);
        let state = folder.join(name);
        let mut command = database.lifeboat(&folder.join("vault"), ["serve"]);
        command.arg("-c").arg(config).arg("--state").arg(&state);
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(folder.join(format!("{name}.log")))
            .unwrap();
        let child = command.stderr(log).spawn().unwrap();
        Self { child, state }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = lifeboat(["jobs"]);
        command.args(args).arg("--state").arg(&self.state);
        command
    }

    async fn jobs(&self, args: &[&str]) -> Ran {
        Ran::of(self.command(args)).await
    }

    async fn status(&self) -> Option<Value> {
        let ran = self.jobs(&["list", "--json"]).await;
        (ran.code == Some(0)).then(|| ran.document())
    }

    async fn leads(&self) {
        let leads = async {
            loop {
                if self.status().await.is_some_and(|status| status["leading"] == true) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(3), leads).await.expect("it never leads");
    }

    async fn signal(&self, name: &str) {
        let mut kill = Command::new("kill");
        let pid = self.child.id().unwrap().to_string();
        assert!(kill.arg(format!("-{name}")).arg(pid).status().await.unwrap().success());
    }

    async fn end(mut self, signal: &str) -> ExitStatus {
        self.signal(signal).await;
        let waiting = tokio::time::timeout(Duration::from_mins(2), self.child.wait());
        waiting.await.expect("it does not end").unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_does_jobs_by_request_and_ends_in_good_order() {
    let database = database().await;
    database.create("Node", 50).await;
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(&database, folder.path(), "state");
    service.leads().await;

    let ran = service.jobs(&["run", "backup", "--wait"]).await.code(0);
    assert!(ran.stdout.contains("is in "), "{ran:?}");
    service.jobs(&["run", "verify", "--wait"]).await.code(0);
    service.jobs(&["run", "drill"]).await.code(1).says("not configured");
    service.jobs(&["pause", "prune"]).await.code(0);
    let list = service.jobs(&["list"]).await.code(0).stdout;
    assert!(list.contains("paused by socket"), "{list}");
    let history = service.jobs(&["history", "backup"]).await.code(0).stdout;
    assert!(history.contains("backup-1") && history.contains("succeeded"), "{history}");
    assert!(!history.contains("verify"), "{history}");

    // Another with the same state is told so, and why.
    let mut second = database.lifeboat(&folder.path().join("vault"), ["serve"]);
    second.arg("--state").arg(&service.state).arg("--listen").arg("127.0.0.1:0");
    Ran::of(second).await.code(11).says("another service is using").says("--state");

    // Bad settings are refused, and said so; the old ones hold.
    settings(folder.path(), "[schedule.backup]\ncron = \"x\"\n");
    service.signal("HUP").await;
    let log = folder.path().join("state.log");
    let refused = async {
        while !std::fs::read_to_string(&log).unwrap().contains("cannot be used; the old ones hold")
        {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), refused).await.unwrap();
    service.jobs(&["run", "backup", "--wait"]).await.code(0);

    let state = service.state.clone();
    assert_eq!(service.end("TERM").await.code(), Some(143));
    let log = std::fs::read_to_string(&log).unwrap();
    assert!(log.contains("the service has stopped"), "{log}");
    let password = database.server.password();
    assert!(!log.contains(password), "{log}");
    assert_eq!(listed(&folder.path().join("vault")).await.len(), 2);
    let mut list = lifeboat(["jobs", "list", "--state"]);
    list.arg(&state);
    Ran::of(list).await.code(1).says("no service answers").says("lifeboat serve");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_cannot_be_used_are_told_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    for (text, says) in [
        ("[schedule.backup]\ncron = \"0 2 * *\"", "line 2, schedule.backup.cron"),
        ("[schedule.backup]\n", "[schedule.backup] cannot be done: it is not configured"),
        ("[service]\nlisten = \"0.0.0.0:9474\"", "needs a [service.token"),
    ] {
        let config = settings(folder.path(), text);
        let mut command = lifeboat(["serve", "--vault"]);
        command.arg(folder.path().join("vault")).arg("-c").arg(config);
        command.arg("--state").arg(folder.path().join("state"));
        Ran::of(command).await.code(2).says(says);
    }
}

/// What the events of a state tell of runs, in order.
async fn told(service: &Service) -> Vec<(String, String)> {
    let lines = service.jobs(&["events", "--json"]).await.code(0).stdout;
    let mut all = Vec::new();
    for (line, number) in lines.lines().zip(1..) {
        let event: Value = serde_json::from_str(line).unwrap();
        assert_eq!(event["number"], number, "no event is missing");
        if let Some(id) = event["run"]["id"].as_str() {
            all.push((id.to_owned(), event["event"].as_str().unwrap().to_owned()));
        }
    }
    all
}

/// How often the busy service is killed; more in a longer test.
fn rounds() -> u32 {
    std::env::var("LIFEBOAT_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(4)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_service_that_is_killed_runs_nothing_twice_and_forgets_nothing() {
    let database = database().await;
    database.create("Node", 3000).await;
    let folder = tempfile::tempdir().unwrap();
    let mut asked = std::collections::BTreeSet::new();
    for round in 0..rounds() {
        let mut service = Service::start(&database, folder.path(), "state");
        service.leads().await;
        // Nobody knows when: from before the first run begins until some have ended.
        let moment = Duration::from_millis(u64::from(round * 7919 % 2300) + 20);
        let keep_busy = async {
            loop {
                for job in ["backup", "verify", "prune"] {
                    let ran = service.jobs(&["run", job, "--json"]).await;
                    if ran.code == Some(0) {
                        let begun: Value = serde_json::from_str(&ran.stdout).unwrap();
                        asked.insert(begun["run"].as_str().unwrap().to_owned());
                    }
                }
            }
        };
        let _ = tokio::time::timeout(moment, keep_busy).await;
        service.child.kill().await.unwrap();
    }
    let service = Service::start(&database, folder.path(), "state");
    service.leads().await;
    // Whatever was cut off is taken up again and comes to an end.
    let settled = async {
        loop {
            let status = service.status().await.unwrap();
            if status["jobs"].as_array().unwrap().iter().all(|job| job["current"].is_null()) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(3), settled).await.unwrap();

    let events = told(&service).await;
    for job in ["backup", "verify", "prune"] {
        let mut going: Option<&str> = None;
        for (id, event) in events.iter().filter(|(id, _)| id.starts_with(job)) {
            match event.as_str() {
                "run-started" => {
                    assert_eq!(going, None, "{id} began while another went on: {events:?}");
                    going = Some(id);
                }
                _ => going = going.take_if(|going| *going != id),
            }
        }
        assert_eq!(going, None, "{events:?}");
    }
    // What was answered was kept: each run that was promised has an end.
    let ended = |id: &str| events.iter().any(|(of, event)| of == id && event == "run-ended");
    for id in &asked {
        assert!(ended(id), "{id} was promised and never ended: {events:?}");
    }
    assert!(asked.len() >= 3, "{asked:?}");
    service.end("TERM").await;
    // Nothing half-done lists, and what lists is whole.
    let mut verify = lifeboat(["verify", "--all", "--vault"]);
    verify.arg(folder.path().join("vault"));
    Ran::of(verify).await.code(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_instance_takes_over_from_one_that_dies() {
    let database = database().await;
    database.create("Node", 20).await;
    let folder = tempfile::tempdir().unwrap();
    let mut east = Service::start(&database, folder.path(), "east");
    east.leads().await;
    east.jobs(&["pause", "prune"]).await.code(0);
    east.jobs(&["run", "backup", "--wait"]).await.code(0);
    let west = Service::start(&database, folder.path(), "west");
    let stands = async {
        loop {
            let status = west.status().await;
            if status.is_some_and(|status| status["leader"].as_str().is_some()) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), stands).await.unwrap();
    west.jobs(&["run", "backup"]).await.code(11).says("does not lead");
    east.child.kill().await.unwrap();
    west.leads().await;
    let status = west.status().await.unwrap();
    let prune = status["jobs"].as_array().unwrap().iter().find(|job| job["job"] == "prune");
    assert_eq!(prune.unwrap()["paused"]["by"], "socket", "it knows what the other knew: {status}");
    west.jobs(&["run", "backup", "--wait"]).await.code(0);
    let history = west.jobs(&["history", "--json"]).await.code(0).document();
    assert_eq!(history["runs"][0]["id"], "backup-2", "numbers go on: {history}");
    west.end("INT").await;
}
