//! `database`: the database's server of an environment is started or stopped.

use std::process::Stdio;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use lifeboat::physical_restore::check_stopped;
use serde::Deserialize;

use crate::action::{Action, Context, Field, Finding, Outputs};
use crate::error::StepError;
use crate::template::Template;
use crate::value::Kind;

/// How long a server may take to stop.
const STOPPING: Duration = Duration::from_mins(5);
/// How long a server may take to recover and answer.
const STARTING: Duration = Duration::from_mins(30);
const POLL: Duration = Duration::from_millis(250);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Database {
    /// The environment.
    environment: Template,
    /// What becomes of it.
    action: Verb,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Verb {
    Stop,
    Start,
}

/// Runs a line of the operator's for the shell.
pub(super) async fn shell(
    cx: &Context<'_>,
    environment: &str,
    line: &str,
) -> Result<(), StepError> {
    let failed = |why: String| StepError::Command { command: line.to_owned(), why };
    let mut command = tokio::process::Command::new("sh");
    command.args(["-c", line]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    for (name, value) in cx.world.variables(cx.values, Some(environment)) {
        command.env(name, value);
    }
    let status =
        command.status().await.map_err(|error| failed(format!("cannot be run: {error}")))?;
    if status.success() { Ok(()) } else { Err(failed(format!("failed: {status}"))) }
}

/// Whether a server runs: by its home, if that can be read from here, else by asking it.
async fn runs(cx: &Context<'_>, name: &str) -> Result<bool, StepError> {
    match &cx.world.environment(name)?.database.neo4j_home {
        Some(home) if home.exists() => match check_stopped(home) {
            Ok(()) => Ok(false),
            Err(error) if error.exit_code() == lifeboat::ExitCode::GuardRefused => Ok(true),
            Err(error) => Err(error.into()),
        },
        _ => Ok(cx.world.answers(name).await.is_ok()),
    }
}

/// Stops the server, and waits until it has stopped. One that does not run is left alone.
pub(crate) async fn stop(cx: &Context<'_>, name: &str) -> Result<(), StepError> {
    if !runs(cx, name).await? {
        return Ok(());
    }
    let environment = cx.world.environment(name)?;
    let line = environment.stop_database.as_ref().ok_or_else(|| StepError::Setting {
        environment: name.to_owned(),
        setting: "stop_database",
    })?;
    shell(cx, name, line).await?;
    let began = Instant::now();
    while runs(cx, name).await? {
        if began.elapsed() > STOPPING {
            return Err(StepError::Timeout(STOPPING));
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

/// Starts the server, and waits until it answers. One that answers is left alone.
pub(super) async fn start(cx: &Context<'_>, name: &str) -> Result<(), StepError> {
    if cx.world.answers(name).await.is_ok() {
        return Ok(());
    }
    let environment = cx.world.environment(name)?;
    let line = environment.start_database.as_ref().ok_or_else(|| StepError::Setting {
        environment: name.to_owned(),
        setting: "start_database",
    })?;
    if !runs(cx, name).await? {
        shell(cx, name, line).await?;
    }
    cx.world.wait_for_database(name, STARTING).await
}

#[async_trait]
impl Action for Database {
    fn title(&self) -> String {
        match self.action {
            Verb::Stop => "Stop the database".to_owned(),
            Verb::Start => "Start the database".to_owned(),
        }
    }

    fn fields(&self) -> Vec<Field<'_>> {
        vec![Field::new("environment", &self.environment, Kind::Environment)]
    }

    fn describe(&self, cx: &Context<'_>) -> Vec<String> {
        let name = self.environment.show(cx.values);
        let environment = cx.world.environment(&name).ok();
        let line = environment.and_then(|environment| match self.action {
            Verb::Stop => environment.stop_database.clone(),
            Verb::Start => environment.start_database.clone(),
        });
        vec![format!("run `{}`", line.unwrap_or_else(|| "a command that is not set".to_owned()))]
    }

    async fn check(&self, cx: &Context<'_>) -> Vec<Finding> {
        let found = async {
            let name = cx.value(&self.environment, Kind::Environment)?;
            let environment = cx.world.environment(&name)?;
            let (line, setting) = match self.action {
                Verb::Stop => (&environment.stop_database, "stop_database"),
                Verb::Start => (&environment.start_database, "start_database"),
            };
            let missing = StepError::Setting { environment: name.clone(), setting };
            line.as_ref().ok_or(missing)?;
            let runs = if runs(cx, &name).await? { "runs" } else { "does not run" };
            Ok::<_, StepError>(format!("the database of {name} {runs}"))
        };
        vec![match found.await {
            Ok(text) => Finding::ok(text),
            Err(error @ StepError::NotYet { .. }) => Finding::unknown(error),
            Err(error) => Finding::failed(error),
        }]
    }

    async fn run(&self, cx: &Context<'_>) -> Result<Outputs, StepError> {
        let name = cx.value(&self.environment, Kind::Environment)?;
        match self.action {
            Verb::Stop => stop(cx, &name).await?,
            Verb::Start => start(cx, &name).await?,
        }
        Ok(Outputs::new())
    }

    async fn undo(&self, cx: &Context<'_>, _: &Outputs) -> Result<Option<String>, StepError> {
        let name = cx.value(&self.environment, Kind::Environment)?;
        match self.action {
            Verb::Stop => start(cx, &name).await?,
            Verb::Start => stop(cx, &name).await?,
        }
        let done = if self.action == Verb::Stop { "started" } else { "stopped" };
        Ok(Some(format!("{done} the database of {name}")))
    }
}
