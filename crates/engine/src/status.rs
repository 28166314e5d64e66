//! `status`: how far back and how far forward can be recovered, and what is at stake now.
//!
//! What the vault holds is told by the vault: windows of recovery, the newest base, who ships.
//! What is at stake is told by the server's own log, when its home can be read from here: the
//! transactions that were committed and are not shipped, and how old the oldest of them is.

mod regions;

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use lifeboat_neo4j::txlog::{HEADER_SIZE, LogFolder, LogPosition, Transaction};
use lifeboat_vault::{Holder, Vault};

use crate::ship::{
    Base, LEASE, ShipError, Timeline, Window, bases, databases, log_folder, shipped, timelines,
    windows,
};
use crate::{Error, Result};

pub use regions::{
    Holds, Newest, RegionStatus, Trial, last_trial, newest, regions, replication_lag,
};

/// How a vault and a server stand to each other.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StatusReport {
    /// What can be recovered, by database and time.
    pub windows: Vec<Window>,
    /// The newest physical backup.
    pub newest_base: Option<Base>,
    /// Who ships logs to the vault at the moment.
    pub shipper: Option<Holder>,
    /// What of each database is not shipped; empty when the home cannot be read from here.
    pub lags: Vec<Lag>,
    /// The time, to which ages refer.
    pub now: Timestamp,
}

/// What of a database's log is not shipped.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lag {
    /// The database.
    pub database: String,
    /// The last transaction that is committed.
    pub committed_tx: u64,
    /// The last that is shipped, with a base to replay it on; none when there is nothing.
    pub shipped_tx: Option<u64>,
    /// How many are not; none when that cannot be told: the shipped log is another.
    pub transactions: Option<u64>,
    /// How long ago the oldest of these was committed; zero when all are shipped.
    pub age: Option<Duration>,
}

impl StatusReport {
    /// How much would be lost if the server was lost now: the longest lag. `None` when it cannot
    /// be told, or nothing protects the database.
    pub fn exposure(&self) -> Option<Duration> {
        if self.windows.is_empty() {
            return None;
        }
        if self.lags.is_empty() {
            // From far away nothing is known from the last shipped transaction on; a canary makes
            // that recent.
            let until = self.windows.iter().map(|window| window.to).max();
            let age = self.now.duration_since(until?);
            return Some(Duration::try_from(age).unwrap_or_default());
        }
        self.lags.iter().map(|lag| lag.age).max_by_key(|age| age.unwrap_or(Duration::MAX))?
    }

    /// Whether an objective for data loss (RPO) is met.
    pub fn meets(&self, rpo: Duration) -> bool {
        self.exposure().is_some_and(|exposure| exposure <= rpo)
    }
}

/// Looks at a vault, and at the logs of a home if there is one.
///
/// # Errors
/// When the vault does not answer, or the home's logs cannot be read.
pub async fn status(vault: &Vault, home: Option<&Path>) -> Result<StatusReport> {
    let all_bases = bases(vault).await?;
    let windows = windows(vault, &all_bases).await?;
    let shipper = vault.lease_holder(LEASE).await?;
    let mut lags = Vec::new();
    if let Some(home) = home {
        let folder = log_folder(home)?;
        let names = databases(&folder)?;
        if names.is_empty() {
            return Err(ShipError::NoLogs { folder }.into());
        }
        let mut of_databases = timelines(vault).await?;
        for database in names {
            let newest = of_databases.remove(&database).and_then(|mut all| all.pop());
            let log = LogFolder::new(folder.join(&database));
            lags.extend(lag(&database, log, newest, &windows).await?);
        }
    }
    let newest_base = all_bases.into_iter().next();
    Ok(StatusReport { windows, newest_base, shipper, lags, now: Timestamp::now() })
}

/// What of one log is not shipped; `None` when there is no log to speak of.
async fn lag(
    database: &str,
    log: LogFolder,
    timeline: Option<Timeline>,
    windows: &[Window],
) -> Result<Option<Lag>> {
    let end = match &timeline {
        Some(timeline) => Some(shipped(timeline).await?),
        None => None,
    };
    let protected = timeline.is_some_and(|timeline| {
        let name = &timeline.info.timeline;
        windows.iter().any(|window| window.database == database && window.timeline == *name)
    });
    let read = tokio::task::spawn_blocking(move || unshipped(&log, end));
    let read = read.await.map_err(|panic| Error::Internal(panic.to_string()))?;
    let Some((committed_tx, waiting)) = read.map_err(ShipError::Log)? else { return Ok(None) };
    let lag = Lag {
        database: database.to_owned(),
        committed_tx,
        shipped_tx: end.filter(|_| protected).map(|(_, last_tx)| last_tx),
        transactions: waiting.filter(|_| protected).map(|(count, _)| count),
        age: waiting.filter(|_| protected).map(|(_, oldest)| {
            let oldest = oldest.and_then(|time| Timestamp::from_millisecond(time).ok());
            let age = oldest.map(|oldest| Timestamp::now().duration_since(oldest));
            age.and_then(|age| Duration::try_from(age).ok()).unwrap_or_default()
        }),
    };
    Ok(Some(lag))
}

/// The last transaction of a log, and of those after a place the number and the time of the
/// first.
type Unshipped = (u64, Option<(u64, Option<i64>)>);

fn unshipped(
    log: &LogFolder,
    shipped: Option<(LogPosition, u64)>,
) -> Result<Option<Unshipped>, lifeboat_neo4j::txlog::LogError> {
    let Some(oldest) = log.versions()?.first().copied() else { return Ok(None) };
    let Some((mut from, last_tx)) = shipped else {
        return Ok(Some((log.end()?.last_tx, None)));
    };
    from.offset = from.offset.max(HEADER_SIZE);
    let end = log.end()?;
    if from.version < oldest || from > end.position {
        return Ok(Some((end.last_tx, None)));
    }
    let (mut count, mut first) = (0, None);
    let end = log.transactions(from, last_tx, |tx: &Transaction| {
        count += 1;
        first = first.or(Some(tx.committed));
        ControlFlow::Continue(())
    })?;
    Ok(Some((end.last_tx, Some((count, first)))))
}

#[cfg(test)]
mod tests {
    use lifeboat_archive::BackupName;

    use super::*;

    fn report(lags: &[Option<u64>], windows: usize) -> StatusReport {
        let lag = |age: &Option<u64>| Lag {
            database: "neo4j".into(),
            committed_tx: 9,
            shipped_tx: Some(9),
            transactions: Some(0),
            age: age.map(Duration::from_secs),
        };
        let name: BackupName = "base".parse().unwrap();
        let time = Timestamp::from_second(1000).unwrap();
        let window = Window {
            database: "neo4j".into(),
            timeline: "t".into(),
            base: name,
            first_tx: 1,
            from: time,
            last_tx: 9,
            to: time,
            gap: None,
            verified: true,
        };
        StatusReport {
            windows: vec![window; windows],
            newest_base: None,
            shipper: None,
            lags: lags.iter().map(lag).collect(),
            now: Timestamp::from_second(1100).unwrap(),
        }
    }

    #[test]
    fn the_worst_database_counts() {
        let secs = Duration::from_secs;
        assert_eq!(report(&[Some(3), Some(7)], 1).exposure(), Some(secs(7)));
        assert_eq!(report(&[Some(3), None], 1).exposure(), None);
        assert_eq!(report(&[Some(3)], 0).exposure(), None);
        assert_eq!(report(&[], 1).exposure(), Some(secs(100)));
        assert!(report(&[Some(3)], 1).meets(secs(3)));
        assert!(!report(&[Some(3)], 1).meets(secs(2)));
        assert!(!report(&[None], 1).meets(secs(1_000_000)));
    }
}
