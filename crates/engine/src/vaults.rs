//! Two vaults in two regions, and in each a place for databases and one for configurations.
//!
//! Backups are written to the active vault alone; `replicate` brings them to the other. Whoever
//! reads takes the active vault when it answers, else the other, and is told so: on the day of the
//! disaster the same commands work as on every other day.

mod everywhere;

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use lifeboat_archive::{BackupKind, BackupName, Manifest};
use lifeboat_vault::{Address, Listed, Vault, VaultConfig};
use serde::{Deserialize, Serialize};

use crate::config::{KeySections, VaultSection};
use crate::select::{Selector, select};
use crate::{Error, Result};

pub use everywhere::{Everywhere, Located};

/// Which of two vaults.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// `[vault.primary]`.
    #[default]
    Primary,
    /// `[vault.secondary]`.
    Secondary,
}

impl Role {
    /// The name of its section.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Secondary => "secondary",
        }
    }

    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Primary => Self::Secondary,
            Self::Secondary => Self::Primary,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How a person says which vault is meant: by its role, else by its address. A folder that is
/// called `primary` is `./primary`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VaultChoice {
    /// One of those in the settings.
    Role(Role),
    /// Any.
    Address(Address),
}

impl FromStr for VaultChoice {
    type Err = lifeboat_vault::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "primary" => Ok(Self::Role(Role::Primary)),
            "secondary" => Ok(Self::Role(Role::Secondary)),
            _ => text.parse().map(Self::Address),
        }
    }
}

/// How to open the vaults of one region. Secrets are read when it is opened, and not before: those
/// of a region that is not needed may be out of reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionConfig {
    /// Its role; `None` for an address that stands in no settings.
    pub role: Option<Role>,
    /// Where it is, and who to be there.
    pub section: VaultSection,
    /// Its keys.
    pub keys: KeySections,
}

impl RegionConfig {
    /// What opening its vault for databases needs.
    ///
    /// # Errors
    /// When a secret cannot be had, or is no key.
    pub fn vault_config(&self) -> Result<VaultConfig> {
        let config = self.section.vault_config()?.with_keys(self.keys.keys()?);
        Ok(config.with_cache(cache_folder()))
    }

    /// Opens its vaults. Nothing is asked of the stores yet.
    ///
    /// # Errors
    /// When the secret cannot be had, or the credentials cannot be used.
    pub fn open(&self) -> Result<Region> {
        let config = self.vault_config()?;
        let address = self.section.config_address();
        let databases = Vault::open(&config)?;
        let configs = if address == config.address {
            None
        } else {
            Some(Vault::open(&VaultConfig { address, ..config })?)
        };
        Ok(Region { role: self.role, databases, configs })
    }
}

/// Where a user's programs keep what they can do without.
fn cache_folder() -> Option<std::path::PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let folder = match set("XDG_CACHE_HOME") {
        Some(folder) => std::path::PathBuf::from(folder),
        None => std::path::PathBuf::from(set("HOME")?).join(".cache"),
    };
    folder.is_absolute().then(|| folder.join("lifeboat"))
}

/// The vaults of one region, open.
#[derive(Debug, Clone)]
pub struct Region {
    /// Its role; `None` for an address that stands in no settings.
    pub role: Option<Role>,
    databases: Vault,
    /// When it is another.
    configs: Option<Vault>,
}

impl Region {
    /// Of one vault that holds everything.
    pub fn of(vault: Vault) -> Self {
        Self { role: None, databases: vault, configs: None }
    }

    /// Where backups of databases are.
    pub fn databases(&self) -> &Vault {
        &self.databases
    }

    /// Where backups of configurations are; often the same.
    pub fn configs(&self) -> &Vault {
        self.configs.as_ref().unwrap_or(&self.databases)
    }

    /// Where backups of a kind are.
    pub fn vault(&self, kind: BackupKind) -> &Vault {
        match kind {
            BackupKind::Database => &self.databases,
            BackupKind::Config => self.configs(),
        }
    }

    /// Its vaults, one or two.
    pub fn vaults(&self) -> impl Iterator<Item = &Vault> {
        std::iter::once(&self.databases).chain(&self.configs)
    }

    /// All backups of both kinds, the newest first. Of two places, one that does not exist yet has
    /// none.
    ///
    /// # Errors
    /// Those of [`Vault::list`].
    pub async fn list(&self) -> Result<Vec<Listed>> {
        let each = self.list_each().await?;
        let mut all: Vec<_> = each.into_iter().flat_map(|(_, listed)| listed).collect();
        all.sort_by_cached_key(|one| Reverse((one.created(), one.name.clone())));
        Ok(all)
    }

    /// The backups in each of its vaults. Of two, one that does not exist yet is left out.
    ///
    /// # Errors
    /// Those of [`Vault::list`].
    pub async fn list_each(&self) -> Result<Vec<(&Vault, Vec<Listed>)>> {
        let databases = &self.databases;
        let Some(configs) = &self.configs else {
            return Ok(vec![(databases, databases.list().await?)]);
        };
        match futures::join!(databases.list(), configs.list()) {
            (Ok(first), Ok(second)) => Ok(vec![(databases, first), (configs, second)]),
            (Ok(first), Err(error)) if error.is_vault_missing() => Ok(vec![(databases, first)]),
            (Err(error), Ok(second)) if error.is_vault_missing() => Ok(vec![(configs, second)]),
            (Err(error), _) | (_, Err(error)) => Err(error.into()),
        }
    }

    /// Finds a backup, and the vault that it is in.
    ///
    /// # Errors
    /// As [`select`].
    pub async fn find(&self, selector: &Selector) -> Result<(Vault, Manifest)> {
        let vaults: Vec<&Vault> = match (selector, &self.configs) {
            (Selector::Name(name), Some(configs)) => match name.kind() {
                Some(kind) => vec![self.vault(kind)],
                None => vec![&self.databases, configs],
            },
            _ => vec![&self.databases],
        };
        let mut failure = None;
        for vault in vaults {
            match select(vault, selector).await {
                Ok(manifest) => return Ok((vault.clone(), manifest)),
                // What was found wrong first is what matters.
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        Err(failure.unwrap_or_else(|| Error::Internal("no vault was looked into".to_owned())))
    }
}

/// Why a vault was passed over for the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fallback {
    /// The vault that was passed over.
    pub from: Role,
    /// The one that is used.
    pub to: Role,
    /// Why.
    pub reason: String,
}

impl fmt::Display for Fallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, reason } = self;
        write!(f, "using the {to} vault instead of the {from}: {reason}")
    }
}

/// A region to read from.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The region.
    pub region: Region,
    /// Why it is not the active one.
    pub fallback: Option<Fallback>,
}

/// A backup that was looked for.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its manifest.
    pub manifest: Manifest,
    /// The vault that it is in.
    pub vault: Vault,
    /// The region of the vault.
    pub region: Region,
    /// Why it is not the active region.
    pub fallback: Option<Fallback>,
}

/// The vaults that the settings name, or the one that somebody has chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vaults {
    active: RegionConfig,
    other: Option<RegionConfig>,
}

impl Vaults {
    /// Of an active region and perhaps another.
    pub fn new(active: RegionConfig, other: Option<RegionConfig>) -> Self {
        Self { active, other }
    }

    /// How to open the active region.
    pub fn active(&self) -> &RegionConfig {
        &self.active
    }

    /// How to open the other region, if there is one.
    pub fn other(&self) -> Option<&RegionConfig> {
        self.other.as_ref()
    }

    /// The region that backups are written to.
    ///
    /// # Errors
    /// As [`RegionConfig::open`].
    pub fn writing(&self) -> Result<Region> {
        self.active.open()
    }

    /// Every region, opened with the credentials that are for pruning: the active one first.
    ///
    /// # Errors
    /// As [`RegionConfig::open`].
    pub fn pruning(&self) -> Result<Vec<Region>> {
        let regions = std::iter::once(&self.active).chain(&self.other);
        regions
            .map(|region| {
                RegionConfig { section: region.section.for_pruning(), ..region.clone() }.open()
            })
            .collect()
    }

    /// The region to read from: the active one when it answers, else the other.
    ///
    /// # Errors
    /// When none answers: [`Error::NeitherVault`]; with one region, whatever is wrong with it.
    pub async fn reading(&self) -> Result<Reading> {
        let Some(other) = &self.other else {
            return Ok(Reading { region: self.active.open()?, fallback: None });
        };
        match answering(&self.active).await {
            Ok(region) => Ok(Reading { region, fallback: None }),
            Err(first) => match answering(other).await {
                Ok(region) => {
                    let fallback = Some(self.fallback(other, &first));
                    Ok(Reading { region, fallback })
                }
                Err(second) => {
                    Err(Error::NeitherVault { first: Box::new(first), second: Box::new(second) })
                }
            },
        }
    }

    /// Finds a backup: in the active region when it answers and has it intact, else in the other.
    ///
    /// # Errors
    /// As [`reading`](Self::reading) and [`select`]; what is told is what is wrong with the active
    /// region.
    pub async fn find(&self, selector: &Selector) -> Result<Found> {
        let Reading { region, fallback } = self.reading().await?;
        let first = match region.find(selector).await {
            Ok((vault, manifest)) => return Ok(Found { manifest, vault, region, fallback }),
            Err(first) => first,
        };
        // What the other has is looked for once: after a fallback, it has just been.
        let Some(other) = self.other.as_ref().filter(|_| fallback.is_none()) else {
            return Err(first);
        };
        let Ok(region) = answering(other).await else { return Err(first) };
        let Ok((vault, manifest)) = region.find(selector).await else { return Err(first) };
        let fallback = Some(self.fallback(other, &first));
        Ok(Found { manifest, vault, region, fallback })
    }

    /// Finds the newest backup of a configuration.
    ///
    /// # Errors
    /// As [`reading`](Self::reading); [`Error::NoBackup`].
    pub async fn find_config(&self) -> Result<Found> {
        let Reading { region, fallback } = self.reading().await?;
        let listed = region.list().await?;
        let newest = listed
            .into_iter()
            .filter_map(|listed| listed.manifest.ok())
            .find(|manifest| manifest.kind == BackupKind::Config);
        let vault = region.configs().clone();
        match newest {
            Some(manifest) => {
                Ok(Found { manifest: Arc::unwrap_or_clone(manifest), vault, region, fallback })
            }
            None => Err(Error::NoBackup {
                vault: vault.to_string(),
                hint: "make one of the configuration with `lifeboat backup config`".to_owned(),
            }),
        }
    }

    fn fallback(&self, other: &RegionConfig, reason: &Error) -> Fallback {
        Fallback {
            from: self.active.role.unwrap_or_default(),
            to: other.role.unwrap_or(Role::Secondary),
            reason: reason.to_string(),
        }
    }
}

/// How long a vault may take to answer before the other is taken: whoever asks may be in a disaster.
const PATIENCE: Duration = Duration::from_secs(10);

/// The region, when its vault for databases answers.
pub(crate) async fn answering(config: &RegionConfig) -> Result<Region> {
    let region = config.open()?;
    let vault = &region.databases;
    match tokio::time::timeout(PATIENCE, vault.check()).await {
        Ok(answer) => answer?,
        Err(_) => {
            return Err(Error::Vault(lifeboat_vault::Error::Unreachable {
                vault: vault.to_string(),
                action: "list",
                object: "it".to_owned(),
                reason: format!("no answer within {} seconds", PATIENCE.as_secs()),
                hint: "try again when the network is well".to_owned(),
            }));
        }
    }
    Ok(region)
}

/// Backups that are intact in `one` and that `other` lacks, has damaged, or has with other content
/// under the same name: what would be lost with `one`.
pub fn ahead<'a>(one: &'a [Listed], other: &[Listed]) -> Vec<&'a BackupName> {
    let there: HashMap<_, _> = other
        .iter()
        .filter_map(|listed| Some((&listed.name, listed.manifest.as_ref().ok()?)))
        .collect();
    one.iter()
        .filter_map(|listed| {
            let manifest = listed.manifest.as_ref().ok()?;
            let copied = there.get(&listed.name).is_some_and(|copy| same(copy, manifest));
            (!copied).then_some(&listed.name)
        })
        .collect()
}

/// Whether two manifests of one name speak of the same backup.
fn same(one: &Manifest, other: &Manifest) -> bool {
    one.archive.blake3 == other.archive.blake3 && one.created == other.created
}

#[cfg(test)]
pub(crate) mod tests;
