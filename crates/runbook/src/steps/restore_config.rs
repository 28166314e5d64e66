//! `restore-config`: the application's configuration into an environment.

use std::sync::Arc;

use async_trait::async_trait;
use lifeboat::Progress;
use lifeboat::format::{BackupKind, BackupName};
use lifeboat::restore_config::{ConfigRestoreOptions, Destination, plan_config, restore_config};
use serde::Deserialize;

use crate::action::{Action, Context, Field, Finding, Outputs};
use crate::error::StepError;
use crate::template::Template;
use crate::value::Kind;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RestoreConfig {
    /// The environment.
    environment: Template,
    /// The backup; of an empty text, nothing is restored.
    backup: Template,
    /// The vault that it is in; of an empty text, the one that answers.
    #[serde(default)]
    vault: Template,
}

impl RestoreConfig {
    async fn options(&self, cx: &Context<'_>) -> Result<Option<ConfigRestoreOptions>, StepError> {
        let name = cx.value(&self.environment, Kind::Environment)?;
        let backup = cx.value(&self.backup, Kind::Text)?;
        if backup.is_empty() {
            return Ok(None);
        }
        Kind::Backup.check(&backup).map_err(StepError::Value)?;
        let backup: BackupName = backup.parse().map_err(|_| StepError::Value(backup.clone()))?;
        let (region, _) = cx.world.region(&cx.value(&self.vault, Kind::Vault)?).await?;
        let vault = region.vault(BackupKind::Config).clone();
        let manifest = vault.manifest(&backup).await.map_err(lifeboat::Error::from)?;
        let destination = match &cx.world.environment(&name)?.configuration {
            Some(folder) => Destination::Folder(folder.clone()),
            None if cx.world.drill.is_some() => {
                return Err(StepError::Guard(format!(
                    "a drill does not restore a configuration to where it came from, which may be \
                     production's; set environment.{name}.configuration to a folder of its own"
                )));
            }
            None => Destination::InPlace(None),
        };
        Ok(Some(ConfigRestoreOptions { vault, manifest, destination }))
    }
}

#[async_trait]
impl Action for RestoreConfig {
    fn title(&self) -> String {
        "Restore the configuration".to_owned()
    }

    fn fields(&self) -> Vec<Field<'_>> {
        vec![
            Field::new("environment", &self.environment, Kind::Environment),
            Field::new("backup", &self.backup, Kind::Text),
            Field::new("vault", &self.vault, Kind::Vault),
        ]
    }

    /// `files`: how many entries were restored; `kept`: how many files were there before, and are
    /// kept beside.
    fn outputs(&self) -> &'static [(&'static str, Kind)] {
        &[("files", Kind::Number), ("kept", Kind::Number)]
    }

    fn describe(&self, cx: &Context<'_>) -> Vec<String> {
        let name = self.environment.show(cx.values);
        let backup = self.backup.show(cx.values);
        if backup.is_empty() {
            return vec!["nothing: there is no backup of the configuration".to_owned()];
        }
        let folder = cx.world.environment(&name).ok().and_then(|e| e.configuration.as_ref());
        let place = folder.map_or_else(
            || "to where its files came from".to_owned(),
            |folder| format!("into {}", folder.display()),
        );
        vec![format!("restore {backup} {place}; what is there is kept beside")]
    }

    async fn check(&self, cx: &Context<'_>) -> Vec<Finding> {
        match self.options(cx).await {
            Ok(None) => vec![Finding::unknown("there is no backup of the configuration")],
            Err(error @ StepError::NotYet { .. }) => vec![Finding::unknown(error)],
            Err(error) => vec![Finding::failed(error)],
            Ok(Some(options)) => match plan_config(&options).await {
                Err(error) => vec![Finding::failed(error)],
                Ok(plan) => {
                    let name = &options.manifest.name;
                    let mut found = vec![Finding::ok(format_args!(
                        "{name}: {} entries, {} replace what is there",
                        plan.entries.len(),
                        plan.replaces()
                    ))];
                    for (path, why) in plan.refused() {
                        found.push(Finding::failed(format_args!("{}: {why}", path.display())));
                    }
                    found
                }
            },
        }
    }

    async fn run(&self, cx: &Context<'_>) -> Result<Outputs, StepError> {
        let Some(options) = self.options(cx).await? else { return Ok(Outputs::new()) };
        if let Destination::Folder(folder) = &options.destination {
            std::fs::create_dir_all(folder).map_err(|error| StepError::File {
                action: "make the folder",
                path: folder.clone(),
                error,
            })?;
        }
        let progress = Arc::new(Progress::default());
        let report = Box::pin(restore_config(&options, &progress, cx.cancel)).await?;
        Ok(Outputs::from([
            ("files".to_owned(), report.plan.entries.len().to_string()),
            ("kept".to_owned(), report.kept.len().to_string()),
        ]))
    }
}
