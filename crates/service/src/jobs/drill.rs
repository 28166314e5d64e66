//! `drill`: a runbook rehearsed and measured, as `lifeboat drill run` does.

use std::sync::Arc;

use async_trait::async_trait;
use lifeboat::ExitCode;
use lifeboat::config::Config;
use lifeboat_runbook::drill::{DrillOptions, Drilled, drill};
use lifeboat_runbook::journal::Outcome;
use lifeboat_runbook::sites::Sites;
use lifeboat_runbook::{Agreeing, Ending, World, find};
use serde_json::json;

use super::details;
use crate::alerts::messenger::Announcer;
use crate::job::{Job, JobError, Report, RunContext};

/// The settings.
#[derive(Debug)]
pub(super) struct Drill {
    pub(super) config: Config,
    pub(super) sites: Sites,
}

/// What drills act on; people are told by the channels of alerts.
pub(super) fn world(config: &Config, sites: &Sites) -> World {
    World::new(config.clone(), sites.clone()).with_messenger(Arc::new(Announcer::new(config)))
}

pub(super) fn failed(error: &lifeboat_runbook::Error) -> JobError {
    let code = error.exit_code();
    JobError {
        message: error.to_string(),
        code: code as u8,
        retryable: matches!(code, ExitCode::Failed | ExitCode::Locked),
    }
}

#[async_trait]
impl Job for Drill {
    async fn run(&self, run: &RunContext) -> Result<Report, JobError> {
        let mut world = world(&self.config, &self.sites);
        let name = self.sites.drill.runbook.as_deref().unwrap_or("region");
        let runbook = find(&world, name).map_err(|error| failed(&error))?;
        let options =
            DrillOptions { owner: self.sites.drill.owner.clone(), ..DrillOptions::default() };
        let agreeing = Agreeing("the schedule".to_owned());
        let work = drill(&mut world, &runbook, &options, &agreeing, &run.cancel);
        let Drilled { ran, measured, missed, cleaned } =
            Box::pin(work).await.map_err(|error| failed(&error))?;
        let wrong = |code: ExitCode, why: String| JobError {
            message: format!("the drill {} {why}", ran.run),
            code: code as u8,
            retryable: false,
        };
        match &ran.ending {
            Ending::Finished(Outcome::Succeeded | Outcome::Incomplete) => {}
            Ending::Interrupted => return Err(lifeboat::Error::Interrupted.into()),
            Ending::Failed(steps) => {
                let why = format!("stopped, since {} failed", steps.join(", "));
                return Err(wrong(ExitCode::Failed, why));
            }
            ending => return Err(wrong(ExitCode::Failed, format!("did not end: {ending:?}"))),
        }
        if !missed.is_empty() {
            let why = format!("worked, and missed an objective: {}", missed.join("; "));
            return Err(wrong(ExitCode::ObjectiveMissed, why));
        }
        let left = cleaned.map_or_else(Vec::new, |cleaned| cleaned.left);
        let seconds = |ms: Option<u64>| ms.map(|ms| ms as f64 / 1000.0);
        Ok(Report {
            message: format!("{} was rehearsed as {}, and met its objectives", name, ran.run),
            details: details(json!({
                "run": ran.run,
                "rto_seconds": seconds(measured.rto_ms),
                "rpo_seconds": seconds(measured.rpo_ms),
                "predicted_seconds": seconds(measured.predicted_ms),
                "left": left,
            })),
            incomplete: !left.is_empty() || measured.outcome == Some(Outcome::Incomplete),
        })
    }
}
