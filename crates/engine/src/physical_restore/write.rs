//! Files out of an archive, several frames at a time, straight into their places.
//!
//! A frame is checked before anything of it is written. What is zero is left a hole.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::{TryStreamExt as _, stream};
use lifeboat_archive::read::DecodedFrame;
use lifeboat_archive::{Entry, EntryKind};

use super::target::{Staging, belongs};
use super::{HomeRestoreOptions, HomeRestorePlan};
use crate::archive::Archive;
use crate::{Error, Progress, Result, threads};

/// Zeros of this length, and at this alignment, are not written.
const HOLE: usize = 64 << 10;

/// A file that is being written.
struct Place {
    path: PathBuf,
    /// Where its data begins in the tar.
    offset: u64,
}

/// Writes the wanted entries of an archive.
pub(super) async fn write(
    archive: &Archive,
    options: &HomeRestoreOptions,
    plan: &HomeRestorePlan,
    staging: &Staging,
    progress: &Arc<Progress>,
) -> Result<()> {
    let frames = archive.frames();
    let mut places = Vec::with_capacity(frames.entries().len());
    let mut wanted = HashSet::new();
    for (index, entry) in frames.entries().iter().enumerate() {
        if entry.superseded || !belongs(&entry.path, options) {
            places.push(None);
            continue;
        }
        let path = staging.place(&entry.path);
        make(entry, &path).map_err(failed(&path))?;
        wanted.extend(frames.plan(index));
        places.push(Some(Place { path, offset: entry.offset }));
    }
    let places = Arc::new(places);
    let mut starts = vec![0];
    for index in 0..frames.len() {
        starts.push(starts[index] + frames.tar_len(index));
    }
    let written = Arc::new(AtomicU64::new(0));
    let mut wanted: Vec<_> = wanted.into_iter().collect();
    wanted.sort_unstable();
    stream::iter(wanted.into_iter().map(Ok))
        .try_for_each_concurrent(threads() + 1, |index| {
            let (places, written, start) =
                (Arc::clone(&places), Arc::clone(&written), starts[index]);
            async move {
                let frame = archive.frame(index).await?;
                let work = tokio::task::spawn_blocking(move || put(&frame, start, &places));
                let bytes = work.await.map_err(|panic| Error::Internal(panic.to_string()))??;
                let done = written.fetch_add(bytes, Ordering::Relaxed) + bytes;
                progress.bytes(done, plan.bytes);
                Ok(())
            }
        })
        .await
}

/// Makes a file of its full length with nothing in it, or a folder.
fn make(entry: &Entry, path: &Path) -> io::Result<()> {
    match entry.kind {
        EntryKind::Directory => fs::create_dir_all(path),
        EntryKind::File => {
            fs::create_dir_all(path.parent().unwrap_or(path))?;
            let file = OpenOptions::new().write(true).create_new(true).open(path)?;
            file.set_len(entry.size)?;
            file.set_permissions(Permissions::from_mode(entry.mode() & 0o777))
        }
        // A store has none; what a link leads to is not ours to write.
        EntryKind::Symlink => Err(io::Error::other("a store holds no links")),
    }
}

/// Writes what a frame has of each wanted entry; how many bytes that was.
fn put(frame: &DecodedFrame, start: u64, places: &[Option<Place>]) -> Result<u64> {
    let mut bytes = 0;
    for index in frame.entries() {
        let (Some(place), data) = (&places[index], frame.data(index)) else { continue };
        if data.is_empty() {
            continue;
        }
        let file = OpenOptions::new().write(true).open(&place.path).map_err(failed(&place.path))?;
        let at = start.saturating_sub(place.offset);
        write_sparse(&file, data, at).map_err(failed(&place.path))?;
        bytes += data.len() as u64;
    }
    Ok(bytes)
}

/// Writes all but long runs of zeros.
fn write_sparse(file: &File, data: &[u8], at: u64) -> io::Result<()> {
    let mut from = 0;
    while from < data.len() {
        // Up to the next boundary of the file.
        let left = HOLE - ((at + from as u64) % HOLE as u64) as usize;
        let to = data.len().min(from + left);
        let part = &data[from..to];
        if part.iter().any(|byte| *byte != 0) {
            file.write_all_at(part, at + from as u64)?;
        }
        from = to;
    }
    Ok(())
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let folder = path.to_owned();
    move |error| Error::Folder { action: "write", folder, error }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn zeros_become_holes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let file = OpenOptions::new().write(true).create_new(true).open(&path).unwrap();
        let mut data = vec![0; 8 << 20];
        data[5] = 1;
        data[(8 << 20) - 1] = 2;
        file.set_len(data.len() as u64 + 100).unwrap();
        write_sparse(&file, &data, 100).unwrap();
        let read = fs::read(&path).unwrap();
        assert!(read[..100].iter().all(|byte| *byte == 0) && read[100..] == data);
        assert!(file.metadata().unwrap().blocks() * 512 <= 4 * HOLE as u64);
    }
}
