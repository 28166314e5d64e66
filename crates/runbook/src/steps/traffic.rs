//! `traffic`: the application's name, and whatever else has to know, is pointed at an environment.

use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;

use crate::action::{Action, Context, Field, Finding, Outputs};
use crate::command;
use crate::dns::Target;
use crate::error::StepError;
use crate::sites::{Endpoint, Environment};
use crate::template::Template;
use crate::value::{Kind, duration};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Traffic {
    /// The environment that serves from now on.
    environment: Template,
    /// How long the servers of the zone may take to have the change; five minutes when not given.
    within: Option<Template>,
    /// Waits until nobody may remember the old answer any more.
    #[serde(default)]
    wait_for_ttl: bool,
}

fn target_of(environment: &Environment) -> Option<Target> {
    match &environment.alias {
        Some(alias) => Some(Target::Alias(alias.clone())),
        None if environment.addresses.is_empty() => None,
        None => Some(Target::Addresses(environment.addresses.clone())),
    }
}

async fn tell(cx: &Context<'_>, name: &str, endpoint: &Endpoint) -> Result<(), StepError> {
    if let Some(path) = &endpoint.file {
        let failed = |error| StepError::File { action: "write", path: path.clone(), error };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(std::path::Path::new("."));
        std::fs::create_dir_all(folder).map_err(failed)?;
        // Who reads it meanwhile reads the old one or the new one.
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        let content = endpoint.content.clone().unwrap_or_default();
        std::io::Write::write_all(&mut file, content.as_bytes()).map_err(failed)?;
        file.as_file().sync_all().map_err(failed)?;
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        file.as_file().set_permissions(open).map_err(failed)?;
        file.persist(path).map_err(|error| failed(error.error))?;
    }
    if !endpoint.command.is_empty() {
        let words = command::resolve(cx, &endpoint.command)?;
        command::run(cx, &words, Some(name)).await?;
    }
    Ok(())
}

impl Traffic {
    fn patience(&self, cx: &Context<'_>) -> Result<Duration, StepError> {
        match &self.within {
            None => Ok(Duration::from_mins(5)),
            Some(within) => Ok(duration(&cx.value(within, Kind::Duration)?)),
        }
    }
}

#[async_trait]
impl Action for Traffic {
    fn title(&self) -> String {
        "Point the application's name at the environment".to_owned()
    }

    fn fields(&self) -> Vec<Field<'_>> {
        let within = self.within.iter().map(|within| Field::new("within", within, Kind::Duration));
        std::iter::once(Field::new("environment", &self.environment, Kind::Environment))
            .chain(within)
            .collect()
    }

    /// `before`: what the name stood for; `old-ttl`: how long, in seconds, others may still say so;
    /// `servers`: those that have the change.
    fn outputs(&self) -> &'static [(&'static str, Kind)] {
        &[("before", Kind::Text), ("old-ttl", Kind::Number), ("servers", Kind::Text)]
    }

    fn describe(&self, cx: &Context<'_>) -> Vec<String> {
        let name = self.environment.show(cx.values);
        let Ok(environment) = cx.world.environment(&name) else {
            return vec![format!("point the application's name at {name}")];
        };
        let mut all = Vec::new();
        match (cx.world.zone(), target_of(environment)) {
            (Some(zone), Some(target)) => all.push(format!(
                "point {} at {}, and wait until all servers of {} say so",
                zone.name,
                target.to_text(),
                zone.zone()
            )),
            (None, _) => all.push("leave DNS alone: there is no [dns]".to_owned()),
            (_, None) => all.push(format!("leave DNS alone: {name} has no addresses")),
        }
        for endpoint in &environment.endpoints {
            if let Some(file) = &endpoint.file {
                all.push(format!("write {}", file.display()));
            }
            if !endpoint.command.is_empty() {
                let words: Vec<_> = endpoint.command.iter().map(|w| w.show(cx.values)).collect();
                all.push(format!("run `{}`", words.join(" ")));
            }
        }
        all
    }

    async fn check(&self, cx: &Context<'_>) -> Vec<Finding> {
        let Some(zone) = cx.world.zone() else { return Vec::new() };
        match zone.check().await {
            Err(error) => vec![Finding::failed(error)],
            Ok(()) => match zone.read().await {
                Ok(answer) => vec![Finding::ok(format_args!(
                    "{} can be changed; it is {answer} now, for up to {} s",
                    zone.name,
                    answer.ttl.as_secs()
                ))],
                Err(error) => vec![Finding::failed(error)],
            },
        }
    }

    async fn run(&self, cx: &Context<'_>) -> Result<Outputs, StepError> {
        let name = cx.value(&self.environment, Kind::Environment)?;
        let environment = cx.world.environment(&name)?;
        let mut outputs = Outputs::new();
        if let (Some(zone), Some(target)) = (cx.world.zone(), target_of(environment)) {
            let patience = self.patience(cx)?;
            let change = tokio::select! {
                change = zone.point(&target, patience) => change?,
                () = cx.cancel.cancelled() => return Err(StepError::Interrupted),
            };
            let before = change.before.map_or_else(String::new, |before| before.to_text());
            let servers: Vec<_> = change.servers.iter().map(ToString::to_string).collect();
            outputs.insert("before".to_owned(), before);
            outputs.insert("old-ttl".to_owned(), change.old_ttl.as_secs().to_string());
            outputs.insert("servers".to_owned(), servers.join(" "));
            if self.wait_for_ttl {
                tokio::select! {
                    () = tokio::time::sleep(change.old_ttl) => {}
                    () = cx.cancel.cancelled() => return Err(StepError::Interrupted),
                }
            }
        }
        for endpoint in &environment.endpoints {
            tell(cx, &name, endpoint).await?;
        }
        Ok(outputs)
    }

    async fn undo(&self, cx: &Context<'_>, outputs: &Outputs) -> Result<Option<String>, StepError> {
        let before = outputs.get("before").and_then(|text| Target::parse(text));
        match (cx.world.zone(), before) {
            (Some(zone), Some(before)) => {
                zone.point(&before, self.patience(cx)?).await?;
                Ok(Some(format!("{} is {} again", zone.name, before.to_text())))
            }
            _ => Ok(None),
        }
    }
}
