//! Azurite, Microsoft's own emulator of Azure Storage: real answers to real requests.
//!
//! It is installed once with npm into the workspace's `target/lifeboat/azurite`, runs on a free
//! port with its data in a temporary folder, and dies with its test, also when the test is killed.

mod install;
mod process;
mod request;

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use process::Process;

/// An account and a key for tests that need no particular ones. The key is base64, as all are.
pub const ACCOUNT: (&str, &str) =
    ("lifeboattest", "bGlmZWJvYXQtdGVzdC1rZXktb2YtYW4tZW11bGF0b3ItMQ==");

/// A second account, as if in another region.
pub const SECOND_ACCOUNT: (&str, &str) =
    ("lifeboatsecond", "bGlmZWJvYXQtdGVzdC1rZXktb2YtYW4tZW11bGF0b3ItMg==");

/// A running Azurite, blob service only.
#[derive(Debug)]
pub struct Azurite {
    process: Process,
    accounts: Vec<(String, String)>,
    port: u16,
    // Removed after the process has ended: fields are dropped in their order.
    folder: TempDir,
}

impl Azurite {
    /// Installs Azurite into the workspace's `target` if it is not there yet, which takes a while.
    ///
    /// # Errors
    /// When Node is missing or too old (then it says what to install), or when npm fails.
    pub fn install() -> Result<()> {
        install::script().map(|_| ())
    }

    /// Starts Azurite with these accounts: names and keys, base64. The first time in a workspace it
    /// is installed, which takes a while.
    ///
    /// # Errors
    /// When Node is missing or too old (then it says what to install), or when npm or Azurite
    /// fails, with what it printed.
    pub async fn start(accounts: &[(&str, &str)]) -> Result<Self> {
        let owned: Vec<(String, String)> =
            accounts.iter().map(|(name, key)| ((*name).to_owned(), (*key).to_owned())).collect();
        if owned.is_empty() {
            bail!("Azurite needs an account");
        }
        tokio::task::spawn_blocking(move || Self::start_blocking(owned)).await?
    }

    fn start_blocking(accounts: Vec<(String, String)>) -> Result<Self> {
        let script = install::script()?;
        let folder = tempfile::tempdir().context("no temporary folder for Azurite")?;
        let setting: Vec<String> =
            accounts.iter().map(|(name, key)| format!("{name}:{key}")).collect();
        let (process, port) = Process::start(&script, folder.path(), &setting.join(";"))?;
        Ok(Self { process, accounts, port, folder })
    }

    /// The URL of an account's blob service: `http://127.0.0.1:PORT/account`.
    pub fn endpoint(&self, account: &str) -> String {
        format!("http://127.0.0.1:{}/{account}", self.port)
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process's id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The key of an account it was started with.
    ///
    /// # Errors
    /// When it has no such account.
    pub fn key(&self, account: &str) -> Result<&str> {
        self.accounts
            .iter()
            .find(|(name, _)| name == account)
            .map(|(_, key)| key.as_str())
            .with_context(|| format!("Azurite was started without the account {account}"))
    }

    /// A connection string for an account, as the Azure portal prints it.
    ///
    /// # Errors
    /// As [`key`](Self::key).
    pub fn connection_string(&self, account: &str) -> Result<String> {
        Ok(format!(
            "DefaultEndpointsProtocol=http;AccountName={account};AccountKey={};BlobEndpoint={};",
            self.key(account)?,
            self.endpoint(account)
        ))
    }

    /// Makes a container. One that is there already is left as it is.
    ///
    /// # Errors
    /// When Azurite refuses or does not answer.
    pub async fn create_container(&self, account: &str, container: &str) -> Result<()> {
        let status =
            request::container("PUT", self.port, account, self.key(account)?, container).await?;
        match status {
            201 | 409 => Ok(()),
            _ => bail!("Azurite answered {status} to the creation of {container}"),
        }
    }

    /// Deletes a container with all it holds.
    ///
    /// # Errors
    /// When Azurite refuses or does not answer.
    pub async fn delete_container(&self, account: &str, container: &str) -> Result<()> {
        let status =
            request::container("DELETE", self.port, account, self.key(account)?, container).await?;
        match status {
            202 => Ok(()),
            _ => bail!("Azurite answered {status} to the deletion of {container}"),
        }
    }

    /// A shared access signature for a container, good for an hour: of the rights `racwdl` (read,
    /// add, create, write, delete, list) those in `rights`, in this order.
    ///
    /// # Errors
    /// As [`key`](Self::key).
    pub fn sas(&self, account: &str, container: &str, rights: &str) -> Result<String> {
        request::sas(account, self.key(account)?, container, rights)
    }

    /// The folder with its data and its log.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Ends it. Dropping does the same.
    pub fn stop(self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_running(pid: u32) -> bool {
        // A zombie has no command line.
        std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
    }

    #[tokio::test]
    async fn serves_two_accounts_and_ends() {
        let azurite = Azurite::start(&[ACCOUNT, SECOND_ACCOUNT]).await.unwrap();
        for (account, _) in [ACCOUNT, SECOND_ACCOUNT] {
            azurite.create_container(account, "backups").await.unwrap();
            azurite.create_container(account, "backups").await.unwrap();
            azurite.delete_container(account, "backups").await.unwrap();
            assert!(azurite.delete_container(account, "backups").await.is_err());
        }
        assert!(azurite.create_container("unknown", "backups").await.is_err());
        let (pid, folder) = (azurite.pid(), azurite.folder().to_owned());
        assert!(is_running(pid));
        azurite.stop();
        assert!(!is_running(pid));
        assert!(!folder.exists());
    }
}
