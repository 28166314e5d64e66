//! What commands print: run without a shell and without input, for a limited time.

use std::path::Path;
use std::process::Stdio;

use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

use crate::config::CommandSection;

/// The most bytes that are kept of one command's output.
const MAX_OUTPUT: u64 = 32 << 20;

/// Runs a command in `folder`; `Err` says why there is no output to keep. What it prints on
/// standard error goes to ours.
pub(super) async fn output(section: &CommandSection, folder: &Path) -> Result<Vec<u8>, String> {
    let mut words = section.command.iter();
    let program = words.next().ok_or("the command is empty")?;
    let mut child = Command::new(program)
        .args(words)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("{program:?} cannot be run: {error}"))?;
    let mut stdout = child.stdout.take().ok_or("its output cannot be read")?;
    let work = async {
        let mut bytes = Vec::new();
        (&mut stdout)
            .take(MAX_OUTPUT + 1)
            .read_to_end(&mut bytes)
            .await
            .map_err(|error| format!("its output cannot be read: {error}"))?;
        if bytes.len() as u64 > MAX_OUTPUT {
            return Err(format!("it printed more than {MAX_OUTPUT} bytes"));
        }
        let status =
            child.wait().await.map_err(|error| format!("it cannot be waited for: {error}"))?;
        if status.success() { Ok(bytes) } else { Err(format!("it failed: {status}")) }
    };
    tokio::time::timeout(section.timeout, work)
        .await
        .unwrap_or_else(|_| Err(format!("it did not end within {} s", section.timeout.as_secs())))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn run(words: &[&str]) -> Result<String, String> {
        let section = CommandSection {
            name: "x".to_owned(),
            command: words.iter().map(|word| (*word).to_owned()).collect(),
            timeout: Duration::from_secs(if words[0] == "sleep" { 1 } else { 60 }),
            secret: false,
        };
        output(&section, Path::new("/")).await.map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[tokio::test]
    async fn keeps_the_output_of_what_succeeds() {
        assert_eq!(run(&["echo", "a b; $HOME"]).await.unwrap(), "a b; $HOME\n");
        assert_eq!(run(&["pwd"]).await.unwrap(), "/\n");
        assert!(
            run(&["sh", "-c", "echo half; exit 3"]).await.unwrap_err().contains("exit status: 3")
        );
        assert!(run(&["sleep", "100"]).await.unwrap_err().contains("within 1 s"));
        assert!(run(&["/no/such/program"]).await.unwrap_err().contains("cannot be run"));
        let endless = run(&["sh", "-c", "cat /dev/zero"]).await.unwrap_err();
        assert!(endless.contains("more than"), "{endless}");
    }
}
