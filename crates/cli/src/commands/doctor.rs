//! `lifeboat doctor`.

use lifeboat::ExitCode;
use lifeboat::doctor::{Diagnosis, Outcome, doctor, try_immutability};
use lifeboat::vaults::Vaults;

use super::Session;
use crate::args::DoctorArgs;
use crate::failure::{Failure, Result};
use crate::signals::Work;
use crate::view;

pub(super) async fn run(session: &Session, args: &DoctorArgs) -> Result<ExitCode> {
    let target = session.settings.optional_target(&args.database)?;
    let vaults = session.settings.optional_vaults(&args.vault)?;
    let vault = vaults.as_ref().map(Vaults::active);
    if target.is_none() && vault.is_none() {
        return Err(Failure::usage(
            "there is nothing to check: neither a database nor a vault is given",
            "give --uri or --vault, or set LIFEBOAT_URI or LIFEBOAT_VAULT, or write lifeboat.toml",
        ));
    }
    if args.immutability && vault.is_none() {
        return Err(Failure::usage(
            "there is no vault to try it on",
            "give --vault, or set LIFEBOAT_VAULT, or write lifeboat.toml",
        ));
    }
    let running = session.begin(Work::Looking)?;
    let diagnosis = running
        .or_stop(async {
            let mut diagnosis = Diagnosis::default();
            match vault {
                Some(vault) if args.immutability => try_immutability(vault, &mut diagnosis).await,
                vault => diagnosis = doctor(target.as_ref(), vault).await,
            }
            Ok::<_, Failure>(diagnosis)
        })
        .await?;
    if session.output.json {
        session.output.document(&view::doctor::json(&diagnosis))?;
    } else {
        let ascii = !view::doctor::speaks_utf8();
        session.output.report(&view::doctor::text(&diagnosis, ascii, session.output.colour))?;
        if target.is_none() && !args.immutability {
            session.output.note("the database was not checked: give --uri");
        }
        if vault.is_none() {
            session.output.note("the vault was not checked: give --vault");
        }
    }
    Ok(if diagnosis.outcome() == Outcome::Failed { ExitCode::Failed } else { ExitCode::Ok })
}
