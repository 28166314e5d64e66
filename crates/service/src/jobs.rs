//! Which verb of the engine each job is.

mod backup;
mod config_backup;
mod drill;
mod drill_cleanup;
mod pair;
mod prune;
mod replicate;
mod restore_test;
mod ship;
mod verify;

use std::path::PathBuf;
use std::sync::Arc;

use lifeboat::config::{Config, JobKind};
use lifeboat::physical_backup::MethodChoice;
use lifeboat::vault::Vault;
use lifeboat::vaults::Vaults;
use lifeboat::{Target, config::Timing};
use lifeboat_runbook::sites::Sites;
use serde_json::{Map, Value};

use crate::job::Job;
use crate::scheduler::{Entry, Jobs};
use crate::{Error, Result};
use pair::Pair;

/// What the jobs need, made from the settings by whoever reads these.
#[derive(Debug, Clone)]
pub struct Equipment {
    /// The settings.
    pub config: Config,
    /// Those of them that only runbooks read.
    pub sites: Sites,
    /// The folder that their file is in.
    pub folder: PathBuf,
    /// The database, when one is set.
    pub target: Option<Target>,
    /// The vaults that they read and prune.
    pub vaults: Vaults,
    /// The one that backups are written to; the lease and the ledger are there, too.
    pub vault: Vault,
}

/// The jobs that the settings ask for, and those that they make possible without saying so.
///
/// # Errors
/// When they ask for one that is not possible, or when none is.
pub fn jobs(equipment: &Equipment) -> Result<Jobs> {
    let mut jobs = Jobs::new();
    for kind in JobKind::ALL {
        let wanted = equipment.config.schedule.wanted(kind);
        if wanted == Some(false) {
            continue;
        }
        match build(kind, equipment) {
            Ok(job) => {
                let schedule = equipment.config.schedule.schedule(kind);
                jobs.insert(kind, Entry { schedule, job });
            }
            Err(missing) if wanted == Some(true) => {
                return Err(Error::NotConfigured { job: kind, missing: missing.to_owned() });
            }
            Err(_) => {}
        }
    }
    let scheduled = |entry: &Entry| entry.schedule.timing != Timing::OnRequest;
    if jobs.values().any(|entry| scheduled(entry) || !entry.schedule.after.is_empty()) {
        Ok(jobs)
    } else {
        Err(Error::NoJobs)
    }
}

/// The job, or what is missing for it.
fn build(kind: JobKind, equipment: &Equipment) -> Result<Arc<dyn Job>, &'static str> {
    let pair = Pair::of(&equipment.config, can_back_up(equipment));
    let Equipment { config, sites: _, folder, target, vaults, vault } = equipment.clone();
    Ok(match kind {
        JobKind::Backup if !can_back_up(equipment) => {
            return Err("set database.uri, and a user and password if needed; or \
                        database.neo4j_home and database.method = \"physical\"");
        }
        JobKind::Backup => Arc::new(backup::Backup {
            target,
            home: config.database.neo4j_home,
            method: config.database.method.unwrap_or_default(),
            vault,
            pair,
        }),
        JobKind::ConfigBackup if config.config_backup.is_empty() => {
            return Err("list in [config_backup] what belongs to the configuration");
        }
        JobKind::ConfigBackup => {
            Arc::new(config_backup::ConfigBackup { config, folder, vaults, pair })
        }
        JobKind::Replicate => {
            let to = vaults.other().cloned();
            let to = to.ok_or("name a second vault: [vault.secondary]")?;
            Arc::new(replicate::Replicate { vaults, to })
        }
        JobKind::Verify => Arc::new(verify::Verify { vaults }),
        JobKind::RestoreTest if config.verify.neo4j.is_none() => {
            return Err("set verify.neo4j, the folder of an installation of Neo4j");
        }
        JobKind::RestoreTest => {
            Arc::new(restore_test::RestoreTest { vaults, settings: config.verify })
        }
        JobKind::Prune => Arc::new(prune::Prune { vaults, retention: config.retention }),
        JobKind::Ship => {
            let physical = config.database.method == Some(MethodChoice::Physical);
            if config.schedule.section(kind).is_none() && !physical {
                return Err("set database.method = \"physical\"");
            }
            let home = config.database.neo4j_home.ok_or("set database.neo4j_home")?;
            Arc::new(ship::Ship { home, target, vault })
        }
        JobKind::Drill if equipment.sites.drill.runbook.is_none() => {
            return Err("set drill.runbook, and [drill.environments]");
        }
        JobKind::Drill => Arc::new(drill::Drill { config, sites: equipment.sites.clone() }),
        JobKind::DrillCleanup
            if !equipment.sites.environment.values().any(|place| place.disposable) =>
        {
            return Err("set disposable = true for an [environment.NAME] of drills");
        }
        JobKind::DrillCleanup => {
            Arc::new(drill_cleanup::DrillCleanup { config, sites: equipment.sites.clone() })
        }
    })
}

/// Whether there is something to make a backup of the database from.
fn can_back_up(equipment: &Equipment) -> bool {
    let database = &equipment.config.database;
    let files = database.neo4j_home.is_some()
        && database.method.is_some_and(|method| method != MethodChoice::Logical);
    equipment.target.is_some() || files
}

/// The details of a report.
fn details(members: Value) -> Map<String, Value> {
    match members {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
