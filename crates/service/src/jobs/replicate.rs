//! `replicate`: what the other vault lacks, as `lifeboat replicate` does it.

use async_trait::async_trait;
use lifeboat::replicate::{ReplicateOptions, replicate};
use lifeboat::vaults::{RegionConfig, Vaults};
use serde_json::json;

use super::details;
use crate::job::{Job, JobError, Report, RunContext};

/// Both vaults.
#[derive(Debug)]
pub(super) struct Replicate {
    pub(super) vaults: Vaults,
    pub(super) to: RegionConfig,
}

#[async_trait]
impl Job for Replicate {
    async fn run(&self, run: &RunContext) -> Result<Report, JobError> {
        let (from, to) = (self.vaults.writing()?, self.to.open()?);
        let place = to.databases().to_string();
        let options = ReplicateOptions { from, to, dry_run: false };
        let report = Box::pin(replicate(&options, &run.progress, &|_| {}, &run.cancel)).await?;
        let lag = report.lag.backups;
        Ok(Report {
            message: format!(
                "{} backups were copied to {place}, which lacks {lag}",
                report.backups.len().saturating_sub(lag)
            ),
            details: details(json!({
                "already": report.already,
                "lacks": lag,
                "lacks_bytes": report.lag.bytes,
                "newest_copy": report.newest_copy,
                "sent_bytes": report.sent,
                "took_seconds": report.took.as_secs_f64(),
            })),
            incomplete: report.is_incomplete(),
        })
    }
}
