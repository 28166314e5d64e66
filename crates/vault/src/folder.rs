//! A folder as a store.
//!
//! Reading is left to `object_store`'s local store. Writing is done here: every file is synced to
//! the disk before it gets its name, create-if-absent works without hard links, and the folder need
//! not exist at first. So is listing: nothing that lies in the folder can make it fail, and it shows
//! the half-written files of a killed process (`NAME#123`), so that they can be found and removed.
//!
//! Backups lie flat. Objects below a prefix lie in sub-folders, made as they are needed. A write
//! over a known version takes a lock on a file `.lock` beside the object, so that between
//! processes, too, only one of two succeeds.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path as FsPath, PathBuf};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Extensions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
    UpdateVersion, UploadPart,
};

const STORE: &str = "Folder";

/// A folder as a store of objects, one file each.
#[derive(Debug)]
pub(crate) struct FolderStore {
    root: PathBuf,
    inner: OnceLock<LocalFileSystem>,
}

impl fmt::Display for FolderStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.root.display())
    }
}

fn generic(error: io::Error) -> object_store::Error {
    object_store::Error::Generic { store: STORE, source: Box::new(error) }
}

fn of_io(error: io::Error, location: &Path) -> object_store::Error {
    let path = location.to_string();
    match error.kind() {
        io::ErrorKind::NotFound => object_store::Error::NotFound { path, source: Box::new(error) },
        io::ErrorKind::AlreadyExists => {
            object_store::Error::AlreadyExists { path, source: Box::new(error) }
        }
        _ => generic(error),
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await?
}

impl FolderStore {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root, inner: OnceLock::new() }
    }

    /// Makes the folder, readable by its owner alone: a backup holds all that the database holds.
    pub(crate) fn create(root: &FsPath) -> io::Result<()> {
        use std::os::unix::fs::DirBuilderExt as _;

        if root.is_dir() {
            return Ok(());
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(root)?;
        root.parent().map_or(Ok(()), sync_folder)
    }

    fn inner(&self) -> Result<&LocalFileSystem> {
        if let Some(inner) = self.inner.get() {
            return Ok(inner);
        }
        // What is missing here is the vault, not an object: the empty path says so.
        let meta = fs::metadata(&self.root).map_err(|e| of_io(e, &Path::default()))?;
        if !meta.is_dir() {
            return Err(generic(io::ErrorKind::NotADirectory.into()));
        }
        let made = LocalFileSystem::new_with_prefix(&self.root)?;
        Ok(self.inner.get_or_init(|| made))
    }

    /// The files below a prefix, in every depth. Links to folders are not followed: nothing of
    /// ours lies behind them, and they may go round.
    fn list_below(root: &FsPath, prefix: &Path) -> Result<Vec<ObjectMeta>> {
        fs::metadata(root).map_err(|e| of_io(e, &Path::default()))?;
        let mut objects = Vec::new();
        let mut folders = vec![root.join(prefix.as_ref())];
        while let Some(folder) = folders.pop() {
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                // Nothing was ever written there.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(generic(error)),
            };
            for entry in entries {
                let path = entry.map_err(generic)?.path();
                let Ok(meta) = fs::symlink_metadata(&path) else { continue };
                if meta.is_dir() {
                    folders.push(path);
                    continue;
                }
                let name = path.strip_prefix(root).ok().and_then(FsPath::to_str);
                let Some(location) = name.and_then(|name| Path::parse(name).ok()) else { continue };
                if meta.is_file() {
                    objects.push(describe(&meta, location));
                }
            }
        }
        Ok(objects)
    }

    fn list_now(root: &FsPath) -> Result<Vec<ObjectMeta>> {
        let entries = fs::read_dir(root).map_err(|e| of_io(e, &Path::default()))?;
        let mut objects = Vec::new();
        for entry in entries {
            let entry = entry.map_err(generic)?;
            let name = entry.file_name();
            // A name that is no text is nobody's backup.
            let Some(location) = name.to_str().and_then(|name| Path::parse(name).ok()) else {
                continue;
            };
            // Follows links. What vanishes meanwhile, or points nowhere, is not there.
            let Ok(meta) = fs::metadata(entry.path()) else { continue };
            if meta.is_file() {
                objects.push(describe(&meta, location));
            }
        }
        Ok(objects)
    }

    /// Writes over a version of a file, if it is that one.
    fn replace_now(
        root: &FsPath,
        payload: &PutPayload,
        location: &Path,
        over: &UpdateVersion,
    ) -> Result<PutResult> {
        use rustix::fs::{FlockOperation, flock};

        let path = root.join(location.as_ref());
        let changed = |error: io::Error| object_store::Error::Precondition {
            path: location.to_string(),
            source: Box::new(error),
        };
        let lock = path.with_file_name(".lock");
        let lock = OpenOptions::new().create(true).append(true).open(&lock);
        let lock = lock.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => changed(error),
            _ => generic(error),
        })?;
        // Held until the file is closed, also by a process that is killed.
        flock(&lock, FlockOperation::LockExclusive).map_err(|e| generic(e.into()))?;
        let found = fs::metadata(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => changed(error),
            _ => generic(error),
        })?;
        if describe(&found, location.clone()).e_tag != over.e_tag {
            return Err(changed(io::Error::other("it is another version")));
        }
        Self::put_now(root, payload, location, false)
    }

    fn put_now(
        root: &FsPath,
        payload: &PutPayload,
        location: &Path,
        create: bool,
    ) -> Result<PutResult> {
        let path = &root.join(location.as_ref());
        make_folders(root, path).map_err(|e| of_io(e, &Path::default()))?;
        // What is missing when this fails is the folder.
        let (mut file, staged) = stage(path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => of_io(e, &Path::default()),
            _ => of_io(e, location),
        })?;
        let published = (|| -> io::Result<Option<String>> {
            payload.iter().try_for_each(|part| file.write_all(part))?;
            file.sync_all()?;
            let meta = file.metadata()?;
            if create {
                publish(&staged, path)?;
            } else {
                fs::rename(&staged, path)?;
            }
            path.parent().map_or(Ok(()), sync_folder)?;
            Ok(describe(&meta, location.clone()).e_tag)
        })();
        match published {
            Ok(e_tag) => Ok(PutResult { e_tag, version: None, extensions: Extensions::default() }),
            Err(error) => {
                let _ = fs::remove_file(&staged);
                Err(match error.kind() {
                    // Somebody took the half-written file for a leftover; it can be written again.
                    io::ErrorKind::NotFound => generic(io::ErrorKind::Interrupted.into()),
                    _ => of_io(error, location),
                })
            }
        }
    }
}

/// Makes the sub-folders of a file, for our eyes only. Never the root: when that is gone, a disk is.
fn make_folders(root: &FsPath, path: &FsPath) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;

    let Some(folder) = path.parent().filter(|folder| *folder != root) else { return Ok(()) };
    if folder.is_dir() {
        return Ok(());
    }
    make_folders(root, folder)?;
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
        Ok(()) => folder.parent().map_or(Ok(()), sync_folder),
    }
}

/// Opens a file that no listing takes for an object, beside `path`. Its name is never used twice:
/// somebody who takes it for a leftover and removes it must not make room for another of its name,
/// which the first writer would then publish as his own.
fn stage(path: &FsPath) -> io::Result<(File, PathBuf)> {
    let mut staged = path.as_os_str().to_owned();
    staged.push(format!("#{}", uuid::Uuid::new_v4().as_u128()));
    let staged = PathBuf::from(staged);
    Ok((OpenOptions::new().write(true).create_new(true).open(&staged)?, staged))
}

/// Gives a file its name in one step, unless the name is taken.
fn publish(staged: &FsPath, path: &FsPath) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};

    match renameat_with(CWD, staged, CWD, path, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        // NFS and others know no such renaming, but they have hard links.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP) => {
            fs::hard_link(staged, path)?;
            fs::remove_file(staged)
        }
        Err(error) => Err(error.into()),
    }
}

fn sync_folder(folder: &FsPath) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() { FsPath::new(".") } else { folder };
    File::open(folder)?.sync_all()
}

fn describe(meta: &fs::Metadata, location: Path) -> ObjectMeta {
    use std::os::unix::fs::MetadataExt as _;

    let modified = meta.modified().unwrap_or(std::time::SystemTime::UNIX_EPOCH);
    let micros = modified
        .duration_since(std::time::SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_micros());
    ObjectMeta {
        location,
        last_modified: modified.into(),
        size: meta.len(),
        // As the local store writes it.
        e_tag: Some(format!("\"{:x}-{micros:x}-{:x}\"", meta.ino(), meta.len())),
        version: None,
    }
}

#[async_trait]
impl ObjectStore for FolderStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        self.inner()?;
        let (root, location) = (self.root.clone(), location.clone());
        blocking(move || match opts.mode {
            PutMode::Create => Self::put_now(&root, &payload, &location, true),
            PutMode::Overwrite => Self::put_now(&root, &payload, &location, false),
            PutMode::Update(over) => Self::replace_now(&root, &payload, &location, &over),
        })
        .await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner()?;
        // A file has no attributes, and no tags.
        let _ = opts;
        let (root, location) = (self.root.clone(), location.clone());
        blocking(move || {
            let path = root.join(location.as_ref());
            make_folders(&root, &path).map_err(|e| of_io(e, &location))?;
            let (file, staged) = stage(&path).map_err(|e| of_io(e, &location))?;
            let file = Arc::new(file);
            Ok(Box::new(FolderUpload { path, staged: Some(staged), file, offset: 0 }) as _)
        })
        .await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner()?.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let root = self.root.clone();
        locations
            .map(move |location| {
                let root = root.clone();
                async move {
                    let location = location?;
                    blocking(move || {
                        let path = root.join(location.as_ref());
                        // Synced, so that what is deleted in an order stays so when the power fails.
                        fs::remove_file(&path)
                            .and_then(|()| path.parent().map_or(Ok(()), sync_folder))
                            .map_err(|e| of_io(e, &location))?;
                        Ok(location)
                    })
                    .await
                }
            })
            .buffered(4)
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (root, prefix) = (self.root.clone(), prefix.cloned());
        stream::once(blocking(move || match prefix {
            Some(prefix) => Self::list_below(&root, &prefix),
            // Whatever else somebody keeps in folders beside his backups is none of our business.
            None => Self::list_now(&root),
        }))
        .map_ok(|objects| stream::iter(objects.into_iter().map(Ok)))
        .try_flatten()
        .boxed()
    }

    async fn list_with_delimiter(&self, _prefix: Option<&Path>) -> Result<ListResult> {
        let root = self.root.clone();
        let objects = blocking(move || Self::list_now(&root)).await?;
        Ok(ListResult { common_prefixes: Vec::new(), objects, extensions: Extensions::default() })
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner()?.copy_opts(from, to, options).await
    }
}

/// A large file being written. Dropped before it is complete, it removes what it wrote.
#[derive(Debug)]
struct FolderUpload {
    path: PathBuf,
    staged: Option<PathBuf>,
    file: Arc<File>,
    offset: u64,
}

#[async_trait]
impl MultipartUpload for FolderUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (file, mut offset) = (Arc::clone(&self.file), self.offset);
        self.offset += data.content_length() as u64;
        Box::pin(blocking(move || {
            for part in &data {
                file.write_all_at(part, offset).map_err(generic)?;
                offset += part.len() as u64;
            }
            Ok(())
        }))
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let Some(staged) = self.staged.take() else {
            return Err(generic(io::ErrorKind::NotFound.into()));
        };
        let (path, file) = (self.path.clone(), Arc::clone(&self.file));
        blocking(move || {
            let published = (|| {
                file.sync_all()?;
                let meta = file.metadata()?;
                fs::rename(&staged, &path)?;
                path.parent().map_or(Ok(()), sync_folder)?;
                Ok(describe(&meta, Path::default()).e_tag)
            })();
            match published {
                Ok(e_tag) => {
                    Ok(PutResult { e_tag, version: None, extensions: Extensions::default() })
                }
                Err(error) => {
                    let _ = fs::remove_file(&staged);
                    Err(generic(error))
                }
            }
        })
        .await
    }

    async fn abort(&mut self) -> Result<()> {
        let Some(staged) = self.staged.take() else { return Ok(()) };
        blocking(move || match fs::remove_file(&staged) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(generic(error)),
            _ => Ok(()),
        })
        .await
    }
}

impl Drop for FolderUpload {
    fn drop(&mut self) {
        if let Some(staged) = &self.staged {
            let _ = fs::remove_file(staged);
        }
    }
}

#[cfg(test)]
mod tests {
    use object_store::ObjectStoreExt as _;

    use super::*;

    #[tokio::test]
    async fn a_missing_folder_is_said_to_be_missing() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().join("a/b");
        let store = FolderStore::new(root.clone());
        let error = store.list_with_delimiter(None).await.unwrap_err();
        assert!(matches!(error, object_store::Error::NotFound { ref path, .. } if path.is_empty()));
        FolderStore::create(&root).unwrap();
        FolderStore::create(&root).unwrap();
        store.put(&Path::from("x"), "1".into()).await.unwrap();
        assert_eq!(store.list_with_delimiter(None).await.unwrap().objects.len(), 1);
    }

    #[tokio::test]
    async fn lists_whatever_lies_around() {
        use std::os::unix::ffi::OsStrExt as _;

        let temp = tempfile::tempdir().unwrap();
        let store = FolderStore::new(temp.path().to_owned());
        fs::create_dir(temp.path().join("folder")).unwrap();
        fs::write(temp.path().join("folder/inside"), "").unwrap();
        fs::write(temp.path().join(std::ffi::OsStr::from_bytes(b"\xff\xfe")), "").unwrap();
        fs::write(temp.path().join("new\nline"), "").unwrap();
        std::os::unix::fs::symlink("nowhere", temp.path().join("dangling")).unwrap();
        std::os::unix::fs::symlink(".", temp.path().join("loop")).unwrap();
        fs::write(temp.path().join("half#1"), "12").unwrap();
        fs::write(temp.path().join("x y~[%20]"), "123").unwrap();
        let mut found: Vec<_> = store.list(None).try_collect().await.unwrap();
        found.sort_by_key(|meta: &ObjectMeta| meta.size);
        let names: Vec<_> = found.iter().map(|meta| meta.location.as_ref()).collect();
        assert_eq!(names, ["half#1", "x y~[%20]"]);
        for name in names {
            store.delete(&Path::parse(name).unwrap()).await.unwrap();
        }
        assert!(store.list_with_delimiter(None).await.unwrap().objects.is_empty());
    }

    #[tokio::test]
    async fn creates_once_and_leaves_nothing_beside() {
        let temp = tempfile::tempdir().unwrap();
        let store = FolderStore::new(temp.path().to_owned());
        let path = Path::from("x");
        store.put_opts(&path, "1".into(), PutMode::Create.into()).await.unwrap();
        let error = store.put_opts(&path, "2".into(), PutMode::Create.into()).await.unwrap_err();
        assert!(matches!(error, object_store::Error::AlreadyExists { .. }), "{error}");
        let listed = store.list_with_delimiter(None).await.unwrap().objects;
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].e_tag, store.head(&path).await.unwrap().e_tag);
        assert_eq!(store.get(&path).await.unwrap().bytes().await.unwrap(), "1");
    }
}
