//! What the service can fail with. Each error says what to do.

use std::net::SocketAddr;
use std::path::PathBuf;

use lifeboat::ExitCode;
use lifeboat::config::{ConfigError, JobKind};

/// A result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the service cannot be, or why it cannot be spoken to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The folder of the state cannot be made or used.
    #[error(
        "cannot use {} for the service's state: {error}; give another folder with --state, or set \
         service.state", path.display()
    )]
    StateFolder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// Another process has the state.
    #[error(
        "another service is using {}; stop it first, or give each a folder of its own with --state",
        path.display()
    )]
    StateLocked {
        /// The folder.
        path: PathBuf,
    },
    /// The state was written by a later version.
    #[error(
        "{} was written by a later version of this program (format {found}, known is {known}); \
         use that version, or move the file away: no backup depends on it", path.display()
    )]
    StateNewer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The latest that is known.
        known: i64,
    },
    /// The state cannot be read or written.
    #[error(
        "cannot {action} the service's state: {error}; if the file is damaged, move it away: no \
         backup depends on it, and what matters is read from the vault"
    )]
    State {
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        error: rusqlite::Error,
    },
    /// What is in the state makes no sense.
    #[error(
        "the service's state holds {what} that cannot be read: {error}; move the file away: no \
         backup depends on it, and what matters is read from the vault"
    )]
    StateContent {
        /// Which part.
        what: &'static str,
        /// Why not.
        error: serde_json::Error,
    },
    /// The settings ask for a job that cannot be done.
    #[error("[schedule.{job}] cannot be done: it is not configured: {missing}")]
    NotConfigured {
        /// The job.
        job: JobKind,
        /// What is missing, and what to do.
        missing: String,
    },
    /// There is nothing to do.
    #[error(
        "there is no job to do: nothing is configured that could be; set database.uri and \
         vault.primary.url"
    )]
    NoJobs,
    /// A part of the settings cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The vault.
    #[error(transparent)]
    Vault(#[from] lifeboat::vault::Error),
    /// The API cannot listen.
    #[error("cannot listen on {address}: {error}; choose another address with service.listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        error: std::io::Error,
    },
    /// The socket of the API cannot be made.
    #[error("cannot make the socket {}: {error}", path.display())]
    Socket {
        /// Its path.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// TLS cannot be set up.
    #[error("cannot use {} for TLS: {reason}", path.display())]
    Tls {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A token is too easily guessed.
    #[error(
        "the token {name} has fewer than {least} characters; make one with `openssl rand -hex 32`"
    )]
    WeakToken {
        /// Its name.
        name: String,
        /// The least length.
        least: usize,
    },
    /// No service answers.
    #[error(
        "no service answers at {}: {reason}; start one with `lifeboat serve`, or name its folder \
         with --state", path.display()
    )]
    NotRunning {
        /// The socket.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The service answers with a refusal.
    #[error("{message}")]
    Refused {
        /// Its words.
        message: String,
        /// The status of HTTP.
        status: u16,
    },
    /// A task of the program itself came to grief.
    #[error("internal error: {0}; please report it")]
    Internal(String),
}

impl Error {
    /// The exit code that tells of this error.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::NotConfigured { .. }
            | Self::NoJobs
            | Self::Config(_)
            | Self::Tls { .. }
            | Self::WeakToken { .. } => ExitCode::Usage,
            Self::StateLocked { .. } | Self::Refused { status: 409, .. } => ExitCode::Locked,
            Self::Vault(lifeboat::vault::Error::VaultMissing { .. }) => ExitCode::VaultMissing,
            _ => ExitCode::Failed,
        }
    }
}
