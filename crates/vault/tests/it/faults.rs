//! Stores that fail, lie, lose answers and die, at every operation in turn.
//!
//! After each: nothing half-written lists, every listed backup is whole, nothing good was deleted,
//! the next run works, and what was left behind is found and removed.

mod copying;
mod store;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use lifeboat_archive::Codec;
use lifeboat_vault::{Address, Error, Retry, Vault, VaultConfig};

use crate::certificates::{certified, certify};
use crate::keys::Pairs;
use crate::support::{
    NO_GRACE, QUICK, Sample, check_clean_up, check_whole, name, objects, raw, verify,
};
use store::{Cheat, CheatingStore, Fault, FaultyStore, LateStore};

/// The vault with a store in which `object` appears right after the `lists`-th listing.
pub(crate) fn late(vault: &Vault, lists: usize, object: String, bytes: Bytes) -> Vault {
    vault.wrap(|inner| Arc::new(LateStore::new(inner, lists, object, bytes)))
}

/// A backup of two parts.
static LARGE: LazyLock<Sample> = LazyLock::new(|| Sample::new(&name(1), Codec::Zstd, 9_000_000));

/// What the older certificate and the newer one tell.
const OLD: u64 = 1;
const NEW: u64 = 2;

/// Of the vaults of scenarios that are about what is signed.
static KEYS: LazyLock<Pairs> = LazyLock::new(Pairs::new);

/// What is going on when the fault happens.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Scenario {
    StoreSmall,
    StoreLarge,
    /// Encrypted, and signed.
    StoreSealed,
    Abort,
    List,
    Read,
    Remove,
    CleanUp,
    Probe,
    TakeLease,
    /// In the place of an older certificate, and signed.
    Certify,
    SignAgain,
}

impl Scenario {
    /// Whether it is about what is signed.
    fn signs(self) -> bool {
        matches!(self, Self::StoreSealed | Self::Certify | Self::SignAgain)
    }

    async fn prepare(self, vault: &Vault) {
        match self {
            Self::Certify | Self::SignAgain => {
                certify(vault, &name(0), OLD).await.unwrap();
            }
            Self::Remove | Self::Read => {
                Sample::small(&name(1)).store(vault).await.unwrap();
            }
            Self::CleanUp => {
                for second in 2..4 {
                    let mut writer = vault.begin(&name(second), Codec::Zstd).await.unwrap();
                    writer.put("half of it".into()).await.unwrap();
                }
            }
            // One whose holder was killed, and whose time is over.
            Self::TakeLease => {
                drop(vault.acquire_lease("job", "was killed", Duration::ZERO).await.unwrap());
            }
            _ => {}
        }
    }

    async fn run(self, vault: &Vault) -> Result<(), Error> {
        match self {
            Self::StoreSmall | Self::StoreSealed => {
                Sample::small(&name(1)).store(vault).await.map(|_| ())
            }
            Self::StoreLarge => LARGE.store(vault).await.map(|_| ()),
            Self::Abort => {
                let mut writer = vault.begin(&name(1), Codec::Zstd).await?;
                for piece in &LARGE.pieces {
                    writer.put(piece.clone()).await?;
                }
                writer.abort().await
            }
            Self::List => vault.list().await.map(|_| ()),
            Self::Read => {
                let reader = vault.open_archive(&name(1)).await?;
                reader.read_range(0..reader.size()).await.map(|_| ())
            }
            Self::Remove => vault.remove(&name(1)).await,
            Self::CleanUp => vault.remove_leftovers(NO_GRACE).await.map(|_| ()),
            Self::Probe => {
                let probe = vault.probe().await;
                let failed =
                    probe.steps().into_iter().find_map(|(_, result)| result?.clone().err());
                failed.map_or(Ok(()), Err)
            }
            Self::TakeLease => {
                let mut lease = vault.acquire_lease("job", "tests", Duration::ZERO).await?;
                lease.renew().await?;
                lease.release().await
            }
            Self::Certify => certify(vault, &name(0), NEW).await,
            Self::SignAgain => vault.sign_again(&name(0), false).await,
        }
    }
}

/// Runs a scenario with every fault at every operation, until it reaches no more of them.
async fn everywhere(folder: bool, retry: Retry, scenario: Scenario) {
    for fault in Fault::ALL {
        let mut at = 0;
        while once(folder, retry, scenario, fault, at).await {
            at += 1;
        }
        // Nothing is read when a small backup is aborted, say; but a dead store is met by all.
        let rare = [Fault::Truncated, Fault::Full, Fault::Stale].contains(&fault);
        assert!(at > 0 || rare, "{fault:?}: never");
        eprintln!("{scenario:?}, {fault:?}: at {at} operations");
    }
}

/// Whether the fault happened.
async fn once(folder: bool, retry: Retry, scenario: Scenario, fault: Fault, at: usize) -> bool {
    let temp = tempfile::tempdir().unwrap();
    let address = if folder {
        Address::Folder(temp.path().to_owned())
    } else {
        Address::Memory(temp.path().display().to_string())
    };
    let mut vault = Vault::open(&VaultConfig::new(address).with_retry(retry)).unwrap();
    if scenario.signs() {
        vault = vault.with_keys(KEYS.keys());
    }
    Sample::small(&name(0)).store(&vault).await.unwrap();
    scenario.prepare(&vault).await;

    let store = Arc::new(FaultyStore::new(raw(&vault), fault, at));
    let faulty = vault.wrap(|_| Arc::clone(&store) as _);
    // `None` when the whole program was killed.
    let result = tokio::select! {
        result = scenario.run(&faulty) => Some(result),
        () = store.killed() => None,
    };
    let happened = store.happened();
    store.heal();
    let context = format!("{scenario:?}, {fault:?} at {at} ({happened:?}): {result:?}");
    let Some(operation) = happened else {
        assert!(matches!(result, Some(Ok(()))), "{context}: without a fault");
        return false;
    };

    // What passes is overcome, except within an upload, where the stores' own client does it.
    if retry.attempts > 1 && fault.passes() && !operation.is_of_upload() {
        assert!(matches!(result, Some(Ok(()))), "{context}");
    }
    let listed = check_whole(&vault).await;
    assert!(listed.contains(&name(0)), "{context}: the good backup is gone");
    if matches!(scenario, Scenario::StoreSmall | Scenario::StoreLarge | Scenario::StoreSealed) {
        // Killed, it may have been done already.
        if let Some(result) = &result {
            assert_eq!(result.is_ok(), listed.contains(&name(1)), "{context}");
        }
    }
    match scenario {
        // No operation that fails has harmed what it was not asked to harm.
        Scenario::Read | Scenario::List => verify(&vault, &listed[0]).await,
        Scenario::Remove if matches!(result, Some(Ok(()))) => assert_eq!(listed, [name(0)]),
        // Between a certificate and its signature, it counts for nothing.
        Scenario::Certify => {
            let told = certified(&vault, &name(0)).await;
            let done = matches!(result, Some(Ok(())));
            assert!(told == Some(NEW) || !done, "{context}: {told:?}");
        }
        Scenario::SignAgain => {
            assert_eq!(certified(&vault, &name(0)).await, Some(OLD), "{context}");
        }
        _ => {}
    }
    if let Some(Err(error)) = &result {
        let text = error.to_string();
        assert!(text.contains(';') || text.contains(':'), "an error without advice: {text}");
        if fault == Fault::Full {
            assert!(matches!(error, Error::NoSpace { .. }), "{context}");
        }
    }

    // The same again: it goes on, or is told that the name is taken until it is cleaned up.
    let again = scenario.run(&vault).await;
    let fine = matches!(again, Ok(()) | Err(Error::AlreadyExists { .. } | Error::NotFound { .. }));
    assert!(fine, "{context}: then {again:?}");
    if scenario == Scenario::Certify {
        assert_eq!(certified(&vault, &name(0)).await, Some(NEW), "{context}");
    }
    Sample::small(&name(99)).store(&vault).await.unwrap();
    check_clean_up(&vault).await;
    let listed = check_whole(&vault).await;
    assert!(listed.contains(&name(99)) && listed.contains(&name(0)), "{context}: {listed:?}");
    true
}

/// One test for each scenario and place, without and with further tries.
macro_rules! scenarios {
    ($($test:ident: $scenario:ident,)+) => {$(
        #[tokio::test]
        async fn $test() {
            for folder in [false, true] {
                for retry in [Retry::NONE, QUICK] {
                    everywhere(folder, retry, Scenario::$scenario).await;
                }
            }
        }
    )+};
}

scenarios! {
    storing_a_small_backup: StoreSmall,
    storing_a_large_backup: StoreLarge,
    storing_what_is_encrypted_and_signed: StoreSealed,
    aborting: Abort,
    listing: List,
    reading: Read,
    removing: Remove,
    cleaning_up: CleanUp,
    probing: Probe,
    taking_a_lease: TakeLease,
    certifying: Certify,
    signing_again: SignAgain,
}

#[tokio::test]
async fn a_store_that_overwrites_is_found_out() {
    let vault = Vault::open(&VaultConfig::new("memory://overwrites".parse().unwrap())).unwrap();
    let vault = vault.wrap(|inner| Arc::new(CheatingStore(inner, Cheat::Overwrites)));
    let probe = vault.probe().await;
    assert!(!probe.is_good());
    assert!(matches!(probe.create_only, Some(Err(Error::Failed { .. }))), "{probe:?}");
    assert!(matches!(probe.delete, Some(Ok(()))));
}

#[tokio::test]
async fn a_store_that_loses_bytes_is_found_out() {
    let vault = Vault::open(&VaultConfig::new("memory://loses".parse().unwrap())).unwrap();
    let lossy = vault.wrap(|inner| Arc::new(CheatingStore(inner, Cheat::LosesBytes)));
    let error = Sample::small(&name(0)).store(&lossy).await.unwrap_err();
    assert!(matches!(error, Error::Incomplete { .. }), "{error:?}");
    assert!(objects(&vault).await.is_empty());
}
