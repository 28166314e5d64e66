//! `restore-test`: the latest backup into a server made for it, as `lifeboat verify --restore` does.

use async_trait::async_trait;
use lifeboat::config::VerifySection;
use lifeboat::select::Selector;
use lifeboat::trial::{TrialOptions, trial};
use lifeboat::vaults::Vaults;
use serde_json::json;

use super::details;
use crate::job::{Job, JobError, Report, RunContext};

/// The vaults, and what the trial is made with.
#[derive(Debug)]
pub(super) struct RestoreTest {
    pub(super) vaults: Vaults,
    pub(super) settings: VerifySection,
}

#[async_trait]
impl Job for RestoreTest {
    async fn run(&self, run: &RunContext) -> Result<Report, JobError> {
        let found = self.vaults.find(&Selector::Latest).await?;
        let options = TrialOptions {
            vault: found.vault,
            manifest: found.manifest,
            settings: self.settings.clone(),
        };
        let report = Box::pin(trial(&options, &run.progress, &run.cancel)).await?;
        let name = &report.manifest.name;
        Ok(Report {
            message: format!("{name} was restored into a server made for it, and proved itself"),
            details: details(json!({
                "backup": name,
                "way": report.certificate.way,
                "rto_seconds": report.certificate.rto_ms as f64 / 1000.0,
            })),
            incomplete: false,
        })
    }
}
