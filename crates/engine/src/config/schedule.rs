//! `[schedule.…]`: what the service does, and when. A section is named by its job; what a section
//! does not say is as the disaster recovery guide has it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, Serialize, de};

use super::duration::duration;
use super::{Cron, parsed};

/// What the service can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobKind {
    /// A backup of the database.
    Backup,
    /// A backup of the application's configuration.
    ConfigBackup,
    /// The transaction logs, continuously, into the vault.
    Ship,
    /// What the second vault lacks is copied there.
    Replicate,
    /// Every byte of the latest backup is verified.
    Verify,
    /// The latest backup is restored into a server made for it.
    RestoreTest,
    /// A whole disaster is rehearsed.
    Drill,
    /// What drills have left behind is removed when its time is over.
    DrillCleanup,
    /// What is past its retention is removed.
    Prune,
}

impl JobKind {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 9] = [
        Self::Backup,
        Self::ConfigBackup,
        Self::Ship,
        Self::Replicate,
        Self::Verify,
        Self::RestoreTest,
        Self::Drill,
        Self::DrillCleanup,
        Self::Prune,
    ];

    /// Its name: in the settings, on the command line, in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::ConfigBackup => "config-backup",
            Self::Ship => "ship",
            Self::Replicate => "replicate",
            Self::Verify => "verify",
            Self::RestoreTest => "restore-test",
            Self::Drill => "drill",
            Self::DrillCleanup => "drill-cleanup",
            Self::Prune => "prune",
        }
    }
}

impl fmt::Display for JobKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for JobKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("there is no job {text:?}; known are {names}")
        })
    }
}

/// When a run is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Timing {
    /// By the clock.
    Cron {
        /// The times.
        cron: Cron,
        /// The zone that they are in.
        zone: TimeZone,
    },
    /// Always: a run that ends is followed by the next.
    Continuous,
    /// Never by itself: only after another job, or when somebody asks.
    OnRequest,
}

impl Timing {
    /// The next time after `after`.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Cron { cron, zone } => cron.next(after, zone),
            Self::Continuous | Self::OnRequest => None,
        }
    }
}

impl fmt::Display for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cron { cron, zone } => {
                write!(f, "{cron} {}", zone.iana_name().unwrap_or("local time"))
            }
            Self::Continuous => f.write_str("continuous"),
            Self::OnRequest => f.write_str("on request"),
        }
    }
}

/// What happens to a run that is due while the one before is still going.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Overlap {
    /// It is left out.
    #[default]
    Skip,
    /// It comes right after; of several only the last.
    Queue,
}

/// When a job is done, and what happens when it cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// When a run is due.
    pub timing: Timing,
    /// Also after each success of these.
    pub after: Vec<JobKind>,
    /// A run begins up to this much later than it is due, by chance.
    pub jitter: Duration,
    /// What to do when the run before is still going.
    pub overlap: Overlap,
    /// A run that could not begin is made up for until this long after it was due.
    pub catch_up: Duration,
    /// A run is stopped after this long.
    pub timeout: Duration,
    /// A run that failed for a cause that may pass is tried this many times more.
    pub retries: u32,
    /// How long to wait before the first of these; each time twice as long, at most an hour.
    pub backoff: Duration,
}

/// A section: what it says, over the defaults of its job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, try_from = "RawSchedule")]
pub struct ScheduleSection {
    /// `false` keeps the job from being done at all.
    pub enabled: Option<bool>,
    /// Five fields, or `never`.
    pub cron: Option<CronSetting>,
    /// The zone of the fields; UTC unless given.
    pub zone: Option<TimeZone>,
    /// As in [`Schedule`].
    pub after: Option<Vec<JobKind>>,
    /// As in [`Schedule`].
    pub jitter: Option<Duration>,
    /// As in [`Schedule`].
    pub overlap: Option<Overlap>,
    /// As in [`Schedule`].
    pub catch_up: Option<Duration>,
    /// As in [`Schedule`].
    pub timeout: Option<Duration>,
    /// As in [`Schedule`].
    pub retries: Option<u32>,
    /// As in [`Schedule`].
    pub backoff: Option<Duration>,
}

/// What the key `cron` may say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CronSetting {
    /// `never`.
    Never,
    /// Five fields.
    Times(Cron),
}

impl FromStr for CronSetting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "never" { Ok(Self::Never) } else { text.parse().map(Self::Times) }
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawSchedule {
    enabled: Option<bool>,
    #[serde(deserialize_with = "parsed")]
    cron: Option<CronSetting>,
    #[serde(deserialize_with = "zone")]
    zone: Option<TimeZone>,
    after: Option<Vec<JobKind>>,
    #[serde(deserialize_with = "duration")]
    jitter: Option<Duration>,
    overlap: Option<Overlap>,
    #[serde(deserialize_with = "duration")]
    catch_up: Option<Duration>,
    #[serde(deserialize_with = "duration")]
    timeout: Option<Duration>,
    retries: Option<u32>,
    #[serde(deserialize_with = "duration")]
    backoff: Option<Duration>,
}

impl TryFrom<RawSchedule> for ScheduleSection {
    type Error = String;

    fn try_from(raw: RawSchedule) -> Result<Self, String> {
        if raw.timeout == Some(Duration::ZERO) {
            return Err("a timeout of nothing would stop every run at once".to_owned());
        }
        if raw.retries.is_some_and(|retries| retries > MAX_RETRIES) {
            return Err(format!("retries is more than {MAX_RETRIES}"));
        }
        Ok(Self {
            enabled: raw.enabled,
            cron: raw.cron,
            zone: raw.zone,
            after: raw.after,
            jitter: raw.jitter,
            overlap: raw.overlap,
            catch_up: raw.catch_up,
            timeout: raw.timeout,
            retries: raw.retries,
            backoff: raw.backoff,
        })
    }
}

const MAX_RETRIES: u32 = 100;

fn zone<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<TimeZone>, D::Error> {
    let name = String::deserialize(deserializer)?;
    TimeZone::get(&name).map(Some).map_err(|_| {
        de::Error::custom(format!(
            "there is no time zone {name:?}; write one as in \"UTC\" or \"Europe/Berlin\""
        ))
    })
}

/// `[schedule.…]`, one section for each job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Schedules {
    /// `[schedule.backup]`.
    pub backup: Option<ScheduleSection>,
    /// `[schedule.config-backup]`.
    pub config_backup: Option<ScheduleSection>,
    /// `[schedule.ship]`.
    pub ship: Option<ScheduleSection>,
    /// `[schedule.replicate]`.
    pub replicate: Option<ScheduleSection>,
    /// `[schedule.verify]`.
    pub verify: Option<ScheduleSection>,
    /// `[schedule.restore-test]`.
    pub restore_test: Option<ScheduleSection>,
    /// `[schedule.drill]`.
    pub drill: Option<ScheduleSection>,
    /// `[schedule.drill-cleanup]`.
    pub drill_cleanup: Option<ScheduleSection>,
    /// `[schedule.prune]`.
    pub prune: Option<ScheduleSection>,
}

impl Schedules {
    /// The section of a job, if there is one.
    pub fn section(&self, kind: JobKind) -> Option<&ScheduleSection> {
        match kind {
            JobKind::Backup => self.backup.as_ref(),
            JobKind::ConfigBackup => self.config_backup.as_ref(),
            JobKind::Ship => self.ship.as_ref(),
            JobKind::Replicate => self.replicate.as_ref(),
            JobKind::Verify => self.verify.as_ref(),
            JobKind::RestoreTest => self.restore_test.as_ref(),
            JobKind::Drill => self.drill.as_ref(),
            JobKind::DrillCleanup => self.drill_cleanup.as_ref(),
            JobKind::Prune => self.prune.as_ref(),
        }
    }

    /// Whether a section asks for the job (`true`) or forbids it (`false`); `None` when nothing is
    /// said, and what is configured decides.
    pub fn wanted(&self, kind: JobKind) -> Option<bool> {
        self.section(kind).map(|section| section.enabled.unwrap_or(true))
    }

    /// The schedule of a job.
    pub fn schedule(&self, kind: JobKind) -> Schedule {
        let default = Schedule::default_of(kind);
        let Some(section) = self.section(kind) else { return default };
        let timing = match (&section.cron, &default.timing) {
            (Some(CronSetting::Never), _) => Timing::OnRequest,
            (Some(CronSetting::Times(cron)), _) | (None, Timing::Cron { cron, .. }) => {
                let zone = section.zone.clone().unwrap_or(TimeZone::UTC);
                Timing::Cron { cron: cron.clone(), zone }
            }
            (None, other) => other.clone(),
        };
        Schedule {
            timing,
            after: section.after.clone().unwrap_or(default.after),
            jitter: section.jitter.unwrap_or(default.jitter),
            overlap: section.overlap.unwrap_or(default.overlap),
            catch_up: section.catch_up.unwrap_or(default.catch_up),
            timeout: section.timeout.unwrap_or(default.timeout),
            retries: section.retries.unwrap_or(default.retries),
            backoff: section.backoff.unwrap_or(default.backoff),
        }
    }
}

impl Schedule {
    /// The guide's schedule of a job.
    pub fn default_of(kind: JobKind) -> Self {
        let hours = Duration::from_hours;
        // When, how late it may still begin, and how long it may take.
        let (cron, catch_up, timeout) = match kind {
            JobKind::Backup | JobKind::ConfigBackup => ("0 2 * * *", hours(12), hours(12)),
            JobKind::Prune => ("30 3 * * *", hours(12), hours(6)),
            JobKind::Replicate => ("15 * * * *", hours(1), hours(12)),
            JobKind::Verify => ("0 4 * * SUN", hours(48), hours(24)),
            JobKind::RestoreTest => ("0 5 1 * *", hours(96), hours(24)),
            JobKind::Drill => ("0 6 1 1,4,7,10 *", hours(168), hours(24)),
            JobKind::DrillCleanup => ("45 * * * *", hours(1), hours(6)),
            JobKind::Ship => ("", hours(1), hours(24 * 365 * 10)),
        };
        Self {
            timing: if kind == JobKind::Ship {
                Timing::Continuous
            } else {
                let cron = cron.parse().expect("the defaults are times of cron");
                Timing::Cron { cron, zone: TimeZone::UTC }
            },
            after: if kind == JobKind::Replicate {
                vec![JobKind::Backup, JobKind::ConfigBackup]
            } else {
                Vec::new()
            },
            jitter: Duration::ZERO,
            overlap: if kind == JobKind::Replicate { Overlap::Queue } else { Overlap::Skip },
            catch_up,
            timeout,
            retries: 3,
            backoff: Duration::from_mins(1),
        }
    }
}
