//! What can go wrong between Lifeboat and a database.
//!
//! Each error says what failed, on which thing, why, and what to do next; none carries a secret.

use std::io;

/// A result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong between Lifeboat and a database.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The connection or the server.
    #[error(transparent)]
    Bolt(#[from] lifeboat_bolt::Error),
    /// The server answered, but not as any version known does.
    #[error("unexpected answer of the server: {what}")]
    Unexpected {
        /// What was asked and answered.
        what: String,
    },
    /// The target of a restore holds data.
    #[error(
        "database {database} is not empty: it holds {nodes} nodes and {relationships} \
         relationships; use --replace to replace them (a safety backup is taken first)"
    )]
    NotEmpty {
        /// Name of the database.
        database: String,
        /// Nodes found.
        nodes: u64,
        /// Relationships found.
        relationships: u64,
    },
    /// The target of a restore has constraints or indexes that the backup lacks.
    #[error(
        "database {database} has {count} constraints or indexes that the backup lacks, such as \
         {item}; drop them, or use --replace"
    )]
    ForeignSchema {
        /// Name of the database.
        database: String,
        /// The DDL of one.
        item: String,
        /// How many there are.
        count: usize,
    },
    /// The target's edition or version cannot hold what the backup has.
    #[error("{what} cannot be restored into this server: {why}")]
    Unsupported {
        /// Which constraint, index or value.
        what: String,
        /// What the server said.
        why: String,
    },
    /// Somebody else writes to the database that is being restored.
    #[error(
        "database {database} changes while it is being restored (expected {expected} {what}, \
         found {found}): stop everything that writes to it and restore again"
    )]
    OtherWriter {
        /// Name of the database.
        database: String,
        /// Nodes or relationships.
        what: &'static str,
        /// How many there should be.
        expected: u64,
        /// How many there are.
        found: u64,
    },
    /// The restored graph is not the one that was backed up.
    #[error("the restored graph differs from the backup: {difference}")]
    Different {
        /// The first differences, for people.
        difference: String,
    },
    /// The payload of an archive is not what its manifest promises.
    #[error("{entry}, line {line}: {why}; the backup cannot be restored from this archive")]
    Payload {
        /// Entry of the archive.
        entry: String,
        /// Line, from 1.
        line: u64,
        /// What is wrong.
        why: String,
    },
    /// The archive could not be read.
    #[error("the archive could not be read: {0}")]
    Source(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What was read could not be handed on (the receiver gave up; its own error tells why).
    #[error("the archive could not be written: its writer has stopped")]
    SinkClosed,
    /// A frame could not be made.
    #[error(transparent)]
    Archive(#[from] lifeboat_archive::WriteError),
    /// Temporary space.
    #[error("temporary space for the table of nodes: {0}; set TMPDIR to a folder with free space")]
    Scratch(#[source] io::Error),
    /// Space for the files of a bulk import.
    #[error(
        "staging the bulk import in the home's data folder: {0}; it needs about as much space as the graph measures unpacked"
    )]
    Staging(#[source] io::Error),
    /// The home of a server.
    #[error("home {}: {error}", home.display())]
    Home {
        /// The home.
        home: std::path::PathBuf,
        /// What failed.
        error: io::Error,
    },
    /// The folder given as a server's home is none, or none with data.
    #[error(
        "{} is not the home of a Neo4j server: {why}; give the folder that holds the server's \
         `data` and `conf`",
        home.display()
    )]
    NotAHome {
        /// The folder.
        home: std::path::PathBuf,
        /// What is missing.
        why: String,
    },
    /// A file of a store, read or written beside its server.
    #[error(
        "cannot {action} {}: {error}{}", path.display(), advice(error)
    )]
    File {
        /// What was being done, as a verb.
        action: &'static str,
        /// To which file or folder.
        path: std::path::PathBuf,
        /// Why it failed.
        error: io::Error,
    },
    /// A transaction log.
    #[error(transparent)]
    Log(#[from] crate::txlog::LogError),
    /// Checkpoints came too fast for a copy of the files between two of them.
    #[error(
        "the files of database {database} were read {passes} times, and each time a checkpoint \
         came in between; back up at a quieter time, raise db.checkpoint.interval.time, or use \
         --method logical"
    )]
    Unsettled {
        /// Name of the database.
        database: String,
        /// How many times they were read.
        passes: u32,
    },
    /// An installation or process of Neo4j.
    #[error(transparent)]
    Server(#[from] lifeboat_server::Error),
    /// The operation was interrupted.
    #[error("interrupted")]
    Interrupted,
}

/// What to do about a file that cannot be used.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "; run lifeboat as the user that the server runs as, or as root"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; make room there",
        _ => "",
    }
}

impl Error {
    /// Turns an I/O error into one that says what was done to what.
    pub(crate) fn file(
        action: &'static str,
        path: impl Into<std::path::PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |error| Self::File { action, path, error }
    }

    pub(crate) fn payload(entry: &str, line: u64, why: &impl ToString) -> Self {
        Self::Payload { entry: entry.to_owned(), line, why: why.to_string() }
    }
}

impl From<lifeboat_bolt::packstream::Error> for Error {
    fn from(error: lifeboat_bolt::packstream::Error) -> Self {
        Self::Unexpected { what: error.to_string() }
    }
}
