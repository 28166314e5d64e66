//! `[vault.…]`: the address of a vault, and who to be there.

use std::path::{Path, PathBuf};

use lifeboat_vault::{Address, Credentials, Secret, VaultConfig};
use serde::Deserialize;

use super::{ConfigError, SecretSource, parsed, resolve};

/// How to prove to the store who we are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VaultAuth {
    /// What the environment offers (`AZURE_…`, `AWS_…`, `GOOGLE_…`, a login, the machine's
    /// identity).
    #[default]
    Environment,
    /// The key of an Azure storage account, which is the secret.
    AccountKey,
    /// A shared access signature of Azure, which is the secret.
    Sas,
    /// A connection string of Azure, which is the secret.
    ConnectionString,
    /// The managed identity of this machine; `client_id` chooses among several.
    ManagedIdentity,
    /// Whoever is logged in with `az login`.
    AzureCli,
    /// A key of S3: `access_key_id`, and its other half, which is the secret.
    AccessKey,
    /// The key file of a Google service account, which is the secret.
    ServiceAccount,
    /// Nobody.
    Anonymous,
}

impl VaultAuth {
    fn needs_secret(self) -> bool {
        matches!(
            self,
            Self::AccountKey
                | Self::Sas
                | Self::ConnectionString
                | Self::AccessKey
                | Self::ServiceAccount
        )
    }
}

/// A section of a vault.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawVault")]
pub struct VaultSection {
    /// Where it is.
    pub url: Address,
    /// Where backups of configurations go instead of the place beside `url`.
    pub config_url: Option<Address>,
    /// Who to be there.
    pub auth: VaultAuth,
    /// Where the secret is that `auth` speaks of: `secret_file` or `secret_command`.
    pub secret: Option<SecretSource>,
    /// The public half of a key of S3.
    pub access_key_id: Option<String>,
    /// The client id of a managed identity.
    pub client_id: Option<String>,
    /// The service's URL when it is not the public one.
    pub endpoint: Option<String>,
    /// The region of an S3 bucket.
    pub region: Option<String>,
    /// Whether an endpoint on another machine may be spoken to without TLS.
    pub allow_http: bool,
    /// PEM file of certificate authorities to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Who `prune` is there, when it is somebody else: `[vault.….prune]`.
    pub prune: Option<Box<CredentialsSection>>,
}

/// Who to be in a vault. In `[vault.….prune]`, for `prune` alone, so that the credentials of every
/// day need not be able to delete.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawCredentials")]
pub struct CredentialsSection {
    /// Who to be there.
    pub auth: VaultAuth,
    /// Where the secret is that `auth` speaks of: `secret_file` or `secret_command`.
    pub secret: Option<SecretSource>,
    /// The public half of a key of S3.
    pub access_key_id: Option<String>,
    /// The client id of a managed identity.
    pub client_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCredentials {
    auth: VaultAuth,
    secret_file: Option<PathBuf>,
    secret_command: Option<Vec<String>>,
    access_key_id: Option<String>,
    client_id: Option<String>,
}

impl TryFrom<RawCredentials> for CredentialsSection {
    type Error = String;

    fn try_from(raw: RawCredentials) -> Result<Self, String> {
        let secret = SecretSource::choose("secret", raw.secret_file, raw.secret_command)?;
        let (auth, access_key_id, client_id) = (raw.auth, raw.access_key_id, raw.client_id);
        let credentials = Self { auth, secret, access_key_id, client_id };
        credentials.check()?;
        Ok(credentials)
    }
}

impl CredentialsSection {
    fn check(&self) -> Result<(), String> {
        let problem = |text: &str| Err(text.to_owned());
        match (self.auth.needs_secret(), &self.secret) {
            (true, None) => {
                return problem("this kind of auth needs secret_file or secret_command");
            }
            (false, Some(_)) => {
                return problem("a secret is set, but auth does not say what it is");
            }
            _ => {}
        }
        if (self.auth == VaultAuth::AccessKey) != self.access_key_id.is_some() {
            return problem("access_key_id goes with auth = \"access-key\", and needs it");
        }
        if self.client_id.is_some() && self.auth != VaultAuth::ManagedIdentity {
            return problem("client_id goes with auth = \"managed-identity\"");
        }
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawVault {
    #[serde(default, deserialize_with = "parsed")]
    url: Option<Address>,
    #[serde(default, deserialize_with = "parsed")]
    config_url: Option<Address>,
    #[serde(default)]
    auth: VaultAuth,
    secret_file: Option<PathBuf>,
    secret_command: Option<Vec<String>>,
    access_key_id: Option<String>,
    client_id: Option<String>,
    endpoint: Option<String>,
    region: Option<String>,
    #[serde(default)]
    allow_http: bool,
    ca_file: Option<PathBuf>,
    prune: Option<Box<CredentialsSection>>,
}

impl TryFrom<RawVault> for VaultSection {
    type Error = String;

    fn try_from(raw: RawVault) -> Result<Self, String> {
        let secret = SecretSource::choose("secret", raw.secret_file, raw.secret_command)?;
        let Some(url) = raw.url else {
            return Err("the vault has no url".to_owned());
        };
        let (auth, access_key_id, client_id) = (raw.auth, raw.access_key_id, raw.client_id);
        let credentials = CredentialsSection { auth, secret, access_key_id, client_id };
        credentials.check()?;
        let CredentialsSection { auth, secret, access_key_id, client_id } = credentials;
        Ok(Self {
            config_url: raw.config_url,
            auth,
            secret,
            access_key_id,
            client_id,
            endpoint: raw.endpoint,
            region: raw.region,
            allow_http: raw.allow_http,
            ca_file: raw.ca_file,
            prune: raw.prune,
            ..Self::at(url)
        })
    }
}

/// What the documented container of databases is called.
const DATABASES: &str = "neo4j-backups";
/// What the documented container of configurations beside it is called.
const CONFIGS: &str = "config-backups";

impl VaultSection {
    /// The vault at an address, with what the environment offers.
    pub fn at(url: Address) -> Self {
        Self {
            url,
            config_url: None,
            auth: VaultAuth::default(),
            secret: None,
            access_key_id: None,
            client_id: None,
            endpoint: None,
            region: None,
            allow_http: false,
            ca_file: None,
            prune: None,
        }
    }

    /// The section as `prune` uses it: with the credentials that are for it alone, if there are any.
    #[must_use]
    pub fn for_pruning(&self) -> Self {
        let mut section = self.clone();
        if let Some(credentials) = section.prune.take() {
            let CredentialsSection { auth, secret, access_key_id, client_id } = *credentials;
            section = Self { auth, secret, access_key_id, client_id, ..section };
        }
        section
    }

    /// Where backups of configurations go: `config_url`, else `config-backups` beside a place that
    /// is called `neo4j-backups`, else the same place.
    pub fn config_address(&self) -> Address {
        let beside = || self.url.beside(DATABASES, CONFIGS);
        self.config_url.clone().or_else(beside).unwrap_or_else(|| self.url.clone())
    }

    pub(super) fn resolve(&mut self, folder: &Path) {
        for address in [Some(&mut self.url), self.config_url.as_mut()].into_iter().flatten() {
            if let Address::Folder(path) = address {
                *path = folder.join(&*path);
            }
        }
        let for_prune = self.prune.as_mut().and_then(|prune| prune.secret.as_mut());
        for secret in self.secret.as_mut().into_iter().chain(for_prune) {
            secret.resolve(folder);
        }
        resolve(folder, &mut self.ca_file);
    }

    /// What opening the vault needs; reads its secret.
    ///
    /// # Errors
    /// When the secret cannot be had.
    pub fn vault_config(&self) -> Result<VaultConfig, ConfigError> {
        let mut config = VaultConfig::new(self.url.clone()).with_credentials(self.credentials()?);
        config.endpoint.clone_from(&self.endpoint);
        config.region.clone_from(&self.region);
        config.allow_http = self.allow_http;
        config.ca_file.clone_from(&self.ca_file);
        Ok(config)
    }

    fn credentials(&self) -> Result<Credentials, ConfigError> {
        let secret = match &self.secret {
            Some(source) => Secret::new(source.read()?),
            None => Secret::new(""),
        };
        Ok(match self.auth {
            VaultAuth::Environment => Credentials::Environment,
            VaultAuth::AccountKey => Credentials::AzureAccountKey(secret),
            VaultAuth::Sas => Credentials::AzureSas(secret),
            VaultAuth::ConnectionString => Credentials::AzureConnectionString(secret),
            VaultAuth::ManagedIdentity => {
                Credentials::AzureManagedIdentity { client_id: self.client_id.clone() }
            }
            VaultAuth::AzureCli => Credentials::AzureCli,
            VaultAuth::AccessKey => Credentials::Aws {
                access_key_id: self.access_key_id.clone().unwrap_or_default(),
                secret_access_key: secret,
                session_token: None,
            },
            VaultAuth::ServiceAccount => Credentials::GcpServiceAccount(secret),
            VaultAuth::Anonymous => Credentials::Anonymous,
        })
    }
}
