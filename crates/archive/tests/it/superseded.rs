//! Entries that changed while they were archived: the last of a path counts, for us and for `tar`.

use std::process::Command;

use lifeboat_archive::read::Frames;
use lifeboat_archive::{
    Assembler, Compression, EntryKind, FrameWriter, Manifest, ManifestError, encode,
};

use crate::support::{assemble, cut_frames, small, verify};

/// `a` twice, the first superseded; `gone` superseded by nothing; `b` as it is.
fn archive() -> (Manifest, Vec<u8>) {
    let (mut manifest, _) = assemble(cut_frames(&small(), 700, 100), Compression::ZSTD);
    let writer = FrameWriter::new(manifest.created);
    let mut assembler = Assembler::new(Compression::ZSTD);
    let mut bytes = Vec::new();
    for (path, data) in [("a", &b"old and longer"[..]), ("gone", b"gone"), ("b", b"b")] {
        let frame = encode(writer.entry(path, data).unwrap(), Compression::ZSTD).unwrap();
        bytes.extend_from_slice(&assembler.push(frame).unwrap());
    }
    assert!(assembler.supersede("a") && assembler.supersede("gone"));
    assert!(!assembler.supersede("a") && !assembler.supersede("never"));
    let frame = encode(writer.entry("a", b"new").unwrap(), Compression::ZSTD).unwrap();
    bytes.extend_from_slice(&assembler.push(frame).unwrap());
    let finished = assembler.finish(&manifest.name).unwrap();
    bytes.extend_from_slice(&finished.bytes);
    manifest.archive = finished.archive;
    manifest.entries = finished.entries;
    (manifest, bytes)
}

#[test]
fn the_last_entry_of_a_path_counts() {
    let (manifest, bytes) = archive();
    let manifest = Manifest::parse(&manifest.to_bytes().unwrap()).unwrap();
    let frames = Frames::new(&manifest).unwrap();
    assert_eq!(frames.find("a"), Some(3));
    assert_eq!(frames.find("gone"), None);
    assert_eq!(frames.find("b"), Some(2));
    assert_eq!(verify(&manifest, &bytes).unwrap().entries, 4);
}

#[test]
fn tar_sees_it_the_same_way() {
    let (_, bytes) = archive();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x.tar.zst"), bytes).unwrap();
    let run = Command::new("tar").args(["xf", "x.tar.zst"]).current_dir(&folder).output().unwrap();
    assert!(run.status.success() && run.stderr.is_empty(), "{run:?}");
    assert_eq!(std::fs::read(folder.path().join("a")).unwrap(), b"new");
    assert_eq!(std::fs::read(folder.path().join("b")).unwrap(), b"b");
}

#[test]
fn nothing_else_may_stand_twice() {
    let refused = |change: &dyn Fn(&mut Manifest)| {
        let (mut manifest, _) = archive();
        change(&mut manifest);
        let error = manifest.to_bytes().unwrap_err();
        assert!(matches!(error, ManifestError::Invalid { .. }), "{error}");
        assert!(Frames::new(&manifest).is_err());
    };
    refused(&|manifest| manifest.entries[0].superseded = false);
    // What comes after must be of the same type, or `tar` could be led through a link.
    refused(&|manifest| {
        let entry = &mut manifest.entries[3];
        entry.kind = EntryKind::Symlink;
        entry.link = Some("/etc".to_owned());
    });
}
