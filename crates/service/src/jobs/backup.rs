//! `backup`: as `lifeboat backup` does it.

use async_trait::async_trait;
use lifeboat::Target;
use lifeboat::backup::{BackupOptions, backup};
use lifeboat::format::Compression;
use lifeboat::vault::Vault;
use serde_json::json;

use super::details;
use crate::job::{Job, JobError, Report, RunContext};

/// A database into a vault.
#[derive(Debug)]
pub(super) struct Backup {
    pub(super) target: Target,
    pub(super) vault: Vault,
}

#[async_trait]
impl Job for Backup {
    async fn run(&self, run: &RunContext) -> Result<Report, JobError> {
        let options = BackupOptions {
            source: self.target.clone(),
            vault: self.vault.clone(),
            name: None,
            compression: Compression::default(),
            notes: vec![("service-run".to_owned(), run.id.clone())],
        };
        let report = backup(options, &run.progress, &run.cancel).await?;
        let manifest = &report.manifest;
        let database = manifest.database.as_ref();
        let counts = database.and_then(|database| database.counts.as_ref());
        let snapshot = database.and_then(|database| database.snapshot);
        Ok(Report {
            message: format!("{} is in {}", manifest.name, self.vault),
            details: details(json!({
                "backup": manifest.name,
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
