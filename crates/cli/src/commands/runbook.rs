//! `lifeboat runbook`.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;

use futures::future::BoxFuture;
use lifeboat::ExitCode;
use lifeboat_runbook::document::Step;
use lifeboat_runbook::drill::conclude;
use lifeboat_runbook::journal::{Outcome, Record};
use lifeboat_runbook::{
    Ending, Error, Observer, Ran, RunOptions, Runbook, World, abort, approve, find, library, plan,
    read, resume, run as carry_out, runs, settle, sites::Sites,
};
use lifeboat_service::alerts::messenger::Announcer;

use super::{Running, Session, drill};
use crate::args::{
    InputArgs, RunbookAbortArgs, RunbookApproveArgs, RunbookCommand, RunbookEjectArgs,
    RunbookPlanArgs, RunbookResumeArgs, RunbookRunArgs, RunbookStatusArgs,
};
use crate::failure::{Failure, Result};
use crate::output::Output;
use crate::signals::Work;
use crate::view::runbook as view;

pub(super) async fn run(session: &Session, command: RunbookCommand) -> Result<ExitCode> {
    let world = world(session)?;
    match command {
        RunbookCommand::List => list(session, &world),
        RunbookCommand::Show(args) => show(session, &world, &args.runbook),
        RunbookCommand::Plan(args) => Box::pin(look(session, &world, args)).await,
        RunbookCommand::Run(args) => Box::pin(begin(session, &world, args)).await,
        RunbookCommand::Status(args) => status(session, &world, args).await,
        RunbookCommand::Resume(args) => Box::pin(go_on(session, world, args)).await,
        RunbookCommand::Approve(args) => agree(session, &world, args).await,
        RunbookCommand::Abort(args) => Box::pin(give_up(session, world, args)).await,
        RunbookCommand::Eject(args) => eject(session, &world, args),
    }
}

/// The settings, and all that is reached through them.
pub(super) fn world(session: &Session) -> Result<World> {
    let sites = match &session.settings.path {
        Some(path) => Sites::load(path)?,
        None => Sites::default(),
    };
    let config = &session.settings.file;
    Ok(World::new(config.clone(), sites).with_messenger(Arc::new(Announcer::new(config))))
}

/// Inputs by name; the last of a name counts.
pub(super) fn inputs(args: &InputArgs) -> std::collections::BTreeMap<String, String> {
    args.inputs.iter().cloned().collect()
}

fn list(session: &Session, world: &World) -> Result<ExitCode> {
    let entries = library::list(world.sites.runbooks.folder.as_deref());
    let bad = entries.iter().any(|entry| entry.runbook.is_err());
    if session.output.json {
        session.output.document(&view::list(&entries))?;
    } else {
        session.output.report(&view::list_text(&entries))?;
    }
    Ok(if bad { ExitCode::Incomplete } else { ExitCode::Ok })
}

fn show(session: &Session, world: &World, name: &str) -> Result<ExitCode> {
    let runbook = find(world, name)?;
    if session.output.json {
        session.output.document(&view::shown(&runbook))?;
    } else {
        session.output.report(&view::shown_text(&runbook))?;
    }
    Ok(ExitCode::Ok)
}

async fn look(session: &Session, world: &World, args: RunbookPlanArgs) -> Result<ExitCode> {
    let runbook = find(world, &args.runbook.runbook)?;
    let options = RunOptions { inputs: inputs(&args.inputs), ..RunOptions::default() };
    let running = session.begin(Work::Looking)?;
    let plan = plan(world, &runbook, &options, &running.cancel).await?;
    if session.output.json {
        session.output.document(&plan)?;
    } else {
        session.output.report(&view::plan_text(&plan))?;
    }
    Ok(if plan.failures().next().is_some() {
        ExitCode::Failed
    } else if plan.misses_objective() {
        ExitCode::ObjectiveMissed
    } else {
        ExitCode::Ok
    })
}

async fn begin(session: &Session, world: &World, args: RunbookRunArgs) -> Result<ExitCode> {
    let runbook = find(world, &args.runbook.runbook)?;
    let declared = args.moments.declared.unwrap_or_else(jiff::Timestamp::now);
    let mut options = RunOptions {
        inputs: inputs(&args.inputs),
        declared: Some(declared),
        disaster: args.moments.disaster,
        last_write: args.moments.last_write,
        predicted: None,
    };
    let running = session.begin(Work::Runbook)?;
    let plan = plan(world, &runbook, &options, &running.cancel).await?;
    let failures: Vec<String> =
        plan.failures().map(|(step, finding)| format!("{step}: {}", finding.text)).collect();
    if !args.force && !failures.is_empty() {
        return Err(Failure {
            code: ExitCode::Failed,
            message: format!("nothing was begun, since it would fail at {}", failures.join("; ")),
            hint: Some("mend that, or begin all the same with --force".to_owned()),
        });
    }
    options.predicted = plan.predicted_ms.map(std::time::Duration::from_millis);
    let teller = Teller::new(session.output, args.yes);
    let ran = carry_out(world, &runbook, options, &teller, &running.cancel).await?;
    finish(session, &running, &runbook, &ran)
}

async fn status(session: &Session, world: &World, args: RunbookStatusArgs) -> Result<ExitCode> {
    if let Some(run) = &args.run {
        let state = read(world, run).await?;
        let runbook = Runbook::parse(&state.runbook, run, &state.source).map_err(Error::from)?;
        if session.output.json {
            session.output.document(&state)?;
        } else {
            session.output.report(&view::state_text(&runbook, &state))?;
        }
        return Ok(ExitCode::Ok);
    }
    let (all, silent) = runs(world).await?;
    if session.output.json {
        session.output.document(&serde_json::json!({ "runs": all, "silent": silent }))?;
    } else {
        session.output.report(&view::runs_text(&all))?;
    }
    for why in silent {
        session.output.warn(&why);
    }
    Ok(ExitCode::Ok)
}

async fn go_on(session: &Session, mut world: World, args: RunbookResumeArgs) -> Result<ExitCode> {
    let run = &args.run.run;
    world.join(run).await?;
    for (steps, done) in [(&args.done, true), (&args.again, false)] {
        for step in steps {
            settle(&world, run, step, done).await?;
        }
    }
    let running = session.begin(Work::Runbook)?;
    let teller = Teller::new(session.output, args.yes);
    let ran = resume(&world, run, &teller, &running.cancel).await?;
    let runbook =
        Runbook::parse(&ran.state.runbook, run, &ran.state.source).map_err(Error::from)?;
    if ran.state.drill.is_some() {
        let drilled = Box::pin(conclude(&mut world, ran, &running.cancel)).await?;
        return drill::told(session, &running, &runbook, &drilled);
    }
    finish(session, &running, &runbook, &ran)
}

async fn agree(session: &Session, world: &World, args: RunbookApproveArgs) -> Result<ExitCode> {
    approve(world, &args.run.run, &args.step).await?;
    session.output.report(&format!(
        "{} may begin; `lifeboat runbook resume {}` goes on, unless somebody carries it on\n",
        args.step, args.run.run
    ))?;
    Ok(ExitCode::Ok)
}

async fn give_up(session: &Session, mut world: World, args: RunbookAbortArgs) -> Result<ExitCode> {
    world.join(&args.run.run).await?;
    let running = session.begin(Work::Runbook)?;
    let teller = Teller::new(session.output, false);
    let ran = abort(&world, &args.run.run, args.undo, &teller, &running.cancel).await?;
    let runbook =
        Runbook::parse(&ran.state.runbook, &ran.run, &ran.state.source).map_err(Error::from)?;
    let code = finish(session, &running, &runbook, &ran)?;
    // That it was given up is what was wanted.
    Ok(if matches!(ran.ending, Ending::Finished(_)) { ExitCode::Ok } else { code })
}

fn eject(session: &Session, world: &World, args: RunbookEjectArgs) -> Result<ExitCode> {
    let folder = args.dir.or_else(|| world.sites.runbooks.folder.clone()).ok_or_else(|| {
        Failure::usage(
            "no folder is given",
            "give --dir DIR, or set runbooks.folder in lifeboat.toml",
        )
    })?;
    let path = library::eject(&folder, &args.runbook)?;
    session.output.report(&format!("{}\n", path.display()))?;
    Ok(ExitCode::Ok)
}

/// Says how a run ended, and what to do next.
fn finish(session: &Session, running: &Running, runbook: &Runbook, ran: &Ran) -> Result<ExitCode> {
    if session.output.json {
        session.output.message(&view::ended(ran))?;
    } else {
        session.output.report(&view::ended_text(runbook, ran))?;
    }
    warn_of_silent(session, ran);
    Ok(code(running, &ran.ending))
}

/// Says where the journal of a run could not be written.
pub(super) fn warn_of_silent(session: &Session, ran: &Ran) {
    for why in &ran.silent {
        session.output.warn(&format!("the journal is not everywhere: {why}"));
    }
}

/// The exit code that tells of how a run ended.
pub(super) fn code(running: &Running, ending: &Ending) -> ExitCode {
    match ending {
        Ending::Finished(Outcome::Succeeded) => ExitCode::Ok,
        Ending::Finished(Outcome::Incomplete) | Ending::Waiting(_) => ExitCode::Incomplete,
        Ending::Interrupted => running.signals.exit_code(),
        _ => ExitCode::Failed,
    }
}

/// Tells whoever watches of every record, and asks them.
pub(super) struct Teller {
    output: Output,
    yes: bool,
    began: std::time::Instant,
}

impl Teller {
    pub(super) fn new(output: Output, yes: bool) -> Self {
        Self { output, yes, began: std::time::Instant::now() }
    }
}

impl Observer for Teller {
    fn record(&self, run: &str, runbook: &Runbook, record: &Record) {
        let told = if self.output.json {
            self.output.message(&view::told(run, record))
        } else {
            self.output.report(&view::record_text(run, runbook, record, self.began.elapsed()))
        };
        // Somebody who does not listen any more is no reason to stop a recovery.
        let _ = told;
    }

    fn approve<'a>(&'a self, step: &'a Step) -> BoxFuture<'a, Option<String>> {
        let question = step.approval.clone().unwrap_or_default();
        let asks = !self.output.json && std::io::stdin().is_terminal();
        Box::pin(async move {
            if self.yes {
                return Some(format!("{} (--yes)", who()));
            }
            if !asks {
                return None;
            }
            let answer = tokio::task::spawn_blocking(move || {
                let mut stderr = std::io::stderr();
                let _ = write!(stderr, "{question} [y/N] ");
                let _ = stderr.flush();
                let mut answer = String::new();
                let _ = std::io::stdin().read_line(&mut answer);
                answer
            });
            let answer = answer.await.unwrap_or_default();
            matches!(answer.trim(), "y" | "Y" | "yes").then(who)
        })
    }
}

fn who() -> String {
    std::env::var("USER").unwrap_or_else(|_| "somebody at the terminal".to_owned())
}
