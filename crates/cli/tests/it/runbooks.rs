//! Runs that stop half-way: interrupted, waiting for a person, failed; and how they go on or are
//! given up. The steps need nothing.

use std::path::Path;
use std::time::Duration;

use tokio::process::Command;

use crate::interrupts::signal;
use crate::support::{Ran, lifeboat};

const RUNBOOK: &str = r#"
title = "Half-way"
[inputs.last]
kind = "text"
default = "true"
[[step]]
id = "mark"
kind = "command"
command = ["sh", "-c", "echo marked >> story"]
undo = ["sh", "-c", "echo unmarked >> story"]
[[step]]
id = "linger"
kind = "command"
command = ["sh", "-c", "echo lingering >> story; exec sleep $(cat seconds)"]
[[step]]
id = "agree"
kind = "ask"
approval = "May it go on?"
[[step]]
id = "end"
kind = "command"
command = ["{inputs.last}"]
"#;

/// The program in a folder with the runbook, whose second step takes so many seconds.
fn command(folder: &Path, args: &[&str], seconds: &str) -> Command {
    let settings =
        "[vault.primary]\nurl = \"vault\"\n[runbooks]\nfolder = \"books\"\nstate = \"runs\"\n";
    for name in ["vault", "books"] {
        std::fs::create_dir_all(folder.join(name)).unwrap();
    }
    std::fs::write(folder.join("lifeboat.toml"), settings).unwrap();
    std::fs::write(folder.join("books/half.toml"), RUNBOOK).unwrap();
    std::fs::write(folder.join("seconds"), seconds).unwrap();
    let mut command = lifeboat(args);
    command.current_dir(folder);
    command
}

/// What the steps have written, line by line.
pub(crate) fn story(folder: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join("story")).unwrap_or_default();
    text.lines().map(ToOwned::to_owned).collect()
}

/// The id of the only run.
async fn run_in(folder: &Path) -> String {
    let document = Ran::of(command(folder, &["runbook", "status", "--json"], "0")).await.code(0);
    let runs = document.document()["runs"].as_array().unwrap().clone();
    assert_eq!(runs.len(), 1, "{runs:?}");
    runs[0]["run"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_run_that_is_interrupted_goes_on_when_somebody_says_how_far_it_came() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let child = command(folder, &["runbook", "run", "half"], "600").spawn().unwrap();
    told(folder, 2).await;
    signal(&child, "INT").await;
    let ran = Ran::from(child.wait_with_output().await.unwrap()).code(130);
    let run = run_in(folder).await;
    let told = format!("interrupted at a safe point; `lifeboat runbook resume {run}` goes on");
    assert!(ran.stdout.contains(&told), "{ran:?}");

    // Nobody knows how far the command came, and it is not run again unasked.
    let resume = |more: &[&str]| {
        let args = [&["runbook", "resume", &run], more].concat();
        Ran::of(command(folder, &args, "0"))
    };
    let ran = resume(&[]).await.code(1);
    assert!(ran.stdout.contains(&format!("resume {run} --done linger")), "{ran:?}");
    assert_eq!(story(folder), ["marked", "lingering"]);
    let ran = resume(&["--again", "linger"]).await.code(3);
    assert_eq!(story(folder), ["marked", "lingering", "lingering"]);
    assert!(ran.stdout.contains("agree: May it go on?"), "{ran:?}");
    resume(&[]).await.code(3);
    Ran::of(command(folder, &["runbook", "approve", &run, "mark"], "0"))
        .await
        .code(13)
        .says("asks nobody about the step mark");
    let agreed =
        Ran::of(command(folder, &["runbook", "approve", &run, "agree"], "0")).await.code(0);
    assert!(agreed.stdout.contains("agree may begin"), "{agreed:?}");
    let ran = resume(&[]).await.code(0);
    assert!(ran.stdout.contains(&format!("run {run}: succeeded")), "{ran:?}");
    assert_eq!(story(folder).len(), 3, "what was done is not done again");
    resume(&[]).await.code(13).says("is at its end");
}

#[tokio::test]
async fn a_run_that_failed_is_given_up_and_undone() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let args = ["runbook", "run", "half", "--yes", "--input", "last=false"];
    let ran = Ran::of(command(folder, &args, "0")).await.code(1);
    let run = run_in(folder).await;
    assert!(ran.stdout.contains("stopped, since end failed"), "{ran:?}");
    assert!(ran.stdout.contains(&format!("lifeboat runbook abort {run} --undo")), "{ran:?}");
    let abort = ["runbook", "abort", &run, "--undo"];
    Ran::of(command(folder, &abort, "0")).await.code(0);
    assert_eq!(story(folder), ["marked", "lingering", "unmarked"]);
    let status = Ran::of(command(folder, &["runbook", "status", &run], "0")).await.code(0);
    assert!(status.stdout.contains("undone"), "{status:?}");
}

/// Its third step fails, and says what then.
const BREAKING: &str = r#"
title = "Breaking"
[[step]]
id = "one"
kind = "command"
command = ["sh", "-c", "echo one >> story"]
undo = ["sh", "-c", "echo not one >> story"]
[[step]]
id = "two"
kind = "command"
command = ["sh", "-c", "echo two >> story"]
undo = ["sh", "-c", "echo not two >> story"]
[[step]]
id = "break"
kind = "command"
command = ["false"]
on_error = "THEN"
[[step]]
id = "end"
kind = "command"
command = ["sh", "-c", "echo end >> story"]
"#;

#[tokio::test]
async fn a_step_that_fails_has_all_undone_or_nothing_stopped() {
    for (then, code, end, written) in [
        ("undo", 1, "undone", &["one", "two", "not two", "not one"][..]),
        ("continue", 3, "incomplete", &["one", "two", "end"]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let run = |args: &[&str]| Ran::of(command(folder, args, "0"));
        std::fs::create_dir_all(folder.join("books")).unwrap();
        let path = folder.join("books/breaking.toml");
        std::fs::write(path, BREAKING.replace("THEN", then)).unwrap();
        let shown = run(&["runbook", "show", "breaking"]).await.code(0).stdout;
        assert!(shown.contains("Breaking") && shown.contains("break"), "{shown}");
        let ran = run(&["runbook", "run", "breaking"]).await.code(code);
        assert_eq!(story(folder), written, "{ran:?}");
        assert!(ran.stdout.contains(end), "{ran:?}");
        // That is its end, and there is nothing to go on with.
        let id = run_in(folder).await;
        run(&["runbook", "resume", &id]).await.code(13).says("is at its end");
    }
}

#[tokio::test]
async fn a_built_in_runbook_is_taken_out_and_the_handbook_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let eject = ["runbook", "eject", "region"];
    Ran::of(command(folder, &eject, "0")).await.code(0);
    let path = folder.join("books/region.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("Regional outage", "Our outage")).unwrap();
    let list = Ran::of(command(folder, &["runbook", "list"], "0")).await.code(0);
    assert!(list.stdout.contains("Our outage") && list.stdout.contains("half"), "{list:?}");
    let book = Ran::of(command(folder, &["handbook", "--format", "markdown"], "0")).await;
    let text = book.code(0).stdout;
    for words in ["lifeboat runbook run corruption", "zstd -dc", "vault"] {
        assert!(text.contains(words), "no {words} in {text}");
    }
    let page = Ran::of(command(folder, &["handbook"], "0")).await.code(0).stdout;
    assert!(page.contains("<html") && !page.contains("src="), "{page}");
}

const WEST: &str = r#"
[objectives]
rto = "1m"
[environment.west]
region = "West"
[[environment.west.endpoints]]
file = "address"
content = "west.example.test"
command = ["sh", "-c", "echo told $LIFEBOAT_ENVIRONMENT >> story"]
"#;

#[tokio::test]
async fn time_preconditions_and_endpoints_are_seen_to() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let run = |verb: &str, step: &str| {
        let mut command = command(folder, &["runbook", verb, "one"], "0");
        let path = folder.join("lifeboat.toml");
        let settings = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{settings}{WEST}")).unwrap();
        let text = format!("title = \"One\"\n[[step]]\nid = \"one\"\n{step}\n");
        std::fs::write(folder.join("books/one.toml"), text).unwrap();
        command.stdin(std::process::Stdio::null());
        Ran::of(command)
    };
    // What would take longer than the objective is told before it begins.
    let plan = run("plan", "kind = \"wait\"\nfor = \"2m\"").await.code(14);
    assert!(plan.stdout.contains("the objective would be MISSED"), "{plan:?}");
    run("plan", "kind = \"wait\"\nfor = \"30s\"").await.code(0);

    let mark = "kind = \"command\"\ncommand = [\"sh\", \"-c\", \"echo did >> story\"]";
    let unmet = format!("{mark}\npreconditions = [{{ command = [\"false\"] }}]");
    let ran = run("run", &unmet).await.code(1);
    assert!(ran.stdout.contains("stopped, since one failed"), "{ran:?}");
    assert_eq!(story(folder), [""; 0]);
    let met = format!("{mark}\npreconditions = [{{ command = [\"true\"] }}]");
    run("run", &met).await.code(0);
    assert_eq!(story(folder), ["did"]);

    // What takes too long is told to stop, and may come to its end.
    let late = format!("kind = \"command\"\ncommand = {LINGERS}\ntimeout = \"1s\"");
    let ran = run("run", &late).await.code(1);
    assert!(ran.stdout.contains("within 1 s"), "{ran:?}");
    assert_eq!(story(folder), ["did", "locked", "unlocked"]);

    run("run", "kind = \"traffic\"\nenvironment = \"west\"").await.code(0);
    let address = std::fs::read_to_string(folder.join("address")).unwrap();
    assert_eq!((address.as_str(), story(folder)[3].as_str()), ("west.example.test", "told west"));
}

/// Works until it is told to stop, and then gives back what it holds.
const LINGERS: &str = r#"["sh", "-c", "trap 'echo unlocked >> story; exit 1' INT; echo locked >> story; while :; do sleep 0.05; done"]"#;

/// Waits until a story has so many lines.
async fn told(folder: &Path, lines: usize) {
    let told = async {
        while story(folder).len() < lines {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(2), told).await.unwrap();
}

#[tokio::test]
async fn what_makes_resources_is_told_to_stop_and_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut begin = command(folder, &["runbook", "run", "make"], "0");
    let path = folder.join("lifeboat.toml");
    let settings = std::fs::read_to_string(&path).unwrap();
    let place =
        format!("{settings}[environment.west.provision]\nkind = \"command\"\ncreate = {LINGERS}\n");
    std::fs::write(&path, place).unwrap();
    let text = "title = \"Make\"\n[[step]]\nid = \"make\"\nkind = \"provision\"\n\
                environment = \"west\"\n";
    std::fs::write(folder.join("books/make.toml"), text).unwrap();
    // As at a terminal: the signal is for all of the group, and there is one.
    let child = begin.process_group(0).spawn().unwrap();
    told(folder, 1).await;
    let mut kill = Command::new("kill");
    let group = format!("-{}", child.id().unwrap());
    assert!(kill.args(["-INT", "--", &group]).status().await.unwrap().success());
    let ran = Ran::from(child.wait_with_output().await.unwrap()).code(130);
    assert!(ran.stdout.contains("interrupted at a safe point"), "{ran:?}");
    assert_eq!(story(folder), ["locked", "unlocked"]);
}

#[tokio::test]
async fn what_is_being_undone_when_it_is_interrupted_is_undone_again() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let run = |args: &[&str], seconds: &str| {
        let command = command(folder, args, seconds);
        let text = "title = \"Undo\"\n[[step]]\nid = \"mark\"\nkind = \"command\"\n\
                    command = [\"true\"]\n\
                    undo = [\"sh\", \"-c\", \"echo undoing >> story; exec sleep $(cat seconds)\"]\n\
                    [[step]]\nid = \"end\"\nkind = \"command\"\ncommand = [\"false\"]\n";
        std::fs::write(folder.join("books/undo.toml"), text).unwrap();
        command
    };
    Ran::of(run(&["runbook", "run", "undo"], "0")).await.code(1);
    let id = run_in(folder).await;
    let abort = ["runbook", "abort", &id, "--undo"];
    let child = run(&abort, "600").spawn().unwrap();
    told(folder, 1).await;
    signal(&child, "INT").await;
    Ran::from(child.wait_with_output().await.unwrap()).code(130);
    let ran = Ran::of(run(&abort, "0")).await.code(0);
    assert!(ran.stdout.contains("mark: ran `sh -c"), "{ran:?}");
    assert_eq!(story(folder), ["undoing", "undoing"]);
}
