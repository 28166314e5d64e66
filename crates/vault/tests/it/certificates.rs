//! Certificates beside backups: what they are worth when they are signed.

use jiff::Timestamp;
use lifeboat_archive::{BackupName, Certificate, Check, FileKind, Issuer, Tool};
use lifeboat_vault::{Certified, Error, Vault};
use object_store::ObjectStoreExt as _;
use object_store::path::Path;

use crate::keys::{Pairs, memory};
use crate::support::{Sample, name, plant, raw};

/// Certifies a backup of a vault, as restored in so many milliseconds.
pub(crate) async fn certify(vault: &Vault, name: &BackupName, rto_ms: u64) -> Result<(), Error> {
    let certificate = Certificate {
        backup: name.clone(),
        manifest: vault.manifest_digest(name).await?,
        issued: Timestamp::UNIX_EPOCH,
        tool: Tool { name: "lifeboat".to_owned(), version: "0.1.0".to_owned() },
        by: Issuer { user: None, host: "here".to_owned() },
        way: "folder".to_owned(),
        server: None,
        rto_ms,
        steps: Vec::new(),
        checks: vec![Check { name: "archive".to_owned(), found: "every byte".to_owned() }],
    };
    vault.certify(&certificate).await
}

/// The time that a valid certificate of a backup tells; `None` when there is none that is worth
/// something.
pub(crate) async fn certified(vault: &Vault, name: &BackupName) -> Option<u64> {
    let certified = vault.certificate(name).await.unwrap()?;
    Some(certified.valid()?.rto_ms)
}

#[tokio::test]
async fn every_byte_of_a_signed_certificate_and_its_signature_counts() {
    let vault = memory("certificate-flips").with_keys(Pairs::new().keys());
    Sample::small(&name(0)).store(&vault).await.unwrap();
    certify(&vault, &name(0), 7).await.unwrap();
    for kind in [FileKind::Certificate, FileKind::CertificateSignature] {
        let file = name(0).file_name(kind);
        let got = raw(&vault).get(&Path::from(file.as_str())).await.unwrap();
        let bytes = got.bytes().await.unwrap();
        for at in 0..bytes.len() {
            let mut flipped = bytes.to_vec();
            flipped[at] ^= 1 << (at % 8);
            plant(&vault, &file, flipped).await;
            let found = vault.certificate(&name(0)).await.unwrap();
            assert!(matches!(found, Some(Certified::Invalid(_))), "{file}, byte {at}: {found:?}");
        }
        // The backup itself is as good as before.
        assert!(vault.list().await.unwrap()[0].is_intact());
        plant(&vault, &file, bytes).await;
        assert_eq!(certified(&vault, &name(0)).await, Some(7));
    }
}

#[tokio::test]
async fn a_certificate_by_a_stranger_counts_for_nothing() {
    let plain = memory("certificate-stranger");
    let (ours, strangers) = (plain.with_keys(Pairs::new().keys()), Pairs::new().keys());
    Sample::small(&name(0)).store(&ours).await.unwrap();
    for vault in [&plain, &plain.with_keys(strangers)] {
        // First unsigned, then signed by somebody else.
        certify(vault, &name(0), 7).await.unwrap();
        assert_eq!(certified(&ours, &name(0)).await, None);
    }
    certify(&ours, &name(0), 8).await.unwrap();
    assert_eq!(certified(&ours, &name(0)).await, Some(8));
}
