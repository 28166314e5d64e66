//! All checks and all tests, as CI runs them.
//!
//! Every step runs even if one before it failed, so that one run tells everything. A check counts
//! as one test; the last line is the sum and nothing else.

use std::{
    env,
    io::{self, Write},
    process::ExitCode,
    time::{Duration, Instant},
};

use crate::{
    crash, deny, infra, layers,
    run::{cargo, lines, run},
    setup,
    tally::Tally,
};

/// What to test.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Leave out the checks and run only the tests
    #[arg(long)]
    no_checks: bool,
    /// Arguments for `cargo test`, such as `-p lifeboat-bolt`; default: the whole workspace
    #[arg(last = true)]
    cargo: Vec<String>,
}

/// A step that was taken.
struct Step {
    name: &'static str,
    tally: Tally,
    note: String,
    took: Duration,
}

/// Runs everything; succeeds only if nothing failed and something was tested.
///
/// # Errors
/// When the machine lacks something that may not be installed.
pub(crate) async fn test(options: &Options) -> anyhow::Result<ExitCode> {
    let begin = Instant::now();
    heading("set-up");
    setup::setup().await?;
    let mut steps = Vec::new();
    if !options.no_checks {
        steps.push(step("formatting", || check(run(&mut cargo(["fmt", "--all", "--check"])))));
        steps.push(step("layers", || check(layers::check())));
        steps.push(step("licences, bans, sources", || check(deny::check())));
        steps.push(step("advisories", advisories));
        for (name, check) in infra::CHECKS {
            steps.push(step(name, || of_infra(check)));
        }
        steps.push(step("lints", || check(run(&mut clippy()))));
    }
    steps.push(step("tests", || tests(&options.cargo)));
    if options.cargo.is_empty() {
        // With the program that the tests were built with: a build of it alone has other features,
        // and would compile its dependencies once more.
        let begin = heading("crash campaign");
        let (tally, note) = check(crash::play(&crash::Options::short()).await);
        steps.push(Step::taken("crash campaign", begin, tally, note));
    }

    heading("summary");
    let mut sum = Tally::default();
    for step in &steps {
        let Step { name, tally, note, took } = step;
        println!("{name:24} {:>7.1} s  {tally}{note}", took.as_secs_f64());
        sum += *tally;
    }
    println!("{:24} {:>7.1} s", "all", begin.elapsed().as_secs_f64());
    println!("{sum}");
    io::stdout().flush()?;
    Ok(if sum.failed == 0 && sum.passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Step {
    /// One that is at its end, which is told.
    fn taken(name: &'static str, begin: Instant, tally: Tally, note: String) -> Self {
        let took = begin.elapsed();
        println!("{name}: {tally} ({:.1} s){note}", took.as_secs_f64());
        Self { name, tally, note, took }
    }
}

fn step(name: &'static str, work: impl FnOnce() -> (Tally, String)) -> Step {
    let begin = heading(name);
    let (tally, note) = work();
    Step::taken(name, begin, tally, note)
}

/// Announces a step; when it began.
fn heading(name: &str) -> Instant {
    println!("\n── {name} ──");
    Instant::now()
}

/// A check as a test that passed or failed.
fn check(result: anyhow::Result<()>) -> (Tally, String) {
    match result {
        Ok(()) => (Tally { passed: 1, ..Tally::default() }, String::new()),
        Err(error) => {
            println!("{error:#}");
            (Tally { failed: 1, ..Tally::default() }, String::new())
        }
    }
}

fn advisories() -> (Tally, String) {
    match deny::advisories() {
        Ok(deny::Advisories::NotChecked(why)) => {
            (Tally { skipped: 1, ..Tally::default() }, format!(" — NOT checked: {why}"))
        }
        other => check(other.map(drop)),
    }
}

fn of_infra(infra: infra::Check) -> (Tally, String) {
    match infra() {
        Ok(infra::Checked::Not(why)) => {
            (Tally { skipped: 1, ..Tally::default() }, format!(" — NOT checked: {why}"))
        }
        other => check(other.map(drop)),
    }
}

fn clippy() -> std::process::Command {
    build(cargo([
        "clippy",
        "--quiet",
        "--locked",
        "--workspace",
        "--all-targets",
        "--",
        "--deny=warnings",
    ]))
}

fn tests(arguments: &[String]) -> (Tally, String) {
    let mut command = build(cargo(["test", "--locked", "--no-fail-fast"]));
    if arguments.is_empty() {
        command.arg("--workspace");
    }
    command.args(arguments);
    let mut tally = Tally::default();
    let result = lines(&mut command, |line| {
        println!("{line}");
        tally += Tally::of_line(line).unwrap_or_default();
    });
    // A test program that crashed or does not compile has no closing line, but cargo knows.
    let broken = match result {
        Ok(success) => !success && tally.failed == 0,
        Err(error) => {
            println!("{error:#}");
            true
        }
    };
    if broken {
        tally.failed += 1;
        return (tally, " — cargo test itself failed".to_owned());
    }
    (tally, String::new())
}

/// For a build from scratch that nobody continues, incremental compilation is only slower.
fn build(mut command: std::process::Command) -> std::process::Command {
    if env::var_os("CI").is_some() {
        command.env("CARGO_INCREMENTAL", "0");
    }
    command
}
