//! The trial restore of what needs no server.

use std::sync::Arc;

use lifeboat::config::VerifySection;
use lifeboat::format::{BackupKind, BackupName, Codec};
use lifeboat::trial::{TrialOptions, trial};
use lifeboat::vault::{Certified, Vault, VaultConfig};
use lifeboat::{CancellationToken, Error, Progress};

use crate::support::{Sample, plant};

#[tokio::test]
async fn a_configuration_is_unpacked_compared_and_certified() {
    let vault = Vault::open(&VaultConfig::new("memory://trial".parse().unwrap())).unwrap();
    let name: BackupName = "config-backup-20261124-020000".parse().unwrap();
    let mut sample = Sample::new(&name, Codec::Zstd, 7_000_000);
    sample.manifest.kind = BackupKind::Config;
    sample.store(&vault).await.unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let options = TrialOptions {
        vault: vault.clone(),
        manifest: sample.manifest.clone(),
        settings: VerifySection {
            scratch: Some(scratch.path().to_owned()),
            ..VerifySection::default()
        },
    };
    let (progress, cancel) = (Arc::new(Progress::default()), CancellationToken::new());
    let report = trial(&options, &progress, &cancel).await.unwrap();
    assert_eq!((report.certificate.way.as_str(), &report.certificate.server), ("folder", &None));
    assert_eq!(
        report.certificate.checks[1].found,
        "3 files with their digests, 0 folders and links"
    );
    let Some(Certified::Valid(stored)) = vault.certificate(&name).await.unwrap() else {
        panic!("no certificate");
    };
    assert_eq!(*stored, report.certificate);

    // A damaged one certifies nothing, and the older certificate stays.
    let file = sample.manifest.archive.file.clone();
    let size = usize::try_from(sample.manifest.archive.size).unwrap();
    plant(&vault, &file, vec![0; size]).await;
    let error = trial(&options, &progress, &cancel).await.unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
    let kept = vault.certificate(&name).await.unwrap();
    assert_eq!(kept.unwrap().valid().unwrap(), stored.as_ref());
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0, "nothing stays behind");
}
