//! What is in the vaults, made into what the rules see.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use lifeboat_archive::{BackupKind, BackupName, Digest, Manifest};
use lifeboat_vault::{Damage, Leftovers, Listed, Vault};

use super::PruneOptions;
use super::plan::{Candidate, Series, State};
use crate::Result;
use crate::select::safety_of;
use crate::sets::SET_OPTION;
use crate::vaults::Region;

/// A vault, and what is in it.
#[derive(Debug)]
pub(super) struct Side {
    /// The number of its region.
    pub(super) region: usize,
    pub(super) vault: Vault,
    /// The newest first.
    pub(super) listed: Vec<Listed>,
    pub(super) leftovers: Leftovers,
    /// Whether each is intact, as far as can be seen.
    intact: HashMap<BackupName, bool>,
}

impl Side {
    /// The digest of this backup's archive, when it has it intact.
    pub(super) fn archive(&self, name: &BackupName) -> Option<Digest> {
        let listed = self.listed.iter().find(|listed| listed.name == *name)?;
        listed.manifest.as_ref().ok().map(|manifest| manifest.archive.blake3)
    }

    /// Whether it has this backup, damaged.
    pub(super) fn has_damaged(&self, name: &BackupName) -> bool {
        self.intact.get(name).is_some_and(|intact| !intact)
    }
}

/// Looks into the vaults of a region. A place for configurations that does not exist yet has none.
pub(super) async fn look(
    number: usize,
    region: &Region,
    options: &PruneOptions,
) -> Result<Vec<Side>> {
    let mut sides = Vec::new();
    for (index, vault) in region.vaults().enumerate() {
        let looked = tokio::try_join!(vault.list(), vault.leftovers(options.grace));
        let (listed, leftovers) = match looked {
            Err(error) if index > 0 && error.is_vault_missing() => continue,
            looked => looked?,
        };
        let intact = listed.iter().map(|one| (one.name.clone(), one.is_intact())).collect();
        sides.push(Side { region: number, vault: vault.clone(), listed, leftovers, intact });
    }
    Ok(sides)
}

/// The backups of all vaults, each once.
pub(super) fn candidates(sides: &[Side]) -> Vec<Candidate> {
    let mut all: Vec<Candidate> = Vec::new();
    let mut at: HashMap<BackupName, usize> = HashMap::new();
    for listed in sides.iter().flat_map(|side| &side.listed) {
        let one = candidate(listed);
        match at.entry(one.name.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(all.len());
                all.push(one);
            }
            Entry::Occupied(entry) => merge(&mut all[*entry.get()], one),
        }
    }
    all
}

/// Makes one of two copies: it is as good as the better, and has been there since the first.
fn merge(backup: &mut Candidate, other: Candidate) {
    let stored = backup.stored.min(other.stored);
    let certified = backup.certified || other.certified;
    if matches!(other.state, State::Good(_)) && !matches!(backup.state, State::Good(_)) {
        *backup = other;
    }
    (backup.stored, backup.certified) = (stored, certified);
}

fn candidate(listed: &Listed) -> Candidate {
    let plain = Candidate {
        name: listed.name.clone(),
        state: State::Damaged(listed.name.kind()),
        created: listed.created(),
        stored: listed.modified,
        safety: false,
        certified: listed.certificate.as_ref().is_some_and(|it| it.valid().is_some()),
        set: None,
        counts: BTreeMap::new(),
    };
    match &listed.manifest {
        Ok(manifest) => Candidate {
            state: State::Good(series(manifest)),
            safety: safety_of(manifest).is_some(),
            set: manifest.options.get(SET_OPTION).cloned(),
            counts: counts(manifest),
            ..plain
        },
        Err(Damage::Manifest(error)) if error.is_newer_format() => {
            Candidate { state: State::Unknown, ..plain }
        }
        Err(_) => plain,
    }
}

fn series(manifest: &Manifest) -> Series {
    let database = manifest.database.as_ref();
    Series {
        kind: manifest.kind,
        database: database.map(|database| (database.name.clone(), database.method)),
    }
}

fn counts(manifest: &Manifest) -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    if manifest.kind == BackupKind::Config {
        all.insert("entries".to_owned(), manifest.entries.len() as u64);
    }
    if let Some(counts) = manifest.database.as_ref().and_then(|database| database.counts.as_ref()) {
        all.insert("nodes".to_owned(), counts.nodes);
        all.insert("relationships".to_owned(), counts.relationships);
        all.extend(counts.labels.iter().map(|(name, number)| (format!("label {name}"), *number)));
        all.extend(counts.types.iter().map(|(name, number)| (format!("type {name}"), *number)));
    }
    all
}
