//! Services by the operator's own commands.

use serde::Deserialize;

use super::{PlatformError, State, run};

/// `kind = "command"`: a program and its arguments for each thing, run without a shell. `{service}`
/// stands for the service, `{replicas}` and `{image}` for what is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CommandPlatform {
    /// Starts a service, or leaves it running. It must come back and leave the service behind.
    pub start: Vec<String>,
    /// Stops a service, or leaves it stopped.
    pub stop: Vec<String>,
    /// Succeeds when the service runs, fails when it does not.
    pub status: Vec<String>,
    /// Gives it `{replicas}` instances.
    pub scale: Vec<String>,
    /// Has it run `{image}`.
    pub deploy: Vec<String>,
}

impl CommandPlatform {
    /// Whether it can be told what a service is.
    pub(super) fn tells(&self) -> bool {
        !self.status.is_empty()
    }

    pub(super) async fn act(
        &self,
        action: &'static str,
        service: &str,
        values: &[(&str, &str)],
    ) -> Result<(), PlatformError> {
        let words = match action {
            "start" => &self.start,
            "stop" => &self.stop,
            "scale" => &self.scale,
            _ => &self.deploy,
        };
        if words.is_empty() {
            return Err(PlatformError::Cannot {
                platform: "your platform",
                action,
                hint: "set a command for it under [environment.NAME.platform]",
            });
        }
        let words = fill(words, service, values);
        // What is left running may keep our pipes; so it is not given any.
        let program = words.first().cloned().unwrap_or_default();
        let failed = |why: String| PlatformError::Command {
            action,
            service: service.to_owned(),
            command: program.clone(),
            why,
        };
        let log = tempfile::tempfile().map_err(|error| failed(error.to_string()))?;
        let said = log.try_clone().map_err(|error| failed(error.to_string()))?;
        let status = tokio::process::Command::new(&program)
            .args(&words[1..])
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .status()
            .await
            .map_err(|error| failed(format!("cannot be run: {error}")))?;
        if status.success() {
            return Ok(());
        }
        let said = end_of(said);
        let last = said.trim().lines().last().unwrap_or_default();
        Err(failed(format!("failed: {status}{}{last}", if last.is_empty() { "" } else { ": " })))
    }

    pub(super) async fn state(&self, service: &str) -> Result<State, PlatformError> {
        if !self.tells() {
            return Err(PlatformError::Cannot {
                platform: "your platform",
                action: "tell whether a service runs",
                hint: "set status under [environment.NAME.platform]",
            });
        }
        let output = run("look at", service, &fill(&self.status, service, &[])).await?;
        Ok(State { running: output.status.success(), settled: true, ..State::default() })
    }
}

fn fill(words: &[String], service: &str, values: &[(&str, &str)]) -> Vec<String> {
    let one = |word: &String| {
        let mut word = word.replace("{service}", service);
        for (place, value) in values {
            word = word.replace(place, value);
        }
        word
    };
    words.iter().map(one).collect()
}

fn end_of(mut file: std::fs::File) -> String {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let mut bytes = Vec::new();
    let length = file.metadata().map_or(0, |meta| meta.len());
    let read = file
        .seek(SeekFrom::Start(length.saturating_sub(4096)))
        .and_then(|_| file.read_to_end(&mut bytes));
    if read.is_err() {
        return String::new();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::Platform;
    use super::*;
    use std::time::Duration;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[tokio::test]
    async fn services_by_commands() {
        let folder = tempfile::tempdir().unwrap();
        let at = |text: &str| format!("{}/{text}", folder.path().display());
        let platform = Platform::Command(CommandPlatform {
            start: words(&["touch", &at("{service}")]),
            stop: words(&["rm", "-f", &at("{service}")]),
            status: words(&["test", "-e", &at("{service}")]),
            deploy: words(&["sh", "-c", "echo $1 > $2", "sh", "{image}", &at("{service}")]),
            scale: words(&["sh", "-c", "echo no such thing >&2; exit 3"]),
        });
        let patience = Duration::from_secs(5);
        for _ in 0..2 {
            platform.start("api", patience).await.unwrap();
        }
        assert!(platform.state("api").await.unwrap().running);
        platform.deploy("api", "api:2", patience).await.unwrap();
        assert_eq!(std::fs::read_to_string(at("api")).unwrap(), "api:2\n");
        platform.stop("api", patience).await.unwrap();
        assert!(!platform.state("api").await.unwrap().running);
        let error = platform.scale("api", 2, patience).await.unwrap_err().to_string();
        assert!(
            error.contains("no such thing") && error.contains("scale the service api"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_service_that_does_not_come_up_is_told() {
        let platform = Platform::Command(CommandPlatform {
            start: words(&["true"]),
            status: words(&["false"]),
            ..CommandPlatform::default()
        });
        let error = platform.start("api", Duration::from_millis(10)).await.unwrap_err();
        assert!(error.to_string().contains("not running within"), "{error}");
        assert!(
            platform.stop("api", Duration::ZERO).await.unwrap_err().to_string().contains("set a")
        );
    }
}
