//! The certificate of a restore: what a trial restore of a backup has shown.
//!
//! It lies beside the backup and is bound to it by the digest of the manifest's file, so it speaks
//! for that one backup and no other. There are only certificates of success: a trial that failed
//! writes none. Like a manifest it ends with a digest of itself, so that no byte of it can change
//! unseen; against somebody who forges it on purpose, only a signature helps.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::manifest::seal;
use crate::{BackupName, Digest, ServerInfo, Tool};

/// The format this program writes, and the newest it reads.
const FORMAT: u64 = 1;

/// What a trial restore has shown. The members stand in the file in this order, after `format`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The backup.
    pub backup: BackupName,
    /// BLAKE3 of the manifest's file.
    pub manifest: Digest,
    /// When the trial ended.
    pub issued: Timestamp,
    /// The program that made it.
    pub tool: Tool,
    /// Who let it be made.
    pub by: Issuer,
    /// How it was restored: `online`, `bulk`, `home` or `folder`.
    pub way: String,
    /// The server it was restored into; `None` when it needed none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerInfo>,
    /// From the beginning until the restored data could be used, in milliseconds: the recovery
    /// time that was measured.
    pub rto_ms: u64,
    /// How long each step took, in order.
    pub steps: Vec<TrialStep>,
    /// What was checked, all of it with success.
    pub checks: Vec<Check>,
}

/// Who let a trial restore be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issuer {
    /// The user, when the system tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The machine.
    pub host: String,
}

/// A step of a trial restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrialStep {
    /// What was done.
    pub name: String,
    /// How long it took, in milliseconds.
    pub ms: u64,
}

/// Something that was checked after a trial restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What.
    pub name: String,
    /// What was found.
    pub found: String,
}

/// A certificate that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// Its content is not what was written.
    #[error("it does not match its own digest")]
    Damaged,
    /// A later program wrote it.
    #[error(
        "its format {format} is newer than this program understands ({FORMAT}): upgrade lifeboat"
    )]
    Newer {
        /// Its format.
        format: u64,
    },
    /// It has its digest, but not what a certificate has.
    #[error("it is no certificate: {0}")]
    Invalid(#[from] serde_json::Error),
    /// It was made for another backup, or for one that had this name before.
    #[error("it was made for another backup than this one")]
    OtherBackup,
}

#[derive(Serialize)]
struct Document<'a> {
    format: u64,
    #[serde(flatten)]
    certificate: &'a Certificate,
}

#[derive(Deserialize)]
struct Probe {
    format: u64,
}

impl Certificate {
    /// The bytes to store: JSON with the digest of itself as last member.
    pub fn to_bytes(&self) -> Vec<u8> {
        seal::write(&Document { format: FORMAT, certificate: self })
    }

    /// Reads a certificate, and checks that it speaks for the backup of this name, whose manifest's
    /// file has the digest `manifest`.
    ///
    /// # Errors
    /// Every flipped, missing or added byte gives one.
    pub fn parse(
        bytes: &[u8],
        name: &BackupName,
        manifest: Digest,
    ) -> Result<Self, CertificateError> {
        match seal::sealed(bytes) {
            Some((digest, covered)) if Digest::of(covered) == digest => {}
            _ => return Err(CertificateError::Damaged),
        }
        let Probe { format } = serde_json::from_slice(bytes)?;
        if format != FORMAT {
            return Err(CertificateError::Newer { format });
        }
        let certificate: Self = serde_json::from_slice(bytes)?;
        if certificate.backup != *name || certificate.manifest != manifest {
            return Err(CertificateError::OtherBackup);
        }
        Ok(certificate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate() -> Certificate {
        let step = |name: &str, ms| TrialStep { name: name.to_owned(), ms };
        Certificate {
            backup: "neo4j-backup-20261124-020000".parse().unwrap(),
            manifest: Digest::of(b"manifest"),
            issued: "2026-11-24T03:00:00Z".parse().unwrap(),
            tool: Tool { name: "lifeboat".to_owned(), version: "0.1.0".to_owned() },
            by: Issuer { user: Some("neo4j".to_owned()), host: "drill".to_owned() },
            way: "online".to_owned(),
            server: Some(ServerInfo {
                version: "5.26.18".to_owned(),
                edition: Some("community".to_owned()),
                bolt: Some("5.8".to_owned()),
            }),
            rto_ms: 4500,
            steps: vec![step("verify archive", 400), step("restore", 4100)],
            checks: vec![Check { name: "fingerprint".to_owned(), found: "equal".to_owned() }],
        }
    }

    fn parse(bytes: &[u8]) -> Result<Certificate, CertificateError> {
        let Certificate { backup, manifest, .. } = certificate();
        Certificate::parse(bytes, &backup, manifest)
    }

    #[test]
    fn comes_back_as_it_was() {
        let bytes = certificate().to_bytes();
        assert_eq!(parse(&bytes).unwrap(), certificate());
        assert!(bytes.starts_with(b"{\n  \"format\": 1,\n  \"backup\": "));
    }

    #[test]
    fn every_flipped_missing_or_added_byte_is_found() {
        let bytes = certificate().to_bytes();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                assert!(parse(&flipped).is_err(), "byte {at}, bit {bit}");
            }
            assert!(parse(&bytes[..at]).is_err(), "cut at {at}");
        }
        assert!(parse(&[&bytes[..], b"\n"].concat()).is_err());
    }

    #[test]
    fn speaks_for_its_own_backup_only() {
        let bytes = certificate().to_bytes();
        let Certificate { backup, manifest, .. } = certificate();
        let other = "neo4j-backup-20261124-020001".parse().unwrap();
        for wrong in [
            Certificate::parse(&bytes, &other, manifest),
            Certificate::parse(&bytes, &backup, Digest::of(b"another manifest")),
        ] {
            assert!(matches!(wrong, Err(CertificateError::OtherBackup)), "{wrong:?}");
        }
        let newer = seal::write(&Document { format: 2, certificate: &certificate() });
        assert!(matches!(parse(&newer), Err(CertificateError::Newer { format: 2 })));
    }
}
