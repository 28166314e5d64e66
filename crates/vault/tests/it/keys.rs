//! Backups that are encrypted and signed, and what the usual tools make of them.

use std::path::Path as FsPath;
use std::process::{Command, Output};

use lifeboat_archive::Codec;
use lifeboat_vault::{
    Address, Certified, Damage, Error, FileKind, KeyPair, Keys, Secret, SignatureProblem, Vault,
    VaultConfig,
};

use crate::support::{NO_GRACE, QUICK, Sample, name, objects, plant, raw, steal, verify};

/// Keys that do everything, and their halves.
pub(crate) struct Pairs {
    pub(crate) encryption: KeyPair,
    pub(crate) signing: KeyPair,
}

impl Pairs {
    pub(crate) fn new() -> Self {
        Self { encryption: KeyPair::encryption(), signing: KeyPair::signing(None).unwrap() }
    }

    pub(crate) fn keys(&self) -> Keys {
        let identity = self.encryption.secret.clone();
        Keys::default()
            .with_recipient(&self.encryption.public)
            .unwrap()
            .with_identities(move || Ok(vec![identity.clone()]))
            .with_signer(&self.signing.secret, None)
            .unwrap()
            .with_trusted(&self.signing.public)
            .unwrap()
    }
}

pub(crate) fn memory(name: &str) -> Vault {
    let config = VaultConfig::new(Address::Memory(format!("keys-{name}"))).with_retry(QUICK);
    Vault::open(&config).unwrap()
}

/// Encrypted and signed, into any vault and out of it; see the contract.
pub(crate) async fn what_is_encrypted_and_signed_comes_out(plain: &Vault) {
    let pairs = Pairs::new();
    let vault = plain.with_keys(pairs.keys());
    for (second, size) in [(0, 0), (1, 100), (2, 9_000_000)] {
        let sample = Sample::new(&name(second), Codec::Zstd, size);
        let stored = sample.store(&vault).await.unwrap();
        assert!(stored.archive.file.ends_with(".tar.zst.age"));
        assert_eq!(vault.manifest(&name(second)).await.unwrap(), stored);
        verify(&vault, &name(second)).await;
        // A vault without any key knows that it is there, and checks what is stored.
        plain.check_stored(&stored, &|_| {}).await.unwrap();
        let reader = plain.open_archive(&name(second)).await.unwrap();
        let error = reader.read_range(0..1).await.unwrap_err();
        assert!(matches!(error, Error::NoKey { any: false, .. }), "{error}");
    }
    assert_eq!(objects(&vault).await.len(), 9);
    assert!(vault.list().await.unwrap().iter().all(lifeboat_vault::Listed::is_intact));

    let second = memory(&format!("copy-{plain}"));
    vault.copy_to(&name(1), &second, &|_| {}).await.unwrap();
    verify(&second.with_keys(pairs.keys()), &name(1)).await;
    vault.remove(&name(1)).await.unwrap();
    assert_eq!(objects(&vault).await.len(), 6);
}

#[tokio::test]
async fn other_keys_open_nothing_and_believe_nothing() {
    let plain = memory("strangers");
    let (ours, theirs) = (Pairs::new(), Pairs::new());
    Sample::small(&name(0)).store(&plain.with_keys(ours.keys())).await.unwrap();

    let identity = theirs.encryption.secret.clone();
    let strangers = Keys::default().with_identities(move || Ok(vec![identity.clone()]));
    let reader = plain.with_keys(strangers).open_archive(&name(0)).await.unwrap();
    let error = reader.read_range(0..1).await.unwrap_err();
    assert!(matches!(error, Error::NoKey { any: true, .. }), "{error}");

    let vault = plain.with_keys(theirs.keys());
    let problem = |error| match error {
        Error::Damaged { damage: Damage::Signature(problem), .. } => problem,
        error => panic!("{error}"),
    };
    let error = vault.manifest(&name(0)).await.unwrap_err();
    assert!(matches!(problem(error), SignatureProblem::Stranger(_)));
    let listed = vault.list().await.unwrap();
    assert!(matches!(listed[0].manifest, Err(Damage::Signature(SignatureProblem::Stranger(_)))));

    let vault = plain.with_keys(ours.keys());
    steal(&vault, &name(0).file_name(FileKind::Signature)).await;
    let error = vault.manifest(&name(0)).await.unwrap_err();
    assert_eq!(problem(error), SignatureProblem::Missing);
    vault.sign_again(&name(0), false).await.unwrap_err();
    vault.sign_again(&name(0), true).await.unwrap();
    vault.manifest(&name(0)).await.unwrap();
}

#[tokio::test]
async fn keys_are_changed_without_losing_what_is_there() {
    let plain = memory("rotation");
    let (old, new) = (Pairs::new(), Pairs::new());
    Sample::small(&name(0)).store(&plain.with_keys(old.keys())).await.unwrap();
    let secrets = vec![old.encryption.secret.clone(), new.encryption.secret.clone()];
    let both = new
        .keys()
        .with_identities(move || Ok(secrets.clone()))
        .with_trusted(&old.signing.public)
        .unwrap();
    let vault = plain.with_keys(both);
    Sample::small(&name(1)).store(&vault).await.unwrap();
    verify(&vault, &name(0)).await;
    verify(&vault, &name(1)).await;
    vault.sign_again(&name(0), false).await.unwrap();
    plain.with_keys(new.keys()).manifest(&name(0)).await.unwrap();
}

#[tokio::test]
async fn a_vault_without_keys_takes_what_is_signed_as_it_is() {
    let plain = memory("plain");
    let vault = plain.with_keys(Pairs::new().keys());
    Sample::small(&name(0)).store(&plain).await.unwrap();
    assert!(matches!(vault.manifest(&name(0)).await, Err(Error::Damaged { .. })));
    plain.manifest(&name(0)).await.unwrap();
    assert!(
        !plain.list().await.unwrap()[0]
            .certificate
            .as_ref()
            .is_some_and(|certified| { matches!(certified, Certified::Valid(_)) })
    );
}

#[tokio::test]
async fn every_byte_of_a_signed_manifest_and_its_signature_counts() {
    let plain = memory("flips");
    let vault = plain.with_keys(Pairs::new().keys());
    Sample::small(&name(0)).store(&vault).await.unwrap();
    for kind in [FileKind::Manifest, FileKind::Signature] {
        let file = name(0).file_name(kind);
        let path = object_store::path::Path::from(file.as_str());
        let store = raw(&vault);
        let bytes = object_store::ObjectStoreExt::get(&store, &path).await.unwrap();
        let bytes = bytes.bytes().await.unwrap();
        for at in 0..bytes.len() {
            let mut flipped = bytes.to_vec();
            flipped[at] ^= 1 << (at % 8);
            plant(&vault, &file, flipped).await;
            assert!(vault.manifest(&name(0)).await.is_err(), "{file}, byte {at}");
        }
        plant(&vault, &file, bytes).await;
        vault.manifest(&name(0)).await.unwrap();
    }
}

#[tokio::test]
async fn a_forged_tombstone_hides_and_deletes_nothing_that_is_signed() {
    let plain = memory("tombstone");
    let vault = plain.with_keys(Pairs::new().keys());
    let stored = Sample::small(&name(0)).store(&vault).await.unwrap();
    let before = objects(&vault).await;
    // All of it can be known to whoever may overwrite.
    let tombstone = format!(
        r#"{{"discarded":"{}","archive":"{}","token":"00000000-0000-4000-8000-000000000000","since":"2026-11-24T02:00:00Z"}}"#,
        name(0),
        stored.archive.file
    );
    plant(&vault, &name(0).manifest_file(), tombstone).await;

    let listed = vault.list().await.unwrap();
    assert!(matches!(listed[0].manifest, Err(Damage::Manifest(_))), "{listed:?}");
    let error = vault.manifest(&name(0)).await.unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
    assert!(vault.leftovers(NO_GRACE).await.unwrap().removable.is_empty());
    vault.remove_leftovers(NO_GRACE).await.unwrap();
    assert_eq!(objects(&vault).await, before);
    // A person who has seen it may still take it away.
    vault.remove(&name(0)).await.unwrap();
    assert!(objects(&vault).await.is_empty());
}

#[tokio::test]
async fn what_a_signing_writer_left_is_cleaned_up() {
    let plain = memory("left");
    let vault = plain.with_keys(Pairs::new().keys());
    // Killed between the signature and the manifest.
    let mut writer = vault.begin(&name(0), Codec::Zstd).await.unwrap();
    writer.put("half of it".into()).await.unwrap();
    drop(writer);
    plant(&vault, &name(0).file_name(FileKind::Signature), "signed").await;
    vault.remove_leftovers(NO_GRACE).await.unwrap();
    assert!(objects(&vault).await.is_empty());
}

fn run(program: &str, arguments: &[&str], folder: &FsPath) -> Output {
    Command::new(program).args(arguments).current_dir(folder).output().unwrap()
}

fn succeed(program: &str, arguments: &[&str], folder: &FsPath) {
    let output = run(program, arguments, folder);
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test]
async fn age_minisign_and_tar_open_check_and_unpack_what_is_written() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let pairs = Pairs::new();
    let plain =
        Vault::open(&VaultConfig::new(Address::Folder(folder.join("vault"))).with_retry(QUICK));
    let vault = plain.unwrap().with_keys(pairs.keys());
    for (second, codec) in [(0, Codec::Zstd), (1, Codec::Gzip)] {
        let sample = Sample::new(&name(second), codec, 7_000_000);
        let stored = sample.store(&vault).await.unwrap();
        std::fs::write(folder.join("identity"), pairs.encryption.secret.expose()).unwrap();
        let file = format!("vault/{}", stored.archive.file);
        let open = ["-d", "-i", "identity", "-o", "archive", &file];
        let _ = std::fs::remove_file(folder.join("archive"));
        succeed("age", &open, folder);
        succeed("tar", &["-xf", "archive"], folder);
        let unpacked = std::fs::read(folder.join(&stored.entries[0].path)).unwrap();
        assert_eq!(lifeboat_archive::Digest::of(&unpacked), stored.entries[0].blake3);

        let manifest = format!("vault/{}", stored.file_name());
        let check = ["-V", "-P", &pairs.signing.public, "-m", &manifest];
        succeed("minisign", &check, folder);
        std::fs::write(folder.join("forged"), b"{}").unwrap();
        let signature = format!("{manifest}.minisig");
        let forged = ["-V", "-P", &pairs.signing.public, "-x", &signature, "-m", "forged"];
        assert!(!run("minisign", &forged, folder).status.success());
    }
}

#[tokio::test]
async fn keys_of_age_and_minisign_are_used_as_they_are() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    succeed("age-keygen", &["-o", "identity"], folder);
    succeed("minisign", &["-G", "-W", "-p", "public", "-s", "secret"], folder);
    let read = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap();
    let identity = Secret::new(read("identity"));
    let recipients = KeyPair::recipients_of(&identity).unwrap();
    let keys = Keys::default()
        .with_recipient(&recipients[0])
        .unwrap()
        .with_identities(move || Ok(vec![identity.clone()]))
        .with_signer(&Secret::new(read("secret")), None)
        .unwrap()
        .with_trusted(&read("public"))
        .unwrap();
    // Signed by their tool, believed by us.
    std::fs::write(folder.join("document"), b"a document").unwrap();
    succeed("minisign", &["-S", "-s", "secret", "-m", "document"], folder);
    keys.check(b"a document", Some(read("document.minisig").as_bytes())).unwrap();
    let vault = memory("tools").with_keys(keys);
    Sample::small(&name(0)).store(&vault).await.unwrap();
    verify(&vault, &name(0)).await;
}
