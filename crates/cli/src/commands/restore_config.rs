//! `lifeboat restore config`: shows what differs, asks when files would be replaced, does it.

use lifeboat::ExitCode;
use lifeboat::restore_config::{
    ConfigPlan, ConfigRestoreOptions, Destination, plan_config, restore_config,
};
use lifeboat::select::Selector;

use super::restore::ask;
use super::{Running, Session};
use crate::args::{DestinationArgs, RestoreConfigArgs};
use crate::failure::Result;
use crate::signals::Work;
use crate::view::place::Place;
use crate::view::restore_config::{Plan, Summary, plan_text, text};

impl From<DestinationArgs> for Destination {
    fn from(args: DestinationArgs) -> Self {
        match (args.in_place, args.to) {
            (false, Some(folder)) => Self::Folder(folder),
            (_, folder) => Self::InPlace(folder),
        }
    }
}

pub(super) async fn run(session: &Session, args: RestoreConfigArgs) -> Result<ExitCode> {
    let vaults = session.settings.vaults(&args.vault)?;
    let running = session.begin(Work::RestoreConfig)?;
    let found = match &args.backup {
        Selector::Latest => running.or_stop(vaults.find_config()).await?,
        named => running.or_stop(vaults.find(named)).await?,
    };
    session.warn_of(found.fallback.as_ref());
    let place = Place::new(&found.region, found.fallback.as_ref());
    let options = ConfigRestoreOptions {
        vault: found.vault,
        manifest: found.manifest,
        destination: args.destination.into(),
    };
    let plan = show_plan(session, &running, &options, place, args.dry_run).await?;
    if args.dry_run {
        session.output.note("nothing was done: this was a dry run");
        return Ok(if plan.refused().next().is_some() {
            ExitCode::Incomplete
        } else {
            ExitCode::Ok
        });
    }
    confirm(&running, &plan, args.yes).await?;
    carry_out(session, &running, &options).await
}

/// Compares, and shows how it came out.
pub(super) async fn show_plan(
    session: &Session,
    running: &Running,
    options: &ConfigRestoreOptions,
    place: Place,
    dry_run: bool,
) -> Result<ConfigPlan> {
    let plan = running.or_stop(plan_config(options)).await?;
    session.output.message(&Plan::new(&plan, place, dry_run))?;
    session.output.report(&plan_text(&plan, dry_run, session.output.colour))?;
    Ok(plan)
}

/// Asks before files are replaced.
pub(super) async fn confirm(running: &Running, plan: &ConfigPlan, yes: bool) -> Result<()> {
    if yes || plan.replaces() == 0 {
        return Ok(());
    }
    let what = crate::units::many(plan.replaces() as u64, "file");
    ask(running, &format!("{what} would be replaced"), "backup", plan.manifest.name.as_str()).await
}

/// Restores, and tells what was done.
pub(super) async fn carry_out(
    session: &Session,
    running: &Running,
    options: &ConfigRestoreOptions,
) -> Result<ExitCode> {
    let display = running.show();
    let result = restore_config(options, &running.progress, &running.cancel).await;
    drop(display);
    let report = result.map_err(|error| running.explain(error))?;
    for (target, reason) in report.plan.refused() {
        session.output.warn(&format!("{} was not restored: {reason}", target.display()));
    }
    session.output.message(&Summary::new(&report))?;
    session.output.report(&text(&report))?;
    let refused = report.plan.refused().next().is_some();
    Ok(if refused { ExitCode::Incomplete } else { ExitCode::Ok })
}
