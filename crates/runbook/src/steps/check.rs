//! `check`: something holds, or comes to hold in time.

use async_trait::async_trait;
use serde::Deserialize;

use crate::action::{Action, Context, Field, Outputs};
use crate::condition::Condition;
use crate::error::StepError;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Check {
    /// What must hold, all of it.
    conditions: Vec<Condition>,
}

#[async_trait]
impl Action for Check {
    fn title(&self) -> String {
        "Check".to_owned()
    }

    fn fields(&self) -> Vec<Field<'_>> {
        self.conditions.iter().flat_map(Condition::fields).collect()
    }

    fn describe(&self, cx: &Context<'_>) -> Vec<String> {
        let one = |condition: &Condition| format!("wait until {}", condition.describe(cx));
        self.conditions.iter().map(one).collect()
    }

    async fn run(&self, cx: &Context<'_>) -> Result<Outputs, StepError> {
        for condition in &self.conditions {
            condition.hold(cx).await?;
        }
        Ok(Outputs::new())
    }
}
