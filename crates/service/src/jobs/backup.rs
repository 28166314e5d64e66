//! `backup`: as `lifeboat backup` does it.

use std::path::PathBuf;

use async_trait::async_trait;
use lifeboat::Target;
use lifeboat::backup::{BackupOptions, backup};
use lifeboat::format::{Compression, Method};
use lifeboat::physical_backup::{MethodChoice, PhysicalBackupOptions, physical_backup};
use lifeboat::vault::Vault;
use serde_json::json;

use super::{Pair, details};
use crate::job::{Job, JobError, Report, RunContext};

/// A database into a vault.
#[derive(Debug)]
pub(super) struct Backup {
    /// The server; a physical backup can do without.
    pub(super) target: Option<Target>,
    /// Its home, for physical backups.
    pub(super) home: Option<PathBuf>,
    /// What the backup is to be.
    pub(super) method: MethodChoice,
    pub(super) vault: Vault,
    pub(super) pair: Pair,
}

#[async_trait]
impl Job for Backup {
    async fn run(&self, run: &RunContext) -> Result<Report, JobError> {
        // Anew for each run: a home may be mounted by now.
        let (method, why) = self.method.choose(self.home.as_deref())?;
        if let Some(why) = why {
            tracing::info!(%method, why, "how the backup is made");
        }
        let (vault, notes) = (self.vault.clone(), self.pair.notes(run));
        let report = match (method, &self.home, &self.target) {
            (Method::Physical, Some(home), server) => {
                let options = PhysicalBackupOptions {
                    home: home.clone(),
                    server: server.clone(),
                    installation: None,
                    vault,
                    name: None,
                    compression: Compression::FAST,
                    notes,
                    fingerprint: false,
                };
                physical_backup(options, &run.progress, &run.cancel).await?
            }
            (_, _, Some(source)) => {
                let source = source.clone();
                let compression = Compression::default();
                let options = BackupOptions { source, vault, name: None, compression, notes };
                backup(options, &run.progress, &run.cancel).await?
            }
            (_, _, None) => {
                return Err(JobError {
                    message: "the server's files cannot be read, and no server is set to read the \
                              graph from; mount its home, or set database.uri"
                        .to_owned(),
                    code: lifeboat::ExitCode::Failed as u8,
                    retryable: true,
                });
            }
        };
        let manifest = &report.manifest;
        let database = manifest.database.as_ref();
        let counts = database.and_then(|database| database.counts.as_ref());
        let snapshot = database.and_then(|database| database.snapshot);
        Ok(Report {
            message: format!("{} is in {}", manifest.name, self.vault),
            details: details(json!({
                "backup": manifest.name,
                "method": method,
                "size": manifest.archive.size,
                "nodes": counts.map(|counts| counts.nodes),
                "relationships": counts.map(|counts| counts.relationships),
                "exact": snapshot.map(|snapshot| snapshot.exact),
                "last_tx": snapshot.map(|snapshot| snapshot.last_tx),
                "took_seconds": report.took.as_secs_f64(),
            })),
            incomplete: false,
        })
    }
}
