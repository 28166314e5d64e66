//! `lifeboat prune`.

use lifeboat::ExitCode;
use lifeboat::prune::{PruneOptions, prune};

use super::Session;
use crate::args::PruneArgs;
use crate::failure::Result;
use crate::signals::Work;
use crate::view::prune::Pruned;

pub(super) async fn run(session: &Session, args: &PruneArgs) -> Result<ExitCode> {
    let vaults = session.settings.vaults(&args.vault)?;
    let regions = vaults.pruning()?;
    let mut retention = session.settings.file.retention.clone();
    if let Some(days) = args.retention_days {
        retention.days = days;
    }
    let options = PruneOptions {
        grace: args.grace.unwrap_or_else(|| retention.grace()),
        retention,
        dry_run: args.dry_run,
        release: args.release_hold.clone(),
    };
    let running = session.begin(Work::Prune)?;
    let report =
        prune(&regions, &options, &running.cancel).await.map_err(|error| running.explain(error))?;
    let pruned = Pruned::new(&report, args.dry_run);
    if session.output.json {
        session.output.document(&pruned)?;
    } else {
        session.output.report(&pruned.text())?;
    }
    for warning in pruned.warnings() {
        session.output.warn(&warning);
    }
    Ok(if report.is_complete() { ExitCode::Ok } else { ExitCode::Incomplete })
}
