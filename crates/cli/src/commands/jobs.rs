//! `lifeboat jobs …`: what a running service does, through the socket in its folder.

use std::time::Duration;

use jiff::Timestamp;
use lifeboat::ExitCode;
use lifeboat_service::api::MAX_WAIT;
use lifeboat_service::client::Client;
use lifeboat_service::event::Event;
use lifeboat_service::run::{Run, Status};
use lifeboat_service::snapshot::{JobView, Snapshot};
use serde_json::Value;

use super::{Running, Session, serve};
use crate::args::{
    JobsCommand, JobsEventsArgs, JobsHistoryArgs, JobsNameArgs, JobsRunArgs, StateArgs,
};
use crate::failure::{Failure, Result};
use crate::signals::Work;
use crate::view::jobs::{History, List, line};

/// How often is looked whether a run has ended.
const LOOK: Duration = Duration::from_millis(500);

pub(super) async fn run(session: &Session, command: JobsCommand) -> Result<ExitCode> {
    let running = session.begin(Work::Looking)?;
    match command {
        JobsCommand::List(args) => list(session, &client(session, &args.state)).await,
        JobsCommand::History(args) => history(session, &args).await,
        JobsCommand::Events(args) => events(session, &running, &args).await,
        JobsCommand::Run(args) => begin(session, &running, &args).await,
        JobsCommand::Pause(args) => operate(session, &args, "pause", "is paused").await,
        JobsCommand::Resume(args) => operate(session, &args, "resume", "is resumed").await,
    }
}

fn client(session: &Session, args: &StateArgs) -> Client {
    Client::new(&serve::folder(&session.settings, args))
}

async fn list(session: &Session, client: &Client) -> Result<ExitCode> {
    let snapshot: Snapshot = client.get("/api/v1/status").await?;
    if session.output.json {
        session.output.document(&snapshot)?;
    } else {
        session.output.print(&List(&snapshot).text(Timestamp::now()))?;
    }
    Ok(ExitCode::Ok)
}

async fn history(session: &Session, args: &JobsHistoryArgs) -> Result<ExitCode> {
    let job = args.job.map(|job| format!("&job={job}")).unwrap_or_default();
    let route = format!("/api/v1/runs?limit={}{job}", args.limit);
    let runs: Vec<Run> = client(session, &args.state).get(&route).await?;
    if session.output.json {
        session.output.document(&serde_json::json!({ "runs": runs }))?;
    } else {
        session.output.print(&History(&runs).text())?;
    }
    Ok(ExitCode::Ok)
}

async fn events(session: &Session, running: &Running, args: &JobsEventsArgs) -> Result<ExitCode> {
    let client = client(session, &args.state);
    let mut after = args.after;
    loop {
        let wait = if args.follow { MAX_WAIT } else { 0 };
        let route = format!("/api/v1/events?limit=1000&after={after}&wait={wait}");
        let events: Vec<Event> = running.or_stop(client.get(&route)).await?;
        for event in &events {
            session.output.message(event)?;
            if !session.output.json {
                session.output.print(&line(event))?;
            }
        }
        match events.last() {
            Some(last) => after = last.number,
            None if args.follow => {}
            None => return Ok(ExitCode::Ok),
        }
    }
}

async fn operate(
    session: &Session,
    args: &JobsNameArgs,
    action: &str,
    words: &str,
) -> Result<ExitCode> {
    let route = format!("/api/v1/jobs/{}/{action}", args.job);
    let view: JobView = client(session, &args.state).post(&route).await?;
    if session.output.json {
        session.output.document(&view)?;
    } else {
        session.output.report(&format!("{} {words}\n", args.job))?;
    }
    Ok(ExitCode::Ok)
}

async fn begin(session: &Session, running: &Running, args: &JobsRunArgs) -> Result<ExitCode> {
    let client = client(session, &args.state);
    let begun: Value = client.post(&format!("/api/v1/jobs/{}/run", args.job)).await?;
    let id = begun["run"].as_str().unwrap_or_default().to_owned();
    if !args.wait {
        session.output.message(&begun)?;
        session
            .output
            .report(&format!("{id} has begun; `lifeboat jobs history` tells its end\n"))?;
        return Ok(ExitCode::Ok);
    }
    session.output.note(&format!("{id} has begun"));
    let run = running.or_stop(end(&client, &id)).await?;
    session.output.message(&run)?;
    let message = run.message.clone().unwrap_or_default();
    match run.status {
        Status::Succeeded => {
            session.output.report(&format!("{message}\n"))?;
            Ok(ExitCode::Ok)
        }
        Status::Incomplete => {
            session.output.report(&format!("{message}\n"))?;
            Ok(ExitCode::Incomplete)
        }
        status => Err(Failure {
            code: ExitCode::Failed,
            message: format!("{id} {}: {message}", status.name()),
            hint: None,
        }),
    }
}

/// Waits for the end of a run.
async fn end(client: &Client, id: &str) -> Result<Run, lifeboat_service::Error> {
    loop {
        match client.get::<Run>(&format!("/api/v1/runs/{id}")).await {
            Ok(run) if run.status.is_end() => return Ok(run),
            // It is in the history once it has really begun.
            Ok(_) | Err(lifeboat_service::Error::Refused { status: 404, .. }) => {}
            Err(error) => return Err(error),
        }
        tokio::time::sleep(LOOK).await;
    }
}
