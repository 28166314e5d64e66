//! `lifeboat show`.

use jiff::Timestamp;
use lifeboat::ExitCode;

use super::sets::set_named;
use super::{Session, sets};
use crate::args::ShowArgs;
use crate::failure::Result;
use crate::signals::Work;
use crate::view;
use crate::view::place::Place;

pub(super) async fn run(session: &Session, args: &ShowArgs) -> Result<ExitCode> {
    let vaults = session.settings.vaults(&args.vault)?;
    let running = session.begin(Work::Looking)?;
    if let Some(set) = set_named(&args.backup) {
        return sets::show(session, &running, &vaults, &set).await;
    }
    let found = running.or_stop(vaults.find(&args.backup)).await?;
    session.warn_of(found.fallback.as_ref());
    let certified = running.or_stop(found.vault.certificate(&found.manifest.name)).await?;
    let certified = certified.as_ref();
    if session.output.json {
        let place = Place::new(&found.region, found.fallback.as_ref());
        session.output.document(&view::show::json(&found.manifest, certified, &place))?;
    } else {
        let vault = found.vault.to_string();
        let text = view::show::text(&found.manifest, certified, &vault, Timestamp::now());
        session.output.print(&text)?;
    }
    Ok(ExitCode::Ok)
}
