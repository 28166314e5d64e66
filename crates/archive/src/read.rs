//! Reading an archive: which bytes hold what, and whether they are what was stored.
//!
//! The manifest is the map, the stored bytes are the suspect. [`Frames::decode`] checks all that
//! one frame can prove by itself, on any thread: its digest, its length, every tar header, every
//! byte of padding, and the digest of every entry that lies in it whole. What needs an order is
//! left to the [`Verifier`]: entries that span frames, and the file as a whole.
//!
//! Reading one entry: [`Frames::find`], [`Frames::plan`], then fetch [`Frames::ranges`], decode,
//! and pass the frames through an [`EntryReader`]. Checking all: see [`Verifier`].

mod error;
mod verify;

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

pub use error::ReadError;
pub use verify::{EntryReader, Verified, Verifier};

use crate::codec::decompress;
use crate::manifest::check_layout;
use crate::{Codec, Digest, Encryption, EncryptionMethod, Entry, FrameRecord, Manifest, tar};

/// The map of an archive: its frames and entries, checked to fit together. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Frames(Arc<Map>);

#[derive(Debug)]
struct Map {
    file: String,
    codec: Codec,
    digest: Digest,
    mtime: i64,
    records: Vec<FrameRecord>,
    /// Where each frame begins in the file; one more for the end.
    stored: Vec<u64>,
    /// Where each frame begins in the tar; one more for the end.
    tar: Vec<u64>,
    entries: Vec<Entry>,
}

impl Frames {
    /// Takes the map from a manifest, which is checked once more, as it may have been made by hand.
    pub fn new(manifest: &Manifest) -> Result<Self, ReadError> {
        let archive = &manifest.archive;
        if let Some(Encryption { method: EncryptionMethod::Unknown(method), .. }) =
            &archive.encryption
        {
            return Err(ReadError::Encrypted {
                file: archive.file.clone(),
                method: method.clone(),
            });
        }
        check_layout(archive, &manifest.entries)?;
        let starts = |length: fn(&FrameRecord) -> u32| {
            let mut position = 0;
            let mut starts = vec![0];
            starts.extend(archive.frames.0.iter().map(|frame| {
                position += u64::from(length(frame));
                position
            }));
            starts
        };
        Ok(Self(Arc::new(Map {
            file: archive.file.clone(),
            codec: archive.compression,
            digest: archive.blake3,
            mtime: archive.mtime,
            stored: starts(|frame| frame.stored),
            tar: starts(|frame| frame.tar),
            records: archive.frames.0.clone(),
            entries: manifest.entries.clone(),
        })))
    }

    /// How many frames there are; at least one.
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(&self) -> usize {
        self.0.records.len()
    }

    /// The archive's file name.
    pub fn file(&self) -> &str {
        &self.0.file
    }

    /// Which bytes of the stored file are frame `index`. Panics when there is no such frame.
    pub fn range(&self, index: usize) -> Range<u64> {
        self.0.stored[index]..self.0.stored[index + 1]
    }

    /// Which bytes of the stored file are the frames `frames`, to fetch several at once. Panics
    /// when there are no such frames.
    pub fn ranges(&self, frames: Range<usize>) -> Range<u64> {
        self.0.stored[frames.start]..self.0.stored[frames.end]
    }

    /// How many bytes of tar frame `index` holds: what decoding it allocates. Panics when there is
    /// no such frame.
    pub fn tar_len(&self, index: usize) -> u64 {
        u64::from(self.0.records[index].tar)
    }

    /// The entries, in the archive's order. Their indexes are used by the other methods.
    pub fn entries(&self) -> &[Entry] {
        &self.0.entries
    }

    /// The index of the entry with this path, that was not superseded.
    pub fn find(&self, path: &str) -> Option<usize> {
        self.0.entries.iter().position(|entry| entry.path == path && !entry.superseded)
    }

    /// Which frames hold the data of an entry; none when it has no data. Panics when there is no
    /// such entry.
    pub fn plan(&self, entry: usize) -> Range<usize> {
        let entry = &self.0.entries[entry];
        let first = self.0.frame_at(entry.offset);
        if entry.size == 0 {
            return first..first;
        }
        first..self.0.frame_at(entry.offset + entry.size - 1) + 1
    }

    /// Decodes frame `index` from its stored bytes, and checks everything in it. CPU heavy; call
    /// it on several threads. Allocates no more than [`tar_len`](Self::tar_len) and a fixed amount.
    /// Panics when there is no such frame.
    pub fn decode(&self, index: usize, stored: Bytes) -> Result<DecodedFrame, ReadError> {
        let map = &*self.0;
        let record = &map.records[index];
        let at = map.stored[index];
        if stored.len() != record.stored as usize {
            return Err(ReadError::Length {
                file: map.file.clone(),
                frame: index,
                at,
                expected: record.stored,
                got: stored.len(),
            });
        }
        let damaged =
            |reason| ReadError::Damaged { file: map.file.clone(), frame: index, at, reason };
        if Digest::of(&stored).half() != record.digest {
            return Err(damaged("its digest does not match".to_owned()));
        }
        let tar = decompress(&stored, map.codec, record.tar as usize)
            .map_err(|reason| damaged(format!("it cannot be decompressed: {reason}")))?;
        map.check(index, &tar)?;
        Ok(DecodedFrame { frames: self.clone(), index, stored, tar })
    }

    /// Begins to read one entry, frame by frame of its [`plan`](Self::plan).
    pub fn entry_reader(&self, entry: usize) -> EntryReader {
        EntryReader::new(self.clone(), entry)
    }

    /// Begins to verify the whole archive.
    pub fn verifier(&self) -> Verifier {
        Verifier::new(self.clone())
    }
}

impl Map {
    /// The frame that holds this byte of the tar.
    fn frame_at(&self, position: u64) -> usize {
        self.tar.partition_point(|start| *start <= position) - 1
    }

    /// The entries that have a byte of header, data or padding in this part of the tar.
    fn overlapping(&self, part: &Range<u64>) -> Range<usize> {
        let end = |entry: &Entry| entry.offset + entry.size + tar::padding(entry.size);
        let first = self.entries.partition_point(|entry| end(entry) <= part.start);
        // An entry's header begins where the one before ends.
        let begin = |index: usize| match index {
            0 => 0,
            _ => end(&self.entries[index - 1]),
        };
        let mut last = first;
        while last < self.entries.len() && begin(last) < part.end {
            last += 1;
        }
        first..last
    }

    /// Checks the tar in a frame against the entries, byte for byte but for their data, and the
    /// data of entries that lie in it whole.
    fn check(&self, index: usize, bytes: &[u8]) -> Result<(), ReadError> {
        let part = self.tar[index]..self.tar[index + 1];
        // The bytes of the tar from `from` to `to`, as far as they are in this frame.
        let slice = |from: u64, to: u64| {
            let (from, to) = (from.clamp(part.start, part.end), to.clamp(part.start, part.end));
            &bytes[(from - part.start) as usize..(to - part.start) as usize]
        };
        let wrong = |at: u64, what, entry: &Entry| ReadError::Tar {
            file: self.file.clone(),
            frame: index,
            at,
            what,
            entry: entry.path.clone(),
        };
        let mut header = Vec::new();
        for entry in &self.entries[self.overlapping(&part)] {
            header.clear();
            tar::header(&entry.member(self.mtime), &mut header);
            let begin = entry.offset - header.len() as u64;
            let found = slice(begin, entry.offset);
            let skipped = part.start.saturating_sub(begin) as usize;
            if !found.is_empty() && header[skipped..skipped + found.len()] != *found {
                return Err(wrong(begin, "the header", entry));
            }
            let end = entry.offset + entry.size;
            if slice(end, end + tar::padding(entry.size)).iter().any(|byte| *byte != 0) {
                return Err(wrong(end, "the padding", entry));
            }
            let whole = part.start <= entry.offset && end <= part.end;
            if whole && entry.size > 0 && Digest::of(slice(entry.offset, end)) != entry.blake3 {
                return Err(ReadError::Entry { file: self.file.clone(), path: entry.path.clone() });
            }
        }
        let end = *self.tar.last().expect("has one more than frames");
        if slice(end - tar::END, end).iter().any(|byte| *byte != 0) {
            return Err(ReadError::Damaged {
                file: self.file.clone(),
                frame: index,
                at: self.stored[index],
                reason: "the end of the tar is not empty".to_owned(),
            });
        }
        Ok(())
    }
}

/// A frame, decoded and checked.
#[derive(Debug)]
pub struct DecodedFrame {
    frames: Frames,
    index: usize,
    stored: Bytes,
    tar: Vec<u8>,
}

impl DecodedFrame {
    /// Which frame it is.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Its part of the tar.
    pub fn tar(&self) -> &[u8] {
        &self.tar
    }

    /// The entries that have data in this frame, and some that have only header or padding in it.
    pub fn entries(&self) -> Range<usize> {
        self.frames.0.overlapping(&self.part())
    }

    /// The part of an entry's data that lies in this frame; empty when none does. When all of it
    /// does, it has been checked against the entry's digest. Panics when there is no such entry.
    pub fn data(&self, entry: usize) -> &[u8] {
        let entry = &self.frames.0.entries[entry];
        let part = self.part();
        let from = entry.offset.clamp(part.start, part.end);
        let to = (entry.offset + entry.size).clamp(part.start, part.end);
        &self.tar[(from - part.start) as usize..(to - part.start) as usize]
    }

    /// Whether all data of an entry lies in this frame.
    fn is_whole(&self, entry: usize) -> bool {
        self.data(entry).len() as u64 == self.frames.0.entries[entry].size
    }

    fn part(&self) -> Range<u64> {
        self.frames.0.tar[self.index]..self.frames.0.tar[self.index + 1]
    }
}
