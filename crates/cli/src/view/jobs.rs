//! The jobs of a service, and their runs, as tables.

use jiff::Timestamp;
use lifeboat_service::event::{Event, What};
use lifeboat_service::run::{Run, Status};
use lifeboat_service::snapshot::{JobView, Snapshot};

use crate::units;

/// The jobs.
pub(crate) struct List<'a>(pub(crate) &'a Snapshot);

impl List<'_> {
    /// What a person reads.
    pub(crate) fn text(&self, now: Timestamp) -> String {
        let snapshot = self.0;
        let head = match (&snapshot.leader, &snapshot.why_not) {
            (_, None) => format!("{} leads\n", snapshot.instance),
            (Some(leader), _) => {
                format!("{} stands ready; {leader} leads and decides\n", snapshot.instance)
            }
            (None, Some(why)) => format!("no instance leads: {why}\n"),
        };
        let mut rows = vec![["JOB", "SCHEDULE", "NEXT", "NOW", "LAST", "ENDED"].map(str::to_owned)];
        rows.extend(snapshot.jobs.iter().map(|job| cells(job, now)));
        head + &table(&rows)
    }
}

fn cells(job: &JobView, now: Timestamp) -> [String; 6] {
    let schedule = match job.after.as_slice() {
        [] => job.schedule.clone(),
        after => {
            let names: Vec<_> = after.iter().map(|job| job.name()).collect();
            format!("{}, after {}", job.schedule, names.join(" and "))
        }
    };
    let state = match (&job.current, &job.paused) {
        (Some(run), _) if run.status == Status::Running => format!("running: {}", run.id),
        (Some(run), _) if run.attempt > 0 => format!("waits to try {} again", run.id),
        (Some(_), _) => "about to begin".to_owned(),
        (None, Some(paused)) => format!("paused by {}", paused.by),
        (None, None) => "-".to_owned(),
    };
    let last = job.last.as_ref();
    [
        job.job.name().to_owned(),
        schedule,
        job.next.map_or_else(dash, time),
        state,
        last.map_or_else(dash, |run| run.status.name().to_owned()),
        last.and_then(|run| run.ended)
            .map_or_else(dash, |at| format!("{} ago", units::age(now.duration_since(at)))),
    ]
}

/// Runs of the past.
pub(crate) struct History<'a>(pub(crate) &'a [Run]);

impl History<'_> {
    /// What a person reads.
    pub(crate) fn text(&self) -> String {
        let mut rows =
            vec![["RUN", "DUE", "STATUS", "TRIES", "TOOK", "MESSAGE"].map(str::to_owned)];
        rows.extend(self.0.iter().map(|run| {
            let took = run.started.zip(run.ended).map(|(from, to)| to.duration_since(from));
            let took = took.and_then(|took| std::time::Duration::try_from(took).ok());
            [
                run.id.clone(),
                time(run.due),
                run.status.name().to_owned(),
                run.attempt.to_string(),
                took.map_or_else(dash, units::took),
                run.message.as_deref().map_or_else(dash, |text| text.replace('\n', " ")),
            ]
        }));
        table(&rows)
    }
}

/// An event, on a line.
pub(crate) fn line(event: &Event) -> String {
    let what = match &event.what {
        What::ServiceStarted { instance, version } => {
            format!("the service {version} has started on {instance}")
        }
        What::ServiceStopped { instance } => format!("the service has stopped on {instance}"),
        What::LeadershipGained { instance } => format!("{instance} leads"),
        What::LeadershipLost { instance, reason } => format!("{instance} leads no more: {reason}"),
        What::SettingsReloaded => "the settings were read anew".to_owned(),
        What::SettingsRefused { reason } => format!("new settings were refused: {reason}"),
        What::RunStarted { run } => format!("{} has begun", run.id),
        What::RunRetrying { run } => {
            format!("{} will be tried again: {}", run.id, run.message.as_deref().unwrap_or("-"))
        }
        What::RunEnded { run } => {
            let message = run.message.as_deref().unwrap_or("-");
            format!("{} {}: {message}", run.id, run.status.name())
        }
        What::JobPaused { job, by } => format!("{job} was paused by {by}"),
        What::JobResumed { job, by } => format!("{job} was resumed by {by}"),
        What::ClockWentBack { job, from } => {
            format!("the clock was set back from {}: times of {job} come again", time(*from))
        }
    };
    let at = event.at.strftime("%Y-%m-%d %H:%M:%S UTC");
    format!("{} {at} {}\n", event.number, what.replace('\n', " "))
}

fn dash() -> String {
    "-".to_owned()
}

fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

fn table(rows: &[[String; 6]]) -> String {
    let width: [usize; 6] = std::array::from_fn(|column| {
        rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)
    });
    let mut text = String::new();
    for row in rows {
        let cells: Vec<_> =
            row.iter().zip(width).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use lifeboat::config::{JobKind, Schedule};
    use lifeboat_service::plan::Paused;
    use lifeboat_service::run::Trigger;

    use super::*;

    fn at(text: &str) -> Timestamp {
        format!("2026-11-{text}:00Z").parse().unwrap()
    }

    fn run(job: JobKind, number: u64, status: Status, message: &str) -> Run {
        let run = Run::new(job, number, Trigger::Schedule, at("25T02:00"), at("25T02:00"));
        Run {
            started: Some(at("25T02:00")),
            attempt: 1,
            ..run.ended(status, at("25T02:03"), message)
        }
    }

    fn view(job: JobKind) -> JobView {
        let schedule = Schedule::default_of(job);
        JobView {
            job,
            schedule: schedule.timing.to_string(),
            next: schedule.timing.next(at("25T09:00")),
            after: schedule.after,
            paused: None,
            current: None,
            last: None,
            last_success: None,
            failures: 0,
        }
    }

    #[test]
    fn jobs_are_a_table() {
        let going = Run { status: Status::Running, ..run(JobKind::Verify, 4, Status::Running, "") };
        let waits = Run { status: Status::Waiting, ..run(JobKind::Prune, 9, Status::Waiting, "") };
        let by = Paused { since: at("24T09:00"), by: "token ann".to_owned() };
        let snapshot = Snapshot {
            instance: "east".to_owned(),
            leading: true,
            leader: Some("east".to_owned()),
            why_not: None,
            jobs: vec![
                JobView {
                    last: Some(run(JobKind::Backup, 17, Status::Succeeded, "done")),
                    ..view(JobKind::Backup)
                },
                JobView { paused: Some(by), ..view(JobKind::Replicate) },
                JobView { current: Some(going), ..view(JobKind::Verify) },
                JobView { current: Some(waits), ..view(JobKind::Prune) },
            ],
        };
        insta::assert_snapshot!(List(&snapshot).text(at("25T09:00")));
        let follower = Snapshot {
            leading: false,
            leader: Some("lifeboat 0.1.0 (serve) on west (process 7)".to_owned()),
            why_not: Some("west leads".to_owned()),
            jobs: Vec::new(),
            ..snapshot
        };
        let head = |snapshot: &Snapshot| {
            List(snapshot).text(at("25T09:00")).lines().next().unwrap().to_owned()
        };
        insta::assert_snapshot!(head(&follower));
        let lost = Snapshot { leader: None, why_not: Some("no vault".to_owned()), ..follower };
        assert_eq!(head(&lost), "no instance leads: no vault");
    }

    #[test]
    fn events_are_lines() {
        let events = [
            What::LeadershipGained { instance: "east".to_owned() },
            What::RunEnded { run: run(JobKind::Verify, 3, Status::Failed, "damaged:\nno archive") },
            What::ClockWentBack { job: JobKind::Backup, from: at("26T02:00") },
        ];
        let lines = events.into_iter().zip(1..);
        let lines = lines.map(|(what, number)| line(&Event { number, at: at("25T02:03"), what }));
        insta::assert_snapshot!(lines.collect::<String>());
    }

    #[test]
    fn history_is_a_table() {
        let missed = Run {
            started: None,
            attempt: 0,
            ..run(JobKind::Backup, 16, Status::Missed, "the service was not there")
        };
        let runs = [
            run(
                JobKind::Verify,
                3,
                Status::Failed,
                "the backup is damaged:\nits archive is missing",
            ),
            run(
                JobKind::Backup,
                17,
                Status::Succeeded,
                "neo4j-backup-20261125-020000 is in /vault",
            ),
            missed,
        ];
        insta::assert_snapshot!(History(&runs).text());
    }
}
