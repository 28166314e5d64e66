//! The whole of `replicate` with a store that fails, delays, truncates, lists nothing, fills up and
//! dies, at every operation in turn, at the source and at the target.
//!
//! After each: the source is untouched, what the target lists as good is good, nothing good is gone
//! from it, and the next run makes it complete.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicUsize;

use bytes::Bytes;
use futures::TryStreamExt as _;
use lifeboat_vault::{Address, Retry, VaultConfig};
use object_store::ObjectStoreExt as _;

use super::*;

#[allow(dead_code, reason = "shared with the vault's tests, which use all of it")]
#[path = "../../../../vault/tests/it/faults/store.rs"]
mod store;
#[allow(dead_code, reason = "shared with the vault's tests, which use all of it")]
#[path = "../../../../vault/tests/it/support.rs"]
mod support;

use store::{Fault, FaultyStore};
use support::{NO_GRACE, QUICK, plant, raw, steal, verify};

/// Every object of a vault with its bytes, also those that are no backups.
type Objects = BTreeMap<String, Bytes>;

async fn objects(vault: &Vault) -> Objects {
    let store = raw(vault);
    let mut all = Objects::new();
    for meta in store.list(None).try_collect::<Vec<_>>().await.unwrap() {
        let bytes = store.get(&meta.location).await.unwrap().bytes().await.unwrap();
        all.insert(meta.location.to_string(), bytes);
    }
    all
}

/// A vault in memory that nothing else has, with these objects.
async fn vault_of(objects: &Objects, retry: Retry) -> Vault {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let address = Address::Memory(format!("replicate-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
    let vault = Vault::open(&VaultConfig::new(address).with_retry(retry)).unwrap();
    for (object, bytes) in objects {
        plant(&vault, object, bytes.clone()).await;
    }
    vault
}

/// Two regions to begin with.
struct Template {
    from: Objects,
    to: Objects,
    /// What the target has of the source, and is good.
    good: BackupName,
    /// What the target has alone, and is good.
    alone: BackupName,
    /// What the target has damaged.
    damaged: [BackupName; 2],
}

impl Template {
    /// One backup that the target lacks, two that it has damaged, one that it has without its
    /// certificate, one that it has alone; and of three segments it has the first.
    async fn new() -> Self {
        let source = vault_of(&Objects::new(), Retry::NONE).await;
        for second in 0..4 {
            crate::testing::store(&source, &name(Database, second), &format!("{second}")).await;
        }
        ship(&source, 3).await;
        let lacking = name(Database, 3);
        let missing = [lacking.as_str(), "000001.seg", "000002.seg"];
        let mut to = objects(&source).await;
        to.retain(|object, _| !missing.iter().any(|part| object.contains(part)));
        for (kind, text) in [(FileKind::Certificate, "c"), (FileKind::CertificateSignature, "s")] {
            source.write_beside(&name(Database, 0), kind, text.into()).await.unwrap();
        }
        let damaged = [name(Database, 1), name(Database, 2)];
        to.insert(damaged[0].manifest_file(), "{\n  \"format\": 1".into());
        to.remove(&damaged[1].archive_file(Codec::Zstd)).unwrap();
        let alone = name(Database, 9);
        let target = vault_of(&to, Retry::NONE).await;
        crate::testing::store(&target, &alone, "alone").await;
        let (from, to) = (objects(&source).await, objects(&target).await);
        Self { from, to, good: name(Database, 0), alone, damaged }
    }

    /// Checks what must hold at the target whatever has happened.
    async fn check(&self, target: &Vault, context: &str) {
        let mut good = Vec::new();
        for listed in target.list().await.unwrap() {
            match listed.manifest {
                Ok(_) => {
                    verify(target, &listed.name).await;
                    good.push(listed.name);
                }
                Err(damage) => {
                    assert!(self.damaged.contains(&listed.name), "{context}: {damage}");
                }
            }
        }
        for name in [&self.good, &self.alone] {
            assert!(good.contains(name), "{context}: {name} is gone");
        }
    }
}

/// Whether the fault happened.
async fn once(template: &Template, retry: Retry, at_target: bool, fault: Fault, at: usize) -> bool {
    let vaults = [vault_of(&template.from, retry).await, vault_of(&template.to, retry).await];
    let mut faulty = vaults.clone();
    let store = Arc::new(FaultyStore::new(raw(&vaults[usize::from(at_target)]), fault, at));
    faulty[usize::from(at_target)] =
        vaults[usize::from(at_target)].wrap(|_| Arc::clone(&store) as _);
    let [from, to] = faulty.map(Region::of);
    // `None` when the whole program was killed.
    let result = tokio::select! {
        result = run(&from, &to, false) => Some(result),
        () = store.killed() => None,
    };
    let happened = store.happened();
    store.heal();
    let context = format!("target {at_target}, {fault:?} at {at} ({happened:?}): {result:?}");
    let complete = matches!(&result, Some(Ok(report)) if !report.is_incomplete());
    if happened.is_none() || (retry.attempts > 1 && fault.passes()) {
        assert!(complete, "{context}");
    }
    template.check(&vaults[1], &context).await;
    if let Some(Ok(report)) = &result {
        let whole: Vec<_> = vaults[1].list().await.unwrap();
        let whole: Vec<_> =
            whole.iter().filter(|one| one.is_intact()).map(|one| &one.name).collect();
        for one in &report.backups {
            let failed = matches!(one.outcome, Outcome::Failed(_));
            assert!(failed || whole.contains(&&one.name), "{context}: {} is not there", one.name);
        }
    }

    // The lease of a run that was killed has run out.
    steal(&vaults[1], &format!("leases/{LEASE}.json")).await;
    let [from, to] = vaults.clone().map(Region::of);
    let again = run(&from, &to, false).await;
    let fine = matches!(&again, Ok(report) if !report.is_incomplete());
    assert!(fine, "{context}: then {again:?}");
    template.check(&vaults[1], &context).await;
    // What a run leaves that was killed when all was done.
    vaults[1].remove_leftovers(NO_GRACE).await.unwrap();
    let (here, mut there) = (objects(&vaults[0]).await, objects(&vaults[1]).await);
    assert!(here == template.from, "{context}: the source has changed");
    there.retain(|object, _| !object.starts_with("leases/"));
    let others: Vec<_> = there.keys().filter(|object| !here.contains_key(*object)).collect();
    let alone = |object: &&String| object.contains(template.alone.as_str());
    assert!(others.iter().all(alone), "{context}: {others:?}");
    for (object, bytes) in &here {
        assert!(there.get(object) == Some(bytes), "{context}: {object} is not the same");
    }
    happened.is_some()
}

async fn everywhere(at_target: bool) {
    let template = Template::new().await;
    let passing = Fault::ALL.into_iter().filter(|fault| fault.passes());
    let cases = Fault::ALL.into_iter().map(|fault| (Retry::NONE, fault));
    for (retry, fault) in cases.chain(passing.map(|fault| (QUICK, fault))) {
        let mut at = 0;
        while once(&template, retry, at_target, fault, at).await {
            at += 1;
        }
        // Nothing is written to the source.
        assert!(at > 0 || (fault == Fault::Full && !at_target), "{fault:?}: never");
        eprintln!("target {at_target}, {fault:?}: at {at} operations");
    }
}

#[tokio::test]
async fn a_fault_of_the_source_costs_nothing() {
    everywhere(false).await;
}

#[tokio::test]
async fn a_fault_of_the_target_costs_nothing_good() {
    everywhere(true).await;
}
