//! `lifeboat show`.

use jiff::Timestamp;
use lifeboat::ExitCode;
use lifeboat::select::select;

use super::Session;
use crate::args::ShowArgs;
use crate::failure::Result;
use crate::signals::Work;
use crate::view;

pub(super) async fn run(session: &Session, args: &ShowArgs) -> Result<ExitCode> {
    let vault = session.settings.vault(&args.vault)?;
    let running = session.begin(Work::Looking)?;
    let manifest = running.or_stop(select(&vault, &args.backup)).await?;
    if session.output.json {
        session.output.document(&view::show::json(&manifest))?;
    } else {
        let text = view::show::text(&manifest, &vault.to_string(), Timestamp::now());
        session.output.print(&text)?;
    }
    Ok(ExitCode::Ok)
}
