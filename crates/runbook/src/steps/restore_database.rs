//! `restore-database`: a backup into the database of an environment, by the way that fits it.
//!
//! A physical backup goes into the home of the stopped server, which is started afterwards; a
//! logical one into the running server, in the place of what is there. Either keeps what was there.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use lifeboat::Progress;
use lifeboat::format::{BackupName, Compression, DatabaseSection, Manifest, Method};
use lifeboat::physical_restore::{HomeRestoreOptions, Start, own_end, plan_home, restore_home};
use lifeboat::restore::{RestoreOptions, restore};
use lifeboat::select::{Selector, select};
use lifeboat::ship::Until;
use lifeboat::vault::Vault;
use serde::Deserialize;

use super::database;
use crate::action::{Action, Context, Field, Finding, Outputs};
use crate::error::StepError;
use crate::predict;
use crate::template::Template;
use crate::value::Kind;

/// How long a started server may take to recover and answer.
const PATIENCE: Duration = Duration::from_hours(1);

#[derive(Debug, Deserialize)]
#[serde(try_from = "Raw")]
pub(crate) struct RestoreDatabase {
    environment: Template,
    backup: Template,
    vault: Template,
    until: Template,
    exactly: bool,
    no_check: bool,
}

/// As it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    /// The environment.
    environment: Template,
    /// The backup.
    backup: Template,
    /// The vault that it is in; of an empty text, the one that answers.
    #[serde(default)]
    vault: Template,
    /// Up to when its log is replayed, of a physical backup; of an empty text, to its end.
    until: Option<Template>,
    /// Restores the backup as it is, without the log that was shipped after it: on the way back,
    /// that log is of the region that was lost, and holds what the other one never had.
    #[serde(default)]
    exactly: bool,
    /// Leaves Neo4j's consistency check out.
    #[serde(default)]
    no_check: bool,
}

impl TryFrom<Raw> for RestoreDatabase {
    type Error = &'static str;

    fn try_from(raw: Raw) -> Result<Self, Self::Error> {
        let Raw { environment, backup, vault, until, exactly, no_check } = raw;
        if exactly && until.is_some() {
            return Err(
                "`until` says how much log is replayed, and `exactly = true` that none is; \
                        leave one of them out",
            );
        }
        let until = until.unwrap_or_default();
        Ok(Self { environment, backup, vault, until, exactly, no_check })
    }
}

struct Chosen {
    environment: String,
    manifest: Manifest,
    vault: Vault,
    until: Until,
}

impl RestoreDatabase {
    async fn chosen(&self, cx: &Context<'_>) -> Result<Chosen, StepError> {
        let environment = cx.value(&self.environment, Kind::Environment)?;
        let backup = cx.value(&self.backup, Kind::Backup)?;
        let name: BackupName = backup.parse().map_err(|_| StepError::Value(backup.clone()))?;
        let (region, _) = cx.world.region(&cx.value(&self.vault, Kind::Vault)?).await?;
        let vault = region.databases().clone();
        let until = cx.value(&self.until, Kind::Moment)?;
        let manifest = select(&vault, &Selector::Name(name)).await?;
        let until = if self.exactly {
            own_end(&manifest)
        } else {
            until.parse::<Timestamp>().map_or(Until::Latest, Until::Time)
        };
        Ok(Chosen { environment, manifest, vault, until })
    }

    fn home_options(
        &self,
        cx: &Context<'_>,
        chosen: &Chosen,
    ) -> Result<HomeRestoreOptions, StepError> {
        let name = &chosen.environment;
        let environment = cx.world.environment(name)?;
        let missing = |setting| StepError::Setting { environment: name.clone(), setting };
        let home = environment.database.neo4j_home.clone();
        let start = match &environment.start_database {
            None => None,
            Some(command) => Some(Start {
                command: command.clone(),
                stop_command: environment.stop_database.clone(),
                server: cx.world.target(name)?,
                patience: PATIENCE,
            }),
        };
        Ok(HomeRestoreOptions {
            vault: chosen.vault.clone(),
            backup: Selector::Name(chosen.manifest.name.clone()),
            until: chosen.until,
            home: home.ok_or_else(|| missing("database.neo4j_home"))?,
            database: None,
            installation: environment.neo4j.clone(),
            java: environment.java.clone(),
            check: !self.no_check,
            start,
        })
    }

    async fn physical(&self, cx: &Context<'_>, chosen: &Chosen) -> Result<Outputs, StepError> {
        let options = self.home_options(cx, chosen)?;
        database::stop(cx, &chosen.environment).await?;
        let progress = Arc::new(Progress::default());
        let report = Box::pin(restore_home(&options, &progress, cx.cancel)).await?;
        let mut outputs = steps(&report.steps);
        if let Some(tx) = report.last_tx {
            outputs.insert("last-tx".to_owned(), tx.to_string());
        }
        if let Some(kept) = report.safety {
            outputs.insert("kept".to_owned(), kept.display().to_string());
        }
        let proven = report.proof.fingerprinted;
        let database = report.manifest.database.as_ref().filter(|_| proven);
        outputs.extend(database.and_then(fingerprint));
        Ok(outputs)
    }

    async fn logical(&self, cx: &Context<'_>, chosen: &Chosen) -> Result<Outputs, StepError> {
        database::start(cx, &chosen.environment).await?;
        let options = RestoreOptions {
            vault: chosen.vault.clone(),
            backup: Selector::Name(chosen.manifest.name.clone()),
            target: cx.world.target(&chosen.environment)?,
            replace: true,
            compression: Compression::default(),
        };
        let progress = Arc::new(Progress::default());
        let report = Box::pin(restore(&options, &progress, cx.cancel)).await?;
        let mut outputs = steps(&report.steps);
        if let Some(safety) = report.safety {
            outputs.insert("kept".to_owned(), safety.to_string());
        }
        outputs.extend(fingerprint(&report.restored));
        Ok(outputs)
    }
}

/// How long each part took.
fn steps(steps: &[(&'static str, Duration)]) -> Outputs {
    Outputs::from([(predict::PARTS.to_owned(), predict::words(steps))])
}

/// The graph's fingerprint, which a later step can compare with.
fn fingerprint(database: &DatabaseSection) -> Option<(String, String)> {
    let found = database.fingerprint.as_ref()?;
    Some(("fingerprint".to_owned(), found.graph.clone()))
}

#[async_trait]
impl Action for RestoreDatabase {
    fn title(&self) -> String {
        "Restore the database".to_owned()
    }

    fn fields(&self) -> Vec<Field<'_>> {
        vec![
            Field::new("environment", &self.environment, Kind::Environment),
            Field::new("backup", &self.backup, Kind::Backup),
            Field::new("vault", &self.vault, Kind::Vault),
            Field::new("until", &self.until, Kind::Moment),
        ]
    }

    /// `last-tx`: the last transaction, of a physical restore; `kept`: where what was there is kept;
    /// `fingerprint`: that of the graph, when it was compared with the backup's;
    /// `parts`: how long each part took; `log-bytes`: how much log in the vault was replayed, of a
    /// physical restore.
    fn outputs(&self) -> &'static [(&'static str, Kind)] {
        &[
            ("last-tx", Kind::Number),
            ("kept", Kind::Text),
            ("fingerprint", Kind::Text),
            (predict::PARTS, Kind::Text),
            (predict::LOG_BYTES, Kind::Number),
        ]
    }

    fn describe(&self, cx: &Context<'_>) -> Vec<String> {
        let name = self.environment.show(cx.values);
        let until = self.until.show(cx.values);
        let until = match until.as_str() {
            _ if self.exactly => ", exactly as it is".to_owned(),
            "" => String::new(),
            until => format!(", up to {until}"),
        };
        vec![
            format!("verify every byte of {}", self.backup.show(cx.values)),
            format!("restore it into the database of {name}{until}; what is there is kept"),
            "compare what was restored with the backup".to_owned(),
        ]
    }

    async fn check(&self, cx: &Context<'_>) -> Vec<Finding> {
        let found = async {
            let chosen = self.chosen(cx).await?;
            let manifest = &chosen.manifest;
            let physical =
                manifest.database.as_ref().is_some_and(|one| one.method == Method::Physical);
            if !physical {
                // The server may be down today, and is started first.
                let target = cx.world.target(&chosen.environment)?;
                return Ok(Finding::ok(format_args!(
                    "{} can be restored over {}",
                    manifest.name, target.config.uri
                )));
            }
            let environment = cx.world.environment(&chosen.environment)?;
            let home = environment.database.neo4j_home.as_ref();
            if environment.provision.is_some() && home.is_some_and(|home| !home.exists()) {
                return Ok(Finding::unknown(format_args!(
                    "{} is restored into a home that is not there before it is provisioned",
                    manifest.name
                )));
            }
            let plan = plan_home(&self.home_options(cx, &chosen)?).await?;
            let free = free_bytes(&plan.layout.data);
            if free.is_some_and(|free| free < plan.bytes + plan.log_bytes) {
                return Err(StepError::Condition {
                    what: format!(
                        "{} has room for {} bytes",
                        plan.layout.data.display(),
                        plan.bytes
                    ),
                    found: format!("{} bytes are free", free.unwrap_or(0)),
                });
            }
            let version = plan.version.map_or_else(String::new, |v| format!(" of Neo4j {v}"));
            Ok(Finding::ok(format_args!(
                "{} fits the home{version}: {} bytes, {} of log",
                manifest.name, plan.bytes, plan.log_bytes
            )))
        };
        vec![match found.await {
            Ok(finding) => finding,
            Err(error @ StepError::NotYet { .. }) => Finding::unknown(error),
            Err(error) => Finding::failed(error),
        }]
    }

    async fn predict(&self, cx: &Context<'_>) -> Option<Duration> {
        let chosen = self.chosen(cx).await.ok()?;
        let rates = predict::Rates::measured(&chosen.vault).await.ok()?;
        rates.recover(&chosen.vault, &chosen.manifest, chosen.until).await
    }

    async fn run(&self, cx: &Context<'_>) -> Result<Outputs, StepError> {
        let chosen = self.chosen(cx).await?;
        let manifest = &chosen.manifest;
        match manifest.database.as_ref().map(|database| database.method) {
            Some(Method::Physical) => {
                let log = predict::log_bytes(&chosen.vault, manifest, chosen.until).await;
                let mut outputs = self.physical(cx, &chosen).await?;
                outputs.insert(predict::LOG_BYTES.to_owned(), log.unwrap_or(0).to_string());
                Ok(outputs)
            }
            Some(_) => self.logical(cx, &chosen).await,
            None => Err(lifeboat::Error::NotADatabase { name: manifest.name.clone() }.into()),
        }
    }
}

/// Bytes that are free where a folder is, or will be.
fn free_bytes(folder: &std::path::Path) -> Option<u64> {
    let there = folder.ancestors().find(|folder| folder.exists())?;
    let found = rustix::fs::statvfs(there).ok()?;
    Some(found.f_bavail * found.f_frsize)
}
