//! `lifeboat backup`.

use lifeboat::ExitCode;
use lifeboat::backup::{BackupOptions, backup};
use lifeboat::format::{Compression, Method};
use lifeboat::physical_backup::{PhysicalBackupOptions, physical_backup};

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
    let settings = &session.settings;
    let file = &settings.file.database;
    let home = args.neo4j_home.or_else(|| file.neo4j_home.clone());
    let choice = args.method.or(file.method).unwrap_or_default();
    let (method, why) = choice.choose(home.as_deref())?;
    if let Some(why) = why {
        session.output.note(&format!("the backup is {method}: {why}"));
    }
    let target = match (method, home) {
        (Method::Physical, Some(home)) => {
            From::Physical { home, server: settings.optional_target(&args.database)? }
        }
        _ => From::Logical(settings.target(&args.database)?),
    };
    let vault = settings.vault(&args.vault)?;
    let address = vault.to_string();
    let running = session.begin(Work::Backup)?;
    let display = running.show();
    let result = match target {
        From::Logical(source) => {
            let options = BackupOptions {
                source,
                vault,
                name: args.name,
                compression: args.compression.unwrap_or_default(),
                notes: args.note,
            };
            backup(options, &running.progress, &running.cancel).await
        }
        From::Physical { home, server } => {
            let options = PhysicalBackupOptions {
                home,
                server,
                installation: args.neo4j,
                vault,
                name: args.name,
                compression: args.compression.unwrap_or(Compression::FAST),
                notes: args.note,
                fingerprint: args.fingerprint,
            };
            physical_backup(options, &running.progress, &running.cancel).await
        }
    };
    drop(display);
    let report = result.map_err(|error| running.explain(error))?;
    for warning in view::backup::warnings(&report.manifest) {
        session.output.warn(&warning);
    }
    session.output.message(&view::backup::Summary::new(&report, &address))?;
    session.output.report(&view::backup::text(&report.manifest, report.took, &address))?;
    Ok(ExitCode::Ok)
}

/// What is backed up.
enum From {
    Logical(lifeboat::Target),
    Physical { home: std::path::PathBuf, server: Option<lifeboat::Target> },
}
