//! Ctrl-C and SIGTERM: the first asks to stop safely, the second stops at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use lifeboat::{CancellationToken, ExitCode};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::output::{Output, say};
use crate::progress::Seen;

/// What is being done, for what to say of its interruption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Reads only, or is harmless at any point.
    Looking,
    /// A backup.
    Backup,
    /// A restore.
    Restore,
    /// Removing backups.
    Prune,
    /// Copying backups.
    Replicate,
    /// A restore of a configuration.
    RestoreConfig,
    /// The service.
    Serving,
    /// Shipping logs.
    Ship,
    /// A run of a runbook.
    Runbook,
}

/// Which signal came first.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    code: AtomicU8,
}

impl Signals {
    /// The exit code of work that was interrupted.
    pub(crate) fn exit_code(&self) -> ExitCode {
        if self.code.load(Ordering::Relaxed) == ExitCode::Terminated as u8 {
            ExitCode::Terminated
        } else {
            ExitCode::Interrupted
        }
    }

    /// Watches for signals, for as long as the process lives.
    pub(crate) fn watch(
        work: Work,
        output: Output,
        seen: Arc<Seen>,
        cancel: CancellationToken,
    ) -> std::io::Result<Arc<Self>> {
        let signals = Arc::new(Self::default());
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let this = Arc::clone(&signals);
        tokio::spawn(async move {
            let code = first(&mut interrupt, &mut terminate).await;
            this.code.store(code as u8, Ordering::Relaxed);
            cancel.cancel();
            speak(output, stopping(work, seen.has_cleared()));
            let code = first(&mut interrupt, &mut terminate).await;
            speak(output, stopped(work, seen.has_cleared()));
            std::process::exit(i32::from(code as u8));
        });
        Ok(signals)
    }
}

async fn first(interrupt: &mut Signal, terminate: &mut Signal) -> ExitCode {
    tokio::select! {
        _ = interrupt.recv() => ExitCode::Interrupted,
        _ = terminate.recv() => ExitCode::Terminated,
    }
}

fn speak(output: Output, text: &str) {
    if output.json {
        output.warn(text);
    } else {
        say(text);
    }
}

/// Said after the first signal.
fn stopping(work: Work, cleared: bool) -> &'static str {
    match (work, cleared) {
        (Work::Looking, _) => "stopping",
        (Work::Backup, _) => {
            "stopping safely: removing what was stored of this backup; once more stops at once"
        }
        (Work::Restore, false) => {
            "stopping safely: the database has not been touched yet, or is \
             emptied again; once more stops at once"
        }
        (Work::Restore, true) => {
            "stopping safely: putting the old data back; once more stops at \
             once and leaves the database incomplete"
        }
        (Work::Prune, _) => "stopping after this backup; once more stops at once",
        (Work::Replicate, _) => "stopping; what is copied stays, and the next run goes on",
        (Work::RestoreConfig, _) => "stopping between two files; once more stops at once",
        (Work::Serving, _) => "stopping: what is running stops safely; once more stops at once",
        (Work::Runbook, _) => {
            "stopping at a safe point: what is being done is brought to its end or stopped; once \
             more stops at once, and the run can be resumed all the same"
        }
        (Work::Ship, _) => "stopping when what there is has been shipped; once more stops at once",
    }
}

/// Said after the second.
fn stopped(work: Work, cleared: bool) -> &'static str {
    match (work, cleared) {
        (Work::Looking, _) => "stopped",
        (Work::Backup, _) => {
            "stopped; nothing of this backup lists, and `lifeboat prune` removes \
             what it left in the vault"
        }
        (Work::Restore, false) => {
            "stopped; if the restore had begun to write, the database holds \
             a part of the backup: run the restore again with --replace"
        }
        (Work::Restore, true) => {
            "stopped; the database is incomplete. Its old data is in the \
             vault: `lifeboat list` shows it as the newest safety backup, and `lifeboat restore \
             NAME --replace` brings it back"
        }
        (Work::Prune, _) => "stopped; run `lifeboat prune` again",
        (Work::Replicate, _) => {
            "stopped; run `lifeboat replicate` again, in two minutes at the latest"
        }
        (Work::RestoreConfig, _) => "stopped; run the same command again, which goes on",
        (Work::Serving, _) => "stopped; what was running is taken up again by the next start",
        (Work::Runbook, _) => {
            "stopped; `lifeboat runbook status` shows the run, and `lifeboat runbook resume RUN` \
             goes on"
        }
        (Work::Ship, _) => "stopped; the next `lifeboat ship` goes on in the vault where it ends",
    }
}
