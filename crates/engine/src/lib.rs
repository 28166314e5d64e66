//! Lifeboat's verbs as a library. The command line and the service call these; each is one file.
//!
//! A verb takes its options, does the whole job and answers with a report; progress is read from a
//! [`Progress`] that it shares. Interruption is asked for through a token: a verb stops at a safe
//! place, tidies up, and answers [`Error::Interrupted`].

mod archive;
pub mod backup;
pub mod bulk;
pub mod config;
pub mod config_backup;
pub mod doctor;
mod error;
pub mod physical_backup;
pub mod physical_restore;
pub mod prune;
pub mod replicate;
pub mod restore;
pub mod restore_config;
pub mod select;
pub mod sets;
pub mod ship;
pub mod status;
#[cfg(test)]
mod testing;
pub mod trial;
pub mod vaults;
pub mod verify;

use lifeboat_neo4j::logical::Source;

pub use error::{Error, ExitCode, Result};
pub use lifeboat_archive as format;
pub use lifeboat_bolt as bolt;
pub use lifeboat_neo4j as neo4j;
pub use lifeboat_neo4j::{Phase, Progress};
pub use lifeboat_vault as vault;
pub use tokio_util::sync::CancellationToken;

/// A database on a server: what is backed up, and where a backup is restored to.
#[derive(Debug, Clone)]
pub struct Target {
    /// How to reach the server.
    pub config: lifeboat_bolt::Config,
    /// The database; the server's default when not given.
    pub database: Option<String>,
}

impl Target {
    /// The graph in it, as it is read: by a few streams at once.
    pub fn source(&self) -> Source {
        Source { config: self.config.clone(), database: self.database.clone(), threads: threads() }
    }
}

/// This program, as manifests name it.
pub fn tool() -> lifeboat_archive::Tool {
    lifeboat_archive::Tool {
        name: "lifeboat".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// Threads for work that keeps processors busy: all there are, at most eight.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get).min(8)
}
