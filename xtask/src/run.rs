//! Running other programs in the workspace's root, with their output shown as it comes.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use lifeboat_testkit::folders::workspace;

/// Cargo itself, in the workspace's root.
pub(crate) fn cargo<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let mut cargo = program(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), arguments);
    // What `cargo xtask` tells this program of itself. Build scripts look at it too, and would have
    // half of everything built anew each time that cargo is called the other way.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|start| text.starts_with(start)) {
            cargo.env_remove(&name);
        }
    }
    cargo
}

/// A program, in the workspace's root.
pub(crate) fn program<A: AsRef<OsStr>>(
    name: impl AsRef<OsStr>,
    arguments: impl IntoIterator<Item = A>,
) -> Command {
    let mut command = Command::new(name);
    command.args(arguments).current_dir(workspace()).stdin(Stdio::null());
    command
}

/// Runs a command to its end.
///
/// # Errors
/// When it cannot be run or fails.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let shown = shown(command);
    let status = command.status().with_context(|| format!("cannot run `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` failed ({status})");
    }
    Ok(())
}

/// Runs a command and hands every line of its standard output to `each`; whether it succeeded.
///
/// # Errors
/// When it cannot be run.
pub(crate) fn lines(command: &mut Command, mut each: impl FnMut(&str)) -> anyhow::Result<bool> {
    let shown = shown(command);
    let mut child =
        command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot run `{shown}`"))?;
    let output = child.stdout.take().context("its output was not caught")?;
    for line in BufReader::new(output).split(b'\n') {
        each(&String::from_utf8_lossy(&line?));
    }
    Ok(child.wait()?.success())
}

/// Runs a command quietly, for at most a while.
///
/// # Errors
/// A sentence with the end of what it said, when it fails or takes too long.
pub(crate) fn quietly(command: &mut Command, patience: Duration) -> Result<(), String> {
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let stderr = child.stderr.take();
    // Read beside the waiting, or a full pipe would stop the child.
    let reader = thread::spawn(move || {
        let lines = BufReader::new(stderr?).lines().map_while(Result::ok);
        lines.filter(|line| !line.trim().is_empty()).last()
    });
    let end = Instant::now() + patience;
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => {
                let last = reader.join().ok().flatten();
                return Err(last.unwrap_or_else(|| status.to_string()).trim().to_owned());
            }
            Ok(None) if Instant::now() < end => thread::sleep(Duration::from_millis(50)),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("no answer within {} s", patience.as_secs()));
            }
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// A command as a person would type it.
fn shown(command: &Command) -> String {
    let name = std::path::Path::new(command.get_program());
    let name = name.file_name().unwrap_or(name.as_os_str());
    let words = std::iter::once(name).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_one_by_one() {
        let mut seen = Vec::new();
        let ok = lines(&mut program("sh", ["-c", "echo a; echo b; exit 1"]), |line| {
            seen.push(line.to_owned());
        });
        assert!(!ok.unwrap());
        assert_eq!(seen, ["a", "b"]);
    }

    #[test]
    fn the_last_words_are_kept() {
        let minute = Duration::from_mins(1);
        assert_eq!(quietly(&mut program("true", [""; 0]), minute), Ok(()));
        let error = quietly(&mut program("sh", ["-c", "echo why >&2; exit 1"]), minute);
        assert_eq!(error, Err("why".to_owned()));
        let error = quietly(&mut program("sleep", ["600"]), Duration::ZERO).unwrap_err();
        assert!(error.contains("no answer"), "{error}");
    }
}
