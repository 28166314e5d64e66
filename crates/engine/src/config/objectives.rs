//! `[objectives]`: how much may be lost, and how long a restore may take.

use std::time::Duration;

use serde::Deserialize;

use super::duration::duration;

/// `[objectives]`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, try_from = "RawObjectives")]
pub struct Objectives {
    /// How much may be lost at most (RPO), as in `30s`, `5m` or `24h`.
    pub rpo: Option<Duration>,
    /// How long recovery may take at most (RTO), as in `1h`.
    pub rto: Option<Duration>,
    /// How soon a backup must also be in the second vault.
    pub replication: Option<Duration>,
}

impl Objectives {
    /// The RPO that alerts go by when none is given: the one of the disaster recovery guide.
    pub const RPO: Duration = Duration::from_hours(24);

    /// The RTO that alerts go by when none is given: the one of the disaster recovery guide.
    pub const RTO: Duration = Duration::from_hours(1);

    /// How soon a backup must be in the second vault when nothing is given: replication is tried
    /// every hour, so that it has failed a few times by then.
    pub const REPLICATION: Duration = Duration::from_hours(3);
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawObjectives {
    #[serde(deserialize_with = "duration")]
    rpo: Option<Duration>,
    #[serde(deserialize_with = "duration")]
    rto: Option<Duration>,
    #[serde(deserialize_with = "duration")]
    replication: Option<Duration>,
}

impl TryFrom<RawObjectives> for Objectives {
    type Error = String;

    fn try_from(raw: RawObjectives) -> Result<Self, String> {
        let RawObjectives { rpo, rto, replication } = raw;
        if [rpo, rto, replication].contains(&Some(Duration::ZERO)) {
            return Err("an objective of nothing cannot be met".to_owned());
        }
        Ok(Self { rpo, rto, replication })
    }
}
