//! The process.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::daemon::{self, Daemon};

/// How long Azurite may take to listen. It takes a second or two on a machine with nothing else to
/// do.
const PATIENCE: Duration = Duration::from_mins(2);

#[derive(Debug)]
pub(super) struct Process {
    daemon: Daemon,
}

impl Process {
    /// Starts it and waits until it listens; with its port.
    pub(super) fn start(script: &Path, folder: &Path, accounts: &str) -> Result<(Self, u16)> {
        let log = folder.join("azurite.log");
        let mut command = daemon::command("node");
        command
            .arg(script)
            .args(["--blobHost", "127.0.0.1", "--blobPort", "0", "--location"])
            .arg(folder.join("data"))
            .args(["--silent", "--loose", "--skipApiVersionCheck", "--disableTelemetry"])
            .env("AZURITE_ACCOUNTS", accounts)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(File::create(&log)?)
            .stderr(File::options().append(true).open(&log)?);
        let process = Self { daemon: Daemon::start(command)? };
        let port = process.wait(&log)?;
        Ok((process, port))
    }

    pub(super) fn pid(&self) -> u32 {
        self.daemon.pid()
    }

    /// Waits for the line that tells the port.
    fn wait(&self, log: &Path) -> Result<u16> {
        let start = Instant::now();
        loop {
            let text = fs::read_to_string(log).unwrap_or_default();
            let port = text.lines().find_map(|line| {
                line.contains("successfully")
                    .then(|| line.rsplit(':').next()?.trim().parse().ok())?
            });
            if let Some(port) = port {
                return Ok(port);
            }
            if self.daemon.has_ended() {
                bail!("Azurite ended at once: {text}");
            }
            if start.elapsed() > PATIENCE {
                bail!("Azurite did not listen within {PATIENCE:?}: {text}");
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}
