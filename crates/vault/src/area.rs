//! What lies in a vault besides backups: objects under a prefix, such as log segments and leases.
//!
//! Backups lie flat, at the root, and no call here can reach them; what an [`Area`] holds lies
//! below its prefix, and no listing of backups sees it. The calls are those that every store has:
//! create-if-absent, read, read a range, list, delete, and a write that succeeds only over the
//! version that was read ([`Area::replace`]), on which [`Lease`](crate::Lease) stands.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use object_store::{
    Error as StoreError, GetOptions, ObjectMeta, ObjectStore as _, PutMode, UpdateVersion,
};

use crate::catalog::unstaged;
use crate::vault::{Created, gather, in_time, modified, object_name, object_path, short};
use crate::{Error, Vault};

/// A version of an object, as its store tells versions apart.
#[derive(Clone)]
pub struct Version {
    e_tag: Option<String>,
    version: Option<String>,
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        // A listing of S3 tells tags alone, and one of Azure leaves their quotes away.
        let bare = |tag: &Option<String>| tag.as_ref().map(|tag| tag.trim_matches('"').to_owned());
        match (&self.version, &other.version) {
            (Some(one), Some(other)) => one == other,
            _ => bare(&self.e_tag) == bare(&other.e_tag),
        }
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tag = self.version.as_ref().or(self.e_tag.as_ref());
        f.debug_tuple("Version").field(&tag).finish()
    }
}

impl Version {
    fn of(meta: &ObjectMeta) -> Self {
        Self { e_tag: meta.e_tag.clone(), version: meta.version.clone() }
    }
}

/// An object of an area.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Object {
    /// Its key, without the area's prefix.
    pub key: String,
    /// Its bytes.
    pub size: u64,
    /// When it was last written, by the store's clock.
    pub modified: Timestamp,
    /// Which version of it this is.
    pub version: Version,
}

/// The objects of a vault under one prefix. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Area {
    vault: Vault,
    prefix: String,
}

/// Whether something may be the key of an object: plain components, none hidden, joined by `/`.
fn is_key(key: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    key.len() <= 512
        && key
            .split('/')
            .all(|part| !part.is_empty() && !part.starts_with('.') && part.bytes().all(plain))
}

impl Vault {
    /// The objects under `prefix`, which is a key: ASCII letters, digits, `-`, `_`, `.` and, between
    /// components, `/`.
    ///
    /// # Errors
    /// [`Error::Misuse`] when it is none.
    pub fn area(&self, prefix: &str) -> Result<Area, Error> {
        if !is_key(prefix) {
            return Err(Error::Misuse(format!("{prefix:?} cannot be a prefix of objects")));
        }
        Ok(Area { vault: self.clone(), prefix: prefix.to_owned() })
    }
}

impl Area {
    /// The vault it is in.
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// The whole name of an object: the prefix, `/`, the key.
    fn object(&self, key: &str) -> Result<String, Error> {
        if is_key(key) {
            Ok(format!("{}/{key}", self.prefix))
        } else {
            Err(Error::Misuse(format!("{key:?} cannot be the key of an object")))
        }
    }

    /// Writes an object unless there is one; whether it is there now with these bytes. A repeat of
    /// the same call succeeds.
    ///
    /// # Errors
    /// Those of writing.
    pub async fn create(&self, key: &str, bytes: &Bytes) -> Result<bool, Error> {
        let created = self.vault.create(&self.object(key)?, bytes).await?;
        Ok(matches!(created, Created::Ours))
    }

    /// The whole of an object of at most `limit` bytes, and its version; `None` when it is not
    /// there.
    ///
    /// # Errors
    /// [`Error::Misuse`] when it is larger; those of reading.
    pub async fn read(&self, key: &str, limit: u64) -> Result<Option<(Bytes, Version)>, Error> {
        let object = self.object(key)?;
        let read = async || {
            let result = async {
                let path = object_path(&object);
                let found = self.vault.store().get_opts(&path, GetOptions::new()).await?;
                let (size, version) = (found.meta.size, Version::of(&found.meta));
                if size > limit {
                    return Ok(Err(size));
                }
                let bytes = found.bytes().await?;
                if bytes.len() as u64 != size {
                    return Err(short(bytes.len() as u64, size));
                }
                Ok(Ok((bytes, version)))
            };
            self.vault.unless_absent("read", &object, result.await)
        };
        match self.vault.retry().run(read).await? {
            None => Ok(None),
            Some(Ok(found)) => Ok(Some(found)),
            Some(Err(size)) => Err(Error::Misuse(format!(
                "{object} in {} has {size} bytes, more than the {limit} that it may have",
                self.vault
            ))),
        }
    }

    /// The bytes of a range of an object: all of them. `None` when the object is not there.
    ///
    /// # Errors
    /// Those of reading; so when the object is shorter.
    pub async fn read_range(&self, key: &str, range: Range<u64>) -> Result<Option<Bytes>, Error> {
        let object = self.object(key)?;
        let expected = range.end.saturating_sub(range.start);
        if expected == 0 {
            return Ok(Some(Bytes::new()));
        }
        let read = async || {
            let result = async {
                let options = GetOptions::new().with_range(Some(range.clone()));
                let found = self.vault.store().get_opts(&object_path(&object), options).await?;
                let bytes = gather(found, expected).await?;
                if bytes.len() as u64 == expected {
                    Ok(bytes)
                } else {
                    Err(short(bytes.len() as u64, expected))
                }
            };
            self.vault.unless_absent("read", &object, result.await)
        };
        self.vault.retry().run(read).await
    }

    /// What is known of an object; `None` when it is not there.
    ///
    /// # Errors
    /// Those of reading.
    pub async fn head(&self, key: &str) -> Result<Option<Object>, Error> {
        let found = self.vault.head(&self.object(key)?).await?;
        Ok(found.and_then(|meta| self.describe(&meta)))
    }

    /// All objects whose keys begin with the components of `below`, sorted by key; with `None` all
    /// objects of the area. An area that nothing was ever written to is empty.
    ///
    /// # Errors
    /// [`Error::VaultMissing`], and those of listing.
    pub async fn list(&self, below: Option<&str>) -> Result<Vec<Object>, Error> {
        let prefix = match below {
            Some(below) => self.object(below)?,
            None => self.prefix.clone(),
        };
        let found = self.vault.objects_below(&prefix).await?;
        let mut objects: Vec<_> = found.iter().filter_map(|meta| self.describe(meta)).collect();
        objects.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(objects)
    }

    /// Writes over the version of an object that was read. `None` when the object is another
    /// meanwhile, or gone: then nothing was written.
    ///
    /// An answer that got lost leaves open who wrote, so the object is read back: bytes must be
    /// such as no one else writes.
    ///
    /// # Errors
    /// Those of writing.
    pub async fn replace(
        &self,
        key: &str,
        bytes: &Bytes,
        over: &Version,
    ) -> Result<Option<Version>, Error> {
        self.vault.retry().run(async || self.replace_once(key, bytes, over).await).await
    }

    async fn replace_once(
        &self,
        key: &str,
        bytes: &Bytes,
        over: &Version,
    ) -> Result<Option<Version>, Error> {
        let object = self.object(key)?;
        let path = object_path(&object);
        let mode = PutMode::Update(UpdateVersion {
            e_tag: over.e_tag.clone(),
            version: over.version.clone(),
        });
        let put = self.vault.store().put_opts(&path, bytes.clone().into(), mode.into());
        let error = match in_time(put).await {
            Ok(put) => return Ok(Some(Version { e_tag: put.e_tag, version: put.version })),
            Err(error) => error,
        };
        let lost = matches!(
            error,
            StoreError::Precondition { .. }
                | StoreError::AlreadyExists { .. }
                | StoreError::NotFound { .. }
        );
        let error = self.vault.explain("replace", &object, &error);
        if !lost && !error.is_retryable() {
            return Err(error);
        }
        match self.read(key, bytes.len() as u64 + (1 << 20)).await {
            Ok(Some((found, version))) if found == *bytes => Ok(Some(version)),
            Ok(_) if lost => Ok(None),
            Ok(Some((_, version))) if version != *over => Ok(None),
            Err(missing @ Error::VaultMissing { .. }) => Err(missing),
            _ => Err(error),
        }
    }

    /// Deletes an object; whether it was there. (A store that does not tell says it was.)
    ///
    /// # Errors
    /// Those of deleting.
    pub async fn delete(&self, key: &str) -> Result<bool, Error> {
        self.vault.delete(&self.object(key)?).await
    }

    /// Removes the half-written files that killed processes left in a folder, when they have not
    /// changed for `grace`, by the store's clock. How many.
    ///
    /// # Errors
    /// Those of listing and deleting.
    pub async fn remove_half_written(&self, grace: Duration) -> Result<usize, Error> {
        let half: Vec<_> = self.vault.objects_below(&self.prefix).await?;
        let half: Vec<_> =
            half.into_iter().filter(|meta| unstaged(object_name(meta)).is_some()).collect();
        if half.is_empty() {
            return Ok(0);
        }
        let now = self.vault.time_of_writing().await?;
        let grace = SignedDuration::try_from(grace).unwrap_or(SignedDuration::MAX);
        let mut removed = 0;
        for meta in half {
            if now.duration_since(modified(&meta)) >= grace {
                removed += usize::from(self.vault.delete(object_name(&meta)).await?);
            }
        }
        Ok(removed)
    }

    /// `None` for what is not an object of this area: a file that is half written, or hidden.
    fn describe(&self, meta: &ObjectMeta) -> Option<Object> {
        let key = object_name(meta).strip_prefix(&self.prefix)?.strip_prefix('/')?;
        is_key(key).then(|| Object {
            key: key.to_owned(),
            size: meta.size,
            modified: modified(meta),
            version: Version::of(meta),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_plain() {
        for key in ["a", "a/b-c_d.e/0", "UPPER/x.json"] {
            assert!(is_key(key), "{key}");
        }
        for key in ["", "/", "/a", "a/", "a//b", "..", "a/../b", ".lock", "a/.b", "a b", "a#1", "ä"]
        {
            assert!(!is_key(key), "{key}");
        }
    }
}
