//! What can go wrong with an installation or a server process.
//!
//! One enum, since callers rarely branch on it: each message says what failed, on which thing, why,
//! and what to do. Output of the server is carried along (its end only), because the reason for a
//! failed start is nearly always in there. Arguments given as secret never are.

use std::{io, path::PathBuf, time::Duration};

/// A failure to find, start, stop or administer a Neo4j server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The folder holds no Neo4j.
    #[error("{} is no Neo4j installation: {why}; give the folder that holds `lib/` with Neo4j's jars", path.display())]
    NotAnInstallation {
        /// The folder that was looked at.
        path: PathBuf,
        /// What was missing.
        why: String,
    },

    /// The installation can be read but a server of it cannot be started by this program.
    #[error("cannot start Neo4j {version} at {}: {why}", path.display())]
    Unsupported {
        /// The installation's folder.
        path: PathBuf,
        /// Its version.
        version: String,
        /// What is not supported, and what to do.
        why: String,
    },

    /// No suitable Java was found in any of the usual places.
    #[error(
        "Neo4j {version} needs {wanted}, and none was found ({looked}); install one, or set JAVA_HOME"
    )]
    NoJava {
        /// The Neo4j version.
        version: String,
        /// The wanted Java, in words.
        wanted: &'static str,
        /// Where it was looked for, and what was there instead.
        looked: String,
    },

    /// The Java that was asked for cannot run this Neo4j.
    #[error("{} {found}, but Neo4j {version} needs {wanted}; choose another Java", path.display())]
    WrongJava {
        /// The Java's home.
        path: PathBuf,
        /// What it is: its version, or why it is no Java.
        found: String,
        /// The Neo4j version.
        version: String,
        /// The wanted Java, in words.
        wanted: &'static str,
    },

    /// A server runs on this home already.
    #[error("a Neo4j server is running on {}{}; stop it first", home.display(), pid.map(|p| format!(" (process {p})")).unwrap_or_default())]
    AlreadyRunning {
        /// The home in use.
        home: PathBuf,
        /// The process that holds its lock, when it can be seen from here.
        pid: Option<u32>,
    },

    /// A setting cannot be written to a configuration file.
    #[error("the setting {name:?} cannot be written to neo4j.conf: {why}")]
    BadSetting {
        /// The setting's name.
        name: String,
        /// Why not.
        why: &'static str,
    },

    /// The server process ended before it answered.
    #[error("Neo4j on {} ended before it answered ({status}); the end of its output:\n{output}", home.display())]
    StartFailed {
        /// The home it ran on.
        home: PathBuf,
        /// How the process ended.
        status: String,
        /// The last lines of its output and log.
        output: String,
    },

    /// The server did not answer in time; it was killed.
    #[error("Neo4j on {} did not answer within {} s and was killed; give it more time or look at the end of its output:\n{output}", home.display(), after.as_secs())]
    StartTimeout {
        /// The home it ran on.
        home: PathBuf,
        /// How long was waited.
        after: Duration,
        /// The last lines of its output and log.
        output: String,
    },

    /// An administration command ended with a failure.
    #[error("`neo4j-admin {command}` failed ({status}):\n{output}")]
    Admin {
        /// The command line without its secrets.
        command: String,
        /// How the process ended.
        status: String,
        /// The end of what it printed.
        output: String,
    },

    /// The operating system refused something.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was being done, as a verb.
        action: &'static str,
        /// To which file, folder or program.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

impl Error {
    /// Turns an I/O error into one that says what was done to what.
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }

    /// Whether the server failed because another program had one of its ports.
    pub(crate) fn is_port_clash(&self) -> bool {
        let (Self::StartFailed { output, .. } | Self::StartTimeout { output, .. }) = self else {
            return false;
        };
        output.contains("Address already in use") || output.contains("PortBindException")
    }
}
