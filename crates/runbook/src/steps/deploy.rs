//! `deploy`: services run the images that the restored configuration names.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;

use super::services;
use crate::action::{Action, Context, Field, Finding, Outputs};
use crate::error::StepError;
use crate::template::Template;
use crate::value::Kind;

/// How long a service may take to run.
const PATIENCE: Duration = Duration::from_mins(10);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Deploy {
    /// The environment.
    environment: Template,
}

/// Where the images are listed.
fn list_of(cx: &Context<'_>, name: &str) -> Result<Option<PathBuf>, StepError> {
    let environment = cx.world.environment(name)?;
    Ok(environment.images.as_ref().map(|file| match &environment.configuration {
        Some(folder) => folder.join(file),
        None => file.clone(),
    }))
}

/// The image of each service.
fn images(path: &PathBuf) -> Result<BTreeMap<String, String>, StepError> {
    let failed = |error| StepError::File { action: "read", path: path.clone(), error };
    let text = std::fs::read_to_string(path).map_err(failed)?;
    serde_json::from_str(&text).map_err(|error| failed(std::io::Error::other(error)))
}

#[async_trait]
impl Action for Deploy {
    fn title(&self) -> String {
        "Deploy the application".to_owned()
    }

    fn fields(&self) -> Vec<Field<'_>> {
        vec![Field::new("environment", &self.environment, Kind::Environment)]
    }

    /// `services`: each service and its image.
    fn outputs(&self) -> &'static [(&'static str, Kind)] {
        &[("services", Kind::Text)]
    }

    fn describe(&self, cx: &Context<'_>) -> Vec<String> {
        let name = self.environment.show(cx.values);
        match (list_of(cx, &name), services::of(cx, &name, None)) {
            (_, Ok(None)) => vec![format!("nothing: {name} has no services")],
            (Ok(Some(list)), Ok(Some((platform, services)))) => services
                .iter()
                .map(|service| {
                    format!(
                        "run {service} by {}, with its image in {}",
                        platform.name(),
                        list.display()
                    )
                })
                .collect(),
            (Ok(None), Ok(Some((platform, services)))) => {
                services.iter().map(|s| format!("start {s} by {}", platform.name())).collect()
            }
            (Err(error), _) | (_, Err(error)) => vec![format!("deploy to {name}: {error}")],
        }
    }

    async fn check(&self, cx: &Context<'_>) -> Vec<Finding> {
        let found = async {
            let name = cx.value(&self.environment, Kind::Environment)?;
            let services = services::of(cx, &name, None)?;
            let count = services.map_or(0, |(_, services)| services.len());
            // The list itself comes with the configuration.
            let mut found = vec![match list_of(cx, &name)? {
                None => Finding::ok(format_args!("{count} services are started as they are")),
                Some(list) => {
                    Finding::ok(format_args!("{count} services, images in {}", list.display()))
                }
            }];
            if let Some((platform, services)) = services {
                found.extend(services::look(platform, &name, services).await);
            }
            Ok::<_, StepError>(found)
        };
        match found.await {
            Ok(found) => found,
            Err(error @ StepError::NotYet { .. }) => vec![Finding::unknown(error)],
            Err(error) => vec![Finding::failed(error)],
        }
    }

    async fn run(&self, cx: &Context<'_>) -> Result<Outputs, StepError> {
        let name = cx.value(&self.environment, Kind::Environment)?;
        let Some((platform, services)) = services::of(cx, &name, None)? else {
            return Ok(Outputs::new());
        };
        let images = match list_of(cx, &name)? {
            Some(path) => images(&path)?,
            None => BTreeMap::new(),
        };
        let mut done = Vec::new();
        for service in services {
            let work = async {
                match images.get(service) {
                    Some(image) => platform.deploy(service, image, PATIENCE).await,
                    None => platform.start(service, PATIENCE).await,
                }
            };
            tokio::select! {
                result = work => result?,
                () = cx.cancel.cancelled() => return Err(StepError::Interrupted),
            }
            done.push(match images.get(service) {
                Some(image) => format!("{service} {image}"),
                None => service.clone(),
            });
        }
        Ok(Outputs::from([("services".to_owned(), done.join(", "))]))
    }

    async fn undo(&self, cx: &Context<'_>, _: &Outputs) -> Result<Option<String>, StepError> {
        let name = cx.value(&self.environment, Kind::Environment)?;
        let Some((platform, services)) = services::of(cx, &name, None)? else { return Ok(None) };
        for service in services.iter().rev() {
            platform.stop(service, PATIENCE).await?;
        }
        Ok(Some(format!("stopped {}", services.join(", "))))
    }
}
