//! `fence`: an environment is kept from coming back as a second primary, or let in again.
//!
//! First a mark is made in every vault that answers, then the environment is stopped by its own
//! means as far as it can be reached. A region that is down cannot be stopped; when it comes back,
//! `lifeboat fence check`, which stands before its servers' start, finds the mark.

use async_trait::async_trait;
use serde::Deserialize;

use crate::action::{Action, Context, Field, Finding, Outputs};
use crate::command;
use crate::error::StepError;
use crate::fence;
use crate::template::Template;
use crate::value::Kind;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FenceStep {
    /// The environment.
    environment: Template,
    /// Whether it is kept out, or let in again.
    action: Verb,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Verb {
    Set,
    Lift,
}

impl FenceStep {
    async fn set(&self, cx: &Context<'_>, name: &str) -> Result<Outputs, StepError> {
        let environment = cx.world.environment(name)?;
        let marked = fence::set(cx.world, name, &run_of(cx)).await?;
        // Stopping is for what can be reached; the mark is for what cannot.
        let mut reached = Vec::new();
        let mut unreached = Vec::new();
        let mut note = |what: &str, result: Result<(), StepError>| match result {
            Ok(()) => reached.push(what.to_owned()),
            Err(error) => unreached.push(format!("{what}: {error}")),
        };
        if let Some(platform) = &environment.platform {
            for service in environment.services.iter().rev() {
                let patience = std::time::Duration::from_mins(1);
                let stopped = platform.stop(service, patience).await;
                note(service, stopped.map_err(StepError::from));
            }
        }
        if environment.stop_database.is_some() {
            note("the database", super::database::stop(cx, name).await);
        }
        if !environment.fence.set.is_empty() {
            let words = command::resolve(cx, &environment.fence.set)?;
            note("the fence", command::run(cx, &words, Some(name)).await.map(|_| ()));
        }
        if environment.fence.required && !unreached.is_empty() {
            return Err(StepError::Condition {
                what: format!("all of {name} is stopped"),
                found: unreached.join("; "),
            });
        }
        Ok(Outputs::from([
            ("marked".to_owned(), marked.join(", ")),
            ("stopped".to_owned(), reached.join(", ")),
            ("unreached".to_owned(), unreached.join("; ")),
        ]))
    }

    async fn lift(&self, cx: &Context<'_>, name: &str) -> Result<Outputs, StepError> {
        let environment = cx.world.environment(name)?;
        if !environment.fence.lift.is_empty() {
            let words = command::resolve(cx, &environment.fence.lift)?;
            command::run(cx, &words, Some(name)).await?;
        }
        let lifted = fence::lift(cx.world, name, &run_of(cx)).await?;
        Ok(Outputs::from([("marked".to_owned(), lifted.join(", "))]))
    }
}

fn run_of(cx: &Context<'_>) -> String {
    let id = crate::template::Reference::Run("id".to_owned());
    cx.values.get(&id).unwrap_or_default().to_owned()
}

#[async_trait]
impl Action for FenceStep {
    fn title(&self) -> String {
        match self.action {
            Verb::Set => "Keep the old environment out".to_owned(),
            Verb::Lift => "Let the environment in again".to_owned(),
        }
    }

    fn fields(&self) -> Vec<Field<'_>> {
        vec![Field::new("environment", &self.environment, Kind::Environment)]
    }

    /// `marked`: the vaults that have the mark; `stopped`, `unreached`: what could be stopped, and
    /// what could not be reached.
    fn outputs(&self) -> &'static [(&'static str, Kind)] {
        &[("marked", Kind::Text), ("stopped", Kind::Text), ("unreached", Kind::Text)]
    }

    fn describe(&self, cx: &Context<'_>) -> Vec<String> {
        let name = self.environment.show(cx.values);
        let Ok(environment) = cx.world.environment(&name) else {
            return vec![format!("fence {name}")];
        };
        let words = |words: &[Template]| {
            words.iter().map(|word| word.show(cx.values)).collect::<Vec<_>>().join(" ")
        };
        match self.action {
            Verb::Set => {
                let mut all = vec![format!("mark {name} as fenced in every vault that answers")];
                if !environment.services.is_empty() {
                    all.push(format!(
                        "stop {}, as far as they can be reached",
                        environment.services.join(", ")
                    ));
                }
                if let Some(line) = &environment.stop_database {
                    all.push(format!("run `{line}`"));
                }
                if !environment.fence.set.is_empty() {
                    all.push(format!("run `{}`", words(&environment.fence.set)));
                }
                all
            }
            Verb::Lift if environment.fence.lift.is_empty() => {
                vec![format!("mark {name} as let in again, if it is fenced")]
            }
            Verb::Lift => vec![
                format!("run `{}`", words(&environment.fence.lift)),
                format!("mark {name} as let in again, if it is fenced"),
            ],
        }
    }

    async fn check(&self, cx: &Context<'_>) -> Vec<Finding> {
        let name = match cx.value(&self.environment, Kind::Environment) {
            Ok(name) => name,
            Err(error) => return vec![Finding::unknown(error)],
        };
        vec![match fence::look(cx.world, &name).await {
            Ok(Some(mark)) => Finding::ok(format_args!("{name} is fenced since {}", mark.since)),
            Ok(None) => Finding::ok(format_args!("{name} is not fenced")),
            Err(error) => Finding::failed(error),
        }]
    }

    async fn run(&self, cx: &Context<'_>) -> Result<Outputs, StepError> {
        let name = cx.value(&self.environment, Kind::Environment)?;
        match self.action {
            Verb::Set => self.set(cx, &name).await,
            Verb::Lift => self.lift(cx, &name).await,
        }
    }

    async fn undo(&self, cx: &Context<'_>, _: &Outputs) -> Result<Option<String>, StepError> {
        let name = cx.value(&self.environment, Kind::Environment)?;
        match self.action {
            Verb::Set => {
                self.lift(cx, &name).await?;
                Ok(Some(format!("{name} is let in again; what was stopped stays so")))
            }
            Verb::Lift => {
                fence::set(cx.world, &name, &run_of(cx)).await?;
                Ok(Some(format!("{name} is fenced again")))
            }
        }
    }
}
