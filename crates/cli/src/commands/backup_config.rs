//! `lifeboat backup config` and `lifeboat backup all`.

use std::path::Path;

use jiff::Timestamp;
use lifeboat::ExitCode;
use lifeboat::config_backup::{ConfigBackupOptions, backup_config};
use lifeboat::sets::SetName;

use super::Session;
use crate::args::BackupArgs;
use crate::failure::{Failure, Result};
use crate::signals::Work;
use crate::view::config_backup::{Summary, text};

/// Makes a backup of the configuration.
pub(super) async fn run(session: &Session, args: &BackupArgs) -> Result<ExitCode> {
    let settings = &session.settings;
    let folder = settings.path.as_deref().and_then(Path::parent);
    let options = ConfigBackupOptions {
        section: settings.file.config_backup.clone(),
        neo4j_home: settings.file.database.neo4j_home.clone(),
        folder: folder.filter(|path| path.is_dir()).unwrap_or(Path::new(".")).to_owned(),
        vault: settings.vaults(&args.vault)?.writing()?.configs().clone(),
        name: args.name.clone(),
        compression: args.compression.unwrap_or_default(),
        notes: args.note.clone(),
    };
    let vault = options.vault.to_string();
    let running = session.begin(Work::Backup)?;
    let display = running.show();
    let result = backup_config(options, &running.progress, &running.cancel).await;
    drop(display);
    let report = result.map_err(|error| running.explain(error))?;
    session.output.message(&Summary::new(&report, &vault))?;
    session.output.report(&text(&report.manifest, report.took, &vault))?;
    if !report.is_incomplete() {
        return Ok(ExitCode::Ok);
    }
    let config = report.manifest.config.as_ref();
    for left in config.iter().flat_map(|config| &config.incomplete) {
        session.output.warn(&format!("{} is not in the backup: {}", left.path, left.reason));
    }
    Ok(ExitCode::Incomplete)
}

/// Makes a backup of the database and one of the configuration, and binds them. When one of them
/// cannot be made, the other is, and the set is not whole.
pub(super) async fn run_all(session: &Session, mut args: BackupArgs) -> Result<ExitCode> {
    if args.name.is_some() {
        return Err(Failure::usage(
            "two backups cannot have one name",
            "leave --name out: `lifeboat backup all` names the set by its time",
        ));
    }
    let set = SetName::at(Timestamp::now());
    args.note.push(set.note());
    let config = run(session, &args).await;
    if let Err(failure) = &config {
        if matches!(failure.code, ExitCode::Interrupted | ExitCode::Terminated | ExitCode::Usage) {
            return config;
        }
        session.output.warn(&format!("the configuration was not backed up: {}", failure.message));
    }
    let database = super::backup::run_database(session, args).await;
    match (config, database) {
        (Ok(config), Ok(_)) => {
            session.output.report(&format!("together they are {set}\n"))?;
            Ok(config)
        }
        (Err(_), Ok(_)) => Ok(ExitCode::Incomplete),
        (Ok(_), Err(failure)) => {
            session.output.warn(&format!("{set} is not whole: its database is missing"));
            Err(failure)
        }
        (Err(_), Err(failure)) => Err(failure),
    }
}
