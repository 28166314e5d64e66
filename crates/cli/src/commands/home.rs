//! `lifeboat restore --into-home`: a physical backup into the home of a stopped server.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use lifeboat::ExitCode;
use lifeboat::physical_restore::{
    HomeRestoreOptions, Start, check_stopped, plan_home, restore_home,
};
use lifeboat::select::Selector;
use lifeboat::ship::Until;

use super::Session;
use super::restore::ask;
use crate::args::RestoreArgs;
use crate::failure::Result;
use crate::signals::Work;
use crate::view;
use crate::view::place::Place;

/// How long a started server may take to recover and answer.
const PATIENCE: Duration = Duration::from_hours(1);

pub(super) async fn run(session: &Session, args: RestoreArgs, home: PathBuf) -> Result<ExitCode> {
    let start = match args.home.start_command {
        None => None,
        Some(command) => Some(Start {
            command,
            stop_command: args.home.stop_command,
            server: session.settings.target(&args.database)?,
            patience: PATIENCE,
        }),
    };
    let until = match (args.home.until, args.home.until_tx) {
        (Some(time), _) => Until::Time(time),
        (None, Some(tx)) => Until::Tx(tx),
        (None, None) => Until::Latest,
    };
    let backup = match args.backup {
        None | Some(Selector::Latest) => Selector::Physical,
        Some(named) => named,
    };
    let vaults = session.settings.vaults(&args.vault)?;
    let running = session.begin(Work::Restore)?;
    let found = running.or_stop(vaults.find(&backup)).await?;
    session.warn_of(found.fallback.as_ref());
    let place = Place::new(&found.region, found.fallback.as_ref());
    let mut options = HomeRestoreOptions {
        vault: found.vault,
        backup,
        until,
        home,
        database: args.home.only,
        installation: args.neo4j,
        java: args.java,
        check: !args.home.no_check,
        start,
    };
    let plan = running.or_stop(plan_home(&options)).await?;
    session.output.message(&view::home::Plan::new(&plan, place, args.dry_run))?;
    session.output.report(&view::home::plan_text(&plan, Timestamp::now()))?;
    if args.dry_run {
        session.output.note("nothing was done: this was a dry run");
        return Ok(ExitCode::Ok);
    }
    check_stopped(&options.home)?;
    if plan.version.is_none() && options.start.is_none() {
        session.output.warn(
            "what is restored will not be tried, because nothing tells how to start a server: \
             give --neo4j DIR or --start-command",
        );
    }
    if plan.replaces && !args.yes {
        let name = options.database.clone();
        let main = plan.manifest.database.as_ref().map(|database| database.name.clone());
        let name = name.or(main).unwrap_or_default();
        let what = format!("the data in {} would be replaced", options.home.display());
        ask(&running, &what, "database", &name).await?;
    }
    // What was shown is what is done.
    options.backup = Selector::Name(plan.manifest.name);
    let display = running.show();
    let result = restore_home(&options, &running.progress, &running.cancel).await;
    drop(display);
    let report = result.map_err(|error| running.explain(error))?;
    session.output.message(&view::home::Summary::new(&report))?;
    session.output.report(&view::home::text(&report, &options.home))?;
    Ok(ExitCode::Ok)
}
