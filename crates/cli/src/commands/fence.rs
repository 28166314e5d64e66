//! `lifeboat fence`.

use lifeboat::ExitCode;
use lifeboat_runbook::fence;

use super::Session;
use super::runbook::world;
use crate::args::FenceCommand;
use crate::failure::{Failure, Result};

pub(super) async fn run(session: &Session, command: FenceCommand) -> Result<ExitCode> {
    let world = world(session)?;
    let (FenceCommand::Check(args) | FenceCommand::Set(args) | FenceCommand::Lift(args)) = &command;
    // A misspelt name is never fenced.
    let name = &args.environment;
    world.environment(name)?;
    match &command {
        FenceCommand::Check(_) => {
            let mark = fence::look(&world, name).await?;
            if session.output.json {
                session
                    .output
                    .document(&serde_json::json!({ "environment": name, "fence": mark }))?;
            }
            match mark {
                None => {
                    session.output.report(&format!("{name} may serve\n"))?;
                    Ok(ExitCode::Ok)
                }
                Some(mark) => Err(Failure::refused(
                    format_args!(
                        "{name} is fenced since {} by {} (run {}): another environment serves",
                        mark.since, mark.by, mark.run
                    ),
                    format_args!(
                        "keep its services stopped; `lifeboat runbook run failback` leads back, and \
                         `lifeboat fence lift {name}` ends the fence alone"
                    ),
                )),
            }
        }
        FenceCommand::Set(_) => {
            let marked = fence::set(&world, name, "by hand").await?;
            tell(session, name, "fenced", &marked)
        }
        FenceCommand::Lift(_) => {
            let lifted = fence::lift(&world, name, "by hand").await?;
            tell(session, name, "let in again", &lifted)
        }
    }
}

fn tell(session: &Session, name: &str, what: &str, vaults: &[String]) -> Result<ExitCode> {
    if session.output.json {
        session.output.document(&serde_json::json!({ "environment": name, "vaults": vaults }))?;
    } else {
        session
            .output
            .report(&format!("{name} is {what}, as marked in {}\n", vaults.join(", ")))?;
    }
    Ok(ExitCode::Ok)
}
