//! What the settings say of alerts, made ready.

use std::path::PathBuf;

use lifeboat::config::Config;

use super::channel::{Channels, channels};
use super::facts::Limits;
use super::notice::Routing;

/// The settings that hold now.
pub struct Settings {
    /// Who is told, and when.
    pub routing: Routing,
    /// By which way.
    pub channels: Channels,
    /// From when on something is worth a notice.
    pub limits: Limits,
    /// Where the runbooks are.
    pub runbooks: Option<String>,
    /// The home of the server whose logs are shipped.
    pub home: Option<PathBuf>,
    /// Files of certificates whose end is watched.
    pub certificates: Vec<PathBuf>,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings").field("routing", &self.routing).finish_non_exhaustive()
    }
}

impl From<&Config> for Settings {
    fn from(config: &Config) -> Self {
        let section = &config.alerts;
        Self {
            routing: Routing::from(section),
            channels: channels(&section.channels),
            limits: Limits {
                objectives: config.objectives,
                disk_free_percent: section.disk_free_percent,
                certificate_days: section.certificate_days,
                vault_quota: section.vault_quota,
                collapse_percent: config.retention.collapse_percent,
            },
            runbooks: section.runbooks.clone(),
            home: config.database.neo4j_home.clone(),
            certificates: config.service.tls.iter().map(|tls| tls.cert_file.clone()).collect(),
        }
    }
}

impl Settings {
    /// The channels of a contact.
    pub fn channels_of(&self, contact: &str) -> &[String] {
        let found = self.routing.contacts.iter().find(|known| known.name == contact);
        found.map_or(&[], |contact| &contact.channels)
    }

    /// Whom to ask, and how: for people.
    pub fn reach(&self) -> Vec<String> {
        let contacts = self.routing.contacts.iter();
        contacts
            .filter_map(|contact| Some(format!("{}: {}", contact.name, contact.reach.as_ref()?)))
            .collect()
    }
}
