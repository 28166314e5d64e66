//! `backup`: a database into a vault.
//!
//! ```text
//! database ──▶ frames ──▶ assembler ──▶ vault: claim, archive, manifest
//! ```
//! Frames go to the vault as they are made; nothing is staged. The manifest comes last, so a
//! backup that was interrupted at any point is not there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{Timestamp, ToSpan as _};
use lifeboat_archive::{
    Assembler, BackupKind, BackupName, Compression, FRAME_SIZE, Finished, FrameWriter, Manifest,
};
use lifeboat_neo4j::logical::{EncodedEntry, ReadOptions, read_graph};
use lifeboat_vault::{BackupWriter, Vault};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{Error, Progress, Result, Target, threads, tool};

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
    let (mut writer, name, created) = begin(&options).await?;
    let result = tokio::select! {
        result = fill(&options, &name, created, &mut writer, progress) => result,
        () = cancel.cancelled() => Err(Error::Interrupted),
    };
    match result {
        Ok(manifest) => {
            writer.commit(&manifest).await?;
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

/// Claims a name: the one asked for, or the first second that is free.
async fn begin(options: &BackupOptions) -> Result<(BackupWriter, BackupName, Timestamp)> {
    let created = Timestamp::now();
    let codec = options.compression.codec();
    if let Some(name) = &options.name {
        return Ok((options.vault.begin(name, codec).await?, name.clone(), created));
    }
    let mut last = None;
    for later in 0..60 {
        let name = BackupName::at(BackupKind::Database, created + later.seconds());
        match options.vault.begin(&name, codec).await {
            Ok(writer) => return Ok((writer, name, created)),
            Err(error @ lifeboat_vault::Error::AlreadyExists { .. }) => last = Some(error),
            Err(error) => return Err(error.into()),
        }
    }
    Err(last.map_or_else(|| Error::Internal("no name was tried".to_owned()), Error::from))
}

async fn fill(
    options: &BackupOptions,
    name: &BackupName,
    created: Timestamp,
    writer: &mut BackupWriter,
    progress: &Arc<Progress>,
) -> Result<Manifest> {
    let read = ReadOptions {
        config: options.source.config.clone(),
        database: options.source.database.clone(),
        threads: threads(),
        frame_size: FRAME_SIZE,
        compression: options.compression,
        frames: FrameWriter::new(created),
    };
    let (sink, entries) = mpsc::channel(2);
    let store = store(name, options.compression, entries, writer);
    let (section, finished) = tokio::join!(read_graph(&read, Some(sink), progress), store);
    // When the vault fails, the reader only sees that its frames are no longer taken.
    let finished = finished?;
    Ok(Manifest {
        name: name.clone(),
        kind: BackupKind::Database,
        created,
        finished: Timestamp::now(),
        tool: tool(),
        archive: finished.archive,
        entries: finished.entries,
        database: Some(section?),
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
