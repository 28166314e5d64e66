//! `lifeboat restore`: shows what it will do, asks when data would go, does it.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use jiff::Timestamp;
use lifeboat::ExitCode;
use lifeboat::restore::{RestoreOptions, plan, restore};
use lifeboat::select::Selector;

use super::{Running, Session};
use crate::args::RestoreArgs;
use crate::failure::{Failure, Result};
use crate::signals::Work;
use crate::view;
use crate::view::place::Place;

pub(super) async fn run(session: &Session, args: RestoreArgs) -> Result<ExitCode> {
    if let Some(home) = args.into_home.clone() {
        return if args.bulk {
            super::bulk::run(session, args, home).await
        } else {
            super::home::run(session, args, home).await
        };
    }
    let vaults = session.settings.vaults(&args.vault)?;
    let target = session.settings.target(&args.database)?;
    let running = session.begin(Work::Restore)?;
    let found = running.or_stop(vaults.find(&args.backup.unwrap_or(Selector::Latest))).await?;
    session.warn_of(found.fallback.as_ref());
    let place = Place::new(&found.region, found.fallback.as_ref());
    let options = RestoreOptions {
        vault: found.vault,
        // What was found is what is done, whatever has become the latest meanwhile.
        backup: Selector::Name(found.manifest.name),
        target,
        replace: args.replace,
        compression: args.compression,
    };
    let server = options.target.config.uri.to_string();
    let planned = running.or_stop(plan(&options)).await?;
    session.output.message(&view::restore::Plan::new(&planned, &server, place, args.dry_run))?;
    session.output.report(&view::restore::plan_text(&planned, &server, Timestamp::now()))?;
    if args.dry_run {
        session.output.note("nothing was done: this was a dry run");
        return Ok(ExitCode::Ok);
    }
    if planned.replaces && !args.yes {
        let name = planned.target.name.as_str();
        ask(&running, &format!("the database {name} would be replaced"), "database", name).await?;
    }
    carry_out(session, &running, &options, &server).await
}

/// Restores, and tells what was done.
pub(super) async fn carry_out(
    session: &Session,
    running: &Running,
    options: &RestoreOptions,
    server: &str,
) -> Result<ExitCode> {
    let display = running.show();
    let result = restore(options, &running.progress, &running.cancel).await;
    drop(display);
    let report = result.map_err(|error| running.explain(error))?;
    session.output.message(&view::restore::Summary::new(&report))?;
    session.output.report(&view::restore::text(&report, server))?;
    Ok(ExitCode::Ok)
}

/// Asks for the name of what is at stake, which nobody types by accident.
pub(super) async fn ask(running: &Running, what: &str, kind: &str, name: &str) -> Result<()> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Failure::refused(
            format_args!("{what}, and there is nobody to ask"),
            "give --yes to replace without being asked",
        ));
    }
    let question = format!("{what}. Type the name of the {kind} ({name}) to go on: ");
    let answer = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        write!(io::stderr(), "{question}")?;
        io::stderr().flush()?;
        io::stdin().lock().read_line(&mut line).map(|_| line)
    });
    let answer = async { answer.await.map_err(io::Error::other)? };
    if running.or_stop(answer).await?.trim() == name {
        return Ok(());
    }
    Err(Failure::refused(
        "nothing was replaced: that is not its name",
        "nothing was changed; run the command again",
    ))
}
