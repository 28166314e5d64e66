//! Backups of every format there ever was, opened by every version there will be.
//!
//! The files in `tests/golden/` were written once and are never changed: a test that fails here
//! means that backups in the field can no longer be read. A *new* format gets new files beside
//! them: `LIFEBOAT_GOLDEN=write cargo test -p lifeboat-archive golden` writes those that are
//! missing, and leaves the others alone.

use std::fs;
use std::path::{Path, PathBuf};

use lifeboat_archive::{BackupName, Compression, FileKind, Manifest};

use crate::support::{assemble, cut_frames, read_entries, small, verify};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// The golden backup of format 1, as it would be made today.
fn make(compression: Compression) -> (Manifest, Vec<u8>) {
    let (mut manifest, archive) = assemble(cut_frames(&small(), 700, 100), compression);
    manifest.name = format!("format-1-{}", compression.codec()).parse().unwrap();
    manifest.archive.file = manifest.name.archive_file(compression.codec());
    (manifest, archive)
}

#[test]
fn every_golden_backup_opens() {
    if std::env::var_os("LIFEBOAT_GOLDEN").is_some_and(|value| value == "write") {
        for compression in [Compression::ZSTD, Compression::GZIP] {
            let (manifest, archive) = make(compression);
            let file = folder().join(manifest.file_name());
            if !file.exists() {
                fs::write(folder().join(&manifest.archive.file), archive).unwrap();
                fs::write(file, manifest.to_bytes().unwrap()).unwrap();
            }
        }
    }

    let mut opened = Vec::new();
    for file in fs::read_dir(folder()).unwrap() {
        let file = file.unwrap();
        let Some((name, FileKind::Manifest)) =
            BackupName::from_file_name(file.file_name().to_str().unwrap())
        else {
            continue;
        };
        let bytes = fs::read(file.path()).unwrap();
        let manifest = Manifest::parse(&bytes).unwrap();
        assert_eq!(manifest.name, name);
        let archive = fs::read(folder().join(&manifest.archive.file)).unwrap();
        assert_eq!(archive.len() as u64, manifest.archive.size);
        verify(&manifest, &archive).unwrap();
        assert_eq!(read_entries(&manifest, &archive).unwrap(), small());
        opened.push(name.to_string());
    }
    opened.sort();
    assert_eq!(opened, ["format-1-gzip", "format-1-zstd"]);
}

/// What the manifest says is part of the format too: members, their order, how they are written.
#[test]
fn the_manifest_is_still_written_the_same() {
    for compression in [Compression::ZSTD, Compression::GZIP] {
        let (made, _) = make(compression);
        let golden = fs::read(folder().join(made.file_name())).unwrap();
        let mut manifest = Manifest::parse(&golden).unwrap();
        assert_eq!(String::from_utf8(manifest.to_bytes().unwrap()).unwrap().as_bytes(), golden);
        // Another version of a compressor may make other bytes of the same tar.
        manifest.archive.frames = made.archive.frames.clone();
        manifest.archive.size = made.archive.size;
        manifest.archive.blake3 = made.archive.blake3;
        assert_eq!(manifest, made);
    }
}
