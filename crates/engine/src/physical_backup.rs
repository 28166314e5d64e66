//! `backup --method physical`: the store files of a server into a vault, while it runs.
//!
//! ```text
//! data folder ──▶ reader ──▶ frames, compressed in parallel ──▶ assembler ──▶ vault
//! ```
//! The server is not needed: it may be asked for its version and its counts, or be down. All its
//! databases are in one backup, `system` with its users and roles among them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use futures::{Stream, StreamExt as _, stream};
use jiff::Timestamp;
use lifeboat_archive::{
    Assembler, BackupKind, BackupName, Compression, Counts, DatabaseSection, EncodedFrame,
    Fingerprint, Finished, FrameWriter, Manifest, Method, ServerInfo, Snapshot, encode,
};
use lifeboat_bolt::{Access, BookmarkTx, Connection, RunOptions};
use lifeboat_neo4j::physical::{Copied, Layout, Piece, copy_store};
use lifeboat_neo4j::{Database, logical};
use lifeboat_vault::{BackupWriter, Vault};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::backup::BackupReport;
use crate::{Error, Progress, Result, Target, threads, tool};

/// What to back up, and where to.
#[derive(Debug, Clone)]
pub struct PhysicalBackupOptions {
    /// The server's home, whose data can be read.
    pub home: PathBuf,
    /// The server, to ask for its version and counts; nothing is asked when not given.
    pub server: Option<Target>,
    /// The folder with Neo4j's `lib`, which tells the version when no server is asked; the home
    /// when not given.
    pub installation: Option<PathBuf>,
    /// The vault.
    pub vault: Vault,
    /// A name instead of the standard one, which tells the time.
    pub name: Option<BackupName>,
    /// How the archive is compressed.
    pub compression: Compression,
    /// Words that go into the manifest, by name.
    pub notes: Vec<(String, String)>,
    /// Reads the graph over Bolt as well, for a fingerprint that a restore can be compared with.
    pub fingerprint: bool,
}

/// What a backup is asked to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MethodChoice {
    /// The graph, over Bolt.
    #[default]
    Logical,
    /// The store files.
    Physical,
    /// The store files where they can be read, else the graph.
    Auto,
}

impl std::fmt::Display for MethodChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Logical => "logical",
            Self::Physical => "physical",
            Self::Auto => "auto",
        })
    }
}

impl std::str::FromStr for MethodChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "logical" => Ok(Self::Logical),
            "physical" => Ok(Self::Physical),
            "auto" => Ok(Self::Auto),
            _ => Err("it is `logical`, `physical` or `auto`".to_owned()),
        }
    }
}

impl MethodChoice {
    /// The method, and why it was chosen when it was not asked for.
    ///
    /// # Errors
    /// When store files were asked for and cannot be read.
    pub fn choose(self, home: Option<&Path>) -> Result<(Method, Option<String>)> {
        let readable = |home: &Path| Layout::readable(home).map_err(Error::from);
        match (self, home) {
            (Self::Logical, _) => Ok((Method::Logical, None)),
            (Self::Physical, None) => Err(Error::NoHome),
            (Self::Physical, Some(home)) => readable(home).map(|_| (Method::Physical, None)),
            (Self::Auto, None) => {
                let why = "no home of the server is given, so its files cannot be read";
                Ok((Method::Logical, Some(why.to_owned())))
            }
            (Self::Auto, Some(home)) => Ok(match readable(home) {
                Ok(_) => {
                    let why = format!("the server's files in {} can be read", home.display());
                    (Method::Physical, Some(why))
                }
                Err(error) => (Method::Logical, Some(error.to_string())),
            }),
        }
    }
}

/// Makes a physical backup.
///
/// # Errors
/// When the data or the vault fails, or the server is asked and does not answer; nothing is left
/// that lists.
pub async fn physical_backup(
    options: PhysicalBackupOptions,
    progress: &Arc<Progress>,
    cancel: &CancellationToken,
) -> Result<BackupReport> {
    let began = Instant::now();
    let layout = Layout::readable(&options.home)?;
    let created = Timestamp::now();
    let codec = options.compression.codec();
    let mut writer = match &options.name {
        Some(name) => options.vault.begin(name, codec).await?,
        None => options.vault.begin_at(BackupKind::Database, created, codec).await?,
    };
    let result = tokio::select! {
        result = fill(&options, layout, created, &mut writer, progress) => result,
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
    options: &PhysicalBackupOptions,
    layout: Layout,
    created: Timestamp,
    writer: &mut BackupWriter,
    progress: &Arc<Progress>,
) -> Result<Manifest> {
    let (sender, pieces) = mpsc::channel(2);
    let frames = FrameWriter::new(created);
    let shared = Arc::clone(progress);
    let reader = tokio::task::spawn_blocking(move || copy_store(&layout, &frames, sender, &shared));
    let name = writer.name().clone();
    let storing = store(&name, options.compression, pieces, writer);
    // A server that was just started takes a second or two for its first answers.
    let asked_and_stored = tokio::try_join!(About::find(options), storing);
    let copied = reader.await.map_err(|panic| Error::Internal(panic.to_string()))?;
    // When the vault or the server fails, the reader only sees that its pieces are no longer taken.
    let (server, finished) = asked_and_stored?;
    let copied = copied?;
    tracing::info!(passes = copied.passes, clones = copied.cloned, "the store is copied");
    let section = describe(options, server, copied, progress).await?;
    Ok(Manifest {
        name,
        kind: BackupKind::Database,
        created,
        finished: Timestamp::now(),
        tool: tool(),
        archive: finished.archive,
        entries: finished.entries,
        database: Some(section),
        config: None,
        options: options.notes.iter().cloned().collect(),
    })
}

/// Puts the pieces into the vault, until there are no more.
async fn store(
    name: &BackupName,
    compression: Compression,
    pieces: mpsc::Receiver<Piece>,
    writer: &mut BackupWriter,
) -> Result<Finished> {
    let mut assembler = Assembler::new(compression);
    let mut pieces = std::pin::pin!(encoded(pieces, compression));
    while let Some(piece) = pieces.next().await {
        match piece? {
            Encoded::Frame(frame) => writer.put(assembler.push(frame)?).await?,
            Encoded::Superseded(path) => {
                assembler.supersede(&path);
            }
        }
    }
    let finished = assembler.finish(name)?;
    writer.put(finished.bytes.clone()).await?;
    Ok(finished)
}

enum Encoded {
    Frame(EncodedFrame),
    Superseded(String),
}

/// The pieces in their order, a few being compressed at a time.
fn encoded(
    pieces: mpsc::Receiver<Piece>,
    compression: Compression,
) -> impl Stream<Item = Result<Encoded>> {
    stream::unfold(pieces, async |mut pieces| pieces.recv().await.map(|piece| (piece, pieces)))
        .map(move |piece| {
            // Begun here and not when it is waited for.
            let work = match piece {
                Piece::Frame(raw) => {
                    Ok(tokio::task::spawn_blocking(move || encode(raw, compression)))
                }
                Piece::Superseded(path) => Err(path),
            };
            async {
                match work {
                    Ok(work) => {
                        let frame = work.await.map_err(|e| Error::Internal(e.to_string()))??;
                        Ok(Encoded::Frame(frame))
                    }
                    Err(path) => Ok(Encoded::Superseded(path)),
                }
            }
        })
        .buffered(threads() + 1)
}

/// What is known of the server.
struct About {
    server: ServerInfo,
    /// The database that the backup is told by.
    database: Option<String>,
    before: Option<BookmarkTx>,
}

impl About {
    async fn find(options: &PhysicalBackupOptions) -> Result<Self> {
        if let Some(target) = &options.server {
            let (mut connection, run) = connect(target).await?;
            let database = Database::inspect(&mut connection, &run).await?;
            let before = Database::last_tx(&mut connection, &run).await?;
            connection.close().await;
            return Ok(Self {
                server: ServerInfo {
                    version: database.version,
                    edition: Some(database.edition),
                    bolt: Some(database.bolt),
                },
                database: Some(database.name),
                before,
            });
        }
        let folder = options.installation.as_ref().unwrap_or(&options.home);
        let (version, edition) = lifeboat_server::version_in(folder).map_err(|error| {
            // What can be done about it is told by ours.
            let text = error.to_string();
            let why = text.split_once("; ").map_or(text.as_str(), |(why, _)| why).to_owned();
            Error::UnknownServer { home: options.home.clone(), why }
        })?;
        let server = ServerInfo {
            version: version.to_string(),
            edition: Some(edition.to_string()),
            bolt: None,
        };
        Ok(Self { server, database: None, before: None })
    }
}

async fn connect(target: &Target) -> Result<(Connection, RunOptions)> {
    let connection =
        Connection::connect(&target.config).await.map_err(|error| Error::Database(error.into()))?;
    let run = RunOptions {
        database: target.database.clone(),
        access: Access::Read,
        ..RunOptions::default()
    };
    Ok((connection, run))
}

/// What the manifest says of the database, after its files were read.
async fn describe(
    options: &PhysicalBackupOptions,
    about: About,
    copied: Copied,
    progress: &Arc<Progress>,
) -> Result<DatabaseSection> {
    let databases = &copied.section.databases;
    let usual = || databases.keys().find(|name| *name != "system");
    let name = about
        .database
        .filter(|name| databases.contains_key(name))
        .or_else(|| databases.contains_key("neo4j").then(|| "neo4j".to_owned()))
        .or_else(|| usual().cloned())
        .unwrap_or_else(|| "system".to_owned());
    let last_tx = databases.get(&name).and_then(|database| database.last_tx);
    let mut section = DatabaseSection {
        method: Method::Physical,
        name,
        id: about.before.map(|before| before.database),
        server: about.server,
        // The store is replayed to the end of its log, whatever was read when.
        snapshot: last_tx.map(|tx| Snapshot { first_tx: tx, last_tx: tx, exact: true }),
        counts: None,
        fingerprint: None,
        physical: Some(copied.section),
    };
    if let Some(target) = &options.server {
        let proof = Proof::read(target, options.fingerprint, progress).await?;
        // What was counted counts only if it was counted at the backup's last transaction.
        if proof.last_tx.is_some() && proof.last_tx == last_tx {
            section.counts = Some(proof.counts);
            section.fingerprint = proof.fingerprint;
        }
    }
    Ok(section)
}

/// What a restore can be compared with.
struct Proof {
    counts: Counts,
    fingerprint: Option<Fingerprint>,
    /// The transaction it belongs to; `None` when it changed meanwhile.
    last_tx: Option<u64>,
}

impl Proof {
    async fn read(target: &Target, fingerprint: bool, progress: &Arc<Progress>) -> Result<Self> {
        if fingerprint {
            let found = logical::fingerprint(&target.source(), progress).await?;
            let exact = found.snapshot.filter(|snapshot| snapshot.exact);
            return Ok(Self {
                counts: found.counts.unwrap_or_default(),
                fingerprint: found.fingerprint,
                last_tx: exact.map(|snapshot| snapshot.last_tx),
            });
        }
        let (mut connection, run) = connect(target).await?;
        let before = Database::last_tx(&mut connection, &run).await?;
        let counts = Database::counts(&mut connection, &run).await?;
        let after = Database::last_tx(&mut connection, &run).await?;
        connection.close().await;
        let last_tx = before.filter(|_| before == after).map(|bookmark| bookmark.tx_id);
        Ok(Self { counts, fingerprint: None, last_tx })
    }
}
