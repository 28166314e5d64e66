//! Bases: physical backups from which logs can be replayed.

use std::path::PathBuf;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use lifeboat_archive::{BackupName, Compression, Manifest};
use lifeboat_vault::{Listed, Vault};
use tokio_util::sync::CancellationToken;

use super::{Base, BaseLog, BaseReason, Bases};
use crate::physical_backup::{PhysicalBackupOptions, physical_backup};
use crate::{Progress, Result, Target};

/// The note in a base's manifest that says why it was taken.
const NOTE: &str = "base-of-shipping";

/// Takes bases by physical backups of a home.
#[derive(Debug, Clone)]
pub struct PhysicalBases {
    /// The vault.
    pub vault: Vault,
    /// The home.
    pub home: PathBuf,
    /// The server, to ask for its version and counts.
    pub server: Option<Target>,
    /// The folder with Neo4j's `lib`, which tells the version when no server is asked.
    pub installation: Option<PathBuf>,
}

impl Bases for PhysicalBases {
    fn take(
        &self,
        reason: BaseReason,
        cancel: CancellationToken,
    ) -> BoxFuture<'_, Result<BackupName>> {
        let why = match reason {
            BaseReason::NewTimeline => "a timeline has begun",
            BaseReason::Schedule => "the one before was old",
            BaseReason::LongReplay => "much log had gathered since the one before",
        };
        let options = PhysicalBackupOptions {
            home: self.home.clone(),
            server: self.server.clone(),
            installation: self.installation.clone(),
            vault: self.vault.clone(),
            name: None,
            compression: Compression::FAST,
            notes: vec![(NOTE.to_owned(), why.to_owned())],
            fingerprint: false,
        };
        async move {
            let progress = Arc::new(Progress::default());
            let report = physical_backup(options, &progress, &cancel).await?;
            Ok(report.manifest.name)
        }
        .boxed()
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<Base>>> {
        bases(&self.vault).boxed()
    }
}

/// The physical backups of a vault, the newest first.
///
/// # Errors
/// When the vault does not answer.
pub async fn bases(vault: &Vault) -> Result<Vec<Base>> {
    Ok(bases_of(&vault.list().await?))
}

/// The physical backups among some that are listed.
pub fn bases_of(listed: &[Listed]) -> Vec<Base> {
    listed.iter().filter_map(|one| base(one.manifest.as_ref().ok()?)).collect()
}

/// Where a physical backup stands in the logs; `None` when it is none.
pub fn base(manifest: &Manifest) -> Option<Base> {
    let physical = manifest.database.as_ref()?.physical.as_ref()?;
    let logs = physical.databases.iter().filter_map(|(name, database)| BaseLog::of(name, database));
    let logs = logs.collect();
    Some(Base { name: manifest.name.clone(), created: manifest.created, logs })
}
