//! Names of backups and of the files a backup is made of.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::Codec;

/// The longest name, in bytes.
const MAX_NAME: usize = 128;

/// What a backup holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackupKind {
    /// A database; named `neo4j-backup-…`.
    Database,
    /// The configuration of an application; named `config-backup-…`.
    Config,
}

impl BackupKind {
    /// What the standard name begins with, without the final hyphen.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Database => "neo4j-backup",
            Self::Config => "config-backup",
        }
    }
}

impl fmt::Display for BackupKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Database => "database",
            Self::Config => "config",
        })
    }
}

/// Which of a backup's files a file name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// `NAME.tar.zst` or `NAME.tar.gz`.
    Archive(Codec),
    /// The archive, encrypted: `NAME.tar.zst.age` or `NAME.tar.gz.age`.
    EncryptedArchive(Codec),
    /// `NAME.manifest.json`.
    Manifest,
    /// The manifest's signature: `NAME.manifest.json.minisig`.
    Signature,
    /// The report of a trial restore: `NAME.certificate.json`.
    Certificate,
    /// The certificate's signature: `NAME.certificate.json.minisig`.
    CertificateSignature,
    /// Says since when retention has no more need of the backup: `NAME.mark.json`.
    Mark,
    /// `NAME.claim.json`.
    Claim,
}

impl FileKind {
    /// Every kind there is.
    pub const ALL: [Self; 10] = [
        Self::Archive(Codec::Zstd),
        Self::Archive(Codec::Gzip),
        Self::EncryptedArchive(Codec::Zstd),
        Self::EncryptedArchive(Codec::Gzip),
        Self::Manifest,
        Self::Signature,
        Self::Certificate,
        Self::CertificateSignature,
        Self::Mark,
        Self::Claim,
    ];

    /// What a backup may have besides its archive and its manifest. None of it makes a backup, and
    /// all of it goes when the backup goes.
    pub const BESIDE: [Self; 4] =
        [Self::Signature, Self::Certificate, Self::CertificateSignature, Self::Mark];

    /// What follows the name and a dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Archive(codec) => codec.extension(),
            Self::EncryptedArchive(Codec::Zstd) => "tar.zst.age",
            Self::EncryptedArchive(Codec::Gzip) => "tar.gz.age",
            Self::Manifest => "manifest.json",
            Self::Signature => "manifest.json.minisig",
            Self::Certificate => "certificate.json",
            Self::CertificateSignature => "certificate.json.minisig",
            Self::Mark => "mark.json",
            Self::Claim => "claim.json",
        }
    }

    /// Whether it is the archive, encrypted or not.
    pub fn is_archive(self) -> bool {
        matches!(self, Self::Archive(_) | Self::EncryptedArchive(_))
    }
}

/// The name of a backup: `neo4j-backup-YYYYMMDD-HHMMSS` (UTC), or one the user chose.
///
/// Any name is 1 to 128 ASCII letters, digits, `-`, `_` and `.`, begins with a letter or digit,
/// does not end with a dot, and does not end like one of a backup's files. So it is safe as a file
/// name, as an object's key and as an argument.
///
/// Names are ordered by their time, oldest first; names without a time come before all others.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct BackupName(String);

impl BackupName {
    /// The standard name of a backup begun at `time`, of which whole seconds are kept.
    pub fn at(kind: BackupKind, time: Timestamp) -> Self {
        Self(format!("{}-{}", kind.prefix(), time.strftime("%Y%m%d-%H%M%S")))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The time in a standard name; `None` when the user chose the name.
    pub fn timestamp(&self) -> Option<Timestamp> {
        self.standard().map(|(_, time)| time)
    }

    /// The kind a standard name tells; `None` when the user chose the name.
    pub fn kind(&self) -> Option<BackupKind> {
        self.standard().map(|(kind, _)| kind)
    }

    fn standard(&self) -> Option<(BackupKind, Timestamp)> {
        let (kind, digits) =
            [BackupKind::Database, BackupKind::Config].into_iter().find_map(|kind| {
                Some((kind, self.0.strip_prefix(kind.prefix())?.strip_prefix('-')?))
            })?;
        let digits = digits.as_bytes();
        if digits.len() != 15 || digits[8] != b'-' {
            return None;
        }
        let number = |range: std::ops::Range<usize>| {
            digits[range].iter().try_fold(0_i16, |sum, digit| {
                digit.is_ascii_digit().then(|| sum * 10 + i16::from(digit - b'0'))
            })
        };
        let small = |start: usize| number(start..start + 2).and_then(|n| i8::try_from(n).ok());
        let time = DateTime::new(
            number(0..4)?,
            small(4)?,
            small(6)?,
            small(9)?,
            small(11)?,
            small(13)?,
            0,
        );
        Some((kind, Offset::UTC.to_timestamp(time.ok()?).ok()?))
    }

    /// The name of one of this backup's files.
    pub fn file_name(&self, kind: FileKind) -> String {
        format!("{}.{}", self.0, kind.extension())
    }

    /// The archive's file name: `NAME.tar.zst` or `NAME.tar.gz`.
    pub fn archive_file(&self, codec: Codec) -> String {
        self.file_name(FileKind::Archive(codec))
    }

    /// The manifest's file name: `NAME.manifest.json`.
    pub fn manifest_file(&self) -> String {
        self.file_name(FileKind::Manifest)
    }

    /// The claim's file name: `NAME.claim.json`.
    pub fn claim_file(&self) -> String {
        self.file_name(FileKind::Claim)
    }

    /// The backup and the role of a file, by the file's name (without folders); `None` when it is
    /// no file of a backup.
    pub fn from_file_name(file: &str) -> Option<(Self, FileKind)> {
        FileKind::ALL.into_iter().find_map(|kind| {
            let name = file.strip_suffix(kind.extension())?.strip_suffix('.')?;
            Some((name.parse().ok()?, kind))
        })
    }
}

/// A text that cannot be the name of a backup.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{name:?} cannot name a backup: {reason}; use letters, digits, `-`, `_` and `.`, \
     for example neo4j-backup-20261124-020000"
)]
pub struct NameError {
    /// What was given, shortened when it is very long.
    pub name: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl FromStr for BackupName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        let is_file = |kind: &FileKind| {
            name.strip_suffix(kind.extension()).is_some_and(|rest| rest.ends_with('.'))
        };
        let reason = if name.is_empty() {
            "it is empty"
        } else if name.len() > MAX_NAME {
            "it is longer than 128 characters"
        } else if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
            "it has a character that is not allowed"
        } else if !name.as_bytes()[0].is_ascii_alphanumeric() {
            "it must begin with a letter or a digit"
        } else if name.ends_with('.') {
            "it ends with a dot"
        } else if FileKind::ALL.iter().any(is_file) {
            "it is a file's name; leave its extension out"
        } else {
            return Ok(Self(name.to_owned()));
        };
        Err(NameError { name: name.chars().take(MAX_NAME).collect(), reason })
    }
}

impl Ord for BackupName {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.timestamp(), &self.0).cmp(&(other.timestamp(), &other.0))
    }
}

impl PartialOrd for BackupName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl AsRef<str> for BackupName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BackupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for BackupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Serialize for BackupName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for BackupName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> BackupName {
        text.parse().unwrap()
    }

    #[test]
    fn has_the_documented_form() {
        let time: Timestamp = "2026-11-24T02:00:09.987Z".parse().unwrap();
        let name = BackupName::at(BackupKind::Database, time);
        assert_eq!(name.as_str(), "neo4j-backup-20261124-020009");
        assert_eq!(name.timestamp(), Some("2026-11-24T02:00:09Z".parse().unwrap()));
        assert_eq!(name.archive_file(Codec::Gzip), "neo4j-backup-20261124-020009.tar.gz");
        let config = BackupName::at(BackupKind::Config, time);
        assert_eq!(config.as_str(), "config-backup-20261124-020009");
        assert_eq!(config.kind(), Some(BackupKind::Config));
    }

    #[test]
    fn finds_the_backup_of_a_file() {
        let backup = name("before.upgrade_5");
        for kind in FileKind::ALL {
            let file = backup.file_name(kind);
            assert_eq!(BackupName::from_file_name(&file), Some((backup.clone(), kind)));
        }
        for file in [
            "x",
            "x.tar",
            ".tar.gz",
            "tar.gz",
            "x.json",
            "a/x.tar.gz",
            "x.tar.gz.tar.gz",
            "x.age",
            "x.claim.json.minisig",
        ] {
            assert_eq!(BackupName::from_file_name(file), None, "{file}");
        }
    }

    #[test]
    fn refuses_what_is_unsafe_somewhere() {
        let long = "x".repeat(129);
        for text in [
            "",
            ".",
            "..",
            "-x",
            ".x",
            "_x",
            "x.",
            "a/b",
            "a\\b",
            "a b",
            "ü",
            "a\n",
            &long,
            "x.tar.gz",
            "x.tar.zst",
            "x.tar.zst.age",
            "x.manifest.json",
            "x.manifest.json.minisig",
            "x.certificate.json",
            "x.certificate.json.minisig",
            "x.mark.json",
            "x.claim.json",
        ] {
            assert!(text.parse::<BackupName>().is_err(), "{text}");
        }
        assert_eq!(name(&long[1..]).as_str().len(), 128);
    }

    #[test]
    fn sees_no_time_where_there_is_none() {
        for text in [
            "nightly",
            "neo4j-backup-20261324-020000",
            "neo4j-backup-20261124-240000",
            "neo4j-backup-20261124-0200000",
            "neo4j-backup-20261124_020000",
            "neo4j-backup-2026112a-020000",
            "neo4j-backup20261124-020000",
        ] {
            assert_eq!(name(text).timestamp(), None, "{text}");
        }
    }

    #[test]
    fn sorts_by_time_whatever_the_kind() {
        let mut names = [
            name("neo4j-backup-20261124-020000"),
            name("config-backup-20261125-020000"),
            name("zero"),
            name("config-backup-20261123-020000"),
        ];
        names.sort();
        let texts: Vec<_> = names.iter().map(BackupName::as_str).collect();
        assert_eq!(
            texts,
            [
                "zero",
                "config-backup-20261123-020000",
                "neo4j-backup-20261124-020000",
                "config-backup-20261125-020000"
            ]
        );
    }

    proptest! {
        #[test]
        fn keeps_every_second(second in 0_i64..253_402_207_200) {
            let time = Timestamp::from_second(second).unwrap();
            let name = BackupName::at(BackupKind::Database, time);
            prop_assert_eq!(name.timestamp(), Some(time));
            prop_assert_eq!(name.as_str().parse::<BackupName>().unwrap(), name);
        }

        #[test]
        fn never_panics(text in ".*") {
            let _ = text.parse::<BackupName>();
            let _ = BackupName::from_file_name(&text);
        }
    }
}
