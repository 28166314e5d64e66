//! Which backup is meant.

use lifeboat_archive::{BackupName, DatabaseSection, Manifest, Method};
use lifeboat_vault::Vault;

use crate::{Error, Result};

/// A backup, by name or by what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// The newest that is not damaged, and no safety backup: that is of data somebody replaced.
    Latest,
    /// The newest physical backup that is not damaged.
    Physical,
    /// The one of this name.
    Name(BackupName),
}

/// The note that a safety backup carries.
pub(crate) const SAFETY_NOTE: &str = "safety-backup-before-restore-of";

/// The backup that was about to be restored when this one was taken for safety; `None` for any
/// other backup.
pub fn safety_of(manifest: &Manifest) -> Option<&str> {
    manifest.options.get(SAFETY_NOTE).map(String::as_str)
}

/// Finds the backup and reads its manifest.
///
/// # Errors
/// When there is none, or its manifest cannot be used.
pub async fn select(vault: &Vault, selector: &Selector) -> Result<Manifest> {
    match selector {
        Selector::Name(name) => Ok(vault.manifest(name).await?),
        Selector::Latest => newest(vault, |_| true).await,
        Selector::Physical => newest(vault, |database| database.method == Method::Physical).await,
    }
}

async fn newest(vault: &Vault, fits: impl Fn(&DatabaseSection) -> bool) -> Result<Manifest> {
    vault
        .list()
        .await?
        .into_iter()
        .filter_map(|listed| listed.manifest.ok())
        .find(|manifest| {
            manifest.database.as_ref().is_some_and(&fits) && safety_of(manifest).is_none()
        })
        .map(std::sync::Arc::unwrap_or_clone)
        .ok_or_else(|| Error::NoBackup {
            vault: vault.to_string(),
            hint: "make one with `lifeboat backup`".to_owned(),
        })
}
