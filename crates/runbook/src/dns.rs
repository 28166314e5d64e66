//! DNS: the name by which people reach the application is pointed at another place, and the change
//! is awaited.
//!
//! A change is awaited at the authoritative servers of the zone: those tell at once what they have.
//! Other resolvers may go on telling the old answer for as long as its time to live (TTL), which is
//! why [`Change`] says how long that is.

mod azure;
mod cloudflare;
mod message;
mod rfc2136;

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use lifeboat::config::SecretSource;
use serde::Deserialize;

use crate::value::read_optional_duration;

pub use cloudflare::Cloudflare;
pub use message::Answer;

/// How often the servers of a zone are asked.
const POLL: Duration = Duration::from_secs(1);

/// Why DNS could not be asked or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DnsError {
    /// A server cannot be reached, or does not answer as it should.
    #[error("the DNS server {server} {why}")]
    Server {
        /// The server.
        server: String,
        /// What happened.
        why: String,
    },
    /// A server refuses a change.
    #[error("the DNS server {server} refuses to change {name}: {why}")]
    Refused {
        /// The server.
        server: String,
        /// The name.
        name: String,
        /// What it answered, and what to do.
        why: String,
    },
    /// Something that is no name of DNS, or a key that is none.
    #[error("{0}")]
    Wrong(String),
    /// The secret cannot be had.
    #[error(transparent)]
    Secret(#[from] lifeboat::config::ConfigError),
    /// Not all servers have the change in time.
    #[error("{name} should be {wanted}, and after {} s {found}; wait for the zone's transfers, or ask its servers by hand", waited.as_secs())]
    NotThere {
        /// The name.
        name: String,
        /// What it should be.
        wanted: String,
        /// What the servers say.
        found: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// A provider's interface.
    #[error("{service}: {why}")]
    Service {
        /// Whose.
        service: &'static str,
        /// What it answered, and what to do.
        why: String,
    },
}

/// `[dns]`: a name, and who can change what it stands for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Zone {
    /// The name by which people reach the application.
    pub name: String,
    /// The time to live of its records; a minute when not given.
    #[serde(default, deserialize_with = "read_optional_duration")]
    pub ttl: Option<Duration>,
    /// The authoritative servers, as address and port, that must have a change; those that the
    /// zone names when not given.
    #[serde(default)]
    pub servers: Vec<SocketAddr>,
    /// `[dns.update]`: who can change it.
    pub update: Provider,
}

/// `[dns.update]`: who can change a zone.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Provider {
    /// A server that takes dynamic updates (RFC 2136) signed with a shared key (TSIG, RFC 8945).
    Rfc2136 {
        /// The primary server, as address and port.
        server: SocketAddr,
        /// The zone.
        zone: String,
        /// The name of the key.
        key_name: String,
        /// `hmac-sha256` (when not given), `hmac-sha384` or `hmac-sha512`.
        #[serde(default)]
        algorithm: Algorithm,
        /// The file that holds the key, in base64.
        key_file: Option<std::path::PathBuf>,
        /// The command that prints it.
        key_command: Option<Vec<String>>,
    },
    /// Azure DNS.
    Azure {
        /// The subscription.
        subscription: String,
        /// The resource group.
        resource_group: String,
        /// The zone.
        zone: String,
        /// Who to be there.
        #[serde(default)]
        login: crate::azure::Login,
    },
    /// Cloudflare.
    Cloudflare(Cloudflare),
    /// A command, which is given the name, the kind of record, the time to live in seconds and the
    /// values as its last arguments.
    Command {
        /// The program and its first arguments.
        command: Vec<String>,
        /// The zone, whose servers are asked.
        zone: String,
    },
}

/// How a message is signed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Algorithm {
    #[default]
    HmacSha256,
    HmacSha384,
    HmacSha512,
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Addresses.
    Addresses(Vec<IpAddr>),
    /// Another name.
    Alias(String),
}

impl Target {
    /// Whether an answer says the same.
    fn is(&self, answer: &Answer) -> bool {
        match self {
            Self::Addresses(wanted) => {
                let (mut wanted, mut found) = (wanted.clone(), answer.addresses.clone());
                wanted.sort();
                found.sort();
                wanted == found && answer.alias.is_none()
            }
            Self::Alias(name) => answer.alias.as_deref().is_some_and(|alias| same(alias, name)),
        }
    }

    /// As a text, from which [`parse`](Self::parse) makes it again.
    pub fn to_text(&self) -> String {
        match self {
            Self::Addresses(all) => {
                all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
            }
            Self::Alias(name) => name.clone(),
        }
    }

    /// Reads what [`to_text`](Self::to_text) wrote; `None` of an empty text.
    pub fn parse(text: &str) -> Option<Self> {
        let addresses: Result<Vec<IpAddr>, _> = text.split_whitespace().map(str::parse).collect();
        match addresses {
            Ok(addresses) if addresses.is_empty() => None,
            Ok(addresses) => Some(Self::Addresses(addresses)),
            Err(_) => Some(Self::Alias(text.to_owned())),
        }
    }
}

fn same(one: &str, other: &str) -> bool {
    one.trim_end_matches('.').eq_ignore_ascii_case(other.trim_end_matches('.'))
}

/// A change that all servers of the zone have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What the name stood for before.
    pub before: Option<Target>,
    /// How long others may go on telling that.
    pub old_ttl: Duration,
    /// The servers that have it.
    pub servers: Vec<SocketAddr>,
    /// How long it took until they all had it.
    pub took: Duration,
}

impl Zone {
    pub(crate) fn resolve(&mut self, folder: &Path) {
        if let Provider::Rfc2136 { key_file: Some(path), .. }
        | Provider::Cloudflare(Cloudflare { token_file: Some(path), .. }) = &mut self.update
        {
            *path = folder.join(&*path);
        }
    }

    /// The time to live that records are given.
    pub fn ttl(&self) -> Duration {
        self.ttl.unwrap_or(Duration::from_mins(1))
    }

    /// The zone that the name is in.
    pub fn zone(&self) -> &str {
        match &self.update {
            Provider::Rfc2136 { zone, .. }
            | Provider::Azure { zone, .. }
            | Provider::Cloudflare(Cloudflare { zone, .. })
            | Provider::Command { zone, .. } => zone,
        }
    }

    /// The authoritative servers of the zone.
    ///
    /// # Errors
    /// When they are not given and cannot be found.
    pub async fn servers(&self) -> Result<Vec<SocketAddr>, DnsError> {
        if !self.servers.is_empty() {
            return Ok(self.servers.clone());
        }
        match &self.update {
            Provider::Rfc2136 { server, .. } => Ok(vec![*server]),
            _ => message::servers_of(self.zone()).await,
        }
    }

    /// What the name stands for, by the first authoritative server that answers.
    ///
    /// # Errors
    /// When none does.
    pub async fn read(&self) -> Result<Answer, DnsError> {
        let mut failure = None;
        for server in self.servers().await? {
            match message::look_up(server, &self.name).await {
                Ok(answer) => return Ok(answer),
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or_else(|| DnsError::Wrong(format!("{} has no servers", self.zone()))))
    }

    /// Proves that the name could be changed, without changing it.
    ///
    /// # Errors
    /// When it could not.
    pub async fn check(&self) -> Result<(), DnsError> {
        match &self.update {
            Provider::Rfc2136 { server, .. } => {
                let signer = self.signer()?;
                rfc2136::prove(*server, self.zone(), &signer).await
            }
            Provider::Azure { subscription, resource_group, zone, login } => {
                azure::check(login, subscription, resource_group, zone).await
            }
            Provider::Cloudflare(cloudflare) => cloudflare.check(&self.name).await,
            Provider::Command { command, .. } => {
                let program = command.first().map_or("", String::as_str);
                if crate::command::exists(program) {
                    Ok(())
                } else {
                    Err(DnsError::Wrong(format!("there is no program {program:?}; install it")))
                }
            }
        }
    }

    fn signer(&self) -> Result<rfc2136::Signer, DnsError> {
        match &self.update {
            Provider::Rfc2136 { key_name, algorithm, key_file, key_command, .. } => {
                let source = SecretSource::choose("key", key_file.clone(), key_command.clone())
                    .map_err(DnsError::Wrong)?;
                let source = source.ok_or_else(|| {
                    DnsError::Wrong("dns.update needs key_file or key_command".to_owned())
                })?;
                rfc2136::Signer::new(key_name, *algorithm, &source.read()?)
            }
            _ => Err(DnsError::Wrong("only rfc2136 has a key".to_owned())),
        }
    }

    /// Points the name at a target, and waits until all authoritative servers say so. When they do
    /// already, nothing is changed.
    ///
    /// # Errors
    /// When it cannot be changed, or a server does not have it in time.
    pub async fn point(&self, target: &Target, patience: Duration) -> Result<Change, DnsError> {
        let began = Instant::now();
        let old = self.read().await?;
        let servers = self.servers().await?;
        if !target.is(&old) {
            match &self.update {
                Provider::Rfc2136 { server, .. } => {
                    let signer = self.signer()?;
                    rfc2136::update(*server, self.zone(), &self.name, target, self.ttl(), &signer)
                        .await?;
                }
                Provider::Azure { subscription, resource_group, zone, login } => {
                    let place = azure::Place { subscription, resource_group, zone };
                    azure::update(login, &place, &self.name, target, self.ttl()).await?;
                }
                Provider::Cloudflare(cloudflare) => {
                    cloudflare.update(&self.name, target, self.ttl()).await?;
                }
                Provider::Command { command, .. } => self.run(command, target).await?,
            }
        }
        self.await_change(&servers, target, patience).await?;
        Ok(Change { before: old.target(), old_ttl: old.ttl, servers, took: began.elapsed() })
    }

    async fn run(&self, command: &[String], target: &Target) -> Result<(), DnsError> {
        let (kind, values) = match target {
            Target::Alias(name) => ("CNAME", vec![name.clone()]),
            Target::Addresses(all) => {
                ("A", all.iter().map(ToString::to_string).collect::<Vec<_>>())
            }
        };
        let program = command.first().cloned().unwrap_or_default();
        let failed = |why: String| DnsError::Wrong(format!("`{program}` {why}"));
        let status = tokio::process::Command::new(&program)
            .args(command.iter().skip(1))
            .args([self.name.as_str(), kind, &self.ttl().as_secs().to_string()])
            .args(&values)
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .kill_on_drop(true)
            .status()
            .await
            .map_err(|error| failed(format!("cannot be run: {error}")))?;
        if status.success() { Ok(()) } else { Err(failed(format!("failed: {status}"))) }
    }

    async fn await_change(
        &self,
        servers: &[SocketAddr],
        target: &Target,
        patience: Duration,
    ) -> Result<(), DnsError> {
        let began = Instant::now();
        loop {
            let answers = servers.iter().map(|server| async move {
                (*server, message::look_up(*server, &self.name).await)
            });
            let answers = futures::future::join_all(answers).await;
            let behind: Vec<String> = answers
                .into_iter()
                .filter_map(|(server, answer)| match answer {
                    Ok(answer) if target.is(&answer) => None,
                    Ok(answer) => Some(format!("{server} says {answer}")),
                    Err(error) => Some(error.to_string()),
                })
                .collect();
            if behind.is_empty() {
                return Ok(());
            }
            if began.elapsed() >= patience {
                return Err(DnsError::NotThere {
                    name: self.name.clone(),
                    wanted: target.to_text(),
                    found: behind.join(", "),
                    waited: began.elapsed(),
                });
            }
            tokio::time::sleep(POLL).await;
        }
    }
}
