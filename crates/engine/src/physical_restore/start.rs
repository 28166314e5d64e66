//! Starting the real server after a restore, with the command that its operator uses.

use std::process::Stdio;
use std::time::{Duration, Instant};

use lifeboat_bolt::Connection;
use tokio::process::Command;

use super::trial::check_last_tx;
use crate::{Error, Result, Target};

/// How often a starting server is asked.
const POLL: Duration = Duration::from_millis(250);

/// How to start the server, and where to ask it.
#[derive(Debug, Clone)]
pub struct Start {
    /// A line for the shell that starts the server and may end before it answers.
    pub command: String,
    /// A line that stops it again, for when it does not do.
    pub stop_command: Option<String>,
    /// Where it will answer.
    pub server: Target,
    /// How long it may take to recover and answer.
    pub patience: Duration,
}

impl Start {
    /// Starts the server, waits until it answers, and asks for its last transaction. Others may
    /// have written by then: it must not be before the one expected.
    pub(super) async fn run(&self, last_tx: Option<u64>, databases: &[String]) -> Result<()> {
        shell(&self.command).await?;
        let begin = Instant::now();
        loop {
            match Connection::connect(&self.server.config).await {
                Ok(connection) => {
                    connection.close().await;
                    break;
                }
                Err(error) if !error.is_retryable() || begin.elapsed() > self.patience => {
                    return Err(Error::Database(error.into()));
                }
                Err(_) => tokio::time::sleep(POLL).await,
            }
        }
        let main = self.server.database.clone();
        let main = main.or_else(|| databases.iter().find(|name| *name != "system").cloned());
        match main {
            Some(main) => check_last_tx(&self.server.config, &main, last_tx, true).await,
            None => Ok(()),
        }
    }

    /// Stops it, if it is told how.
    pub(super) async fn stop(&self) -> Result<()> {
        match &self.stop_command {
            Some(command) => shell(command).await,
            None => Ok(()),
        }
    }
}

async fn shell(line: &str) -> Result<()> {
    let failed = |why: String| Error::Command { command: line.to_owned(), why };
    let status = Command::new("sh")
        .args(["-c", line])
        .stdin(Stdio::null())
        // Data on standard output is ours.
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .await
        .map_err(|error| failed(error.to_string()))?;
    if status.success() { Ok(()) } else { Err(failed(status.to_string())) }
}
