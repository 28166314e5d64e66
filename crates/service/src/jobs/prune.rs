//! `prune`: by the retention of the settings, in both vaults, as `lifeboat prune` does it.

use async_trait::async_trait;
use lifeboat::config::Retention;
use lifeboat::prune::hold::Hold;
use lifeboat::prune::{PruneOptions, Step, prune};
use lifeboat::vaults::Vaults;
use serde_json::json;

use super::details;
use crate::job::{Job, JobError, Report, RunContext};

/// The vaults and their retention.
#[derive(Debug)]
pub(super) struct Prune {
    pub(super) vaults: Vaults,
    pub(super) retention: Retention,
}

#[async_trait]
impl Job for Prune {
    async fn run(&self, run: &RunContext) -> Result<Report, JobError> {
        let regions = self.vaults.pruning()?;
        let options = PruneOptions {
            grace: self.retention.grace(),
            retention: self.retention.clone(),
            dry_run: false,
            release: None,
        };
        let report = prune(&regions, &options, &run.cancel).await?;
        let backups = || report.vaults.iter().flat_map(|vault| &vault.backups);
        let count = |step| backups().filter(|backup| backup.step == step).count();
        let (removed, marked) = (count(Step::Remove), count(Step::Mark));
        let withheld: Vec<_> =
            report.vaults.iter().filter_map(|vault| vault.withheld.as_ref()).collect();
        let holds: Vec<_> = report.holds.iter().map(words).collect();
        let mut message = format!("{removed} backups were removed, {marked} marked");
        for why in holds.iter().chain(withheld).chain(&report.absent) {
            message.push_str("; ");
            message.push_str(why);
        }
        Ok(Report {
            message,
            details: details(json!({ "removed": removed, "marked": marked, "holds": holds })),
            incomplete: !report.is_complete(),
        })
    }
}

fn words(hold: &Hold) -> String {
    let collapsed: Vec<_> = hold
        .collapsed
        .iter()
        .map(|(name, before, after)| format!("{name} fell from {before} to {after}"))
        .collect();
    let Hold { backup, compared_with, .. } = hold;
    format!(
        "{backup} looks poisoned beside {compared_with}: {}; nothing expires until `lifeboat prune \
         --release-hold {backup}`",
        collapsed.join(", ")
    )
}
