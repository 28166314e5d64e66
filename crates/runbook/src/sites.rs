//! Where the application lives: `[environment.NAME]`, `[dns]`, `[runbooks]` and `[drill]` of
//! `lifeboat.toml`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lifeboat::config::{ConfigError, DatabaseSection};
use serde::Deserialize;
use serde::de::IntoDeserializer as _;
use toml::Spanned;
use toml::de::DeTable;

use crate::condition::Condition;
use crate::dns::Zone;
use crate::platform::Platform;
use crate::provision::Provision;
use crate::template::Template;
use crate::value::read_optional_duration;

/// The sections of the settings that only runbooks read.
pub const SECTIONS: [&str; 4] = ["environment", "dns", "runbooks", "drill"];

/// All of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sites {
    /// `[environment.NAME]`.
    pub environment: BTreeMap<String, Environment>,
    /// `[dns]`: the name by which people reach the application.
    pub dns: Option<Zone>,
    /// `[runbooks]`.
    pub runbooks: RunbooksSection,
    /// `[drill]`.
    pub drill: DrillSection,
}

/// `[environment.NAME]`: a place where the application runs, or could.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Environment {
    /// Where it is, for people.
    pub region: Option<String>,
    /// It is for drills: nothing in it is needed, and `drill cleanup` removes it.
    pub disposable: bool,
    /// `[environment.NAME.database]`: its database.
    pub database: DatabaseSection,
    /// The folder that holds Neo4j's `lib`, when that is not the home.
    pub neo4j: Option<PathBuf>,
    /// A Java to run Neo4j's tools with, instead of the one that is found.
    pub java: Option<PathBuf>,
    /// A line for the shell that starts the database's server.
    pub start_database: Option<String>,
    /// A line for the shell that stops it.
    pub stop_database: Option<String>,
    /// The folder that a configuration is restored to. Without, its files go where they came from.
    pub configuration: Option<PathBuf>,
    /// The file, below `configuration`, that tells which image each service runs:
    /// a JSON object of service and image.
    pub images: Option<PathBuf>,
    /// The services that use the database, in the order in which they start.
    pub services: Vec<String>,
    /// `[environment.NAME.platform]`: what runs the services.
    pub platform: Option<Platform>,
    /// `[environment.NAME.provision]`: how its resources are made, and removed.
    pub provision: Option<Provision>,
    /// `[environment.NAME.fence]`: how it is kept from coming back.
    pub fence: Fence,
    /// The addresses that the application's name stands for when this one serves.
    pub addresses: Vec<IpAddr>,
    /// The name that the application's name stands for instead, as an alias.
    pub alias: Option<String>,
    /// `[[environment.NAME.endpoints]]`: what else has to learn where the application is.
    pub endpoints: Vec<Endpoint>,
    /// `[[environment.NAME.health]]`: what must hold when it serves.
    pub health: Vec<Condition>,
}

/// `[environment.NAME.fence]`: commands that keep it from coming back, and that let it again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fence {
    /// Keeps it out.
    pub set: Vec<Template>,
    /// Lets it in again.
    pub lift: Vec<Template>,
    /// Whether failing to reach it is no failure: a region that is down needs no stopping, and the
    /// mark in the vaults keeps it out when it comes back.
    pub required: bool,
}

/// `[[environment.NAME.endpoints]]`: something that has to learn where the application is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// A file that is written.
    pub file: Option<PathBuf>,
    /// What is written into it.
    pub content: Option<String>,
    /// A command that is run, after the file was written.
    #[serde(default)]
    pub command: Vec<Template>,
}

/// `[runbooks]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RunbooksSection {
    /// The folder of your own runbooks; one of a built-in name takes its place.
    pub folder: Option<PathBuf>,
    /// The folder of journals on this machine; the user's own for state when not given.
    pub state: Option<PathBuf>,
    /// `[runbooks.inputs]`: values of inputs, for all runbooks that have them.
    pub inputs: BTreeMap<String, String>,
    /// How people are told: a command that is given the text as its last argument.
    pub notify: Vec<Template>,
    /// `[[runbooks.keys]]`: who holds which key, for the handbook.
    pub keys: Vec<KeySection>,
}

/// `[[runbooks.keys]]`: where a key is kept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeySection {
    /// Which key, as in `age identity`.
    pub name: String,
    /// Who holds it, and where.
    pub holder: String,
}

/// `[drill]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DrillSection {
    /// The runbook that the service rehearses by schedule.
    pub runbook: Option<String>,
    /// Who looks after what such a drill finds.
    pub owner: Option<String>,
    /// `[drill.environments]`: which disposable environment stands for which.
    pub environments: BTreeMap<String, String>,
    /// `[drill.dns]`: the name that stands for the application's.
    pub dns: Option<Zone>,
    /// How long a drill's resources may live; four hours when not given.
    #[serde(deserialize_with = "read_optional_duration")]
    pub ttl: Option<Duration>,
}

impl Sites {
    /// Reads a settings file.
    ///
    /// # Errors
    /// When it cannot be read, or its sections hold anything but settings.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::Read { path: path.to_owned(), error })?;
        Self::parse(&text, path)
    }

    /// Reads a file's text; `path` is for errors, and for the paths within.
    ///
    /// # Errors
    /// When its sections hold anything but settings.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let failed = |error| ConfigError::in_file(path, text, &error);
        let mut document = DeTable::parse(text).map_err(failed)?;
        let mut own = DeTable::new();
        for section in SECTIONS {
            if let Some((key, value)) = document.get_mut().remove_entry(section) {
                own.insert(key, value);
            }
        }
        let own = Spanned::new(document.span(), own);
        let mut sites = Self::deserialize(own.into_deserializer()).map_err(failed)?;
        sites.resolve(path.parent().unwrap_or(Path::new("")));
        Ok(sites)
    }

    fn resolve(&mut self, folder: &Path) {
        for environment in self.environment.values_mut() {
            environment.resolve(folder);
        }
        for zone in self.dns.iter_mut().chain(&mut self.drill.dns) {
            zone.resolve(folder);
        }
        for path in [&mut self.runbooks.folder, &mut self.runbooks.state].into_iter().flatten() {
            *path = folder.join(&*path);
        }
    }
}

impl Environment {
    fn resolve(&mut self, folder: &Path) {
        self.database.resolve(folder);
        for path in [&mut self.neo4j, &mut self.java, &mut self.configuration].into_iter().flatten()
        {
            *path = folder.join(&*path);
        }
        for file in self.endpoints.iter_mut().filter_map(|endpoint| endpoint.file.as_mut()) {
            *file = folder.join(&*file);
        }
        if let Some(platform) = &mut self.platform {
            platform.resolve(folder);
        }
        if let Some(provision) = &mut self.provision {
            provision.resolve(folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_sections_are_read_and_others_left_alone() {
        let text = r#"
            [vault.primary]
            url = "file:///x"
            [environment.primary]
            services = ["api"]
            addresses = ["10.0.0.1"]
            configuration = "app"
            [environment.primary.database]
            uri = "bolt://db:7687"
            neo4j_home = "neo4j"
            [[environment.primary.health]]
            http = "http://app/health"
            within = "2m"
            [runbooks.inputs]
            environment = "primary"
        "#;
        let sites = Sites::parse(text, Path::new("/etc/lifeboat.toml")).unwrap();
        let primary = &sites.environment["primary"];
        assert_eq!(primary.configuration.as_deref(), Some(Path::new("/etc/app")));
        assert_eq!(primary.database.neo4j_home.as_deref(), Some(Path::new("/etc/neo4j")));
        assert_eq!(primary.health[0].within, Duration::from_mins(2));
    }

    #[test]
    fn what_is_no_setting_is_told_by_line() {
        let text = "[environment.primary]\nservice = [\"api\"]\n";
        let error = Sites::parse(text, Path::new("l.toml")).unwrap_err().to_string();
        assert!(error.contains("l.toml, line 2"), "{error}");
    }
}
