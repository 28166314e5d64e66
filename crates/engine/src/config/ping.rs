//! `[ping.…]`: a monitor outside, in the manner of healthchecks.io, which notices when all is
//! silent here. `[ping.service]` is for the service itself, `[ping.JOB]` for a job.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::duration::duration;
use super::{JobKind, TokenSource};

/// How often the service says that it lives.
const EVERY: Duration = Duration::from_mins(5);

/// All of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "BTreeMap<String, PingSection>")]
pub struct Pings {
    /// `[ping.service]`.
    pub service: Option<PingSection>,
    /// `[ping.JOB]`.
    pub jobs: BTreeMap<JobKind, PingSection>,
}

/// One monitor; its address is a secret.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawPing")]
pub struct PingSection {
    /// Where the address is, without `/start` and the like.
    pub url: TokenSource,
    /// How often the service pings; jobs ping when they begin and end.
    pub every: Duration,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPing {
    url_file: Option<PathBuf>,
    url_command: Option<Vec<String>>,
    url_env: Option<String>,
    #[serde(default, deserialize_with = "duration")]
    every: Option<Duration>,
}

impl TryFrom<RawPing> for PingSection {
    type Error = String;

    fn try_from(raw: RawPing) -> Result<Self, String> {
        let url = TokenSource::choose("url", raw.url_file, raw.url_command, raw.url_env)?;
        let every = raw.every.unwrap_or(EVERY);
        if every < Duration::from_secs(10) {
            return Err("every is at least 10s".to_owned());
        }
        Ok(Self { url: url.ok_or("set one of url_file, url_command and url_env")?, every })
    }
}

impl TryFrom<BTreeMap<String, PingSection>> for Pings {
    type Error = String;

    fn try_from(mut sections: BTreeMap<String, PingSection>) -> Result<Self, String> {
        let service = sections.remove("service");
        let jobs = sections.into_iter().map(|(name, section)| Ok((name.parse()?, section)));
        Ok(Self { service, jobs: jobs.collect::<Result<_, String>>()? })
    }
}

impl Pings {
    pub(super) fn resolve(&mut self, folder: &Path) {
        for section in self.service.iter_mut().chain(self.jobs.values_mut()) {
            section.url.resolve(folder);
        }
    }
}
