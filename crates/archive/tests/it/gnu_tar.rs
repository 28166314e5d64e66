//! The system's own `tar` opens what we write: a backup must outlive this program.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use lifeboat_archive::{Compression, EntryHeader, EntryKind};

use crate::support::{Source, backup, cut_frames, file, small, whole_frames};

fn run(program: &str, args: &[&str], folder: &Path) -> Option<String> {
    let output = Command::new(program).args(args).current_dir(folder).output().ok()?;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    // Not even a warning: `tar` warns of what it finds odd.
    assert!(output.status.success() && errors.is_empty(), "{program} {args:?}: {errors}");
    Some(String::from_utf8(output.stdout).unwrap())
}

fn sources() -> Vec<Source> {
    let mut sources = small();
    let deep = format!("{}/{}", vec!["d".repeat(40); 6].join("/"), "f".repeat(90));
    sources.push(file(&deep, b"deep".to_vec()));
    sources.push(file(&format!("{}/{}", "d".repeat(150), "f".repeat(100)), b"split".to_vec()));
    sources.push(file(&"x".repeat(250), b"long name".to_vec()));
    sources.push(file("zeros", vec![0; 300_000]));
    sources.push(Source {
        header: EntryHeader { mtime: Some(1_000_000_000), ..EntryHeader::file("old", 1) },
        data: vec![1],
    });
    sources
}

fn check(sources: &[Source], archive: &[u8], name: &str, extract: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(name), archive).unwrap();
    let out = folder.path().join("out");
    fs::create_dir(&out).unwrap();
    run("tar", &[extract, &["-C", "out"]].concat(), folder.path()).expect("tar is installed");

    let mut found = BTreeMap::new();
    let mut folders = vec![out.clone()];
    while let Some(next) = folders.pop() {
        for item in fs::read_dir(next).unwrap() {
            let path = item.unwrap().path();
            let kind = path.symlink_metadata().unwrap().file_type();
            if kind.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(&out).unwrap().to_owned(), kind);
            }
        }
    }
    for Source { header, data } in sources {
        let path = out.join(&header.path);
        let meta = path.symlink_metadata().unwrap();
        match header.kind {
            EntryKind::Directory => assert!(meta.is_dir()),
            EntryKind::Symlink => {
                let target = fs::read_link(&path).unwrap();
                assert_eq!(target.to_str(), header.link.as_deref());
            }
            EntryKind::File => {
                assert!(meta.is_file());
                assert!(fs::read(&path).unwrap() == *data, "{}", header.path);
                assert_eq!(meta.permissions().mode() & 0o777, header.mode.unwrap_or(0o644));
                let time = crate::support::created().as_second();
                assert_eq!(meta.mtime(), header.mtime.unwrap_or(time));
            }
        }
        found.remove(Path::new(&header.path));
    }
    assert_eq!(found.len(), 0, "nothing else was unpacked: {found:?}");
}

#[test]
fn tar_opens_gzip() {
    for frames in [whole_frames(&sources()), cut_frames(&sources(), 5000, 999)] {
        let backup = backup(frames, Compression::GZIP);
        check(&sources(), &backup.archive, "a.tar.gz", &["-xzpf", "a.tar.gz"]);
    }
}

#[test]
fn tar_opens_zstd() {
    for frames in [whole_frames(&sources()), cut_frames(&sources(), 5000, 999)] {
        let backup = backup(frames, Compression::ZSTD);
        if Command::new("zstd").arg("--version").output().is_ok() {
            check(&sources(), &backup.archive, "a.tar.zst", &["-xpf", "a.tar.zst"]);
        } else {
            // Where the `zstd` program is missing, `tar` cannot call it: decompress for it.
            let tar = zstd::stream::decode_all(backup.archive.as_slice()).unwrap();
            check(&sources(), &tar, "a.tar", &["-xpf", "a.tar"]);
        }
    }
}

#[test]
fn the_compressors_find_nothing_wrong() {
    let folder = tempfile::tempdir().unwrap();
    for (compression, program) in [(Compression::ZSTD, "zstd"), (Compression::GZIP, "gzip")] {
        let name = format!("a.{}", compression.extension());
        let backup = backup(whole_frames(&sources()), compression);
        fs::write(folder.path().join(&name), &backup.archive).unwrap();
        let Some(_) = run(program, &["-q", "-t", &name], folder.path()) else {
            assert_eq!(program, "zstd", "gzip is always installed");
            continue;
        };
    }
}

#[test]
fn tar_lists_sizes_beyond_ustar() {
    // Not the data, of course: only a header is made, and `tar` is asked to list it.
    let folder = tempfile::tempdir().unwrap();
    let size = 9_u64 << 30;
    let mut cutter = lifeboat_archive::FrameWriter::new(crate::support::created()).cutter(1 << 20);
    let _ = cutter.begin(EntryHeader::file("big", size)).unwrap();
    let data = vec![0; 1 << 20];
    let frame = cutter.write(&data).unwrap().remove(0);
    let encoded = lifeboat_archive::encode(frame, Compression::GZIP).unwrap();
    let mut assembler = lifeboat_archive::Assembler::new(Compression::GZIP);
    let bytes = assembler.push(encoded).unwrap();
    fs::write(folder.path().join("a.tar.gz"), &bytes).unwrap();
    let output = Command::new("tar")
        .args(["-tvzf", "a.tar.gz"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let listed = String::from_utf8(output.stdout).unwrap();
    assert!(listed.contains(&size.to_string()), "{listed}");
}
