//! `lifeboat restore set`: a database, then the configuration that was backed up with it.

use std::sync::Arc;

use jiff::Timestamp;
use lifeboat::format::BackupKind;
use lifeboat::restore::{RestoreOptions, plan};
use lifeboat::restore_config::ConfigRestoreOptions;
use lifeboat::select::Selector;
use lifeboat::sets::find_set;
use lifeboat::verify::{Level, verify};
use lifeboat::{Error, ExitCode};

use super::{Session, restore, restore_config};
use crate::args::RestoreSetArgs;
use crate::failure::Result;
use crate::signals::Work;
use crate::view;
use crate::view::place::Place;

pub(super) async fn run(session: &Session, args: RestoreSetArgs) -> Result<ExitCode> {
    let vaults = session.settings.vaults(&args.vault)?;
    let target = session.settings.target(&args.database)?;
    let running = session.begin(Work::Restore)?;
    let found = running.or_stop(find_set(&vaults, args.set.0.as_ref())).await?.whole()?;
    session.warn_of(found.fallback.as_ref());
    let place = Place::new(&found.region, found.fallback.as_ref());
    let (Some(database), Some(config)) = (found.set.database, found.set.config) else {
        return Err(Error::Internal("a set that was found is not whole".to_owned()).into());
    };
    let database = RestoreOptions {
        vault: found.region.vault(BackupKind::Database).clone(),
        backup: Selector::Name(database.name.clone()),
        target,
        replace: args.replace,
        compression: args.compression,
    };
    let config = ConfigRestoreOptions {
        vault: found.region.vault(BackupKind::Config).clone(),
        manifest: Arc::unwrap_or_clone(config),
        destination: args.destination.into(),
    };

    // All is looked at and shown before anything is touched.
    let server = database.target.config.uri.to_string();
    let planned = running.or_stop(plan(&database)).await?;
    let shown = view::restore::Plan::new(&planned, &server, place.clone(), args.dry_run);
    session.output.message(&shown)?;
    session.output.report(&view::restore::plan_text(&planned, &server, Timestamp::now()))?;
    let files = restore_config::show_plan(session, &running, &config, place, args.dry_run).await?;
    if args.dry_run {
        session.output.note("nothing was done: this was a dry run");
        return Ok(ExitCode::Ok);
    }
    if planned.replaces && !args.yes {
        let name = planned.target.name.as_str();
        let what = format!("the database {name} would be replaced");
        restore::ask(&running, &what, "database", name).await?;
    }
    restore_config::confirm(&running, &files, args.yes).await?;
    // The configuration must have proven itself before the database goes.
    let (level, done) = (Level::Full, |_| {});
    let proven = verify(&config.vault, config.manifest.clone(), level, &done, &running.cancel);
    proven.await.map_err(|error| running.explain(error))?;
    restore::carry_out(session, &running, &database, &server).await?;
    restore_config::carry_out(session, &running, &config).await
}
