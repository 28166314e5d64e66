//! A program, run to its end and watched meanwhile.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::process::Command;

/// How often a program is looked at. What it takes in its very last moment is not seen.
const POLL: Duration = Duration::from_millis(2);

/// The kernel counts processor time in hundredths of a second (`USER_HZ`, proc_pid_stat(5)).
const TICK: Duration = Duration::from_millis(10);

/// What a program took.
#[derive(Debug, Clone, Default)]
pub(super) struct Ran {
    /// From its start to its end.
    pub(super) took: Duration,
    /// What it used.
    pub(super) usage: Usage,
    /// What it printed.
    pub(super) stdout: String,
}

/// What a process has used so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Usage {
    /// The most memory that it had at once, in bytes (`VmHWM`).
    pub(super) peak: u64,
    /// Processor time, of the program and of the kernel for it, and of what it ran.
    pub(super) processor: Duration,
}

impl Usage {
    /// Of a process that runs; `None` when there is none of that number.
    pub(super) fn of(pid: u32) -> Option<Self> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        let peak: u64 = peak.trim().strip_suffix(" kB")?.trim().parse().ok()?;
        let [user, system, children_user, children_system] = times(&pid.to_string())?;
        let processor = user + system + children_user + children_system;
        Some(Self { peak: peak * 1024, processor })
    }
}

/// Processor time of all programs that this one has run to their end.
pub(super) fn ended() -> Duration {
    times("self").map_or(Duration::ZERO, |[_, _, user, system]| user + system)
}

/// Processor time of a process, its own and the kernel's for it, and the same of those children
/// that it has waited for.
fn times(process: &str) -> Option<[Duration; 4]> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The second field, the program's name, may hold anything; the last `)` ends it.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let mut times = [Duration::ZERO; 4];
    for (time, field) in times.iter_mut().zip(fields.get(11..15)?) {
        *time = TICK * field.parse::<u32>().ok()?;
    }
    Some(times)
}

/// Runs a program to its end.
///
/// # Errors
/// When it cannot be run, or fails.
pub(super) async fn run(command: &mut Command) -> anyhow::Result<Ran> {
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let began = Instant::now();
    let child = command.spawn().with_context(|| format!("cannot run {name}"))?;
    let pid = child.id().context("a program ended before it began")?;
    let mut output = std::pin::pin!(child.wait_with_output());
    let mut usage = Usage::default();
    let output = loop {
        tokio::select! {
            output = &mut output => break output?,
            () = tokio::time::sleep(POLL) => usage = Usage::of(pid).unwrap_or(usage),
        }
    };
    let took = began.elapsed();
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("{name} failed ({}):\n{}", output.status, stderr.trim());
    }
    Ok(Ran { took, usage, stdout: String::from_utf8_lossy(&output.stdout).into_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn time_and_memory_of_a_program_are_seen() {
        // Holds a string of 32 MiB for a while.
        let script = "x=$(head -c 33554432 /dev/zero | tr '\\0' x); sleep 0.3; echo done";
        let ran = run(Command::new("sh").args(["-c", script])).await.unwrap();
        assert_eq!(ran.stdout, "done\n");
        assert!(ran.took >= Duration::from_millis(300));
        assert!(ran.usage.peak > 32 << 20, "{ran:?}");
        assert!(ran.usage.processor > Duration::ZERO, "{ran:?}");
        assert!(ended() >= ran.usage.processor, "{ran:?}");
    }

    #[tokio::test]
    async fn failures_tell_what_was_said() {
        let error = run(Command::new("sh").args(["-c", "echo why >&2; exit 3"])).await.unwrap_err();
        assert!(error.to_string().contains("why"), "{error}");
    }
}
