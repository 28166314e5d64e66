//! `lifeboat serve` as a process: signals, kill -9, and a second instance.

mod receiver;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use serde_json::Value;
use tokio::process::{Child, Command};

use self::receiver::Receiver;
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
        Self::start_with(database, folder, name, "")
    }

    /// With more settings.
    fn start_with(database: &Database, folder: &Path, name: &str, more: &str) -> Self {
        let config = settings(folder, &format!("{SETTINGS}{more}"));
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

/// What an event tells of a run.
#[derive(Debug)]
struct Told {
    id: String,
    event: String,
    status: String,
}

/// What the events of a state tell of runs, in order.
async fn told(service: &Service) -> Vec<Told> {
    let lines = service.jobs(&["events", "--json"]).await.code(0).stdout;
    let mut all = Vec::new();
    for (line, number) in lines.lines().zip(1..) {
        let event: Value = serde_json::from_str(line).unwrap();
        assert_eq!(event["number"], number, "no event is missing");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        if let Some(id) = event["run"]["id"].as_str() {
            let status = text(&event["run"]["status"]);
            all.push(Told { id: id.to_owned(), event: text(&event["event"]), status });
        }
    }
    all
}

/// How often the busy service is killed; more in a longer test.
fn rounds() -> u32 {
    std::env::var("LIFEBOAT_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(4)
}

/// Somewhere in a run or between two: from before the first begins until some have ended. Random,
/// and said when the test fails.
fn moment(round: u32) -> Duration {
    use std::hash::{BuildHasher as _, RandomState};
    let moment = Duration::from_millis(RandomState::new().hash_one(round) % 2300 + 20);
    println!("round {round}: killed after {} ms of work", moment.as_millis());
    moment
}

/// A configuration that can be backed up whole only while a file is there; whoever hears of alerts.
fn alarmed(folder: &Path, receiver: &Receiver) -> String {
    std::fs::write(folder.join("hook.secret"), "a secret of the webhook").unwrap();
    let (file, url) = (folder.join("there"), &receiver.url);
    let file = file.display();
    format!(
        "[schedule.config-backup]
        cron = \"0 0 1 1 *\"
        [[config_backup.commands]]
        name = \"there\"
        command = [\"cat\", \"{file}\"]
        [alerts]
        group_wait = \"0s\"
        [alerts.channel.hook]
        type = \"webhook\"
        url = {url:?}
        secret_file = \"hook.secret\"
        "
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_service_that_is_killed_runs_nothing_twice_and_forgets_nothing() {
    let database = database().await;
    database.create("Node", 3000).await;
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start().await);
    let alarmed = alarmed(folder.path(), &receiver);
    let start = || Service::start_with(&database, folder.path(), "state", &alarmed);
    let mut asked = BTreeSet::new();
    for round in 0..rounds() {
        // Every other round, a configuration is not whole.
        let there = folder.path().join("there");
        if round % 2 == 0 {
            let _ = std::fs::remove_file(&there);
        } else {
            std::fs::write(&there, "x").unwrap();
        }
        let mut service = start();
        service.leads().await;
        let keep_busy = async {
            loop {
                for job in ["config-backup", "backup", "verify", "prune"] {
                    let ran = service.jobs(&["run", job, "--json"]).await;
                    if ran.code == Some(0) {
                        let begun: Value = serde_json::from_str(&ran.stdout).unwrap();
                        asked.insert(begun["run"].as_str().unwrap().to_owned());
                    }
                }
            }
        };
        let _ = tokio::time::timeout(moment(round), keep_busy).await;
        service.child.kill().await.unwrap();
    }
    let service = start();
    // The lease of the one that was killed runs out, and what it had locked is free.
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
    for job in ["config-backup", "backup", "verify", "prune"] {
        let mut going: Option<&str> = None;
        let mut ended = BTreeSet::new();
        let of_job = |id: &str| id.rsplit_once('-').is_some_and(|(name, _)| name == job);
        for Told { id, event, .. } in events.iter().filter(|told| of_job(&told.id)) {
            if event == "run-started" {
                assert_eq!(going, None, "{id} began while another went on: {events:?}");
                assert!(!ended.contains(id), "{id} began after its end: {events:?}");
                going = Some(id);
            } else {
                going = going.take_if(|going| *going != id);
            }
            if event == "run-ended" {
                assert!(ended.insert(id), "{id} ended twice: {events:?}");
            }
        }
        assert_eq!(going, None, "{events:?}");
    }
    // What was answered was kept: each run that was promised has an end.
    let ended = |id: &str| events.iter().any(|told| told.id == id && told.event == "run-ended");
    for id in &asked {
        assert!(ended(id), "{id} was promised and never ended: {events:?}");
    }
    assert!(asked.len() >= 3, "{asked:?}");
    every_failure_was_told(&service, &receiver, &events).await;
    service.end("TERM").await;
    // Nothing half-done lists, and what lists is whole.
    let mut verify = lifeboat(["verify", "--all", "--vault"]);
    verify.arg(folder.path().join("vault"));
    Ran::of(verify).await.code(0);
}

/// Each time that a job began to fail is one alert; of each somebody was told, with one notice of
/// its beginning and one of its end, however often these were sent.
async fn every_failure_was_told(service: &Service, receiver: &Receiver, events: &[Told]) {
    let mut failing = BTreeSet::new();
    let mut expected: BTreeMap<String, usize> = BTreeMap::new();
    for told in events.iter().filter(|told| told.event == "run-ended") {
        let job = told.id.rsplit_once('-').unwrap().0;
        if told.status == "succeeded" {
            failing.remove(job);
        } else if told.status != "skipped" && failing.insert(job) {
            *expected.entry(format!("job/{job}")).or_default() += 1;
        }
    }
    println!("{} runs ended; alerts: {expected:?}", events.len());
    let looked = async {
        loop {
            let mut list = lifeboat(["alerts", "list", "--all", "--limit", "1000", "--json"]);
            list.arg("--state").arg(&service.state);
            let document = Ran::of(list).await.code(0).document();
            let alerts = document["alerts"].as_array().unwrap().clone();
            let mut found: BTreeMap<String, usize> = BTreeMap::new();
            for alert in alerts.iter().filter(|alert| alert["rule"] == "job") {
                *found.entry(alert["key"].as_str().unwrap().to_owned()).or_default() += 1;
            }
            // Which notices there were of each alert, by what they say.
            let mut notices: BTreeMap<(u64, bool), BTreeSet<String>> = BTreeMap::new();
            for notice in receiver.got() {
                for alert in notice["alerts"].as_array().unwrap() {
                    let number = alert["number"].as_u64().unwrap();
                    let id = notice["id"].as_str().unwrap().to_owned();
                    let over = notice["kind"] == "resolved";
                    notices.entry((number, over)).or_default().insert(id);
                }
            }
            let unknown: Vec<_> = alerts
                .iter()
                .map(|alert| alert["number"].as_u64().unwrap())
                .filter(|number| !notices.contains_key(&(*number, false)))
                .collect();
            if found == expected && unknown.is_empty() {
                for (what, ids) in &notices {
                    assert_eq!(ids.len(), 1, "told twice of {what:?}: {:#?}", receiver.got());
                }
                break;
            }
            println!("found {found:?}; nobody knows yet of {unknown:?}");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(2), looked).await.expect("an alert was lost");
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

/// Shipping all the time, physical backups by request, and one screen that tells of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_ships_logs_and_tells_what_can_be_recovered() {
    let database = database().await;
    database.create("Node", 20).await;
    let folder = tempfile::tempdir().unwrap();
    let home = database.server.home().display();
    let more = format!(
        "[database]\nmethod = \"physical\"\nneo4j_home = \"{home}\"\n\
         [objectives]\nrpo = \"1h\"\nrto = \"1h\"\n"
    );
    let service = Service::start_with(&database, folder.path(), "state", &more);
    service.leads().await;
    let state = service.state.clone();
    let ask = async |args: &[&str]| {
        let mut command = database.lifeboat(&folder.path().join("vault"), ["status"]);
        command.args(args).arg("-c").arg(folder.path().join("lifeboat.toml"));
        command.arg("--state").arg(&state);
        Ran::of(command).await
    };
    // The shipper takes a base by itself, and then all that is written is protected.
    let protected = async |tx: u64| loop {
        let status = ask(&["--json"]).await.document();
        let lags = status["lags"].as_array().unwrap();
        let lag = lags.iter().find(|lag| lag["database"] == "neo4j");
        if lag.is_some_and(|lag| lag["shipped_tx"].as_u64().is_some_and(|shipped| shipped > tx)) {
            break status;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    };
    let patience = Duration::from_mins(2);
    let status = tokio::time::timeout(patience, protected(0)).await.expect("nothing protects it");
    let shipped = |status: &Value| {
        let lags = status["lags"].as_array().unwrap();
        lags.iter().find(|lag| lag["database"] == "neo4j").unwrap()["shipped_tx"].as_u64().unwrap()
    };
    database.create("Node", 1).await;
    let status = tokio::time::timeout(patience, protected(shipped(&status))).await.unwrap();
    let job = |name: &str| {
        let jobs = status["service"]["jobs"].as_array().unwrap();
        jobs.iter().find(|job| job["job"] == name).unwrap().clone()
    };
    assert_eq!(job("ship")["current"]["status"], "running", "{status}");
    assert_eq!(job("backup")["last"], Value::Null, "{status}");

    service.jobs(&["run", "backup", "--wait"]).await.code(0);
    let history = service.jobs(&["history", "backup", "--json"]).await.code(0).document();
    assert_eq!(history["runs"][0]["details"]["method"], "physical", "{history}");
    // Little is at stake; but nobody has shown how long a restore takes.
    let ran = ask(&[]).await.code(14);
    for says in [
        "vault        newest good neo4j-backup-",
        "certified  none",
        "at most 1 h 0 min lost (RPO): met",
        "at most 1 h 0 min to restore (RTO): MISSED",
        "does the jobs",
        "ship           running",
        "alerts       none is open",
    ] {
        assert!(ran.stdout.contains(says), "no {says:?} in {}", ran.stdout);
    }
    assert_eq!(service.end("TERM").await.code(), Some(143));
    let ran = ask(&[]).await.code(14);
    assert!(ran.stdout.contains("none answers on this machine"), "{ran:?}");
}
