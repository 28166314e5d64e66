//! Tells a monitor outside, in the manner of healthchecks.io, that jobs begin and end and that the
//! service lives: so that its silence is noticed, too.
//!
//! To the address of a job goes `/start`, and at the end nothing more than the address when the run
//! succeeded, `/CODE` with the exit code of its command, or `/fail` when there is none. The
//! service pings its own address while the jobs are being done, by this instance or another.

use std::sync::Arc;
use std::time::Duration;

use lifeboat::CancellationToken;
use lifeboat::config::{PingSection, Pings};
use tokio::sync::watch;

use crate::alerts::channel::{client, secret};
use crate::event::What;
use crate::run::{Run, Status};
use crate::scheduler::Handle;
use crate::store::Store;

/// How often a ping is tried.
const TRIES: u32 = 3;

/// The wait before the second try; each is twice as long as the one before.
const BACKOFF: Duration = Duration::from_secs(2);

/// What pings.
pub struct Pinger {
    /// What happens.
    pub store: Arc<Store>,
    /// Whether the jobs are being done.
    pub handle: Handle,
    /// Whom to ping, as it changes.
    pub settings: watch::Receiver<Arc<Pings>>,
}

impl Pinger {
    /// Pings until told to stop, and says that it does.
    pub async fn live(self, stop: CancellationToken) {
        tokio::select! {
            () = self.jobs() => {}
            () = self.service() => {}
            () = stop.cancelled() => {}
        }
        let service = self.settings.borrow().service.clone();
        if let Some(service) = service {
            // Whoever stops it knows that; a ping is no reason to wait.
            let _ =
                tokio::time::timeout(BACKOFF, ping(&service, "/log", "the service stops")).await;
        }
    }

    async fn service(&self) {
        loop {
            let service = self.settings.borrow().service.clone();
            let Some(service) = service else {
                let mut settings = self.settings.clone();
                if settings.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
                continue;
            };
            let snapshot = self.handle.snapshot();
            let (path, words) = match (&snapshot.leader, &snapshot.why_not) {
                (Some(leader), _) => ("", format!("{leader} does the jobs")),
                (None, why) => ("/fail", why.clone().unwrap_or_default()),
            };
            ping(&service, path, &words).await;
            tokio::time::sleep(service.every).await;
        }
    }

    async fn jobs(&self) {
        let mut newest = self.store.newest();
        let mut seen = *newest.borrow_and_update();
        while newest.changed().await.is_ok() {
            let events = match self.store.events(seen, usize::MAX) {
                Ok(events) => events,
                Err(error) => {
                    tracing::warn!(%error, "events cannot be read for pings");
                    continue;
                }
            };
            for event in events {
                seen = event.number;
                let Some(run) = event.what.run() else { continue };
                let section = self.settings.borrow().jobs.get(&run.job).cloned();
                if let (Some(section), Some(path)) = (section, path(&event.what)) {
                    ping(&section, &path, &words(run)).await;
                }
            }
        }
    }
}

/// What is added to the address of a job.
fn path(what: &What) -> Option<String> {
    match what {
        What::RunStarted { .. } => Some("/start".to_owned()),
        What::RunEnded { run } => match (run.status, run.code) {
            (Status::Succeeded, _) => Some(String::new()),
            (Status::Skipped, _) => None,
            (_, Some(code)) if code > 0 => Some(format!("/{code}")),
            _ => Some("/fail".to_owned()),
        },
        _ => None,
    }
}

fn words(run: &Run) -> String {
    format!("{} {}: {}", run.id, run.status.name(), run.message.as_deref().unwrap_or("-"))
}

/// One ping. When it does not arrive the monitor notices, which is what it is for.
async fn ping(section: &PingSection, path: &str, words: &str) {
    for attempt in 0..TRIES {
        match send(section, path, words).await {
            Ok(()) => return,
            Err(why) => tracing::warn!(why, attempt, path, "a ping has not arrived"),
        }
        tokio::time::sleep(BACKOFF * 2_u32.pow(attempt)).await;
    }
}

async fn send(section: &PingSection, path: &str, words: &str) -> Result<(), String> {
    let url = secret(&section.url).await.map_err(|error| error.why)?;
    let url = format!("{}{path}", url.trim().trim_end_matches('/'));
    let client = client().map_err(|error| error.why)?;
    // The address is a secret: it is in no error.
    let answer = client.post(url).body(words.to_owned()).send().await;
    let answer = answer.map_err(|error| error.without_url().to_string())?;
    let status = answer.status();
    if status.is_success() { Ok(()) } else { Err(format!("the monitor answers {status}")) }
}

#[cfg(test)]
mod tests {
    use lifeboat::config::JobKind;

    use super::*;
    use crate::run::Trigger;

    #[test]
    fn an_end_tells_how_it_went() {
        let now = jiff::Timestamp::UNIX_EPOCH;
        let ended = |status, code| {
            let run = Run::new(JobKind::Backup, 1, Trigger::Schedule, now, now);
            path(&What::RunEnded { run: Run { code, ..run.ended(status, now, "") } })
        };
        assert_eq!(ended(Status::Succeeded, Some(0)).as_deref(), Some(""));
        assert_eq!(ended(Status::Failed, Some(10)).as_deref(), Some("/10"));
        assert_eq!(ended(Status::Incomplete, Some(3)).as_deref(), Some("/3"));
        assert_eq!(ended(Status::Missed, None).as_deref(), Some("/fail"));
        assert_eq!(ended(Status::Skipped, None), None);
    }
}
