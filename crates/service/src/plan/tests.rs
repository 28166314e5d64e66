use jiff::SignedDuration;

use super::*;

/// A job with its state, at a time.
struct World {
    schedule: Schedule,
    state: JobState,
}

fn at(text: &str) -> Timestamp {
    format!("2026-11-{text}:00Z").parse().unwrap()
}

fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

impl World {
    /// The guide's backup, at noon of 2026-11-24.
    fn new(change: impl FnOnce(&mut Schedule)) -> Self {
        let mut schedule = Schedule::default_of(JobKind::Backup);
        change(&mut schedule);
        let state = JobState::new(&schedule, at("24T12:00"));
        Self { schedule, state }
    }

    fn planned(&mut self) -> Planned<'_> {
        Planned { job: JobKind::Backup, schedule: &self.schedule, state: &mut self.state }
    }

    fn decide(&mut self, now: Timestamp) -> Vec<String> {
        said(&self.planned().decide(now))
    }

    fn begin(&mut self, now: Timestamp) {
        assert!(self.planned().is_ready(now), "{:?}", self.state);
        self.planned().begin(now, "east");
    }

    fn finish(&mut self, now: Timestamp, outcome: Outcome) -> Vec<String> {
        said(&self.planned().finish(now, outcome))
    }
}

/// `ended backup-1 2026-11-25T02:00:00Z missed`
fn said(events: &[What]) -> Vec<String> {
    let run = |verb: &str, run: &Run| {
        let due = run.due.to_string().replace("2026-11-", "").replace(":00Z", "");
        format!("{verb} {} {due} {}", run.id, run.status.name())
    };
    events
        .iter()
        .map(|event| match event {
            What::RunStarted { run: it } => run("started", it),
            What::RunRetrying { run: it } => run("retrying", it),
            What::RunEnded { run: it } => run("ended", it),
            What::ClockWentBack { .. } => "clock".to_owned(),
            What::JobPaused { .. } => "paused".to_owned(),
            What::JobResumed { .. } => "resumed".to_owned(),
            other => format!("{other:?}"),
        })
        .collect()
}

fn ok() -> Outcome {
    Outcome::Done(Ok(Report { message: "done".to_owned(), ..Report::default() }))
}

fn error(retryable: bool) -> Outcome {
    Outcome::Done(Err(JobError { message: "no".to_owned(), code: 1, retryable }))
}

#[test]
fn a_time_that_comes_is_a_run() {
    let mut world = World::new(|_| {});
    assert_eq!(world.state.wake(&world.schedule), Some(at("25T02:00")));
    assert!(world.decide(at("25T01:59")).is_empty());
    assert!(!world.planned().is_ready(at("25T01:59")));
    assert!(world.decide(at("25T02:00")).is_empty(), "it begins before there is news");
    world.begin(at("25T02:00"));
    assert!(!world.planned().is_ready(at("25T02:00")), "not twice");
    assert_eq!(world.finish(at("25T02:05"), ok()), ["ended backup-1 25T02:00 succeeded"]);
    assert_eq!(world.state.last_success, Some(at("25T02:05")));
    assert!(world.decide(at("25T02:05")).is_empty(), "not again");
    assert_eq!(world.state.wake(&world.schedule), Some(at("26T02:00")));
}

#[test]
fn of_times_that_passed_unseen_the_last_is_made_up_for() {
    let mut world = World::new(|_| {});
    assert_eq!(
        world.decide(at("27T09:00")),
        ["ended backup-1 25T02:00 missed", "ended backup-2 26T02:00 missed"]
    );
    assert_eq!(world.state.failures, 2);
    world.begin(at("27T09:00"));
    assert_eq!(world.finish(at("27T09:01"), ok()), ["ended backup-3 27T02:00 succeeded"]);
    assert_eq!(world.state.failures, 0);
    // The window is 12 hours.
    assert_eq!(world.decide(at("28T14:01")), ["ended backup-4 28T02:00 missed"]);
    assert_eq!(world.state.current, None);
}

#[test]
fn more_times_than_anyone_would_read_are_one_line() {
    let mut world = World::new(|schedule| schedule.timing = cron("* * * * *"));
    let events = world.planned().decide(at("25T12:00"));
    let runs: Vec<_> = events.iter().filter_map(What::run).collect();
    let occasions: u64 = runs.iter().map(|run| run.occasions).sum();
    assert_eq!((runs.len(), occasions), (1000, 24 * 60 - 1));
    assert!(world.state.current.is_some());
}

fn cron(text: &str) -> Timing {
    Timing::Cron { cron: text.parse().unwrap(), zone: jiff::tz::TimeZone::UTC }
}

#[test]
fn a_run_waits_a_part_of_the_jitter_and_keeps_it() {
    let mut world = World::new(|schedule| schedule.jitter = Duration::from_mins(30));
    world.decide(at("25T02:00"));
    let begins = world.state.current.as_ref().unwrap().not_before.unwrap();
    assert!(begins >= at("25T02:00") && begins < at("25T02:30"), "{begins}");
    world.decide(at("25T02:01"));
    assert_eq!(world.state.current.as_ref().unwrap().not_before, Some(begins));
    assert_eq!(world.state.wake(&world.schedule), Some(begins));
    world.begin(begins);
}

#[test]
fn what_may_pass_is_tried_again_ever_more_slowly() {
    let mut world = World::new(|_| {});
    let mut now = at("25T02:00");
    world.decide(now);
    for wait in [1, 2, 4] {
        world.begin(now);
        assert_eq!(world.finish(now, error(true)), ["retrying backup-1 25T02:00 waiting"]);
        assert!(!world.planned().is_ready(now + minutes(wait) - minutes(1) / 2));
        now += minutes(wait);
    }
    world.begin(now);
    assert_eq!(world.finish(now, error(true)), ["ended backup-1 25T02:00 failed"]);
    let last = world.state.last.as_ref().unwrap();
    assert_eq!((last.attempt, last.code, last.message.as_deref()), (4, Some(1), Some("no")));
    assert_eq!(world.state.failures, 1, "one run, however often tried");
}

#[test]
fn what_will_not_pass_is_not_tried_again() {
    let mut world = World::new(|_| {});
    world.decide(at("25T02:00"));
    world.begin(at("25T02:00"));
    assert_eq!(world.finish(at("25T02:01"), error(false)), ["ended backup-1 25T02:00 failed"]);
}

#[test]
fn a_wait_is_never_longer_than_an_hour() {
    let mut world = World::new(|schedule| schedule.retries = 100);
    let mut now = at("25T02:00");
    world.decide(now);
    for _ in 0..20 {
        world.begin(now);
        world.finish(now, error(true));
        let next = world.state.current.as_ref().unwrap().not_before.unwrap();
        assert!(next - now <= minutes(60));
        now = next;
    }
}

#[test]
fn a_try_that_waits_gives_way_to_the_next_time() {
    let mut world = World::new(|schedule| schedule.backoff = Duration::from_hours(1));
    world.decide(at("25T02:00"));
    world.begin(at("26T01:30"));
    world.finish(at("26T01:30"), error(true));
    assert_eq!(world.decide(at("26T02:00")), ["ended backup-1 25T02:00 failed"]);
    world.begin(at("26T02:00"));
    assert_eq!(world.state.current.as_ref().unwrap().id, "backup-2");
}

#[test]
fn an_overlap_is_skipped_or_queued() {
    for (overlap, first, then) in [
        (Overlap::Skip, vec!["ended backup-2 26T02:00 skipped"], None),
        (Overlap::Queue, vec![], Some("backup-3")),
    ] {
        let mut world = World::new(|schedule| schedule.overlap = overlap);
        world.decide(at("25T02:00"));
        world.begin(at("25T02:00"));
        assert_eq!(world.decide(at("26T02:00")), first);
        world.decide(at("27T02:00"));
        assert_eq!(world.finish(at("27T03:00"), ok()), ["ended backup-1 25T02:00 succeeded"]);
        assert_eq!(world.state.current.as_ref().map(|run| &*run.id), then, "only the last");
    }
}

#[test]
fn what_was_cut_off_is_taken_up_again_within_its_window() {
    let mut world = World::new(|_| {});
    world.decide(at("25T02:00"));
    world.begin(at("25T02:00"));
    let cut = || Outcome::Interrupted("gone".to_owned());
    assert_eq!(world.finish(at("25T03:00"), cut()), ["retrying backup-1 25T02:00 waiting"]);
    world.begin(at("25T03:00"));
    assert_eq!(world.finish(at("25T14:01"), cut()), ["ended backup-1 25T02:00 interrupted"]);

    let mut world = World::new(|schedule| schedule.retries = 0);
    world.decide(at("25T02:00"));
    world.begin(at("25T02:00"));
    assert_eq!(world.finish(at("25T03:00"), cut()), ["ended backup-1 25T02:00 interrupted"]);
}

#[test]
fn a_timeout_is_tried_again_and_says_what_it_was() {
    let mut world = World::new(|schedule| schedule.retries = 1);
    world.decide(at("25T02:00"));
    world.begin(at("25T02:00"));
    assert_eq!(
        world.finish(at("25T14:00"), Outcome::TimedOut),
        ["retrying backup-1 25T02:00 waiting"]
    );
    world.begin(at("25T14:01"));
    assert_eq!(
        world.finish(at("26T01:59"), Outcome::TimedOut),
        ["ended backup-1 25T02:00 timed-out"]
    );
    assert!(world.state.last.unwrap().message.unwrap().contains("43200 s"));
}

#[test]
fn a_paused_job_only_runs_by_request() {
    let mut world = World::new(|_| {});
    assert_eq!(said(&world.planned().pause(at("24T13:00"), "ann")), ["paused"]);
    assert!(world.planned().pause(at("24T14:00"), "bob").is_empty(), "it is already");
    assert_eq!(
        world.decide(at("26T02:00")),
        ["ended backup-1 25T02:00 skipped", "ended backup-2 26T02:00 skipped"]
    );
    assert_eq!(world.state.failures, 0);
    assert!(world.planned().after(at("26T02:00")).is_empty() && world.state.current.is_none());
    assert_eq!(world.planned().request(at("26T03:00")).unwrap(), "backup-3");
    world.begin(at("26T03:00"));
    assert_eq!(world.planned().request(at("26T03:01")), Err(AlreadyRunning("backup-3".to_owned())));
    world.finish(at("26T03:05"), ok());
    assert_eq!(said(&world.planned().resume("ann")), ["resumed"]);
    assert!(world.planned().resume("ann").is_empty());
    world.decide(at("27T02:00"));
    world.begin(at("27T02:00"));
}

#[test]
fn pausing_lets_go_of_what_waits() {
    let mut world = World::new(|_| {});
    world.decide(at("25T02:00"));
    let events = said(&world.planned().pause(at("25T02:00"), "ann"));
    assert_eq!(events, ["paused", "ended backup-1 25T02:00 skipped"]);
}

#[test]
fn a_request_hurries_a_run_that_waits() {
    let mut world = World::new(|_| {});
    world.decide(at("25T02:00"));
    world.begin(at("25T02:00"));
    world.finish(at("25T02:00"), error(true));
    assert_eq!(world.planned().request(at("25T02:00")).unwrap(), "backup-1");
    world.begin(at("25T02:00"));
}

#[test]
fn a_job_follows_another() {
    let mut world = World::new(|schedule| schedule.timing = Timing::OnRequest);
    assert!(world.decide(at("30T00:00")).is_empty());
    world.planned().after(at("30T00:00"));
    world.begin(at("30T00:00"));
    world.planned().after(at("30T00:01"));
    world.planned().after(at("30T00:02"));
    world.finish(at("30T00:03"), ok());
    world.begin(at("30T00:03"));
    world.finish(at("30T00:04"), ok());
    assert_eq!((world.state.runs, &world.state.current), (2, &None), "one stands for both");
}

#[test]
fn a_run_that_could_never_begin_is_missed_with_the_reason() {
    let mut world = World::new(|_| {});
    world.decide(at("25T02:00"));
    let mut now = at("25T02:00");
    while now <= at("25T14:00") {
        assert!(world.decide(now).is_empty());
        world.planned().put_off(now, "no vault".to_owned());
        now += minutes(1);
    }
    assert_eq!(world.decide(now), ["ended backup-1 25T02:00 missed"]);
    assert_eq!(world.state.last.unwrap().message.as_deref(), Some("no vault"));
}

#[test]
fn a_clock_that_is_set_back_loses_no_time_and_repeats_none_by_a_small_step() {
    let mut world = World::new(|_| {});
    world.decide(at("25T02:00"));
    world.begin(at("25T02:00"));
    world.finish(at("25T02:01"), ok());
    assert!(world.decide(at("25T01:55")).is_empty());
    assert!(world.decide(at("25T02:00")).is_empty(), "five minutes back: not again");
    // A year ahead by mistake, and back again: the real times still count.
    world.planned().decide("2027-11-25T02:00:00Z".parse().unwrap());
    assert_eq!(world.decide(at("25T03:00")), ["clock"]);
    assert_eq!(world.state.wake(&world.schedule), Some(at("26T02:00")));
    let events = world.decide(at("26T02:00"));
    assert!(events.len() == 1 && events[0].ends_with("missed"), "{events:?}: the false one");
    world.begin(at("26T02:00"));
}

#[test]
fn new_times_hold_from_now_on() {
    let mut world = World::new(|_| {});
    world.schedule.timing = cron("0 * * * *");
    assert!(world.decide(at("25T12:30")).is_empty(), "nothing is missed by the new times");
    assert_eq!(world.state.wake(&world.schedule), Some(at("25T13:00")));
}

#[test]
fn a_continuous_job_is_always_being_done() {
    let mut world = World::new(|schedule| schedule.timing = Timing::Continuous);
    let mut now = at("24T12:00");
    world.decide(now);
    for _ in 0..10 {
        world.begin(now);
        assert_eq!(world.finish(now, error(false)).len(), 1, "whatever the cause");
        now = world.state.current.as_ref().unwrap().not_before.unwrap();
    }
    world.begin(now);
    now += minutes(11);
    world.finish(now, error(true));
    let current = world.state.current.as_ref().unwrap();
    assert_eq!(current.not_before, Some(now + minutes(1)), "it was steady: begins anew");
    world.planned().pause(now, "ann");
    assert!(world.decide(now).is_empty() && world.state.current.is_none());
    world.planned().resume("ann");
    world.decide(now);
    world.begin(now);
}

#[test]
fn a_state_outlives_its_process() {
    let mut world = World::new(|_| {});
    world.decide(at("25T02:00"));
    world.begin(at("25T02:00"));
    world.planned().pause(at("25T02:00"), "ann");
    let text = serde_json::to_string(&world.state).unwrap();
    assert_eq!(serde_json::from_str::<JobState>(&text).unwrap(), world.state);
}
