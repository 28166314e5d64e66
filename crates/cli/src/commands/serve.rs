//! `lifeboat serve`.

use std::path::Path;

use lifeboat::ExitCode;
use lifeboat_runbook::sites::Sites;
use lifeboat_service::jobs::Equipment;
use lifeboat_service::service::{Options, serve, state_folder};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::Session;
use crate::args::{DatabaseArgs, ServeArgs, StateArgs, VaultArgs};
use crate::failure::{Failure, Result};
use crate::settings::Settings;
use crate::signals::Work;

pub(super) async fn run(session: &Session, args: ServeArgs) -> Result<ExitCode> {
    let equipment = equipment(&session.settings, &args.database, &args.vault)?;
    let running = session.begin(Work::Serving)?;
    let (state, listen) = (folder(&session.settings, &args.state), args.listen);
    let (ask, reload) = mpsc::channel(1);
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            // One that waits is enough.
            let _ = ask.try_send(());
        }
    });
    let path = session.settings.path.clone();
    let load = move || reload_from(path.as_deref(), &args);
    let options = Options {
        state,
        listen,
        equipment,
        load: Box::new(load),
        reload,
        stop: running.cancel.clone(),
    };
    serve(options).await?;
    Ok(running.signals.exit_code())
}

/// The folder of a service's state.
pub(super) fn folder(settings: &Settings, args: &StateArgs) -> std::path::PathBuf {
    let env = |name: &str| std::env::var(name).ok();
    args.state.clone().unwrap_or_else(|| state_folder(&settings.file.service, &env))
}

/// What the service works with, as the settings and the command line say.
pub(super) fn equipment(
    settings: &Settings,
    database: &DatabaseArgs,
    vault: &VaultArgs,
) -> Result<Equipment> {
    let vaults = settings.vaults(vault)?;
    let folder = settings.path.as_deref().and_then(Path::parent);
    let sites = match &settings.path {
        Some(path) => Sites::load(path)?,
        None => Sites::default(),
    };
    Ok(Equipment {
        config: settings.file.clone(),
        sites,
        folder: folder.filter(|path| path.is_dir()).unwrap_or(Path::new(".")).to_owned(),
        target: settings.optional_target(database)?,
        vault: vaults.writing()?.databases().clone(),
        vaults,
    })
}

fn reload_from(path: Option<&Path>, args: &ServeArgs) -> Result<Equipment, String> {
    let words = |failure: Failure| match failure.hint {
        Some(hint) => format!("{}; {hint}", failure.message),
        None => failure.message,
    };
    Settings::load(path)
        .and_then(|settings| equipment(&settings, &args.database, &args.vault))
        .map_err(words)
}
