//! What needs the frames in their order: entries that span several, and the file as a whole.

use std::ops::Range;

use super::{DecodedFrame, Frames, ReadError};
use crate::Digest;

/// Reads one entry through the frames of its plan.
///
/// Data is handed out as it comes, before the digest of an entry that spans frames is known: what
/// was read counts only once [`finish`](Self::finish) has agreed.
#[derive(Debug)]
pub struct EntryReader {
    frames: Frames,
    entry: usize,
    plan: Range<usize>,
    /// `None` when the entry lies in one frame, whose decoding has checked it.
    hasher: Option<blake3::Hasher>,
}

impl EntryReader {
    pub(super) fn new(frames: Frames, entry: usize) -> Self {
        let plan = frames.plan(entry);
        let hasher = (plan.len() > 1).then(blake3::Hasher::new);
        Self { frames, entry, plan, hasher }
    }

    /// Takes the next frame of the plan; returns the entry's data in it.
    pub fn push<'a>(&mut self, frame: &'a DecodedFrame) -> Result<&'a [u8], ReadError> {
        self.frames.expect(self.plan.start, self.plan.end, frame)?;
        self.plan.start += 1;
        let data = frame.data(self.entry);
        if let Some(hasher) = &mut self.hasher {
            hasher.update(data);
        }
        Ok(data)
    }

    /// Agrees when all frames of the plan were pushed and the entry matches its digest.
    pub fn finish(self) -> Result<(), ReadError> {
        let Self { frames, entry, plan, hasher } = self;
        if !plan.is_empty() {
            return Err(frames.order(plan.start, frames.len()));
        }
        let entry = &frames.0.entries[entry];
        match hasher {
            Some(hasher) if Digest::from(hasher.finalize()) != entry.blake3 => {
                Err(ReadError::Entry { file: frames.0.file.clone(), path: entry.path.clone() })
            }
            _ => Ok(()),
        }
    }
}

/// Verifies a whole archive: every frame in order, every entry, the file's digest; nothing missing
/// and nothing extra.
///
/// Decode the frames on as many threads as there are CPUs, and push them here in order. Pushing
/// costs one pass of BLAKE3 over the stored bytes, and one over the data of entries that span
/// frames.
#[derive(Debug)]
pub struct Verifier {
    frames: Frames,
    next: usize,
    file: blake3::Hasher,
    /// The entry that spans into the next frame.
    open: Option<EntryReader>,
}

/// What a [`Verifier`] has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// Entries, all of them.
    pub entries: usize,
    /// Bytes of the stored file.
    pub stored: u64,
    /// Bytes of tar.
    pub tar: u64,
}

impl Verifier {
    pub(super) fn new(frames: Frames) -> Self {
        Self { frames, next: 0, file: blake3::Hasher::new(), open: None }
    }

    /// Takes the next frame.
    pub fn push(&mut self, frame: &DecodedFrame) -> Result<(), ReadError> {
        self.frames.expect(self.next, self.frames.len(), frame)?;
        self.next += 1;
        self.file.update(&frame.stored);
        for entry in frame.entries() {
            if frame.data(entry).is_empty() || frame.is_whole(entry) {
                continue; // nothing of it here, or checked by decoding
            }
            let mut reader = self.open.take().unwrap_or_else(|| self.frames.entry_reader(entry));
            reader.push(frame)?;
            if reader.plan.is_empty() {
                reader.finish()?;
            } else {
                self.open = Some(reader);
            }
        }
        Ok(())
    }

    /// Agrees when all frames were pushed and the file matches its digest.
    pub fn finish(self) -> Result<Verified, ReadError> {
        let map = &self.frames.0;
        if self.next != map.records.len() {
            return Err(self.frames.order(self.next, map.records.len()));
        }
        if Digest::from(self.file.finalize()) != map.digest {
            return Err(ReadError::File { file: map.file.clone() });
        }
        Ok(Verified {
            entries: map.entries.len(),
            stored: map.stored[self.next],
            tar: map.tar[self.next],
        })
    }
}

impl Frames {
    fn order(&self, expected: usize, got: usize) -> ReadError {
        ReadError::Order { file: self.0.file.clone(), expected, got }
    }

    /// Checks that `frame` is number `expected` of this archive, and before `end`.
    fn expect(&self, expected: usize, end: usize, frame: &DecodedFrame) -> Result<(), ReadError> {
        let same = std::sync::Arc::ptr_eq(&self.0, &frame.frames.0);
        if !same || frame.index != expected || expected >= end {
            return Err(self.order(expected, frame.index));
        }
        Ok(())
    }
}
