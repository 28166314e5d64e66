//! The settings file, `lifeboat.toml`.
//!
//! A section and its keys are a struct and its fields; whatever is not one of them is refused, with
//! the file, the line and the key, since a misspelt setting that is passed over is found on the day
//! of the disaster. Secrets do not stand in the file: it names a file that holds one, or a command
//! that prints one. Paths are relative to the folder that the file is in.

mod alerts;
mod config_backup;
mod cron;
mod duration;
mod error;
mod keys;
mod objectives;
mod ping;
mod retention;
mod schedule;
mod secret;
mod service;
mod vault;
mod vaults;
mod verify;

use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use lifeboat_bolt::{Auth, Uri};
use serde::{Deserialize, Deserializer, de};

pub use alerts::{
    AlertmanagerChannel, AlertsSection, ChannelSection, ContactSection, HookChannel, MailSecurity,
    PagerDutyChannel, Quiet, Severity, SmtpChannel, WebhookChannel,
};
pub use config_backup::{CommandSection, ConfigBackupSection};
pub use cron::Cron;
pub use duration::parse_duration;
pub use error::ConfigError;
pub use keys::{
    EncryptionSection, KeySections, PASSPHRASE_VARIABLE, SIGNING_PASSWORD_VARIABLE, SigningSection,
};
pub use objectives::Objectives;
pub use ping::{PingSection, Pings};
pub use retention::{MAX_RETENTION_DAYS, Retention};
pub use schedule::{CronSetting, JobKind, Overlap, Schedule, ScheduleSection, Schedules, Timing};
pub use secret::SecretSource;
pub use service::{
    DEFAULT_LISTEN, DEFAULT_RATE, Rights, ServiceSection, TlsSection, TokenSection, TokenSource,
};
pub use vault::{CredentialsSection, VaultAuth, VaultSection};
pub use vaults::VaultSections;
pub use verify::{Expected, Invariant, VerifySection};

use crate::Target;
use crate::physical_backup::MethodChoice;
use crate::vaults::{RegionConfig, Role, Vaults};

/// Who one is on a server unless another name is given.
pub const DEFAULT_USER: &str = "neo4j";

/// Name of the file that is looked for in the current folder.
pub const FILE_NAME: &str = "lifeboat.toml";

/// All settings of a file.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `[database]`: what is backed up, and restored into.
    pub database: DatabaseSection,
    /// `[vault.…]`: where backups live.
    pub vault: VaultSections,
    /// `[encryption]`: for whom archives are encrypted, and who opens them.
    pub encryption: EncryptionSection,
    /// `[signing]`: who signs, and whose signatures are believed.
    pub signing: SigningSection,
    /// `[config_backup]`: what belongs to the application besides its database.
    pub config_backup: ConfigBackupSection,
    /// `[retention]`: how long backups are kept.
    pub retention: Retention,
    /// `[verify]`: what a trial restore is made with, and what must hold afterwards.
    pub verify: VerifySection,
    /// `[service]`: the service's state and its API.
    pub service: ServiceSection,
    /// `[schedule.…]`: what the service does, and when.
    pub schedule: Schedules,
    /// `[objectives]`: how much may be lost, and how long a restore may take.
    pub objectives: Objectives,
    /// `[alerts]`: what is worth a notice, who gets it, and how.
    pub alerts: AlertsSection,
    /// `[ping.…]`: who outside notices when all is silent.
    pub ping: Pings,
    /// `[environment.…]`: where the application runs; read by runbooks, as are the next three.
    pub environment: de::IgnoredAny,
    /// `[dns]`.
    pub dns: de::IgnoredAny,
    /// `[runbooks]`.
    pub runbooks: de::IgnoredAny,
    /// `[drill]`.
    pub drill: de::IgnoredAny,
}

/// `[database]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, try_from = "RawDatabase")]
pub struct DatabaseSection {
    /// Address of the server, such as `bolt://localhost:7687`.
    pub uri: Option<Uri>,
    /// Who to be there.
    pub username: Option<String>,
    /// Where the password is: `password_file` or `password_command`.
    pub password: Option<SecretSource>,
    /// Name of the database; the user's home database when not given.
    pub database: Option<String>,
    /// PEM file of certificate authorities to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// What a backup is to be.
    pub method: Option<MethodChoice>,
    /// The server's home, for physical backups.
    pub neo4j_home: Option<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawDatabase {
    #[serde(deserialize_with = "parsed")]
    uri: Option<Uri>,
    username: Option<String>,
    password_file: Option<PathBuf>,
    password_command: Option<Vec<String>>,
    database: Option<String>,
    ca_file: Option<PathBuf>,
    #[serde(deserialize_with = "parsed")]
    method: Option<MethodChoice>,
    neo4j_home: Option<PathBuf>,
}

impl TryFrom<RawDatabase> for DatabaseSection {
    type Error = String;

    fn try_from(raw: RawDatabase) -> Result<Self, String> {
        let password = SecretSource::choose("password", raw.password_file, raw.password_command)?;
        Ok(Self {
            uri: raw.uri,
            username: raw.username,
            password,
            database: raw.database,
            ca_file: raw.ca_file,
            method: raw.method,
            neo4j_home: raw.neo4j_home,
        })
    }
}

impl DatabaseSection {
    /// Makes paths relative to the settings file's folder.
    pub fn resolve(&mut self, folder: &Path) {
        resolve(folder, &mut self.ca_file);
        resolve(folder, &mut self.neo4j_home);
        if let Some(secret) = &mut self.password {
            secret.resolve(folder);
        }
    }

    /// The database, when its address is known. The password is read.
    ///
    /// # Errors
    /// When there is a password and it cannot be read.
    pub fn target(&self) -> Result<Option<Target>, ConfigError> {
        let Some(uri) = self.uri.clone() else { return Ok(None) };
        let auth = match &self.password {
            None => Auth::None,
            Some(password) => {
                Auth::basic(self.username.as_deref().unwrap_or(DEFAULT_USER), password.read()?)
            }
        };
        let mut config = lifeboat_bolt::Config::new(uri, auth);
        config.ca_file.clone_from(&self.ca_file);
        config.database.clone_from(&self.database);
        Ok(Some(Target { config, database: self.database.clone() }))
    }
}

impl Config {
    /// How to open the vaults that the file names; `None` when it names none.
    pub fn vaults(&self) -> Option<Vaults> {
        let active = self.region(self.vault.active)?;
        Some(Vaults::new(active, self.region(self.vault.active.other())))
    }

    /// How to open the vault of a role; `None` when the file names none.
    pub fn region(&self, role: Role) -> Option<RegionConfig> {
        let section = self.vault.section(role)?.clone();
        let keys =
            KeySections { encryption: self.encryption.clone(), signing: self.signing.clone() };
        Some(RegionConfig { role: Some(role), section, keys })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When the file cannot be read, or holds anything but settings.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path)
            .map_err(|error| ConfigError::Read { path: path.to_owned(), error })?;
        Self::parse(&text, path)
    }

    /// Reads a file's text; `path` is for errors, and for the paths within.
    ///
    /// # Errors
    /// When the text holds anything but settings.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let mut config: Self =
            toml::from_str(text).map_err(|error| ConfigError::in_file(path, text, &error))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        config.resolve(folder);
        Ok(config)
    }

    fn resolve(&mut self, folder: &Path) {
        self.database.resolve(folder);
        self.vault.resolve(folder);
        KeySections::resolve(&mut self.encryption, &mut self.signing, folder);
        self.verify.resolve(folder);
        self.config_backup.resolve(folder);
        self.service.resolve(folder);
        self.alerts.resolve(folder);
        self.ping.resolve(folder);
    }
}

/// Makes a path relative to the file's folder.
fn resolve(folder: &Path, path: &mut Option<PathBuf>) {
    if let Some(path) = path {
        *path = folder.join(&*path);
    }
}

/// A text that stands for a value of another type.
fn parsed<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(de::Error::custom)
}

#[cfg(test)]
mod tests;
