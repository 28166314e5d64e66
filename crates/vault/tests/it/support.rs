//! Backups to store, and ways around the vault to look at what it stores.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lifeboat_archive::read::Frames;
use lifeboat_archive::{
    Assembler, BackupKind, BackupName, Codec, Compression, FrameWriter, Manifest, Tool, encode,
};
use lifeboat_testkit::s3::{Key, S3};
use lifeboat_vault::{
    Credentials, Error, FileKind, ObjectStore, Retry, Secret, Vault, VaultConfig,
};
use object_store::PutOptions;
use object_store::path::Path;

/// Tries again, but wastes no time on it.
pub(crate) const QUICK: Retry = Retry {
    attempts: 4,
    first_pause: Duration::from_millis(1),
    longest_pause: Duration::from_millis(2),
    part_patience: Duration::from_millis(5),
};

/// Everything is a leftover at once.
pub(crate) const NO_GRACE: Duration = Duration::ZERO;

/// A grace time that nothing in a test reaches.
pub(crate) const GRACE: Duration = Duration::from_hours(1);

/// A backup that is not stored yet.
#[derive(Clone)]
pub(crate) struct Sample {
    pub(crate) manifest: Manifest,
    /// The archive, as the assembler gave it out.
    pub(crate) pieces: Vec<Bytes>,
}

/// Bytes that no compression makes smaller.
pub(crate) fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

impl Sample {
    /// A backup with about `size` bytes of archive.
    pub(crate) fn new(name: &BackupName, codec: Codec, size: usize) -> Self {
        let created = name.timestamp().unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let compression = match codec {
            Codec::Gzip => Compression::Gzip { level: 1 },
            _ => Compression::Zstd { level: 1 },
        };
        let writer = FrameWriter::new(created);
        let mut assembler = Assembler::new(compression);
        let mut pieces = Vec::new();
        let piece = 3_000_001;
        for index in 0..size.div_ceil(piece).max(1) {
            let data = noise(piece.min(size - index * piece), index as u64);
            let entry = writer.entry(format!("nodes/{index:06}.jsonl"), &data).unwrap();
            pieces.push(assembler.push(encode(entry, compression).unwrap()).unwrap());
        }
        let finished = assembler.finish(name).unwrap();
        pieces.push(finished.bytes);
        let manifest = Manifest {
            name: name.clone(),
            kind: BackupKind::Database,
            created,
            finished: created,
            tool: Tool { name: "lifeboat".into(), version: "0.1.0".into() },
            archive: finished.archive,
            entries: finished.entries,
            database: None,
            config: None,
            options: BTreeMap::new(),
        };
        Self { manifest, pieces }
    }

    /// A backup of a few hundred bytes.
    pub(crate) fn small(name: &BackupName) -> Self {
        Self::new(name, Codec::Zstd, 100)
    }

    pub(crate) fn codec(&self) -> Codec {
        self.manifest.archive.compression
    }

    /// Stores it.
    pub(crate) async fn store(&self, vault: &Vault) -> Result<Manifest, Error> {
        let mut writer = vault.begin(&self.manifest.name, self.codec()).await?;
        for piece in &self.pieces {
            writer.put(piece.clone()).await?;
        }
        writer.commit(&self.manifest).await
    }
}

/// A vault in a bucket, for somebody.
pub(crate) fn in_bucket(s3: &S3, address: &str, who: Key) -> Vault {
    let credentials = Credentials::Aws {
        access_key_id: who.id,
        secret_access_key: who.secret.into(),
        session_token: who.token.map(Secret::new),
    };
    let config = VaultConfig::new(address.parse().unwrap())
        .with_endpoint(s3.endpoint())
        .with_credentials(credentials)
        .with_retry(QUICK);
    Vault::open(&config).unwrap()
}

/// The standard name of a second of a certain day.
pub(crate) fn name(second: i64) -> BackupName {
    let day: jiff::Timestamp = "2026-11-24T02:00:00Z".parse().unwrap();
    BackupName::at(BackupKind::Database, day + jiff::SignedDuration::from_secs(second))
}

/// The store behind a vault.
pub(crate) fn raw(vault: &Vault) -> Arc<dyn ObjectStore> {
    let mut store = None;
    let _ = vault.wrap(|inner| {
        store = Some(Arc::clone(&inner));
        inner
    });
    store.unwrap()
}

/// The names of all objects at the root, where backups are, sorted.
pub(crate) async fn objects(vault: &Vault) -> Vec<String> {
    let listed = raw(vault).list_with_delimiter(None).await.unwrap().objects;
    let mut names: Vec<String> = listed.iter().map(|meta| meta.location.to_string()).collect();
    names.sort();
    names
}

/// Puts an object there, without the vault.
pub(crate) async fn plant(vault: &Vault, object: &str, bytes: impl Into<Bytes>) {
    let payload = object_store::PutPayload::from(bytes.into());
    let path = Path::parse(object).unwrap();
    raw(vault).put_opts(&path, payload, PutOptions::default()).await.unwrap();
}

/// Takes an object away, without the vault.
pub(crate) async fn steal(vault: &Vault, object: &str) {
    use object_store::ObjectStoreExt as _;
    raw(vault).delete(&Path::parse(object).unwrap()).await.unwrap();
}

/// Reads every byte of a backup and checks it against its manifest.
pub(crate) async fn verify(vault: &Vault, name: &BackupName) {
    let manifest = vault.manifest(name).await.unwrap();
    let reader = vault.open_archive(name).await.unwrap();
    let frames = Frames::new(&manifest).unwrap();
    let mut verifier = frames.verifier();
    for index in 0..frames.len() {
        let stored = reader.read_range(frames.range(index)).await.unwrap();
        verifier.push(&frames.decode(index, stored).unwrap()).unwrap();
    }
    verifier.finish().unwrap();
}

/// Checks what must hold whatever has happened: every backup that lists is whole. Their names.
pub(crate) async fn check_whole(vault: &Vault) -> Vec<BackupName> {
    let mut names = Vec::new();
    for listed in vault.list().await.unwrap() {
        assert!(listed.is_intact(), "{} is listed: {:?}", listed.name, listed.manifest);
        verify(vault, &listed.name).await;
        names.push(listed.name);
    }
    names
}

/// Checks that cleaning up leaves the files of the listed backups and nothing else.
pub(crate) async fn check_clean_up(vault: &Vault) {
    let names = check_whole(vault).await;
    vault.remove_leftovers(NO_GRACE).await.unwrap();
    let leftovers = vault.leftovers(NO_GRACE).await.unwrap();
    assert!(leftovers.removable.is_empty(), "{leftovers:?}");
    assert_eq!(check_whole(vault).await, names);
    let mut expected = Vec::new();
    for listed in vault.list().await.unwrap() {
        let name = &listed.name;
        let manifest = vault.manifest(name).await.unwrap();
        assert!(!vault.keys().signs() || listed.beside(FileKind::Signature).is_some(), "{name}");
        expected.extend(listed.beside.iter().map(|beside| name.file_name(beside.kind)));
        expected.extend([manifest.file_name(), manifest.archive.file]);
    }
    expected.sort();
    assert_eq!(objects(vault).await, expected);
}
