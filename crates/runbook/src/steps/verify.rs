//! `verify`: the database answers and is what it should be, and the application works.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lifeboat::bolt::Value;
use lifeboat::neo4j::logical::fingerprint;
use lifeboat::{Progress, Target};
use serde::Deserialize;

use crate::action::{Action, Context, Field, Finding, Outputs};
use crate::error::StepError;
use crate::template::Template;
use crate::value::Kind;

/// How long the database may take to answer.
const PATIENCE: Duration = Duration::from_mins(10);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Verify {
    /// The environment.
    environment: Template,
    /// Also what its `health` says of the application; else the database alone.
    #[serde(default)]
    application: bool,
    /// The fingerprint that the graph must have, for which all of it is read; of an empty text, any.
    #[serde(default)]
    fingerprint: Template,
}

#[async_trait]
impl Action for Verify {
    fn title(&self) -> String {
        if self.application {
            "Verify the application".to_owned()
        } else {
            "Verify the database".to_owned()
        }
    }

    fn proves_health(&self) -> bool {
        self.application
    }

    fn fields(&self) -> Vec<Field<'_>> {
        vec![
            Field::new("environment", &self.environment, Kind::Environment),
            Field::new("fingerprint", &self.fingerprint, Kind::Text),
        ]
    }

    /// `nodes`, `relationships`: how many there are; `checks`: what was found.
    fn outputs(&self) -> &'static [(&'static str, Kind)] {
        &[("nodes", Kind::Number), ("relationships", Kind::Number), ("checks", Kind::Text)]
    }

    fn describe(&self, cx: &Context<'_>) -> Vec<String> {
        let name = self.environment.show(cx.values);
        let mut all = vec![format!("ask the database of {name}, and count what it holds")];
        let wanted = self.fingerprint.show(cx.values);
        if !wanted.is_empty() {
            all.push(format!("read the whole graph, and compare its fingerprint with {wanted}"));
        }
        for invariant in &cx.world.config.verify.invariants {
            all.push(format!("check the invariant {:?}", invariant.name));
        }
        if self.application
            && let Ok(environment) = cx.world.environment(&name)
        {
            for condition in &environment.health {
                all.push(format!("wait until {}", condition.describe(cx)));
            }
        }
        all
    }

    async fn check(&self, cx: &Context<'_>) -> Vec<Finding> {
        let name = match cx.value(&self.environment, Kind::Environment) {
            Ok(name) => name,
            Err(error) => return vec![Finding::unknown(error)],
        };
        match (cx.world.target(&name), cx.world.environment(&name)) {
            (Err(error), _) | (_, Err(error)) => vec![Finding::failed(error)],
            (Ok(_), Ok(environment)) if self.application && environment.health.is_empty() => {
                vec![Finding::failed(StepError::Setting { environment: name, setting: "health" })]
            }
            (Ok(_), Ok(environment)) => {
                let invariants = cx.world.config.verify.invariants.len();
                let health = if self.application { environment.health.len() } else { 0 };
                vec![Finding::ok(format_args!(
                    "{invariants} invariants, {health} checks of health"
                ))]
            }
        }
    }

    async fn run(&self, cx: &Context<'_>) -> Result<Outputs, StepError> {
        let name = cx.value(&self.environment, Kind::Environment)?;
        let wanted = cx.value(&self.fingerprint, Kind::Text)?;
        let mut checks = Vec::new();
        let work = async {
            cx.world.wait_for_database(&name, PATIENCE).await?;
            let nodes = count(cx, &name, "MATCH (n) RETURN count(n)").await?;
            let relationships = count(cx, &name, "MATCH ()-[r]->() RETURN count(r)").await?;
            let target = cx.world.target(&name)?;
            if !wanted.is_empty() {
                compare(&target, &name, &wanted).await?;
                checks.push(format!("fingerprint: {wanted}"));
            }
            for invariant in &cx.world.config.verify.invariants {
                let found = lifeboat::trial::holds(&target, invariant).await?;
                checks.push(format!("{}: {found}", invariant.name));
            }
            Ok::<_, StepError>((nodes, relationships))
        };
        let (nodes, relationships) = tokio::select! {
            counts = work => counts?,
            () = cx.cancel.cancelled() => return Err(StepError::Interrupted),
        };
        if self.application {
            let environment = cx.world.environment(&name)?;
            if environment.health.is_empty() {
                return Err(StepError::Setting { environment: name, setting: "health" });
            }
            for condition in &environment.health {
                checks.push(condition.hold(cx).await?);
            }
        }
        Ok(Outputs::from([
            ("nodes".to_owned(), nodes.to_string()),
            ("relationships".to_owned(), relationships.to_string()),
            ("checks".to_owned(), checks.join("; ")),
        ]))
    }
}

/// Reads the whole graph, and compares its fingerprint.
async fn compare(target: &Target, name: &str, wanted: &str) -> Result<(), StepError> {
    let progress = Arc::new(Progress::default());
    let found = fingerprint(&target.source(), &progress).await.map_err(lifeboat::Error::from)?;
    let found = found.fingerprint.map(|found| found.graph).unwrap_or_default();
    if found == wanted {
        return Ok(());
    }
    Err(StepError::Condition {
        what: format!("the graph of the environment {name} has the fingerprint {wanted}"),
        found: format!("it has {found}, so it was changed since, or is another"),
    })
}

/// How many there are, by the counts that the server keeps.
async fn count(cx: &Context<'_>, name: &str, query: &str) -> Result<u64, StepError> {
    match cx.world.ask(name, query).await? {
        Value::Int(count) => Ok(u64::try_from(count).unwrap_or(0)),
        other => Err(StepError::Condition {
            what: format!("the database of the environment {name} counts"),
            found: format!("{other:?}"),
        }),
    }
}
