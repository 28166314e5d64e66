//! A systemd of its own, in namespaces of its own: real units, of which the machine sees nothing.
//!
//! It is the first process of its namespace and dies with it. It starts nothing but what a test
//! asks for: neither journal nor mounts nor anything else of the machine's.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use crate::daemon::{self, Daemon};

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where the program is that is systemd.
const PROGRAM: &str = "/lib/systemd/systemd";

/// What it starts: nothing.
const TARGET: &str = "lifeboat-test.target";

/// A running systemd, gone with the value.
#[derive(Debug)]
pub struct Systemd {
    _daemon: Daemon,
    /// Of its first process, as the machine knows it.
    pid: u32,
    folder: TempDir,
}

impl Systemd {
    /// Starts one with these units, by name and text. They should have no default dependencies, or
    /// it starts half of the machine's services for them. `None` with the reason where this machine
    /// does not let us.
    ///
    /// # Errors
    /// When it does not start for another reason.
    pub fn start(units: &[(&str, &str)]) -> Result<Result<Self, String>> {
        if !Path::new(PROGRAM).exists() {
            return Ok(Err("there is no systemd".to_owned()));
        }
        // Whoever may make these namespaces may also do the rest.
        let mut may = Command::new("unshare");
        may.args(["--pid", "--fork", "--mount", "--mount-proc", "--cgroup", "true"]);
        match may.output() {
            Ok(output) if output.status.success() => {}
            Ok(output) => {
                return Ok(Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
            }
            Err(error) => return Ok(Err(format!("there is no unshare: {error}"))),
        }
        let folder = tempfile::Builder::new().prefix("systemd").tempdir()?;
        let given = folder.path().join("units");
        fs::create_dir(&given)?;
        fs::write(given.join(TARGET), "[Unit]\nDefaultDependencies=no\n")?;
        for (name, text) in units {
            fs::write(given.join(name), text)?;
        }
        let script = format!(
            "set -e\n\
             mount -t tmpfs tmpfs /run\n\
             mkdir -p /run/systemd\n\
             cp -r {} /run/systemd/system\n\
             mount -t cgroup2 cgroup2 /sys/fs/cgroup\n\
             export container=lifeboat\n\
             exec {PROGRAM} --system --unit={TARGET} --log-target=console\n",
            given.display()
        );
        let log = folder.path().join("log");
        let mut command = daemon::command("unshare");
        command
            .args(["--pid", "--fork", "--kill-child", "--mount", "--mount-proc", "--cgroup"])
            .args(["--uts", "--ipc", "sh", "-c", &script])
            .stdin(Stdio::null())
            .stdout(fs::File::create(&log)?)
            .stderr(fs::File::options().append(true).open(&log)?);
        let daemon = Daemon::start(command)?;
        let begin = Instant::now();
        loop {
            if let Some(pid) = child_of(daemon.pid()) {
                let systemd = Self { _daemon: daemon, pid, folder };
                systemd.write_systemctl()?;
                return systemd.wait(begin, &log).map(|()| Ok(systemd));
            }
            if begin.elapsed() > PATIENCE || daemon.has_ended() {
                bail!("systemd does not start: {}", fs::read_to_string(&log).unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn wait(&self, begin: Instant, log: &Path) -> Result<()> {
        while self.is_active(TARGET) != Some(true) {
            if begin.elapsed() > PATIENCE {
                bail!("systemd does not answer: {}", fs::read_to_string(log).unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// A `systemctl` for the path, which speaks to this one.
    fn write_systemctl(&self) -> Result<()> {
        let file = self.path().join("systemctl");
        fs::create_dir(self.path())?;
        let pid = self.pid;
        let text =
            format!("#!/bin/sh\nexec nsenter -t {pid} -m -p -i -u /usr/bin/systemctl \"$@\"\n");
        fs::write(&file, text)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
        Ok(())
    }

    /// The folder whose `systemctl` speaks to this one, for the front of a `PATH`.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("bin")
    }

    /// Whether a unit is active; `None` when systemd does not answer.
    pub fn is_active(&self, unit: &str) -> Option<bool> {
        let mut command = Command::new(self.path().join("systemctl"));
        let output = command.args(["is-active", unit]).output().ok()?;
        match String::from_utf8_lossy(&output.stdout).trim() {
            "active" => Some(true),
            "inactive" | "failed" => Some(false),
            _ => None,
        }
    }
}

/// The only child of a process.
fn child_of(pid: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
        .context("no children are told")
        .ok()?;
    children.split_whitespace().next()?.parse().ok()
}
