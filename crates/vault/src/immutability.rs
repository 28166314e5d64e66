//! Trying out whether what was written can be taken away again, by those who wrote it.
//!
//! Whoever breaks into the machine that makes backups has its credentials. Backups outlive that
//! when the store refuses to overwrite and to delete for these credentials, or keeps what was
//! there as an older version. Nothing here asks the store what it would do: it is tried, on an
//! object made for it.

use bytes::Bytes;
use object_store::{GetOptions, ObjectStore as _, ObjectStoreExt as _, PutMode};
use uuid::Uuid;

use crate::leftovers::PROBE_PREFIX;
use crate::vault::{is_kept, object_path};
use crate::versions::Versions;
use crate::{Error, Vault};

/// What became of a try to take something away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// The store refused, and said why.
    Refused(String),
    /// It was done, and what was there can still be read as an older version.
    KeptAsVersion,
    /// It was done, and what was there is gone.
    Lost,
}

impl Attempt {
    /// Whether nothing was lost.
    pub fn is_harmless(&self) -> bool {
        *self != Self::Lost
    }
}

/// What the credentials of a vault can do to what they have written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Immutability {
    /// Writing something else in its place.
    pub overwrite: Attempt,
    /// Deleting it.
    pub delete: Attempt,
    /// Deleting the version of it that was kept, for good. `None` when the store keeps none, or is
    /// of a kind of which this cannot be tried.
    pub erase: Option<Attempt>,
    /// The object that the test had to leave behind. `prune` removes it, with credentials that may.
    pub left: Option<String>,
}

impl Immutability {
    /// Whether these credentials cannot take anything away.
    pub fn is_given(&self) -> bool {
        self.overwrite.is_harmless()
            && self.delete.is_harmless()
            && self.erase.as_ref().is_none_or(Attempt::is_harmless)
    }
}

impl Vault {
    /// Writes an object, and tries to overwrite and to delete it. What is kept of it as an older
    /// version is read again, and on S3 it is tried to delete that as well.
    ///
    /// # Errors
    /// When it cannot be written at all; when the store does not answer.
    pub async fn try_immutability(&self) -> Result<Immutability, Error> {
        let object = format!("{PROBE_PREFIX}{}", Uuid::new_v4());
        let path = object_path(&object);
        let content = Bytes::from(object.clone());
        let created =
            self.store().put_opts(&path, content.clone().into(), PutMode::Create.into()).await;
        let created = created.map_err(|e| self.explain("create", &object, &e))?;
        let version = created.version.as_deref().filter(|version| is_kept(version));

        let overwritten = self.store().put(&path, "overwritten".into()).await.map(|_| ());
        let overwrite = self.attempt("overwrite", &object, overwritten, &content, version).await?;
        let deleted = self.store().delete(&path).await;
        let delete = self.attempt("delete", &object, deleted, &content, version).await?;
        let erase = match (self.versions(), version) {
            (Some(versions), Some(version)) => {
                let answered = erase(versions, &object, version).await;
                let erased =
                    self.attempt("delete a version of", &object, answered, &content, Some(version));
                Some(erased.await?)
            }
            _ => None,
        };
        let left = self.head(&object).await?.map(|_| object);
        Ok(Immutability { overwrite, delete, erase, left })
    }

    /// What became of an attempt of which the store has `answered` so.
    async fn attempt(
        &self,
        action: &'static str,
        object: &str,
        answered: object_store::Result<()>,
        content: &Bytes,
        version: Option<&str>,
    ) -> Result<Attempt, Error> {
        if let Err(error) = answered {
            return match self.explain(action, object, &error) {
                error @ (Error::Unreachable { .. } | Error::VaultMissing { .. }) => Err(error),
                Error::Denied { reason, .. } | Error::Failed { reason, .. } => {
                    Ok(Attempt::Refused(reason))
                }
                error => Ok(Attempt::Refused(error.to_string())),
            };
        }
        let Some(version) = version else { return Ok(Attempt::Lost) };
        let options = GetOptions::new().with_version(Some(version));
        let found =
            async { self.store().get_opts(&object_path(object), options).await?.bytes().await };
        let found = self.unless_absent("read the older version of", object, found.await)?;
        Ok(if found.as_ref() == Some(content) { Attempt::KeptAsVersion } else { Attempt::Lost })
    }
}

/// Deletes a version; if it is locked, as somebody whom the lock may not bind. Of two refusals, the
/// first tells more.
async fn erase(versions: &Versions, object: &str, version: &str) -> object_store::Result<()> {
    let refused = match versions.delete(object, version, false).await {
        Ok(()) => return Ok(()),
        Err(refused) => refused,
    };
    versions.delete(object, version, true).await.map_err(|_| refused)
}
