//! The whole of `backup config` with a store that fails, delays, truncates, lists nothing, fills up
//! and dies, at every operation in turn.
//!
//! After each: every listed backup is whole, the one that was there before is still there, the next
//! run makes a backup, and what was left behind is found and removed.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lifeboat::CancellationToken;
use lifeboat::config::ConfigBackupSection;
use lifeboat::config_backup::{ConfigBackupOptions, ConfigBackupReport, backup_config};
use lifeboat::format::Compression;
use lifeboat::vault::{Address, Retry, Vault, VaultConfig};

use crate::store::{Fault, FaultyStore};
use crate::support::{QUICK, check_clean_up, check_whole, noise, raw};

/// Backs up a folder.
async fn back_up(vault: &Vault, folder: &str) -> Result<ConfigBackupReport, lifeboat::Error> {
    let options = ConfigBackupOptions {
        section: ConfigBackupSection {
            include: vec![folder.to_owned()],
            ..ConfigBackupSection::default()
        },
        neo4j_home: None,
        folder: PathBuf::from("/"),
        vault: vault.clone(),
        name: None,
        compression: Compression::Zstd { level: 1 },
        notes: Vec::new(),
    };
    backup_config(options, &Arc::default(), &CancellationToken::new()).await
}

/// A vault in memory that nothing else has.
fn memory(retry: Retry) -> Vault {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let address = Address::Memory(format!("config-backup-{number}"));
    Vault::open(&VaultConfig::new(address).with_retry(retry)).unwrap()
}

/// Whether the fault happened while `folder` was backed up, after a backup of `small`.
async fn once(small: &str, folder: &str, retry: Retry, fault: Fault, at: usize) -> bool {
    let vault = memory(retry);
    let good = back_up(&vault, small).await.unwrap().manifest;
    let store = Arc::new(FaultyStore::new(raw(&vault), fault, at));
    let faulty = vault.wrap(|_| Arc::clone(&store) as _);
    // `None` when the whole program was killed.
    let result = tokio::select! {
        result = back_up(&faulty, folder) => Some(result),
        () = store.killed() => None,
    };
    let happened = store.happened();
    store.heal();
    let told = result.as_ref().map(|result| result.as_ref().map(|report| &report.manifest.name));
    let context = format!("{fault:?} at {at} ({happened:?}): {told:?}");

    // What passes is overcome, except within an upload, where the stores' own client does it.
    let overcome = happened
        .is_none_or(|operation| retry.attempts > 1 && fault.passes() && !operation.is_of_upload());
    assert!(!overcome || matches!(told, Some(Ok(_))), "{context}");
    let listed = check_whole(&vault).await;
    assert!(listed.contains(&good.name), "{context}: the good backup is gone");
    match told {
        Some(Ok(name)) => assert!(listed.contains(name), "{context}: it is not there"),
        Some(Err(_)) => assert_eq!(listed.len(), 1, "{context}: it is there"),
        // Killed, it may have been done already.
        None => {}
    }
    for name in listed.iter().filter(|name| **name != good.name) {
        let entries = vault.manifest(name).await.unwrap().entries.len();
        assert_eq!(entries, good.entries.len() + 1, "{context}: {name} lacks something");
    }

    let next = back_up(&vault, small).await.unwrap().manifest.name;
    check_clean_up(&vault).await;
    let after = check_whole(&vault).await;
    assert_eq!(after.len(), listed.len() + 1, "{context}: then {after:?}");
    assert!(after.contains(&next) && after.contains(&good.name), "{context}: then {after:?}");
    happened.is_some()
}

async fn everywhere(size: usize, tries: &[Retry]) {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    for folder in &folders {
        std::fs::write(folder.path().join("story.toml"), "level = 1\n").unwrap();
    }
    std::fs::write(folders[1].path().join("data"), noise(size, 1)).unwrap();
    let [small, folder] = [0, 1].map(|index: usize| folders[index].path().to_str().unwrap());
    for retry in tries {
        for fault in Fault::ALL {
            let mut at = 0;
            while once(small, folder, *retry, fault, at).await {
                at += 1;
            }
            // Nothing is read of what was stored, and what goes into a new name lists nothing.
            let rare = [Fault::Truncated, Fault::Stale].contains(&fault);
            assert!(at > 0 || rare, "{fault:?}: never");
            eprintln!("{size} bytes, {fault:?}: at {at} operations");
        }
    }
}

#[tokio::test]
async fn a_fault_at_any_operation_costs_nothing_good() {
    everywhere(100, &[Retry::NONE, QUICK]).await;
}

#[tokio::test]
async fn nor_does_one_while_a_large_backup_goes_up_in_parts() {
    everywhere(9_000_000, &[Retry::NONE]).await;
}
