//! The list of backups: one listing of the store, then every manifest, many at a time.
//!
//! Nothing that lies in a vault can make its list fail. A backup that is not what it should be is
//! listed with what is wrong with it, and what is no backup is passed over.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use lifeboat_archive::{BackupName, Digest, FileKind, Manifest, ManifestError};
use object_store::ObjectMeta;

use crate::error::translate::Place;
use crate::vault::{MAX_MANIFEST, modified, object_name, parse_manifest};
use crate::{Certified, Damage, Error, Vault};

/// A backup in the list.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Listed {
    /// Its name.
    pub name: BackupName,
    /// Bytes of the archive that is there; 0 when there is none.
    pub size: u64,
    /// When the manifest was stored, by the store's clock.
    pub modified: Timestamp,
    /// What the store calls this version of the manifest: the same tag, the same bytes.
    pub etag: Option<String>,
    /// What else belongs to the backup: signature, certificate, mark.
    pub beside: Vec<Beside>,
    /// What its certificate is worth, when it has one.
    pub certificate: Option<Certified>,
    /// The manifest, or what is wrong with the backup.
    pub manifest: Result<Arc<Manifest>, Damage>,
}

/// A file beside a backup, as the listing of the store tells of it. Its content has not been read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Beside {
    /// Which it is.
    pub kind: FileKind,
    /// Its bytes.
    pub size: u64,
    /// When it was stored, by the store's clock.
    pub modified: Timestamp,
    /// What the store calls this version of it: the same tag, the same bytes.
    pub etag: Option<String>,
}

impl Listed {
    /// When the backup was begun: as its manifest says, else its name, else when it was stored.
    pub fn created(&self) -> Timestamp {
        match &self.manifest {
            Ok(manifest) => manifest.created,
            Err(_) => self.name.timestamp().unwrap_or(self.modified),
        }
    }

    /// The file of this kind beside the backup, when there is one.
    pub fn beside(&self, kind: FileKind) -> Option<&Beside> {
        self.beside.iter().find(|one| one.kind == kind)
    }

    /// Whether manifest and archive are there and fit together. Says nothing of the archive's
    /// content: that takes a verification.
    pub fn is_intact(&self) -> bool {
        self.manifest.is_ok()
    }
}

/// The objects of one name.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(crate) manifest: Option<ObjectMeta>,
    pub(crate) claim: Option<ObjectMeta>,
    /// Encrypted or not; more than one when something is amiss.
    pub(crate) archives: Vec<ObjectMeta>,
    /// Signature, certificate, mark.
    pub(crate) beside: Vec<(FileKind, ObjectMeta)>,
    /// Half-written files of a folder, `NAME.tar.zst#1`.
    pub(crate) staged: Vec<ObjectMeta>,
}

/// The bytes of a manifest, and what they say.
type Parsed = (Bytes, Result<Manifest, Damage>);

/// A listing, sorted out.
#[derive(Debug, Default)]
pub(crate) struct Sorted {
    pub(crate) groups: HashMap<BackupName, Group>,
    /// What belongs to no backup.
    pub(crate) foreign: Vec<ObjectMeta>,
}

/// Without the mark of a half-written file.
pub(crate) fn unstaged(name: &str) -> Option<&str> {
    let (file, number) = name.rsplit_once('#')?;
    (!number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())).then_some(file)
}

pub(crate) fn sort_out(objects: Vec<ObjectMeta>) -> Sorted {
    let mut sorted = Sorted::default();
    for meta in objects {
        let name = object_name(&meta);
        let staged = unstaged(name);
        let Some((name, kind)) = BackupName::from_file_name(staged.unwrap_or(name)) else {
            sorted.foreign.push(meta);
            continue;
        };
        let group = sorted.groups.entry(name).or_default();
        match kind {
            _ if staged.is_some() => group.staged.push(meta),
            FileKind::Manifest => group.manifest = Some(meta),
            FileKind::Claim => group.claim = Some(meta),
            kind if kind.is_archive() => group.archives.push(meta),
            kind => group.beside.push((kind, meta)),
        }
    }
    sorted
}

impl Vault {
    /// All backups, the newest first.
    ///
    /// # Errors
    /// [`Error::VaultMissing`], and those of listing; also when the store stops answering while
    /// manifests are read, since then nothing is known about the backups.
    pub async fn list(&self) -> Result<Vec<Listed>, Error> {
        let sorted = sort_out(self.objects().await?);
        let parallel = match self.place() {
            Place::Folder(_) | Place::Memory => 8,
            _ => 32,
        };
        let with_manifest = sorted.groups.into_iter().filter(|(_, group)| group.manifest.is_some());
        let listed = stream::iter(with_manifest)
            .map(|(name, group)| self.list_one(name, group))
            .buffer_unordered(parallel)
            .try_filter_map(async |listed| Ok(listed));
        let mut listed: Vec<Listed> = listed.try_collect().await?;
        self.trim_cache().await;
        listed.sort_by_cached_key(|one| Reverse((one.created(), one.name.clone())));
        Ok(listed)
    }

    /// The manifest of a listing, with its bytes: those that were kept on this machine under the same
    /// tag, when they are good, else those of the store. Its size, when it is too large to be one.
    async fn listed_manifest(
        &self,
        name: &BackupName,
        meta: &ObjectMeta,
    ) -> Result<Option<Result<Parsed, u64>>, Error> {
        if let Some(bytes) = self.kept(meta).await
            && let Ok(manifest) = parse_manifest(&bytes, name)
        {
            return Ok(Some(Ok((bytes, Ok(manifest)))));
        }
        let found = self.get_small_known(object_name(meta), MAX_MANIFEST).await?;
        let Some(Ok((read, bytes))) = found else {
            return Ok(found.map(|found| Err(found.err().unwrap_or_default())));
        };
        let manifest = parse_manifest(&bytes, name);
        if manifest.is_ok() {
            self.keep(meta, &read, &bytes).await;
        }
        Ok(Some(Ok((bytes, manifest))))
    }

    async fn list_one(&self, name: BackupName, group: Group) -> Result<Option<Listed>, Error> {
        let Some(meta) = &group.manifest else { return Ok(None) };
        let mut size = group.archives.iter().map(|meta| meta.size).max().unwrap_or(0);
        let (mut digest, mut bytes) = (None, None);
        let manifest = match Box::pin(self.listed_manifest(&name, meta)).await {
            // Removed since the listing, or never really there.
            Ok(None) => return Ok(None),
            Ok(Some(Err(size))) => Err(Damage::TooLarge(size)),
            Ok(Some(Ok((found, manifest)))) => {
                if self.tombstone(&found, &name).await?.is_some() {
                    return Ok(None);
                }
                digest = Some(Digest::of(&found));
                bytes = Some(found);
                manifest
            }
            Err(error @ (Error::Unreachable { .. } | Error::VaultMissing { .. })) => {
                return Err(error);
            }
            Err(error) => Err(Damage::Unreadable(error.to_string())),
        };
        if let Err(Damage::Manifest(error)) = &manifest
            && is_foreign(&name, &group, error)
        {
            return Ok(None);
        }
        let manifest = match (manifest, bytes) {
            (Ok(manifest), Some(bytes)) => self
                .check_signature(&name, FileKind::Signature, &bytes)
                .await?
                .map(|()| manifest)
                .map_err(Damage::Signature),
            (manifest, _) => manifest,
        };
        let manifest = manifest.and_then(|manifest| {
            let file = manifest.archive.file.clone();
            let expected = manifest.archive.stored_size();
            match group.archives.iter().find(|meta| object_name(meta) == file) {
                None => Err(Damage::ArchiveMissing(file)),
                Some(meta) if meta.size != expected => {
                    Err(Damage::ArchiveSize { file, expected, found: meta.size })
                }
                Some(meta) => {
                    size = meta.size;
                    Ok(Arc::new(manifest))
                }
            }
        });
        let beside = group.beside.iter().map(|(kind, meta)| Beside {
            kind: *kind,
            size: meta.size,
            modified: modified(meta),
            etag: meta.e_tag.clone(),
        });
        let certified = group.beside.iter().any(|(kind, _)| *kind == FileKind::Certificate);
        let certificate = match digest.filter(|_| certified) {
            Some(digest) => self.certificate_of(&name, digest).await?,
            None => None,
        };
        Ok(Some(Listed {
            name,
            size,
            modified: modified(meta),
            etag: meta.e_tag.clone(),
            beside: beside.collect(),
            certificate,
            manifest,
        }))
    }
}

/// Whether a file that is called a manifest is one of somebody else's: it is no manifest in the
/// least, has a name that we give to nothing, and no archive beside it.
pub(crate) fn is_foreign(name: &BackupName, group: &Group, error: &ManifestError) -> bool {
    matches!(error, ManifestError::NotManifest { .. })
        && name.kind().is_none()
        && group.archives.is_empty()
        && group.claim.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_half_written_files() {
        assert_eq!(unstaged("a.tar.gz#1"), Some("a.tar.gz"));
        assert_eq!(unstaged("a.tar.gz#12"), Some("a.tar.gz"));
        for name in ["a.tar.gz", "a#", "a#x", "a#1x"] {
            assert_eq!(unstaged(name), None, "{name}");
        }
    }
}
