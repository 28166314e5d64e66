//! The assembler: gives frames their places in the file, and keeps the account of it that becomes
//! the manifest.

use std::collections::HashMap;

use bytes::Bytes;

use crate::codec::{Compression, compress};
use crate::frame::{FrameRecord, FrameTable};
use crate::manifest::{ArchiveSection, Entry, check_layout};
use crate::tar;
use crate::write::{EncodedFrame, Seam, WriteError};
use crate::{BackupName, Digest};

/// Puts encoded frames in order. Entries stand in the archive in the order in which their frames
/// are pushed; any order will do, except that the frames of an entry that spans several must come
/// one after another as the cutter gave them, which is checked.
#[derive(Debug)]
pub struct Assembler {
    compression: Compression,
    hasher: blake3::Hasher,
    records: Vec<FrameRecord>,
    entries: Vec<Entry>,
    /// Which entry holds what counts of a path.
    paths: HashMap<String, usize>,
    size: u64,
    tar_size: u64,
    mtime: Option<i64>,
    seam: Option<Seam>,
}

/// What [`Assembler::finish`] gives.
#[derive(Debug)]
#[must_use]
pub struct Finished {
    /// The last bytes of the file, still to be stored.
    pub bytes: Bytes,
    /// The manifest's section about the file.
    pub archive: ArchiveSection,
    /// The manifest's list of entries.
    pub entries: Vec<Entry>,
}

impl Assembler {
    /// For an archive whose frames are all encoded with `compression`.
    pub fn new(compression: Compression) -> Self {
        Self {
            compression,
            hasher: blake3::Hasher::new(),
            records: Vec::new(),
            entries: Vec::new(),
            paths: HashMap::new(),
            size: 0,
            tar_size: 0,
            mtime: None,
            seam: None,
        }
    }

    /// Gives `frame` the next place; returns the bytes to append to the stored file.
    pub fn push(&mut self, frame: EncodedFrame) -> Result<Bytes, WriteError> {
        let misuse = |reason| Err(WriteError::Misuse { reason });
        if frame.continues != self.seam {
            return misuse("the frames of an entry did not come one after another");
        }
        if frame.codec != self.compression.codec() {
            return misuse("frames of different compressions were mixed");
        }
        if *self.mtime.get_or_insert(frame.mtime) != frame.mtime {
            return misuse("frames of different backups were mixed");
        }
        for part in frame.ends {
            let mut entry = part.entry;
            let Some(digest) = part.digest else {
                return misuse("an entry has no digest");
            };
            entry.blake3 = digest;
            entry.offset = self.tar_size.wrapping_add_signed(part.data_start);
            if self.paths.insert(entry.path.clone(), self.entries.len()).is_some() {
                return Err(WriteError::Duplicate { path: entry.path });
            }
            self.entries.push(entry);
        }
        self.seam = frame.continued;
        self.add(frame.record, &frame.bytes);
        Ok(frame.bytes)
    }

    /// Makes the entry of this path count no more; another of the same path and type may follow.
    /// Whether there was one.
    pub fn supersede(&mut self, path: &str) -> bool {
        let Some(index) = self.paths.remove(path) else { return false };
        self.entries[index].superseded = true;
        true
    }

    fn add(&mut self, record: FrameRecord, stored: &[u8]) {
        self.hasher.update(stored);
        self.size += u64::from(record.stored);
        self.tar_size += u64::from(record.tar);
        self.records.push(record);
    }

    /// Bytes of the file so far.
    pub fn stored_len(&self) -> u64 {
        self.size
    }

    /// Bytes of tar so far.
    pub fn tar_len(&self) -> u64 {
        self.tar_size
    }

    /// Entries complete so far, in the archive's order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Ends the archive of the backup `name`.
    pub fn finish(mut self, name: &BackupName) -> Result<Finished, WriteError> {
        if self.seam.is_some() {
            return Err(WriteError::Misuse { reason: "an entry was not finished" });
        }
        let end = [0; tar::END as usize];
        let compression = self.compression;
        let bytes: Bytes = compress(&end, compression)
            .map_err(|source| WriteError::Compress { size: end.len(), compression, source })?
            .into();
        let record = FrameRecord {
            stored: bytes.len() as u32,
            tar: end.len() as u32,
            digest: Digest::of(&bytes).half(),
        };
        self.add(record, &bytes);
        let codec = compression.codec();
        let archive = ArchiveSection {
            file: name.archive_file(codec),
            size: self.size,
            blake3: self.hasher.finalize().into(),
            compression: codec,
            tar_size: self.tar_size,
            mtime: self.mtime.unwrap_or(0),
            encryption: None,
            frames: FrameTable(self.records),
        };
        check_layout(&archive, &self.entries)?;
        Ok(Finished { bytes, archive, entries: self.entries })
    }
}
