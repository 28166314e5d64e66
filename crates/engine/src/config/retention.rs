//! `[retention]`: how long backups are kept.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

/// The longest retention, in days: a century.
pub const MAX_RETENTION_DAYS: u32 = 36_500;

/// `[retention]`.
///
/// Everything younger than `days` stays. Of what is older, each rule keeps some more; no rule takes
/// away what another keeps.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// Backups younger than this many days stay (1 to 36500).
    #[serde(deserialize_with = "number::<1, MAX_RETENTION_DAYS, _>")]
    pub days: u32,
    /// So many of the newest from before those days stay too (at least 1): the first of them is
    /// what the database was when those days began.
    #[serde(deserialize_with = "number::<1, { u32::MAX }, _>")]
    pub keep_last: u32,
    /// One stays for each of the last so many hours, UTC, this one included.
    pub keep_hourly: u32,
    /// One stays for each of the last so many days, UTC.
    pub keep_daily: u32,
    /// One stays for each of the last so many weeks, which begin on Monday, UTC.
    pub keep_weekly: u32,
    /// One stays for each of the last so many months, UTC.
    pub keep_monthly: u32,
    /// One stays for each of the last so many years, UTC.
    pub keep_yearly: u32,
    /// Safety backups, taken before a restore, stay at least this many days, even when `days` are
    /// fewer.
    #[serde(deserialize_with = "number::<0, MAX_RETENTION_DAYS, _>")]
    pub safety_days: u32,
    /// When the newest backup has fewer nodes or relationships than the one before, in all or of
    /// one label or type, by this many percent or more, it looks poisoned, and nothing expires
    /// (1 to 100); with 0, no counts are looked at.
    #[serde(deserialize_with = "number::<0, 100, _>")]
    pub collapse_percent: u32,
    /// What has expired is marked, and deleted when the mark has stood for this many hours.
    #[serde(deserialize_with = "number::<0, { MAX_RETENTION_DAYS * 24 }, _>")]
    pub grace_hours: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            days: 30,
            keep_last: 1,
            keep_hourly: 0,
            keep_daily: 0,
            keep_weekly: 0,
            keep_monthly: 0,
            keep_yearly: 0,
            safety_days: 7,
            collapse_percent: 50,
            grace_hours: 24,
        }
    }
}

impl Retention {
    /// How long a mark stands before its backup is deleted.
    pub fn grace(&self) -> Duration {
        Duration::from_hours(u64::from(self.grace_hours))
    }
}

/// A whole number from `LEAST` to `MOST`.
fn number<'de, const LEAST: u32, const MOST: u32, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<u32, D::Error> {
    let number = i64::deserialize(deserializer)?;
    u32::try_from(number).ok().filter(|number| (LEAST..=MOST).contains(number)).ok_or_else(|| {
        de::Error::custom(format!("{number} is not a number from {LEAST} to {MOST}"))
    })
}
