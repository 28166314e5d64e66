//! `[config_backup]`: what belongs to the application besides its database.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lifeboat_archive::check_path;
use serde::Deserialize;

/// How long a command may take unless it says otherwise, in seconds.
const COMMAND_SECONDS: u64 = 60;

/// `[config_backup]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawConfigBackup")]
pub struct ConfigBackupSection {
    /// Files and folders, as patterns of absolute paths.
    pub include: Vec<String>,
    /// What to leave out of them.
    pub exclude: Vec<String>,
    /// Which of the files are secret: their content is kept only in an encrypted archive.
    pub secret_files: Vec<String>,
    /// Names of environment variables whose values are kept.
    pub environment: Vec<String>,
    /// Names of those whose values are secret.
    pub secret_environment: Vec<String>,
    /// Commands whose output is kept.
    pub commands: Vec<CommandSection>,
    /// Whether the database's `neo4j.conf` and the list of its plugins are kept, when its home is
    /// known.
    pub neo4j: bool,
    /// Images and versions of the application, by name.
    pub application: BTreeMap<String, String>,
}

/// `[[config_backup.commands]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandSection {
    /// What its output is called in the archive.
    pub name: String,
    /// The program and its arguments, run without a shell.
    pub command: Vec<String>,
    /// How long it may take.
    pub timeout: Duration,
    /// Whether its output is secret.
    pub secret: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawConfigBackup {
    include: Vec<String>,
    exclude: Vec<String>,
    secret_files: Vec<String>,
    environment: Vec<String>,
    secret_environment: Vec<String>,
    commands: Vec<RawCommand>,
    neo4j: bool,
    application: BTreeMap<String, String>,
}

impl Default for RawConfigBackup {
    fn default() -> Self {
        Self {
            include: Vec::new(),
            exclude: Vec::new(),
            secret_files: Vec::new(),
            environment: Vec::new(),
            secret_environment: Vec::new(),
            commands: Vec::new(),
            neo4j: true,
            application: BTreeMap::new(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCommand {
    name: String,
    command: Vec<String>,
    timeout_seconds: Option<u64>,
    #[serde(default)]
    secret: bool,
}

impl TryFrom<RawConfigBackup> for ConfigBackupSection {
    type Error = String;

    fn try_from(raw: RawConfigBackup) -> Result<Self, String> {
        for pattern in raw.include.iter().chain(&raw.exclude).chain(&raw.secret_files) {
            globset::Glob::new(pattern).map_err(|error| format!("{error}"))?;
            if Path::new(pattern).components().any(|part| part == std::path::Component::ParentDir) {
                return Err(format!("the pattern {pattern:?} has a `..` in it"));
            }
        }
        for name in raw.environment.iter().chain(&raw.secret_environment) {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty() || !name.chars().all(plain) {
                return Err(format!("{name:?} is not the name of an environment variable"));
            }
        }
        if let Some(name) = raw.environment.iter().find(|n| raw.secret_environment.contains(n)) {
            return Err(format!("{name} is both in environment and in secret_environment"));
        }
        let mut commands: Vec<CommandSection> = Vec::new();
        for RawCommand { name, command, timeout_seconds, secret } in raw.commands {
            if name.contains('/') || check_path(&name).is_err() {
                return Err(format!("{name:?} cannot name the output of a command"));
            }
            if command.is_empty() {
                return Err(format!("the command {name:?} is empty"));
            }
            if commands.iter().any(|other| other.name == name) {
                return Err(format!("two commands are called {name:?}"));
            }
            let timeout = match timeout_seconds.unwrap_or(COMMAND_SECONDS) {
                0 => return Err(format!("the command {name:?} has no time to run in")),
                seconds => Duration::from_secs(seconds),
            };
            commands.push(CommandSection { name, command, timeout, secret });
        }
        Ok(Self {
            include: raw.include,
            exclude: raw.exclude,
            secret_files: raw.secret_files,
            environment: raw.environment,
            secret_environment: raw.secret_environment,
            commands,
            neo4j: raw.neo4j,
            application: raw.application,
        })
    }
}

impl ConfigBackupSection {
    /// Whether it asks for nothing.
    pub fn is_empty(&self) -> bool {
        self.include.is_empty()
            && self.environment.is_empty()
            && self.secret_environment.is_empty()
            && self.commands.is_empty()
            && self.application.is_empty()
    }

    pub(super) fn resolve(&mut self, folder: &Path) {
        for pattern in
            self.include.iter_mut().chain(&mut self.exclude).chain(&mut self.secret_files)
        {
            // `**/x` means x anywhere.
            if !pattern.starts_with("**/") {
                *pattern = absolute(folder, pattern);
            }
        }
    }
}

/// A pattern below a folder whose own name is no pattern.
fn absolute(folder: &Path, pattern: &str) -> String {
    if Path::new(pattern).is_absolute() {
        return pattern.to_owned();
    }
    // That of a file which is named without one.
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let folder = std::path::absolute(folder).unwrap_or_else(|_| PathBuf::from(folder));
    let pattern = pattern.strip_prefix("./").unwrap_or(pattern);
    format!("{}/{pattern}", globset::escape(&folder.to_string_lossy()))
}
