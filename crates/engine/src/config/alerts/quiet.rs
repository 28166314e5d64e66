//! `[alerts.quiet]`: hours in which nobody is disturbed for what can wait.

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde::{Deserialize, Deserializer, de};

use super::Severity;

/// From a time of day until another, which may be on the next day.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawQuiet")]
pub struct Quiet {
    /// From then on.
    pub from: Time,
    /// Until then.
    pub until: Time,
    /// In this zone.
    pub zone: TimeZone,
    /// What is as bad as this or worse is told all the same.
    pub below: Severity,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawQuiet {
    #[serde(deserialize_with = "time")]
    from: Time,
    #[serde(deserialize_with = "time")]
    until: Time,
    zone: Option<String>,
    below: Option<Severity>,
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
    let text = String::deserialize(deserializer)?;
    Time::strptime("%H:%M", &text)
        .map_err(|_| de::Error::custom("write a time of day as in \"22:00\""))
}

impl TryFrom<RawQuiet> for Quiet {
    type Error = String;

    fn try_from(raw: RawQuiet) -> Result<Self, String> {
        if raw.from == raw.until {
            return Err("quiet hours that begin when they end are none".to_owned());
        }
        let zone = raw.zone.as_deref().unwrap_or("UTC");
        let zone = TimeZone::get(zone)
            .map_err(|_| format!("there is no time zone {zone:?}; write one as in \"UTC\""))?;
        let below = raw.below.unwrap_or(Severity::Critical);
        Ok(Self { from: raw.from, until: raw.until, zone, below })
    }
}

impl Quiet {
    /// When something this bad may be told that would be told at `at`.
    pub fn allows_from(&self, severity: Severity, at: Timestamp) -> Timestamp {
        let local = at.to_zoned_datetime(self.zone.clone());
        let time = local.time();
        let quiet = if self.from < self.until {
            self.from <= time && time < self.until
        } else {
            self.from <= time || time < self.until
        };
        if severity >= self.below || !quiet {
            return at;
        }
        // On this day, or on the next when the end is past.
        let day = local.date();
        let day = if time < self.until { day } else { day.saturating_add(1.day()) };
        let end = day.to_datetime(self.until).to_zoned_datetime(self.zone.clone());
        end.map_or(at, |end| end.timestamp().max(at))
    }
}
