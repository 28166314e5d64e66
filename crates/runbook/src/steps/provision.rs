//! `provision`: an environment's resources are made, or removed.

use async_trait::async_trait;
use serde::Deserialize;

use crate::action::{Action, Context, Field, Finding, Outputs};
use crate::error::StepError;
use crate::template::Template;
use crate::value::Kind;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProvisionStep {
    /// The environment.
    environment: Template,
    /// Whether they are made or removed.
    #[serde(default)]
    action: Verb,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Verb {
    #[default]
    Create,
    Remove,
}

#[async_trait]
impl Action for ProvisionStep {
    fn title(&self) -> String {
        match self.action {
            Verb::Create => "Provision resources".to_owned(),
            Verb::Remove => "Remove resources".to_owned(),
        }
    }

    fn fields(&self) -> Vec<Field<'_>> {
        vec![Field::new("environment", &self.environment, Kind::Environment)]
    }

    /// `resources`: what the templates put out, as a JSON object.
    fn outputs(&self) -> &'static [(&'static str, Kind)] {
        &[("resources", Kind::Text)]
    }

    fn makes_resources(&self) -> bool {
        self.action == Verb::Create
    }

    fn describe(&self, cx: &Context<'_>) -> Vec<String> {
        let name = self.environment.show(cx.values);
        let provision =
            cx.world.environment(&name).ok().and_then(|environment| environment.provision.as_ref());
        match (self.action, provision) {
            (_, None) => vec![format!("nothing: the resources of {name} are there")],
            (Verb::Create, Some(provision)) => provision.describe(cx),
            (Verb::Remove, Some(_)) => vec![format!("remove the resources of {name}")],
        }
    }

    async fn check(&self, cx: &Context<'_>) -> Vec<Finding> {
        let name = match cx.value(&self.environment, Kind::Environment) {
            Ok(name) => name,
            Err(error) => return vec![Finding::unknown(error)],
        };
        match cx.world.environment(&name) {
            Err(error) => vec![Finding::failed(error)],
            Ok(environment) => match &environment.provision {
                None => vec![Finding::ok(format_args!("{name} needs no provisioning"))],
                Some(provision) => provision.check(),
            },
        }
    }

    async fn run(&self, cx: &Context<'_>) -> Result<Outputs, StepError> {
        let name = cx.value(&self.environment, Kind::Environment)?;
        let environment = cx.world.environment(&name)?;
        let Some(provision) = &environment.provision else { return Ok(Outputs::new()) };
        // Its commands are told when it is to stop, and waited for.
        let made = match self.action {
            Verb::Create => provision.create(cx, &name).await?,
            Verb::Remove if environment.disposable => {
                provision.remove(cx, &name).await?;
                Outputs::new()
            }
            Verb::Remove => {
                return Err(StepError::Guard(format!(
                    "{name} is not disposable; only what is may be removed"
                )));
            }
        };
        let made = serde_json::to_string(&made).unwrap_or_default();
        Ok(Outputs::from([("resources".to_owned(), made)]))
    }

    async fn undo(&self, cx: &Context<'_>, _: &Outputs) -> Result<Option<String>, StepError> {
        let name = cx.value(&self.environment, Kind::Environment)?;
        let environment = cx.world.environment(&name)?;
        match &environment.provision {
            // What was made is kept unless it is for a drill: it may hold data by now.
            Some(provision) if environment.disposable && self.action == Verb::Create => {
                let removed = provision.remove(cx, &name).await?;
                Ok(removed.then(|| format!("removed the resources of {name}")))
            }
            _ => Ok(None),
        }
    }
}
