//! `notify`: people are told how far the run is.

use async_trait::async_trait;
use serde::Deserialize;

use crate::action::{Action, Context, Field, Finding, Outputs};
use crate::command;
use crate::error::StepError;
use crate::template::Template;
use crate::value::Kind;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Notify {
    /// What is said.
    message: Template,
}

#[async_trait]
impl Action for Notify {
    fn title(&self) -> String {
        "Tell people".to_owned()
    }

    fn fields(&self) -> Vec<Field<'_>> {
        vec![Field::new("message", &self.message, Kind::Text)]
    }

    fn describe(&self, cx: &Context<'_>) -> Vec<String> {
        let message = self.message.show(cx.values);
        if cx.world.sites.runbooks.notify.is_empty() {
            return vec![format!("say nothing to anybody of: {message}")];
        }
        vec![format!("say: {message}")]
    }

    async fn check(&self, cx: &Context<'_>) -> Vec<Finding> {
        let program = cx.world.sites.runbooks.notify.first().and_then(Template::as_text);
        match program {
            None => vec![Finding::unknown("nobody is told: runbooks.notify is not set")],
            Some(program) if command::exists(program) => {
                vec![Finding::ok(format_args!("people are told by {program}"))]
            }
            Some(program) => vec![Finding::failed(format_args!("there is no program {program}"))],
        }
    }

    async fn run(&self, cx: &Context<'_>) -> Result<Outputs, StepError> {
        let mut message = cx.value(&self.message, Kind::Text)?;
        if let Some(drill) = &cx.world.drill {
            message = format!("[drill {}] {message}", drill.id);
        }
        tracing::info!(%message, "runbook");
        let mut words = command::resolve(cx, &cx.world.sites.runbooks.notify)?;
        if !words.is_empty() {
            words.push(message);
            command::run(cx, &words, None).await?;
        }
        Ok(Outputs::new())
    }
}
