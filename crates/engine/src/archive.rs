//! An archive in a vault, read frame by frame.

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{Stream, StreamExt as _, stream};
use lifeboat_archive::read::{DecodedFrame, Frames};
use lifeboat_archive::{BackupName, Manifest};
use lifeboat_neo4j::logical::Payload;
use lifeboat_vault::{ArchiveReader, Vault};

use crate::{Error, Result, threads};

/// A backup that is being read. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Archive {
    pub(crate) name: BackupName,
    frames: Frames,
    reader: ArchiveReader,
}

impl Archive {
    pub(crate) async fn open(vault: &Vault, manifest: &Manifest) -> Result<Self> {
        let name = manifest.name.clone();
        let frames = Frames::new(manifest)
            .map_err(|source| Error::Damaged { name: name.clone(), source })?;
        let reader = vault.open_archive_of(manifest).await?;
        Ok(Self { name, frames, reader })
    }

    pub(crate) fn frames(&self) -> &Frames {
        &self.frames
    }

    /// Reads, checks and decodes one frame.
    pub(crate) async fn frame(&self, index: usize) -> Result<DecodedFrame> {
        let stored: Bytes = self.reader.read_range(self.frames.range(index)).await?;
        let this = self.clone();
        tokio::task::spawn_blocking(move || {
            this.frames
                .decode(index, stored)
                .map_err(|source| Error::Damaged { name: this.name.clone(), source })
        })
        .await
        .map_err(|panic| Error::Internal(panic.to_string()))?
    }

    /// Frames in the order they are asked for, a few at a time in flight.
    pub(crate) fn stream<'a>(
        &'a self,
        frames: impl IntoIterator<Item = usize, IntoIter: Send> + 'a,
    ) -> impl Stream<Item = Result<DecodedFrame>> + 'a {
        stream::iter(frames).map(|index| self.frame(index)).buffered(threads().max(3))
    }

    /// Hands out the content of an entry, piece by piece. It is what it should be when this
    /// succeeds, and not before.
    pub(crate) async fn entry_into(
        &self,
        index: usize,
        mut take: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let damaged = |source| Error::Damaged { name: self.name.clone(), source };
        let mut reader = self.frames.entry_reader(index);
        let mut frames = std::pin::pin!(self.stream(self.frames.plan(index)));
        while let Some(frame) = frames.next().await {
            take(reader.push(&frame?).map_err(damaged)?)?;
        }
        reader.finish().map_err(damaged)
    }

    /// The content of an entry, checked.
    pub(crate) async fn entry(&self, index: usize) -> Result<Vec<u8>> {
        let mut content = Vec::new();
        let take = |bytes: &[u8]| {
            content.extend_from_slice(bytes);
            Ok(())
        };
        self.entry_into(index, take).await?;
        Ok(content)
    }
}

impl Payload for Archive {
    fn paths(&self) -> Vec<String> {
        self.frames.entries().iter().map(|entry| entry.path.clone()).collect()
    }

    fn read(
        &self,
        index: usize,
    ) -> BoxFuture<'_, Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>>> {
        Box::pin(async move { self.entry(index).await.map_err(Into::into) })
    }
}
