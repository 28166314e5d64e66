//! The process: it must never outlive its test.
//!
//! `setpriv --pdeathsig` has the kernel kill it when the *thread* that started it ends. Threads of
//! a test come and go, so one thread of its own starts the process, waits for the word to stop, and
//! kills it.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// How long Azurite may take to listen. It takes a second or two on a machine with nothing else to
/// do.
const PATIENCE: Duration = Duration::from_mins(2);

#[derive(Debug)]
pub(super) struct Process {
    pid: u32,
    stop: Option<mpsc::Sender<()>>,
    keeper: Option<JoinHandle<()>>,
}

impl Process {
    /// Starts it and waits until it listens; with its port.
    pub(super) fn start(script: &Path, folder: &Path, accounts: &str) -> Result<(Self, u16)> {
        let log = folder.join("azurite.log");
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "node"])
            .arg(script)
            .args(["--blobHost", "127.0.0.1", "--blobPort", "0", "--location"])
            .arg(folder.join("data"))
            .args(["--silent", "--loose", "--skipApiVersionCheck", "--disableTelemetry"])
            .env("AZURITE_ACCOUNTS", accounts)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(File::create(&log)?)
            .stderr(File::options().append(true).open(&log)?);
        let (stop, stopped) = mpsc::channel();
        let (started, start) = mpsc::channel();
        let keeper = thread::spawn(move || match command.spawn() {
            Ok(child) => {
                let _ = started.send(Ok(child.id()));
                keep(child, &stopped);
            }
            Err(error) => {
                let _ = started.send(Err(error));
            }
        });
        let pid = start
            .recv()
            .context("the thread of Azurite died")?
            .context("cannot start setpriv: install util-linux")?;
        let process = Self { pid, stop: Some(stop), keeper: Some(keeper) };
        let port = process.wait(&log)?;
        Ok((process, port))
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
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
            if self.keeper.as_ref().is_none_or(JoinHandle::is_finished) {
                bail!("Azurite ended at once: {text}");
            }
            if start.elapsed() > PATIENCE {
                bail!("Azurite did not listen within {PATIENCE:?}: {text}");
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Waits until the process ends by itself or is to be stopped.
fn keep(mut child: Child, stopped: &mpsc::Receiver<()>) {
    let nap = Duration::from_millis(500);
    while stopped.recv_timeout(nap) == Err(mpsc::RecvTimeoutError::Timeout) {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
    }
    // Told to stop, or whoever could tell is gone.
    let _ = child.kill();
    let _ = child.wait();
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join();
        }
    }
}
