//! What a replication has to do: a comparison of two lists, without any I/O.

use std::collections::HashMap;

use jiff::Timestamp;
use lifeboat_archive::{BackupKind, BackupName, FileKind, Manifest};
use lifeboat_vault::{Damage, Listed};

use super::Outcome;

/// What is to be done for a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// The target has nothing of it.
    Copy,
    /// The target's copy is damaged.
    Repair,
    /// The target's copy has no certificate, or an older one.
    Certify,
    /// It cannot be copied, for this reason.
    Refuse(String),
}

impl Step {
    /// What has become of the backup when this is done.
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Copy => Outcome::Copied,
            Self::Repair => Outcome::Repaired,
            Self::Certify => Outcome::Certified,
            Self::Refuse(reason) => Outcome::Failed(reason.clone()),
        }
    }
}

/// One backup to do something for.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub(super) name: BackupName,
    pub(super) kind: BackupKind,
    pub(super) size: u64,
    pub(super) created: Timestamp,
    pub(super) step: Step,
}

impl Task {
    /// How many bytes will be read, here and there.
    pub(super) fn bytes(&self) -> u64 {
        match self.step {
            Step::Copy => 2 * self.size,
            Step::Repair => 3 * self.size,
            Step::Certify | Step::Refuse(_) => 0,
        }
    }
}

/// All there is to do.
#[derive(Debug, Clone, Default)]
pub(super) struct Plan {
    /// The newest first.
    pub(super) tasks: Vec<Task>,
    /// Backups of which nothing is missing.
    pub(super) already: usize,
}

pub(super) fn plan(here: &[Listed], there: &[Listed]) -> Plan {
    let there: HashMap<_, _> = there.iter().map(|listed| (&listed.name, listed)).collect();
    let mut plan = Plan::default();
    for listed in here {
        let copy = there.get(&listed.name).copied();
        let step = match &listed.manifest {
            Err(damage) => Some(Step::Refuse(format!("it is damaged: {damage}"))),
            Ok(manifest) => step(listed, manifest, copy),
        };
        let Some(step) = step else {
            plan.already += 1;
            continue;
        };
        // What retention is about to remove is not worth sending; the copy has its own retention.
        if step != Step::Certify && listed.beside(FileKind::Mark).is_some() {
            continue;
        }
        plan.tasks.push(Task {
            name: listed.name.clone(),
            kind: match &listed.manifest {
                Ok(manifest) => manifest.kind,
                Err(_) => listed.name.kind().unwrap_or(BackupKind::Database),
            },
            size: listed.size,
            created: listed.created(),
            step,
        });
    }
    plan
}

/// What an intact backup needs; `None` when all of it is there.
fn step(listed: &Listed, manifest: &Manifest, copy: Option<&Listed>) -> Option<Step> {
    let Some(copy) = copy else { return Some(Step::Copy) };
    match &copy.manifest {
        Ok(found)
            if found.archive.blake3 == manifest.archive.blake3
                && found.created == manifest.created =>
        {
            newer_certificate(listed, copy).then_some(Step::Certify)
        }
        Ok(_) => Some(Step::Refuse(
            "the target has another backup of this name; rename neither, look at both with \
             `lifeboat show`"
                .to_owned(),
        )),
        Err(damage) if is_certain(damage) => Some(Step::Repair),
        Err(damage) => Some(Step::Refuse(format!("its copy cannot be used: {damage}"))),
    }
}

/// Whether the backup has a certificate that its copy does not have yet.
fn newer_certificate(listed: &Listed, copy: &Listed) -> bool {
    let certificate = |one: &Listed| one.beside(FileKind::Certificate).map(|file| file.modified);
    match (certificate(listed), certificate(copy)) {
        (Some(here), Some(there)) => here > there,
        (here, None) => here.is_some(),
        (None, Some(_)) => false,
    }
}

/// Whether a copy is damaged beyond doubt, and not merely beyond this program or its rights.
fn is_certain(damage: &Damage) -> bool {
    match damage {
        Damage::ArchiveMissing(_) | Damage::ArchiveSize { .. } => true,
        Damage::Manifest(error) => !error.is_newer_format(),
        _ => false,
    }
}
