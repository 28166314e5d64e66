//! `lifeboat alerts …`: what is wrong, as a running service knows it.

use jiff::Timestamp;
use lifeboat::ExitCode;
use lifeboat_service::alerts::Tested;
use lifeboat_service::alerts::alert::Alert;
use lifeboat_service::client::Client;

use super::{Session, serve};
use crate::args::{AlertsAckArgs, AlertsCommand, AlertsListArgs, AlertsTestArgs, StateArgs};
use crate::failure::{Failure, Result};
use crate::signals::Work;
use crate::view::alerts::{List, outcomes};

pub(super) async fn run(session: &Session, command: AlertsCommand) -> Result<ExitCode> {
    let running = session.begin(Work::Looking)?;
    match command {
        AlertsCommand::List(args) => list(session, &args).await,
        AlertsCommand::Ack(args) => acknowledge(session, &args).await,
        AlertsCommand::Test(args) => running.or_stop(test(session, &args)).await,
    }
}

fn client(session: &Session, args: &StateArgs) -> Client {
    Client::new(&serve::folder(&session.settings, args))
}

async fn list(session: &Session, args: &AlertsListArgs) -> Result<ExitCode> {
    let route = format!("/api/v1/alerts?all={}&limit={}", args.all, args.limit);
    let alerts: Vec<Alert> = client(session, &args.state).get(&route).await?;
    if session.output.json {
        session.output.document(&serde_json::json!({ "alerts": alerts }))?;
    } else {
        session.output.print(&List(&alerts).text(Timestamp::now()))?;
    }
    Ok(ExitCode::Ok)
}

async fn acknowledge(session: &Session, args: &AlertsAckArgs) -> Result<ExitCode> {
    let route = format!("/api/v1/alerts/{}/ack", args.number);
    let alert: Alert = client(session, &args.state).post(&route).await?;
    if session.output.json {
        session.output.document(&alert)?;
    } else {
        let Alert { number, what, .. } = &alert;
        session.output.report(&format!("alert {number} is acknowledged: {what}\n"))?;
    }
    Ok(ExitCode::Ok)
}

async fn test(session: &Session, args: &AlertsTestArgs) -> Result<ExitCode> {
    let only = args.channel.as_ref().map(|name| format!("?channel={name}")).unwrap_or_default();
    let route = format!("/api/v1/alerts/test{only}");
    let tested: Vec<Tested> = client(session, &args.state).post(&route).await?;
    if session.output.json {
        session.output.document(&serde_json::json!({ "channels": tested }))?;
    } else {
        session.output.print(&outcomes(&tested))?;
    }
    let failed: Vec<_> = tested
        .iter()
        .filter(|tested| tested.error.is_some())
        .map(|tested| tested.channel.as_str())
        .collect();
    if failed.is_empty() {
        return Ok(ExitCode::Ok);
    }
    Err(Failure {
        code: ExitCode::Failed,
        message: format!("the test did not arrive by {}", failed.join(", ")),
        hint: Some("[alerts.channel.…] in the settings says where it goes".to_owned()),
    })
}
