//! `services`: those of an environment are stopped, started or scaled.

use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;

use crate::action::{Action, Context, Field, Finding, Outputs};
use crate::error::StepError;
use crate::platform::Platform;
use crate::template::Template;
use crate::value::Kind;

/// How long a service may take.
const PATIENCE: Duration = Duration::from_mins(5);

#[expect(clippy::unsafe_derive_deserialize, reason = "the unsafe code is that of tokio::select")]
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Services {
    /// The environment.
    environment: Template,
    /// What becomes of them.
    action: Verb,
    /// Which; all of the environment when not given.
    #[serde(rename = "services")]
    chosen: Option<Vec<String>>,
    /// How many instances, for `scale`.
    replicas: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verb {
    Stop,
    Start,
    Scale,
}

/// The services of a name, and what runs them. `None` when there are none.
pub(super) fn of<'a>(
    cx: &Context<'a>,
    name: &str,
    chosen: Option<&'a [String]>,
) -> Result<Option<(&'a Platform, &'a [String])>, StepError> {
    let environment = cx.world.environment(name)?;
    let services = chosen.unwrap_or(&environment.services);
    if services.is_empty() {
        return Ok(None);
    }
    let platform = environment
        .platform
        .as_ref()
        .ok_or_else(|| StepError::Setting { environment: name.to_owned(), setting: "platform" })?;
    Ok(Some((platform, services)))
}

/// What each service is now.
pub(super) async fn look(platform: &Platform, name: &str, services: &[String]) -> Vec<Finding> {
    let mut found = Vec::new();
    for service in services {
        found.push(match platform.state(service).await {
            Ok(state) => Finding::ok(format_args!("{service} of {name} is {state}")),
            // Before a disaster is over, much does not answer.
            Err(error) => Finding::unknown(error),
        });
    }
    found
}

impl Services {
    fn word(&self) -> &'static str {
        match self.action {
            Verb::Stop => "stop",
            Verb::Start => "start",
            Verb::Scale => "scale",
        }
    }

    async fn act(&self, cx: &Context<'_>, verb: Verb) -> Result<Vec<String>, StepError> {
        let name = cx.value(&self.environment, Kind::Environment)?;
        let Some((platform, services)) = of(cx, &name, self.chosen.as_deref())? else {
            return Ok(Vec::new());
        };
        let mut order: Vec<&String> = services.iter().collect();
        if verb == Verb::Stop {
            // What starts last leans on what starts first.
            order.reverse();
        }
        for service in &order {
            let work = async {
                match verb {
                    Verb::Stop => platform.stop(service, PATIENCE).await,
                    Verb::Start => platform.start(service, PATIENCE).await,
                    Verb::Scale => {
                        platform.scale(service, self.replicas.unwrap_or(1), PATIENCE).await
                    }
                }
            };
            tokio::select! {
                done = work => done?,
                () = cx.cancel.cancelled() => return Err(StepError::Interrupted),
            }
        }
        Ok(order.into_iter().cloned().collect())
    }
}

#[async_trait]
impl Action for Services {
    fn title(&self) -> String {
        format!("{} the services", super::capital(self.word()))
    }

    fn fields(&self) -> Vec<Field<'_>> {
        vec![Field::new("environment", &self.environment, Kind::Environment)]
    }

    /// `services`: those that were handled, separated by spaces.
    fn outputs(&self) -> &'static [(&'static str, Kind)] {
        &[("services", Kind::Text)]
    }

    fn describe(&self, cx: &Context<'_>) -> Vec<String> {
        let name = self.environment.show(cx.values);
        match of(cx, &name, self.chosen.as_deref()) {
            Ok(None) => vec![format!("nothing: {name} has no services")],
            Ok(Some((platform, services))) => services
                .iter()
                .map(|service| match (self.action, self.replicas) {
                    (Verb::Scale, replicas) => format!(
                        "scale {service} of {name} to {} by {}",
                        replicas.unwrap_or(1),
                        platform.name()
                    ),
                    _ => format!("{} {service} of {name} by {}", self.word(), platform.name()),
                })
                .collect(),
            Err(error) => vec![format!("{} the services of {name}: {error}", self.word())],
        }
    }

    async fn check(&self, cx: &Context<'_>) -> Vec<Finding> {
        let name = match cx.value(&self.environment, Kind::Environment) {
            Ok(name) => name,
            Err(error) => return vec![Finding::unknown(error)],
        };
        match of(cx, &name, self.chosen.as_deref()) {
            Err(error) => vec![Finding::failed(error)],
            Ok(None) => Vec::new(),
            Ok(Some((platform, services))) => look(platform, &name, services).await,
        }
    }

    async fn run(&self, cx: &Context<'_>) -> Result<Outputs, StepError> {
        let services = self.act(cx, self.action).await?;
        Ok(Outputs::from([("services".to_owned(), services.join(" "))]))
    }

    async fn undo(&self, cx: &Context<'_>, _: &Outputs) -> Result<Option<String>, StepError> {
        let verb = match self.action {
            Verb::Stop => Verb::Start,
            Verb::Start => Verb::Stop,
            Verb::Scale => return Ok(None),
        };
        let services = self.act(cx, verb).await?;
        let done = if verb == Verb::Start { "started" } else { "stopped" };
        Ok(Some(format!("{done} {}", services.join(", "))))
    }
}
