//! The backups of both regions as one list.

use std::cmp::Reverse;
use std::collections::HashMap;

use lifeboat_archive::BackupName;
use lifeboat_vault::Listed;

use super::{Reading, Region, RegionConfig, Role, Vaults, answering, same};
use crate::{Error, Result};

/// What all regions have that answer.
#[derive(Debug)]
pub struct Everywhere {
    /// The region that is read: the active one when it answers, else the other.
    pub reading: Reading,
    /// All backups, the newest first. One that both regions have just so is there once; one of
    /// which they have different copies, or one of them a damaged one, is there twice.
    pub backups: Vec<Located>,
    /// The region that does not answer, and why: its backups are not there.
    pub unanswered: Option<(Option<Role>, Error)>,
}

/// A backup, and who has it.
#[derive(Debug, Clone)]
pub struct Located {
    /// The backup.
    pub listed: Listed,
    /// The regions that have it just so, the one that is read first; none for an address that
    /// stands in no settings.
    pub regions: Vec<Role>,
}

impl Vaults {
    /// Lists the backups of all regions.
    ///
    /// # Errors
    /// As [`reading`](Self::reading), and those of listing.
    pub async fn list(&self) -> Result<Everywhere> {
        let Some(other) = &self.other else {
            let Reading { region, fallback } = self.reading().await?;
            let backups = located(region.list().await?, region.role).collect();
            let reading = Reading { region, fallback };
            return Ok(Everywhere { reading, backups, unanswered: None });
        };
        match futures::join!(list(&self.active), list(other)) {
            (Ok((region, here)), Ok((_, there))) => {
                let backups = merge(located(here, region.role), located(there, other.role));
                let reading = Reading { region, fallback: None };
                Ok(Everywhere { reading, backups, unanswered: None })
            }
            (Ok((region, here)), Err(error)) => {
                let backups = located(here, region.role).collect();
                let reading = Reading { region, fallback: None };
                Ok(Everywhere { reading, backups, unanswered: Some((other.role, error)) })
            }
            (Err(error), Ok((region, there))) => {
                let backups = located(there, region.role).collect();
                let reading = Reading { region, fallback: Some(self.fallback(other, &error)) };
                Ok(Everywhere { reading, backups, unanswered: Some((self.active.role, error)) })
            }
            (Err(first), Err(second)) => {
                Err(Error::NeitherVault { first: Box::new(first), second: Box::new(second) })
            }
        }
    }
}

impl Everywhere {
    /// The backups that the region has which is read.
    pub fn here(&self) -> Vec<Listed> {
        let role = self.reading.region.role;
        let here = self.backups.iter().filter(|one| one.regions.first().copied() == role);
        here.map(|one| one.listed.clone()).collect()
    }
}

async fn list(config: &RegionConfig) -> Result<(Region, Vec<Listed>)> {
    let region = answering(config).await?;
    let listed = region.list().await?;
    Ok((region, listed))
}

/// The backups of a region.
fn located(listed: Vec<Listed>, role: Option<Role>) -> impl Iterator<Item = Located> {
    listed.into_iter().map(move |listed| Located { listed, regions: role.into_iter().collect() })
}

fn merge(
    here: impl Iterator<Item = Located>,
    there: impl Iterator<Item = Located>,
) -> Vec<Located> {
    let mut all: Vec<Located> = here.collect();
    let names = all.iter().map(|one| one.listed.name.clone());
    let at: HashMap<BackupName, usize> = names.enumerate().map(|(at, name)| (name, at)).collect();
    for one in there {
        let copy = at.get(&one.listed.name).and_then(|at| all.get_mut(*at));
        match copy.filter(|copy| is_copy(&copy.listed, &one.listed)) {
            Some(copy) => {
                copy.regions.extend(one.regions);
                let certificate = copy.listed.certificate.take();
                copy.listed.certificate = certificate.or(one.listed.certificate);
            }
            None => all.push(one),
        }
    }
    all.sort_by_cached_key(|one| Reverse((one.listed.created(), one.listed.name.clone())));
    all
}

/// Whether two listed backups are intact, and the same.
fn is_copy(one: &Listed, other: &Listed) -> bool {
    match (&one.manifest, &other.manifest) {
        (Ok(one), Ok(other)) => same(one, other),
        _ => false,
    }
}
