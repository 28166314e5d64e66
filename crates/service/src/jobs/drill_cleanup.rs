//! `drill-cleanup`: removes what drills have left when its time is over, as `lifeboat drill cleanup`
//! does it.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use lifeboat::config::Config;
use lifeboat_runbook::drill::{cleanup, left};
use lifeboat_runbook::sites::Sites;
use serde_json::json;

use super::details;
use super::drill::{failed, world};
use crate::job::{Job, JobError, Report, RunContext};

/// How long a drill that has ended may take to clean up after itself.
const SETTLING: Duration = Duration::from_hours(1);

/// The settings.
#[derive(Debug)]
pub(super) struct DrillCleanup {
    pub(super) config: Config,
    pub(super) sites: Sites,
}

#[async_trait]
impl Job for DrillCleanup {
    async fn run(&self, run: &RunContext) -> Result<Report, JobError> {
        let mut world = world(&self.config, &self.sites);
        let now = Timestamp::now();
        let left = left(&world, now, now - SETTLING).await.map_err(|error| failed(&error))?;
        let (mut drills, mut removed, mut remaining) = (Vec::new(), Vec::new(), Vec::new());
        for drill in left.due {
            if run.cancel.is_cancelled() {
                return Err(lifeboat::Error::Interrupted.into());
            }
            let cleaned =
                cleanup(&mut world, &drill, &run.cancel).await.map_err(|error| failed(&error))?;
            removed.extend(cleaned.removed);
            remaining.extend(cleaned.left);
            drills.push(drill);
        }
        let mut message = match drills.as_slice() {
            [] => "no drill has left anything whose time is over".to_owned(),
            drills => format!("what {} left is removed", drills.join(", ")),
        };
        if !remaining.is_empty() {
            message = format!("of what drills left, this remains: {}", remaining.join("; "));
        }
        Ok(Report {
            message,
            details: details(json!({
                "drills": drills,
                "removed": removed,
                "left": remaining,
                "stay": left.stay,
            })),
            incomplete: !remaining.is_empty(),
        })
    }
}
