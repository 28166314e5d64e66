//! `lifeboat drill`.

use lifeboat::ExitCode;
use lifeboat_runbook::drill::{Cleaned, DrillOptions, Drilled, Left, cleanup, drill, left};
use lifeboat_runbook::journal::Outcome;
use lifeboat_runbook::report::{Kept, Report, Trend};
use lifeboat_runbook::{Ending, Runbook, World, find, issues};

use super::runbook::{Teller, code, inputs, warn_of_silent, world};
use super::{Running, Session};
use crate::args::{
    DrillCleanupArgs, DrillCommand, DrillIssuesArgs, DrillReportArgs, DrillRunArgs, ReportFormat,
};
use crate::failure::{Failure, Result};
use crate::signals::Work;
use crate::view::runbook as view;

pub(super) async fn run(session: &Session, command: DrillCommand) -> Result<ExitCode> {
    let world = world(session)?;
    match command {
        DrillCommand::Run(args) => Box::pin(begin(session, world, args)).await,
        DrillCommand::Report(args) => report(session, &world, args).await,
        DrillCommand::Cleanup(args) => Box::pin(clean(session, world, args)).await,
        DrillCommand::Issues(args) => issue(session, &world, args).await,
    }
}

async fn begin(session: &Session, mut world: World, args: DrillRunArgs) -> Result<ExitCode> {
    let runbook = find(&world, &args.runbook)?;
    let options = DrillOptions {
        inputs: inputs(&args.inputs),
        declared: args.moments.declared,
        disaster: args.moments.disaster,
        last_write: args.moments.last_write,
        ttl: args.ttl,
        keep: args.keep,
        owner: args.owner,
    };
    let running = session.begin(Work::Runbook)?;
    let teller = Teller::new(session.output, true);
    let work = drill(&mut world, &runbook, &options, &teller, &running.cancel);
    let drilled = Box::pin(work).await?;
    told(session, &running, &runbook, &drilled)
}

/// Tells how a drill went.
pub(super) fn told(
    session: &Session,
    running: &Running,
    runbook: &Runbook,
    drilled: &Drilled,
) -> Result<ExitCode> {
    let Drilled { ran, measured, missed, cleaned } = drilled;
    if session.output.json {
        session.output.message(&serde_json::json!({
            "message_type": "summary",
            "run": ran.run,
            "measured": measured,
            "missed": missed,
            "cleaned": cleaned,
        }))?;
    } else {
        session.output.report(&view::ended_text(runbook, ran))?;
        session.output.report(&view::measured_text(measured, missed))?;
        if let Some(cleaned) = cleaned {
            session.output.report(&view::cleaned_text(cleaned))?;
        } else if let Some(drill) = &ran.state.drill {
            session.output.report(&view::stays_text(&ran.run, drill.expires))?;
        }
    }
    warn_of_silent(session, ran);
    Ok(verdict(running, &ran.ending, missed, cleaned.as_ref()))
}

fn verdict(
    running: &Running,
    ending: &Ending,
    missed: &[String],
    cleaned: Option<&Cleaned>,
) -> ExitCode {
    let worked = matches!(ending, Ending::Finished(Outcome::Succeeded | Outcome::Incomplete));
    if worked && !missed.is_empty() {
        return ExitCode::ObjectiveMissed;
    }
    match code(running, ending) {
        ExitCode::Ok if cleaned.is_some_and(|cleaned| !cleaned.left.is_empty()) => {
            ExitCode::Incomplete
        }
        code => code,
    }
}

async fn report(session: &Session, world: &World, args: DrillReportArgs) -> Result<ExitCode> {
    let format = if session.output.json { ReportFormat::Json } else { args.format };
    let text = if let Some(run) = &args.run {
        let (report, kept) = Report::kept(world, run).await?;
        match kept {
            Kept::Unsigned => session.output.warn(
                "the report that is kept is not signed, so nobody can tell whether it was changed; \
                 signing.secret_key_file in lifeboat.toml names a key for those to come",
            ),
            Kept::Unchecked => session.output.warn(
                "the signature of the report is not checked, since signing.public_keys in \
                 lifeboat.toml names nobody who is believed",
            ),
            _ => {}
        }
        match format {
            ReportFormat::Markdown => report.markdown(),
            ReportFormat::Html => report.html(),
            ReportFormat::Json => report.json() + "\n",
        }
    } else {
        let trend = Trend::of(world).await?;
        match format {
            ReportFormat::Markdown => trend.markdown(),
            ReportFormat::Html => trend.html(),
            ReportFormat::Json => trend.json() + "\n",
        }
    };
    session.output.print(&text)?;
    Ok(ExitCode::Ok)
}

async fn clean(session: &Session, mut world: World, args: DrillCleanupArgs) -> Result<ExitCode> {
    let now = jiff::Timestamp::now();
    let left = match args.run {
        Some(run) => Left { due: vec![run], stay: Vec::new() },
        None => left(&world, now, now).await?,
    };
    let running = session.begin(Work::Runbook)?;
    let mut all = Vec::new();
    for run in &left.due {
        let cleaned = cleanup(&mut world, run, &running.cancel).await?;
        session.output.report(&view::cleaned_text(&cleaned))?;
        all.push(cleaned);
    }
    for stay in &left.stay {
        session.output.report(&view::stays_text(&stay.run, stay.until))?;
    }
    if all.is_empty() && left.stay.is_empty() {
        session.output.report("no drill has left anything\n")?;
    }
    if session.output.json {
        session.output.document(&serde_json::json!({ "drills": all, "stay": left.stay }))?;
    }
    let left = all.iter().any(|cleaned| !cleaned.left.is_empty());
    Ok(if left { ExitCode::Incomplete } else { ExitCode::Ok })
}

async fn issue(session: &Session, world: &World, args: DrillIssuesArgs) -> Result<ExitCode> {
    if let Some(text) = &args.add {
        let owner = args.owner.as_deref().ok_or_else(|| {
            Failure::usage("nobody would look after it", "name somebody with --owner NAME")
        })?;
        let issue = issues::add(world, None, text, owner).await?;
        return show(session, &[issue]);
    }
    if let Some(id) = &args.close {
        let issue = issues::close(world, id).await?;
        return show(session, &[issue]);
    }
    let mut all = issues::list(world).await?;
    all.retain(|issue| args.all || issue.closed.is_none());
    show(session, &all)
}

fn show(session: &Session, all: &[issues::Issue]) -> Result<ExitCode> {
    if session.output.json {
        session.output.document(&serde_json::json!({ "issues": all }))?;
    } else {
        session.output.report(&view::issues_text(all))?;
    }
    Ok(ExitCode::Ok)
}
