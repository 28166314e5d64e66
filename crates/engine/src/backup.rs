//! `backup`: a database into a vault.
//!
//! ```text
//! database ──▶ frames ──▶ assembler ──▶ vault: claim, archive, manifest
//! ```
//! Frames go to the vault as they are made; nothing is staged. The manifest comes last, so a
//! backup that was interrupted at any point is not there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use lifeboat_archive::{
    Assembler, BackupKind, BackupName, Compression, Finished, FrameWriter, Manifest,
};
use lifeboat_neo4j::logical::{EncodedEntry, Sink, read_graph};
use lifeboat_vault::{BackupWriter, Vault};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{Error, Progress, Result, Target, tool};

/// What to back up, and where to.
#[derive(Debug, Clone)]
pub struct BackupOptions {
    /// The database.
    pub source: Target,
    /// The vault.
    pub vault: Vault,
    /// A name instead of the standard one, which tells the time.
    pub name: Option<BackupName>,
    /// How the archive is compressed.
    pub compression: Compression,
    /// Words that go into the manifest, by name: who asked for it, and why.
    pub notes: Vec<(String, String)>,
}

/// A backup that was made.
#[derive(Debug, Clone)]
pub struct BackupReport {
    /// Its manifest.
    pub manifest: Manifest,
    /// How long it took.
    pub took: Duration,
}

/// Makes a backup.
///
/// # Errors
/// When the database or the vault fails; nothing is left that lists.
pub async fn backup(
    options: BackupOptions,
    progress: &Arc<Progress>,
    cancel: &CancellationToken,
) -> Result<BackupReport> {
    let began = Instant::now();
    // A server that cannot be reached should not leave a claim behind.
    lifeboat_bolt::Connection::connect(&options.source.config)
        .await
        .map_err(lifeboat_neo4j::Error::from)?
        .close()
        .await;
    let created = Timestamp::now();
    let codec = options.compression.codec();
    let mut writer = match &options.name {
        Some(name) => options.vault.begin(name, codec).await?,
        None => options.vault.begin_at(BackupKind::Database, created, codec).await?,
    };
    let result = tokio::select! {
        result = fill(&options, created, &mut writer, progress) => result,
        () = cancel.cancelled() => Err(Error::Interrupted),
    };
    match result {
        Ok(manifest) => {
            let manifest = writer.commit(&manifest).await?;
            Ok(BackupReport { manifest, took: began.elapsed() })
        }
        Err(error) => {
            if let Err(leftover) = writer.abort().await {
                tracing::warn!(%leftover, "could not remove what the failed backup had stored; prune will");
            }
            Err(error)
        }
    }
}

async fn fill(
    options: &BackupOptions,
    created: Timestamp,
    writer: &mut BackupWriter,
    progress: &Arc<Progress>,
) -> Result<Manifest> {
    let (sender, entries) = mpsc::channel(2);
    let sink = Sink {
        entries: sender,
        frames: FrameWriter::new(created),
        compression: options.compression,
    };
    let source = options.source.source();
    let name = writer.name().clone();
    let store = store(&name, options.compression, entries, writer);
    let (section, finished) = tokio::join!(read_graph(&source, sink, progress), store);
    // When the vault fails, the reader only sees that its frames are no longer taken.
    let finished = finished?;
    Ok(Manifest {
        name,
        kind: BackupKind::Database,
        created,
        finished: Timestamp::now(),
        tool: tool(),
        archive: finished.archive,
        entries: finished.entries,
        database: Some(section?),
        config: None,
        options: options.notes.iter().cloned().collect(),
    })
}

/// Puts the frames in order and into the vault, until there are no more.
async fn store(
    name: &BackupName,
    compression: Compression,
    mut entries: mpsc::Receiver<EncodedEntry>,
    writer: &mut BackupWriter,
) -> Result<Finished> {
    let mut assembler = Assembler::new(compression);
    while let Some(entry) = entries.recv().await {
        for frame in entry {
            writer.put(assembler.push(frame)?).await?;
        }
    }
    let finished = assembler.finish(name)?;
    writer.put(finished.bytes.clone()).await?;
    Ok(finished)
}
