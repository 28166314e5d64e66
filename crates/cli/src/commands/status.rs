//! `lifeboat status`.

use lifeboat::ExitCode;
use lifeboat::status::status;

use super::Session;
use crate::args::StatusArgs;
use crate::failure::Result;
use crate::signals::Work;
use crate::view::status::Status;

pub(super) async fn run(session: &Session, args: &StatusArgs) -> Result<ExitCode> {
    let vault = session.settings.vault(&args.vault)?;
    let home =
        args.neo4j_home.clone().or_else(|| session.settings.file.database.neo4j_home.clone());
    let running = session.begin(Work::Looking)?;
    let report = running.or_stop(status(&vault, home.as_deref())).await?;
    let rpo = args.rpo.or(session.settings.file.objectives.rpo);
    let status = Status::new(&report, &vault.to_string(), rpo);
    if session.output.json {
        session.output.document(&status)?;
    } else {
        session.output.print(&status.text())?;
    }
    let missed = rpo.is_some_and(|rpo| !report.meets(rpo));
    Ok(if missed { ExitCode::ObjectiveMissed } else { ExitCode::Ok })
}
