//! `config-backup`: as `lifeboat backup config` does it.

use std::path::PathBuf;

use async_trait::async_trait;
use lifeboat::config::Config;
use lifeboat::config_backup::{ConfigBackupOptions, backup_config};
use lifeboat::format::Compression;
use lifeboat::vaults::Vaults;
use serde_json::json;

use super::{Pair, details};
use crate::job::{Job, JobError, Report, RunContext};

/// A configuration into a vault.
#[derive(Debug)]
pub(super) struct ConfigBackup {
    pub(super) config: Config,
    pub(super) folder: PathBuf,
    pub(super) vaults: Vaults,
    pub(super) pair: Pair,
}

#[async_trait]
impl Job for ConfigBackup {
    async fn run(&self, run: &RunContext) -> Result<Report, JobError> {
        let vault = self.vaults.writing()?.configs().clone();
        let place = vault.to_string();
        let options = ConfigBackupOptions {
            section: self.config.config_backup.clone(),
            neo4j_home: self.config.database.neo4j_home.clone(),
            folder: self.folder.clone(),
            vault,
            name: None,
            compression: Compression::default(),
            notes: self.pair.notes(run),
        };
        let report = backup_config(options, &run.progress, &run.cancel).await?;
        let name = &report.manifest.name;
        let incomplete = report.is_incomplete();
        Ok(Report {
            message: format!(
                "{name} is in {place}{}",
                if incomplete {
                    ", without what could not be read: `lifeboat show` tells"
                } else {
                    ""
                }
            ),
            details: details(json!({
                "backup": name,
                "size": report.manifest.archive.size,
                "took_seconds": report.took.as_secs_f64(),
            })),
            incomplete,
        })
    }
}
