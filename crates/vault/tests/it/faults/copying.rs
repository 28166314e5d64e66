//! Copies between two vaults, with every fault at every operation in turn, at the source and at the
//! target.
//!
//! After each: every backup that lists is whole in both, nothing good is gone, and the next run
//! makes the copy.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lifeboat_archive::{BackupName, Codec, FileKind};
use lifeboat_vault::{Address, Damage, Error, Retry, Vault, VaultConfig};
use object_store::ObjectStoreExt as _;
use object_store::path::Path;

use super::store::{Fault, FaultyStore};
use crate::support::{NO_GRACE, QUICK, Sample, check_whole, name, objects, plant, raw, verify};

/// Two vaults; what they hold goes with the folders.
fn vaults(folders: bool, retry: Retry) -> (Vault, Vault, Vec<tempfile::TempDir>) {
    let temps: Vec<_> = (0..2).map(|_| tempfile::tempdir().unwrap()).collect();
    let open = |temp: &tempfile::TempDir| {
        let address = if folders {
            Address::Folder(temp.path().to_owned())
        } else {
            Address::Memory(temp.path().display().to_string())
        };
        Vault::open(&VaultConfig::new(address).with_retry(retry)).unwrap()
    };
    (open(&temps[0]), open(&temps[1]), temps)
}

async fn copy(from: &Vault, to: &Vault, name: &BackupName) -> Result<u64, Error> {
    from.copy_to(name, to, &|_| {}).await.map(|copied| copied.sent)
}

/// The bytes of every file of a backup.
async fn bytes(vault: &Vault, name: &BackupName) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for object in objects(vault).await {
        if object.starts_with(name.as_str()) {
            let found = raw(vault).get(&Path::parse(&object).unwrap()).await.unwrap();
            files.push((object, found.bytes().await.unwrap().to_vec()));
        }
    }
    files
}

#[tokio::test]
async fn a_copy_is_the_same_to_the_byte() {
    for folders in [false, true] {
        let (from, to, _temps) = vaults(folders, QUICK);
        for (second, size) in [(0, 100), (1, 9_000_000)] {
            let name = name(second);
            Sample::new(&name, Codec::Gzip, size).store(&from).await.unwrap();
            from.write_beside(&name, FileKind::Signature, "signed".into()).await.unwrap();
            let read = AtomicU64::new(0);
            let count = |bytes| {
                read.fetch_add(bytes, Ordering::Relaxed);
            };
            let copied = from.copy_to(&name, &to, &count).await.unwrap();
            assert_eq!(copied.sent, copied.manifest.archive.size);
            assert_eq!(read.into_inner(), 2 * copied.sent, "read here, and read back there");
            verify(&to, &name).await;
            assert_eq!(bytes(&from, &name).await, bytes(&to, &name).await);
            let again = copy(&from, &to, &name).await.unwrap_err();
            assert!(matches!(again, Error::AlreadyExists { .. }), "{again}");
        }
        let none = copy(&from, &to, &name(9)).await.unwrap_err();
        assert!(matches!(none, Error::NotFound { .. }), "{none}");
    }
}

#[tokio::test]
async fn what_does_not_match_its_manifest_is_never_copied() {
    let (from, to, _temps) = vaults(false, Retry::NONE);
    let sample = Sample::new(&name(0), Codec::Zstd, 9_000_000);
    sample.store(&from).await.unwrap();
    let archive = sample.manifest.archive.file.clone();
    let mut flipped = sample.pieces.concat();
    flipped[5_000_000] ^= 1;
    plant(&from, &archive, flipped).await;
    let error = copy(&from, &to, &name(0)).await.unwrap_err();
    assert!(
        matches!(&error, Error::Damaged { damage: Damage::ArchiveContent(file), .. } if *file == archive),
        "{error}"
    );
    assert_eq!(objects(&to).await, Vec::<String>::new());
    let check = from.check_stored(&sample.manifest, &|_| {}).await.unwrap_err();
    assert!(matches!(check, Error::Damaged { .. }));
    plant(&from, &archive, "short").await;
    let error = copy(&from, &to, &name(0)).await.unwrap_err();
    assert!(matches!(error, Error::Damaged { damage: Damage::ArchiveSize { .. }, .. }), "{error}");
}

#[tokio::test]
async fn nothing_of_anybody_s_is_overwritten() {
    let (from, to, _temps) = vaults(false, Retry::NONE);
    Sample::small(&name(0)).store(&from).await.unwrap();
    let archive = name(0).archive_file(Codec::Zstd);
    plant(&to, &archive, "somebody's").await;
    let error = copy(&from, &to, &name(0)).await.unwrap_err();
    assert!(matches!(error, Error::AlreadyExists { .. }), "{error}");
    // Nor is a backup that is being made under the name.
    Sample::small(&name(1)).store(&from).await.unwrap();
    let running = to.begin(&name(1), Codec::Zstd).await.unwrap();
    let error = copy(&from, &to, &name(1)).await.unwrap_err();
    assert!(matches!(error, Error::AlreadyExists { .. }), "{error}");
    running.abort().await.unwrap();
    copy(&from, &to, &name(1)).await.unwrap();
}

#[tokio::test]
async fn a_damaged_copy_is_replaced_and_nothing_of_it_stays() {
    let (from, to, _temps) = vaults(true, Retry::NONE);
    let sample = Sample::small(&name(0));
    sample.store(&from).await.unwrap();
    sample.store(&to).await.unwrap();
    let files = objects(&to).await;
    // Its manifest is damaged; there is an archive that it may have meant, and files beside.
    plant(&to, &name(0).manifest_file(), "{").await;
    plant(&to, &name(0).archive_file(Codec::Gzip), "which?").await;
    to.write_beside(&name(0), FileKind::Certificate, "of the old one".into()).await.unwrap();
    let copied = from.copy_over(&name(0), &to, &|_| {}).await.unwrap();
    assert_eq!(copied.sent, 0, "the archive was good");
    verify(&to, &name(0)).await;
    assert_eq!(objects(&to).await, files);

    // One of the wrong size is sent anew, also when the source fails at first.
    plant(&to, &sample.manifest.archive.file, "short").await;
    plant(&from, &sample.manifest.archive.file, "short").await;
    let error = from.copy_over(&name(0), &to, &|_| {}).await.unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
    assert_eq!(objects(&to).await, files, "nothing goes for a source that is no better");
    plant(&from, &sample.manifest.archive.file, sample.pieces.concat()).await;
    assert!(from.copy_over(&name(0), &to, &|_| {}).await.unwrap().sent > 0);
    verify(&to, &name(0)).await;
}

#[tokio::test]
async fn a_removal_that_stopped_long_ago_is_finished_first() {
    let (from, to, temps) = vaults(true, Retry::NONE);
    for vault in [&from, &to] {
        Sample::small(&name(0)).store(vault).await.unwrap();
    }
    // Killed before the archive is deleted: that is the second of its deletions.
    let mut at = 0;
    while objects(&to).await.len() != 2 || !objects(&to).await[0].contains("claim") {
        let store = Arc::new(FaultyStore::new(raw(&to), Fault::Killed, at));
        let faulty = to.wrap(|_| Arc::clone(&store) as _);
        let removed = name(0);
        tokio::select! {
            _ = faulty.remove(&removed) => panic!("it was never killed in between"),
            () = store.killed() => {}
        }
        at += 1;
    }
    let error = copy(&from, &to, &name(0)).await.unwrap_err();
    assert!(matches!(error, Error::AlreadyExists { .. }), "{error}");
    let claim = std::fs::File::open(temps[1].path().join(name(0).claim_file())).unwrap();
    let hours = std::time::Duration::from_hours(2);
    claim.set_modified(std::time::SystemTime::now() - hours).unwrap();
    copy(&from, &to, &name(0)).await.unwrap();
    assert_eq!(check_whole(&to).await, [name(0)]);
    assert_eq!(objects(&to).await, objects(&from).await);
}

#[tokio::test]
async fn a_full_archive_is_not_sent_again() {
    for folders in [false, true] {
        let (from, to, _temps) = vaults(folders, Retry::NONE);
        Sample::new(&name(0), Codec::Zstd, 9_000_000).store(&from).await.unwrap();
        // Killed before the manifest: the last thing that is put is the manifest.
        let mut at = 0;
        loop {
            let store = Arc::new(FaultyStore::new(raw(&to), Fault::Killed, at));
            let faulty = to.wrap(|_| Arc::clone(&store) as _);
            let copied = name(0);
            let killed = tokio::select! {
                _ = copy(&from, &faulty, &copied) => false,
                () = store.killed() => true,
            };
            assert!(killed, "the archive was never there without the manifest");
            store.heal();
            let there = objects(&to).await;
            if there.contains(&name(0).archive_file(Codec::Zstd)) {
                break;
            }
            at += 1;
        }
        assert_eq!(copy(&from, &to, &name(0)).await.unwrap(), 0);
        verify(&to, &name(0)).await;
    }
}

/// Copies with every fault at every operation of one of the two stores.
async fn everywhere(folders: bool, retry: Retry, size: usize, at_target: bool) {
    for fault in Fault::ALL {
        let mut at = 0;
        while once(folders, retry, size, at_target, fault, at).await {
            at += 1;
        }
        eprintln!("{size} bytes, target {at_target}, {fault:?}: at {at} operations");
    }
}

/// Whether the fault happened.
async fn once(
    folders: bool,
    retry: Retry,
    size: usize,
    at_target: bool,
    fault: Fault,
    at: usize,
) -> bool {
    let (from, to, _temps) = vaults(folders, retry);
    for vault in [&from, &to] {
        Sample::small(&name(0)).store(vault).await.unwrap();
    }
    Sample::new(&name(1), Codec::Zstd, size).store(&from).await.unwrap();
    from.write_beside(&name(1), FileKind::Signature, "signed".into()).await.unwrap();

    let store = Arc::new(FaultyStore::new(raw(if at_target { &to } else { &from }), fault, at));
    let faulty = if at_target { &to } else { &from }.wrap(|_| Arc::clone(&store) as _);
    let (here, there) = if at_target { (&from, &faulty) } else { (&faulty, &to) };
    let copied = name(1);
    let result = tokio::select! {
        result = copy(here, there, &copied) => Some(result),
        () = store.killed() => None,
    };
    let happened = store.happened();
    store.heal();
    let context = format!("target {at_target}, {fault:?} at {at} ({happened:?}): {result:?}");
    if happened.is_none() {
        assert!(matches!(result, Some(Ok(_))), "{context}: without a fault");
        return false;
    }

    // Whatever happened: the source has what it had, the target lists only what is whole.
    assert_eq!(check_whole(&from).await, [name(1), name(0)], "{context}");
    let listed = check_whole(&to).await;
    assert!(listed.contains(&name(0)), "{context}: a good backup is gone");
    if let Some(result) = &result {
        assert_eq!(result.is_ok(), listed.contains(&name(1)), "{context}");
    }
    // The next run makes the copy, or finds it made.
    match copy(&from, &to, &name(1)).await {
        Ok(_) => assert!(!listed.contains(&name(1)), "{context}"),
        Err(Error::AlreadyExists { .. }) if listed.contains(&name(1)) => {}
        Err(error) => panic!("{context}: then {error}"),
    }
    assert_eq!(check_whole(&to).await, [name(1), name(0)], "{context}");
    // And nothing is left that cleaning up would not find.
    to.remove_leftovers(NO_GRACE).await.unwrap();
    assert_eq!(bytes(&from, &name(1)).await, bytes(&to, &name(1)).await, "{context}");
    true
}

#[tokio::test]
async fn copying_a_small_backup() {
    for folders in [false, true] {
        for retry in [Retry::NONE, QUICK] {
            for at_target in [false, true] {
                everywhere(folders, retry, 100, at_target).await;
            }
        }
    }
}

#[tokio::test]
async fn copying_a_large_backup() {
    // In folders: what was in memory stays there as long as the process.
    for at_target in [false, true] {
        everywhere(true, Retry::NONE, 9_000_000, at_target).await;
    }
}
