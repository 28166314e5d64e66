//! Services as units of systemd, by `systemctl`.

use super::{PlatformError, State, run, succeed};

fn words(user: bool, rest: &[&str]) -> Vec<String> {
    let mut words = vec!["systemctl".to_owned()];
    if user {
        words.push("--user".to_owned());
    }
    words.extend(rest.iter().map(|word| (*word).to_owned()));
    words
}

pub(super) async fn act(user: bool, action: &'static str, unit: &str) -> Result<(), PlatformError> {
    succeed(action, unit, &words(user, &[action, "--", unit])).await.map(|_| ())
}

pub(super) async fn state(user: bool, unit: &str) -> Result<State, PlatformError> {
    let shown = ["show", "--property=ActiveState,LoadState", "--", unit];
    let output = run("look at", unit, &words(user, &shown)).await?;
    let text = String::from_utf8_lossy(&output.stdout);
    let value =
        |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    match (output.status.success(), value("LoadState")) {
        (true, Some("loaded")) => {
            let running = matches!(value("ActiveState"), Some("active" | "reloading"));
            Ok(State { running, settled: true, ..State::default() })
        }
        (true, load) => Err(PlatformError::Service {
            action: "look at",
            service: unit.to_owned(),
            why: format!("systemd has no such unit ({})", load.unwrap_or("unknown")),
        }),
        (false, _) => Err(PlatformError::Service {
            action: "look at",
            service: unit.to_owned(),
            why: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        }),
    }
}
