//! What may be passed to a runbook and between its steps: texts, of a kind that can be checked.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use lifeboat::config::parse_duration;
use serde::{Deserialize, Deserializer, Serialize, de};

/// The kind of a value. Every value is kept as text; its kind says which texts will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Kind {
    /// Any text, the empty one too.
    Text,
    /// `true` or `false`.
    Bool,
    /// A whole number, zero or more.
    Number,
    /// A moment, in RFC 3339, or empty for the latest there is.
    Moment,
    /// How long, as in `30s`, `5m` or `1h`.
    Duration,
    /// The name of a section `[environment.NAME]` of the settings.
    Environment,
    /// A vault: `primary` or `secondary`, or empty for the one that answers.
    Vault,
    /// The name of a backup.
    Backup,
}

impl Kind {
    /// Why a text is no value of this kind. Whether an environment exists is for the settings to
    /// say.
    ///
    /// # Errors
    /// What it should be.
    pub fn check(self, text: &str) -> Result<(), String> {
        let (fits, wanted) = match self {
            Self::Text => (true, ""),
            Self::Bool => (matches!(text, "true" | "false"), "`true` or `false`"),
            Self::Number => (text.parse::<u64>().is_ok(), "a whole number"),
            Self::Moment => (
                text.is_empty() || text.parse::<Timestamp>().is_ok(),
                "a time as in 2026-11-24T02:00:00Z",
            ),
            Self::Duration => {
                (parse_duration(text).is_ok(), "a time with its unit, as in 90s or 5m")
            }
            Self::Environment => (is_name(text), "the name of an environment"),
            Self::Vault => (
                matches!(text, "" | "primary" | "secondary"),
                "`primary`, `secondary`, or empty for the one that answers",
            ),
            Self::Backup => (
                text.parse::<lifeboat::format::BackupName>().is_ok(),
                "the name of a backup, as in neo4j-backup-20261124-020000",
            ),
        };
        if fits { Ok(()) } else { Err(format!("{text:?} should be {wanted}")) }
    }

    /// Whether a value of this kind may stand where one of `wanted` is asked for.
    pub fn fits(self, wanted: Self) -> bool {
        self == wanted || wanted == Self::Text
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Text => "text",
            Self::Bool => "bool",
            Self::Number => "number",
            Self::Moment => "moment",
            Self::Duration => "duration",
            Self::Environment => "environment",
            Self::Vault => "vault",
            Self::Backup => "backup",
        })
    }
}

/// Whether something may name a step, an input or an environment: a lower-case letter, then
/// lower-case letters, digits and single `-`.
pub fn is_name(text: &str) -> bool {
    text.len() <= 64
        && text.split('-').all(|part| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        })
        && text.starts_with(|c: char| c.is_ascii_lowercase())
}

/// A time in a file.
pub(crate) fn read_duration<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).map_err(de::Error::custom)
}

/// A time in a file that need not be there.
pub(crate) fn read_optional_duration<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    read_duration(deserializer).map(Some)
}

/// How long, of a value that was checked.
pub(crate) fn duration(text: &str) -> Duration {
    parse_duration(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_checked_by_kind() {
        for (kind, good, bad) in [
            (Kind::Bool, "true", "yes"),
            (Kind::Number, "12", "-1"),
            (Kind::Moment, "2026-11-24T02:00:00Z", "yesterday"),
            (Kind::Duration, "5m", "5"),
            (Kind::Environment, "drill-2", "Drill"),
            (Kind::Vault, "secondary", "third"),
            (Kind::Backup, "neo4j-backup-20261124-020000", "../x"),
        ] {
            assert_eq!(kind.check(good), Ok(()), "{kind}");
            assert!(kind.check(bad).unwrap_err().contains(bad), "{kind}");
            assert!(kind.fits(Kind::Text) && kind.fits(kind) && !Kind::Text.fits(kind));
        }
        for name in ["", "-a", "a-", "a--b", "A", "1a", "a_b", "a b"] {
            assert!(!is_name(name), "{name}");
        }
    }
}
