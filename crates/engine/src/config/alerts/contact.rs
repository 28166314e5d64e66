//! `[[alerts.contacts]]`: who is told.

use std::time::Duration;

use serde::Deserialize;

use super::super::duration::duration;
use super::Severity;

/// Somebody who is told, by some channels.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawContact")]
pub struct ContactSection {
    /// Their name, as in `primary`.
    pub name: String,
    /// How people reach them: an address or a number, shown in every notice.
    pub reach: Option<String>,
    /// The channels, by name. None: they are only named in notices.
    pub channels: Vec<String>,
    /// They are told when nobody has acknowledged an alert for this long.
    pub after: Duration,
    /// They are not told of less.
    pub severity: Severity,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawContact {
    name: String,
    reach: Option<String>,
    #[serde(default)]
    channels: Vec<String>,
    #[serde(default, deserialize_with = "duration")]
    after: Option<Duration>,
    #[serde(default)]
    severity: Severity,
}

impl TryFrom<RawContact> for ContactSection {
    type Error = String;

    fn try_from(raw: RawContact) -> Result<Self, String> {
        if raw.name.is_empty() || raw.name.len() > 100 || raw.name.contains(char::is_control) {
            return Err("a contact's name has 1 to 100 characters".to_owned());
        }
        if raw.channels.is_empty() && raw.reach.is_none() {
            return Err(format!(
                "the contact {:?} needs `channels`, by which it is told, or `reach`, by which \
                 people reach it",
                raw.name
            ));
        }
        Ok(Self {
            name: raw.name,
            reach: raw.reach,
            channels: raw.channels,
            after: raw.after.unwrap_or_default(),
            severity: raw.severity,
        })
    }
}

impl ContactSection {
    /// Who is told of everything by every channel when no contact is named.
    pub(super) fn everybody(channels: Vec<String>) -> Self {
        Self {
            name: "everybody".to_owned(),
            reach: None,
            channels,
            after: Duration::ZERO,
            severity: Severity::Info,
        }
    }
}
