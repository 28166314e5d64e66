//! What is written down before anything is done: the claim of a name, and the mark of a backup
//! that is being discarded.
//!
//! A **claim** (`NAME.claim.json`, create-if-absent) reserves a name, tells who works on it and
//! since when, and names the archive that may be half there. It is renewed while its writer lives,
//! so its age tells an abandoned one; it goes when the work is done.
//!
//! A **tombstone** stands where the manifest would: whoever discards an abandoned backup creates
//! it first, in the place where the backup's own writer would create the manifest. Only one of the
//! two can exist, so a writer that was only slow is never discarded after it has committed, and
//! never commits after it has been discarded.

use jiff::Timestamp;
use lifeboat_archive::BackupName;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Why a name is claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Purpose {
    /// A backup is being made.
    Backup,
    /// A backup is being removed.
    Remove,
    /// A backup is being copied from another vault.
    Copy,
}

/// The content of `NAME.claim.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claim {
    pub(crate) format: u32,
    pub(crate) name: BackupName,
    /// The archive's file, which the owner of the claim alone may write and delete.
    pub(crate) archive: String,
    pub(crate) purpose: Purpose,
    /// Tells this claim from every other of the same name.
    pub(crate) token: Uuid,
    pub(crate) by: String,
    pub(crate) host: String,
    pub(crate) pid: u32,
    pub(crate) since: Timestamp,
}

impl Claim {
    pub(crate) fn new(name: &BackupName, archive: &str, purpose: Purpose) -> Self {
        Self {
            format: 1,
            name: name.clone(),
            archive: archive.to_owned(),
            purpose,
            token: Uuid::new_v4(),
            by: concat!("lifeboat ", env!("CARGO_PKG_VERSION")).to_owned(),
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            pid: std::process::id(),
            since: Timestamp::now(),
        }
    }

    pub(crate) fn to_bytes(&self) -> bytes::Bytes {
        let mut text = serde_json::to_vec_pretty(self).unwrap_or_default();
        text.push(b'\n');
        text.into()
    }

    /// The claim in `bytes`; `None` when it is no claim of `name` that this program understands.
    pub(crate) fn parse(bytes: &[u8], name: &BackupName) -> Option<Self> {
        let claim: Self = serde_json::from_slice(bytes).ok()?;
        let ours = BackupName::from_file_name(&claim.archive)
            .is_some_and(|(of, kind)| of == *name && kind.is_archive());
        (claim.format == 1 && claim.name == *name && ours).then_some(claim)
    }

    /// Whether both are for the same copy, of which it matters not who makes it.
    pub(crate) fn is_of_same_copy(&self, other: &Self) -> bool {
        let same = self.purpose == other.purpose && self.archive == other.archive;
        same && self.purpose == Purpose::Copy
    }

    /// Who holds it, for people.
    pub(crate) fn holder(&self) -> String {
        format!("{} on {} (process {})", self.by, self.host, self.pid)
    }
}

/// The most bytes of a tombstone. Hardly a manifest has so few, so that they need not be read to
/// tell the two apart.
pub(crate) const MAX_TOMBSTONE: u64 = 512;

/// What stands in the place of a manifest while an abandoned backup is being discarded.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Tombstone {
    discarded: BackupName,
    /// The archive that goes with it.
    pub(crate) archive: String,
    token: Uuid,
    since: Timestamp,
}

impl Tombstone {
    pub(crate) fn new(name: &BackupName, archive: &str) -> Self {
        Self {
            discarded: name.clone(),
            archive: archive.to_owned(),
            token: Uuid::new_v4(),
            since: Timestamp::now(),
        }
    }

    pub(crate) fn to_bytes(&self) -> bytes::Bytes {
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    pub(crate) fn parse(bytes: &[u8], name: &BackupName) -> Option<Self> {
        if bytes.len() as u64 > MAX_TOMBSTONE {
            return None;
        }
        let tombstone: Self = serde_json::from_slice(bytes).ok()?;
        let ours = BackupName::from_file_name(&tombstone.archive)
            .is_some_and(|(of, kind)| of == *name && kind.is_archive());
        (tombstone.discarded == *name && ours).then_some(tombstone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_speaks_for_its_own_name_only() {
        let name: BackupName = "neo4j-backup-20261124-020000".parse().unwrap();
        let other: BackupName = "neo4j-backup-20261124-020001".parse().unwrap();
        let file = format!("{name}.tar.zst");
        let claim = Claim::new(&name, &file, Purpose::Backup);
        assert_eq!(Claim::parse(&claim.to_bytes(), &name), Some(claim.clone()));
        assert_eq!(Claim::parse(&claim.to_bytes(), &other), None);
        for archive in [format!("{other}.tar.zst"), format!("{name}.manifest.json"), "x".into()] {
            let claim = Claim { archive, ..claim.clone() };
            assert_eq!(Claim::parse(&claim.to_bytes(), &name), None);
        }
        let newer = Claim { format: 2, ..claim };
        assert_eq!(Claim::parse(&newer.to_bytes(), &name), None);
        assert_eq!(Claim::parse(b"", &name), None);
    }

    #[test]
    fn a_tombstone_is_neither_manifest_nor_claim() {
        let name: BackupName = "x".parse().unwrap();
        let bytes = Tombstone::new(&name, "x.tar.gz").to_bytes();
        let longest: BackupName = "x".repeat(128).parse().unwrap();
        let file = format!("{longest}.tar.zst");
        let largest = Tombstone::new(&longest, &file).to_bytes();
        assert!(Tombstone::parse(&largest, &longest).is_some(), "{} bytes", largest.len());
        assert!(Tombstone::parse(&bytes, &name).is_some());
        assert!(Tombstone::parse(&bytes, &"y".parse().unwrap()).is_none());
        assert!(Claim::parse(&bytes, &name).is_none());
        assert!(lifeboat_archive::Manifest::parse(&bytes).is_err());
        let claim = Claim::new(&name, "x.tar.gz", Purpose::Backup).to_bytes();
        assert!(Tombstone::parse(&claim, &name).is_none());
    }
}
