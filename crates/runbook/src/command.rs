//! Commands of the operator: a program and its arguments, run without a shell.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};

use crate::action::Context;
use crate::error::StepError;
use crate::template::Template;
use crate::value::Kind;

/// How much of a command's output is kept, in bytes.
const KEPT: usize = 64 << 10;

/// How long a command that is told to stop may take to come to its end: OpenTofu writes its state
/// and gives its lock back.
pub(crate) const GRACE: Duration = Duration::from_secs(10);

/// The words of a command with their values.
///
/// # Errors
/// When a value is not known, or there is no program.
pub(crate) fn resolve(cx: &Context<'_>, words: &[Template]) -> Result<Vec<String>, StepError> {
    words.iter().map(|word| cx.value(word, Kind::Text)).collect()
}

/// Runs a command, and answers with what it printed on standard output. It is told by variables
/// which run, drill and environment it is for: `LIFEBOAT_RUN`, `LIFEBOAT_DRILL`,
/// `LIFEBOAT_DRILL_EXPIRES`, `LIFEBOAT_ENVIRONMENT`.
///
/// It is in a process group of its own, so that Ctrl-C at a terminal is not for it. When it is to
/// stop, the group is told once, as Ctrl-C tells it (SIGINT), and has [`GRACE`] to come to its end;
/// what is still there then, or when the answer is no longer waited for, is killed.
///
/// # Errors
/// When it cannot be run, or fails; with the end of what it said on standard error.
pub(crate) async fn run(
    cx: &Context<'_>,
    words: &[String],
    environment: Option<&str>,
) -> Result<String, StepError> {
    let Some((program, arguments)) = words.split_first() else {
        return Err(StepError::Value("a command is a program and its arguments".to_owned()));
    };
    if cx.cancel.is_cancelled() {
        return Err(StepError::Interrupted);
    }
    let failed = |why: String| StepError::Command { command: program.clone(), why };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.process_group(0);
    for (name, value) in cx.world.variables(cx.values, environment) {
        command.env(name, value);
    }
    let child = command.spawn().map_err(|error| failed(format!("cannot be run: {error}")))?;
    let mut group = Group(child);
    let leader = group.leader();
    let (status, (out, err)) = {
        let mut end = std::pin::pin!(end_of(&mut group.0));
        tokio::select! {
            done = &mut end => done,
            () = cx.cancel.cancelled() => {
                signal(leader, Signal::INT);
                let _ = tokio::time::timeout(GRACE, end).await;
                // Nobody knows whether it has done what it should.
                return Err(StepError::Interrupted);
            }
        }
    };
    let status = status.map_err(|error| failed(format!("cannot be waited for: {error}")))?;
    if status.success() {
        return Ok(out);
    }
    let said = err.trim();
    let last: Vec<&str> = said.lines().rev().take(5).collect();
    let last = last.into_iter().rev().collect::<Vec<_>>().join(" | ");
    Err(failed(if last.is_empty() {
        format!("failed: {status}")
    } else {
        format!("failed: {status}: {last}")
    }))
}

/// A process that leads a group of its own. When it is dropped before its end, the group is killed.
struct Group(Child);

impl Group {
    /// Its leader, unless that has ended.
    fn leader(&self) -> Option<Pid> {
        self.0.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        signal(self.leader(), Signal::KILL);
    }
}

/// Sends a signal to the group of a leader that has not ended.
fn signal(leader: Option<Pid>, signal: Signal) {
    if let Some(leader) = leader {
        let _ = kill_process_group(leader, signal);
    }
}

/// How a process ended, and what it said on standard output and standard error.
async fn end_of(child: &mut Child) -> (std::io::Result<ExitStatus>, (String, String)) {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    // A daemon that keeps the pipes open must not keep us waiting: its parent's end counts.
    let (out, err) = (drain(stdout), drain(stderr));
    let mut both = std::pin::pin!(futures::future::join(out, err));
    let mut texts = None;
    let status = tokio::select! {
        biased;
        done = &mut both => { texts = Some(done); child.wait().await }
        status = child.wait() => status,
    };
    if texts.is_none() {
        texts = tokio::time::timeout(Duration::from_millis(300), both).await.ok();
    }
    (status, texts.unwrap_or_default())
}

async fn drain(pipe: Option<impl tokio::io::AsyncRead + Unpin>) -> String {
    let mut kept = Vec::new();
    if let Some(mut pipe) = pipe {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = pipe.read(&mut buffer).await {
            kept.extend_from_slice(&buffer[..read]);
            if kept.len() > 2 * KEPT {
                kept.drain(..kept.len() - KEPT);
            }
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// Whether a program could be run.
pub(crate) fn exists(program: &str) -> bool {
    if program.contains('/') {
        return is_program(std::path::Path::new(program));
    }
    std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|folder| is_program(&folder.join(program)))
    })
}

fn is_program(path: &std::path::Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use lifeboat::CancellationToken;
    use lifeboat::config::Config;

    use super::*;
    use crate::sites::Sites;
    use crate::template::Values;
    use crate::world::World;

    /// Waits for a file that a command writes; what is in it.
    async fn written(path: &Path) -> String {
        let look = async {
            loop {
                match std::fs::read_to_string(path) {
                    Ok(text) if text.ends_with('\n') => return text.trim_end().to_owned(),
                    _ => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        };
        tokio::time::timeout(Duration::from_mins(1), look).await.unwrap()
    }

    /// Runs a script until it has written the file `begun`, and tells it to stop.
    async fn interrupted(folder: &Path, script: &str) -> StepError {
        let world = World::new(Config::default(), Sites::default());
        let (values, cancel) = (Values::default(), CancellationToken::new());
        let cx = Context { world: &world, values: &values, cancel: &cancel };
        let script = format!("cd {}; {script}", folder.display());
        let words = ["sh".to_owned(), "-c".to_owned(), script];
        let stop = async {
            written(&folder.join("begun")).await;
            cancel.cancel();
        };
        futures::future::join(run(&cx, &words, None), stop).await.0.unwrap_err()
    }

    #[tokio::test]
    async fn a_command_that_is_told_to_stop_comes_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let script = "trap 'sleep 0.3; echo unlocked > lock; exit 0' INT; echo 1 > lock; \
                      echo > begun; while :; do sleep 0.05; done";
        let error = interrupted(folder.path(), script).await;
        assert!(error.is_interruption(), "{error}");
        assert_eq!(std::fs::read_to_string(folder.path().join("lock")).unwrap(), "unlocked\n");
    }

    #[tokio::test]
    async fn one_that_does_not_is_killed_with_all_that_it_has_started() {
        let folder = tempfile::tempdir().unwrap();
        let script = "trap '' INT; sleep 600 & echo $! > child; echo > begun; wait; wait";
        let error = interrupted(folder.path(), script).await;
        assert!(error.is_interruption(), "{error}");
        let child = written(&folder.path().join("child")).await;
        let runs = || {
            // What nobody has waited for yet is a zombie.
            std::fs::read_to_string(format!("/proc/{child}/stat"))
                .is_ok_and(|stat| !stat.contains(") Z "))
        };
        let gone = async {
            while runs() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), gone).await.expect("it is killed");
    }
}
