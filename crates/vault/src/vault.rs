//! A vault: a store that holds backups, and the few things done to its objects.
//!
//! Everything above works through the calls here, so that errors are explained, calls repeated and
//! answers of doubtful meaning ("did my write arrive?") settled in one place.

use std::fmt;
use std::path::Path as FsPath;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt as _;
use jiff::Timestamp;
use lifeboat_archive::{BackupName, FileKind, Manifest};
use object_store::path::Path;
use object_store::{GetResult, ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMode, PutPayload};
use uuid::Uuid;

use crate::cache::Cache;
use crate::claim::Tombstone;
use crate::error::Translator;
use crate::error::translate::Place;
use crate::folder::FolderStore;
use crate::leftovers::PROBE_PREFIX;
use crate::open::{Opened, VaultConfig, open};
use crate::versions::Versions;
use crate::{Damage, Error, Keys, Retry, SignatureProblem};

/// The most bytes of a manifest that are read: those of a backup of some 10 TB.
pub(crate) const MAX_MANIFEST: u64 = 256 << 20;

/// A place that holds backups. Cheap to clone.
#[derive(Clone)]
pub struct Vault {
    inner: Arc<Inner>,
}

#[derive(Clone)]
struct Inner {
    store: Arc<dyn ObjectStore>,
    translator: Translator,
    retry: Retry,
    keys: Keys,
    cache: Option<Cache>,
    versions: Option<Versions>,
}

// A store's own `Debug` may print its keys.
impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Vault").field(&self.inner.translator.vault).finish()
    }
}

impl fmt::Display for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.translator.vault)
    }
}

/// What became of a create-if-absent.
pub(crate) enum Created {
    /// It is there, and it is ours.
    Ours,
    /// Something else was there; its bytes, unless they have gone meanwhile.
    Theirs(Option<Bytes>),
}

/// When an object was last written, by the store's clock.
pub(crate) fn modified(meta: &ObjectMeta) -> Timestamp {
    let time = meta.last_modified;
    Timestamp::new(time.timestamp(), time.timestamp_subsec_nanos().cast_signed())
        .unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The name of an object in a listing.
pub(crate) fn object_name(meta: &ObjectMeta) -> &str {
    meta.location.as_ref()
}

impl Vault {
    /// Opens a vault: finds credentials and prepares a client. Nothing is asked of the store yet;
    /// [`check`](Self::check) does that.
    ///
    /// # Errors
    /// [`Error::Setup`] when there are no usable credentials or an option is wrong.
    pub fn open(config: &VaultConfig) -> Result<Self, Error> {
        Self::open_with(config, &|name| std::env::var(name).ok())
    }

    /// Opens a vault with variables other than the process's.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(
        config: &VaultConfig,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        let Opened { store, translator, versions } = open(config, env)?;
        let (retry, keys) = (config.retry, config.keys.clone());
        // What lies on this machine is read as fast as a copy of it.
        let near = matches!(translator.place, Place::Folder(_) | Place::Memory);
        let folder = config.cache.as_ref().filter(|_| !near);
        let place = format!("{} {}", translator.vault, config.endpoint.as_deref().unwrap_or(""));
        let cache = folder.map(|folder| Cache::new(folder, &place));
        Ok(Self { inner: Arc::new(Inner { store, translator, retry, keys, cache, versions }) })
    }

    /// The same vault with something put between it and its store: a limit, a log, a fault.
    #[must_use]
    pub fn wrap(&self, wrapper: impl FnOnce(Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore>) -> Self {
        let store = wrapper(Arc::clone(&self.inner.store));
        Self { inner: Arc::new(Inner { store, ..(*self.inner).clone() }) }
    }

    /// The same vault with other keys.
    #[must_use]
    pub fn with_keys(&self, keys: Keys) -> Self {
        Self { inner: Arc::new(Inner { keys, ..(*self.inner).clone() }) }
    }

    /// What encrypts, opens, signs and is believed here.
    pub fn keys(&self) -> &Keys {
        &self.inner.keys
    }

    /// The folder, when the vault is one.
    pub fn folder(&self) -> Option<&FsPath> {
        match &self.inner.translator.place {
            Place::Folder(path) => Some(path),
            _ => None,
        }
    }

    /// Whether the vault answers, exists, and lets us list it. Writes nothing: see
    /// [`probe`](Self::probe).
    ///
    /// # Errors
    /// [`Error::VaultMissing`], [`Error::Denied`], [`Error::Unreachable`].
    pub async fn check(&self) -> Result<(), Error> {
        // In a network, a place where nothing ever lies tells as much, and sends no long list.
        let nothing = Path::from("lifeboat-checks");
        let below = match self.place() {
            Place::Folder(_) | Place::Memory => None,
            _ => Some(&nothing),
        };
        let first = async || {
            let first = self.store().list(below).try_next().await;
            first.map_err(|e| self.explain("list", "", &e))
        };
        self.listing().run(first).await.map(|_| ())
    }

    /// Makes the folder of a vault when it is missing. Containers and buckets are left to those
    /// who pay for them.
    ///
    /// # Errors
    /// When it cannot be made.
    pub async fn ensure(&self) -> Result<(), Error> {
        let Some(folder) = self.folder().map(FsPath::to_owned) else { return Ok(()) };
        let made = tokio::task::spawn_blocking(move || FolderStore::create(&folder)).await;
        let made = made.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        made.map_err(|error| {
            let error = object_store::Error::Generic { store: "Folder", source: Box::new(error) };
            self.explain("create", "the folder", &error)
        })
    }

    /// The manifest of a backup, checked against its own digest and its name.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Damaged`], or those of reading.
    pub async fn manifest(&self, name: &BackupName) -> Result<Manifest, Error> {
        self.read_manifest(name).await.map(|(manifest, _)| manifest)
    }

    /// The manifest of a backup together with its bytes as they are stored, for a copy that is
    /// the same to the byte.
    ///
    /// # Errors
    /// As [`manifest`](Self::manifest).
    pub async fn read_manifest(&self, name: &BackupName) -> Result<(Manifest, Bytes), Error> {
        let file = name.manifest_file();
        let Some(bytes) = self.get_small(&file, MAX_MANIFEST).await? else {
            return Err(self.not_found(name));
        };
        let bytes = bytes.map_err(|size| self.damaged(name, Damage::TooLarge(size)))?;
        if self.tombstone(&bytes, name).await?.is_some() {
            return Err(self.not_found(name));
        }
        let manifest = parse_manifest(&bytes, name).map_err(|damage| self.damaged(name, damage))?;
        self.check_signature(name, FileKind::Signature, &bytes)
            .await?
            .map_err(|problem| self.damaged(name, Damage::Signature(problem)))?;
        Ok((manifest, bytes))
    }

    /// The tombstone in the place of a manifest, when there is one that counts.
    ///
    /// Where signatures are asked for, none counts beside a signature: the first thing that goes
    /// with a discarded backup is its signature, and a tombstone is signed by nobody. Else whoever
    /// may overwrite a manifest, and not delete it, could have a cleaner do that for them.
    pub(crate) async fn tombstone(
        &self,
        bytes: &[u8],
        name: &BackupName,
    ) -> Result<Option<Tombstone>, Error> {
        let Some(tombstone) = Tombstone::parse(bytes, name) else { return Ok(None) };
        if self.keys().demands_signatures()
            && self.head(&name.file_name(FileKind::Signature)).await?.is_some()
        {
            return Ok(None);
        }
        Ok(Some(tombstone))
    }

    /// Checks the signature of a file of a backup, when signatures are asked for.
    pub(crate) async fn check_signature(
        &self,
        name: &BackupName,
        signature: FileKind,
        bytes: &[u8],
    ) -> Result<Result<(), SignatureProblem>, Error> {
        if !self.keys().demands_signatures() {
            return Ok(Ok(()));
        }
        let signature = self.read_beside(name, signature).await?;
        Ok(self.keys().check(bytes, signature.as_deref()))
    }

    pub(crate) fn not_found(&self, name: &BackupName) -> Error {
        Error::NotFound { vault: self.to_string(), name: name.clone() }
    }

    pub(crate) fn damaged(&self, name: &BackupName, damage: Damage) -> Error {
        Error::Damaged { vault: self.to_string(), name: name.clone(), damage }
    }

    pub(crate) fn taken(&self, object: &str) -> Error {
        Error::AlreadyExists { vault: self.to_string(), object: object.to_owned() }
    }

    pub(crate) fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.inner.store
    }

    /// The versions of its objects, where one by one can be asked for.
    pub(crate) fn versions(&self) -> Option<&Versions> {
        self.inner.versions.as_ref()
    }

    pub(crate) fn retry(&self) -> &Retry {
        &self.inner.retry
    }

    pub(crate) fn place(&self) -> &Place {
        &self.inner.translator.place
    }

    pub(crate) fn explain(
        &self,
        action: &'static str,
        object: &str,
        error: &object_store::Error,
    ) -> Error {
        match error {
            // So says a folder that is not there itself.
            object_store::Error::NotFound { path, .. } if path.is_empty() => {
                self.inner.translator.missing()
            }
            error => self.inner.translator.translate(action, object, error),
        }
    }

    /// An error whose object is simply not there gives `None`.
    pub(crate) fn unless_absent<T>(
        &self,
        action: &'static str,
        object: &str,
        result: object_store::Result<T>,
    ) -> Result<Option<T>, Error> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error @ object_store::Error::NotFound { .. }) => {
                match self.explain(action, object, &error) {
                    missing @ Error::VaultMissing { .. } => Err(missing),
                    _ => Ok(None),
                }
            }
            Err(error) => Err(self.explain(action, object, &error)),
        }
    }

    /// What is known of an object; `None` when it is not there.
    pub(crate) async fn head(&self, object: &str) -> Result<Option<ObjectMeta>, Error> {
        let path = object_path(object);
        self.retry()
            .run(async || {
                let result = in_time(self.store().head(&path)).await;
                self.unless_absent("look at", object, result)
            })
            .await
    }

    /// The whole of a small object; `None` when it is not there, `Err` inside with its size when
    /// it is larger than `limit`.
    pub(crate) async fn get_small(
        &self,
        object: &str,
        limit: u64,
    ) -> Result<Option<Result<Bytes, u64>>, Error> {
        let found = self.get_small_known(object, limit).await?;
        Ok(found.map(|found| found.map(|(_, bytes)| bytes)))
    }

    /// As [`get_small`](Self::get_small), with what the store knows of what it gave.
    pub(crate) async fn get_small_known(
        &self,
        object: &str,
        limit: u64,
    ) -> Result<Option<Result<(ObjectMeta, Bytes), u64>>, Error> {
        let path = object_path(object);
        self.retry()
            .run(async || {
                let result = async {
                    let found = self.store().get(&path).await?;
                    let meta = found.meta.clone();
                    if meta.size > limit {
                        return Ok(Err(meta.size));
                    }
                    let bytes = found.bytes().await?;
                    if bytes.len() as u64 != meta.size {
                        return Err(short(bytes.len() as u64, meta.size));
                    }
                    Ok(Ok((meta, bytes)))
                };
                self.unless_absent("read", object, result.await)
            })
            .await
    }

    /// What was kept of an object in a listing, as it was when it had the same tag.
    pub(crate) async fn kept(&self, meta: &ObjectMeta) -> Option<Bytes> {
        let (cache, etag) = (self.inner.cache.clone()?, meta.e_tag.clone()?);
        let (object, size) = (object_name(meta).to_owned(), meta.size);
        let read = move || cache.read(&object, tag(&etag), size);
        tokio::task::spawn_blocking(read).await.ok().flatten()
    }

    /// Keeps what was read of an object in a listing, if it is still the one that was listed.
    pub(crate) async fn keep(&self, listed: &ObjectMeta, read: &ObjectMeta, bytes: &Bytes) {
        let (Some(cache), Some(etag)) = (self.inner.cache.clone(), listed.e_tag.clone()) else {
            return;
        };
        if read.e_tag.as_deref().map(tag) != Some(tag(&etag)) {
            return;
        }
        let (object, bytes) = (object_name(listed).to_owned(), bytes.clone());
        let write = move || cache.write(&object, tag(&etag), &bytes);
        // Nothing depends on it.
        let _ = tokio::task::spawn_blocking(write).await;
    }

    /// Sees to it that what is kept on this machine stays little.
    pub(crate) async fn trim_cache(&self) {
        if let Some(cache) = self.inner.cache.clone() {
            let _ = tokio::task::spawn_blocking(move || cache.trim()).await;
        }
    }

    /// Whether the store keeps what is deleted or overwritten as older versions, as it has done with
    /// the manifest of this backup.
    ///
    /// # Errors
    /// Those of reading.
    pub async fn keeps_versions(&self, name: &BackupName) -> Result<bool, Error> {
        let found = self.head(&name.manifest_file()).await?;
        Ok(found.and_then(|meta| meta.version).is_some_and(|version| is_kept(&version)))
    }

    /// Deletes an object; whether it was there. (A store that does not tell says it was.)
    pub(crate) async fn delete(&self, object: &str) -> Result<bool, Error> {
        let path = object_path(object);
        self.retry()
            .run(async || {
                let result = in_time(self.store().delete(&path)).await;
                Ok(self.unless_absent("delete", object, result)?.is_some())
            })
            .await
    }

    /// Writes an object, whatever was there.
    pub(crate) async fn put(&self, object: &str, payload: PutPayload) -> Result<(), Error> {
        let path = object_path(object);
        self.retry()
            .run(async || {
                let result = self.store().put(&path, payload.clone()).await;
                result.map(|_| ()).map_err(|e| self.explain("write", object, &e))
            })
            .await
    }

    /// Writes an object unless there is one.
    ///
    /// An answer that got lost leaves open whether the object is ours, so it is read back: bytes
    /// must be such as no one else writes.
    pub(crate) async fn create(&self, object: &str, bytes: &Bytes) -> Result<Created, Error> {
        let path = object_path(object);
        let result = self
            .retry()
            .run(async || {
                let payload = bytes.clone().into();
                let put = self.store().put_opts(&path, payload, PutMode::Create.into());
                let result = in_time(put).await;
                result.map(|_| ()).map_err(|e| match self.explain("create", object, &e) {
                    // A folder's new file has no missing parent but the vault.
                    Error::Failed { .. } if is_not_found(&e) => self.inner.translator.missing(),
                    error => error,
                })
            })
            .await;
        let error = match result {
            Ok(()) => return Ok(Created::Ours),
            Err(error @ (Error::AlreadyExists { .. } | Error::Unreachable { .. })) => error,
            Err(error) => return Err(error),
        };
        match (self.get_small(object, MAX_MANIFEST).await, error) {
            (Ok(Some(Ok(found))), _) if found == *bytes => Ok(Created::Ours),
            (Ok(found), Error::AlreadyExists { .. }) => {
                Ok(Created::Theirs(found.and_then(Result::ok)))
            }
            (_, error) => Err(error),
        }
    }

    /// How stubborn to be about a listing. The client repeats it by itself, and who only looks
    /// wants to be told soon that the name of a host is wrong.
    fn listing(&self) -> Retry {
        match self.place() {
            Place::Folder(_) | Place::Memory => *self.retry(),
            _ => Retry { attempts: 1, ..*self.retry() },
        }
    }

    /// All objects of the vault, in no order.
    pub(crate) async fn objects(&self) -> Result<Vec<ObjectMeta>, Error> {
        self.listing()
            .run(async || {
                let listed = self.store().list_with_delimiter(None).await;
                listed.map(|result| result.objects).map_err(|e| {
                    match self.explain("list", "", &e) {
                        Error::Failed { .. } if is_not_found(&e) => self.inner.translator.missing(),
                        error => error,
                    }
                })
            })
            .await
    }

    /// All objects below a prefix, in no order.
    pub(crate) async fn objects_below(&self, prefix: &str) -> Result<Vec<ObjectMeta>, Error> {
        let path = object_path(prefix);
        self.listing()
            .run(async || {
                let listed = self.store().list(Some(&path)).try_collect().await;
                listed.map_err(|e| self.explain("list", prefix, &e))
            })
            .await
    }

    /// The time by the store's clock, as it is given to a small object written now.
    pub(crate) async fn time_of_writing(&self) -> Result<Timestamp, Error> {
        let object = format!("{PROBE_PREFIX}{}", Uuid::new_v4());
        let content = Bytes::from(object.clone());
        if let Created::Theirs(_) = self.create(&object, &content).await? {
            return Err(self.taken(&object));
        }
        let meta = self.head(&object).await;
        self.delete(&object).await?;
        meta?.map(|meta| modified(&meta)).ok_or_else(|| Error::Failed {
            vault: self.to_string(),
            action: "look at",
            object,
            reason: "what was just written is not there".to_owned(),
            hint: "this store cannot be trusted with backups, use another".to_owned(),
        })
    }
}

/// A tag, which a listing may spell without the quotes that stand around it elsewhere.
fn tag(etag: &str) -> &str {
    etag.trim_matches('"')
}

/// Whether a store that names a version so keeps it when another comes. S3 calls one `null` that it
/// does not.
pub(crate) fn is_kept(version: &str) -> bool {
    version != "null"
}

fn is_not_found(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::NotFound { .. })
}

/// How long a small request may take. The client's own limit is made for parts of an upload.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) async fn in_time<T>(
    request: impl Future<Output = object_store::Result<T>>,
) -> object_store::Result<T> {
    tokio::time::timeout(PATIENCE, request).await.unwrap_or_else(|_| {
        let text = format!("no answer within {} seconds", PATIENCE.as_secs());
        let source = Box::new(std::io::Error::new(std::io::ErrorKind::TimedOut, text));
        Err(object_store::Error::Generic { store: "vault", source })
    })
}

/// Our objects have plain names, which need no escaping and are taken as they are.
pub(crate) fn object_path(object: &str) -> Path {
    Path::parse(object).unwrap_or_else(|_| Path::from(object))
}

/// What an answer holds, up to the part with which it is more than `expected` bytes. Not `bytes()`:
/// its buffer is as large as the answer claims to be.
pub(crate) async fn gather(found: GetResult, expected: u64) -> Result<Bytes, object_store::Error> {
    let mut stream = found.into_stream();
    let mut bytes = BytesMut::with_capacity(usize::try_from(expected).unwrap_or(0));
    while let Some(part) = stream.try_next().await? {
        bytes.extend_from_slice(&part);
        if bytes.len() as u64 > expected {
            break;
        }
    }
    Ok(bytes.freeze())
}

/// An error that says fewer bytes came than there are, and that asking again may help.
pub(crate) fn short(found: u64, expected: u64) -> object_store::Error {
    let text = format!("{found} of {expected} bytes came");
    let source = std::io::Error::new(std::io::ErrorKind::Interrupted, text);
    object_store::Error::Generic { store: "vault", source: Box::new(source) }
}

/// Parses the manifest of `name`.
pub(crate) fn parse_manifest(bytes: &[u8], name: &BackupName) -> Result<Manifest, Damage> {
    let manifest = Manifest::parse(bytes).map_err(|error| Damage::Manifest(Arc::new(error)))?;
    if manifest.name == *name { Ok(manifest) } else { Err(Damage::OtherName(manifest.name)) }
}
