//! Services of Docker Compose, by `docker compose`.

use std::path::Path;

use serde_json::Value;

use super::{PlatformError, State, succeed};

fn words(file: &[&Path], project: Option<&str>, rest: &[&str]) -> Vec<String> {
    let mut words = vec!["docker".to_owned(), "compose".to_owned()];
    for file in file {
        words.extend(["-f".to_owned(), file.display().to_string()]);
    }
    if let Some(project) = project {
        words.extend(["-p".to_owned(), project.to_owned()]);
    }
    words.extend(rest.iter().map(|word| (*word).to_owned()));
    words
}

pub(super) async fn act(
    file: &Path,
    project: Option<&str>,
    rest: &[&str],
    action: &'static str,
    service: &str,
) -> Result<(), PlatformError> {
    let rest = [rest, &[service]].concat();
    succeed(action, service, &words(&[file], project, &rest)).await.map(|_| ())
}

/// Starts a service with another image than its file says, by a second file that overrides it.
pub(super) async fn deploy(
    file: &Path,
    project: Option<&str>,
    service: &str,
    image: &str,
) -> Result<(), PlatformError> {
    let over = serde_json::json!({ "services": { service: { "image": image } } });
    let failed = |error: std::io::Error| PlatformError::Service {
        action: "deploy",
        service: service.to_owned(),
        why: error.to_string(),
    };
    // JSON is YAML.
    let second = tempfile::Builder::new().suffix(".json").tempfile().map_err(failed)?;
    std::fs::write(second.path(), over.to_string()).map_err(failed)?;
    let rest = ["up", "-d", "--no-deps", service];
    succeed("deploy", service, &words(&[file, second.path()], project, &rest)).await.map(|_| ())
}

pub(super) async fn state(
    file: &Path,
    project: Option<&str>,
    service: &str,
) -> Result<State, PlatformError> {
    let rest = ["ps", "--all", "--format", "json", service];
    let text = succeed("look at", service, &words(&[file], project, &rest)).await?;
    Ok(read(&text))
}

/// An array, or, of newer versions, a line for each container.
fn read(text: &str) -> State {
    let containers: Vec<Value> = match serde_json::from_str(text.trim()) {
        Ok(Value::Array(all)) => all,
        Ok(one) => vec![one],
        Err(_) => text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect(),
    };
    let running: Vec<&Value> =
        containers.iter().filter(|container| container["State"] == "running").collect();
    State {
        running: !running.is_empty(),
        settled: true,
        replicas: u32::try_from(running.len()).ok(),
        image: running.first().and_then(|container| Some(container["Image"].as_str()?.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_the_list_are_read() {
        let one = r#"{"Service":"api","State":"running","Image":"api:1"}"#;
        let two = r#"{"Service":"api","State":"exited","Image":"api:1"}"#;
        for text in [format!("[{one},{two}]"), format!("{one}\n{two}\n")] {
            let state = read(&text);
            assert_eq!((state.running, state.replicas), (true, Some(1)), "{text}");
            assert_eq!(state.image.as_deref(), Some("api:1"));
        }
        assert!(!read("").running && !read("[]").running && !read(two).running);
    }
}
