//! The trial of what needs no server: into a folder, and read back.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use lifeboat_archive::{Check, Digest, EntryKind, Manifest};
use lifeboat_neo4j::Phase;
use lifeboat_vault::Vault;

use super::check;
use crate::archive::Archive;
use crate::{Error, Progress, Result};

/// Unpacks a backup into an empty folder, and compares what is there with its manifest.
///
/// Nothing is written outside of the folder: a manifest with a path that leaves it, or that goes
/// through a link, has been refused when it was read.
pub(super) async fn unpack(
    vault: &Vault,
    manifest: &Manifest,
    folder: &Path,
    progress: &Arc<Progress>,
) -> Result<()> {
    progress.enter(Phase::Verifying);
    let archive = Archive::open(vault, manifest).await?;
    for (index, entry) in manifest.entries.iter().enumerate().filter(|(_, e)| !e.superseded) {
        let path = folder.join(&entry.path);
        let failed = |error| Error::Folder { action: "write", folder: path.clone(), error };
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        match entry.kind {
            EntryKind::Directory => fs::create_dir_all(&path).map_err(failed)?,
            EntryKind::Symlink => {
                let target = entry.link.as_deref().unwrap_or_default();
                std::os::unix::fs::symlink(target, &path).map_err(failed)?;
            }
            EntryKind::File => {
                let mut file = fs::File::create_new(&path).map_err(failed)?;
                archive.entry_into(index, |bytes| file.write_all(bytes).map_err(failed)).await?;
            }
        }
        progress.bytes(index as u64 + 1, manifest.entries.len() as u64);
    }
    Ok(())
}

/// Reads back what was unpacked.
pub(super) fn compare(manifest: &Manifest, folder: &Path) -> Result<Vec<Check>> {
    let (mut files, mut others) = (0, 0);
    for entry in manifest.entries.iter().filter(|entry| !entry.superseded) {
        let path = folder.join(&entry.path);
        let failed = |error| Error::Folder { action: "read", folder: path.clone(), error };
        let same = match entry.kind {
            EntryKind::File => {
                files += 1;
                Digest::of(&fs::read(&path).map_err(failed)?) == entry.blake3
            }
            EntryKind::Directory => {
                others += 1;
                fs::symlink_metadata(&path).map_err(failed)?.is_dir()
            }
            EntryKind::Symlink => {
                others += 1;
                let target = fs::read_link(&path).map_err(failed)?;
                Some(target.as_path()) == entry.link.as_deref().map(Path::new)
            }
        };
        if !same {
            return Err(Error::Unpacked { name: manifest.name.clone(), path: entry.path.clone() });
        }
    }
    Ok(vec![
        check("archive", &format!("every byte of {} entries", manifest.entries.len())),
        check("unpacked", &format!("{files} files with their digests, {others} folders and links")),
    ])
}
