//! `backup`: of an environment's database, as before it is left for another.

use std::sync::Arc;

use async_trait::async_trait;
use lifeboat::Progress;
use lifeboat::backup::{BackupOptions, backup};
use lifeboat::format::{Compression, Method};
use lifeboat::physical_backup::{MethodChoice, PhysicalBackupOptions, physical_backup};
use serde::Deserialize;

use crate::action::{Action, Context, Field, Finding, Outputs};
use crate::error::StepError;
use crate::template::Template;
use crate::value::Kind;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Backup {
    /// The environment.
    environment: Template,
    /// The vault; of an empty text, the active one.
    #[serde(default)]
    vault: Template,
}

impl Backup {
    fn method(cx: &Context<'_>, name: &str) -> Result<Method, StepError> {
        let database = &cx.world.environment(name)?.database;
        let choice = database.method.unwrap_or(MethodChoice::Auto);
        Ok(choice.choose(database.neo4j_home.as_deref())?.0)
    }
}

#[async_trait]
impl Action for Backup {
    fn title(&self) -> String {
        "Back up the database".to_owned()
    }

    fn fields(&self) -> Vec<Field<'_>> {
        vec![
            Field::new("environment", &self.environment, Kind::Environment),
            Field::new("vault", &self.vault, Kind::Vault),
        ]
    }

    /// `backup`: its name; `reaches`: the moment up to which everything is in it.
    fn outputs(&self) -> &'static [(&'static str, Kind)] {
        &[("backup", Kind::Backup), ("reaches", Kind::Moment)]
    }

    fn describe(&self, cx: &Context<'_>) -> Vec<String> {
        let name = self.environment.show(cx.values);
        let vault = self.vault.show(cx.values);
        let vault = if vault.is_empty() { "active".to_owned() } else { vault };
        vec![format!("back up the database of {name} into the {vault} vault")]
    }

    async fn check(&self, cx: &Context<'_>) -> Vec<Finding> {
        let found = async {
            let name = cx.value(&self.environment, Kind::Environment)?;
            let method = Self::method(cx, &name)?;
            cx.world.answers(&name).await?;
            Ok::<_, StepError>(format!("the database of {name} answers; the backup is {method}"))
        };
        vec![match found.await {
            Ok(text) => Finding::ok(text),
            Err(error @ StepError::NotYet { .. }) => Finding::unknown(error),
            Err(error) => Finding::failed(error),
        }]
    }

    async fn run(&self, cx: &Context<'_>) -> Result<Outputs, StepError> {
        if cx.world.drill.is_some() {
            // It would be the newest good one of the vault that production restores from.
            return Err(StepError::Guard("a drill must not write backups into a vault".to_owned()));
        }
        let name = cx.value(&self.environment, Kind::Environment)?;
        let (region, _) = cx.world.region(&cx.value(&self.vault, Kind::Vault)?).await?;
        let vault = region.databases().clone();
        let database = &cx.world.environment(&name)?.database;
        let method = Self::method(cx, &name)?;
        let run = crate::template::Reference::Run("id".to_owned());
        let run = cx.values.get(&run).unwrap_or_default().to_owned();
        let notes = vec![("runbook".to_owned(), run)];
        let progress = Arc::new(Progress::default());
        let home = database.neo4j_home.clone().filter(|_| method == Method::Physical);
        let report = if let Some(home) = home {
            let options = PhysicalBackupOptions {
                home,
                server: Some(cx.world.target(&name)?),
                installation: cx.world.environment(&name)?.neo4j.clone(),
                vault,
                name: None,
                compression: Compression::FAST,
                notes,
                fingerprint: false,
            };
            Box::pin(physical_backup(options, &progress, cx.cancel)).await?
        } else {
            let options = BackupOptions {
                source: cx.world.target(&name)?,
                vault,
                name: None,
                compression: Compression::default(),
                notes,
            };
            Box::pin(backup(options, &progress, cx.cancel)).await?
        };
        Ok(Outputs::from([
            ("backup".to_owned(), report.manifest.name.to_string()),
            ("reaches".to_owned(), report.manifest.created.to_string()),
        ]))
    }
}
