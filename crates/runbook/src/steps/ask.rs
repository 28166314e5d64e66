//! `ask`: a person looks at something and agrees. The step's `approval` is the question.

use async_trait::async_trait;
use serde::Deserialize;

use crate::action::{Action, Context, Outputs};
use crate::error::StepError;

/// Nothing but its approval.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ask {}

#[async_trait]
impl Action for Ask {
    fn title(&self) -> String {
        "Wait for a person".to_owned()
    }

    fn describe(&self, _cx: &Context<'_>) -> Vec<String> {
        vec!["go on when a person has agreed".to_owned()]
    }

    async fn run(&self, _cx: &Context<'_>) -> Result<Outputs, StepError> {
        Ok(Outputs::new())
    }
}
