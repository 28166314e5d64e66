//! A real S3 server for tests: MinIO on a folder. It has what Azurite lacks: it keeps versions,
//! locks objects, and gives credentials that may do only so much.
//!
//! It is a Go program ([`MINIO`]), runs on a free port of this machine with its data in a temporary
//! folder, and dies with its test, also when the test is killed.

mod request;

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::json;
use tempfile::TempDir;
use tokio::time::sleep;

use crate::daemon::{self, Daemon};
use crate::go::MINIO;
use crate::{folders, ports};
use request::{Request, answers, send};

/// The region that it says it is in.
pub const REGION: &str = "us-east-1";

/// How long it may take to listen. It takes a second on a machine with nothing else to do.
const PATIENCE: Duration = Duration::from_mins(2);

/// Who somebody is to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The public half.
    pub id: String,
    /// The secret half.
    pub secret: String,
    /// What goes with a key that ends.
    pub token: Option<String>,
}

/// What a bucket keeps of what is overwritten or deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    /// Nothing.
    Nothing,
    /// Every version, until somebody deletes that.
    Versions,
    /// Every version for a day, which who has a special right may end: Object Lock in the mode
    /// GOVERNANCE.
    Governance,
    /// Every version for a day, whoever asks: Object Lock in the mode COMPLIANCE.
    Compliance,
}

/// A running server.
#[derive(Debug)]
pub struct S3 {
    daemon: Daemon,
    port: u16,
    // Removed after the process has ended: fields are dropped in their order.
    folder: TempDir,
}

impl S3 {
    /// Starts one; `None`, and a word on standard error, where it is not built.
    ///
    /// # Errors
    /// When it ends at once or does not listen, with what it printed.
    pub async fn start() -> Result<Option<Self>> {
        let Some(program) = MINIO.built_or_told()? else { return Ok(None) };
        let (folder, port) = (folders::scratch("s3")?, ports::free_port()?);
        let log = folder.path().join("log");
        let root = root();
        let mut command = daemon::command(&program.to_string_lossy());
        command
            .args(["server", "--quiet", "--address", &format!("127.0.0.1:{port}"), "--config-dir"])
            .args([folder.path().join("config"), folder.path().join("data")])
            .env("MINIO_ROOT_USER", root.id)
            .env("MINIO_ROOT_PASSWORD", root.secret)
            .env("MINIO_BROWSER", "off")
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(File::create(&log)?)
            .stderr(File::options().append(true).open(&log)?);
        let s3 = Self { daemon: Daemon::start(command)?, port, folder };
        s3.wait(&log).await?;
        Ok(Some(s3))
    }

    /// Waits until it serves.
    async fn wait(&self, log: &Path) -> Result<()> {
        let start = Instant::now();
        while !answers(self.port).await {
            let text = || fs::read_to_string(log).context("it wrote no log");
            if self.daemon.has_ended() {
                bail!("MinIO ended at once: {}", text()?);
            }
            if start.elapsed() > PATIENCE {
                bail!("MinIO did not serve within {PATIENCE:?}: {}", text()?);
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Its URL.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The folder with its data and its log.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Makes a bucket.
    ///
    /// # Errors
    /// When the server refuses or does not answer.
    pub async fn create_bucket(&self, bucket: &str, keeping: Keeping) -> Result<()> {
        let locked = vec![("x-amz-bucket-object-lock-enabled", "true".to_owned())];
        let mode = match keeping {
            Keeping::Nothing => return self.put(bucket, "", Vec::new(), "").await,
            Keeping::Versions => {
                self.put(bucket, "", Vec::new(), "").await?;
                let body = "<VersioningConfiguration><Status>Enabled</Status>\
                            </VersioningConfiguration>";
                return self.put(bucket, "versioning=", Vec::new(), body).await;
            }
            Keeping::Governance => "GOVERNANCE",
            Keeping::Compliance => "COMPLIANCE",
        };
        self.put(bucket, "", locked, "").await?;
        let body = format!(
            "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>\
             <Rule><DefaultRetention><Mode>{mode}</Mode><Days>1</Days></DefaultRetention></Rule>\
             </ObjectLockConfiguration>"
        );
        self.put(bucket, "object-lock=", Vec::new(), &body).await
    }

    /// A key, good for an hour, that may only do what `actions` name, in every bucket: names such
    /// as `s3:PutObject`.
    ///
    /// # Errors
    /// When the server refuses or does not answer.
    pub async fn key(&self, actions: &[&str]) -> Result<Key> {
        let policy = json!({"Version": "2012-10-17", "Statement":
            [{"Effect": "Allow", "Action": actions, "Resource": ["arn:aws:s3:::*"]}]});
        let body = format!(
            "Action=AssumeRole&Version=2011-06-15&DurationSeconds=3600&Policy={}",
            request::escaped(&policy.to_string())
        );
        let form = ("content-type", "application/x-www-form-urlencoded".to_owned());
        let headers = vec![form];
        let request = Request { method: "POST", service: "sts", path: "", query: "", headers };
        let (status, answer) = send(self.port, request, &body).await?;
        let part = |name: &str| {
            let (_, rest) = answer.split_once(&format!("<{name}>"))?;
            Some(rest.split_once("</")?.0.to_owned())
        };
        match (part("AccessKeyId"), part("SecretAccessKey"), part("SessionToken")) {
            (Some(id), Some(secret), token) => Ok(Key { id, secret, token }),
            _ => bail!("MinIO answered {status} when asked for a key: {answer}"),
        }
    }

    /// Ends it. Dropping does the same.
    pub fn stop(self) {}

    async fn put(
        &self,
        path: &str,
        query: &str,
        headers: Vec<(&'static str, String)>,
        body: &str,
    ) -> Result<()> {
        let request = Request { method: "PUT", service: "s3", path, query, headers };
        let (status, answer) = send(self.port, request, body).await?;
        if status != 200 {
            bail!("MinIO answered {status} to PUT /{path}?{query}: {answer}");
        }
        Ok(())
    }
}

/// Who may do everything.
pub fn root() -> Key {
    Key { id: "lifeboatroot".to_owned(), secret: "secret-of-the-root".to_owned(), token: None }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn serves_buckets_and_ends() {
        let Some(s3) = S3::start().await.unwrap() else { return };
        let all = [Keeping::Nothing, Keeping::Versions, Keeping::Governance, Keeping::Compliance];
        for (number, keeping) in all.into_iter().enumerate() {
            s3.create_bucket(&format!("bucket{number}"), keeping).await.unwrap();
        }
        let error = s3.create_bucket("bucket0", Keeping::Nothing).await.unwrap_err();
        assert!(error.to_string().contains("409"), "{error}");
        let key = s3.key(&["s3:PutObject"]).await.unwrap();
        assert!(key.token.is_some() && key.id != root().id, "{key:?}");
        let (folder, port) = (s3.folder().to_owned(), s3.port);
        assert!(folder.exists());
        s3.stop();
        assert!(!folder.exists());
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    }
}
