//! What interrupted runs left behind: found, told, and removed when nobody can need it.
//!
//! Only what a claim (or another mark of ours) speaks for is ever deleted, and only when nothing of
//! it has changed for the whole grace time. A writer renews its claim every
//! [`CLAIM_RENEWAL`](crate::CLAIM_RENEWAL), so one that lives is left alone; and one that was
//! asleep for longer loses against the tombstone, never a backup that has a manifest.

use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use lifeboat_archive::BackupName;
use object_store::ObjectMeta;

use crate::catalog::{Group, is_foreign, sort_out};
use crate::claim::{Claim, MAX_TOMBSTONE, Tombstone};
use crate::error::translate::Place;
use crate::vault::{Created, MAX_MANIFEST, modified, object_name, parse_manifest};
use crate::{Damage, Error, Vault};

/// What the objects that a probe writes begin with.
pub(crate) const PROBE_PREFIX: &str = "lifeboat-probe-";

/// What a leftover is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LeftoverKind {
    /// A backup that was begun and never finished, or a removal that stopped half-way: a claim
    /// without a manifest, with what there is of its archive.
    Interrupted,
    /// A claim beside a finished backup: the last step of the backup is missing, nothing else.
    ClaimOfFinished,
    /// A discarding that stopped half-way.
    Discarding,
    /// A half-written file in a folder that no claim speaks for.
    HalfWritten,
    /// An object of a probe that stopped half-way.
    Probe,
}

/// Something an interrupted run left behind.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Leftover {
    /// What it is.
    pub kind: LeftoverKind,
    /// The backup it would have been.
    pub name: Option<BackupName>,
    /// The objects that go when it is removed.
    pub objects: Vec<String>,
    /// Their bytes in all.
    pub bytes: u64,
    /// How long nothing of it has changed.
    pub age: Duration,
    /// Who made it, for people; when it is known.
    pub holder: Option<String>,
    archive: Option<String>,
}

/// An object that nothing speaks for: reported, never deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unclaimed {
    /// Its name.
    pub object: String,
    /// Its bytes.
    pub bytes: u64,
    /// When it was last written.
    pub modified: Timestamp,
}

/// What lies in a vault besides its backups.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Leftovers {
    /// What may be removed: unchanged for the grace time.
    pub removable: Vec<Leftover>,
    /// What is of a run that may still be going on.
    pub recent: Vec<Leftover>,
    /// What nobody claims. Look at it and remove it by hand.
    pub unclaimed: Vec<Unclaimed>,
}

/// What was removed.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Removed {
    /// What is gone.
    pub removed: Vec<Leftover>,
    /// What turned out to be in use after all, and stayed.
    pub kept: Vec<Leftover>,
}

fn age(now: Timestamp, metas: &[&ObjectMeta]) -> Duration {
    metas
        .iter()
        .map(|meta| now.duration_since(modified(meta)).max(SignedDuration::ZERO))
        .min()
        .unwrap_or(SignedDuration::ZERO)
        .unsigned_abs()
}

fn leftover(kind: LeftoverKind, now: Timestamp, metas: &[&ObjectMeta]) -> Leftover {
    Leftover {
        kind,
        name: None,
        objects: metas.iter().map(|meta| object_name(meta).to_owned()).collect(),
        bytes: metas.iter().map(|meta| meta.size).sum(),
        age: age(now, metas),
        holder: None,
        archive: None,
    }
}

impl Vault {
    /// Finds what interrupted runs left behind. Changes nothing.
    ///
    /// `grace` is how long a thing must have been unchanged to count as abandoned: hours, and
    /// never less than several times [`CLAIM_RENEWAL`](crate::CLAIM_RENEWAL). A shorter one
    /// breaks a running backup (which then fails, and says so), never a finished one.
    ///
    /// Parts of an upload that was never completed are invisible here. Azure drops them by itself
    /// after a week; on S3 and Google Cloud a lifecycle rule that aborts incomplete multipart
    /// uploads does it.
    ///
    /// # Errors
    /// Those of listing and reading.
    pub async fn leftovers(&self, grace: Duration) -> Result<Leftovers, Error> {
        self.leftovers_at(grace, Timestamp::now()).await
    }

    async fn leftovers_at(&self, grace: Duration, now: Timestamp) -> Result<Leftovers, Error> {
        let sorted = sort_out(self.objects().await?);
        let mut found = Vec::new();
        let mut unclaimed: Vec<ObjectMeta> = Vec::new();
        for meta in sorted.foreign {
            if object_name(&meta).starts_with(PROBE_PREFIX) {
                found.push(leftover(LeftoverKind::Probe, now, &[&meta]));
            } else {
                unclaimed.push(meta);
            }
        }
        let mut groups = stream::iter(sorted.groups)
            .map(async |(name, group)| {
                let mut unclaimed = Vec::new();
                let found = self.of_group(&name, group, now, &mut unclaimed).await?;
                Ok::<_, Error>((found, unclaimed))
            })
            .buffer_unordered(16);
        while let Some((more, nobodys)) = groups.try_next().await? {
            found.extend(more);
            unclaimed.extend(nobodys);
        }
        found.sort_by(|a, b| a.objects.cmp(&b.objects));
        unclaimed.sort_by(|a, b| a.location.cmp(&b.location));
        let (removable, recent) = found.into_iter().partition(|one| one.age >= grace);
        let unclaimed = unclaimed
            .iter()
            .map(|meta| Unclaimed {
                object: object_name(meta).to_owned(),
                bytes: meta.size,
                modified: modified(meta),
            })
            .collect();
        Ok(Leftovers { removable, recent, unclaimed })
    }

    /// What one name has to offer. What nothing speaks for is added to `unclaimed`.
    async fn of_group(
        &self,
        name: &BackupName,
        group: Group,
        now: Timestamp,
        unclaimed: &mut Vec<ObjectMeta>,
    ) -> Result<Vec<Leftover>, Error> {
        let Group { manifest, claim: claim_meta, archives, beside, staged } = &group;
        let claim = match claim_meta {
            Some(_) => self.read_claim(name).await?,
            None => None,
        };
        // A manifest beside its archive alone, as almost all are, need not be read.
        let plain = claim_meta.is_none() && staged.is_empty() && archives.len() == 1;
        let mut tombstone = None;
        if let Some(meta) = manifest
            && (!plain || meta.size <= MAX_TOMBSTONE)
        {
            match self.get_small(object_name(meta), MAX_MANIFEST).await? {
                Some(Ok(bytes)) => {
                    tombstone = self.tombstone(&bytes, name).await?;
                    if let Err(Damage::Manifest(error)) = parse_manifest(&bytes, name)
                        && tombstone.is_none()
                        && is_foreign(name, &group, &error)
                    {
                        unclaimed.push(meta.clone());
                        return Ok(Vec::new());
                    }
                }
                Some(Err(_)) => {}
                // It has just been removed: next time all will be clear.
                None => return Ok(Vec::new()),
            }
        }
        let holder = claim.as_ref().map(Claim::holder);
        let with = |kind, metas: &[&ObjectMeta], archive: Option<&String>| Leftover {
            name: Some(name.clone()),
            holder: holder.clone(),
            archive: archive.cloned(),
            ..leftover(kind, now, metas)
        };
        let staged: Vec<&ObjectMeta> = staged.iter().collect();
        let mut found = Vec::new();
        let dead = tombstone.as_ref().map(|t| &t.archive);
        let spoken_for = match (&dead, &claim, manifest) {
            (Some(archive), ..) => Some((*archive, LeftoverKind::Discarding)),
            (None, Some(claim), None) => Some((&claim.archive, LeftoverKind::Interrupted)),
            _ => None,
        };
        if let Some((archive, kind)) = spoken_for {
            let (ours, others): (Vec<_>, Vec<_>) =
                archives.iter().partition(|m| object_name(m) == archive);
            let mut metas = staged;
            metas.extend(ours);
            metas.extend(beside.iter().map(|(_, meta)| meta));
            metas.extend(claim_meta);
            metas.extend(manifest);
            unclaimed.extend(others.into_iter().cloned());
            found.push(with(kind, &metas, Some(archive)));
            return Ok(found);
        }
        if manifest.is_some() {
            if let (Some(meta), Some(_)) = (claim_meta, &claim) {
                found.push(with(LeftoverKind::ClaimOfFinished, &[meta], None));
            }
        } else {
            unclaimed.extend(archives.iter().cloned());
            unclaimed.extend(beside.iter().map(|(_, meta)| meta.clone()));
        }
        // Nobody can tell what a claim means that does not parse.
        if claim.is_none() {
            unclaimed.extend(claim_meta.clone());
        }
        if !staged.is_empty() {
            found.push(with(LeftoverKind::HalfWritten, &staged, None));
        }
        Ok(found)
    }

    /// Removes what [`leftovers`](Self::leftovers) calls removable, after a look with the store's
    /// own clock. Safe beside running backups and other removals, and to interrupt at any moment.
    ///
    /// # Errors
    /// Those of listing, reading and deleting; the same call goes on where it stopped.
    pub async fn remove_leftovers(&self, grace: Duration) -> Result<Removed, Error> {
        let mut found = self.leftovers(grace).await?;
        let mut removed = Removed::default();
        if found.removable.is_empty() {
            return Ok(removed);
        }
        // A clock of ours that is ahead would take a living backup for an old one.
        let now = self.store_time().await?.min(Timestamp::now());
        found = self.leftovers_at(grace, now).await?;
        for one in found.removable {
            if self.remove_leftover(&one).await? {
                removed.removed.push(one);
            } else {
                removed.kept.push(one);
            }
        }
        Ok(removed)
    }

    /// What time the store has. Finding out writes an object, and deletes it.
    ///
    /// # Errors
    /// Those of writing.
    pub async fn store_time(&self) -> Result<Timestamp, Error> {
        if matches!(self.place(), Place::Folder(_) | Place::Memory) {
            return Ok(Timestamp::now());
        }
        self.time_of_writing().await
    }

    /// Whether it was removed; else it is in use after all.
    async fn remove_leftover(&self, one: &Leftover) -> Result<bool, Error> {
        match (one.kind, &one.name, &one.archive) {
            (LeftoverKind::Interrupted, Some(name), Some(archive)) => {
                // Half-written files first: they can never become part of a backup, and on a full
                // disk they give back the room that the tombstone takes.
                self.delete_staged(one).await?;
                let tombstone = Tombstone::new(name, archive).to_bytes();
                let manifest = name.manifest_file();
                match self.create(&manifest, &tombstone).await? {
                    Created::Ours => {}
                    Created::Theirs(Some(bytes)) if Tombstone::parse(&bytes, name).is_some() => {}
                    Created::Theirs(_) => return Ok(false),
                }
                self.delete_dead(name, archive).await?;
            }
            (LeftoverKind::Discarding, Some(name), Some(archive)) => {
                self.delete_staged(one).await?;
                self.delete_dead(name, archive).await?;
            }
            _ => {
                for object in &one.objects {
                    self.delete(object).await?;
                }
            }
        }
        Ok(true)
    }

    async fn delete_staged(&self, one: &Leftover) -> Result<(), Error> {
        for object in one.objects.iter().filter(|object| object.contains('#')) {
            self.delete(object).await?;
        }
        Ok(())
    }

    /// Deletes what stands under a tombstone; the signature first, without which the tombstone
    /// counts, and the tombstone last.
    async fn delete_dead(&self, name: &BackupName, archive: &str) -> Result<(), Error> {
        self.delete_beside(name).await?;
        self.delete(archive).await?;
        self.delete(&name.claim_file()).await?;
        self.delete(&name.manifest_file()).await?;
        Ok(())
    }
}
