//! Whatever goes in comes out, however it is cut, and another tar sees the same.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Mutex;

use lifeboat_archive::read::{Frames, ReadError};
use lifeboat_archive::{
    Assembler, BackupKind, BackupName, Compression, EntryHeader, FrameWriter, Manifest, WriteError,
    encode,
};
use proptest::prelude::*;

use crate::support::{
    Source, assemble, backup, created, cut_frames, encode_all, file, read_entries, small, stored,
    verify, whole_frames,
};

fn sources() -> impl Strategy<Value = Vec<Source>> {
    let path = "[a-z0-9ü._ -]{0,60}(/[a-z]{1,60}){0,4}";
    let data = prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..3000),
        1 => (0_usize..20_000).prop_map(|len| vec![0; len]),
    ];
    let mode = prop::option::of(0_u32..0o10000);
    let mtime = prop::option::of(-5_i64..4_000_000_000);
    let source = (path, data, mode, mtime, 0_u64..3_000_000, 0_u8..8);
    prop::collection::vec(source, 0..12).prop_map(|made| {
        // Numbered, so that no path is used twice nor lies below another.
        let made = made.into_iter().enumerate();
        made.map(|(n, (path, data, mode, mtime, uid, kind))| {
            let path = format!("{n}{}", path.trim_end_matches('/'));
            let mut source = match kind {
                0 => Source { header: EntryHeader::directory(path), data: Vec::new() },
                1 => Source { header: EntryHeader::symlink(path, "../ß"), data: Vec::new() },
                _ => file(&path, data),
            };
            source.header = EntryHeader { mode, mtime, uid, ..source.header };
            source
        })
        .collect()
    })
}

fn compressions() -> impl Strategy<Value = Compression> {
    prop::sample::select(vec![
        Compression::ZSTD,
        Compression::Zstd { level: 1 },
        Compression::GZIP,
        Compression::Gzip { level: 1 },
    ])
}

/// The stored file decompressed as one stream, as `tar` does it.
fn decompress(archive: &[u8], compression: Compression) -> Vec<u8> {
    let mut tar = Vec::new();
    match compression {
        Compression::Zstd { .. } => {
            zstd::stream::read::Decoder::new(archive).unwrap().read_to_end(&mut tar).unwrap()
        }
        Compression::Gzip { .. } => {
            flate2::read::MultiGzDecoder::new(archive).read_to_end(&mut tar).unwrap()
        }
    };
    tar
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn entries_come_back(
        sources in sources(),
        cut in prop::option::of((512_usize..6000, 1_usize..4000)),
        compression in compressions(),
    ) {
        let frames = match cut {
            Some((frame_size, piece)) => cut_frames(&sources, frame_size, piece),
            None => whole_frames(&sources),
        };
        let backup = backup(frames, compression);
        let manifest = Manifest::parse(&backup.manifest).unwrap();
        prop_assert_eq!(manifest.to_bytes().unwrap(), backup.manifest.clone());

        let verified = verify(&manifest, &backup.archive).unwrap();
        prop_assert_eq!(verified.entries, sources.len());
        prop_assert_eq!(verified.stored, backup.archive.len() as u64);
        prop_assert_eq!(read_entries(&manifest, &backup.archive).unwrap(), sources.clone());

        let tar = decompress(&backup.archive, compression);
        prop_assert_eq!(verified.tar, tar.len() as u64);
        let mut archive = tar::Archive::new(tar.as_slice());
        let mut seen = 0;
        for (entry, source) in archive.entries().unwrap().zip(&sources) {
            let mut entry = entry.unwrap();
            let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
            prop_assert_eq!(path.trim_end_matches('/'), &source.header.path);
            let mut data = Vec::new();
            entry.read_to_end(&mut data).unwrap();
            prop_assert_eq!(&data, &source.data);
            seen += 1;
        }
        prop_assert_eq!(seen, sources.len());
    }
}

#[test]
fn an_archive_may_be_empty() {
    for compression in [Compression::ZSTD, Compression::GZIP] {
        let (manifest, archive) = assemble(Vec::new(), compression);
        assert_eq!(verify(&manifest, &archive).unwrap().tar, 1024);
    }
}

#[test]
fn frames_are_made_and_decoded_on_many_threads() {
    let sources: Vec<_> = (0..60)
        .map(|n| file(&format!("nodes/{n:06}.jsonl"), format!("{{\"id\":{n}}}\n").repeat(n * 40)))
        .collect();
    let writer = FrameWriter::new(created());
    let assembler = Mutex::new((Assembler::new(Compression::ZSTD), Vec::new()));
    std::thread::scope(|scope| {
        for part in sources.chunks(15) {
            let (writer, assembler) = (writer.clone(), &assembler);
            scope.spawn(move || {
                for source in part {
                    let raw = writer.entry(&source.header.path, &source.data).unwrap();
                    let encoded = encode(raw, Compression::ZSTD).unwrap();
                    let (assembler, archive) = &mut *assembler.lock().unwrap();
                    archive.extend_from_slice(&assembler.push(encoded).unwrap());
                }
            });
        }
    });
    let (assembler, mut archive) = assembler.into_inner().unwrap();
    let (mut manifest, _) = assemble(Vec::new(), Compression::ZSTD);
    let finished = assembler.finish(&manifest.name).unwrap();
    archive.extend_from_slice(&finished.bytes);
    (manifest.archive, manifest.entries) = (finished.archive, finished.entries);

    let frames = Frames::new(&manifest).unwrap();
    let decoded: Mutex<BTreeMap<usize, _>> = Mutex::default();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (frames, archive, decoded) = (&frames, &archive, &decoded);
            scope.spawn(move || {
                for index in (thread..frames.len()).step_by(4) {
                    let frame = frames.decode(index, stored(frames, index, archive)).unwrap();
                    decoded.lock().unwrap().insert(index, frame);
                }
            });
        }
    });
    let mut verifier = frames.verifier();
    for frame in decoded.into_inner().unwrap().values() {
        verifier.push(frame).unwrap();
    }
    assert_eq!(verifier.finish().unwrap().entries, 60);

    let mut read = read_entries(&manifest, &archive).unwrap();
    read.sort_by(|a, b| a.header.path.cmp(&b.header.path));
    assert_eq!(read, sources);
}

#[test]
fn one_entry_needs_only_its_frames() {
    let (manifest, _) = assemble(cut_frames(&small(), 512, 100), Compression::ZSTD);
    let frames = Frames::new(&manifest).unwrap();
    let spanning = frames.find("spanning").unwrap();
    assert_eq!(frames.plan(spanning).len(), 3);
    let file = frames.ranges(0..frames.len());
    assert_eq!(file, 0..manifest.archive.size);
    assert!(frames.plan(frames.find("empty").unwrap()).is_empty());
    assert_eq!(frames.find("nodes/000001.jsonl"), None);
}

#[test]
fn readers_insist_on_the_order_of_frames() {
    let (manifest, archive) = assemble(cut_frames(&small(), 512, 100), Compression::ZSTD);
    let frames = Frames::new(&manifest).unwrap();
    let decode = |index| frames.decode(index, stored(&frames, index, &archive)).unwrap();
    assert!(matches!(
        frames.verifier().push(&decode(1)),
        Err(ReadError::Order { expected: 0, got: 1, .. })
    ));
    assert!(matches!(frames.verifier().finish(), Err(ReadError::Order { .. })));
    let other = Frames::new(&manifest).unwrap();
    assert!(matches!(other.verifier().push(&decode(0)), Err(ReadError::Order { .. })));

    let entry = frames.find("spanning").unwrap();
    let plan = frames.plan(entry);
    let mut reader = frames.entry_reader(entry);
    assert!(reader.push(&decode(plan.end - 1)).is_err());
    reader.push(&decode(plan.start)).unwrap();
    assert!(matches!(reader.finish(), Err(ReadError::Order { .. })));
}

#[test]
fn the_assembler_refuses_what_does_not_belong() {
    let misuse = |result: Result<_, WriteError>| {
        assert!(matches!(result, Err(WriteError::Misuse { .. })), "{result:?}");
    };
    let name = BackupName::at(BackupKind::Database, created());
    let zstd = Compression::ZSTD;
    let mut cut = encode_all(cut_frames(&small(), 512, 512), zstd);
    let first_seam = 6; // the header of `spanning` goes on in the next frame
    cut.truncate(first_seam + 2);
    let gzip = encode(whole_frames(&small()).remove(0), Compression::GZIP).unwrap();
    misuse(Assembler::new(zstd).push(gzip));

    let mut assembler = Assembler::new(zstd);
    let last = cut.pop().unwrap();
    for frame in cut {
        let _ = assembler.push(frame).unwrap();
    }
    let whole = encode(whole_frames(&small()).remove(0), zstd).unwrap();
    misuse(assembler.push(whole));
    assert!(matches!(assembler.finish(&name), Err(WriteError::Misuse { .. })));
    misuse(Assembler::new(zstd).push(last));

    let mut assembler = Assembler::new(zstd);
    let [one, same] = [(); 2].map(|()| encode(whole_frames(&small()).remove(0), zstd).unwrap());
    let _ = assembler.push(one).unwrap();
    assert!(matches!(assembler.push(same), Err(WriteError::Duplicate { .. })));
    let later = FrameWriter::new("2027-01-01T00:00:00Z".parse().unwrap());
    misuse(assembler.push(encode(later.entry("later", b"").unwrap(), zstd).unwrap()));
}

#[test]
fn entries_that_cannot_be_archived_are_refused() {
    let writer = FrameWriter::new(created());
    assert!(matches!(writer.entry("../x", b""), Err(WriteError::Path(_))));
    let too_large = writer.entry("x", &vec![0; 64 << 20]);
    assert!(matches!(too_large, Err(WriteError::TooLarge { .. })));
    for header in [
        EntryHeader { size: 1, ..EntryHeader::directory("d") },
        EntryHeader { mode: Some(0o10000), ..EntryHeader::file("f", 1) },
        EntryHeader { link: Some("t".into()), ..EntryHeader::file("f", 1) },
        EntryHeader { link: None, ..EntryHeader::symlink("l", "t") },
        EntryHeader::symlink("l", ""),
        EntryHeader::symlink("l", "a\0b"),
    ] {
        let refused = writer.entry_with(header, b"1");
        assert!(matches!(refused, Err(WriteError::Entry { .. })), "{refused:?}");
    }
    let short = writer.entry_with(EntryHeader::file("f", 2), b"1");
    assert!(matches!(short, Err(WriteError::WrongSize { announced: 2, written: 1, .. })));
}

#[test]
fn nothing_lies_below_a_link() {
    let sources = [
        Source { header: EntryHeader::symlink("a", "/etc"), data: Vec::new() },
        file("a/passwd", b"x".to_vec()),
    ];
    let mut assembler = Assembler::new(Compression::ZSTD);
    for frame in encode_all(whole_frames(&sources), Compression::ZSTD) {
        let _ = assembler.push(frame).unwrap();
    }
    let name = BackupName::at(BackupKind::Config, created());
    assert!(matches!(assembler.finish(&name), Err(WriteError::Manifest(_))));
}
