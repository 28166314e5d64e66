//! Neo4j's transaction logs, read from outside: which transactions there are, when each was
//! committed and where it ends.
//!
//! A log is a folder of files `neostore.transaction.db.N`, written one after the other. A file is
//! a header ([`LogHeader`]) and then entries, back to back; what follows the last one is zeros that
//! were allocated ahead. Beside them `checkpoint.N` tell from where a recovery has to replay
//! ([`Checkpoint`]).
//!
//! **What a transaction did is not understood here, and need not be.** It is a start entry, some
//! commands and a commit entry, which carries the CRC-32C of everything since the start. Commands
//! tell no lengths, and new kinds come with new servers. So the end is found by its checksum: the
//! first place that reads like a commit entry with a plausible id, and whose checksum is that of
//! all the bytes since the start, is the end ([`Transactions`]). A command would have to hold a
//! forgery of its own transaction's checksum to be taken for one. The same works on every server
//! that writes such entries, with any commands, and what is torn is never taken for a transaction.
//!
//! Learnt from Neo4j's public sources, and measured on 5.26.18 and 2026.09.0. Numbers in headers
//! are big-endian, in entries little-endian:
//!
//! ```text
//! start entry    kernel version u8 · type 1 · time i64 · … (differs between versions)
//! commands       each: kernel version u8 · type 3 · …
//! commit entry   kernel version u8 · type 5 · transaction id i64 · commit time i64 (ms) · CRC-32C u32
//! ```

mod checkpoint;
mod folder;
mod header;
mod transactions;

use std::io;
use std::path::PathBuf;

pub use checkpoint::{Checkpoint, latest_checkpoint};
pub use folder::{LogEnd, LogFolder};
pub use header::{HEADER_SIZE, LogHeader};
pub use lifeboat_archive::LogPosition;
pub use transactions::{Stop, Transaction, Transactions};

/// Why transaction logs cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// A file or folder.
    #[error("cannot read {}: {error}; check the path and the rights", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// There is no log.
    #[error(
        "{} holds no transaction log; is it the folder of a database's transaction logs, and has \
         the server ever run?",
        folder.display()
    )]
    NoLog {
        /// The folder.
        folder: PathBuf,
    },
    /// A file is no transaction log.
    #[error("{} is not a transaction log of Neo4j: {why}", path.display())]
    NotALog {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl LogError {
    fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |error| Self::Io { path, error }
    }
}
