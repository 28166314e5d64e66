//! All that a step can reach: settings, vaults, environments, people.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use lifeboat::Target;
use lifeboat::bolt::{Access, Connection, Params, RunOptions, Value};
use lifeboat::config::Config;
use lifeboat::vault::{Vault, VaultConfig};
use lifeboat::vaults::{Fallback, Reading, Region, RegionConfig, Role, Vaults};
use serde::{Deserialize, Serialize};

use crate::dns::Zone;
use crate::error::{Error, Result, StepError};
use crate::journal::{Journals, Place};
use crate::messenger::Messenger;
use crate::sites::{Environment, Sites};
use crate::template::{Reference, Values};

/// How often a database is asked that does not answer yet.
const POLL: Duration = Duration::from_millis(250);

/// A drill that is going on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drilling {
    /// Its id.
    pub id: String,
    /// When its resources may be removed.
    pub expires: Timestamp,
    /// They stay until then, although the drill is at its end.
    #[serde(default)]
    pub keep: bool,
    /// Who looks after what it finds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// The settings, and all that is reached through them.
#[derive(Debug)]
pub struct World {
    /// The settings.
    pub config: Config,
    /// Those of them that only runbooks read.
    pub sites: Sites,
    /// The drill that it is for.
    pub drill: Option<Drilling>,
    /// Tells people, when somebody has handed in what can.
    pub messenger: Option<Arc<dyn Messenger>>,
    vaults: Option<Vaults>,
    state: PathBuf,
    journals: OnceLock<Journals>,
}

impl World {
    /// Of the settings of a file.
    pub fn new(config: Config, sites: Sites) -> Self {
        let vaults = config.vaults();
        let state = sites.runbooks.state.clone().unwrap_or_else(state_folder);
        Self {
            config,
            sites,
            drill: None,
            messenger: None,
            vaults,
            state,
            journals: OnceLock::new(),
        }
    }

    /// As it is, and able to tell people.
    #[must_use]
    pub fn with_messenger(self, messenger: Arc<dyn Messenger>) -> Self {
        Self { messenger: Some(messenger), ..self }
    }

    /// The folder of journals on this machine.
    pub fn state(&self) -> &PathBuf {
        &self.state
    }

    /// The vaults.
    ///
    /// # Errors
    /// When the settings name none.
    pub fn vaults(&self) -> Result<&Vaults, StepError> {
        let missing = StepError::Section { what: "a runbook", section: "[vault.primary]" };
        self.vaults.as_ref().ok_or(missing)
    }

    /// The region of a vault by its role, or, of an empty text, the one that answers.
    ///
    /// # Errors
    /// When there is none, or none answers.
    pub async fn region(&self, role: &str) -> Result<(Region, Option<Fallback>), StepError> {
        let vaults = self.vaults()?;
        let wanted = match role {
            "primary" => Role::Primary,
            "secondary" => Role::Secondary,
            _ => {
                let Reading { region, fallback } = vaults.reading().await?;
                return Ok((region, fallback));
            }
        };
        let all = [Some(vaults.active()), vaults.other()];
        let one = all.into_iter().flatten().find(|region| region.role == Some(wanted));
        let section = match wanted {
            Role::Primary => "[vault.primary]",
            Role::Secondary => "[vault.secondary]",
        };
        let one = one.ok_or(StepError::Section { what: "the runbook", section })?;
        Ok((one.open()?, None))
    }

    /// Every region that can be opened, and why others cannot.
    pub fn regions(&self) -> Vec<Result<Region, lifeboat::Error>> {
        let Some(vaults) = &self.vaults else { return Vec::new() };
        std::iter::once(vaults.active()).chain(vaults.other()).map(RegionConfig::open).collect()
    }

    /// The journals of runs: of this machine, and in every vault.
    ///
    /// # Errors
    /// When this machine has no place for them.
    pub fn journals(&self) -> Result<Journals> {
        if let Some(journals) = self.journals.get() {
            return Ok(journals.clone());
        }
        let failed =
            |error| Error::File { action: "make the folder", path: self.state.clone(), error };
        std::fs::create_dir_all(&self.state).map_err(failed)?;
        let folder = std::path::absolute(&self.state).map_err(failed)?;
        let address = folder.to_string_lossy().parse().map_err(Error::from)?;
        let mut places = vec![Place::local(&Vault::open(&VaultConfig::new(address))?)?];
        for region in self.regions() {
            match region {
                Ok(region) => places.push(Place::vault(region.databases())?),
                Err(error) => tracing::warn!(%error, "a vault cannot keep the journal"),
            }
        }
        Ok(self.journals.get_or_init(|| Journals::new(places)).clone())
    }

    /// Takes part in the drill that a run belongs to, if it belongs to one.
    ///
    /// # Errors
    /// When there is no such run.
    pub async fn join(&mut self, run: &str) -> Result<()> {
        self.drill = crate::run::read(self, run).await?.drill;
        Ok(())
    }

    /// An environment.
    ///
    /// # Errors
    /// When there is none of this name; in a drill, when it is not disposable.
    pub fn environment(&self, name: &str) -> Result<&Environment, StepError> {
        let environment = self.any_environment(name)?;
        if self.drill.is_some() && !environment.disposable {
            return Err(StepError::Guard(format!(
                "a drill must not touch the environment {name}, which is not disposable"
            )));
        }
        Ok(environment)
    }

    fn any_environment(&self, name: &str) -> Result<&Environment, StepError> {
        self.sites.environment.get(name).ok_or_else(|| StepError::NoEnvironment {
            name: name.to_owned(),
            known: match self.sites.environment.keys().map(String::as_str).collect::<Vec<_>>() {
                names if names.is_empty() => "none".to_owned(),
                names => names.join(", "),
            },
        })
    }

    /// The application's name: in a drill, the one that stands for it.
    pub fn zone(&self) -> Option<&Zone> {
        if self.drill.is_some() { self.sites.drill.dns.as_ref() } else { self.sites.dns.as_ref() }
    }

    /// The database of an environment.
    ///
    /// # Errors
    /// When the settings do not say where it is.
    pub fn target(&self, name: &str) -> Result<Target, StepError> {
        let environment = self.environment(name)?;
        let target = environment.database.target().map_err(lifeboat::Error::from)?;
        target.ok_or_else(|| StepError::Setting {
            environment: name.to_owned(),
            setting: "database.uri",
        })
    }

    /// Asks the database of an environment a question of no consequence.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn answers(&self, name: &str) -> Result<(), StepError> {
        match self.ask(name, "RETURN 1").await? {
            Value::Int(1) => Ok(()),
            other => Err(StepError::Condition {
                what: format!("the database of the environment {name} counts to one"),
                found: format!("{other:?}"),
            }),
        }
    }

    /// The first value that the database of an environment answers.
    ///
    /// # Errors
    /// When it does not answer, or with no row.
    pub async fn ask(&self, name: &str, query: &str) -> Result<Value, StepError> {
        let target = self.target(name)?;
        let run = RunOptions {
            database: target.database.clone(),
            access: Access::Read,
            ..RunOptions::default()
        };
        let work = async {
            let mut connection = Connection::connect(&target.config).await?;
            let mut rows = connection.run(query, Params::None, &run).await?;
            let row = rows.next().await?;
            drop(rows);
            connection.close().await;
            Ok::<_, lifeboat::bolt::Error>(row)
        };
        let answer = match work.await {
            Ok(row) => row.and_then(|row| row.into_iter().next()).ok_or("it has no answer".into()),
            Err(error) => Err(error.to_string()),
        };
        answer.map_err(|why: String| StepError::Database {
            environment: name.to_owned(),
            address: target.config.uri.to_string(),
            why,
        })
    }

    /// Waits until the database of an environment answers.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn wait_for_database(&self, name: &str, patience: Duration) -> Result<(), StepError> {
        let began = Instant::now();
        loop {
            match self.answers(name).await {
                Ok(()) => return Ok(()),
                Err(error) if began.elapsed() >= patience || !error.is_retryable() => {
                    return Err(error);
                }
                Err(_) => tokio::time::sleep(POLL).await,
            }
        }
    }

    /// Where the host of an address is, as the servers of `[dns]` say.
    ///
    /// # Errors
    /// When they do not say.
    pub async fn look_up(&self, url: &str) -> Result<SocketAddr, StepError> {
        let zone = self.zone();
        let zone = zone.ok_or(StepError::Section { what: "by_dns", section: "[dns]" })?;
        let parsed = url::Url::parse(url)
            .map_err(|error| StepError::Value(format!("{url} is no address: {error}")))?;
        let port = parsed.port_or_known_default().unwrap_or(80);
        let answer = zone.read().await?;
        match answer.addresses.first() {
            Some(address) => Ok((*address, port).into()),
            None => Err(StepError::Condition {
                what: format!("{} has an address", zone.name),
                found: answer.to_string(),
            }),
        }
    }

    /// What commands are told by variables.
    pub fn variables(
        &self,
        values: &Values,
        environment: Option<&str>,
    ) -> Vec<(&'static str, String)> {
        let mut all = Vec::new();
        if let Some(run) = values.get(&Reference::Run("id".to_owned())) {
            all.push(("LIFEBOAT_RUN", run.to_owned()));
        }
        if let Some(drill) = &self.drill {
            all.push(("LIFEBOAT_DRILL", drill.id.clone()));
            all.push(("LIFEBOAT_DRILL_EXPIRES", drill.expires.to_string()));
        }
        if let Some(environment) = environment {
            all.push(("LIFEBOAT_ENVIRONMENT", environment.to_owned()));
        }
        all
    }
}

/// Where a user's programs keep what they need from run to run.
fn state_folder() -> PathBuf {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("XDG_STATE_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".local/state")))
        .unwrap_or_else(std::env::temp_dir)
        .join("lifeboat")
}
