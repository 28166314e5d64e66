//! An archive in memory: what the vault is in production.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use lifeboat_archive::read::Frames;
use lifeboat_archive::{
    Assembler, BackupKind, BackupName, Compression, DatabaseSection, FrameWriter, Manifest, Tool,
};
use lifeboat_neo4j::Progress;
use lifeboat_neo4j::logical::{Payload, Sink, Source, read_graph};
use tokio::sync::mpsc;

/// A backup that was read from a server.
pub(crate) struct MemoryArchive {
    pub(crate) section: DatabaseSection,
    frames: Frames,
    file: Bytes,
}

impl MemoryArchive {
    pub(crate) async fn of(source: &Source) -> Arc<Self> {
        let created = "2026-11-24T02:00:00Z".parse().unwrap();
        let compression = Compression::default();
        let (sender, mut entries) = mpsc::channel(2);
        let sink = Sink { entries: sender, frames: FrameWriter::new(created), compression };
        let assemble = async {
            let mut assembler = Assembler::new(compression);
            let mut file = Vec::new();
            while let Some(entry) = entries.recv().await {
                for frame in entry {
                    file.extend_from_slice(&assembler.push(frame).unwrap());
                }
            }
            (assembler, file)
        };
        let progress = Arc::new(Progress::default());
        let (section, (assembler, mut file)) =
            tokio::join!(read_graph(source, sink, &progress), assemble);
        let section = section.unwrap();
        let name = BackupName::at(BackupKind::Database, created);
        let finished = assembler.finish(&name).unwrap();
        file.extend_from_slice(&finished.bytes);
        let manifest = Manifest {
            name,
            kind: BackupKind::Database,
            created,
            finished: created,
            tool: Tool { name: "test".into(), version: "0".into() },
            archive: finished.archive,
            entries: finished.entries,
            database: Some(section.clone()),
            config: None,
            options: std::collections::BTreeMap::default(),
        };
        let manifest = Manifest::parse(&manifest.to_bytes().unwrap()).unwrap();
        let frames = Frames::new(&manifest).unwrap();
        Arc::new(Self { section, frames, file: file.into() })
    }

    /// All lines of the entries whose path begins so.
    pub(crate) async fn lines(&self, prefix: &str) -> Vec<String> {
        let mut lines = Vec::new();
        for (index, path) in self.paths().iter().enumerate() {
            if path.starts_with(prefix) {
                let text = String::from_utf8(self.read(index).await.unwrap()).unwrap();
                lines.extend(text.lines().map(str::to_owned));
            }
        }
        lines
    }
}

impl Payload for MemoryArchive {
    fn paths(&self) -> Vec<String> {
        self.frames.entries().iter().map(|entry| entry.path.clone()).collect()
    }

    fn read(
        &self,
        index: usize,
    ) -> BoxFuture<'_, Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>>> {
        Box::pin(async move {
            let mut reader = self.frames.entry_reader(index);
            let mut content = Vec::new();
            for frame in self.frames.plan(index) {
                let range = self.frames.range(frame);
                let stored = self.file.slice(range.start as usize..range.end as usize);
                let frame = self.frames.decode(frame, stored)?;
                content.extend_from_slice(reader.push(&frame)?);
            }
            reader.finish()?;
            Ok(content)
        })
    }
}
