//! Runbooks and the service: drills by schedule, and people who are told by the channels of alerts.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lifeboat::CancellationToken;
use lifeboat::config::Config;
use lifeboat_runbook::action::Level;
use lifeboat_runbook::drill::{DrillOptions, drill as rehearsal};
use lifeboat_runbook::issues::{self, Issue};
use lifeboat_runbook::journal::Outcome;
use lifeboat_runbook::sites::Sites;
use lifeboat_runbook::{Agreeing, Ending, Ran, RunOptions, World, find, plan, run};
use lifeboat_service::alerts::messenger::Announcer;
use lifeboat_testkit::ports::free_port;
use lifeboat_testkit::smtp::{Options, Security, Smtp};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::formats::{self, PagerDuty, PostableAlert, Slack, Teams};
use crate::receiver::Receiver;
use crate::support::{QUIET, Service};

/// A runbook of steps that need nothing.
const REHEARSAL: &str = r#"
title = "Restart"
[inputs.environment]
kind = "environment"
default = "primary"
[[step]]
id = "touch"
kind = "command"
command = ["touch", "touched-{inputs.environment}"]
[[step]]
id = "tell"
kind = "notify"
message = "{inputs.environment} is restarted"
[[step]]
id = "wait"
kind = "wait"
for = "1s"
"#;

/// Settings of a drill that waits for a request.
fn drill(folder: &Path, hook: &str, more: &str) -> String {
    std::fs::create_dir_all(folder.join("runbooks")).unwrap();
    let touched = folder.join("touched");
    let text = REHEARSAL.replace("touched", touched.to_str().unwrap());
    std::fs::write(folder.join("runbooks/restart.toml"), text).unwrap();
    std::fs::write(folder.join("hook.secret"), "a secret").unwrap();
    let removed = folder.join("removed");
    let removed = removed.to_str().unwrap();
    format!(
        "{QUIET}
        [schedule.drill]
        cron = \"never\"
        [schedule.drill-cleanup]
        cron = \"never\"
        [runbooks]
        folder = \"runbooks\"
        state = \"runs\"
        [drill]
        runbook = \"restart\"
        owner = \"Mara\"
        environments = {{ primary = \"rehearsal\" }}
        [environment.primary]
        [environment.rehearsal]
        disposable = true
        [environment.rehearsal.provision]
        kind = \"command\"
        create = [\"true\"]
        remove = [\"touch\", \"{removed}\"]
        [alerts]
        group_wait = \"0s\"
        [alerts.channel.hook]
        type = \"webhook\"
        url = \"{hook}\"
        secret_file = \"hook.secret\"
        [[alerts.contacts]]
        name = \"primary\"
        channels = [\"hook\"]
        {more}"
    )
}

/// Runs the drill, and answers with its run.
async fn rehearse(service: &Service) -> Value {
    done(service, "drill").await
}

/// Runs a job, and answers with its run.
async fn done(service: &Service, job: &str) -> Value {
    let begun: Value = service.client.post(&format!("/api/v1/jobs/{job}/run")).await.unwrap();
    let route = format!("/api/v1/runs/{}", begun["run"].as_str().unwrap());
    let ended = async {
        loop {
            // It may not have been begun yet.
            if let Ok(run) = service.client.get::<Value>(&route).await
                && !run["ended"].is_null()
            {
                return run;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(2), ended).await.expect("the job does not end")
}

fn world(folder: &Path) -> World {
    let path = folder.join("lifeboat.toml");
    World::new(Config::load(&path).unwrap(), Sites::load(&path).unwrap())
}

async fn found(folder: &Path) -> Vec<Issue> {
    issues::list(&world(folder)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_by_schedule_is_measured_and_what_it_misses_is_told() {
    let receiver = Receiver::start().await;
    let folder = tempfile::tempdir().unwrap();
    let settings = drill(folder.path(), &receiver.url("hook"), "");
    let service = Service::start_in(folder, &settings).await;
    let run = rehearse(&service).await;
    assert_eq!((&run["status"], &run["code"]), (&"succeeded".into(), &0.into()), "{run}");
    let said = run["message"].as_str().unwrap();
    assert!(said.contains("restart was rehearsed as restart-") && said.contains("met"), "{said}");
    let folder = service.folder.path();
    assert!(folder.join("touched-rehearsal").exists(), "the environment that stands for primary");
    assert_eq!(found(folder).await, []);
    let told = receiver.next(|got| got.path == "/hook").await.json();
    assert_eq!(told["kind"], "message", "{told}");
    let said = told["message"].as_str().unwrap();
    assert!(
        said.starts_with("[drill restart-") && said.ends_with("rehearsal is restarted"),
        "{said}"
    );
    // The report of the drill is beside its journal, in the vault.
    let name = run["details"]["run"].as_str().unwrap();
    let reports = walk(&folder.join("vault"))
        .into_iter()
        .filter(|path| path.contains(name) && path.ends_with("report.html"));
    assert_eq!(reports.count(), 1);

    // Nothing here proves that an application is healthy, which an RTO asks for.
    let folder = service.stop().await;
    let settings = drill(folder.path(), &receiver.url("hook"), "[objectives]\nrto = \"1h\"\n");
    let service = Service::start_in(folder, &settings).await;
    let run = rehearse(&service).await;
    assert_eq!((&run["status"], &run["code"]), (&"failed".into(), &14.into()), "{run}");
    let said = run["message"].as_str().unwrap();
    assert!(said.contains("missed an objective") && said.contains("(RTO)"), "{said}");
    let alert = receiver.next(|got| got.json()["kind"] == "new").await.json();
    assert_eq!(alert["severity"], "critical", "{alert}");
    let alert = &alert["alerts"][0];
    assert_eq!(alert["key"], "job/drill", "{alert}");
    assert!(alert["what"].as_str().unwrap().contains("missed an objective"), "{alert}");
    let issues = found(service.folder.path()).await;
    assert_eq!(issues.len(), 1, "{issues:?}");
    assert_eq!(issues[0].owner, "Mara");
    assert!(issues[0].text.contains("(RTO)") && issues[0].closed.is_none(), "{issues:?}");
    let drilled = issues[0].run.as_deref().unwrap();
    assert!(said.contains(drilled), "{said}");

    // With the next one that meets them the alert is over.
    let folder = service.stop().await;
    let settings = drill(folder.path(), &receiver.url("hook"), "");
    let service = Service::start_in(folder, &settings).await;
    assert_eq!(rehearse(&service).await["status"], "succeeded");
    receiver.next(|got| got.json()["kind"] == "resolved").await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_whose_step_fails_is_a_failed_run_with_an_issue() {
    let receiver = Receiver::start().await;
    let folder = tempfile::tempdir().unwrap();
    let settings = drill(folder.path(), &receiver.url("hook"), "");
    let path = folder.path().join("runbooks/restart.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("\"touch\", ", "\"false\", ")).unwrap();
    let service = Service::start_in(folder, &settings).await;
    let run = rehearse(&service).await;
    assert_eq!((&run["status"], &run["code"]), (&"failed".into(), &1.into()), "{run}");
    assert!(run["message"].as_str().unwrap().contains("touch failed"), "{run}");
    let issues = found(service.folder.path()).await;
    assert!(issues[0].text.contains("the step touch failed: `false`"), "{issues:?}");
    assert_eq!(issues[0].owner, "Mara");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_drill_left_is_removed_when_its_time_is_over() {
    let receiver = Receiver::start().await;
    let folder = tempfile::tempdir().unwrap();
    let settings = drill(folder.path(), &receiver.url("hook"), "");
    let service = Service::start_in(folder, &settings).await;
    let removed = service.folder.path().join("removed");
    // Two by hand: the time of one is over as soon as it ends.
    let mut kept = Vec::new();
    for ttl in [Duration::ZERO, Duration::from_hours(1)] {
        let mut world = world(service.folder.path());
        let runbook = find(&world, "restart").unwrap();
        let options = DrillOptions { ttl: Some(ttl), keep: true, ..DrillOptions::default() };
        let (yes, cancel) = (Agreeing("a test".to_owned()), CancellationToken::new());
        let drilled = rehearsal(&mut world, &runbook, &options, &yes, &cancel).await.unwrap();
        assert!(drilled.cleaned.is_none(), "{drilled:?}");
        if ttl.is_zero() {
            let run = done(&service, "drill-cleanup").await;
            assert_eq!(run["status"], "succeeded", "{run}");
            assert_eq!(run["details"]["drills"], json!([drilled.ran.run]), "{run}");
            assert!(run["message"].as_str().unwrap().contains(&drilled.ran.run), "{run}");
            std::fs::remove_file(&removed).expect("its resources are removed");
        }
        kept.push(drilled.ran.run);
    }
    let run = done(&service, "drill-cleanup").await;
    assert_eq!((&run["status"], &run["details"]["drills"]), (&json!("succeeded"), &json!([])));
    assert_eq!(run["details"]["stay"][0]["run"], json!(kept[1]), "{run}");
    assert!(!removed.exists());
    service.stop().await;
}

/// All files below a folder.
fn walk(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(walk(&path));
        } else {
            found.push(path.to_string_lossy().into_owned());
        }
    }
    found
}

/// A world with contacts of these channels.
fn told_by(folder: &TempDir, channels: &str, contacts: &str) -> World {
    let settings = format!(
        "[vault.primary]\nurl = \"vault\"\n[runbooks]\nfolder = \"runbooks\"\nstate = \"runs\"\n\
         [environment.primary]\n{channels}\n{contacts}"
    );
    std::fs::write(folder.path().join("lifeboat.toml"), settings).unwrap();
    std::fs::create_dir_all(folder.path().join("runbooks")).unwrap();
    std::fs::create_dir_all(folder.path().join("vault")).unwrap();
    let world = world(folder.path());
    let announcer = Announcer::new(&world.config);
    world.with_messenger(Arc::new(announcer))
}

/// Runs a runbook of one step.
async fn tell(world: &World, folder: &TempDir, step: &str) -> Ran {
    let text = format!("title = \"Tell\"\n[[step]]\nid = \"tell\"\nkind = \"notify\"\n{step}\n");
    std::fs::write(folder.path().join("runbooks/tell.toml"), text).unwrap();
    let runbook = find(world, "tell").unwrap();
    let agreeing = Agreeing("nobody".to_owned());
    let options = RunOptions { inputs: BTreeMap::new(), ..RunOptions::default() };
    run(world, &runbook, options, &agreeing, &CancellationToken::new()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runbook_tells_people_by_mail() {
    let server =
        Smtp::start(&Options { security: Security::None, certificate: None, login: None, port: 0 })
            .await
            .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let channels = format!(
        "[alerts.channel.mail]
        type = \"smtp\"
        host = \"localhost\"
        port = {}
        security = \"none\"
        from = \"lifeboat@example.com\"
        to = [\"disaster-recovery@example.com\"]
        [alerts.channel.nobody]
        type = \"smtp\"
        host = \"localhost\"
        port = {}
        security = \"none\"
        from = \"lifeboat@example.com\"
        to = [\"nobody@example.com\"]",
        server.address().port(),
        free_port().unwrap()
    );
    let contacts = "
        [[alerts.contacts]]
        name = \"primary\"
        channels = [\"mail\"]
        [[alerts.contacts]]
        name = \"secondary\"
        channels = [\"mail\", \"nobody\"]
        after = \"30m\"
        [[alerts.contacts]]
        name = \"hotline\"
        reach = \"+1-555-123-4567\"";
    let world = told_by(&folder, &channels, contacts);
    // One channel that works is enough, and is used once.
    let step = "message = \"Failover has begun (run {run.id})\"";
    let ran = tell(&world, &folder, step).await;
    assert_eq!(ran.ending, Ending::Finished(Outcome::Succeeded));
    assert_eq!(ran.state.step("tell").outputs["told"], "mail");
    let mails = server.mails().unwrap();
    assert_eq!(mails.len(), 1, "{mails:?}");
    let said = format!("Failover has begun (run {})", ran.run);
    assert!(mails[0].subject.contains(&said) && mails[0].text.contains(&said), "{mails:?}");
    for words in ["Sent to primary, secondary by", "hotline: +1-555-123-4567"] {
        assert!(mails[0].text.contains(words), "{words}: {mails:?}");
    }
    assert!(!mails[0].text.contains("test"), "{mails:?}");

    // Nobody who could be told is a failure, and so is a name that nobody has.
    let world =
        told_by(&folder, &channels, "[[alerts.contacts]]\nname = \"x\"\nchannels = [\"nobody\"]");
    let ran = tell(&world, &folder, "message = \"x\"").await;
    assert_eq!(ran.ending, Ending::Failed(vec!["tell".to_owned()]));
    let error = ran.state.step("tell").error.clone().unwrap();
    assert!(error.contains("nobody could be told: nobody: "), "{error}");
    let runbook = {
        let step = "message = \"x\"\ncontacts = [\"nobody\"]";
        tell(&world, &folder, step).await;
        find(&world, "tell").unwrap()
    };
    let plan = plan(&world, &runbook, &RunOptions::default(), &CancellationToken::new()).await;
    let plan = plan.unwrap();
    let (_, finding) = plan.failures().next().unwrap();
    assert_eq!(finding.level, Level::Failed);
    assert!(finding.text.contains("there is no contact nobody that has a channel"), "{finding:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_has_the_format_that_each_receiver_publishes() {
    let receiver = Receiver::start().await;
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("slack.url", &receiver.url("slack"));
    write("teams.url", &receiver.url("teams"));
    write("pager.key", "0123456789abcdef0123456789abcdef");
    let channels = format!(
        "[alerts.channel.slack]
        type = \"slack\"
        url_file = \"slack.url\"
        [alerts.channel.teams]
        type = \"teams\"
        url_file = \"teams.url\"
        [alerts.channel.pager]
        type = \"pagerduty\"
        url = \"{}\"
        key_file = \"pager.key\"
        [alerts.channel.manager]
        type = \"alertmanager\"
        url = \"{}\"",
        receiver.url("pager"),
        receiver.url("am")
    );
    let contacts = "[[alerts.contacts]]\nname = \"primary\"\n\
                    channels = [\"slack\", \"teams\", \"pager\", \"manager\"]";
    let world = told_by(&folder, &channels, contacts);
    let ran = tell(&world, &folder, "message = \"<b>Failover</b> has begun\"").await;
    assert_eq!(ran.state.step("tell").outputs["told"], "slack teams pager manager");
    // PagerDuty is told that it is over at once, so that nobody is called.
    let mut left = vec!["/slack", "/teams", "/pager", "/pager", "/am/api/v2/alerts"];
    while !left.is_empty() {
        let got = receiver.next(|_| true).await;
        match got.path.as_str() {
            "/slack" => formats::read::<Slack>(&got).check(),
            "/teams" => formats::read::<Teams>(&got).check(),
            "/pager" => {
                let event = formats::read::<PagerDuty>(&got).check();
                assert!(event.payload.summary.contains("Failover"), "{event:?}");
            }
            _ => formats::read::<Vec<PostableAlert>>(&got)[0].check(),
        }
        assert!(got.body.contains("<b>Failover</b> has begun"), "{got:?}");
        let at = left.iter().position(|path| *path == got.path).unwrap();
        left.remove(at);
    }
}
