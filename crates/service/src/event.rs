//! Everything that happens, as numbered facts.
//!
//! An event is written to the store in the same transaction as the change that it tells of: there
//! is no change without its event and no event without its change, whatever dies. Whoever acts on
//! events (alerts, metrics, people) reads them from the store in the order of their numbers, keeps
//! the number of the last one that was dealt with, and goes on from there after a crash.

use jiff::Timestamp;
use lifeboat::config::JobKind;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::run::Run;

/// A fact, as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Its number: each is larger than the one before.
    pub number: u64,
    /// When, by the clock of the instance.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum What {
    /// This instance has started.
    ServiceStarted {
        /// The instance.
        instance: String,
        /// The program's version.
        version: String,
    },
    /// This instance has ended as it should.
    ServiceStopped {
        /// The instance.
        instance: String,
    },
    /// This instance leads from now on.
    LeadershipGained {
        /// The instance.
        instance: String,
    },
    /// This instance leads no more.
    LeadershipLost {
        /// The instance.
        instance: String,
        /// Why.
        reason: String,
    },
    /// The settings were read anew, and hold.
    SettingsReloaded,
    /// The settings were read anew and cannot be used; the old ones hold.
    SettingsRefused {
        /// What is wrong with them.
        reason: String,
    },
    /// A run has begun.
    RunStarted {
        /// The run.
        run: Run,
    },
    /// A try failed or was cut off, and the run will be tried again.
    RunRetrying {
        /// The run; its message tells why.
        run: Run,
    },
    /// A run has ended: its status tells how.
    RunEnded {
        /// The run.
        run: Run,
    },
    /// A job is done no more until it is resumed.
    JobPaused {
        /// The job.
        #[schema(value_type = String)]
        job: JobKind,
        /// Who asked for it.
        by: String,
    },
    /// A job is done again.
    JobResumed {
        /// The job.
        #[schema(value_type = String)]
        job: JobKind,
        /// Who asked for it.
        by: String,
    },
    /// The clock was set back, so far that a job's times come again.
    ClockWentBack {
        /// The job.
        #[schema(value_type = String)]
        job: JobKind,
        /// Up to then its times had been decided.
        #[schema(value_type = String, format = DateTime)]
        from: Timestamp,
    },
}

impl What {
    /// The run that it is about.
    pub fn run(&self) -> Option<&Run> {
        match self {
            Self::RunStarted { run } | Self::RunRetrying { run } | Self::RunEnded { run } => {
                Some(run)
            }
            _ => None,
        }
    }
}
