//! `verify`: is a backup what its manifest says?

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use lifeboat_archive::Manifest;
use lifeboat_vault::Vault;
use tokio_util::sync::CancellationToken;

use crate::archive::Archive;
use crate::{Error, Result};

/// How thoroughly to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// The manifest, and that the archive is there with its size.
    Quick,
    /// Every byte: frame digests, the tar, each entry's digest, the file's digest.
    Full,
}

/// A backup that was verified.
#[derive(Debug, Clone)]
pub struct VerifyReport {
    /// Its manifest.
    pub manifest: Manifest,
    /// Bytes of the archive that were read.
    pub bytes: u64,
    /// How long it took.
    pub took: Duration,
}

/// Verifies one backup.
///
/// # Errors
/// When the vault does not answer, or with the first damage found.
pub async fn verify(
    vault: &Vault,
    manifest: Manifest,
    level: Level,
    bytes_done: &(dyn Fn(u64) + Sync),
    cancel: &CancellationToken,
) -> Result<VerifyReport> {
    let began = Instant::now();
    let bytes = tokio::select! {
        bytes = check(vault, &manifest, level, bytes_done) => bytes?,
        () = cancel.cancelled() => return Err(Error::Interrupted),
    };
    Ok(VerifyReport { manifest, bytes, took: began.elapsed() })
}

async fn check(
    vault: &Vault,
    manifest: &Manifest,
    level: Level,
    bytes_done: &(dyn Fn(u64) + Sync),
) -> Result<u64> {
    let archive = Archive::open(vault, manifest).await?;
    if level == Level::Quick {
        return Ok(0);
    }
    let damaged = |source| Error::Damaged { name: archive.name.clone(), source };
    let mut verifier = archive.frames().verifier();
    let mut frames = std::pin::pin!(archive.stream(0..archive.frames().len()));
    let mut index = 0;
    let mut read = 0;
    while let Some(frame) = frames.next().await {
        verifier.push(&frame?).map_err(damaged)?;
        let range = archive.frames().range(index);
        read += range.end - range.start;
        bytes_done(read);
        index += 1;
    }
    verifier.finish().map_err(damaged)?;
    Ok(read)
}
