//! The backup file: an archive that any `tar` opens, and the manifest that proves it.
//!
//! A backup is two objects. The **archive** is a standard tar, cut into *frames* that are
//! compressed one by one, so that frames are made, read and checked in parallel and in any order,
//! while the file as a whole is an ordinary `.tar.zst` or `.tar.gz`. The **manifest** lists what
//! the archive holds and carries a digest of every stored byte, so that nothing in a backup is
//! ever believed: each frame, each entry and the whole file are checked against it, and the
//! manifest is checked against a digest of its own. `docs/formats.md` has every byte of both.
//!
//! This crate does no I/O, starts no threads and knows no runtime: bytes come in, bytes go out,
//! and the caller decides who moves them. Hostile input costs an error and a bounded amount of
//! memory, never a panic.
//!
//! # Writing
//!
//! ```
//! use lifeboat_archive::*;
//!
//! let created: jiff::Timestamp = "2026-11-24T02:00:00Z".parse()?;
//! let name = BackupName::at(BackupKind::Database, created);
//! let writer = FrameWriter::new(created);
//! let compression = Compression::default();
//!
//! let mut assembler = Assembler::new(compression);
//! let mut file = Vec::new(); // stands for the store
//! // Any thread may make and encode frames; one assembler puts them in their order.
//! let frame = encode(writer.entry("nodes/000000.jsonl", b"{\"id\":1}\n")?, compression)?;
//! file.extend_from_slice(&assembler.push(frame)?);
//! let finished = assembler.finish(&name)?;
//! file.extend_from_slice(&finished.bytes);
//!
//! let manifest = Manifest {
//!     name,
//!     kind: BackupKind::Database,
//!     created,
//!     finished: created,
//!     tool: Tool { name: "lifeboat".into(), version: "0.1.0".into() },
//!     archive: finished.archive,
//!     entries: finished.entries,
//!     database: None,
//!     config: None,
//!     options: Default::default(),
//! };
//! let manifest = manifest.to_bytes()?; // stored last
//!
//! // Reading it back, every byte checked:
//! let frames = read::Frames::new(&Manifest::parse(&manifest)?)?;
//! let mut verifier = frames.verifier();
//! for index in 0..frames.len() {
//!     let range = frames.range(index);
//!     let stored = file[range.start as usize..range.end as usize].to_vec();
//!     verifier.push(&frames.decode(index, stored.into())?)?; // decode: on any thread
//! }
//! verifier.finish()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod assemble;
mod certificate;
mod codec;
mod cut;
mod digest;
mod frame;
mod manifest;
mod name;
mod path;
pub mod read;
mod tar;
mod write;

pub use assemble::{Assembler, Finished};
pub use certificate::{Certificate, CertificateError, Check, Issuer, TrialStep};
pub use codec::{Codec, Compression, CompressionError};
pub use cut::Cutter;
pub use digest::{Digest, DigestError};
pub use frame::{FrameRecord, FrameTable, MAX_FRAME, MAX_STORED};
pub use manifest::{
    ArchiveSection, ConfigSection, Counts, DatabaseSection, Encryption, EncryptionMethod, Entry,
    EntryKind, FORMAT, FileDigest, Fingerprint, LeftOut, LogPosition, Manifest, ManifestError,
    Method, PhysicalDatabase, PhysicalSection, Reference, ReferenceKind, ServerInfo, Snapshot,
    Tool,
};
pub use name::{BackupKind, BackupName, FileKind, NameError};
pub use path::{PathError, check_path};
pub use write::{EncodedFrame, EntryHeader, FrameWriter, RawFrame, WriteError, encode};

/// Tar bytes per frame that suit a cutter: 4 MiB. Large enough for a good ratio, small enough that
/// a reader who wants one entry does not read much else.
pub const FRAME_SIZE: usize = 4 << 20;
