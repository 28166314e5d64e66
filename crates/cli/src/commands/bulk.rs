//! `lifeboat restore --bulk`: into the home of a stopped server.

use std::path::PathBuf;

use lifeboat::ExitCode;
use lifeboat::bulk::{BulkRestoreOptions, restore_bulk};
use lifeboat::select::Selector;

use super::Session;
use crate::args::RestoreArgs;
use crate::failure::{Failure, Result};
use crate::signals::Work;
use crate::view;

pub(super) async fn run(session: &Session, args: RestoreArgs, home: PathBuf) -> Result<ExitCode> {
    if args.replace && !args.yes {
        return Err(Failure::refused(
            format_args!("a database in {} would be replaced", home.display()),
            "give --yes as well; the old database is kept beside, in the home's data folder",
        ));
    }
    let vaults = session.settings.vaults(&args.vault)?;
    let running = session.begin(Work::Restore)?;
    let found = running.or_stop(vaults.find(&args.backup.unwrap_or(Selector::Latest))).await?;
    session.warn_of(found.fallback.as_ref());
    let options = BulkRestoreOptions {
        vault: found.vault,
        backup: Selector::Name(found.manifest.name),
        installation: args.neo4j.unwrap_or_else(|| home.clone()),
        home,
        java: args.java,
        database: args.database.database,
        replace: args.replace,
    };
    let display = running.show();
    let result = restore_bulk(&options, &running.progress, &running.cancel).await;
    drop(display);
    let report = result.map_err(|error| running.explain(error))?;
    session.output.message(&view::restore::Summary::bulk(&report))?;
    session.output.report(&view::restore::bulk_text(&report, &options.home))?;
    Ok(ExitCode::Ok)
}
