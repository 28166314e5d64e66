//! What runs the application's services: they are stopped, started, scaled and deployed.
//!
//! Every call says what should be, not what to do: a service that runs already is started at no
//! cost, so a call may be repeated. It comes back when it is so, or fails in time.

mod azure;
mod command;
mod compose;
mod kubernetes;
mod systemd;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Deserialize;

pub use command::CommandPlatform;
pub use kubernetes::Cluster;

/// How often a service is asked that is not yet as it should be.
const POLL: Duration = Duration::from_millis(500);

/// Why services could not be handled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlatformError {
    /// A command.
    #[error("cannot {action} the service {service}: `{command}` {why}")]
    Command {
        /// What was tried.
        action: &'static str,
        /// The service.
        service: String,
        /// The program.
        command: String,
        /// How it failed.
        why: String,
    },
    /// A provider's interface.
    #[error("cannot {action} the service {service}: {why}")]
    Service {
        /// What was tried.
        action: &'static str,
        /// The service.
        service: String,
        /// What it answered.
        why: String,
    },
    /// The platform has no way to do it.
    #[error("{platform} has no way to {action}; {hint}")]
    Cannot {
        /// The platform.
        platform: &'static str,
        /// What was asked for.
        action: &'static str,
        /// What to do.
        hint: &'static str,
    },
    /// It was not done in time.
    #[error("the service {service} is not {wanted} within {} s: it is {found}", patience.as_secs())]
    NotYet {
        /// The service.
        service: String,
        /// What it should be.
        wanted: String,
        /// What it is.
        found: State,
        /// How long it was waited for.
        patience: Duration,
    },
}

/// `[environment.NAME.platform]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Platform {
    /// Your own commands.
    Command(CommandPlatform),
    /// Units of systemd: a service is a unit.
    Systemd {
        /// Units of the user's own manager.
        #[serde(default)]
        user: bool,
    },
    /// Docker Compose.
    Compose {
        /// The file.
        file: PathBuf,
        /// The project; that of the file when not given.
        project: Option<String>,
    },
    /// Kubernetes: a service is a Deployment or a StatefulSet.
    Kubernetes(Cluster),
    /// Azure Container Apps: a service is an app.
    AzureContainerApps {
        /// The subscription.
        subscription: String,
        /// The resource group.
        resource_group: String,
        /// Who to be there.
        #[serde(default)]
        login: crate::azure::Login,
    },
}

/// What a service is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// Something of it runs.
    pub running: bool,
    /// It is all that it was told to be: nothing of it is on its way.
    pub settled: bool,
    /// How many instances; when known.
    pub replicas: Option<u32>,
    /// What it runs; when known.
    pub image: Option<String>,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.running { "running" } else { "stopped" })?;
        if let Some(replicas) = self.replicas {
            write!(f, ", {replicas} instances")?;
        }
        if let Some(image) = &self.image {
            write!(f, ", {image}")?;
        }
        if !self.settled {
            f.write_str(", not ready yet")?;
        }
        Ok(())
    }
}

impl Platform {
    pub(crate) fn resolve(&mut self, folder: &Path) {
        let path = match self {
            Self::Compose { file, .. } => Some(file),
            Self::Kubernetes(cluster) => cluster.kubeconfig.as_mut(),
            _ => None,
        };
        if let Some(path) = path {
            *path = folder.join(&*path);
        }
    }

    /// Its name, for people.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Command(_) => "commands",
            Self::Systemd { .. } => "systemd",
            Self::Compose { .. } => "Docker Compose",
            Self::Kubernetes(_) => "Kubernetes",
            Self::AzureContainerApps { .. } => "Azure Container Apps",
        }
    }

    /// What a service is.
    ///
    /// # Errors
    /// When that cannot be told.
    pub async fn state(&self, service: &str) -> Result<State, PlatformError> {
        match self {
            Self::Command(commands) => commands.state(service).await,
            Self::Systemd { user } => systemd::state(*user, service).await,
            Self::Compose { file, project } => {
                compose::state(file, project.as_deref(), service).await
            }
            Self::Kubernetes(cluster) => cluster.workload(service).await?.state().await,
            Self::AzureContainerApps { .. } => azure::App::of(self, service).state().await,
        }
    }

    /// Stops a service.
    ///
    /// # Errors
    /// When it cannot be stopped, or is not in time.
    pub async fn stop(&self, service: &str, patience: Duration) -> Result<(), PlatformError> {
        match self {
            Self::Command(commands) => commands.act("stop", service, &[]).await?,
            Self::Systemd { user } => systemd::act(*user, "stop", service).await?,
            Self::Compose { file, project } => {
                compose::act(file, project.as_deref(), &["stop"], "stop", service).await?;
            }
            Self::Kubernetes(cluster) => cluster.workload(service).await?.stop().await?,
            Self::AzureContainerApps { .. } => azure::App::of(self, service).stop().await?,
        }
        self.until(service, patience, "stopped", |state| !state.running).await
    }

    /// Starts a service.
    ///
    /// # Errors
    /// When it cannot be started, or does not run in time.
    pub async fn start(&self, service: &str, patience: Duration) -> Result<(), PlatformError> {
        match self {
            Self::Command(commands) => commands.act("start", service, &[]).await?,
            Self::Systemd { user } => systemd::act(*user, "start", service).await?,
            Self::Compose { file, project } => {
                compose::act(
                    file,
                    project.as_deref(),
                    &["up", "-d", "--no-deps"],
                    "start",
                    service,
                )
                .await?;
            }
            Self::Kubernetes(cluster) => cluster.workload(service).await?.start().await?,
            Self::AzureContainerApps { .. } => azure::App::of(self, service).start().await?,
        }
        self.until(service, patience, "running", |state| state.running && state.settled).await
    }

    /// Gives a service so many instances.
    ///
    /// # Errors
    /// When it cannot be scaled, or is not in time.
    pub async fn scale(
        &self,
        service: &str,
        replicas: u32,
        patience: Duration,
    ) -> Result<(), PlatformError> {
        let count = replicas.to_string();
        match self {
            Self::Command(commands) => {
                commands.act("scale", service, &[("{replicas}", &count)]).await?;
            }
            Self::Systemd { .. } => {
                return Err(PlatformError::Cannot {
                    platform: "systemd",
                    action: "scale a unit",
                    hint: "name the instances of a template unit as services",
                });
            }
            Self::Compose { file, project } => {
                let scale = format!("{service}={count}");
                let words = ["up", "-d", "--no-deps", "--no-recreate", "--scale", &scale];
                compose::act(file, project.as_deref(), &words, "scale", service).await?;
            }
            Self::Kubernetes(cluster) => cluster.workload(service).await?.scale(replicas).await?,
            Self::AzureContainerApps { .. } => {
                azure::App::of(self, service).scale(replicas).await?;
            }
        }
        let wanted = format!("{count} instances");
        let so_many =
            |state: &State| state.settled && state.replicas.is_none_or(|found| found == replicas);
        self.until(service, patience, &wanted, so_many).await
    }

    /// Has a service run an image.
    ///
    /// # Errors
    /// When it cannot be deployed, or does not run in time.
    pub async fn deploy(
        &self,
        service: &str,
        image: &str,
        patience: Duration,
    ) -> Result<(), PlatformError> {
        match self {
            Self::Command(commands) => {
                commands.act("deploy", service, &[("{image}", image)]).await?;
            }
            Self::Systemd { .. } => {
                return Err(PlatformError::Cannot {
                    platform: "systemd",
                    action: "deploy an image",
                    hint: "install the application when provisioning, or use commands",
                });
            }
            Self::Compose { file, project } => {
                compose::deploy(file, project.as_deref(), service, image).await?;
            }
            Self::Kubernetes(cluster) => cluster.workload(service).await?.deploy(image).await?,
            Self::AzureContainerApps { .. } => azure::App::of(self, service).deploy(image).await?,
        }
        let wanted = format!("running {image}");
        let runs = |state: &State| {
            state.running && state.settled && state.image.as_deref().is_none_or(|i| i == image)
        };
        self.until(service, patience, &wanted, runs).await
    }

    async fn until(
        &self,
        service: &str,
        patience: Duration,
        wanted: &str,
        is: impl Fn(&State) -> bool,
    ) -> Result<(), PlatformError> {
        if matches!(self, Self::Command(commands) if !commands.tells()) {
            return Ok(());
        }
        let began = Instant::now();
        // Who has to log in does so once.
        let workload = match self {
            Self::Kubernetes(cluster) => Some(cluster.workload(service).await?),
            _ => None,
        };
        loop {
            let found = match &workload {
                Some(workload) => workload.state().await?,
                None => self.state(service).await?,
            };
            if is(&found) {
                return Ok(());
            }
            if began.elapsed() >= patience {
                return Err(PlatformError::NotYet {
                    service: service.to_owned(),
                    wanted: wanted.to_owned(),
                    found,
                    patience,
                });
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

/// Runs a program, and answers with its standard output.
async fn run(
    action: &'static str,
    service: &str,
    words: &[String],
) -> Result<std::process::Output, PlatformError> {
    let program = words.first().cloned().unwrap_or_default();
    let output = tokio::process::Command::new(&program)
        .args(words.iter().skip(1))
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output()
        .await;
    output.map_err(|error| PlatformError::Command {
        action,
        service: service.to_owned(),
        command: program,
        why: format!("cannot be run: {error}"),
    })
}

/// As [`run`], of a program that should succeed.
async fn succeed(
    action: &'static str,
    service: &str,
    words: &[String],
) -> Result<String, PlatformError> {
    let output = run(action, service, words).await?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.trim().lines().last().unwrap_or_default();
    Err(PlatformError::Command {
        action,
        service: service.to_owned(),
        command: words.first().cloned().unwrap_or_default(),
        why: format!("failed: {}{}{last}", output.status, if last.is_empty() { "" } else { ": " }),
    })
}
