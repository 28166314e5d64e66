//! Commands of the operator: a program and its arguments, run without a shell.

use std::process::Stdio;

use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

use crate::action::Context;
use crate::error::StepError;
use crate::template::Template;
use crate::value::Kind;

/// How much of a command's output is kept, in bytes.
const KEPT: usize = 64 << 10;

/// The words of a command with their values.
///
/// # Errors
/// When a value is not known, or there is no program.
pub(crate) fn resolve(cx: &Context<'_>, words: &[Template]) -> Result<Vec<String>, StepError> {
    words.iter().map(|word| cx.value(word, Kind::Text)).collect()
}

/// Runs a command, and answers with what it printed on standard output. It is told by variables
/// which run, drill and environment it is for: `LIFEBOAT_RUN`, `LIFEBOAT_DRILL`,
/// `LIFEBOAT_DRILL_EXPIRES`, `LIFEBOAT_ENVIRONMENT`. When the answer is no longer waited for, the
/// command is killed.
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
    let failed = |why: String| StepError::Command { command: program.clone(), why };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.kill_on_drop(true);
    for (name, value) in cx.world.variables(cx.values, environment) {
        command.env(name, value);
    }
    let mut child = command.spawn().map_err(|error| failed(format!("cannot be run: {error}")))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let work = async {
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
            texts = tokio::time::timeout(std::time::Duration::from_millis(300), both).await.ok();
        }
        (status, texts.unwrap_or_default())
    };
    let (status, (out, err)) = tokio::select! {
        done = work => done,
        () = cx.cancel.cancelled() => return Err(StepError::Interrupted),
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
