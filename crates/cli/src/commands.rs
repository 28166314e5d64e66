//! One file a command: settings in, engine, report out.

mod alerts;
mod backup;
mod backup_config;
mod bulk;
mod config;
mod config_service;
mod diagnose;
mod doctor;
mod documents;
mod drill;
mod fence;
mod handbook;
mod home;
mod jobs;
mod key;
mod list;
mod prune;
mod replicate;
mod restore;
mod restore_config;
mod restore_set;
mod runbook;
mod serve;
mod sets;
mod ship;
mod show;
mod status;
mod verify;

use std::sync::Arc;

use lifeboat::vaults::Fallback;
use lifeboat::{CancellationToken, Error, ExitCode, Progress};

use crate::args::{Cli, Command, ConfigCommand, RestoreCommand, RestoreOf};
use crate::failure::{Failure, Result};
use crate::output::Output;
use crate::progress::{Display, Seen};
use crate::settings::Settings;
use crate::signals::{Signals, Work};

/// What every command has at hand.
struct Session {
    output: Output,
    settings: Settings,
}

/// Work that can be interrupted, and that shows how far it is.
struct Running {
    progress: Arc<Progress>,
    cancel: CancellationToken,
    signals: Arc<Signals>,
    output: Output,
    seen: Arc<Seen>,
}

impl Session {
    /// Says that another vault than the active one is read.
    fn warn_of(&self, fallback: Option<&Fallback>) {
        if let Some(fallback) = fallback {
            self.output.warn(&fallback.to_string());
        }
    }

    /// Begins work: from here on, signals ask it to stop.
    fn begin(&self, work: Work) -> Result<Running> {
        let (cancel, seen) = (CancellationToken::new(), Arc::new(Seen::default()));
        let signals = Signals::watch(work, self.output, Arc::clone(&seen), cancel.clone())?;
        let progress = Arc::new(Progress::default());
        Ok(Running { progress, cancel, signals, output: self.output, seen })
    }
}

impl Running {
    /// Shows progress for as long as the answer lives.
    fn show(&self) -> Display {
        Display::start(self.output, Arc::clone(&self.progress), Arc::clone(&self.seen))
    }

    /// Waits for work that knows nothing of interruption, which may be dropped at any point.
    async fn or_stop<T, E>(&self, work: impl Future<Output = Result<T, E>>) -> Result<T>
    where
        Failure: From<E>,
    {
        tokio::select! {
            result = work => result.map_err(Failure::from),
            () = self.cancel.cancelled() => Err(self.explain(Error::Interrupted)),
        }
    }

    /// A failure, which knows by which signal it was interrupted.
    fn explain(&self, error: Error) -> Failure {
        let mut failure = Failure::from(error);
        if failure.code == ExitCode::Interrupted {
            failure.code = self.signals.exit_code();
        }
        failure
    }
}

/// Runs a command.
pub(crate) async fn run(cli: Cli, output: Output) -> Result<ExitCode> {
    match cli.command {
        Command::Completions(args) => return documents::completions(&args, output),
        Command::Man(args) => return documents::man(&args, output),
        _ => {}
    }
    let settings = Settings::load(cli.global.config.as_deref())?;
    let session = Session { output, settings };
    match cli.command {
        Command::Backup(args) => backup::run(&session, args).await,
        Command::List(args) => list::run(&session, &args).await,
        Command::Show(args) => show::run(&session, &args).await,
        Command::Verify(args) => verify::run(&session, &args).await,
        Command::Restore(command) => match *command {
            RestoreCommand::Database(args) => Box::pin(restore::run(&session, args)).await,
            RestoreCommand::Of(RestoreOf::Config(args)) => {
                Box::pin(restore_config::run(&session, args)).await
            }
            RestoreCommand::Of(RestoreOf::Set(args)) => {
                Box::pin(restore_set::run(&session, args)).await
            }
        },
        Command::Replicate(args) => Box::pin(replicate::run(&session, args)).await,
        Command::Prune(args) => prune::run(&session, &args).await,
        Command::Ship(args) => ship::run(&session, &args).await,
        Command::Status(args) => status::run(&session, &args).await,
        Command::Doctor(args) => doctor::run(&session, &args).await,
        Command::Runbook(command) => Box::pin(runbook::run(&session, command)).await,
        Command::Drill(command) => Box::pin(drill::run(&session, command)).await,
        Command::Fence(command) => fence::run(&session, command).await,
        Command::Diagnose(args) => Box::pin(diagnose::run(&session, &args)).await,
        Command::Handbook(args) => handbook::run(&session, &args),
        Command::Serve(args) => serve::run(&session, args).await,
        Command::Jobs(command) => jobs::run(&session, command).await,
        Command::Alerts(command) => alerts::run(&session, command).await,
        Command::Key(command) => key::run(&session, command).await,
        Command::Config(ConfigCommand::Check(args)) => config::check(&session, &args),
        Command::Completions(_) | Command::Man(_) => Ok(ExitCode::Ok),
    }
}
