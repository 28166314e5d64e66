//! Making frames: tar bytes in, stored bytes out. Frames are made and compressed on any thread, in
//! no order; the [`Assembler`](crate::Assembler) gives them their places.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use jiff::Timestamp;

use crate::codec::{Codec, Compression, compress};
use crate::cut::Cutter;
use crate::frame::{FrameRecord, MAX_FRAME};
use crate::manifest::{Entry, EntryKind, ManifestError};
use crate::path::{PathError, check_path};
use crate::{Digest, tar};

/// What can go wrong while an archive is made. All of these end the backup; none is worth a retry.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// A path that must not stand in an archive.
    #[error(transparent)]
    Path(#[from] PathError),
    /// An entry that cannot be described.
    #[error("the entry {path:?} cannot be archived: {reason}")]
    Entry {
        /// The entry.
        path: String,
        /// Why not.
        reason: &'static str,
    },
    /// An entry too large for one frame.
    #[error(
        "the entry {path:?} has {size} bytes, too many for one frame (64 MiB with its header): \
         write it through a cutter"
    )]
    TooLarge {
        /// The entry.
        path: String,
        /// Its size in bytes.
        size: u64,
    },
    /// An entry got more or fewer bytes than its header said.
    #[error(
        "the entry {path:?} was announced with {announced} bytes and got {written}: \
         its source changed while it was read; read it again"
    )]
    WrongSize {
        /// The entry.
        path: String,
        /// Bytes its header tells.
        announced: u64,
        /// Bytes given (so far, when they are too many).
        written: u64,
    },
    /// Two entries with one path.
    #[error("two entries have the path {path:?}: give each its own")]
    Duplicate {
        /// The path.
        path: String,
    },
    /// The pieces of an entry did not come one after another, a cutter was used out of turn, or
    /// frames of different makings were mixed. A mistake in the calling program.
    #[error("the archive was put together wrongly: {reason}; please report this")]
    Misuse {
        /// What was wrong.
        reason: &'static str,
    },
    /// The compressor failed.
    #[error("cannot compress a frame of {size} bytes with {compression}: {source}")]
    Compress {
        /// Tar bytes in the frame.
        size: usize,
        /// The compression asked for.
        compression: Compression,
        /// What the compressor says.
        source: std::io::Error,
    },
    /// What was put together would not be a valid manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

/// What an entry is, before its data: see [`EntryHeader::file`] and its siblings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryHeader {
    /// Relative path, see [`check_path`].
    pub path: String,
    /// File, directory or link.
    pub kind: EntryKind,
    /// Exact number of data bytes; 0 unless a file.
    pub size: u64,
    /// Permission bits, at most `0o7777`; `None`: 0644, directories 0755, links 0777.
    pub mode: Option<u32>,
    /// Modification time in seconds since 1970; `None`: the time of the backup.
    pub mtime: Option<i64>,
    /// Owner.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// Where a symbolic link points to; `None` for all others.
    pub link: Option<String>,
}

impl EntryHeader {
    /// A file of exactly `size` bytes.
    pub fn file(path: impl Into<String>, size: u64) -> Self {
        Self {
            path: path.into(),
            kind: EntryKind::File,
            size,
            mode: None,
            mtime: None,
            uid: 0,
            gid: 0,
            link: None,
        }
    }

    /// A directory; its path has no slash at the end.
    pub fn directory(path: impl Into<String>) -> Self {
        Self { kind: EntryKind::Directory, ..Self::file(path, 0) }
    }

    /// A symbolic link to `target`.
    pub fn symlink(path: impl Into<String>, target: impl Into<String>) -> Self {
        Self { kind: EntryKind::Symlink, link: Some(target.into()), ..Self::file(path, 0) }
    }

    /// The entry without digest and offset, checked.
    pub(crate) fn into_entry(self) -> Result<Entry, WriteError> {
        check_path(&self.path)?;
        let entry = Entry {
            path: self.path,
            size: self.size,
            blake3: Digest::of(b""),
            offset: 0,
            kind: self.kind,
            mode: self.mode,
            mtime: self.mtime,
            uid: self.uid,
            gid: self.gid,
            link: self.link,
            superseded: false,
        };
        match entry.problem() {
            None => Ok(entry),
            Some(reason) => Err(WriteError::Entry { path: entry.path, reason }),
        }
    }
}

/// Makes raw frames for one archive. Cheap to clone; every worker has its own.
#[derive(Debug, Clone)]
pub struct FrameWriter {
    mtime: i64,
}

impl FrameWriter {
    /// For a backup begun at `created`, which becomes the modification time of its entries.
    pub fn new(created: Timestamp) -> Self {
        Self { mtime: created.as_second() }
    }

    /// A frame that holds one whole file. For files of up to a few MiB; the limit is a little
    /// under 64 MiB.
    pub fn entry(&self, path: impl Into<String>, data: &[u8]) -> Result<RawFrame, WriteError> {
        self.entry_with(EntryHeader::file(path, data.len() as u64), data)
    }

    /// A frame that holds one whole entry of any kind; `header.size` must be the data's length.
    pub fn entry_with(&self, header: EntryHeader, data: &[u8]) -> Result<RawFrame, WriteError> {
        let entry = header.into_entry()?;
        let size = data.len() as u64;
        if size != entry.size {
            let announced = entry.size;
            return Err(WriteError::WrongSize { path: entry.path, announced, written: size });
        }
        let mut tar = Vec::with_capacity(data.len() + 2 * tar::BLOCK as usize);
        tar::header(&entry.member(self.mtime), &mut tar);
        let data_start = tar.len() as i64;
        if tar.len() as u64 + size + tar::padding(size) > u64::from(MAX_FRAME) {
            return Err(WriteError::TooLarge { path: entry.path, size });
        }
        tar.extend_from_slice(data);
        tar.resize(tar.len() + tar::padding(size) as usize, 0);
        let part = Part { entry, data_start, digest: None };
        Ok(RawFrame { tar, mtime: self.mtime, ends: vec![part], continues: None, continued: None })
    }

    /// A cutter, for large entries or many small ones: it cuts its tar stream into frames of
    /// `frame_size` bytes ([`FRAME_SIZE`](crate::FRAME_SIZE) is a good choice), at least 512 and
    /// at most [`MAX_FRAME`].
    pub fn cutter(&self, frame_size: usize) -> Cutter {
        Cutter::new(self.mtime, frame_size.clamp(tar::BLOCK as usize, MAX_FRAME as usize))
    }
}

/// A frame before compression: a stretch of the tar stream.
#[derive(Debug)]
#[must_use = "a frame that is not stored is missing from the archive"]
pub struct RawFrame {
    pub(crate) tar: Vec<u8>,
    pub(crate) mtime: i64,
    /// The entries whose data ends in this frame.
    pub(crate) ends: Vec<Part>,
    /// The seam with the frame before, when an entry spans both.
    pub(crate) continues: Option<Seam>,
    /// The seam with the frame after.
    pub(crate) continued: Option<Seam>,
}

impl RawFrame {
    /// How many bytes of tar it holds.
    pub fn tar_len(&self) -> usize {
        self.tar.len()
    }
}

/// An entry whose data ends in a frame.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) entry: Entry,
    /// Where its data begins, relative to the frame's begin: negative when in an earlier frame.
    pub(crate) data_start: i64,
    /// `None` when the data lies wholly in this frame: then `encode` computes it.
    pub(crate) digest: Option<Digest>,
}

/// Names a cut inside an entry: the frame after the cut must follow the frame before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seam(u64);

impl Seam {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// A frame as it will be stored, on its way to the [`Assembler`](crate::Assembler).
#[derive(Debug)]
#[must_use = "a frame that is not stored is missing from the archive"]
pub struct EncodedFrame {
    pub(crate) bytes: Bytes,
    pub(crate) record: FrameRecord,
    pub(crate) codec: Codec,
    pub(crate) mtime: i64,
    pub(crate) ends: Vec<Part>,
    pub(crate) continues: Option<Seam>,
    pub(crate) continued: Option<Seam>,
}

impl EncodedFrame {
    /// How many bytes will be stored.
    pub fn stored_len(&self) -> usize {
        self.bytes.len()
    }
}

/// Compresses a frame and computes its digest and those of the entries that lie in it. Takes all
/// of one CPU for 5 to 50 ms: call it on threads made for that, as many as there are CPUs.
pub fn encode(raw: RawFrame, compression: Compression) -> Result<EncodedFrame, WriteError> {
    let RawFrame { tar, mtime, mut ends, continues, continued } = raw;
    for part in &mut ends {
        if let Ok(start) = usize::try_from(part.data_start)
            && part.digest.is_none()
        {
            let data = &tar[start..start + part.entry.size as usize];
            part.digest = Some(Digest::of(data));
        }
    }
    let bytes = compress(&tar, compression).map_err(|source| WriteError::Compress {
        size: tar.len(),
        compression,
        source,
    })?;
    let record = FrameRecord {
        stored: bytes.len() as u32,
        tar: tar.len() as u32,
        digest: Digest::of(&bytes).half(),
    };
    let codec = compression.codec();
    Ok(EncodedFrame { bytes: bytes.into(), record, codec, mtime, ends, continues, continued })
}
