//! `replicate`: one vault is brought what it lacks of the other.

use std::sync::Arc;

use async_trait::async_trait;
use lifeboat::Progress;
use lifeboat::replicate::{ReplicateOptions, replicate};
use serde::Deserialize;

use crate::action::{Action, Context, Field, Finding, Outputs};
use crate::error::StepError;
use crate::template::Template;
use crate::value::Kind;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Replicate {
    /// The vault that has the backups.
    from: Template,
    /// The vault that should have them too.
    to: Template,
}

impl Replicate {
    async fn options(
        &self,
        cx: &Context<'_>,
        dry_run: bool,
    ) -> Result<ReplicateOptions, StepError> {
        let (from, _) = cx.world.region(&cx.value(&self.from, Kind::Vault)?).await?;
        let (to, _) = cx.world.region(&cx.value(&self.to, Kind::Vault)?).await?;
        Ok(ReplicateOptions { from, to, dry_run })
    }
}

#[async_trait]
impl Action for Replicate {
    fn title(&self) -> String {
        "Replicate backups".to_owned()
    }

    fn fields(&self) -> Vec<Field<'_>> {
        vec![Field::new("from", &self.from, Kind::Vault), Field::new("to", &self.to, Kind::Vault)]
    }

    /// `backups`: how many were copied.
    fn outputs(&self) -> &'static [(&'static str, Kind)] {
        &[("backups", Kind::Number)]
    }

    fn describe(&self, cx: &Context<'_>) -> Vec<String> {
        let (from, to) = (self.from.show(cx.values), self.to.show(cx.values));
        vec![format!("copy what the {to} vault lacks of the {from} vault")]
    }

    async fn check(&self, cx: &Context<'_>) -> Vec<Finding> {
        let found = async {
            let options = self.options(cx, true).await?;
            let progress = Arc::new(Progress::default());
            let told = |_: &_| {};
            let report = Box::pin(replicate(&options, &progress, &told, cx.cancel)).await?;
            Ok::<_, StepError>(report.lag.backups)
        };
        vec![match found.await {
            Ok(backups) => Finding::ok(format_args!("{backups} backups are to be copied by now")),
            Err(error) => Finding::failed(error),
        }]
    }

    async fn run(&self, cx: &Context<'_>) -> Result<Outputs, StepError> {
        let options = self.options(cx, false).await?;
        let progress = Arc::new(Progress::default());
        let told = |_: &_| {};
        let report = Box::pin(replicate(&options, &progress, &told, cx.cancel)).await?;
        if report.is_incomplete() {
            return Err(StepError::Condition {
                what: "every backup is copied".to_owned(),
                found: "some could not be; `lifeboat replicate` tells which".to_owned(),
            });
        }
        Ok(Outputs::from([("backups".to_owned(), report.backups.len().to_string())]))
    }
}
