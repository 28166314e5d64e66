//! `lifeboat doctor`.

use lifeboat::ExitCode;
use lifeboat::doctor::{Outcome, doctor};

use super::Session;
use crate::args::DoctorArgs;
use crate::failure::{Failure, Result};
use crate::signals::Work;
use crate::view;

pub(super) async fn run(session: &Session, args: &DoctorArgs) -> Result<ExitCode> {
    let target = session.settings.optional_target(&args.database)?;
    let vault = session.settings.optional_vault(&args.vault)?;
    if target.is_none() && vault.is_none() {
        return Err(Failure::usage(
            "there is nothing to check: neither a database nor a vault is given",
            "give --uri or --vault, or set LIFEBOAT_URI or LIFEBOAT_VAULT, or write lifeboat.toml",
        ));
    }
    let running = session.begin(Work::Looking)?;
    let diagnosis = running
        .or_stop(async { Ok::<_, Failure>(doctor(target.as_ref(), vault.as_ref()).await) })
        .await?;
    if session.output.json {
        session.output.document(&view::doctor::json(&diagnosis))?;
    } else {
        let ascii = !view::doctor::speaks_utf8();
        session.output.report(&view::doctor::text(&diagnosis, ascii, session.output.colour))?;
        if target.is_none() {
            session.output.note("the database was not checked: give --uri");
        }
        if vault.is_none() {
            session.output.note("the vault was not checked: give --vault");
        }
    }
    Ok(if diagnosis.outcome() == Outcome::Failed { ExitCode::Failed } else { ExitCode::Ok })
}
