//! A program that must never outlive its test.
//!
//! `setpriv --pdeathsig` has the kernel kill it when the *thread* that started it ends. Threads of
//! a test come and go, so one thread of its own starts the program, waits for the word to stop, and
//! kills it.

use std::process::{Child, Command};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, Result};

/// A running program. Dropping it kills it; so does the end of this process, however it comes.
#[derive(Debug)]
pub(crate) struct Daemon {
    pid: u32,
    stop: Option<mpsc::Sender<()>>,
    keeper: Option<JoinHandle<()>>,
}

/// A command for a program that dies with the thread that starts it.
pub(crate) fn command(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", program]);
    command
}

impl Daemon {
    /// Starts a [`command`].
    pub(crate) fn start(mut command: Command) -> Result<Self> {
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
            .context("the thread of a program died")?
            .context("cannot start setpriv: install util-linux")?;
        Ok(Self { pid, stop: Some(stop), keeper: Some(keeper) })
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&self) -> bool {
        self.keeper.as_ref().is_none_or(JoinHandle::is_finished)
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

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join();
        }
    }
}
