//! How things stand, for whoever wants to see it: the API, the metrics, the command line.

use jiff::Timestamp;
use lifeboat::config::{JobKind, Schedule};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::plan::{JobState, Paused};
use crate::run::Run;

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Snapshot {
    /// This instance.
    pub instance: String,
    /// Whether it leads.
    pub leading: bool,
    /// Who leads, if it is known.
    pub leader: Option<String>,
    /// Why this instance does not lead.
    pub why_not: Option<String>,
    /// The jobs that are configured.
    pub jobs: Vec<JobView>,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobView {
    /// Its name.
    #[schema(value_type = String)]
    pub job: JobKind,
    /// When it is done, as in `0 2 * * * UTC`.
    pub schedule: String,
    /// After which jobs it is done as well.
    #[schema(value_type = Vec<String>)]
    pub after: Vec<JobKind>,
    /// When it is due next.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next: Option<Timestamp>,
    /// Who has paused it, and when.
    pub paused: Option<Paused>,
    /// The run that waits or goes on.
    pub current: Option<Run>,
    /// The last run that ended.
    pub last: Option<Run>,
    /// When a run last succeeded.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_success: Option<Timestamp>,
    /// Runs in a row that did not succeed, up to now.
    pub failures: u32,
}

impl JobView {
    pub(crate) fn new(job: JobKind, schedule: &Schedule, state: Option<&JobState>) -> Self {
        Self {
            job,
            schedule: schedule.timing.to_string(),
            after: schedule.after.clone(),
            next: state.and_then(|state| schedule.timing.next(state.decided)),
            paused: state.and_then(|state| state.paused.clone()),
            current: state.and_then(|state| state.current.clone()),
            last: state.and_then(|state| state.last.clone()),
            last_success: state.and_then(|state| state.last_success),
            failures: state.map_or(0, |state| state.failures),
        }
    }
}
