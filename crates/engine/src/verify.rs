//! `verify`: is a backup what its manifest says?

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use lifeboat_archive::{Digest, Manifest};
use lifeboat_vault::Vault;
use tokio_util::sync::CancellationToken;

use crate::archive::Archive;
use crate::{Error, Result};

/// How thoroughly to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// The manifest, and that the archive is there with its size.
    Quick,
    /// So many percent of the frames, each whole: its digest, its part of the tar, each entry that
    /// lies in it. Which ones, the seed says: the same for the same.
    Sample {
        /// From 1 to 100.
        percent: u8,
        /// Any number.
        seed: u64,
    },
    /// Every byte: frame digests, the tar, each entry's digest, the file's digest.
    Full,
}

impl Level {
    /// A sample that nobody can foresee.
    pub fn sample(percent: u8) -> Self {
        Self::Sample { percent, seed: uuid::Uuid::new_v4().as_u64_pair().0 }
    }
}

/// A backup that was verified.
#[derive(Debug, Clone)]
pub struct VerifyReport {
    /// Its manifest.
    pub manifest: Manifest,
    /// Bytes of the archive that were read.
    pub bytes: u64,
    /// Frames of the archive that were checked.
    pub frames: usize,
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
    let (frames, bytes) = tokio::select! {
        checked = check(vault, &manifest, level, bytes_done) => checked?,
        () = cancel.cancelled() => return Err(Error::Interrupted),
    };
    Ok(VerifyReport { manifest, bytes, frames, took: began.elapsed() })
}

/// How many frames and bytes were checked.
async fn check(
    vault: &Vault,
    manifest: &Manifest,
    level: Level,
    bytes_done: &(dyn Fn(u64) + Sync),
) -> Result<(usize, u64)> {
    let archive = Archive::open(vault, manifest).await?;
    if level == Level::Full && manifest.archive.encryption.is_some() && !vault.keys().can_open() {
        // All that can be known without a key, and all that can have changed.
        let read = AtomicU64::new(0);
        let progress = |bytes| bytes_done(read.fetch_add(bytes, Ordering::Relaxed) + bytes);
        vault.check_stored(manifest, &progress).await?;
        return Ok((archive.frames().len(), read.into_inner()));
    }
    let all = archive.frames().len();
    let (chosen, mut verifier) = match level {
        Level::Quick => return Ok((0, 0)),
        Level::Sample { percent, seed } => (sample(all, percent, seed), None),
        Level::Full => ((0..all).collect(), Some(archive.frames().verifier())),
    };
    let damaged = |source| Error::Damaged { name: archive.name.clone(), source };
    let mut frames = std::pin::pin!(archive.stream(chosen.iter().copied()));
    let mut read = 0;
    while let Some(frame) = frames.next().await {
        let frame = frame?;
        if let Some(verifier) = &mut verifier {
            verifier.push(&frame).map_err(damaged)?;
        }
        let range = archive.frames().range(frame.index());
        read += range.end - range.start;
        bytes_done(read);
    }
    if let Some(verifier) = verifier {
        verifier.finish().map_err(damaged)?;
    }
    Ok((chosen.len(), read))
}

/// Which frames are in a sample, in their order: those whose numbers hash lowest.
fn sample(frames: usize, percent: u8, seed: u64) -> Vec<usize> {
    let number = (frames * usize::from(percent.min(100))).div_ceil(100);
    let rank = |frame: &usize| {
        Digest::of(&[seed.to_le_bytes(), (*frame as u64).to_le_bytes()].concat()).half()
    };
    let mut ranked: Vec<usize> = (0..frames).collect();
    ranked.sort_by_cached_key(rank);
    ranked.truncate(number);
    ranked.sort_unstable();
    ranked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_of_the_size_and_follows_its_seed() {
        for (frames, percent, number) in
            [(1, 1, 1), (10, 1, 1), (250, 10, 25), (250, 100, 250), (3, 50, 2)]
        {
            let frames_of = sample(frames, percent, 7);
            assert_eq!(frames_of.len(), number, "{frames} {percent}");
            assert!(frames_of.is_sorted() && frames_of.iter().all(|frame| *frame < frames));
            assert_eq!(frames_of, sample(frames, percent, 7));
        }
        assert_ne!(sample(250, 10, 7), sample(250, 10, 8));
        // Sooner or later every frame has its turn.
        let seen: std::collections::BTreeSet<usize> =
            (0..200).flat_map(|seed| sample(50, 10, seed)).collect();
        assert_eq!(seen.len(), 50);
    }
}
