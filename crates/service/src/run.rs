//! A run: one occasion on which a job is done, from when it is due until its end.

use jiff::Timestamp;
use lifeboat::config::JobKind;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// Why there is a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// Its time has come.
    Schedule,
    /// Another job has succeeded.
    After,
    /// Somebody asked.
    Request,
    /// The job is done all the time.
    Continuous,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It waits for its moment: of the jitter, of a further try, or for the run before it.
    Waiting,
    /// It is being done.
    Running,
    /// Done.
    Succeeded,
    /// Done, but not all of it.
    Incomplete,
    /// Failed, and will not be tried again.
    Failed,
    /// Stopped, since it took too long, and will not be tried again.
    TimedOut,
    /// Cut off by the end of the service or the loss of its lease, and not taken up again.
    Interrupted,
    /// It could not begin before its catch-up window closed.
    Missed,
    /// Left out on purpose: the job was paused, or the run before was still going.
    Skipped,
}

impl Status {
    /// Whether nothing more will come.
    pub fn is_end(self) -> bool {
        !matches!(self, Self::Waiting | Self::Running)
    }

    /// Its name: in JSON, in the history and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Incomplete => "incomplete",
            Self::Failed => "failed",
            Self::TimedOut => "timed-out",
            Self::Interrupted => "interrupted",
            Self::Missed => "missed",
            Self::Skipped => "skipped",
        }
    }
}

/// A run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Run {
    /// Its job and its number, as in `backup-17`.
    pub id: String,
    /// The job.
    #[schema(value_type = String)]
    pub job: JobKind,
    /// Why there is a run.
    pub trigger: Trigger,
    /// When it was due.
    #[schema(value_type = String, format = DateTime)]
    pub due: Timestamp,
    /// Where it stands.
    pub status: Status,
    /// How often it was begun.
    pub attempt: u32,
    /// A waiting run begins then, or later.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub not_before: Option<Timestamp>,
    /// When it was begun last.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started: Option<Timestamp>,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended: Option<Timestamp>,
    /// The instance of the service that has or had it.
    pub instance: Option<String>,
    /// What it did, or why it did not, for people.
    pub message: Option<String>,
    /// The exit code of the command that does the same.
    pub code: Option<u8>,
    /// What it did, for programs; differs from job to job.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Object)]
    pub details: Map<String, Value>,
    /// For how many occasions the run stands: more than one when very many were missed.
    #[serde(default = "one")]
    pub occasions: u64,
}

fn one() -> u64 {
    1
}

impl Run {
    /// A run that waits for a moment.
    pub fn new(
        job: JobKind,
        number: u64,
        trigger: Trigger,
        due: Timestamp,
        not_before: Timestamp,
    ) -> Self {
        Self {
            id: format!("{job}-{number}"),
            job,
            trigger,
            due,
            status: Status::Waiting,
            attempt: 0,
            not_before: Some(not_before),
            started: None,
            ended: None,
            instance: None,
            message: None,
            code: None,
            details: Map::new(),
            occasions: 1,
        }
    }

    /// The same, at its end.
    #[must_use]
    pub fn ended(mut self, status: Status, now: Timestamp, message: impl Into<String>) -> Self {
        self.status = status;
        self.not_before = None;
        self.ended = Some(now);
        self.message = Some(message.into());
        self
    }
}
