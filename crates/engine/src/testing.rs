//! Small backups for tests that need no database.

use jiff::Timestamp;
use lifeboat_archive::{
    Assembler, BackupKind, BackupName, Compression, FrameWriter, Manifest, encode,
};
use lifeboat_vault::{Vault, VaultConfig};

use crate::tool;

/// A vault in memory that no other test sees.
pub(crate) fn memory(name: &str) -> Vault {
    Vault::open(&VaultConfig::new(format!("memory://{name}").parse().unwrap())).unwrap()
}

/// The standard name of a second of a certain day.
pub(crate) fn name(kind: BackupKind, second: i64) -> BackupName {
    let day: Timestamp = "2026-11-24T02:00:00Z".parse().unwrap();
    BackupName::at(kind, day + jiff::SignedDuration::from_secs(second))
}

/// Stores a backup of one file.
pub(crate) async fn store(vault: &Vault, name: &BackupName, content: &str) -> Manifest {
    store_with(vault, name, content, &[]).await
}

/// Stores a backup of one file, with notes.
pub(crate) async fn store_with(
    vault: &Vault,
    name: &BackupName,
    content: &str,
    notes: &[(&str, &str)],
) -> Manifest {
    let created = name.timestamp().unwrap_or(Timestamp::UNIX_EPOCH);
    let compression = Compression::default();
    let mut assembler = Assembler::new(compression);
    let frame = FrameWriter::new(created).entry("content", content.as_bytes()).unwrap();
    let mut writer = vault.begin(name, compression.codec()).await.unwrap();
    writer.put(assembler.push(encode(frame, compression).unwrap()).unwrap()).await.unwrap();
    let finished = assembler.finish(name).unwrap();
    writer.put(finished.bytes).await.unwrap();
    let manifest = Manifest {
        name: name.clone(),
        kind: name.kind().unwrap_or(BackupKind::Database),
        created,
        finished: created,
        tool: tool(),
        archive: finished.archive,
        entries: finished.entries,
        database: None,
        config: None,
        options: notes.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
    };
    writer.commit(&manifest).await.unwrap();
    manifest
}
