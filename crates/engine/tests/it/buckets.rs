//! Pruning in buckets of a real S3 server: what goes is gone from the list, and from the store only
//! where that keeps no versions.

use std::time::Duration;

use lifeboat::config::Retention;
use lifeboat::prune::{PruneOptions, PruneReport, Step, prune};
use lifeboat::vault::{Error as VaultError, Vault};
use lifeboat::vaults::Region;
use lifeboat::{CancellationToken, Error};
use lifeboat_testkit::s3::{Keeping, S3, root};

use crate::support::{Sample, check_whole, in_bucket, name, objects};

/// Prunes what nobody needs, all but the newest, without a grace time.
async fn run(vault: &Vault) -> lifeboat::Result<PruneReport> {
    let retention = Retention { days: 0, collapse_percent: 0, ..Retention::default() };
    let options = PruneOptions { retention, grace: Duration::ZERO, dry_run: false, release: None };
    prune(&[Region::of(vault.clone())], &options, &CancellationToken::new()).await
}

/// Prunes until something was removed: first it is marked, and stores tell time in whole seconds.
async fn until_removed(vault: &Vault) -> PruneReport {
    for _ in 0..40 {
        let report = run(vault).await.unwrap();
        if report.vaults[0].backups.iter().any(|one| one.step == Step::Remove) {
            return report;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    panic!("nothing was removed");
}

#[tokio::test]
async fn what_a_bucket_keeps_of_what_was_removed_is_told() {
    let Some(s3) = S3::start().await.unwrap() else { return };
    for (bucket, keeping, keeps) in [
        ("plain", Keeping::Nothing, false),
        ("versions", Keeping::Versions, true),
        ("governed", Keeping::Governance, true),
        ("locked", Keeping::Compliance, true),
    ] {
        s3.create_bucket(bucket, keeping).await.unwrap();
        let vault = in_bucket(&s3, &format!("s3://{bucket}"), root());
        for second in 0..2 {
            Sample::small(&name(second)).store(&vault).await.unwrap();
        }
        let report = until_removed(&vault).await;
        assert_eq!(report.vaults[0].keeps_versions, keeps, "{bucket}: {report:?}");
        // The list is of what is there: whole, and nothing else.
        assert_eq!(check_whole(&vault).await, [name(1)], "{bucket}");
        let left = objects(&vault).await;
        assert!(!left.iter().any(|object| object.contains(name(0).as_str())), "{left:?}");
        assert!(!run(&vault).await.unwrap().vaults[0].keeps_versions, "nothing was removed");
    }
}

#[tokio::test]
async fn who_may_not_delete_has_removed_nothing() {
    let Some(s3) = S3::start().await.unwrap() else { return };
    s3.create_bucket("locked", Keeping::Compliance).await.unwrap();
    let key = s3.key(&["s3:PutObject", "s3:GetObject", "s3:ListBucket"]).await.unwrap();
    let vault = in_bucket(&s3, "s3://locked", key);
    for second in 0..2 {
        Sample::small(&name(second)).store(&vault).await.unwrap();
    }
    let error = run(&vault).await.unwrap_err();
    assert!(matches!(error, Error::Vault(VaultError::Denied { .. })), "{error:?}");
    assert_eq!(check_whole(&vault).await, [name(1), name(0)]);
}
