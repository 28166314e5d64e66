//! Writers, removers and a cleaner without mercy, all at once.

use std::sync::atomic::{AtomicBool, Ordering};

use lifeboat_archive::Codec;
use lifeboat_vault::{Address, Error, Vault, VaultConfig};

use crate::support::{NO_GRACE, QUICK, Sample, check_clean_up, check_whole, name};

/// Whoever is told that a backup is stored finds it whole in the end, whatever went on beside it.
pub(crate) async fn race(vault: &Vault, rounds: i64) {
    let over = AtomicBool::new(false);
    let cleaner = async {
        let mut removed = 0;
        while !over.load(Ordering::SeqCst) {
            removed += vault.remove_leftovers(NO_GRACE).await.unwrap().removed.len();
            tokio::task::yield_now().await;
        }
        removed
    };
    let writer = async |lane: i64| {
        let mut stored = Vec::new();
        for round in 0..rounds {
            let name = name(lane * 1000 + round);
            let size = if round % 3 == 0 { 9_000_000 } else { 1000 };
            match Sample::new(&name, Codec::Zstd, size).store(vault).await {
                Ok(_) => stored.push(name),
                Err(
                    Error::Discarded { .. }
                    | Error::Incomplete { .. }
                    // Met by a tombstone right after its claim.
                    | Error::AlreadyExists { .. }
                    // In a folder, where the half-written manifest was swept away, thrice.
                    | Error::Unreachable { .. },
                ) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
        stored
    };
    let writers = async {
        let stored = futures::future::join_all((0..4).map(&writer)).await;
        over.store(true, Ordering::SeqCst);
        stored.concat()
    };
    let (mut stored, removed) = tokio::join!(writers, cleaner);
    eprintln!("{vault}: {} stored, {removed} discarded", stored.len());
    let mut listed = check_whole(vault).await;
    listed.sort();
    stored.sort();
    assert_eq!(listed, stored);
    check_clean_up(vault).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_memory() {
    race(&Vault::open(&VaultConfig::new(Address::Memory("race".into()))).unwrap(), 30).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_a_folder() {
    let temp = tempfile::tempdir().unwrap();
    let config = VaultConfig::new(Address::Folder(temp.path().to_owned())).with_retry(QUICK);
    race(&Vault::open(&config).unwrap(), 20).await;
}
