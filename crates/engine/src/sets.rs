//! Recovery sets: a database and the configuration that was backed up with it.
//!
//! A set is not stored anywhere: both manifests carry its name as the option `recovery-set`. So it
//! cannot contradict its backups, is replicated with them, and shows when a half of it is missing.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use jiff::Timestamp;
use lifeboat_archive::{BackupKind, BackupName, Manifest};
use lifeboat_vault::Listed;

use crate::vaults::{Fallback, Reading, Region, Vaults};
use crate::{Error, Result};

/// The option of a manifest that names its set.
pub const SET_OPTION: &str = "recovery-set";

/// What a set's name begins with.
const PREFIX: &str = "set-";

/// The name of a set: `set-YYYYMMDD-HHMMSS` (UTC).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SetName(String);

impl SetName {
    /// The name of a set begun at `time`.
    pub fn at(time: Timestamp) -> Self {
        Self(format!("{PREFIX}{}", time.strftime("%Y%m%d-%H%M%S")))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The note that binds a backup to this set.
    pub fn note(&self) -> (String, String) {
        (SET_OPTION.to_owned(), self.0.clone())
    }
}

/// A text that is not the name of a set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the name of a recovery set, as in set-20261124-020000")]
pub struct SetNameError(String);

impl FromStr for SetName {
    type Err = SetNameError;

    fn from_str(text: &str) -> Result<Self, SetNameError> {
        // The digits are those of a backup's name.
        let digits = text.strip_prefix(PREFIX);
        let time = digits.and_then(|digits| {
            format!("{}-{digits}", BackupKind::Database.prefix())
                .parse::<BackupName>()
                .ok()?
                .timestamp()
        });
        match time {
            Some(_) => Ok(Self(text.to_owned())),
            None => Err(SetNameError(text.chars().take(64).collect())),
        }
    }
}

impl fmt::Display for SetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The set that a backup belongs to.
pub fn set_of(manifest: &Manifest) -> Option<SetName> {
    manifest.options.get(SET_OPTION)?.parse().ok()
}

/// What there is of a set.
#[derive(Debug, Clone)]
pub struct RecoverySet {
    /// Its name.
    pub name: SetName,
    /// The database's half, when it is there and intact.
    pub database: Option<Arc<Manifest>>,
    /// The configuration's half, when it is there and intact.
    pub config: Option<Arc<Manifest>>,
}

impl RecoverySet {
    /// Whether both halves are there.
    pub fn is_whole(&self) -> bool {
        self.missing().is_none()
    }

    /// The half that is missing.
    pub fn missing(&self) -> Option<BackupKind> {
        match (&self.database, &self.config) {
            (None, _) => Some(BackupKind::Database),
            (_, None) => Some(BackupKind::Config),
            _ => None,
        }
    }
}

/// All sets of a list, the newest first.
pub fn sets(listed: &[Listed]) -> Vec<RecoverySet> {
    let mut sets = BTreeMap::new();
    // The oldest first, so that of two of one kind the newer stays.
    for manifest in listed.iter().rev().filter_map(|one| one.manifest.as_ref().ok()) {
        let Some(name) = set_of(manifest) else { continue };
        let set =
            sets.entry(name.clone()).or_insert(RecoverySet { name, database: None, config: None });
        let half = match manifest.kind {
            BackupKind::Database => &mut set.database,
            BackupKind::Config => &mut set.config,
        };
        *half = Some(Arc::clone(manifest));
    }
    sets.into_values().rev().collect()
}

/// A set that was looked for.
#[derive(Debug, Clone)]
pub struct FoundSet {
    /// The set.
    pub set: RecoverySet,
    /// The region that it is in.
    pub region: Region,
    /// Why it is not the active region.
    pub fallback: Option<Fallback>,
}

impl FoundSet {
    /// The set, when it is whole.
    ///
    /// # Errors
    /// [`Error::HalfASet`].
    pub fn whole(self) -> Result<Self> {
        match self.set.missing() {
            None => Ok(self),
            Some(half) => {
                let vault = self.region.databases().to_string();
                Err(Error::HalfASet { name: self.set.name, vault, half })
            }
        }
    }
}

/// Finds a set: by name, also when a half of it is missing, or the newest that is whole.
///
/// # Errors
/// When there is none.
pub async fn find_set(vaults: &Vaults, name: Option<&SetName>) -> Result<FoundSet> {
    let Reading { region, fallback } = vaults.reading().await?;
    let sets = sets(&region.list().await?);
    let vault = region.databases().to_string();
    let found = match name {
        None => sets.into_iter().find(RecoverySet::is_whole),
        Some(name) => sets.into_iter().find(|set| set.name == *name),
    };
    match found {
        Some(set) => Ok(FoundSet { set, region, fallback }),
        None => Err(Error::NoSet { vault, name: name.cloned() }),
    }
}

#[cfg(test)]
mod tests {
    use lifeboat_archive::BackupKind::{Config, Database};

    use super::*;
    use crate::testing::{memory, name, store_with};

    #[test]
    fn a_set_is_named_by_its_time() {
        let name = SetName::at("2026-11-24T02:00:00Z".parse().unwrap());
        assert_eq!(name.as_str(), "set-20261124-020000");
        assert_eq!("set-20261124-020000".parse::<SetName>(), Ok(name));
        for text in
            ["", "set-", "set-20261324-020000", "20261124-020000", "set-20261124-020000.tar.gz"]
        {
            assert!(text.parse::<SetName>().is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn sets_are_found_in_what_manifests_say() {
        let vault = memory("sets");
        let whole = [(SET_OPTION, "set-20261124-020000")];
        store_with(&vault, &name(Database, 0), "d", &whole).await;
        store_with(&vault, &name(Config, 1), "c", &whole).await;
        store_with(&vault, &name(Database, 10), "d", &[(SET_OPTION, "set-20261124-020010")]).await;
        store_with(&vault, &name(Database, 20), "d", &[(SET_OPTION, "no set")]).await;
        let sets = sets(&vault.list().await.unwrap());
        let shown: Vec<_> = sets.iter().map(|set| (set.name.as_str(), set.missing())).collect();
        assert_eq!(shown, [("set-20261124-020010", Some(Config)), ("set-20261124-020000", None)]);
        let vaults = crate::vaults::tests::one("memory://sets");
        let found = find_set(&vaults, None).await.unwrap();
        assert_eq!(found.set.name.as_str(), "set-20261124-020000");
        let half: SetName = "set-20261124-020010".parse().unwrap();
        let error = find_set(&vaults, Some(&half)).await.unwrap().whole().unwrap_err().to_string();
        assert!(error.contains("its config backup is missing"), "{error}");
        let none: SetName = "set-20200101-000000".parse().unwrap();
        assert!(matches!(find_set(&vaults, Some(&none)).await, Err(Error::NoSet { .. })));
    }
}
