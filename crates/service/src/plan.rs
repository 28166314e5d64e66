//! What becomes of a job's runs: a state, and the few ways in which it changes.
//!
//! Nothing here waits, stores or asks for the time. Each change takes the time as an argument and
//! answers with the events that tell of it; the scheduler stores both together, and only then acts.
//! So one can test every rule as a table, and a year in a second.
//!
//! The rules:
//! - An occasion is decided once. It becomes a run, or is recorded as missed or skipped.
//! - A job has at most one run that goes on, and at most one that waits behind it.
//! - Of several occasions that passed unseen only the last is made up for, if its catch-up window
//!   is still open.
//! - A run is tried again only for causes that may pass, and never once its successor is due.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lifeboat::config::{JobKind, Overlap, Schedule, Timing};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::event::What;
use crate::job::{JobError, Report};
use crate::run::{Run, Status, Trigger};

/// A run that begins this late is still on time, whatever the catch-up window.
const ON_TIME: SignedDuration = SignedDuration::from_mins(2);

/// A clock that goes back by less than this makes no time come again.
const SMALL_STEP: SignedDuration = SignedDuration::from_mins(10);

/// Occasions that passed unseen are recorded one by one, up to this many.
const MAX_PASSED: usize = 1000;

/// The longest wait between two tries.
const MAX_BACKOFF: Duration = Duration::from_hours(1);

/// A continuous run that lasted this long begins its count of failures anew.
const STEADY: SignedDuration = SignedDuration::from_mins(10);

/// A job's state. It is all that a new leader must know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobState {
    /// Occasions up to here have been decided.
    pub decided: Timestamp,
    /// The times that this was decided by; when they change, it begins anew.
    pub timing: String,
    /// How many runs there have been.
    pub runs: u64,
    /// The job is paused.
    pub paused: Option<Paused>,
    /// The run that waits or goes on.
    pub current: Option<Run>,
    /// The run that comes after it.
    pub queued: Option<Run>,
    /// The last run that ended.
    pub last: Option<Run>,
    /// When a run last ended well.
    pub last_success: Option<Timestamp>,
    /// Runs in a row that did not, up to now.
    pub failures: u32,
}

/// Who has paused a job, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Paused {
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// By whom.
    pub by: String,
}

/// Why a run cannot be begun by request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlreadyRunning(pub String);

/// How a try ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// By itself.
    Done(Result<Report, JobError>),
    /// By its timeout.
    TimedOut,
    /// Because the service ended, died, or lost its lease.
    Interrupted(String),
}

/// A job's name, schedule and state: what the rules work on.
#[derive(Debug)]
pub struct Planned<'a> {
    /// The job.
    pub job: JobKind,
    /// Its schedule.
    pub schedule: &'a Schedule,
    /// Its state.
    pub state: &'a mut JobState,
}

impl JobState {
    /// The state of a job that is new: what lies in the past is not its business.
    pub fn new(schedule: &Schedule, now: Timestamp) -> Self {
        Self {
            decided: now,
            timing: schedule.timing.to_string(),
            runs: 0,
            paused: None,
            current: None,
            queued: None,
            last: None,
            last_success: None,
            failures: 0,
        }
    }

    /// Whether a run goes on.
    pub fn is_running(&self) -> bool {
        self.current.as_ref().is_some_and(|run| run.status == Status::Running)
    }

    /// When something is to be done next, if by the clock.
    pub fn wake(&self, schedule: &Schedule) -> Option<Timestamp> {
        let waiting = self.current.as_ref().and_then(|run| run.not_before);
        [schedule.timing.next(self.decided), waiting].into_iter().flatten().min()
    }
}

impl Planned<'_> {
    /// Whether there is anything to decide; `wake` is what [`JobState::wake`] said last.
    pub fn needs_decision(&self, wake: Option<Timestamp>, now: Timestamp) -> bool {
        wake.is_some_and(|wake| wake <= now)
            || self.state.decided.duration_since(now) > SMALL_STEP
            || (self.schedule.timing == Timing::Continuous && self.state.current.is_none())
    }

    /// Decides what became due until now.
    pub fn decide(&mut self, now: Timestamp) -> Vec<What> {
        let mut events = Vec::new();
        let timing = self.schedule.timing.to_string();
        if self.state.timing != timing {
            self.state.timing = timing;
            self.state.decided = now;
        }
        if self.state.decided.duration_since(now) > SMALL_STEP {
            events.push(What::ClockWentBack { job: self.job, from: self.state.decided });
            self.state.decided = now;
        }
        self.expire(now, &mut events);
        if self.schedule.timing == Timing::Continuous {
            if self.state.current.is_none() && self.state.paused.is_none() {
                self.state.current = Some(self.run(Trigger::Continuous, now, now));
            }
            return events;
        }
        let (passed, more) = self.passed(now);
        let Some((last, earlier)) = passed.split_last() else { return events };
        self.state.decided = *last;
        let paused = self.state.paused.is_some();
        if more > 0 {
            let mut run = self.run(Trigger::Schedule, passed[0], now);
            run.occasions = more;
            let why = format!("{more} occasions before {} passed unseen", passed[0]);
            self.end(run.ended(Status::Missed, now, why), &mut events);
        }
        for due in earlier {
            let run = self.run(Trigger::Schedule, *due, now);
            let run = if paused {
                run.ended(Status::Skipped, now, "the job is paused")
            } else {
                run.ended(Status::Missed, now, "the service was not there, and a later time came")
            };
            self.end(run, &mut events);
        }
        let run = self.run(Trigger::Schedule, *last, now);
        if paused {
            self.end(run.ended(Status::Skipped, now, "the job is paused"), &mut events);
        } else if self.too_late(*last, now) {
            let why = "the service was not there until the catch-up window had closed";
            self.end(run.ended(Status::Missed, now, why), &mut events);
        } else {
            self.queue(run, now, &mut events);
        }
        events
    }

    /// The job that this one comes after has succeeded.
    pub fn after(&mut self, now: Timestamp) -> Vec<What> {
        let mut events = Vec::new();
        if self.state.paused.is_some() || self.state.queued.is_some() {
            return events;
        }
        match &mut self.state.current {
            // It has not looked yet, and will see the new one; its failures are behind it.
            Some(run) if run.status == Status::Waiting => run.not_before = Some(now),
            Some(_) => self.state.queued = Some(self.run(Trigger::After, now, now)),
            None => {
                let run = self.run(Trigger::After, now, now);
                self.queue(run, now, &mut events);
            }
        }
        events
    }

    /// Somebody wants it now. Answers with the run's id.
    pub fn request(&mut self, now: Timestamp) -> Result<String, AlreadyRunning> {
        match &mut self.state.current {
            Some(run) if run.status == Status::Running => Err(AlreadyRunning(run.id.clone())),
            Some(run) => {
                run.not_before = Some(now);
                Ok(run.id.clone())
            }
            None => {
                let run = self.run(Trigger::Request, now, now);
                let id = run.id.clone();
                self.state.current = Some(run);
                Ok(id)
            }
        }
    }

    /// Whether the current run may begin.
    pub fn is_ready(&self, now: Timestamp) -> bool {
        self.state.current.as_ref().and_then(|run| run.not_before).is_some_and(|at| at <= now)
    }

    /// Begins the current run.
    pub fn begin(&mut self, now: Timestamp, instance: &str) -> Vec<What> {
        let Some(run) = &mut self.state.current else { return Vec::new() };
        run.status = Status::Running;
        run.attempt += 1;
        run.not_before = None;
        run.started = Some(now);
        run.instance = Some(instance.to_owned());
        vec![What::RunStarted { run: run.clone() }]
    }

    /// The current run could not begin: its beginning cannot be recorded. It waits a little.
    pub fn put_off(&mut self, now: Timestamp, why: String) {
        if let Some(run) = &mut self.state.current {
            run.not_before = Some(now + self.schedule.backoff.max(Duration::from_secs(10)));
            run.message = Some(why);
        }
    }

    /// The current try has ended.
    pub fn finish(&mut self, now: Timestamp, outcome: Outcome) -> Vec<What> {
        let mut events = Vec::new();
        let Some(mut run) = self.state.current.take() else { return events };
        let (status, may_pass) = match outcome {
            Outcome::Done(Ok(report)) => {
                run.message = Some(report.message);
                run.details = report.details;
                run.code = Some(if report.incomplete { 3 } else { 0 });
                (if report.incomplete { Status::Incomplete } else { Status::Succeeded }, false)
            }
            Outcome::Done(Err(error)) => {
                run.message = Some(error.message);
                run.code = Some(error.code);
                (Status::Failed, error.retryable)
            }
            Outcome::TimedOut => {
                let limit = self.schedule.timeout.as_secs();
                run.message = Some(format!("stopped after its timeout of {limit} s"));
                run.code = None;
                (Status::TimedOut, true)
            }
            Outcome::Interrupted(why) => {
                run.message = Some(why);
                run.code = None;
                (Status::Interrupted, true)
            }
        };
        let continuous = self.schedule.timing == Timing::Continuous;
        if continuous && run.started.is_some_and(|at| now.duration_since(at) > STEADY) {
            run.attempt = 1;
        }
        let again = if continuous {
            status != Status::Succeeded && self.state.paused.is_none()
        } else {
            may_pass && run.attempt <= self.schedule.retries && self.state.queued.is_none()
        };
        if again && (status != Status::Interrupted || continuous || !self.too_late(run.due, now)) {
            // Who was cut off has waited already.
            let wait = if status == Status::Interrupted { Duration::ZERO } else { self.wait(&run) };
            run.status = Status::Waiting;
            run.not_before = Some(now + wait);
            events.push(What::RunRetrying { run: run.clone() });
            self.state.current = Some(run);
            return events;
        }
        let message = run.message.take().unwrap_or_default();
        self.end(run.ended(status, now, message), &mut events);
        self.state.current = self.state.queued.take();
        events
    }

    /// Pauses the job; a run that goes on is not touched.
    pub fn pause(&mut self, now: Timestamp, by: &str) -> Vec<What> {
        if self.state.paused.is_some() {
            return Vec::new();
        }
        self.state.paused = Some(Paused { since: now, by: by.to_owned() });
        let mut events = vec![What::JobPaused { job: self.job, by: by.to_owned() }];
        let waiting = self.state.current.take_if(|run| run.status == Status::Waiting);
        for run in [waiting, self.state.queued.take()].into_iter().flatten() {
            self.end(run.ended(Status::Skipped, now, "the job was paused"), &mut events);
        }
        events
    }

    /// Resumes it.
    pub fn resume(&mut self, by: &str) -> Vec<What> {
        match self.state.paused.take() {
            Some(_) => vec![What::JobResumed { job: self.job, by: by.to_owned() }],
            None => Vec::new(),
        }
    }

    /// What became due since the last decision, and how many there were before these.
    fn passed(&self, now: Timestamp) -> (Vec<Timestamp>, u64) {
        let mut passed = std::collections::VecDeque::new();
        let mut more = 0;
        let mut at = self.state.decided;
        while let Some(next) = self.schedule.timing.next(at).filter(|next| *next <= now) {
            if passed.len() == MAX_PASSED {
                passed.pop_front();
                more += 1;
            }
            passed.push_back(next);
            at = next;
        }
        (passed.into(), more)
    }

    /// A run that waits for its very first try, and whose window has closed, is missed.
    fn expire(&mut self, now: Timestamp, events: &mut Vec<What>) {
        let closed = |run: &Run| {
            run.status == Status::Waiting && run.attempt == 0 && run.trigger == Trigger::Schedule
        };
        let due = self.state.current.as_ref().filter(|run| closed(run)).map(|run| run.due);
        if due.is_some_and(|due| self.too_late(due + self.schedule.jitter, now))
            && let Some(run) = self.state.current.take()
        {
            let why = run.message.clone().unwrap_or_else(|| {
                "it could not begin until the catch-up window had closed".to_owned()
            });
            self.end(run.ended(Status::Missed, now, why), events);
            self.state.current = self.state.queued.take();
        }
    }

    /// Puts a new run where it belongs.
    fn queue(&mut self, run: Run, now: Timestamp, events: &mut Vec<What>) {
        match self.state.current.take() {
            None => self.state.current = Some(run),
            Some(current) if current.status == Status::Running => {
                match self.schedule.overlap {
                    Overlap::Queue => {
                        if let Some(older) = self.state.queued.replace(run) {
                            let why = "a later time came while the run before was still going";
                            self.end(older.ended(Status::Skipped, now, why), events);
                        }
                    }
                    Overlap::Skip => {
                        let why = format!("{} was still going", current.id);
                        self.end(run.ended(Status::Skipped, now, why), events);
                    }
                }
                self.state.current = Some(current);
            }
            Some(waiting) => {
                // It would be tried again: the new run is that try.
                let (status, why) = match (waiting.attempt, &waiting.message) {
                    (0, _) => (Status::Missed, "it could not begin before the next was due".into()),
                    (_, why) => (Status::Failed, why.clone().unwrap_or_default()),
                };
                self.end(waiting.ended(status, now, why), events);
                self.state.current = Some(run);
            }
        }
    }

    /// Records the end of a run.
    fn end(&mut self, run: Run, events: &mut Vec<What>) {
        match run.status {
            Status::Succeeded => {
                self.state.last_success = run.ended;
                self.state.failures = 0;
            }
            Status::Skipped => {}
            _ => self.state.failures = self.state.failures.saturating_add(1),
        }
        self.state.last = Some(run.clone());
        events.push(What::RunEnded { run });
    }

    fn run(&mut self, trigger: Trigger, due: Timestamp, now: Timestamp) -> Run {
        self.state.runs += 1;
        let not_before = if trigger == Trigger::Schedule { self.jittered(due) } else { now };
        Run::new(self.job, self.state.runs, trigger, due, not_before)
    }

    /// When a run that is due then begins: later by chance.
    fn jittered(&self, due: Timestamp) -> Timestamp {
        match self.schedule.jitter.as_secs() {
            0 => due,
            // The keys of the standard hasher are random.
            range => {
                due + Duration::from_secs(RandomState::new().hash_one(due.as_second()) % range)
            }
        }
    }

    fn too_late(&self, due: Timestamp, now: Timestamp) -> bool {
        let window =
            SignedDuration::try_from(self.schedule.catch_up).unwrap_or(SignedDuration::MAX);
        now.duration_since(due) > window.max(ON_TIME)
    }

    /// How long to wait before the next try.
    fn wait(&self, run: &Run) -> Duration {
        let doublings = run.attempt.saturating_sub(1).min(20);
        self.schedule.backoff.saturating_mul(1 << doublings).min(MAX_BACKOFF)
    }
}

#[cfg(test)]
mod tests;
