//! All parts together: from the settings to a service that runs until it is told to stop.

use std::fs::{self, File, TryLockError};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lifeboat::CancellationToken;
use lifeboat::config::{Config, DEFAULT_LISTEN, DEFAULT_RATE, Pings, ServiceSection};
use lifeboat::vault::Address;
use tokio::sync::{Notify, mpsc, watch};

use crate::access::Access;
use crate::alerts::Watch;
use crate::alerts::deliver::Post;
use crate::alerts::settings::Settings;
use crate::api::Api;
use crate::catalog::Catalog;
use crate::clock::{Clock, SystemClock};
use crate::jobs::{Equipment, jobs};
use crate::leader::{self, Pace, Role};
use crate::limit::Limit;
use crate::listen::{Network, Socket};
use crate::metrics::Metrics;
use crate::ping::Pinger;
use crate::scheduler::{Handle, Scheduler};
use crate::store::Store;
use crate::vault::{VaultLease, VaultLedger};
use crate::{Error, Result};

/// The file of the state.
const STATE: &str = "state.db";

/// How the settings are read anew; the error says why they cannot be used.
pub type Load = Box<dyn Fn() -> Result<Equipment, String> + Send + Sync>;

/// A service that is to be.
pub struct Options {
    /// The folder of its state.
    pub state: PathBuf,
    /// Where it listens, when not where the settings say.
    pub listen: Option<SocketAddr>,
    /// What the settings say now.
    pub equipment: Equipment,
    /// Reads them anew.
    pub load: Load,
    /// A message asks for that.
    pub reload: mpsc::Receiver<()>,
    /// Ends the service.
    pub stop: CancellationToken,
}

/// The folder of the state: the one of the settings, else the one that systemd has made, else the
/// standard one for the user.
pub fn state_folder(settings: &ServiceSection, env: &dyn Fn(&str) -> Option<String>) -> PathBuf {
    let set = |name| env(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(state) = &settings.state {
        return state.clone();
    }
    if let Some(state) = set("STATE_DIRECTORY") {
        return state;
    }
    if rustix::process::geteuid().is_root() {
        return PathBuf::from("/var/lib/lifeboat");
    }
    let home = || set("HOME").map(|home| home.join(".local/state"));
    let base = set("XDG_STATE_HOME").or_else(home).unwrap_or_else(|| PathBuf::from("."));
    base.join("lifeboat")
}

/// Runs a service until it is told to stop.
///
/// # Errors
/// When it cannot begin, or its state can no longer be written.
pub async fn serve(options: Options) -> Result<()> {
    let Options { state, listen, equipment, load, reload, stop } = options;
    let settings = &equipment.config.service;
    let _lock = lock(&state)?;
    let store = Arc::new(Store::open(&state.join(STATE))?);
    let access = Arc::new(Access::new(settings)?);
    let jobs = jobs(&equipment)?;
    for (job, entry) in &jobs {
        tracing::info!(%job, schedule = %entry.schedule.timing, "a job is configured");
    }
    let listen = listen.or(settings.listen).unwrap_or(DEFAULT_LISTEN);
    let network = Network::open(listen, settings.tls.as_ref()).await?;
    let socket = Socket::open(&state)?;

    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let pace = settings.lease.map_or_else(Pace::default, Pace::lasting);
    let lease = Arc::new(VaultLease::new(equipment.vault.clone(), pace));
    let reason = "it has just begun".to_owned();
    let (role, seen) = watch::channel(Role::Follower { leader: None, reason });
    let instance = name_of(settings);
    let scheduler = Scheduler {
        clock: Arc::clone(&clock),
        store: Arc::clone(&store),
        ledger: Arc::new(VaultLedger::new(&equipment.vault)?),
        instance: instance.clone(),
        jobs,
        pace,
    };
    let (handle, life) = scheduler.start(seen, stop.clone())?;
    let (vault, vault_seen) = watch::channel(equipment.vault.clone());
    let (alarm, alarm_seen) = watch::channel(Arc::new(Settings::from(&equipment.config)));
    let (pings, pings_seen) = watch::channel(Arc::new(equipment.config.ping.clone()));
    let catalog = Arc::new(Catalog::new(vault_seen));
    let metrics: Arc<Metrics> = Arc::default();
    let posted: Arc<Notify> = Arc::default();
    // The lease, the alerts and the API outlive the scheduler, which stops what goes on while it
    // still leads.
    let ended = CancellationToken::new();
    let watch = Watch {
        clock: Arc::clone(&clock),
        store: Arc::clone(&store),
        scheduler: handle.clone(),
        catalog: Arc::clone(&catalog),
        settings: alarm_seen.clone(),
        places: places(&state, &equipment.config),
        every: Watch::EVERY,
        lease: pace.lasts,
        instance,
        posted: Arc::clone(&posted),
    };
    let (alerts, watching) = watch.start(ended.clone())?;
    let post = Post {
        clock: Arc::clone(&clock),
        store: Arc::clone(&store),
        settings: alarm_seen,
        posted,
        metrics: Arc::clone(&metrics),
    };
    let pinger = Pinger { store: Arc::clone(&store), handle: handle.clone(), settings: pings_seen };
    let api = Api {
        alerts,
        handle: handle.clone(),
        store: Arc::clone(&store),
        catalog,
        metrics,
        access,
        limit: Arc::new(Limit::new(settings.rate.unwrap_or(DEFAULT_RATE))),
        clock,
    };

    let address = network.address().unwrap_or(listen);
    tracing::info!(%address, state = %state.display(), "the service has started");
    let metrics = tokio::spawn(Arc::clone(&api.metrics).follow(store));
    let router = api.router();
    let keep = tokio::spawn(leader::keep(lease, pace, role, ended.clone()));
    let network = tokio::spawn(network.serve(router.clone(), ended.clone()));
    let socket = tokio::spawn(socket.serve(router, ended.clone()));
    let pinger = tokio::spawn(pinger.live(ended.clone()));
    // Who cannot tell of a failure must not go on as if all were well.
    let watching = tokio::spawn(or_stop(watching, stop.clone()));
    let posting = tokio::spawn(or_stop(post.live(ended.clone()), stop));
    let fresh = Fresh { vault, alarm, pings };
    let reloads = tokio::spawn(follow_reloads(reload, load, handle, fresh));
    let result = life.await;
    ended.cancel();
    metrics.abort();
    reloads.abort();
    let (.., watched, posted) = tokio::join!(keep, network, socket, pinger, watching, posting);
    let lost = |error: tokio::task::JoinError| Err(Error::Internal(error.to_string()));
    let result = result.and(watched.unwrap_or_else(lost)).and(posted.unwrap_or_else(lost));
    tracing::info!("the service has stopped");
    result
}

/// What changes when the settings are read anew, beside the jobs.
struct Fresh {
    vault: watch::Sender<lifeboat::vault::Vault>,
    alarm: watch::Sender<Arc<Settings>>,
    pings: watch::Sender<Arc<Pings>>,
}

/// Stops the service when a part of it fails.
async fn or_stop(
    part: impl Future<Output = Result<()>> + Send,
    stop: CancellationToken,
) -> Result<()> {
    let result = part.await;
    if result.is_err() {
        stop.cancel();
    }
    result
}

/// Folders whose disks must not run full.
fn places(state: &Path, config: &Config) -> Vec<PathBuf> {
    let mut places = vec![state.to_owned()];
    for vault in [&config.vault.primary, &config.vault.secondary].into_iter().flatten() {
        if let Address::Folder(folder) = &vault.url {
            places.push(folder.clone());
        }
    }
    places
}

/// Reads the settings anew whenever that is asked for.
async fn follow_reloads(mut reload: mpsc::Receiver<()>, load: Load, handle: Handle, fresh: Fresh) {
    let load: Arc<dyn Fn() -> Result<Equipment, String> + Send + Sync> = load.into();
    while reload.recv().await.is_some() {
        let load = Arc::clone(&load);
        let now = fresh.vault.borrow().to_string();
        // Reading a secret may run a command.
        let loaded = tokio::task::spawn_blocking(move || {
            let equipment = load()?;
            if equipment.vault.to_string() != now {
                return Err("the vault is another: start the service again for that".to_owned());
            }
            let jobs = jobs(&equipment).map_err(|error| error.to_string())?;
            Ok((jobs, equipment))
        });
        let loaded = loaded.await.unwrap_or_else(|error| Err(error.to_string()));
        match loaded {
            Ok((jobs, equipment)) => {
                tracing::info!("the settings were read anew");
                fresh.alarm.send_replace(Arc::new(Settings::from(&equipment.config)));
                fresh.pings.send_replace(Arc::new(equipment.config.ping.clone()));
                fresh.vault.send_replace(equipment.vault);
                handle.reload(Ok(jobs)).await;
            }
            Err(reason) => {
                tracing::error!(reason, "the new settings cannot be used; the old ones hold");
                handle.reload(Err(reason)).await;
            }
        }
    }
}

/// Makes the folder, closed to others, and locks it for as long as the value lives.
fn lock(state: &Path) -> Result<File> {
    let failed = |error| Error::StateFolder { path: state.to_owned(), error };
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(state).map_err(failed)?;
    let file = File::options()
        .create(true)
        .write(true)
        .truncate(false)
        .open(state.join("lock"))
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::StateLocked { path: state.to_owned() }),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// The name of an instance: that of its machine when not given.
pub(crate) fn name_of(settings: &ServiceSection) -> String {
    let host = || rustix::system::uname().nodename().to_string_lossy().into_owned();
    settings.instance.clone().unwrap_or_else(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_is_where_it_is_expected() {
        let env = |name: &str| (name == "STATE_DIRECTORY").then(|| "/run/state".to_owned());
        let mut settings = ServiceSection::default();
        assert_eq!(state_folder(&settings, &env), Path::new("/run/state"));
        settings.state = Some("/srv/state".into());
        assert_eq!(state_folder(&settings, &env), Path::new("/srv/state"));
        let bare = state_folder(&ServiceSection::default(), &|_| None);
        assert!(bare.ends_with("lifeboat"), "{}", bare.display());
    }

    #[test]
    fn a_folder_has_one_service() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("a/b");
        let held = lock(&state).unwrap();
        let error = lock(&state).unwrap_err();
        assert_eq!(error.exit_code(), lifeboat::ExitCode::Locked);
        assert!(error.to_string().contains("--state"), "{error}");
        drop(held);
        lock(&state).unwrap();
    }
}
