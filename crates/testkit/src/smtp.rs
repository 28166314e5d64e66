//! A real mail server for tests: aiosmtpd, from PyPI into the workspace's `target`.
//!
//! It takes mail with or without TLS, asks for a login if it is told one, and keeps what it was
//! given. It ends with its value, and with the process that has it: its input closes then.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};

use crate::{folders, lock, tool};

/// The version used.
const VERSION: &str = "1.4.6";

/// The server.
const SCRIPT: &str = include_str!("smtp/server.py");

/// How connections are protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// Not at all.
    None,
    /// By STARTTLS, without which nothing is taken.
    Starttls,
    /// From the start.
    Tls,
}

impl Security {
    fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Starttls => "starttls",
            Self::Tls => "tls",
        }
    }
}

/// What the server is to be.
#[derive(Debug, Clone)]
pub struct Options<'a> {
    /// How connections are protected.
    pub security: Security,
    /// PEM of a certificate and of its key, for TLS.
    pub certificate: Option<(&'a str, &'a str)>,
    /// Who must log in, and the password.
    pub login: Option<(&'a str, &'a str)>,
    /// The port to listen on; any that is free for 0.
    pub port: u16,
}

/// A mail that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Mail {
    /// The sender, of the envelope.
    pub sender: String,
    /// The receivers, of the envelope.
    pub receivers: Vec<String>,
    /// The subject, decoded.
    pub subject: String,
    /// The text, decoded.
    pub text: String,
    /// Whether it came over TLS.
    pub tls: bool,
    /// Who had logged in.
    pub login: Option<String>,
}

/// A mail server.
#[derive(Debug)]
pub struct Smtp {
    address: SocketAddr,
    folder: TempDir,
    _child: Child,
    _input: ChildStdin,
}

impl Smtp {
    /// Starts one and waits until it listens.
    ///
    /// # Errors
    /// When it cannot be installed or started.
    pub async fn start(options: &Options<'_>) -> Result<Self> {
        let modules = install().await?;
        let folder = folders::scratch("smtp")?;
        fs::create_dir(folder.path().join("mail"))?;
        fs::write(folder.path().join("server.py"), SCRIPT)?;
        let mut command = Command::new("python3");
        command
            .arg(folder.path().join("server.py"))
            .arg(options.security.name())
            .arg(options.port.to_string())
            .current_dir(folder.path())
            .env("PYTHONPATH", modules)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        if let Some((certificate, key)) = options.certificate {
            fs::write(folder.path().join("cert.pem"), certificate)?;
            fs::write(folder.path().join("key.pem"), key)?;
        }
        if let Some((name, password)) = options.login {
            command.env("SMTP_NAME", name).env("SMTP_PASSWORD", password);
        }
        let mut child = command.spawn().context("cannot start python3")?;
        let input = child.stdin.take().context("the server has no input")?;
        let output = child.stdout.take().context("the server has no output")?;
        let line = BufReader::new(output).lines().next_line().await?;
        let port = line.context("the mail server ended at once")?.trim().parse()?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Ok(Self { address, folder, _child: child, _input: input })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The mails that it has taken, in order.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn mails(&self) -> Result<Vec<Mail>> {
        let mut files: Vec<PathBuf> = fs::read_dir(self.folder.path().join("mail"))?
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<_>>()?;
        files.retain(|file| file.extension().is_some_and(|end| end == "json"));
        files.sort();
        let read = |file: &PathBuf| Ok(serde_json::from_str(&fs::read_to_string(file)?)?);
        files.iter().map(read).collect()
    }
}

/// The folder with aiosmtpd, fetched unless that was done before.
async fn install() -> Result<PathBuf> {
    let base = folders::cache()?;
    let folder = base.join(format!("aiosmtpd-{VERSION}"));
    let _lock = lock::lock(&base.join("aiosmtpd.lock")).await?;
    if folder.join("complete").exists() {
        return Ok(folder);
    }
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--target"]);
    pip.arg(&folder).arg(format!("aiosmtpd=={VERSION}"));
    tool::run(&mut pip, "install Python 3 with pip (Debian: `apt-get install python3-pip`)")
        .await?;
    fs::write(Path::new(&folder).join("complete"), "")?;
    Ok(folder)
}
