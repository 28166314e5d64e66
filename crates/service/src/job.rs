//! A job: a verb of the engine, with what it needs, behind one call that the scheduler knows.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use lifeboat::{CancellationToken, ExitCode, Progress};
use serde_json::{Map, Value};

/// Something that can be run.
#[async_trait]
pub trait Job: Send + Sync {
    /// Does it once. Stops at a safe place when `run.cancel` is cancelled.
    async fn run(&self, run: &RunContext) -> Result<Report, JobError>;
}

/// What a run is given.
#[derive(Debug, Clone, Default)]
pub struct RunContext {
    /// The run's id, as in `backup-17`.
    pub id: String,
    /// The time at which its schedule has it; none when somebody asked, or another job came before.
    pub due: Option<Timestamp>,
    /// Asks the run to stop: at its timeout, or because the service ends.
    pub cancel: CancellationToken,
    /// How far it is.
    pub progress: Arc<Progress>,
}

/// What a run has done.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// One line for people.
    pub message: String,
    /// The same for programs: names, counts, sizes in bytes, times in seconds.
    pub details: Map<String, Value>,
    /// Not all of it could be done.
    pub incomplete: bool,
}

/// Why a run did not do what it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobError {
    /// What failed, on what, why, and what to do.
    pub message: String,
    /// The exit code of the command that does the same.
    pub code: u8,
    /// Whether the cause may pass by itself.
    pub retryable: bool,
}

impl From<lifeboat::Error> for JobError {
    fn from(error: lifeboat::Error) -> Self {
        Self {
            message: error.to_string(),
            code: error.exit_code() as u8,
            retryable: is_retryable(&error),
        }
    }
}

impl From<lifeboat::vault::Error> for JobError {
    fn from(error: lifeboat::vault::Error) -> Self {
        lifeboat::Error::from(error).into()
    }
}

/// Wrong passwords, guards and damage stay what they are; networks, servers and stores come back.
fn is_retryable(error: &lifeboat::Error) -> bool {
    use lifeboat::neo4j::Error as Database;
    match error {
        lifeboat::Error::Vault(error) => error.is_retryable() || error.is_vault_missing(),
        lifeboat::Error::Database(Database::Bolt(error)) => error.is_retryable(),
        lifeboat::Error::Internal(_) => true,
        error => error.exit_code() == ExitCode::Locked,
    }
}
