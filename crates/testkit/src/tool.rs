//! Running other programs to fetch things: quiet when all is well, telling when not.

use std::process::Stdio;

use anyhow::{Context, bail};
use tokio::process::Command;

/// Runs a command to its end; its output only shows in the error. `hint` says how to get the
/// program when it is missing.
///
/// # Errors
/// When the program is missing or fails.
pub async fn run(command: &mut Command, hint: &str) -> anyhow::Result<String> {
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("cannot run `{name}`: {hint}"))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("`{name}` failed ({}):\n{}\n{}", output.status, stdout.trim(), stderr.trim());
    }
    Ok(stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn failures_tell_what_was_printed() {
        let mut command = Command::new("sh");
        let error = run(command.args(["-c", "echo out; echo err >&2; exit 3"]), "").await;
        let error = error.unwrap_err().to_string();
        assert!(error.contains("out") && error.contains("err") && error.contains('3'), "{error}");
        let missing = run(&mut Command::new("lifeboat-no-such"), "get it").await.unwrap_err();
        assert!(missing.to_string().contains("get it"));
    }
}
