//! What the settings say of alerts, made ready.

use std::collections::BTreeSet;
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
    /// Files of certificates whose end is watched; each once.
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
            certificates: certificates(config),
        }
    }
}

/// The API's own, and those by which it trusts clients, the database and the vaults: when one has
/// ended, nobody gets through any more.
fn certificates(config: &Config) -> Vec<PathBuf> {
    let tls = config.service.tls.iter();
    let own = tls.flat_map(|tls| [Some(&tls.cert_file), tls.client_ca_file.as_ref()]);
    let vaults = [&config.vault.primary, &config.vault.secondary].into_iter().flatten();
    let trusted = vaults.map(|vault| vault.ca_file.as_ref());
    let all = own.chain([config.database.ca_file.as_ref()]).chain(trusted);
    // One may serve for all.
    let once: BTreeSet<&PathBuf> = all.flatten().collect();
    once.into_iter().cloned().collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_certificate_that_the_settings_name_is_watched_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lifeboat.toml");
        let text = "[database]\nca_file = \"ca.pem\"\n\
                    [vault.primary]\nurl = \"a\"\nca_file = \"ca.pem\"\n\
                    [vault.secondary]\nurl = \"b\"\nca_file = \"second.pem\"\n\
                    [service]\ntls_cert_file = \"tls.pem\"\ntls_key_file = \"tls.key\"\n\
                    tls_client_ca_file = \"clients.pem\"\n";
        std::fs::write(&file, text).unwrap();
        let found = certificates(&Config::load(&file).unwrap());
        let wanted = ["ca.pem", "clients.pem", "second.pem", "tls.pem"];
        assert_eq!(found, wanted.map(|name| folder.path().join(name)));
    }
}
