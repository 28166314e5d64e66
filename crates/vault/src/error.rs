//! What can go wrong in a vault, in the words of the person who must act on it.
//!
//! Stores fail in a hundred ways that differ by maker; a caller needs to tell apart only these.
//! Each error names the vault and the object, says why, and says what to do. What a store answered
//! is kept as text from which every secret has been struck out, never as a source: a source would
//! print itself with what it holds.

pub(crate) mod translate;

use std::path::PathBuf;
use std::sync::Arc;

use lifeboat_archive::{BackupName, ManifestError};

use crate::{Holder, KeyError, SignatureProblem};

pub(crate) use translate::Translator;

/// A failure of a vault.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A text is no address of a vault.
    #[error(
        "{address:?} is not the address of a vault: {reason}; write a folder, \
         az://account/container, s3://bucket/prefix or gs://bucket/prefix"
    )]
    Address {
        /// What was given, without what could be a secret.
        address: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// There are no usable credentials, or the vault is otherwise set up wrongly.
    #[error("cannot open the vault {vault}: {reason}; {hint}")]
    Setup {
        /// The vault.
        vault: String,
        /// What is wrong.
        reason: String,
        /// What to do.
        hint: String,
    },
    /// The folder, container or bucket does not exist.
    #[error("the vault {vault} does not exist; {hint}")]
    VaultMissing {
        /// The vault.
        vault: String,
        /// How to make it.
        hint: String,
    },
    /// There is no such backup.
    #[error("there is no backup {name} in {vault}; `lifeboat list` shows which there are")]
    NotFound {
        /// The vault.
        vault: String,
        /// The name asked for.
        name: BackupName,
    },
    /// The name is taken: by a backup, by one being made, or by a file of that name.
    #[error("{object} is already in {vault}; choose another name, or another second")]
    AlreadyExists {
        /// The vault.
        vault: String,
        /// The object in the way.
        object: String,
    },
    /// The store did not answer, or not in time, or was too busy. Trying again may help.
    #[error("cannot {action} {object} in {vault}: {reason}; {hint}")]
    Unreachable {
        /// The vault.
        vault: String,
        /// What was tried: a verb.
        action: &'static str,
        /// On which object.
        object: String,
        /// What happened.
        reason: String,
        /// What to do.
        hint: String,
    },
    /// The store refuses us.
    #[error("may not {action} {object} in {vault}: {reason}; {hint}")]
    Denied {
        /// The vault.
        vault: String,
        /// What was tried: a verb.
        action: &'static str,
        /// On which object.
        object: String,
        /// What the store said.
        reason: String,
        /// What to do.
        hint: String,
    },
    /// The disk is full, or a quota is used up.
    #[error(
        "no space left at {} to {action} {object}; free some (`lifeboat prune` shows what may go) \
         or choose another vault",
        path.display()
    )]
    NoSpace {
        /// The folder that is full.
        path: PathBuf,
        /// What was tried: a verb.
        action: &'static str,
        /// On which object.
        object: String,
    },
    /// A backup is there, and is not what its manifest says, or its manifest cannot be used.
    #[error("the backup {name} in {vault} is damaged: {damage}; use another backup")]
    Damaged {
        /// The vault.
        vault: String,
        /// The backup.
        name: BackupName,
        /// What is wrong with it.
        damage: Damage,
    },
    /// While this backup was being made, it was taken for an abandoned one and discarded.
    #[error(
        "the backup {name} was discarded from {vault} while it was being made: it was taken for \
         one that had been abandoned; take the backup again, and clean up with a longer grace time"
    )]
    Discarded {
        /// The vault.
        vault: String,
        /// The backup.
        name: BackupName,
    },
    /// What was stored is not what was sent.
    #[error(
        "{vault} holds {found} bytes of {object}, of {expected} that were sent; nothing was kept, \
         take the backup again"
    )]
    Incomplete {
        /// The vault.
        vault: String,
        /// The archive.
        object: String,
        /// Bytes sent.
        expected: u64,
        /// Bytes found.
        found: u64,
    },
    /// Somebody else does what only one may do at a time.
    #[error(
        "{lease} in {vault} is taken by {holder}; wait until it is done (--wait does), or stop it; \
         after a crash it is free within {} seconds",
        holder.ttl.as_secs()
    )]
    Leased {
        /// The vault.
        vault: String,
        /// The lease.
        lease: String,
        /// Who has it.
        holder: Box<Holder>,
    },
    /// A lease that was ours is not any more, and nobody else has it either.
    #[error(
        "the lease {lease} in {vault} was lost: it was not renewed in time and taken, or its file \
         was removed; start again"
    )]
    LeaseLost {
        /// The vault.
        vault: String,
        /// The lease.
        lease: String,
    },
    /// What was stored of a copy are other bytes than were sent.
    #[error(
        "{vault} gives back other bytes of {object} than were sent; nothing was kept, replicate \
         again, and look at the disk or the network in between"
    )]
    NotAsSent {
        /// The vault.
        vault: String,
        /// The archive.
        object: String,
    },
    /// An archive is encrypted, and none of the keys opens it.
    #[error(
        "the backup {name} in {vault} is encrypted, and {}; the section [encryption] of \
         lifeboat.toml names the keys: identity_file, identity_command or a passphrase",
        if *.any { "none of the keys that are set opens it" } else { "no key is set" }
    )]
    NoKey {
        /// The vault.
        vault: String,
        /// The backup.
        name: BackupName,
        /// Whether any key is set.
        any: bool,
    },
    /// A key cannot be used.
    #[error("{0}; see [encryption] and [signing] in lifeboat.toml")]
    Key(#[from] KeyError),
    /// The caller asked for something that makes no sense.
    #[error("{0}")]
    Misuse(String),
    /// Any other failure of the store.
    #[error("cannot {action} {object} in {vault}: {reason}; {hint}")]
    Failed {
        /// The vault.
        vault: String,
        /// What was tried: a verb.
        action: &'static str,
        /// On which object.
        object: String,
        /// What the store said.
        reason: String,
        /// What to do.
        hint: String,
    },
}

impl Error {
    /// Whether the same call may succeed a little later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }

    /// Whether somebody else holds the lease that is needed.
    pub fn is_leased(&self) -> bool {
        matches!(self, Self::Leased { .. } | Self::LeaseLost { .. })
    }

    /// Whether the vault itself is missing, not something in it.
    pub fn is_vault_missing(&self) -> bool {
        matches!(self, Self::VaultMissing { .. })
    }
}

/// What is wrong with a backup that is there.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// The manifest does not parse, its digest is wrong, or its format is newer than this program.
    #[error("its manifest cannot be used: {0}")]
    Manifest(Arc<ManifestError>),
    /// The manifest cannot be read from its disk.
    #[error("its manifest cannot be read: {0}")]
    Unreadable(String),
    /// The manifest is too large to be one.
    #[error("its manifest has {0} bytes, more than any manifest has")]
    TooLarge(u64),
    /// The manifest was made for a backup of another name: a file has been renamed or swapped.
    #[error("its manifest is that of {0}; was a file renamed?")]
    OtherName(BackupName),
    /// The manifest is there, the archive is not.
    #[error("its archive {0} is missing")]
    ArchiveMissing(String),
    /// The archive is shorter or longer than the manifest says.
    #[error("its archive {file} has {found} bytes instead of {expected}")]
    ArchiveSize {
        /// The archive's file.
        file: String,
        /// Bytes that the manifest tells.
        expected: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// The archive's bytes are not those that the manifest tells of.
    #[error("its archive {0} is not what its manifest says")]
    ArchiveContent(String),
    /// Its signature is missing or cannot be believed.
    #[error("{0}")]
    Signature(SignatureProblem),
    /// The archive is said to be encrypted, and cannot be opened for another reason than the key.
    #[error("its archive {file} cannot be decrypted: {reason}")]
    Encryption {
        /// The archive's file.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// Fewer bytes came than the store said there are, every time.
    #[error("its archive {file} cannot be read whole: {found} of {expected} bytes came")]
    Truncated {
        /// The archive's file.
        file: String,
        /// Bytes asked for.
        expected: u64,
        /// Bytes that came.
        found: u64,
    },
}
