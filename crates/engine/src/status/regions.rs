//! What each region holds: the newest backup that is good, and the newest that has been restored.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lifeboat_archive::BackupName;
use lifeboat_vault::Listed;

use crate::select::safety_of;
use crate::vaults::{RegionConfig, Role, Vaults, answering};
use crate::{Error, Result};

/// How long a region that answers may take to list its backups.
const PATIENCE: Duration = Duration::from_mins(1);

/// A region, and its backups of the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionStatus {
    /// Its role; `None` for an address that stands in no settings.
    pub role: Option<Role>,
    /// Where it is.
    pub vault: String,
    /// What it holds, or why that cannot be told.
    pub holds: Result<Holds, String>,
}

/// What a region holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holds {
    /// The newest backup that is good, when there is one.
    pub newest: Option<Newest>,
    /// The newest whose trial restore is certified, when there is one.
    pub certified: Option<Trial>,
    /// Backups that are damaged.
    pub damaged: usize,
}

/// A good backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newest {
    /// Its name.
    pub name: BackupName,
    /// When it was begun: what was written later is not in it.
    pub created: Timestamp,
}

/// A backup that has been restored for trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// Its name.
    pub name: BackupName,
    /// When the trial ended.
    pub issued: Timestamp,
    /// How it was restored.
    pub way: String,
    /// How long that took: the recovery time that was measured.
    pub rto: Duration,
}

/// What every region holds, the active one first. One that does not answer hides no other.
pub async fn regions(vaults: &Vaults) -> Vec<RegionStatus> {
    let all = std::iter::once(vaults.active()).chain(vaults.other());
    futures::future::join_all(all.map(region)).await
}

async fn region(config: &RegionConfig) -> RegionStatus {
    let look = async {
        let listed = answering(config).await?.databases().list().await?;
        Ok::<_, Error>(holds(&listed))
    };
    let holds = match tokio::time::timeout(PATIENCE, look).await {
        Ok(holds) => holds.map_err(|error| error.to_string()),
        Err(_) => Err(format!("it does not answer within {} seconds", PATIENCE.as_secs())),
    };
    RegionStatus { role: config.role, vault: config.section.url.to_string(), holds }
}

/// What is in a list, whose newest comes first.
fn holds(listed: &[Listed]) -> Holds {
    let good = || {
        listed.iter().filter_map(|listed| {
            let manifest = listed.manifest.as_ref().ok()?;
            (manifest.database.is_some() && safety_of(manifest).is_none()).then_some(listed)
        })
    };
    let newest =
        good().next().map(|listed| Newest { name: listed.name.clone(), created: listed.created() });
    let certified = good().find_map(|listed| {
        let certificate = listed.certificate.as_ref()?.valid()?;
        Some(Trial {
            name: listed.name.clone(),
            issued: certificate.issued,
            way: certificate.way.clone(),
            rto: Duration::from_millis(certificate.rto_ms),
        })
    });
    let damaged = listed.iter().filter(|listed| !listed.is_intact()).count();
    Holds { newest, certified, damaged }
}

/// The newest good backup of all regions.
pub fn newest(regions: &[RegionStatus]) -> Option<&Newest> {
    held(regions).filter_map(|holds| holds.newest.as_ref()).max_by_key(|newest| newest.created)
}

/// The trial restore that was made last, of all regions.
pub fn last_trial(regions: &[RegionStatus]) -> Option<&Trial> {
    held(regions).filter_map(|holds| holds.certified.as_ref()).max_by_key(|trial| trial.issued)
}

/// How long ago the newest good backup was begun that a region lacks; `None` when no region lacks
/// it.
pub fn replication_lag(regions: &[RegionStatus], now: Timestamp) -> Option<Duration> {
    let newest = newest(regions)?;
    let lacks = |region: &RegionStatus| {
        let held = region.holds.as_ref().ok().and_then(|holds| holds.newest.as_ref());
        held.is_none_or(|held| held.created < newest.created)
    };
    regions.iter().any(lacks).then(|| age(now.duration_since(newest.created)))
}

/// An age; a clock that is behind makes it none.
pub(super) fn age(age: SignedDuration) -> Duration {
    Duration::try_from(age).unwrap_or_default()
}

fn held(regions: &[RegionStatus]) -> impl Iterator<Item = &Holds> {
    regions.iter().filter_map(|region| region.holds.as_ref().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn region(newest: Option<i64>, trial: Option<i64>) -> RegionStatus {
        let name = |second: i64| -> BackupName { format!("b{second}").parse().unwrap() };
        let holds = Holds {
            newest: newest.map(|second| Newest { name: name(second), created: at(second) }),
            certified: trial.map(|second| Trial {
                name: name(second),
                issued: at(second),
                way: "bulk".to_owned(),
                rto: Duration::from_secs(90),
            }),
            damaged: 0,
        };
        RegionStatus { role: None, vault: "v".to_owned(), holds: Ok(holds) }
    }

    #[test]
    fn the_newest_of_all_regions_counts() {
        let away = RegionStatus { holds: Err("away".to_owned()), ..region(None, None) };
        let all = [region(Some(100), Some(50)), region(Some(200), Some(40)), away.clone()];
        assert_eq!(newest(&all).unwrap().created, at(200));
        assert_eq!(last_trial(&all).unwrap().issued, at(50));
        assert_eq!(newest(&[away]), None);
    }

    #[test]
    fn a_region_lags_by_the_age_of_what_it_lacks() {
        let (all, now) = ([region(Some(100), None), region(Some(100), None)], at(130));
        assert_eq!(replication_lag(&all, now), None);
        let lag = |second| replication_lag(&[region(Some(100), None), second], now);
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(lag(region(Some(90), None)), seconds(30));
        assert_eq!(lag(region(None, None)), seconds(30));
        assert_eq!(lag(region(Some(120), None)), seconds(10));
        let away = RegionStatus { holds: Err("away".to_owned()), ..region(None, None) };
        assert_eq!(lag(away), seconds(30), "nobody knows: it does not count as held");
        assert_eq!(replication_lag(&[region(Some(100), None)], now), None, "one region");
    }
}
