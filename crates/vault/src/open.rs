//! From an address and credentials to a store.

use std::collections::HashMap;
use std::path::{Path as FsPath, PathBuf};
use std::str::FromStr as _;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::client::{HttpClient, HttpConnector as _};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::memory::InMemory;
use object_store::prefix::PrefixStore;
use object_store::{Certificate, ClientOptions, HeaderValue, ObjectStore};

use crate::credentials::{AZURE_HINT, Azure, AzureAuth, Env, var};
use crate::error::Translator;
use crate::error::translate::Place;
use crate::folder::FolderStore;
use crate::silence::Listening;
use crate::versions::Versions;
use crate::{Address, Credentials, Error, Keys, Retry, Secret};

/// Everything needed to open a vault.
#[derive(Debug, Clone)]
pub struct VaultConfig {
    /// Where it is.
    pub address: Address,
    /// Who we are there.
    pub credentials: Credentials,
    /// The service's URL when it is not the public one: for Azurite
    /// `http://127.0.0.1:PORT/account`, for a store that speaks S3 its own URL. Else what the
    /// environment says (`AZURE_STORAGE_ENDPOINT`, `AWS_ENDPOINT_URL`).
    pub endpoint: Option<String>,
    /// The region of an S3 bucket; else `AWS_REGION`, else `us-east-1`.
    pub region: Option<String>,
    /// Whether an endpoint on another machine may be spoken to without TLS. On this machine it
    /// always may.
    pub allow_http: bool,
    /// Certificates (PEM) to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// A folder of this machine where small files of a store in a network are kept, so that they
    /// need not be fetched again; it may be deleted at any time.
    pub cache: Option<PathBuf>,
    /// How stubborn to be.
    pub retry: Retry,
    /// What encrypts, opens, signs and is believed.
    pub keys: Keys,
}

impl VaultConfig {
    /// The vault at `address`, with what the environment offers.
    pub fn new(address: Address) -> Self {
        Self {
            address,
            credentials: Credentials::Environment,
            endpoint: None,
            region: None,
            allow_http: false,
            ca_file: None,
            cache: None,
            retry: Retry::default(),
            keys: Keys::default(),
        }
    }

    /// The same with these credentials.
    #[must_use]
    pub fn with_credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = credentials;
        self
    }

    /// The same with this endpoint.
    #[must_use]
    pub fn with_endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = Some(endpoint.into());
        self
    }

    /// The same with these keys.
    #[must_use]
    pub fn with_keys(mut self, keys: Keys) -> Self {
        self.keys = keys;
        self
    }

    /// The same with this folder for what need not be fetched again.
    #[must_use]
    pub fn with_cache(mut self, folder: Option<PathBuf>) -> Self {
        self.cache = folder;
        self
    }

    /// The same with this stubbornness.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }
}

/// A store and what is known about it.
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) translator: Translator,
    /// The versions of its objects, where one by one can be asked for.
    pub(crate) versions: Option<Versions>,
}

pub(crate) fn open(config: &VaultConfig, env: Env<'_>) -> Result<Opened, Error> {
    let mut translator =
        Translator { vault: config.address.to_string(), place: Place::Memory, secrets: Vec::new() };
    let mut versions = None;
    let (store, prefix): (Arc<dyn ObjectStore>, &str) = match &config.address {
        Address::Folder(path) => {
            let path = std::path::absolute(path)
                .map_err(|e| translator.setup(e.to_string(), "give the folder's whole path"))?;
            translator.place = Place::Folder(path.clone());
            (Arc::new(FolderStore::new(path)), "")
        }
        Address::Memory(name) => (memory(name), ""),
        Address::Azure { account, container, prefix } => {
            (azure(config, account, container, env, &mut translator)?, prefix)
        }
        Address::S3 { bucket, prefix } => {
            let (store, client) = s3(config, bucket, env, &mut translator)?;
            // Each request is signed, which takes somebody to sign it.
            let signs = config.credentials != Credentials::Anonymous;
            versions = signs.then(|| Versions::new(store.clone(), client, prefix));
            (Arc::new(store), prefix)
        }
        Address::Gcs { bucket, prefix } => (gcs(config, bucket, env, &mut translator)?, prefix),
    };
    let store = if prefix.is_empty() { store } else { Arc::new(PrefixStore::new(store, prefix)) };
    Ok(Opened { store, translator, versions })
}

/// The one store of this process with that name.
fn memory(name: &str) -> Arc<InMemory> {
    static STORES: OnceLock<Mutex<HashMap<String, Arc<InMemory>>>> = OnceLock::new();
    let mut stores =
        STORES.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(stores.entry(name.to_owned()).or_default())
}

/// Chooses ring for TLS, once a process; the HTTP client asks for a default.
fn choose_tls() {
    // An error says that somebody has chosen before us, which is as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn client_options(config: &VaultConfig, translator: &Translator) -> Result<ClientOptions, Error> {
    choose_tls();
    let agent = HeaderValue::from_static(concat!("lifeboat/", env!("CARGO_PKG_VERSION")));
    let mut options = ClientOptions::new()
        .with_user_agent(agent)
        .with_connect_timeout(Duration::from_secs(5))
        // Of one request, with its body: a part of an upload on a slow line takes its time.
        .with_timeout(Duration::from_mins(5));
    if let Some(path) = &config.ca_file {
        let hint = "give a file of certificates in PEM form";
        let pem = std::fs::read(path)
            .map_err(|e| translator.setup(format!("cannot read {}: {e}", path.display()), hint))?;
        let certificates = Certificate::from_pem_bundle(&pem)
            .map_err(|e| translator.setup(format!("{}: {e}", path.display()), hint))?;
        if certificates.is_empty() {
            let reason = format!("{} holds no certificate", path.display());
            return Err(translator.setup(reason, hint));
        }
        for certificate in certificates {
            options = options.with_root_certificate(certificate);
        }
    }
    Ok(options)
}

/// Whether plain HTTP is in order for `endpoint`.
fn check_endpoint(endpoint: &str, allowed: bool, translator: &Translator) -> Result<bool, Error> {
    let example = "give a URL such as http://127.0.0.1:10000/account";
    let url = url::Url::parse(endpoint)
        .map_err(|e| translator.setup(format!("the endpoint is no URL: {e}"), example))?;
    if url.query().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err(translator.setup("the endpoint carries more than a place", example));
    }
    let here = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => Ok(false),
        "http" if here || allowed => Ok(true),
        "http" => Err(translator.setup(
            "its endpoint is on another machine and speaks no TLS, so that anyone between could \
             read the backups",
            "use an https endpoint, or allow plain HTTP if the network is yours alone",
        )),
        _ => Err(translator.setup("the endpoint is neither http nor https", example)),
    }
}

fn has_program(name: &str, env: Env<'_>) -> bool {
    env("PATH").is_some_and(|path| {
        std::env::split_paths(&path)
            .any(|folder: PathBuf| FsPath::new(&folder).join(name).is_file())
    })
}

fn azure(
    config: &VaultConfig,
    account: &str,
    container: &str,
    env: Env<'_>,
    translator: &mut Translator,
) -> Result<Arc<dyn ObjectStore>, Error> {
    let found = Azure::resolve(&config.credentials, account, env, has_program("az", env))
        .map_err(|unusable| translator.setup(unusable.reason, unusable.hint))?;
    translator.secrets = found.secrets();
    translator.place = Place::Azure {
        account: account.to_owned(),
        container: container.to_owned(),
        means: found.means(),
    };
    let mut options = client_options(config, translator)?;
    let mut builder = MicrosoftAzureBuilder::new()
        .with_account(account)
        .with_container_name(container)
        .with_http_connector(Listening)
        .with_retry(config.retry.requests());
    let endpoint = config.endpoint.clone().or_else(|| found.endpoint.clone());
    if let Some(endpoint) = endpoint {
        let http = check_endpoint(&endpoint, config.allow_http || found.http, translator)?;
        options = options.with_allow_http(http);
        builder = builder.with_endpoint(endpoint.trim_end_matches('/').to_owned());
    }
    if let Some(host) = var(env, &["AZURE_AUTHORITY_HOST"]) {
        builder = builder.with_authority_host(host);
    }
    let (kind, mut builder) = match &found.auth {
        AzureAuth::Key(key) => ("access_key", builder.with_access_key(key.expose())),
        AzureAuth::Sas(sas) => {
            ("sas_token", builder.with_config(AzureConfigKey::SasKey, sas.expose()))
        }
        AzureAuth::ManagedIdentity { client_id } => {
            if let Some(id) = client_id {
                builder = builder.with_client_id(id);
            }
            if let Some(endpoint) = var(env, &["IDENTITY_ENDPOINT", "MSI_ENDPOINT"]) {
                builder = builder.with_msi_endpoint(endpoint);
            }
            // The machine's identity is asked for over plain HTTP on a link-local address; the
            // library allows that for these requests only.
            ("managed_identity", builder)
        }
        AzureAuth::Workload { tenant_id, client_id, token_file } => {
            let builder = builder
                .with_client_id(client_id)
                .with_tenant_id(tenant_id)
                .with_federated_token_file(token_file);
            ("workload_identity", builder)
        }
        AzureAuth::ClientSecret { tenant_id, client_id, client_secret } => {
            let secret = client_secret.expose();
            (
                "client_secret",
                builder.with_client_secret_authorization(client_id, secret, tenant_id),
            )
        }
        AzureAuth::Cli => ("azure_cli", builder.with_use_azure_cli(true)),
        AzureAuth::Anonymous => ("auto", builder.with_skip_signature(true)),
    };
    builder = builder.with_credential_type(kind).with_client_options(options);
    Ok(Arc::new(builder.build().map_err(|e| translator.setup(e.to_string(), AZURE_HINT))?))
}

/// The variables that the tools of AWS read and the library understands.
const AWS_VARS: [&str; 14] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_IMDSV1_FALLBACK",
];

fn s3(
    config: &VaultConfig,
    bucket: &str,
    env: Env<'_>,
    translator: &mut Translator,
) -> Result<(AmazonS3, HttpClient), Error> {
    let hint = "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION";
    translator.place = Place::S3 { bucket: bucket.to_owned() };
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_retry(config.retry.requests())
        .with_http_connector(Listening)
        .with_conditional_put(S3ConditionalPut::ETagMatch);
    let mut endpoint = config.endpoint.clone();
    match &config.credentials {
        Credentials::Environment => {
            for name in AWS_VARS {
                let Some(value) = var(env, &[name]) else { continue };
                if ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"].contains(&name) {
                    translator.secrets.push(Secret::new(&value));
                }
                if name.starts_with("AWS_ENDPOINT_URL") {
                    endpoint = config.endpoint.clone().or(Some(value));
                } else if let Ok(key) = AmazonS3ConfigKey::from_str(&name.to_ascii_lowercase()) {
                    builder = builder.with_config(key, value);
                }
            }
        }
        Credentials::Aws { access_key_id, secret_access_key, session_token } => {
            translator.secrets.push(secret_access_key.clone());
            builder = builder
                .with_access_key_id(access_key_id)
                .with_secret_access_key(secret_access_key.expose());
            if let Some(token) = session_token {
                translator.secrets.push(token.clone());
                builder = builder.with_token(token.expose());
            }
            if let Some(region) = var(env, &["AWS_REGION", "AWS_DEFAULT_REGION"]) {
                builder = builder.with_region(region);
            }
        }
        Credentials::Anonymous => builder = builder.with_skip_signature(true),
        _ => return Err(translator.setup("the credentials given are of another cloud", hint)),
    }
    if let Some(region) = &config.region {
        builder = builder.with_region(region);
    }
    let mut options = client_options(config, translator)?;
    if let Some(endpoint) = endpoint {
        let http = check_endpoint(&endpoint, config.allow_http, translator)?;
        options = options.with_allow_http(http);
        builder = builder.with_endpoint(endpoint);
    }
    let failed = |e: object_store::Error| translator.setup(e.to_string(), hint);
    let client = Listening.connect(&options).map_err(failed)?;
    let store = builder.with_client_options(options).build().map_err(failed)?;
    Ok((store, client))
}

fn gcs(
    config: &VaultConfig,
    bucket: &str,
    env: Env<'_>,
    translator: &mut Translator,
) -> Result<Arc<dyn ObjectStore>, Error> {
    let hint = "set GOOGLE_APPLICATION_CREDENTIALS to the path of a key file, or log in with \
                `gcloud auth application-default login`";
    translator.place = Place::Gcs { bucket: bucket.to_owned() };
    let mut builder = GoogleCloudStorageBuilder::new()
        .with_bucket_name(bucket)
        .with_http_connector(Listening)
        .with_retry(config.retry.requests());
    match &config.credentials {
        Credentials::Environment => {
            for name in [
                "GOOGLE_SERVICE_ACCOUNT",
                "GOOGLE_SERVICE_ACCOUNT_KEY",
                "GOOGLE_APPLICATION_CREDENTIALS",
            ] {
                let Some(value) = var(env, &[name]) else { continue };
                if name == "GOOGLE_SERVICE_ACCOUNT_KEY" {
                    translator.secrets.push(Secret::new(&value));
                }
                if let Ok(key) = GoogleConfigKey::from_str(&name.to_ascii_lowercase()) {
                    builder = builder.with_config(key, value);
                }
            }
        }
        Credentials::GcpServiceAccount(key) => {
            translator.secrets.push(key.clone());
            builder = builder.with_service_account_key(key.expose());
        }
        Credentials::GcpServiceAccountFile(path) => {
            builder = builder.with_service_account_path(path.display().to_string());
        }
        Credentials::Anonymous => builder = builder.with_skip_signature(true),
        _ => return Err(translator.setup("the credentials given are of another cloud", hint)),
    }
    let mut options = client_options(config, translator)?;
    if let Some(endpoint) = &config.endpoint {
        let http = check_endpoint(endpoint, config.allow_http, translator)?;
        options = options.with_allow_http(http);
        builder = builder.with_config(GoogleConfigKey::BaseUrl, endpoint);
    }
    let builder = builder.with_client_options(options);
    Ok(Arc::new(builder.build().map_err(|e| translator.setup(e.to_string(), hint))?))
}
