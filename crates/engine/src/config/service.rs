//! `[service]`: where the service keeps its state, and who may speak to it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::duration::duration;
use super::{ConfigError, SecretSource, parsed, resolve};

/// Where the service listens unless another address is given.
pub const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9474);

/// Requests a second from one address, unless another number is given.
pub const DEFAULT_RATE: u32 = 500;

/// How long a lease may last: shorter, and a slow store loses it; longer, and nobody takes over.
const LEASE: RangeInclusive<Duration> = Duration::from_secs(5)..=Duration::from_mins(10);

/// `[service]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, try_from = "RawService")]
pub struct ServiceSection {
    /// The folder of the service's state; else a standard one.
    pub state: Option<PathBuf>,
    /// Address and port of the HTTP API.
    pub listen: Option<SocketAddr>,
    /// Requests a second that one address may make.
    pub rate: Option<u32>,
    /// How this instance is called in leases, logs and the API; the host's name unless given.
    pub instance: Option<String>,
    /// How long another instance waits before it takes over from one that is silent.
    pub lease: Option<Duration>,
    /// TLS of the HTTP API.
    pub tls: Option<TlsSection>,
    /// `[service.token.NAME]`: who may speak to the API, by the name that the audit log shows.
    pub tokens: BTreeMap<String, TokenSection>,
}

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rights {
    /// Look.
    Read,
    /// Look, begin runs, pause and resume jobs.
    Operate,
}

/// The keys `tls_…` of `[service]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSection {
    /// PEM file of the certificate, with its chain.
    pub cert_file: PathBuf,
    /// PEM file of its key.
    pub key_file: PathBuf,
    /// PEM file of the authorities whose client certificates are let in.
    pub client_ca_file: Option<PathBuf>,
    /// What a client with such a certificate may do.
    pub client_rights: Rights,
}

/// `[service.token.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawToken")]
pub struct TokenSection {
    /// What its bearer may do.
    pub rights: Rights,
    /// Where the token is.
    pub source: TokenSource,
}

/// Where a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenSource {
    /// In a file, or printed by a command.
    Secret(SecretSource),
    /// In a variable of the environment.
    Variable(String),
}

impl TokenSource {
    /// The one of three keys that is set.
    pub(super) fn choose(
        name: &str,
        file: Option<PathBuf>,
        command: Option<Vec<String>>,
        variable: Option<String>,
    ) -> Result<Option<Self>, String> {
        match (SecretSource::choose(name, file, command)?, variable) {
            (Some(_), Some(_)) => Err(format!("{name}_env is set beside another source; keep one")),
            (Some(secret), None) => Ok(Some(Self::Secret(secret))),
            (None, variable) => Ok(variable.map(Self::Variable)),
        }
    }

    pub(super) fn resolve(&mut self, folder: &Path) {
        if let Self::Secret(secret) = self {
            secret.resolve(folder);
        }
    }

    /// Reads the token.
    ///
    /// # Errors
    /// When there is none.
    pub fn read(&self) -> Result<String, ConfigError> {
        match self {
            Self::Secret(source) => source.read(),
            Self::Variable(name) => {
                std::env::var(name).ok().filter(|value| !value.is_empty()).ok_or_else(|| {
                    ConfigError::SecretEmpty { source_of: format!("the variable {name}") }
                })
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawToken {
    rights: Rights,
    token_file: Option<PathBuf>,
    token_command: Option<Vec<String>>,
    token_env: Option<String>,
}

impl TryFrom<RawToken> for TokenSection {
    type Error = String;

    fn try_from(raw: RawToken) -> Result<Self, String> {
        let source =
            TokenSource::choose("token", raw.token_file, raw.token_command, raw.token_env)?;
        let source = source.ok_or("set one of token_file, token_command and token_env")?;
        Ok(Self { rights: raw.rights, source })
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawService {
    state: Option<PathBuf>,
    #[serde(deserialize_with = "parsed")]
    listen: Option<SocketAddr>,
    rate: Option<u32>,
    instance: Option<String>,
    #[serde(deserialize_with = "duration")]
    lease: Option<Duration>,
    tls_cert_file: Option<PathBuf>,
    tls_key_file: Option<PathBuf>,
    tls_client_ca_file: Option<PathBuf>,
    tls_client_rights: Option<Rights>,
    token: BTreeMap<String, TokenSection>,
}

impl TryFrom<RawService> for ServiceSection {
    type Error = String;

    fn try_from(raw: RawService) -> Result<Self, String> {
        let problem = |text: &str| Err(text.to_owned());
        let tls = match (raw.tls_cert_file, raw.tls_key_file) {
            (Some(cert_file), Some(key_file)) => Some(TlsSection {
                cert_file,
                key_file,
                client_ca_file: raw.tls_client_ca_file,
                client_rights: raw.tls_client_rights.unwrap_or(Rights::Read),
            }),
            (None, None) if raw.tls_client_ca_file.is_some() => {
                return problem("tls_client_ca_file needs tls_cert_file and tls_key_file");
            }
            (None, None) => None,
            _ => return problem("tls_cert_file and tls_key_file go together"),
        };
        let listen = raw.listen.unwrap_or(DEFAULT_LISTEN);
        let secured =
            !raw.token.is_empty() || tls.as_ref().is_some_and(|tls| tls.client_ca_file.is_some());
        if !listen.ip().is_loopback() && !secured {
            return problem(
                "listening beyond this machine needs a [service.token.…] or tls_client_ca_file",
            );
        }
        if !listen.ip().is_loopback() && tls.is_none() {
            return problem(
                "listening beyond this machine needs tls_cert_file and tls_key_file: a token must \
                 not cross a network in the clear",
            );
        }
        if raw.rate == Some(0) {
            return problem("a rate of nothing would refuse every request");
        }
        if raw.lease.is_some_and(|lease| !LEASE.contains(&lease)) {
            return problem("lease is a time from 5s to 10m");
        }
        if let Some(instance) = &raw.instance
            && (instance.is_empty() || instance.len() > 100 || instance.contains(char::is_control))
        {
            return problem("instance is a name of 1 to 100 characters");
        }
        Ok(Self {
            state: raw.state,
            listen: raw.listen,
            rate: raw.rate,
            instance: raw.instance,
            lease: raw.lease,
            tls,
            tokens: raw.token,
        })
    }
}

impl ServiceSection {
    pub(super) fn resolve(&mut self, folder: &Path) {
        resolve(folder, &mut self.state);
        if let Some(tls) = &mut self.tls {
            tls.cert_file = folder.join(&tls.cert_file);
            tls.key_file = folder.join(&tls.key_file);
            resolve(folder, &mut tls.client_ca_file);
        }
        for token in self.tokens.values_mut() {
            token.source.resolve(folder);
        }
    }
}
