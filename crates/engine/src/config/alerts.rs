//! `[alerts]`: what is worth a notice, who gets it, and by which way.

mod channel;
mod contact;
mod quiet;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::duration::duration;

pub use channel::{
    AlertmanagerChannel, ChannelSection, HookChannel, MailSecurity, PagerDutyChannel, SmtpChannel,
    WebhookChannel,
};
pub use contact::ContactSection;
pub use quiet::Quiet;

/// How bad it is.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Good to know.
    #[default]
    Info,
    /// Look at it today.
    Warning,
    /// Recovery is at risk now.
    Critical,
}

impl Severity {
    /// All of them, the least first.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Critical];

    /// Its name, as in the settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl std::fmt::Display for Severity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// `[alerts]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, try_from = "RawAlerts")]
pub struct AlertsSection {
    /// An alert that is neither resolved nor acknowledged is told again after this long.
    pub repeat: Duration,
    /// A first notice waits this long for others to go with it.
    pub group_wait: Duration,
    /// Where the runbooks are: a runbook's name is added for a link.
    pub runbooks: Option<String>,
    /// Warns when less than so many percent of a disk are free.
    pub disk_free_percent: u8,
    /// Warns when a certificate has fewer days left.
    pub certificate_days: u16,
    /// The most bytes that the vault may hold; warns at nine tenths of it.
    pub vault_quota: Option<u64>,
    /// When nobody is woken for less than the worst.
    pub quiet: Option<Quiet>,
    /// `[alerts.channel.NAME]`: the ways.
    pub channels: BTreeMap<String, ChannelSection>,
    /// `[[alerts.contacts]]`: who, in the order of escalation.
    pub contacts: Vec<ContactSection>,
}

impl Default for AlertsSection {
    fn default() -> Self {
        Self {
            repeat: Duration::from_hours(4),
            group_wait: Duration::from_secs(30),
            runbooks: None,
            disk_free_percent: 10,
            certificate_days: 21,
            vault_quota: None,
            quiet: None,
            channels: BTreeMap::new(),
            contacts: Vec::new(),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawAlerts {
    #[serde(deserialize_with = "duration")]
    repeat: Option<Duration>,
    #[serde(deserialize_with = "duration")]
    group_wait: Option<Duration>,
    runbooks: Option<String>,
    disk_free_percent: Option<u8>,
    certificate_days: Option<u16>,
    vault_quota_gib: Option<u32>,
    quiet: Option<Quiet>,
    channel: BTreeMap<String, ChannelSection>,
    contacts: Vec<ContactSection>,
}

/// Sooner, and whoever is told turns the telling off.
const LEAST_REPEAT: Duration = Duration::from_mins(5);

/// Later, and the notice is none.
const LONGEST_WAIT: Duration = Duration::from_mins(10);

impl TryFrom<RawAlerts> for AlertsSection {
    type Error = String;

    fn try_from(raw: RawAlerts) -> Result<Self, String> {
        let default = Self::default();
        let mut contacts = raw.contacts;
        if contacts.is_empty() && !raw.channel.is_empty() {
            contacts.push(ContactSection::everybody(raw.channel.keys().cloned().collect()));
        }
        let mut names = std::collections::BTreeSet::new();
        for contact in &contacts {
            if !names.insert(&contact.name) {
                return Err(format!("there are two contacts of the name {:?}", contact.name));
            }
            for channel in &contact.channels {
                if !raw.channel.contains_key(channel) {
                    return Err(format!(
                        "the contact {:?} names the channel {channel:?}, and there is no \
                         [alerts.channel.{channel}]",
                        contact.name
                    ));
                }
            }
        }
        if raw.repeat.is_some_and(|repeat| repeat < LEAST_REPEAT) {
            return Err("repeat is at least 5m".to_owned());
        }
        if raw.group_wait.is_some_and(|wait| wait > LONGEST_WAIT) {
            return Err("group_wait is at most 10m".to_owned());
        }
        if raw.disk_free_percent.is_some_and(|percent| percent > 99) {
            return Err("disk_free_percent is at most 99".to_owned());
        }
        Ok(Self {
            repeat: raw.repeat.unwrap_or(default.repeat),
            group_wait: raw.group_wait.unwrap_or(default.group_wait),
            runbooks: raw.runbooks,
            disk_free_percent: raw.disk_free_percent.unwrap_or(default.disk_free_percent),
            certificate_days: raw.certificate_days.unwrap_or(default.certificate_days),
            vault_quota: raw.vault_quota_gib.map(|gib| u64::from(gib) << 30),
            quiet: raw.quiet,
            channels: raw.channel,
            contacts,
        })
    }
}

impl AlertsSection {
    pub(super) fn resolve(&mut self, folder: &Path) {
        for channel in self.channels.values_mut() {
            channel.resolve(folder);
        }
    }
}

#[cfg(test)]
mod tests;
