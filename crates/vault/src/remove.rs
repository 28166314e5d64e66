//! Removing a backup.
//!
//! The intent is written down first, as a claim, so that a removal that stops half-way is found and
//! finished. Then the manifest goes, and with it the backup; then the archive and what lay beside it;
//! last the claim.

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use lifeboat_archive::{BackupName, FileKind};

use crate::claim::{Claim, Purpose};
use crate::vault::{Created, MAX_MANIFEST, modified, parse_manifest};
use crate::{Error, Vault};

/// A removal takes seconds. One that has not got on for this long never will, even when clocks
/// differ.
const ABANDONED: SignedDuration = SignedDuration::from_hours(1);

impl Vault {
    /// Removes a backup, also a damaged one, also what an earlier removal left of it.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is nothing to remove, also while a backup of that name is
    /// still being made; those of deleting, after which the same call goes on where it stopped.
    pub async fn remove(&self, name: &BackupName) -> Result<(), Error> {
        let manifest_file = name.manifest_file();
        let claim_file = name.claim_file();
        let manifest = match self.get_small(&manifest_file, MAX_MANIFEST).await? {
            Some(Ok(bytes)) if self.tombstone(&bytes, name).await?.is_some() => {
                return Err(self.not_found(name));
            }
            // One that is too large is damaged as well as any.
            Some(found) => Some(found.unwrap_or_default()),
            None => None,
        };
        let archives = match &manifest {
            Some(bytes) => archives_of(name, bytes),
            None => match self.read_claim(name).await? {
                Some(claim) if claim.purpose == Purpose::Remove => vec![claim.archive],
                _ => return Err(self.not_found(name)),
            },
        };
        if manifest.is_some()
            && let Some(first) = archives.first()
        {
            let claim = Claim::new(name, first, Purpose::Remove).to_bytes();
            match self.create(&claim_file, &claim).await {
                // One that is there already says as much as ours: nothing is made under a name
                // that has a manifest.
                Ok(Created::Ours | Created::Theirs(_)) => {}
                Err(error @ (Error::Unreachable { .. } | Error::VaultMissing { .. })) => {
                    return Err(error);
                }
                // On a full disk, or with the right to delete alone, it must do without.
                Err(error) => tracing::debug!(%error, "removing without a claim"),
            }
            self.delete(&manifest_file).await?;
        }
        for archive in archives {
            self.delete(&archive).await?;
        }
        self.delete_beside(name).await?;
        self.delete(&claim_file).await?;
        Ok(())
    }

    /// Whether a claim is that of a removal which stopped half-way, so long ago that nobody is at it
    /// any more.
    pub(crate) async fn is_abandoned_removal(&self, claim: &Claim) -> Result<bool, Error> {
        if claim.purpose != Purpose::Remove {
            return Ok(false);
        }
        let meta = self.head(&claim.name.claim_file()).await?;
        Ok(meta.is_none_or(|meta| modified(&meta) + ABANDONED < Timestamp::now()))
    }

    /// The claim of a name, when it has one that can be understood.
    pub(crate) async fn read_claim(&self, name: &BackupName) -> Result<Option<Claim>, Error> {
        let bytes = self.get_small(&name.claim_file(), 1 << 20).await?.and_then(Result::ok);
        Ok(bytes.and_then(|bytes| Claim::parse(&bytes, name)))
    }
}

/// The archive that goes with a manifest; when it does not say, every one of that name.
fn archives_of(name: &BackupName, manifest: &Bytes) -> Vec<String> {
    match parse_manifest(manifest, name) {
        Ok(manifest) => vec![manifest.archive.file],
        Err(_) => FileKind::ALL
            .into_iter()
            .filter(|kind| kind.is_archive())
            .map(|kind| name.file_name(kind))
            .collect(),
    }
}
