//! `lifeboat prune`.

use std::time::Duration;

use lifeboat::ExitCode;
use lifeboat::prune::{PruneOptions, prune};

use super::Session;
use crate::args::PruneArgs;
use crate::failure::Result;
use crate::signals::Work;
use crate::view::prune::Pruned;

pub(super) async fn run(session: &Session, args: &PruneArgs) -> Result<ExitCode> {
    let vault = session.settings.vault(&args.vault)?;
    let days = args.retention_days.or(session.settings.file.retention.days);
    let options = PruneOptions {
        retention: days.map(|days| Duration::from_secs(u64::from(days) * 86_400)),
        grace: args.grace,
        dry_run: args.dry_run,
    };
    let running = session.begin(Work::Prune)?;
    let report = running.or_stop(prune(&vault, options)).await?;
    let pruned = Pruned::new(&report, &vault.to_string(), args.dry_run);
    if session.output.json {
        session.output.document(&pruned)?;
    } else {
        session.output.report(&pruned.text())?;
    }
    Ok(ExitCode::Ok)
}
