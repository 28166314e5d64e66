//! `lifeboat fence`.

use lifeboat::ExitCode;
use lifeboat_runbook::fence;

use super::Session;
use super::runbook::world;
use crate::args::FenceCommand;
use crate::failure::{Failure, Result};

pub(super) async fn run(session: &Session, command: FenceCommand) -> Result<ExitCode> {
    let world = world(session)?;
    let known =
        |name: &str| world.environment(name).map(|_| ()).map_err(lifeboat_runbook::Error::from);
    match command {
        FenceCommand::Check(args) => {
            let name = &args.environment;
            known(name).map_err(|failure| *failure)?;
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
        FenceCommand::Set(args) => {
            let marked = fence::set(&world, &args.environment, "by hand").await?;
            tell(session, &args.environment, "fenced", &marked)
        }
        FenceCommand::Lift(args) => {
            let lifted = fence::lift(&world, &args.environment).await?;
            tell(session, &args.environment, "let in again", &lifted)
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
