//! `lifeboat backup`.

use lifeboat::ExitCode;
use lifeboat::backup::{BackupOptions, backup};

use super::{Session, backup_config};
use crate::args::{BackupArgs, What};
use crate::failure::Result;
use crate::signals::Work;
use crate::view;

pub(super) async fn run(session: &Session, args: BackupArgs) -> Result<ExitCode> {
    match args.what {
        What::Database => run_database(session, args).await,
        What::Config => backup_config::run(session, &args).await,
        What::All => backup_config::run_all(session, args).await,
    }
}

/// Makes a backup of the database.
pub(super) async fn run_database(session: &Session, args: BackupArgs) -> Result<ExitCode> {
    let options = BackupOptions {
        source: session.settings.target(&args.database)?,
        vault: session.settings.vault(&args.vault)?,
        name: args.name,
        compression: args.compression,
        notes: args.note,
    };
    let vault = options.vault.to_string();
    let running = session.begin(Work::Backup)?;
    let display = running.show();
    let result = backup(options, &running.progress, &running.cancel).await;
    drop(display);
    let report = result.map_err(|error| running.explain(error))?;
    for warning in view::backup::warnings(&report.manifest) {
        session.output.warn(&warning);
    }
    session.output.message(&view::backup::Summary::new(&report, &vault))?;
    session.output.report(&view::backup::text(&report.manifest, report.took, &vault))?;
    Ok(ExitCode::Ok)
}
