//! Objects below prefixes, and leases: what every store does with them.

use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use lifeboat_vault::{Address, Error, Vault, VaultConfig};

use crate::support::{NO_GRACE, QUICK, Sample, check_clean_up, name, noise, plant};

const TTL: Duration = Duration::from_mins(1);

pub(crate) async fn objects_live_below_a_prefix(vault: &Vault) {
    let area = vault.area("ship/db").unwrap();
    assert!(area.list(None).await.unwrap().is_empty());
    assert!(area.read("a", 10).await.unwrap().is_none());
    assert!(area.head("a").await.unwrap().is_none());
    assert!(area.read_range("a", 0..1).await.unwrap().is_none());
    let one = Bytes::from_static(b"one");
    for key in ["b/2", "b/1", "a", "b2"] {
        assert!(area.create(key, &one).await.unwrap());
    }
    // The same again is no harm, another is refused.
    assert!(area.create("a", &one).await.unwrap());
    assert!(!area.create("a", &Bytes::from_static(b"two")).await.unwrap());
    assert_eq!(area.read("a", 3).await.unwrap().unwrap().0, one);
    assert!(matches!(area.read("a", 2).await, Err(Error::Misuse(_))));
    assert_eq!(area.read_range("a", 1..3).await.unwrap().unwrap(), "ne");
    assert!(area.read_range("a", 1..4).await.is_err());

    let listed = area.list(None).await.unwrap();
    let keys: Vec<_> = listed.iter().map(|object| object.key.as_str()).collect();
    assert_eq!(keys, ["a", "b/1", "b/2", "b2"]);
    assert!(listed.iter().all(|object| object.size == 3));
    let (looked_at, listed) = (area.head("b/1").await.unwrap().unwrap(), &listed[1]);
    assert_eq!((&looked_at.key, &looked_at.version), (&listed.key, &listed.version));
    // Some stores tell the time less exactly when asked for one object.
    assert_eq!(looked_at.modified.as_second(), listed.modified.as_second());
    let below = area.list(Some("b")).await.unwrap();
    assert_eq!(below.len(), 2, "{below:?}");
    assert!(vault.area("ship/d").unwrap().list(None).await.unwrap().is_empty());

    // Backups and objects do not see each other.
    Sample::small(&name(0)).store(vault).await.unwrap();
    assert_eq!(vault.list().await.unwrap().len(), 1);
    check_clean_up(vault).await;
    assert_eq!(area.list(None).await.unwrap().len(), 4);
    assert!(area.delete("b/1").await.unwrap());
    assert_eq!(area.list(Some("b")).await.unwrap().len(), 1);
    for key in ["", "/a", "../a", "b/../a", ".lock", "a#1"] {
        assert!(matches!(area.create(key, &one).await, Err(Error::Misuse(_))), "{key}");
    }
    assert!(matches!(vault.area(""), Err(Error::Misuse(_))));

    let large = Bytes::from(noise(3_000_000, 7));
    assert!(area.create("large", &large).await.unwrap());
    assert_eq!(area.read_range("large", 7..2_999_999).await.unwrap().unwrap(), large[7..2_999_999]);
}

pub(crate) async fn a_replacement_needs_the_version(vault: &Vault) {
    let area = vault.area("x").unwrap();
    area.create("n", &Bytes::from_static(b"0")).await.unwrap();
    let (_, first) = area.read("n", 9).await.unwrap().unwrap();
    let second = area.replace("n", &Bytes::from_static(b"1"), &first).await.unwrap().unwrap();
    assert!(area.replace("n", &Bytes::from_static(b"2"), &first).await.unwrap().is_none());
    let (found, version) = area.read("n", 9).await.unwrap().unwrap();
    assert_eq!((found, &version), ("1".into(), &second));
    assert_eq!(area.head("n").await.unwrap().unwrap().version, second);
    area.delete("n").await.unwrap();
    assert!(area.replace("n", &Bytes::from_static(b"3"), &second).await.unwrap().is_none());
    assert!(area.read("n", 9).await.unwrap().is_none());

    // Eight count together, each only over what it has read: no count is lost.
    area.create("count", &Bytes::from_static(b"0 0")).await.unwrap();
    let count = async |lane: usize| {
        let mut done = 0;
        for _ in 0..10 {
            let (found, version) = area.read("count", 99).await.unwrap().unwrap();
            let text = String::from_utf8(found.to_vec()).unwrap();
            let number: u32 = text.split(' ').next().unwrap().parse().unwrap();
            let next = format!("{} {lane}", number + 1).into();
            done += u32::from(area.replace("count", &next, &version).await.unwrap().is_some());
        }
        done
    };
    let done: u32 = join_all((0..8).map(count)).await.into_iter().sum();
    let (found, _) = area.read("count", 99).await.unwrap().unwrap();
    let text = String::from_utf8(found.to_vec()).unwrap();
    assert_eq!(text.split(' ').next().unwrap(), done.to_string());
    assert!(done >= 10, "{done}");
}

pub(crate) async fn a_lease_has_one_holder(vault: &Vault) {
    assert!(vault.lease_holder("job").await.unwrap().is_none());
    let tries = (0..8).map(|_| vault.acquire_lease("job", "tests", TTL));
    let (won, lost): (Vec<_>, Vec<_>) =
        join_all(tries).await.into_iter().partition(std::result::Result::is_ok);
    assert_eq!(won.len(), 1, "{lost:?}");
    for error in lost {
        let error = error.unwrap_err();
        assert!(matches!(error, Error::Leased { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains("tests") && text.contains("process"), "{text}");
    }
    let mut lease = won.into_iter().next().unwrap().unwrap();
    lease.renew().await.unwrap();
    lease.renew().await.unwrap();
    assert!(lease.left() > TTL / 2);
    let holder = vault.lease_holder("job").await.unwrap().unwrap();
    assert_eq!((holder.pid, holder.ttl), (std::process::id(), TTL));
    // Another name is another lease.
    vault.acquire_lease("job/of/another", "tests", TTL).await.unwrap().release().await.unwrap();
    lease.release().await.unwrap();
    assert!(vault.lease_holder("job").await.unwrap().is_none());

    // One that was not renewed is taken, and its holder learns of it.
    let mut slow = vault.acquire_lease("job", "sleeps", Duration::ZERO).await.unwrap();
    assert_eq!(slow.left(), Duration::ZERO);
    let next = vault.acquire_lease("job", "works", TTL).await.unwrap();
    let error = slow.renew().await.unwrap_err();
    assert!(error.is_leased() && error.to_string().contains("works"), "{error}");
    // Giving back what is another's changes nothing.
    slow.release().await.unwrap();
    let holder = vault.lease_holder("job").await.unwrap().unwrap();
    assert!(holder.by.contains("works"), "{holder}");
    vault.area("leases").unwrap().delete("job.json").await.unwrap();
    let mut next = next;
    assert!(matches!(next.renew().await, Err(Error::LeaseLost { .. })));
    // Something else in its place is not simply overwritten.
    plant(vault, "leases/odd.json", "{}").await;
    let error = vault.acquire_lease("odd", "tests", TTL).await.unwrap_err();
    assert!(matches!(error, Error::Failed { .. }), "{error}");
}

fn open(folder: &std::path::Path) -> Vault {
    let address = Address::Folder(folder.to_owned());
    Vault::open(&VaultConfig::new(address).with_retry(QUICK)).unwrap()
}

#[tokio::test]
async fn a_folder_that_is_gone_is_not_made_again() {
    let temp = tempfile::tempdir().unwrap();
    let vault = open(&temp.path().join("vault"));
    let area = vault.area("ship").unwrap();
    for error in [
        area.create("a", &Bytes::new()).await.unwrap_err(),
        area.list(None).await.unwrap_err(),
        area.read("a", 1).await.unwrap_err(),
        vault.acquire_lease("a", "tests", TTL).await.unwrap_err(),
    ] {
        assert!(error.is_vault_missing(), "{error:?}");
    }
    assert!(!temp.path().join("vault").exists());
    vault.ensure().await.unwrap();
    assert!(area.create("a/b/c", &Bytes::new()).await.unwrap());
}

#[tokio::test]
async fn half_written_objects_are_swept() {
    let temp = tempfile::tempdir().unwrap();
    let vault = open(temp.path());
    let area = vault.area("ship").unwrap();
    area.create("a/b", &Bytes::from_static(b"1")).await.unwrap();
    std::fs::write(temp.path().join("ship/a/c#17"), "half").unwrap();
    std::os::unix::fs::symlink("..", temp.path().join("ship/up")).unwrap();
    assert_eq!(area.list(None).await.unwrap().len(), 1);
    assert_eq!(area.remove_half_written(Duration::from_hours(1)).await.unwrap(), 0);
    assert_eq!(area.remove_half_written(NO_GRACE).await.unwrap(), 1);
    assert!(!temp.path().join("ship/a/c#17").exists());
    assert_eq!(area.list(None).await.unwrap().len(), 1);
}

#[tokio::test]
async fn handles_of_one_folder_count_together() {
    // As separate processes do: nothing is shared but the folder.
    let temp = tempfile::tempdir().unwrap();
    let count = async |_| {
        let vault = open(temp.path());
        vault.acquire_lease("one", "tests", TTL).await.is_ok()
    };
    let held = join_all((0..12).map(count)).await;
    assert_eq!(held.into_iter().filter(|held| *held).count(), 1);
}
