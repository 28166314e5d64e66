//! Whether a manifest can be true: names, paths, and every offset and size against every other.
//!
//! What passes here leaves a reader nothing to doubt but the stored bytes themselves: frames cover
//! the file and the tar without gap or overlap, and entries cover the tar without gap or overlap.

use std::collections::HashMap;

use super::{
    ArchiveSection, Encryption, EncryptionMethod, Entry, EntryKind, Manifest, ManifestError,
};
use crate::frame::{MAX_FRAME, MAX_STORED};
use crate::path::check_path;
use crate::{Digest, FileKind, tar};

impl Manifest {
    pub(crate) fn check(&self) -> Result<(), ManifestError> {
        let codec = self.archive.compression;
        let expected = match &self.archive.encryption {
            None => self.name.archive_file(codec),
            Some(_) => self.name.file_name(FileKind::EncryptedArchive(codec)),
        };
        let known = !matches!(
            &self.archive.encryption,
            Some(Encryption { method: EncryptionMethod::Unknown(_), .. })
        );
        if self.archive.file != expected && known {
            return Err(ManifestError::invalid(format!(
                "the archive is named {:?}, not {expected:?}",
                self.archive.file
            )));
        }
        // Whatever one is called that is encrypted in a newer way, it lies beside its manifest.
        if self.archive.file.contains(['/', '\\']) {
            return Err(ManifestError::invalid("the archive's name has a folder in it"));
        }
        if let Some(problem) = self.database.as_ref().and_then(super::DatabaseSection::problem) {
            return Err(ManifestError::invalid(problem));
        }
        check_layout(&self.archive, &self.entries)
    }
}

/// Checks that frames, entries and sizes fit together.
pub(crate) fn check_layout(
    archive: &ArchiveSection,
    entries: &[Entry],
) -> Result<(), ManifestError> {
    check_frames(archive)?;
    let mut header = Vec::new();
    let mut kinds = HashMap::with_capacity(entries.len());
    let mut position = 0_u64;
    for entry in entries {
        let path = &entry.path;
        check_path(path).map_err(|error| ManifestError::invalid(error.to_string()))?;
        if let Some(problem) = entry.problem() {
            return Err(ManifestError::invalid(format!("entry {path:?}: {problem}")));
        }
        // One that was superseded may be followed by others of its path, if they are of its type.
        let live = kinds.insert(path.as_str(), (entry.kind, !entry.superseded));
        if live.is_some_and(|(kind, live)| live || kind != entry.kind) {
            return Err(ManifestError::invalid(format!("entry {path:?} is listed twice")));
        }
        header.clear();
        tar::header(&entry.member(archive.mtime), &mut header);
        position += header.len() as u64;
        if entry.offset != position {
            return Err(ManifestError::invalid(format!(
                "entry {path:?} is said to begin at byte {}, but must at {position}",
                entry.offset
            )));
        }
        // No sum of sizes can pass the end of the tar, so none can overflow.
        position = entry
            .size
            .checked_add(tar::padding(entry.size))
            .and_then(|size| size.checked_add(position))
            .filter(|end| *end <= archive.tar_size)
            .ok_or_else(|| {
                ManifestError::invalid(format!("entry {path:?} ends behind the end of the archive"))
            })?;
    }
    if position + tar::END != archive.tar_size {
        return Err(ManifestError::invalid(format!(
            "the entries need {} bytes of tar, the archive has {}",
            position + tar::END,
            archive.tar_size
        )));
    }
    check_parents(entries, &kinds)
}

fn check_frames(archive: &ArchiveSection) -> Result<(), ManifestError> {
    let (mut size, mut tar_size) = (0_u64, 0_u64);
    for (index, frame) in archive.frames.0.iter().enumerate() {
        if !(1..=MAX_STORED).contains(&frame.stored) || !(1..=MAX_FRAME).contains(&frame.tar) {
            return Err(ManifestError::invalid(format!(
                "frame {index} has an impossible size: {} bytes for {} bytes of tar",
                frame.stored, frame.tar
            )));
        }
        size += u64::from(frame.stored);
        tar_size += u64::from(frame.tar);
    }
    for (what, sum, told) in
        [("stored", size, archive.size), ("of tar", tar_size, archive.tar_size)]
    {
        if sum != told {
            return Err(ManifestError::invalid(format!(
                "the frames have {sum} bytes {what}, the archive is said to have {told}"
            )));
        }
    }
    Ok(())
}

/// Nothing may lie below a file or a link: unpacking would write through the link.
fn check_parents(
    entries: &[Entry],
    kinds: &HashMap<&str, (EntryKind, bool)>,
) -> Result<(), ManifestError> {
    for entry in entries {
        for (slash, _) in entry.path.match_indices('/') {
            let parent = &entry.path[..slash];
            if kinds.get(parent).is_some_and(|(kind, _)| *kind != EntryKind::Directory) {
                return Err(ManifestError::invalid(format!(
                    "entry {:?} lies below {parent:?}, which is no directory",
                    entry.path
                )));
            }
        }
    }
    Ok(())
}

impl Entry {
    /// What is wrong with the entry in itself.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        if self.kind != EntryKind::File && self.size != 0 {
            return Some("only a file has data");
        }
        if self.size == 0 && self.blake3 != Digest::of(b"") {
            return Some("it has no data, but the digest of some");
        }
        if self.mode.is_some_and(|mode| mode > 0o7777) {
            return Some("its mode has more than permission bits");
        }
        match (&self.link, self.kind) {
            (Some(link), EntryKind::Symlink) => {
                if link.is_empty() || link.len() > 4096 || link.chars().any(char::is_control) {
                    return Some("its link cannot be followed");
                }
            }
            (None, EntryKind::Symlink) => return Some("it is a link to nowhere"),
            (Some(_), _) => return Some("it has a link, but is none"),
            (None, _) => {}
        }
        None
    }
}
