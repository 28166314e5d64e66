//! The manifest: everything a backup says about itself.
//!
//! It is stored last, so a backup exists if and only if its manifest does, and it is believed only
//! as far as it can be checked: its last member is a digest of every byte before, and
//! [`Manifest::parse`] refuses one whose frames and entries do not fit together to the byte.

mod check;
mod config;
mod error;
mod physical;
pub(crate) mod seal;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub(crate) use check::check_layout;
pub use config::{ConfigSection, LeftOut, Reference, ReferenceKind};
pub use error::ManifestError;
pub use physical::{FileDigest, LogPosition, PhysicalDatabase, PhysicalSection};

use crate::{BackupKind, BackupName, Codec, Digest, FrameTable, tar};

/// The format this program writes, and the newest it reads.
pub const FORMAT: u64 = 1;

/// What a backup says about itself. The members stand in the file in this order, after `format`.
///
/// Members that a later program adds within format 1 are ignored here, and lost when the manifest
/// is written again: a copy of a backup copies the bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The backup's name; its files are named after it.
    pub name: BackupName,
    /// What the backup holds.
    pub kind: BackupKind,
    /// When the backup began.
    pub created: Timestamp,
    /// When the last byte of the archive was stored.
    pub finished: Timestamp,
    /// The program that made it.
    pub tool: Tool,
    /// The stored file.
    pub archive: ArchiveSection,
    /// What the archive holds, in its order.
    pub entries: Vec<Entry>,
    /// The database, when that is what was backed up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseSection>,
    /// The configuration, when that is what was backed up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<ConfigSection>,
    /// How the backup was asked for, for people to read. Never secrets.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
}

/// The program that made a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// Its name, `lifeboat`.
    pub name: String,
    /// Its version, like `0.1.0`.
    pub version: String,
}

/// The stored file. Made by [`Assembler::finish`](crate::Assembler::finish).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveSection {
    /// Its name as it is stored, without folders.
    pub file: String,
    /// Its size in bytes.
    pub size: u64,
    /// BLAKE3 of all its bytes.
    pub blake3: Digest,
    /// How each frame is compressed.
    pub compression: Codec,
    /// Size of the tar inside, in bytes.
    pub tar_size: u64,
    /// Modification time of the entries that have none of their own, in seconds since 1970.
    pub mtime: i64,
    /// How the file is encrypted; `None` when it is not. Then all else here tells of the file that
    /// decryption gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
    /// The frames of the file.
    pub frames: FrameTable,
}

/// How a stored file is encrypted.
///
/// Size and digest are of what is stored, so that it can be checked and copied without a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encryption {
    /// In which way.
    pub method: EncryptionMethod,
    /// Bytes of the stored file.
    pub size: u64,
    /// BLAKE3 of all its bytes.
    pub blake3: Digest,
}

/// A way to encrypt a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EncryptionMethod {
    /// The age format, version 1 (<https://age-encryption.org/v1>), around the whole file.
    Age,
    /// One that this program does not know.
    #[serde(untagged)]
    Unknown(String),
}

impl ArchiveSection {
    /// Bytes of the file as it is stored.
    pub fn stored_size(&self) -> u64 {
        self.encryption.as_ref().map_or(self.size, |encryption| encryption.size)
    }

    /// BLAKE3 of the file as it is stored.
    pub fn stored_blake3(&self) -> Digest {
        self.encryption.as_ref().map_or(self.blake3, |encryption| encryption.blake3)
    }
}

/// The type of an entry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    /// A regular file.
    #[default]
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
}

impl EntryKind {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the form serde asks for")]
    fn is_file(&self) -> bool {
        *self == Self::File
    }
}

/// One entry of the archive. What has a default is left out of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Relative path with `/`; see [`check_path`](crate::check_path).
    pub path: String,
    /// Size of its data in bytes; 0 unless a file.
    pub size: u64,
    /// BLAKE3 of its data.
    pub blake3: Digest,
    /// Where its data begins in the tar, in bytes.
    pub offset: u64,
    /// File, directory or link.
    #[serde(rename = "type", default, skip_serializing_if = "EntryKind::is_file")]
    pub kind: EntryKind,
    /// Permission bits, at most `0o7777` (4095); `None`: 0644, directories 0755, links 0777.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
    /// Modification time in seconds since 1970; `None`: [`ArchiveSection::mtime`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtime: Option<i64>,
    /// Owner.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub uid: u64,
    /// Group.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub gid: u64,
    /// Where a symbolic link points to; `None` for all others. Not checked to stay within the
    /// folder: whoever makes the link decides that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// The entry is no part of the backup: what it was read from changed or went away while the
    /// backup was made. When it changed, a later entry of the same path holds what counts, as
    /// `tar` sees it too.
    #[serde(default, skip_serializing_if = "is_false")]
    pub superseded: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form serde asks for")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form serde asks for")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Entry {
    /// The permission bits, with the default for its type.
    pub fn mode(&self) -> u32 {
        self.mode.unwrap_or(match self.kind {
            EntryKind::File => 0o644,
            EntryKind::Directory => 0o755,
            EntryKind::Symlink => 0o777,
        })
    }

    pub(crate) fn member(&self, mtime: i64) -> tar::Member<'_> {
        tar::Member {
            path: &self.path,
            flag: match self.kind {
                EntryKind::File => b'0',
                EntryKind::Directory => b'5',
                EntryKind::Symlink => b'2',
            },
            link: self.link.as_deref().unwrap_or(""),
            size: self.size,
            mode: self.mode(),
            mtime: self.mtime.unwrap_or(mtime),
            uid: self.uid,
            gid: self.gid,
        }
    }
}

/// How a database was backed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// The graph, read over Bolt.
    Logical,
    /// The store files and transaction logs.
    Physical,
}

impl std::fmt::Display for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Logical => "logical",
            Self::Physical => "physical",
        })
    }
}

/// The database a backup holds, and what was found in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseSection {
    /// How it was backed up.
    pub method: Method,
    /// The database's name, `neo4j` by default.
    pub name: String,
    /// Its id, when the server tells it.
    pub id: Option<Uuid>,
    /// The server it ran on.
    pub server: ServerInfo,
    /// Which transactions the backup holds; `None` when the server does not tell.
    pub snapshot: Option<Snapshot>,
    /// How much there is of everything; `None` when it was not counted.
    pub counts: Option<Counts>,
    /// What a restored graph is compared with; `None` when it was not computed.
    pub fingerprint: Option<Fingerprint>,
    /// The store files; only in a physical backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub physical: Option<PhysicalSection>,
}

/// A Neo4j server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerInfo {
    /// Its version, like `5.26.18`.
    pub version: String,
    /// `community` or `enterprise`; `None` when it is not known.
    pub edition: Option<String>,
    /// The version of the Bolt protocol that was spoken, like `5.8`; `None` without Bolt.
    pub bolt: Option<String>,
}

/// The state of the database that a backup holds, by transaction ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The last transaction committed before the backup began to read: all of it, and all before,
    /// is in the backup.
    pub first_tx: u64,
    /// The last transaction committed when the backup had read all: nothing after it is in the
    /// backup.
    pub last_tx: u64,
    /// Whether the backup is the state after exactly one transaction.
    pub exact: bool,
}

/// How much a graph has of everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Nodes.
    pub nodes: u64,
    /// Relationships.
    pub relationships: u64,
    /// Nodes with each label.
    #[serde(default)]
    pub labels: BTreeMap<String, u64>,
    /// Relationships of each type.
    #[serde(default)]
    pub types: BTreeMap<String, u64>,
    /// Constraints.
    #[serde(default)]
    pub constraints: u64,
    /// Indexes, without those that constraints own.
    #[serde(default)]
    pub indexes: u64,
    /// Nodes that appeared while relationships were read, and were added for them.
    #[serde(default)]
    pub late_nodes: u64,
    /// Relationships left out because an end node was gone.
    #[serde(default)]
    pub dangling_relationships: u64,
}

/// An order-independent digest of a graph, that does not depend on internal ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// How it is computed, like `lifeboat-graph-1`; only equal algorithms can be compared.
    pub algorithm: String,
    /// Of the whole graph.
    pub graph: String,
    /// Of the nodes with each set of labels.
    #[serde(default)]
    pub nodes: BTreeMap<String, String>,
    /// Of the relationships of each type.
    #[serde(default)]
    pub relationships: BTreeMap<String, String>,
    /// Of constraints and indexes.
    pub schema: String,
}

impl Manifest {
    /// The bytes to store: JSON with the digest of itself as last member. Refuses what
    /// [`parse`](Self::parse) would refuse.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ManifestError> {
        self.check()?;
        Ok(seal::write(&seal::Document { format: FORMAT, manifest: self }))
    }

    /// Reads a manifest of any format up to [`FORMAT`], and checks all of it.
    ///
    /// Every flipped, missing or added byte gives an error. A newer format is told as such, not as
    /// damage, as long as its digest is right or it has none of this form.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        let manifest: Self = seal::read(bytes)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// The manifest's own file name.
    pub fn file_name(&self) -> String {
        self.name.manifest_file()
    }

    /// How long the backup took.
    pub fn duration(&self) -> jiff::SignedDuration {
        self.finished.duration_since(self.created)
    }
}
