//! A child process that does not outlive this one, however this one ends.
//!
//! `Drop` covers the orderly ends. For all others (`kill -9`, `exit` with a server in a static) a
//! small shell stands watch: it reads a pipe whose other end only this process holds, and when the
//! pipe closes it kills the child. That needs nothing but a POSIX shell. The kernel's own means
//! (`PR_SET_PDEATHSIG`) would need `unsafe` here, and fires too early: when the *thread* that
//! started the child ends, which for tests is the end of a test.
//!
//! Both are in process groups of their own, so that a Ctrl-C at the terminal reaches only the
//! program, which then stops its servers as it sees fit.

use std::{
    io::{self, PipeWriter},
    os::unix::process::CommandExt,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// How often is looked whether the process has ended.
const POLL: Duration = Duration::from_millis(20);
/// Waits for the pipe to close, then kills; `kill` fails quietly if the process is gone already.
const WATCH: &str = r#"read -r _; kill -9 "$1" 2>/dev/null"#;

/// A running child process; dropping it kills it.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    ended: Option<ExitStatus>,
    watch: Option<Watch>,
}

/// The shell that stands watch, and the end of the pipe that keeps it waiting.
#[derive(Debug)]
struct Watch {
    shell: Child,
    alive: Option<PipeWriter>,
}

impl Process {
    /// Starts a command with a watch over it.
    pub(crate) fn spawn(command: &mut Command) -> io::Result<Self> {
        let child = command.stdin(Stdio::null()).process_group(0).spawn()?;
        let mut process = Self { child, ended: None, watch: None };
        process.watch = Some(Watch::over(process.pid())?);
        Ok(process)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        if self.ended.is_none()
            && let Some(status) = self.child.try_wait()?
        {
            self.set_ended(status);
        }
        Ok(self.ended)
    }

    /// Asks it to stop.
    pub(crate) fn terminate(&mut self) -> io::Result<()> {
        // Not yet waited for, so the number cannot belong to another process by now.
        if self.ended()?.is_none() {
            kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        }
        Ok(())
    }

    /// Kills it and waits until it is gone.
    pub(crate) fn kill(&mut self) -> io::Result<()> {
        if self.ended()?.is_none() {
            self.child.kill()?;
            let status = self.child.wait()?;
            self.set_ended(status);
        }
        Ok(())
    }

    /// Waits until it ended, at most for a while.
    pub(crate) async fn wait(&mut self, patience: Duration) -> io::Result<Option<ExitStatus>> {
        let end = Instant::now() + patience;
        loop {
            let ended = self.ended()?;
            if ended.is_some() || Instant::now() >= end {
                return Ok(ended);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn set_ended(&mut self, status: ExitStatus) {
        self.ended = Some(status);
        // At once: from now on the number may be given to another process.
        self.watch = None;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            tracing::warn!(pid = self.child.id(), %error, "cannot kill a server process");
        }
    }
}

impl Watch {
    fn over(pid: u32) -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        let shell = Command::new("/bin/sh")
            .args(["-c", WATCH, "lifeboat-watch", &pid.to_string()])
            .stdin(reader)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        Ok(Self { shell, alive: Some(writer) })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Before the pipe closes, or it would do its work.
        let _ = self.shell.kill();
        let _ = self.shell.wait();
        drop(self.alive.take());
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::test_kill_process;

    use super::*;

    fn sleeper() -> Command {
        let mut command = Command::new("sleep");
        command.arg("600");
        command
    }

    fn alive(pid: u32) -> bool {
        test_kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap()).is_ok()
    }

    #[test]
    fn dropping_kills() {
        let process = Process::spawn(&mut sleeper()).unwrap();
        let (pid, watch) = (process.pid(), process.watch.as_ref().unwrap().shell.id());
        assert!(alive(pid) && alive(watch));
        drop(process);
        assert!(!alive(pid) && !alive(watch));
    }

    #[tokio::test]
    async fn asked_to_stop_it_stops() {
        let mut process = Process::spawn(&mut sleeper()).unwrap();
        assert_eq!(process.wait(Duration::ZERO).await.unwrap(), None);
        process.terminate().unwrap();
        let status = process.wait(Duration::from_mins(1)).await.unwrap().unwrap();
        assert!(!status.success());
        process.terminate().unwrap();
        process.kill().unwrap();
    }

    #[test]
    fn the_watch_kills_when_the_pipe_closes() {
        let mut child = sleeper().spawn().unwrap();
        let mut watch = Watch::over(child.id()).unwrap();
        drop(watch.alive.take());
        assert!(!child.wait().unwrap().success());
        let _ = watch.shell.wait();
    }
}
