//! Backups in memory: made with the public interface, and read back with every check.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use lifeboat_archive::read::{Frames, ReadError, Verified};
use lifeboat_archive::{
    Assembler, BackupKind, BackupName, Compression, Counts, DatabaseSection, EncodedFrame,
    EntryHeader, Fingerprint, FrameWriter, Manifest, Method, RawFrame, ServerInfo, Snapshot, Tool,
    encode,
};

/// An entry and its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) header: EntryHeader,
    pub(crate) data: Vec<u8>,
}

pub(crate) fn file(path: &str, data: impl Into<Vec<u8>>) -> Source {
    let data = data.into();
    Source { header: EntryHeader::file(path, data.len() as u64), data }
}

/// A stored backup.
#[derive(Debug, Clone)]
pub(crate) struct Backup {
    pub(crate) archive: Vec<u8>,
    pub(crate) manifest: Vec<u8>,
}

pub(crate) fn created() -> Timestamp {
    "2026-11-24T02:00:00.5Z".parse().unwrap()
}

/// Each entry in a frame of its own, as a logical backup makes them.
pub(crate) fn whole_frames(sources: &[Source]) -> Vec<RawFrame> {
    let writer = FrameWriter::new(created());
    let frame = |source: &Source| writer.entry_with(source.header.clone(), &source.data);
    sources.iter().map(|source| frame(source).unwrap()).collect()
}

/// All entries through one cutter, in writes of `piece` bytes.
pub(crate) fn cut_frames(sources: &[Source], frame_size: usize, piece: usize) -> Vec<RawFrame> {
    let mut cutter = FrameWriter::new(created()).cutter(frame_size);
    let mut frames = Vec::new();
    for source in sources {
        frames.extend(cutter.begin(source.header.clone()).unwrap());
        for data in source.data.chunks(piece) {
            frames.extend(cutter.write(data).unwrap());
        }
        frames.extend(cutter.end().unwrap());
    }
    frames.extend(cutter.finish().unwrap());
    frames
}

pub(crate) fn encode_all(frames: Vec<RawFrame>, compression: Compression) -> Vec<EncodedFrame> {
    frames.into_iter().map(|frame| encode(frame, compression).unwrap()).collect()
}

pub(crate) fn assemble(frames: Vec<RawFrame>, compression: Compression) -> (Manifest, Vec<u8>) {
    let name = BackupName::at(BackupKind::Database, created());
    let mut assembler = Assembler::new(compression);
    let mut archive = Vec::new();
    for frame in encode_all(frames, compression) {
        archive.extend_from_slice(&assembler.push(frame).unwrap());
    }
    let finished = assembler.finish(&name).unwrap();
    archive.extend_from_slice(&finished.bytes);
    let manifest = Manifest {
        name,
        kind: BackupKind::Database,
        created: created(),
        finished: "2026-11-24T02:00:09Z".parse().unwrap(),
        tool: Tool { name: "lifeboat".into(), version: "0.1.0".into() },
        archive: finished.archive,
        entries: finished.entries,
        database: Some(database()),
        config: None,
        options: BTreeMap::from([("compression".into(), compression.to_string())]),
    };
    (manifest, archive)
}

fn database() -> DatabaseSection {
    DatabaseSection {
        method: Method::Logical,
        name: "neo4j".into(),
        id: Some("6f0ad3a4-7dd0-4d3c-8a30-1a4d0c3b5e77".parse().unwrap()),
        server: ServerInfo {
            version: "5.26.18".into(),
            edition: Some("community".into()),
            bolt: Some("5.8".into()),
        },
        snapshot: Some(Snapshot { first_tx: 41, last_tx: 41, exact: true }),
        counts: Some(Counts {
            nodes: 2,
            relationships: 1,
            labels: BTreeMap::from([("Person".into(), 2)]),
            types: BTreeMap::from([("KNOWS".into(), 1)]),
            constraints: 1,
            indexes: 2,
            ..Counts::default()
        }),
        fingerprint: Some(Fingerprint {
            algorithm: "lifeboat-graph-1".into(),
            graph: "000102030405060708090a0b0c0d0e0f".into(),
            nodes: BTreeMap::from([("`Person`".into(), "00".repeat(16))]),
            relationships: BTreeMap::from([("KNOWS".into(), "11".repeat(16))]),
            schema: "22".repeat(16),
        }),
        physical: None,
    }
}

pub(crate) fn backup(frames: Vec<RawFrame>, compression: Compression) -> Backup {
    let (manifest, archive) = assemble(frames, compression);
    Backup { archive, manifest: manifest.to_bytes().unwrap() }
}

/// The bytes of frame `index`, as far as the archive has them: what a store would give.
pub(crate) fn stored(frames: &Frames, index: usize, archive: &[u8]) -> Bytes {
    let range = frames.range(index);
    let end = (range.end as usize).min(archive.len());
    let start = (range.start as usize).min(end);
    Bytes::copy_from_slice(&archive[start..end])
}

/// Verifies all that a manifest and an archive can prove.
pub(crate) fn verify(manifest: &Manifest, archive: &[u8]) -> Result<Verified, ReadError> {
    let frames = Frames::new(manifest)?;
    let mut verifier = frames.verifier();
    for index in 0..frames.len() {
        verifier.push(&frames.decode(index, stored(&frames, index, archive))?)?;
    }
    verifier.finish()
}

/// Reads every entry by itself, through only the frames that hold it.
pub(crate) fn read_entries(manifest: &Manifest, archive: &[u8]) -> Result<Vec<Source>, ReadError> {
    let frames = Frames::new(manifest)?;
    let mut sources = Vec::new();
    for (index, entry) in frames.entries().iter().enumerate() {
        let mut reader = frames.entry_reader(index);
        let mut data = Vec::new();
        for frame in frames.plan(index) {
            let decoded = frames.decode(frame, stored(&frames, frame, archive))?;
            data.extend_from_slice(reader.push(&decoded)?);
        }
        reader.finish()?;
        let header = EntryHeader {
            path: entry.path.clone(),
            kind: entry.kind,
            size: entry.size,
            mode: entry.mode,
            mtime: entry.mtime,
            uid: entry.uid,
            gid: entry.gid,
            link: entry.link.clone(),
        };
        sources.push(Source { header, data });
    }
    Ok(sources)
}

/// A small backup with every kind of entry, an entry that spans frames, and a path that needs a
/// pax header.
pub(crate) fn small() -> Vec<Source> {
    let spanning: Vec<u8> = (0..1300_u32).map(|n| (n * n / 7) as u8).collect();
    vec![
        file("schema.json", b"{}\n".to_vec()),
        Source { header: EntryHeader::directory("nodes"), data: Vec::new() },
        file("nodes/000000.jsonl", b"{\"id\":0}\n{\"id\":1}\n".to_vec()),
        file("empty", Vec::new()),
        Source {
            header: EntryHeader { mode: Some(0o600), uid: 7, ..file("spanning", b"").header },
            data: Vec::new(),
        },
        Source { header: EntryHeader::symlink("link", "nodes/000000.jsonl"), data: Vec::new() },
        file("größe", b"pax".to_vec()),
    ]
    .into_iter()
    .map(|mut source| {
        if source.header.path == "spanning" {
            source.header.size = spanning.len() as u64;
            source.data.clone_from(&spanning);
        }
        source
    })
    .collect()
}
