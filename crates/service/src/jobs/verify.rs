//! `verify`: every byte of the latest backup, as `lifeboat verify` does it.

use async_trait::async_trait;
use lifeboat::select::Selector;
use lifeboat::vaults::Vaults;
use lifeboat::verify::{Level, verify};
use serde_json::json;

use super::details;
use crate::job::{Job, JobError, Report, RunContext};

/// The vaults, whose latest backup it is.
#[derive(Debug)]
pub(super) struct Verify {
    pub(super) vaults: Vaults,
}

#[async_trait]
impl Job for Verify {
    async fn run(&self, run: &RunContext) -> Result<Report, JobError> {
        let found = self.vaults.find(&Selector::Latest).await?;
        let size = found.manifest.archive.size;
        let done = |bytes| run.progress.bytes(bytes, size);
        let report = verify(&found.vault, found.manifest, Level::Full, &done, &run.cancel).await?;
        let name = &report.manifest.name;
        let message = match &found.fallback {
            None => format!("{name} is what it was when it was made"),
            Some(fallback) => format!("{name} is what it was when it was made; {fallback}"),
        };
        Ok(Report {
            message,
            details: details(json!({
                "backup": name,
                "vault": found.vault.to_string(),
                "bytes": report.bytes,
                "took_seconds": report.took.as_secs_f64(),
            })),
            incomplete: false,
        })
    }
}
