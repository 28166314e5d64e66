//! Folders as they are: full, read-only, missing, large, and left by a process that was killed.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lifeboat_archive::Codec;
use lifeboat_vault::{Address, Error, LeftoverKind, Vault, VaultConfig};
use tempfile::TempDir;

use crate::support::{
    GRACE, NO_GRACE, Sample, check_clean_up, check_whole, name, noise, objects, plant,
};

fn open(folder: &Path) -> Vault {
    Vault::open(&VaultConfig::new(Address::Folder(folder.to_owned()))).unwrap()
}

#[tokio::test]
async fn a_missing_folder_is_made_by_the_first_backup() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path().join("a/b");
    let vault = open(&folder);
    for error in [
        vault.check().await.unwrap_err(),
        vault.list().await.unwrap_err(),
        vault.manifest(&name(0)).await.unwrap_err(),
        vault.remove(&name(0)).await.unwrap_err(),
        vault.leftovers(NO_GRACE).await.unwrap_err(),
    ] {
        assert!(error.is_vault_missing(), "{error:?}");
        assert!(error.to_string().contains("a/b"), "{error}");
    }
    assert!(vault.probe().await.create.is_none());
    assert!(vault.space().unwrap().unwrap().free > 0);
    assert!(!folder.exists());

    Sample::small(&name(0)).store(&vault).await.unwrap();
    assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(check_whole(&vault).await, [name(0)]);

    // A file is no folder, nor has it one in it.
    for path in ["file", "file/folder"] {
        std::fs::write(temp.path().join("file"), "").unwrap();
        let vault = open(&temp.path().join(path));
        let error = vault.begin(&name(0), Codec::Zstd).await.unwrap_err();
        assert!(error.to_string().contains(path), "{error}");
        vault.list().await.unwrap_err();
    }
}

/// A small file system of its own, when we may mount one.
struct Disk(TempDir);

impl Disk {
    fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(folder.path())
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(folder)),
            Ok(output) => {
                let why = String::from_utf8_lossy(&output.stderr);
                eprintln!("no small disk, only the store that says it is full: {why}");
                None
            }
            Err(why) => {
                eprintln!("no small disk, only the store that says it is full: {why}");
                None
            }
        }
    }

    fn remount(&self, option: &str) {
        let status = Command::new("mount").args(["-o", option]).arg(self.0.path()).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

// What a full disk does to every single operation is among the faults; this is a real one.
#[tokio::test]
async fn a_full_disk() {
    let Some(disk) = Disk::mount("12m") else { return };
    let vault = open(disk.0.path());
    Sample::small(&name(0)).store(&vault).await.unwrap();
    // Too large, by one part and by two.
    for size in [14_000_000, 30_000_000] {
        let error = Sample::new(&name(1), Codec::Zstd, size).store(&vault).await.unwrap_err();
        assert!(
            matches!(&error, Error::NoSpace { path, .. } if path == disk.0.path()),
            "{error:?}"
        );
        assert_eq!(objects(&vault).await.len(), 2);
    }
    Sample::small(&name(1)).store(&vault).await.unwrap();

    // A killed run has filled the disk to the last byte.
    let writer = vault.begin(&name(2), Codec::Zstd).await.unwrap();
    drop(writer);
    let half = disk.0.path().join(format!("{}#123", name(2).archive_file(Codec::Zstd)));
    let space = vault.space().unwrap().unwrap();
    std::fs::write(&half, noise(usize::try_from(space.free).unwrap(), 1)).unwrap();
    assert_eq!(vault.space().unwrap().unwrap().free, 0);
    let error = vault.begin(&name(3), Codec::Zstd).await.unwrap_err();
    assert!(matches!(error, Error::NoSpace { .. }), "{error:?}");
    assert_eq!(check_whole(&vault).await, [name(1), name(0)]);
    // What makes room works without room.
    vault.remove(&name(1)).await.unwrap();
    check_clean_up(&vault).await;
    assert_eq!(check_whole(&vault).await, [name(0)]);
    assert!(!half.exists());

    disk.remount("remount,ro");
    assert_eq!(check_whole(&vault).await, [name(0)]);
    for error in [
        vault.begin(&name(3), Codec::Zstd).await.unwrap_err(),
        vault.remove(&name(0)).await.unwrap_err(),
        vault.probe().await.create.unwrap().unwrap_err(),
    ] {
        assert!(matches!(error, Error::Denied { .. }), "{error:?}");
    }
    disk.remount("remount,rw");
    assert_eq!(check_whole(&vault).await, [name(0)]);
}

#[tokio::test]
async fn half_written_files_are_found() {
    let temp = tempfile::tempdir().unwrap();
    let vault = open(temp.path());
    Sample::small(&name(0)).store(&vault).await.unwrap();
    // Of a claim that never came to be, of a manifest of a finished backup, of nobody.
    plant(&vault, &format!("{}#1", name(1).claim_file()), "{").await;
    plant(&vault, &format!("{}#22", name(0).manifest_file()), "{").await;
    plant(&vault, "somebody.else#1", "x").await;
    let leftovers = vault.leftovers(NO_GRACE).await.unwrap();
    assert_eq!(leftovers.removable.len(), 2, "{leftovers:?}");
    assert!(leftovers.removable.iter().all(|one| one.kind == LeftoverKind::HalfWritten));
    assert_eq!(leftovers.unclaimed.len(), 1);
    assert!(vault.remove_leftovers(GRACE).await.unwrap().removed.is_empty());
    assert_eq!(vault.remove_leftovers(NO_GRACE).await.unwrap().removed.len(), 2);
    assert_eq!(check_whole(&vault).await, [name(0)]);
    assert_eq!(objects(&vault).await.len(), 3);
}

/// Where the process that is killed writes to.
const FOLDER: &str = "LIFEBOAT_TEST_FOLDER";
/// The number of its first backup.
const FIRST: &str = "LIFEBOAT_TEST_FIRST";

#[test]
#[ignore = "runs until it is killed, by killed_at_any_moment"]
fn writes_until_killed() {
    let folder = std::env::var(FOLDER).unwrap();
    let first: i64 = std::env::var(FIRST).unwrap().parse().unwrap();
    let vault = open(Path::new(&folder));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let samples = [100, 18_000_000].map(|size| Sample::new(&name(0), Codec::Zstd, size));
    println!("\nready");
    runtime.block_on(async {
        for (round, sample) in (first..).zip(samples.iter().cycle()) {
            let mut sample = sample.clone();
            sample.manifest.name = name(round);
            sample.manifest.archive.file = name(round).archive_file(Codec::Zstd);
            sample.store(&vault).await.unwrap();
        }
    });
}

#[tokio::test]
async fn killed_at_any_moment() {
    let temp = tempfile::tempdir().unwrap();
    let vault = open(temp.path());
    let mut interrupted = 0;
    for round in 0..16_u64 {
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(std::env::current_exe().unwrap())
            .args(["folder::writes_until_killed", "--exact", "--ignored", "--nocapture"])
            .env(FOLDER, temp.path())
            .env(FIRST, (round * 1000).to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.map_while(Result::ok).any(|line| line == "ready"), "it did not start");
        std::thread::sleep(Duration::from_millis(round * 7919 % 230));
        child.kill().unwrap();
        child.wait().unwrap();

        let before = check_whole(&vault).await;
        interrupted += vault.leftovers(NO_GRACE).await.unwrap().removable.len();
        check_clean_up(&vault).await;
        assert_eq!(check_whole(&vault).await, before);
        for name in before {
            vault.remove(&name).await.unwrap();
        }
        assert!(objects(&vault).await.is_empty());
    }
    eprintln!("{interrupted} leftovers of 16 killed runs");
    assert!(interrupted > 0, "not one was killed at work");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_backups() {
    const COUNT: i64 = 10_000;
    let temp = tempfile::tempdir().unwrap();
    let sample = Sample::new(&name(0), Codec::Zstd, 20_000_000).manifest;
    for second in 0..COUNT {
        let mut manifest = sample.clone();
        manifest.name = name(second);
        manifest.created = manifest.name.timestamp().unwrap();
        manifest.archive.file = manifest.name.archive_file(Codec::Zstd);
        std::fs::write(temp.path().join(manifest.file_name()), manifest.to_bytes().unwrap())
            .unwrap();
        // A hole of the right size: nobody reads it here.
        let archive = std::fs::File::create(temp.path().join(&manifest.archive.file)).unwrap();
        archive.set_len(manifest.archive.size).unwrap();
    }
    let vault = open(temp.path());
    let start = Instant::now();
    let listed = vault.list().await.unwrap();
    eprintln!("{COUNT} backups listed in {:?}", start.elapsed());
    assert_eq!(listed.len(), 10_000);
    assert!(listed.iter().all(lifeboat_vault::Listed::is_intact));
    assert!(listed.is_sorted_by(|a, b| a.created() > b.created()));
    let start = Instant::now();
    assert!(vault.leftovers(NO_GRACE).await.unwrap().removable.is_empty());
    eprintln!("and their leftovers in {:?}", start.elapsed());
}
