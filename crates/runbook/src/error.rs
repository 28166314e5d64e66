//! What a step, and what a run, can fail with.

use std::path::PathBuf;
use std::time::Duration;

use lifeboat::ExitCode;

use crate::dns::DnsError;
use crate::document::DocumentError;
use crate::platform::PlatformError;

/// A result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// A value that only a later step knows.
    #[error("{reference} is not known yet")]
    NotYet {
        /// What was asked for.
        reference: String,
    },
    /// A value that is not of its kind.
    #[error("{0}")]
    Value(String),
    /// A setting is missing.
    #[error(
        "the environment {environment} has no {setting}; set it under [environment.{environment}] in lifeboat.toml"
    )]
    Setting {
        /// The environment.
        environment: String,
        /// What is missing.
        setting: &'static str,
    },
    /// There is no such environment.
    #[error("there is no [environment.{name}] in lifeboat.toml; there are: {known}")]
    NoEnvironment {
        /// The one that was asked for.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// A setting is missing that belongs to no environment.
    #[error("{what} needs {section} in lifeboat.toml")]
    Section {
        /// What needs it.
        what: &'static str,
        /// What is missing.
        section: &'static str,
    },
    /// A verb.
    #[error(transparent)]
    Verb(#[from] lifeboat::Error),
    /// A server that should answer.
    #[error("the database of the environment {environment} does not answer at {address}: {why}")]
    Database {
        /// The environment.
        environment: String,
        /// Where it was asked.
        address: String,
        /// Why not.
        why: String,
    },
    /// Services.
    #[error(transparent)]
    Platform(#[from] PlatformError),
    /// DNS.
    #[error(transparent)]
    Dns(#[from] DnsError),
    /// Something that must hold does not.
    #[error("{what}: {found}")]
    Condition {
        /// What must hold.
        what: String,
        /// What was found instead.
        found: String,
    },
    /// A command.
    #[error("`{command}` {why}")]
    Command {
        /// The program, without its arguments.
        command: String,
        /// How it failed.
        why: String,
    },
    /// People who should hear of it.
    #[error("nobody could be told: {0}")]
    Untold(String),
    /// A file.
    #[error("cannot {action} {}: {error}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// It took too long.
    #[error("it was not done within {} s; give the step a longer timeout if that is to be expected", .0.as_secs())]
    Timeout(Duration),
    /// Refused, to protect what is there.
    #[error("refused: {0}")]
    Guard(String),
    /// Somebody asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl StepError {
    /// Whether another attempt may do better.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::NotYet { .. }
            | Self::Value(_)
            | Self::Setting { .. }
            | Self::NoEnvironment { .. }
            | Self::Section { .. }
            | Self::Guard(_)
            | Self::Interrupted => false,
            Self::Verb(error) => !matches!(
                error.exit_code(),
                ExitCode::Interrupted
                    | ExitCode::GuardRefused
                    | ExitCode::WrongKey
                    | ExitCode::Usage
            ),
            _ => true,
        }
    }

    /// Whether it only says that somebody asked to stop.
    pub fn is_interruption(&self) -> bool {
        match self {
            Self::Interrupted => true,
            Self::Verb(error) => error.exit_code() == ExitCode::Interrupted,
            _ => false,
        }
    }
}

/// Why a run, or what is done with one, failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The runbook.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// Settings.
    #[error(transparent)]
    Config(#[from] lifeboat::config::ConfigError),
    /// A verb.
    #[error(transparent)]
    Verb(#[from] lifeboat::Error),
    /// A step, outside of a run.
    #[error(transparent)]
    Step(#[from] StepError),
    /// There is no such runbook.
    #[error("there is no runbook {name}; `lifeboat runbook list` shows those that there are")]
    NoRunbook {
        /// The one that was asked for.
        name: String,
    },
    /// An input cannot be used.
    #[error("the input {name}: {reason}; give it as --input {name}=VALUE")]
    Input {
        /// Its name.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// There is no such run.
    #[error(
        "there is no run {run} here or in the vaults; `lifeboat runbook status` shows those that there are"
    )]
    NoRun {
        /// The one that was asked for.
        run: String,
    },
    /// There is no such step.
    #[error("the run {run} has no step {step}; `lifeboat runbook status {run}` shows its steps")]
    NoStep {
        /// The run.
        run: String,
        /// The one that was asked for.
        step: String,
    },
    /// A run is not where it would have to be.
    #[error("the run {run} {why}")]
    State {
        /// The run.
        run: String,
        /// What it is, and what to do.
        why: String,
    },
    /// Somebody else carries on the same run.
    #[error(
        "somebody else carries on the run {run} ({by}); this process has stopped. `lifeboat \
         runbook status {run}` shows how far it is"
    )]
    Taken {
        /// The run.
        run: String,
        /// Who.
        by: String,
    },
    /// The journal can be written nowhere.
    #[error(
        "the journal of the run {run} can be written nowhere: {why}; nothing is done that is not \
         written down first: mend the place, then `lifeboat runbook resume {run}`"
    )]
    Journal {
        /// The run.
        run: String,
        /// Why not.
        why: String,
    },
    /// A record that is none.
    #[error("the record {number} of the run {run} in {place} cannot be read: {why}")]
    Record {
        /// The run.
        run: String,
        /// Which record.
        number: u32,
        /// Where.
        place: String,
        /// What is wrong.
        why: String,
    },
    /// A report that is not what was signed.
    #[error(
        "{name} of the run {run} in {place} is not to be trusted: {problem}; compare it with the \
         one in the other vault, and delete it when that one is good"
    )]
    Changed {
        /// The run.
        run: String,
        /// Which form.
        name: String,
        /// Where.
        place: String,
        /// What is wrong with it.
        problem: lifeboat::vault::SignatureProblem,
    },
    /// A drill that would touch what is in use.
    #[error("the drill is refused, since it would touch production: {0}")]
    Production(String),
    /// A drill needs something that there is not.
    #[error("{0}")]
    Drill(String),
    /// A file.
    #[error("cannot {action} {}: {error}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// Somebody asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl From<lifeboat::vault::Error> for Error {
    fn from(error: lifeboat::vault::Error) -> Self {
        Self::Verb(error.into())
    }
}

impl Error {
    /// The exit code that tells of this error.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Verb(error) | Self::Step(StepError::Verb(error)) => error.exit_code(),
            Self::Document(_)
            | Self::Config(_)
            | Self::NoRunbook { .. }
            | Self::Input { .. }
            | Self::NoStep { .. }
            | Self::NoRun { .. } => ExitCode::Usage,
            Self::Step(StepError::Guard(_)) | Self::Production(_) | Self::State { .. } => {
                ExitCode::GuardRefused
            }
            Self::Taken { .. } => ExitCode::Locked,
            Self::Interrupted => ExitCode::Interrupted,
            _ => ExitCode::Failed,
        }
    }
}
