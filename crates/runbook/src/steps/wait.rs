//! `wait`: some time passes.

use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;

use crate::action::{Action, Context, Field, Outputs};
use crate::error::StepError;
use crate::template::Template;
use crate::value::{Kind, duration};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wait {
    /// How long.
    r#for: Template,
}

#[async_trait]
impl Action for Wait {
    fn title(&self) -> String {
        "Wait".to_owned()
    }

    fn fields(&self) -> Vec<Field<'_>> {
        vec![Field::new("for", &self.r#for, Kind::Duration)]
    }

    fn describe(&self, cx: &Context<'_>) -> Vec<String> {
        vec![format!("wait for {}", self.r#for.show(cx.values))]
    }

    async fn predict(&self, cx: &Context<'_>) -> Option<Duration> {
        cx.value(&self.r#for, Kind::Duration).ok().map(|text| duration(&text))
    }

    async fn run(&self, cx: &Context<'_>) -> Result<Outputs, StepError> {
        let time = duration(&cx.value(&self.r#for, Kind::Duration)?);
        tokio::select! {
            () = tokio::time::sleep(time) => Ok(Outputs::new()),
            () = cx.cancel.cancelled() => Err(StepError::Interrupted),
        }
    }
}
