//! What a verb can fail with, and the exit code that says so to a script.

use std::path::PathBuf;

use lifeboat_archive::{BackupKind, BackupName};

use crate::sets::SetName;

/// A result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a verb failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The vault.
    #[error(transparent)]
    Vault(#[from] lifeboat_vault::Error),
    /// Settings that cannot be used.
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    /// Neither of two vaults can be read.
    #[error("neither vault can be read: {first}; nor the other: {second}")]
    NeitherVault {
        /// What is wrong with the active one.
        first: Box<Error>,
        /// What is wrong with the other.
        second: Box<Error>,
    },
    /// The database.
    #[error(transparent)]
    Database(#[from] lifeboat_neo4j::Error),
    /// An archive that cannot be made.
    #[error(transparent)]
    Archive(#[from] lifeboat_archive::WriteError),
    /// An archive that is not what its manifest says.
    #[error("the backup {name} is damaged: {source}")]
    Damaged {
        /// The backup.
        name: BackupName,
        /// What is wrong.
        source: lifeboat_archive::read::ReadError,
    },
    /// A backup without a database.
    #[error("{name} is not a backup of a database; `lifeboat list` shows which are")]
    NotADatabase {
        /// The backup.
        name: BackupName,
    },
    /// A backup without a configuration.
    #[error("{name} is not a backup of a configuration; `lifeboat list` shows which are")]
    NotAConfiguration {
        /// The backup.
        name: BackupName,
    },
    /// The settings list nothing that belongs to a configuration.
    #[error(
        "the settings do not say what the configuration is; list its files under [config_backup] \
         in lifeboat.toml"
    )]
    NothingToBackUp,
    /// A pattern of files that cannot be used.
    #[error("a pattern of [config_backup] cannot be used: {0}")]
    Pattern(String),
    /// A file of a configuration that cannot be restored.
    #[error(
        "cannot restore {}: {error}; the {written} before it are restored, and the same command \
         goes on",
        path.display()
    )]
    ConfigFile {
        /// The file, folder or link.
        path: PathBuf,
        /// How many were restored.
        written: usize,
        /// Why not.
        error: std::io::Error,
    },
    /// There is no such recovery set.
    #[error(
        "there is no {} in {vault}; make one with `lifeboat backup all`",
        name.as_ref().map_or_else(|| "whole recovery set".to_owned(), ToString::to_string)
    )]
    NoSet {
        /// The vault.
        vault: String,
        /// The one that was asked for, unless any would have done.
        name: Option<SetName>,
    },
    /// A half of a recovery set is missing.
    #[error(
        "the recovery set {name} in {vault} is not whole: its {half} backup is missing; `lifeboat \
         list` shows what there is of it, to be restored by its own name"
    )]
    HalfASet {
        /// The set.
        name: SetName,
        /// The vault.
        vault: String,
        /// What is missing.
        half: BackupKind,
    },
    /// There is nothing to choose from.
    #[error("there is no usable backup in {vault}; {hint}")]
    NoBackup {
        /// The vault.
        vault: String,
        /// What to do.
        hint: String,
    },
    /// A restore failed after the old data had been removed, and the old data is back.
    #[error(
        "the restore failed and the old data was put back from the safety backup {safety}: {cause}"
    )]
    RolledBack {
        /// The safety backup, which is kept.
        safety: BackupName,
        /// Why the restore failed.
        cause: Box<Error>,
    },
    /// A restore failed after the old data had been removed, and so did putting it back.
    #[error(
        "the restore failed ({cause}), and putting the old data back failed as well ({rollback}); \
         the old data is safe in the vault as {safety}: restore it with \
         `lifeboat restore {safety} --replace`"
    )]
    NotRolledBack {
        /// The safety backup, which holds the old data.
        safety: BackupName,
        /// Why the restore failed.
        cause: Box<Error>,
        /// Why the rollback failed.
        rollback: Box<Error>,
    },
    /// A restore failed, and the database could not be emptied again.
    #[error(
        "the restore failed ({cause}), and the database could not be emptied again ({rollback}); \
         it holds a part of the backup: restore with --replace once the cause is mended"
    )]
    NotCleared {
        /// Why the restore failed.
        cause: Box<Error>,
        /// Why emptying failed.
        rollback: Box<Error>,
    },
    /// A bulk restore would replace a database.
    #[error(
        "{} exists; use --replace to put the backup in its place (the old one is kept beside)",
        folder.display()
    )]
    DatabaseExists {
        /// The database's folder.
        folder: std::path::PathBuf,
    },
    /// A folder of a database cannot be moved or removed.
    #[error("cannot {action} {}: {error}", folder.display())]
    Folder {
        /// What was tried.
        action: &'static str,
        /// The folder.
        folder: std::path::PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// A hold was to be ended that there is not.
    #[error("{name} is not the reason of a hold; `lifeboat prune --dry-run` tells which backup is")]
    NotHeld {
        /// The backup.
        name: BackupName,
    },
    /// A trial restore needs a server that there is not.
    #[error(
        "a trial restore needs a Neo4j to start; name the folder that holds its lib with --neo4j, \
         or as verify.neo4j in lifeboat.toml"
    )]
    NoInstallation,
    /// What was unpacked for a trial is not what it should be.
    #[error(
        "{path}, unpacked from {name}, is not what was backed up; check the disk of the folder"
    )]
    Unpacked {
        /// The backup.
        name: BackupName,
        /// The entry.
        path: String,
    },
    /// Something that must hold of a restored database does not.
    #[error("the invariant {name:?} does not hold of the restored database: {found}")]
    Invariant {
        /// Its name.
        name: String,
        /// What was found instead.
        found: String,
    },
    /// Transaction logs that are shipped, or read back.
    #[error(transparent)]
    Ship(#[from] crate::ship::ShipError),
    /// A physical backup needs the server's files.
    #[error(
        "a physical backup needs the server's files; give --neo4j-home DIR, or set \
         database.neo4j_home in lifeboat.toml"
    )]
    NoHome,
    /// The version of the server that wrote the files cannot be told.
    #[error(
        "cannot tell which version of Neo4j keeps its data in {}: {why}; give --uri of the \
         running server, or the folder of its `lib` with --neo4j",
        home.display()
    )]
    UnknownServer {
        /// The server's home.
        home: std::path::PathBuf,
        /// Why it cannot be told.
        why: String,
    },
    /// A logical backup cannot go into a home as files.
    #[error(
        "{name} is a logical backup; restore it into a running server with \
         `lifeboat restore {name}`, or into this home with --bulk"
    )]
    NotPhysical {
        /// The backup.
        name: BackupName,
    },
    /// A physical backup cannot be restored over Bolt.
    #[error(
        "{name} is a physical backup; restore it into the home of a stopped server with \
         `lifeboat restore {name} --into-home DIR`"
    )]
    NotLogical {
        /// The backup.
        name: BackupName,
    },
    /// A point in time cannot be reached from a backup.
    #[error("{until} cannot be reached from {name}: {why}; `lifeboat list` shows the backups")]
    Unreached {
        /// The backup.
        name: BackupName,
        /// Where to.
        until: crate::ship::Until,
        /// Why not.
        why: String,
    },
    /// The server of a home cannot open the store of a backup.
    #[error(
        "a backup of Neo4j {backup} cannot be restored into this home: {why}; the same version or \
         a newer one of the lines 5.26 and 2025 or later will do"
    )]
    VersionRefused {
        /// The version that was backed up.
        backup: String,
        /// Why it does not fit.
        why: String,
    },
    /// One database of a backup cannot be restored by itself.
    #[error(
        "the database {database} of {name} cannot be restored alone: {why}; leave --only out to \
         restore all databases together"
    )]
    NotAlone {
        /// The backup.
        name: BackupName,
        /// The database.
        database: String,
        /// Why not.
        why: String,
    },
    /// A restored store is not at the transaction where it should be.
    #[error(
        "the restored database {database} is at transaction {found}, and should be at {wanted}; \
         restore another backup, and please report this"
    )]
    OtherTransaction {
        /// The database.
        database: String,
        /// The transaction it should be at.
        wanted: u64,
        /// The one it is at.
        found: u64,
    },
    /// A command of the operator's failed.
    #[error("`{command}` failed: {why}")]
    Command {
        /// The command line.
        command: String,
        /// How.
        why: String,
    },
    /// A server did not do on restored data, and the old data is in its place again.
    #[error("the restore failed and the old data was put back: {cause}")]
    HomeRolledBack {
        /// Why the restore failed.
        cause: Box<Error>,
    },
    /// A server did not do on restored data, and the old data could not be put back.
    #[error(
        "the restore failed ({cause}), and the old data could not be put back ({rollback}); it is \
         safe in {}: stop the server and move it back from there",
        kept.display()
    )]
    HomeNotRolledBack {
        /// The folder that keeps the old data.
        kept: std::path::PathBuf,
        /// Why the restore failed.
        cause: Box<Error>,
        /// Why it could not be put back.
        rollback: Box<Error>,
    },
    /// Somebody asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// A task of the program itself came to grief.
    #[error("internal error: {0}; please report it")]
    Internal(String),
}

/// What the process tells its caller; the numbers are part of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// Done.
    Ok = 0,
    /// Failed.
    Failed = 1,
    /// Called wrongly.
    Usage = 2,
    /// Done, but not all of it.
    Incomplete = 3,
    /// The vault does not exist.
    VaultMissing = 10,
    /// Somebody else holds the lease.
    Locked = 11,
    /// The key does not open the backup.
    WrongKey = 12,
    /// Refused, to protect data that is there.
    GuardRefused = 13,
    /// An objective (RTO, RPO) is missed.
    ObjectiveMissed = 14,
    /// Interrupted (Ctrl-C).
    Interrupted = 130,
    /// Terminated.
    Terminated = 143,
}

impl Error {
    /// Whether it tells of the surroundings (the vault, a disk, a key, the settings) and not of the
    /// backup that something was tried with: another backup would have met the same.
    pub fn is_circumstance(&self) -> bool {
        use lifeboat_neo4j::Error as Database;
        use lifeboat_vault::Error as Store;
        match self {
            Self::Vault(error) => !matches!(error, Store::Damaged { .. }),
            Self::NeitherVault { .. }
            | Self::NoInstallation
            | Self::Folder { .. }
            | Self::Config(_)
            | Self::Interrupted
            | Self::Internal(_)
            | Self::Database(
                Database::Scratch(_)
                | Database::Staging(_)
                | Database::File { .. }
                | Database::Home { .. }
                | Database::Interrupted,
            ) => true,
            Self::RolledBack { cause, .. } | Self::HomeRolledBack { cause } => {
                cause.is_circumstance()
            }
            _ => false,
        }
    }

    /// The exit code that tells of this error.
    pub fn exit_code(&self) -> ExitCode {
        use lifeboat_neo4j::Error as Database;
        match self {
            Self::Vault(lifeboat_vault::Error::VaultMissing { .. }) => ExitCode::VaultMissing,
            Self::Vault(lifeboat_vault::Error::NoKey { .. }) => ExitCode::WrongKey,
            Self::Vault(error) if error.is_leased() => ExitCode::Locked,
            Self::Database(
                Database::NotEmpty { .. }
                | Database::ForeignSchema { .. }
                | Database::Server(lifeboat_server::Error::AlreadyRunning { .. }),
            )
            | Self::DatabaseExists { .. }
            | Self::VersionRefused { .. }
            | Self::NotAlone { .. } => ExitCode::GuardRefused,
            Self::Config(_)
            | Self::NoHome
            | Self::Ship(crate::ship::ShipError::Passphrase { .. })
            | Self::Vault(lifeboat_vault::Error::Key(_)) => ExitCode::Usage,
            Self::NeitherVault { first, .. } => first.exit_code(),
            Self::Interrupted | Self::Database(Database::Interrupted) => ExitCode::Interrupted,
            Self::RolledBack { cause, .. } | Self::HomeRolledBack { cause }
                if cause.exit_code() == ExitCode::Interrupted =>
            {
                ExitCode::Interrupted
            }
            _ => ExitCode::Failed,
        }
    }
}
