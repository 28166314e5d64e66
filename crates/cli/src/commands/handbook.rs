//! `lifeboat handbook`.

use lifeboat::ExitCode;
use lifeboat::config::FILE_NAME;
use lifeboat_runbook::handbook::{html, markdown};

use super::Session;
use super::runbook::world;
use crate::args::{HandbookArgs, HandbookFormat};
use crate::failure::Result;

pub(super) fn run(session: &Session, args: &HandbookArgs) -> Result<ExitCode> {
    let world = world(session)?;
    let settings = session.settings.path.as_deref().and_then(|path| path.file_name());
    let settings = settings.map_or_else(|| FILE_NAME.into(), |name| name.to_string_lossy());
    let text = match args.format {
        HandbookFormat::Html => html(&world, &settings),
        HandbookFormat::Markdown => markdown(&world, &settings),
    };
    session.output.print(&text)?;
    Ok(ExitCode::Ok)
}
