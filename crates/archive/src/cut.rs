//! The cutter: a tar stream in, frames out, wherever the entries begin and end.

use crate::tar;
use crate::write::{EntryHeader, Part, RawFrame, Seam, WriteError};

/// Writes entries one after another and cuts the stream into frames of one size.
///
/// For each entry: [`begin`](Self::begin), [`write`](Self::write) as often as needed,
/// [`end`](Self::end); at the very end [`finish`](Self::finish). Each returns the frames that
/// became full; encode them on any thread, but give them to the assembler in this order. Holds one
/// frame in memory.
#[derive(Debug)]
pub struct Cutter {
    mtime: i64,
    frame_size: usize,
    buffer: Vec<u8>,
    /// Where the buffer begins in this cutter's stream.
    base: u64,
    ends: Vec<Part>,
    open: Option<Open>,
    /// Whether what stands at the end of the buffer belongs to an entry that goes on.
    inside: bool,
    continues: Option<Seam>,
}

/// The entry being written.
#[derive(Debug)]
struct Open {
    entry: crate::Entry,
    /// Where its data begins in this cutter's stream.
    data_start: u64,
    written: u64,
    /// Over the data that has left the buffer.
    hasher: blake3::Hasher,
}

impl Cutter {
    pub(crate) fn new(mtime: i64, frame_size: usize) -> Self {
        Self {
            mtime,
            frame_size,
            buffer: Vec::new(),
            base: 0,
            ends: Vec::new(),
            open: None,
            inside: false,
            continues: None,
        }
    }

    /// Begins an entry, of which exactly `header.size` bytes must follow.
    pub fn begin(&mut self, header: EntryHeader) -> Result<Vec<RawFrame>, WriteError> {
        if self.open.is_some() {
            return Err(WriteError::Misuse { reason: "an entry was begun inside another" });
        }
        let entry = header.into_entry()?;
        let mut bytes = Vec::with_capacity(tar::BLOCK as usize);
        tar::header(&entry.member(self.mtime), &mut bytes);
        let mut frames = Vec::new();
        if self.buffer.len() == self.frame_size {
            self.cut(&mut frames);
        }
        self.inside = true;
        self.append(&bytes, &mut frames);
        let data_start = self.base + self.buffer.len() as u64;
        self.open = Some(Open { entry, data_start, written: 0, hasher: blake3::Hasher::new() });
        Ok(frames)
    }

    /// Appends data to the entry that was begun.
    pub fn write(&mut self, data: &[u8]) -> Result<Vec<RawFrame>, WriteError> {
        let Some(open) = &mut self.open else {
            return Err(WriteError::Misuse { reason: "data was written outside of any entry" });
        };
        open.written += data.len() as u64;
        if open.written > open.entry.size {
            return Err(open.wrong_size());
        }
        let mut frames = Vec::new();
        self.append(data, &mut frames);
        Ok(frames)
    }

    /// Ends the entry that was begun.
    pub fn end(&mut self) -> Result<Vec<RawFrame>, WriteError> {
        let Some(mut open) = self.open.take() else {
            return Err(WriteError::Misuse { reason: "an entry was ended that was not begun" });
        };
        if open.written != open.entry.size {
            return Err(open.wrong_size());
        }
        let padding = tar::padding(open.entry.size) as usize;
        let digest = if open.data_start >= self.base {
            None // all of it is in this frame: hashed where the frame is encoded
        } else {
            open.hasher.update(&self.buffer);
            Some(open.hasher.finalize().into())
        };
        let data_start = open.data_start as i64 - self.base as i64;
        self.ends.push(Part { entry: open.entry, data_start, digest });
        let mut frames = Vec::new();
        self.append(&[0; tar::BLOCK as usize][..padding], &mut frames);
        self.inside = false;
        Ok(frames)
    }

    /// Gives the last frame, when there is one. It is a mistake to leave an entry open.
    pub fn finish(mut self) -> Result<Option<RawFrame>, WriteError> {
        if self.open.is_some() {
            return Err(WriteError::Misuse { reason: "an entry was not ended" });
        }
        let mut frames = Vec::new();
        if !self.buffer.is_empty() {
            self.cut(&mut frames);
        }
        Ok(frames.pop())
    }

    /// Appends bytes; a full buffer is cut only when more follows, so that the last byte of an
    /// entry is always in the buffer when the entry ends.
    fn append(&mut self, mut bytes: &[u8], frames: &mut Vec<RawFrame>) {
        while !bytes.is_empty() {
            if self.buffer.len() == self.frame_size {
                self.cut(frames);
            }
            if self.buffer.capacity() == 0 {
                self.buffer.reserve_exact(self.frame_size);
            }
            let room = (self.frame_size - self.buffer.len()).min(bytes.len());
            self.buffer.extend_from_slice(&bytes[..room]);
            bytes = &bytes[room..];
        }
    }

    fn cut(&mut self, frames: &mut Vec<RawFrame>) {
        if let Some(open) = &mut self.open {
            let from = open.data_start.saturating_sub(self.base) as usize;
            open.hasher.update(&self.buffer[from..]);
        }
        let tar = std::mem::take(&mut self.buffer);
        self.base += tar.len() as u64;
        let continued = self.inside.then(Seam::new);
        frames.push(RawFrame {
            tar,
            mtime: self.mtime,
            ends: std::mem::take(&mut self.ends),
            continues: std::mem::replace(&mut self.continues, continued),
            continued,
        });
    }
}

impl Open {
    fn wrong_size(&self) -> WriteError {
        WriteError::WrongSize {
            path: self.entry.path.clone(),
            announced: self.entry.size,
            written: self.written,
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::FrameWriter;

    fn cutter() -> Cutter {
        FrameWriter::new(Timestamp::UNIX_EPOCH).cutter(1024)
    }

    #[test]
    fn cuts_frames_of_one_size() {
        let mut cutter = cutter();
        let mut frames = cutter.begin(EntryHeader::file("a", 5000)).unwrap();
        for piece in vec![1; 5000].chunks(700) {
            frames.extend(cutter.write(piece).unwrap());
        }
        frames.extend(cutter.end().unwrap());
        frames.extend(cutter.finish().unwrap());
        let sizes: Vec<_> = frames.iter().map(RawFrame::tar_len).collect();
        assert_eq!(sizes, [1024, 1024, 1024, 1024, 1024, 512]);
        assert!(frames[0].continues.is_none());
        assert!(frames.windows(2).all(|pair| pair[0].continued == pair[1].continues));
        assert!(frames[5].continued.is_none());
        assert_eq!(frames[5].ends[0].digest, Some(crate::Digest::of(&[1; 5000])));
    }

    #[test]
    fn refuses_calls_out_of_turn_and_wrong_sizes() {
        assert!(matches!(cutter().write(b"x"), Err(WriteError::Misuse { .. })));
        assert!(matches!(cutter().end(), Err(WriteError::Misuse { .. })));
        let mut open = cutter();
        let _ = open.begin(EntryHeader::file("a", 2)).unwrap();
        assert!(matches!(open.begin(EntryHeader::file("b", 2)), Err(WriteError::Misuse { .. })));
        assert!(matches!(
            open.write(b"xyz"),
            Err(WriteError::WrongSize { announced: 2, written: 3, .. })
        ));
        let mut short = cutter();
        let _ = short.begin(EntryHeader::file("a", 2)).unwrap();
        let _ = short.write(b"x").unwrap();
        assert!(matches!(short.end(), Err(WriteError::WrongSize { announced: 2, written: 1, .. })));
        let mut unfinished = cutter();
        let _ = unfinished.begin(EntryHeader::file("a", 2)).unwrap();
        assert!(matches!(unfinished.finish(), Err(WriteError::Misuse { .. })));
        assert!(cutter().finish().unwrap().is_none());
    }
}
