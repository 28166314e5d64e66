//! Who we are to a store: given outright, or found in the environment.
//!
//! What is given comes first; else the environment is read in the order that the tools of the
//! cloud read it. A secret is held in a [`Secret`], which never prints itself.

use std::fmt;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// A text that never shows in `Debug`, logs or errors.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text` secret. White space at both ends (the newline of a file) is dropped.
    pub fn new(text: impl AsRef<str>) -> Self {
        Self(text.as_ref().trim().to_owned())
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// How to prove to a store who we are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credentials {
    /// What the environment offers, in this order.
    ///
    /// - Azure: `AZURE_STORAGE_CONNECTION_STRING`, `AZURE_STORAGE_ACCOUNT_KEY` (also
    ///   `AZURE_STORAGE_KEY`, `AZURE_STORAGE_ACCESS_KEY`), `AZURE_STORAGE_SAS_TOKEN`, workload
    ///   identity (`AZURE_FEDERATED_TOKEN_FILE`), a client secret (`AZURE_CLIENT_SECRET`), the
    ///   managed identity of an app (`IDENTITY_ENDPOINT`), the login of the Azure CLI when `az` is
    ///   installed, the managed identity of a virtual machine. Keys of another account than the
    ///   address's, as `AZURE_STORAGE_ACCOUNT` or the connection string tell, are passed over.
    /// - S3: the `AWS_…` variables, web identity, the identity of the container or machine.
    /// - Google Cloud: the `GOOGLE_…` variables, the application default credentials.
    #[default]
    Environment,
    /// The key of an Azure storage account, base64.
    AzureAccountKey(Secret),
    /// A shared access signature of Azure, as the portal prints it, with or without its `?`.
    AzureSas(Secret),
    /// A connection string of Azure Storage; its account must be the address's.
    AzureConnectionString(Secret),
    /// The managed identity of this machine or app; the client id chooses among several.
    AzureManagedIdentity {
        /// The client id of a user-assigned identity.
        client_id: Option<String>,
    },
    /// Workload identity of Kubernetes; what is missing is taken from the environment.
    AzureWorkloadIdentity {
        /// The directory, else `AZURE_TENANT_ID`.
        tenant_id: Option<String>,
        /// The application, else `AZURE_CLIENT_ID`.
        client_id: Option<String>,
        /// Where the token is, else `AZURE_FEDERATED_TOKEN_FILE`.
        token_file: Option<PathBuf>,
    },
    /// An application of Entra with its secret.
    AzureClientSecret {
        /// The directory.
        tenant_id: String,
        /// The application.
        client_id: String,
        /// The application's secret.
        client_secret: Secret,
    },
    /// Whoever is logged in with `az login`.
    AzureCli,
    /// A key of S3.
    Aws {
        /// The public half.
        access_key_id: String,
        /// The secret half.
        secret_access_key: Secret,
        /// The token of temporary keys.
        session_token: Option<Secret>,
    },
    /// The key file of a Google service account, its JSON.
    GcpServiceAccount(Secret),
    /// The path of the key file of a Google service account.
    GcpServiceAccountFile(PathBuf),
    /// None: the store is open to all, or checks nothing.
    Anonymous,
}

/// Reads one environment variable; a parameter, so that tests need not change the process's.
pub(crate) type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A variable that is set and not empty.
pub(crate) fn var(env: Env<'_>, names: &[&str]) -> Option<String> {
    names.iter().filter_map(|name| env(name)).map(|v| v.trim().to_owned()).find(|v| !v.is_empty())
}

/// Why credentials cannot be used, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unusable {
    pub(crate) reason: String,
    pub(crate) hint: &'static str,
}

impl Unusable {
    fn new(reason: impl Into<String>, hint: &'static str) -> Self {
        Self { reason: reason.into(), hint }
    }
}

/// What to do when Azure has no credentials, or refuses those it has.
pub(crate) const AZURE_HINT: &str = "set AZURE_STORAGE_ACCOUNT_KEY, AZURE_STORAGE_SAS_TOKEN or \
     AZURE_STORAGE_CONNECTION_STRING, or log in with `az login`, or give this machine a managed \
     identity with the role \"Storage Blob Data Contributor\"";

/// How requests to Azure are signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AzureAuth {
    Key(Secret),
    Sas(Secret),
    ManagedIdentity { client_id: Option<String> },
    Workload { tenant_id: String, client_id: String, token_file: String },
    ClientSecret { tenant_id: String, client_id: String, client_secret: Secret },
    Cli,
    Anonymous,
}

/// Everything known about an Azure account after the environment has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Azure {
    pub(crate) auth: AzureAuth,
    /// The blob service's URL when it is not the public one.
    pub(crate) endpoint: Option<String>,
    /// Whether the user wrote down that plain HTTP is meant.
    pub(crate) http: bool,
}

impl Azure {
    /// Finds the credentials for `account`.
    pub(crate) fn resolve(
        credentials: &Credentials,
        account: &str,
        env: Env<'_>,
        has_cli: bool,
    ) -> Result<Self, Unusable> {
        let plain = |auth| Ok(Self { auth, endpoint: None, http: false });
        match credentials {
            Credentials::Environment => Self::from_env(account, env, has_cli),
            Credentials::AzureAccountKey(key) => plain(AzureAuth::Key(check_key(key)?)),
            Credentials::AzureSas(sas) => plain(AzureAuth::Sas(check_sas(sas)?)),
            Credentials::AzureConnectionString(text) => {
                let (named, azure) = parse_connection_string(text.expose(), account)?;
                if named != account {
                    return Err(Unusable::new(
                        format!("the connection string is of the account {named}"),
                        "use the connection string of the account in the address",
                    ));
                }
                Ok(azure)
            }
            Credentials::AzureManagedIdentity { client_id } => {
                plain(AzureAuth::ManagedIdentity { client_id: client_id.clone() })
            }
            Credentials::AzureWorkloadIdentity { tenant_id, client_id, token_file } => {
                let file = token_file.as_ref().map(|path| path.display().to_string());
                let need = |given: Option<String>, name: &str| {
                    given.or_else(|| var(env, &[name])).ok_or_else(|| {
                        Unusable::new(
                            format!("workload identity lacks {name}"),
                            "run in a pod whose service account has the label \
                             azure.workload.identity/use, or set the variable",
                        )
                    })
                };
                plain(AzureAuth::Workload {
                    tenant_id: need(tenant_id.clone(), "AZURE_TENANT_ID")?,
                    client_id: need(client_id.clone(), "AZURE_CLIENT_ID")?,
                    token_file: need(file, "AZURE_FEDERATED_TOKEN_FILE")?,
                })
            }
            Credentials::AzureClientSecret { tenant_id, client_id, client_secret } => {
                plain(AzureAuth::ClientSecret {
                    tenant_id: tenant_id.clone(),
                    client_id: client_id.clone(),
                    client_secret: client_secret.clone(),
                })
            }
            Credentials::AzureCli => plain(AzureAuth::Cli),
            Credentials::Anonymous => plain(AzureAuth::Anonymous),
            Credentials::Aws { .. }
            | Credentials::GcpServiceAccount(_)
            | Credentials::GcpServiceAccountFile(_) => {
                Err(Unusable::new("the credentials given are of another cloud", AZURE_HINT))
            }
        }
    }

    fn from_env(account: &str, env: Env<'_>, has_cli: bool) -> Result<Self, Unusable> {
        let endpoint = var(env, &["AZURE_STORAGE_ENDPOINT", "AZURE_STORAGE_BLOB_ENDPOINT"]);
        let with = |auth| Ok(Self { auth, endpoint: endpoint.clone(), http: false });
        if let Some(text) = var(env, &["AZURE_STORAGE_CONNECTION_STRING"]) {
            let (named, azure) = parse_connection_string(&text, account)?;
            if named == account {
                return Ok(azure);
            }
        }
        let named = var(env, &["AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT_NAME"]);
        if named.is_none_or(|named| named == account) {
            let keys =
                ["AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCESS_KEY"];
            if let Some(key) = var(env, &keys) {
                return with(AzureAuth::Key(check_key(&key.into())?));
            }
            if let Some(sas) = var(env, &["AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_SAS_KEY"]) {
                return with(AzureAuth::Sas(check_sas(&sas.into())?));
            }
        }
        let client_id = var(env, &["AZURE_CLIENT_ID"]);
        if let (Some(tenant_id), Some(client_id)) =
            (var(env, &["AZURE_TENANT_ID"]), client_id.clone())
        {
            if let Some(token_file) = var(env, &["AZURE_FEDERATED_TOKEN_FILE"]) {
                return with(AzureAuth::Workload { tenant_id, client_id, token_file });
            }
            if let Some(secret) = var(env, &["AZURE_CLIENT_SECRET"]) {
                let client_secret = secret.into();
                return with(AzureAuth::ClientSecret { tenant_id, client_id, client_secret });
            }
        }
        if var(env, &["IDENTITY_ENDPOINT", "MSI_ENDPOINT"]).is_none() && has_cli {
            return with(AzureAuth::Cli);
        }
        with(AzureAuth::ManagedIdentity { client_id })
    }

    /// What proves who we are, for messages.
    pub(crate) fn means(&self) -> &'static str {
        match self.auth {
            AzureAuth::Key(_) => "the account key",
            AzureAuth::Sas(_) => "the shared access signature (SAS)",
            AzureAuth::ManagedIdentity { .. } => "the managed identity of this machine",
            AzureAuth::Workload { .. } => "the workload identity",
            AzureAuth::ClientSecret { .. } => "the application's client secret",
            AzureAuth::Cli => "the login of the Azure CLI",
            AzureAuth::Anonymous => "no credentials",
        }
    }

    /// The texts that must never be printed.
    pub(crate) fn secrets(&self) -> Vec<Secret> {
        match &self.auth {
            AzureAuth::Key(secret) | AzureAuth::Sas(secret) => vec![secret.clone()],
            AzureAuth::ClientSecret { client_secret, .. } => vec![client_secret.clone()],
            _ => Vec::new(),
        }
    }
}

fn check_key(key: &Secret) -> Result<Secret, Unusable> {
    let whole = BASE64.decode(key.expose()).is_ok_and(|bytes| !bytes.is_empty());
    whole.then(|| key.clone()).ok_or_else(|| {
        Unusable::new(
            "the account key is not base64",
            "copy the whole key: `az storage account keys list --account-name ACCOUNT`",
        )
    })
}

fn check_sas(sas: &Secret) -> Result<Secret, Unusable> {
    let text = sas.expose();
    // A whole URL may have been pasted.
    let text = text.rsplit_once('?').map_or(text, |(_, query)| query);
    if text.split('&').any(|pair| pair.starts_with("sig=") && pair.len() > 4) {
        return Ok(Secret::new(text));
    }
    Err(Unusable::new(
        "the SAS token has no signature (sig=…)",
        "copy the whole token, and quote it in the shell, since it has `&` in it",
    ))
}

/// The account and the key that Azurite and its predecessor are built with; no secret.
/// <https://learn.microsoft.com/azure/storage/common/storage-use-azurite#well-known-storage-account-and-key>
const EMULATOR: (&str, &str) = (
    "devstoreaccount1",
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
);

/// Account and access from a connection string. The account that a string with a SAS alone leaves
/// out is the address's.
/// <https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string>
fn parse_connection_string(text: &str, account: &str) -> Result<(String, Azure), Unusable> {
    let value = |name: &str| {
        text.split(';').find_map(|pair| {
            let (key, value) = pair.trim().split_once('=')?;
            (key.trim().eq_ignore_ascii_case(name) && !value.is_empty()).then(|| value.to_owned())
        })
    };
    if value("UseDevelopmentStorage").is_some_and(|v| v.eq_ignore_ascii_case("true")) {
        let (name, key) = EMULATOR;
        let endpoint = Some(format!("http://127.0.0.1:10000/{name}"));
        let auth = AzureAuth::Key(key.into());
        return Ok((name.to_owned(), Azure { auth, endpoint, http: true }));
    }
    let auth = if let Some(key) = value("AccountKey") {
        AzureAuth::Key(check_key(&key.into())?)
    } else if let Some(sas) = value("SharedAccessSignature") {
        AzureAuth::Sas(check_sas(&sas.into())?)
    } else {
        return Err(Unusable::new(
            "the connection string has neither AccountKey nor SharedAccessSignature",
            "copy it whole from the account's access keys, and quote it in the shell",
        ));
    };
    let named = value("AccountName").unwrap_or_else(|| account.to_owned());
    let http = value("DefaultEndpointsProtocol").is_some_and(|v| v.eq_ignore_ascii_case("http"));
    let endpoint = value("BlobEndpoint").or_else(|| {
        let suffix = value("EndpointSuffix")?;
        let scheme = if http { "http" } else { "https" };
        Some(format!("{scheme}://{named}.blob.{suffix}"))
    });
    let http = http || endpoint.as_deref().is_some_and(|url| url.starts_with("http://"));
    Ok((named, Azure { auth, endpoint, http }))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const KEY: &str = "c2VjcmV0LWtleQ==";

    fn resolve(vars: &[(&str, &str)], cli: bool) -> Result<Azure, Unusable> {
        let vars: HashMap<_, _> =
            vars.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Azure::resolve(&Credentials::Environment, "acct", &|name| vars.get(name).cloned(), cli)
    }

    fn auth(vars: &[(&str, &str)]) -> AzureAuth {
        resolve(vars, false).unwrap().auth
    }

    #[test]
    fn reads_the_environment_in_order() {
        let key = ("AZURE_STORAGE_ACCOUNT_KEY", KEY);
        let sas = ("AZURE_STORAGE_SAS_TOKEN", "?sv=1&sig=abc");
        let tenant = ("AZURE_TENANT_ID", "t");
        let client = ("AZURE_CLIENT_ID", "c");
        let file = ("AZURE_FEDERATED_TOKEN_FILE", "/f");
        let secret = ("AZURE_CLIENT_SECRET", "s");
        assert_eq!(auth(&[key, sas, tenant, client, file]), AzureAuth::Key(KEY.into()));
        assert_eq!(auth(&[("AZURE_STORAGE_KEY", KEY)]), AzureAuth::Key(KEY.into()));
        assert_eq!(auth(&[sas, tenant, client, file]), AzureAuth::Sas("sv=1&sig=abc".into()));
        assert!(matches!(auth(&[tenant, client, file, secret]), AzureAuth::Workload { .. }));
        assert!(matches!(auth(&[tenant, client, secret]), AzureAuth::ClientSecret { .. }));
        assert_eq!(auth(&[client]), AzureAuth::ManagedIdentity { client_id: Some("c".to_owned()) });
        assert_eq!(resolve(&[], true).unwrap().auth, AzureAuth::Cli);
        let app = [("IDENTITY_ENDPOINT", "http://localhost/x")];
        assert_eq!(
            resolve(&app, true).unwrap().auth,
            AzureAuth::ManagedIdentity { client_id: None }
        );
    }

    #[test]
    fn passes_over_the_keys_of_another_account() {
        let other = ("AZURE_STORAGE_ACCOUNT", "other");
        let key = ("AZURE_STORAGE_ACCOUNT_KEY", KEY);
        assert_eq!(resolve(&[other, key], true).unwrap().auth, AzureAuth::Cli);
        let same = ("AZURE_STORAGE_ACCOUNT", "acct");
        assert_eq!(auth(&[same, key]), AzureAuth::Key(KEY.into()));
        let text = format!("AccountName=other;AccountKey={KEY}");
        let string = ("AZURE_STORAGE_CONNECTION_STRING", text.as_str());
        assert_eq!(resolve(&[string], true).unwrap().auth, AzureAuth::Cli);
    }

    #[test]
    fn reads_connection_strings() {
        let full = format!(
            "DefaultEndpointsProtocol=https;AccountName=acct;AccountKey={KEY};EndpointSuffix=core.chinacloudapi.cn"
        );
        let azure = resolve(&[("AZURE_STORAGE_CONNECTION_STRING", &full)], false).unwrap();
        assert_eq!(azure.auth, AzureAuth::Key(KEY.into()));
        assert_eq!(azure.endpoint.as_deref(), Some("https://acct.blob.core.chinacloudapi.cn"));
        assert!(!azure.http);

        let sas = "BlobEndpoint=http://127.0.0.1:1/acct;SharedAccessSignature=sv=2&sig=a%3D";
        let azure = resolve(&[("AZURE_STORAGE_CONNECTION_STRING", sas)], false).unwrap();
        assert_eq!(azure.auth, AzureAuth::Sas("sv=2&sig=a%3D".into()));
        assert!(azure.http);

        let (name, azure) = parse_connection_string("UseDevelopmentStorage=true", "x").unwrap();
        assert_eq!((name.as_str(), azure.http), ("devstoreaccount1", true));
    }

    #[test]
    fn refuses_halves_without_repeating_them() {
        let given = [
            Credentials::AzureAccountKey("TOPSECRET-not base64".into()),
            Credentials::AzureSas("sv=TOPSECRET".into()),
            Credentials::AzureConnectionString("AccountName=x;AccountKey=TOPSECRET!".into()),
            Credentials::AzureConnectionString("AccountName=TOPSECRET".into()),
        ];
        for credentials in given {
            let error = Azure::resolve(&credentials, "acct", &|_| None, false).unwrap_err();
            assert!(!format!("{error:?}{credentials:?}").contains("TOPSECRET"), "{error:?}");
            assert!(!error.hint.is_empty());
        }
    }

    #[test]
    fn a_string_of_another_account_is_refused_when_given_outright() {
        let text = format!("AccountName=other;AccountKey={KEY}");
        let given = Credentials::AzureConnectionString(text.into());
        let error = Azure::resolve(&given, "acct", &|_| None, false).unwrap_err();
        assert!(error.reason.contains("other"));
    }

    #[test]
    fn debug_shows_no_secret() {
        let azure = resolve(&[("AZURE_STORAGE_ACCOUNT_KEY", KEY)], false).unwrap();
        assert!(!format!("{azure:?}").contains(KEY));
        let aws = Credentials::Aws {
            access_key_id: "id".into(),
            secret_access_key: "TOPSECRET".into(),
            session_token: Some("TOPSECRET".into()),
        };
        assert!(!format!("{aws:?}").contains("TOPSECRET"));
    }
}
