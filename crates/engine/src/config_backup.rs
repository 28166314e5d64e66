//! `backup config`: what belongs to the application besides its database.
//!
//! ```text
//! files/…          files, folders and links, by their absolute path without the first slash
//! environment/NAME the value of a variable
//! commands/NAME    what a command printed
//! neo4j/plugins.json  names, sizes and digests of the database's plugins
//! application.json images and versions of the application
//! ```
//! Nothing is kept in part: what cannot be read in one state is left out, listed in the manifest,
//! and makes the backup incomplete. What is secret is kept only in an encrypted archive, and else
//! named: a backup must not be the way by which a secret gets out.

mod find;
mod outputs;
mod read;

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::Timestamp;
use lifeboat_archive::{
    Assembler, BackupKind, BackupName, Compression, ConfigSection, Cutter, Digest, EntryHeader,
    FRAME_SIZE, Finished, FrameWriter, LeftOut, Manifest, RawFrame, Reference, ReferenceKind,
    check_path, encode,
};
use lifeboat_vault::{BackupWriter, Vault};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::config::ConfigBackupSection;
use crate::{Error, Phase, Progress, Result, tool};
use read::Content;

/// What to back up, and where to.
#[derive(Debug, Clone)]
pub struct ConfigBackupOptions {
    /// What the settings list.
    pub section: ConfigBackupSection,
    /// The home of the database's server, for its `neo4j.conf` and its plugins.
    pub neo4j_home: Option<PathBuf>,
    /// Where commands run: the folder of the settings.
    pub folder: PathBuf,
    /// The vault.
    pub vault: Vault,
    /// A name instead of the standard one, which tells the time.
    pub name: Option<BackupName>,
    /// How the archive is compressed.
    pub compression: Compression,
    /// Words that go into the manifest, by name.
    pub notes: Vec<(String, String)>,
}

/// A backup of a configuration that was made.
#[derive(Debug, Clone)]
pub struct ConfigBackupReport {
    /// Its manifest.
    pub manifest: Manifest,
    /// How long it took.
    pub took: Duration,
}

impl ConfigBackupReport {
    /// Whether something could not be read.
    pub fn is_incomplete(&self) -> bool {
        self.manifest.config.as_ref().is_some_and(|config| !config.incomplete.is_empty())
    }
}

/// Makes a backup of a configuration.
///
/// # Errors
/// When there is nothing to back up, or the vault fails; nothing is left that lists. A file that
/// cannot be read is no error: the report has it.
pub async fn backup_config(
    options: ConfigBackupOptions,
    progress: &Arc<Progress>,
    cancel: &CancellationToken,
) -> Result<ConfigBackupReport> {
    let began = Instant::now();
    progress.enter(Phase::Preparing);
    if options.section.is_empty() && options.neo4j_home.is_none() {
        return Err(Error::NothingToBackUp);
    }
    let created = Timestamp::now();
    let codec = options.compression.codec();
    let mut writer = match &options.name {
        Some(name) => options.vault.begin(name, codec).await?,
        None => options.vault.begin_at(BackupKind::Config, created, codec).await?,
    };
    let result = tokio::select! {
        result = fill(&options, created, &mut writer, cancel) => result,
        () = cancel.cancelled() => Err(Error::Interrupted),
    };
    match result {
        Ok(manifest) => {
            let manifest = writer.commit(&manifest).await?;
            Ok(ConfigBackupReport { manifest, took: began.elapsed() })
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
    options: &ConfigBackupOptions,
    created: Timestamp,
    writer: &mut BackupWriter,
    cancel: &CancellationToken,
) -> Result<Manifest> {
    let name = writer.name().clone();
    let mut config = ConfigSection {
        application: options.section.application.clone(),
        ..ConfigSection::default()
    };
    let outputs = outputs(options, &mut config).await;
    let (pack, mut pieces) = Pack::new(options.compression, created);
    let collector = Collector {
        section: options.section.clone(),
        neo4j_home: options.neo4j_home.clone().filter(|_| options.section.neo4j),
        keeps_secrets: keeps_secrets(&options.vault),
        config,
        pack,
        cancel: cancel.clone(),
    };
    let this = name.clone();
    let collected = tokio::task::spawn_blocking(move || collector.collect(outputs, &this));
    while let Some(piece) = pieces.recv().await {
        writer.put(piece).await?;
    }
    let (finished, config) =
        collected.await.map_err(|panic| Error::Internal(panic.to_string()))??;
    Ok(Manifest {
        name,
        kind: BackupKind::Config,
        created,
        finished: Timestamp::now(),
        tool: tool(),
        archive: finished.archive,
        entries: finished.entries,
        database: None,
        config: Some(config),
        options: options.notes.iter().cloned().collect(),
    })
}

/// Whether what is secret may go into this vault: only when what it stores is encrypted.
fn keeps_secrets(vault: &Vault) -> bool {
    vault.keys().encrypts()
}

/// A file of the archive that is no file of the system.
struct Output {
    path: String,
    content: Vec<u8>,
    secret: bool,
}

/// Values and outputs; what is secret and may not be kept is only named.
async fn outputs(options: &ConfigBackupOptions, config: &mut ConfigSection) -> Vec<Output> {
    let section = &options.section;
    let keeps_secrets = keeps_secrets(&options.vault);
    let mut outputs = Vec::new();
    let environment = section.environment.iter().map(|name| (name, false));
    for (name, secret) in
        environment.chain(section.secret_environment.iter().map(|name| (name, true)))
    {
        if secret && !keeps_secrets {
            config
                .references
                .push(Reference { kind: ReferenceKind::Environment, name: name.clone() });
            continue;
        }
        let path = format!("environment/{name}");
        match std::env::var_os(name) {
            Some(value) => {
                outputs.push(Output { path, content: value.into_encoded_bytes(), secret });
            }
            None => config.incomplete.push(LeftOut::new(path, "the variable is not set")),
        }
    }
    for command in &section.commands {
        let name = &command.name;
        if command.secret && !keeps_secrets {
            config.references.push(Reference { kind: ReferenceKind::Command, name: name.clone() });
            continue;
        }
        let path = format!("commands/{name}");
        match outputs::output(command, &options.folder).await {
            Ok(content) => outputs.push(Output { path, content, secret: command.secret }),
            Err(reason) => config.incomplete.push(LeftOut::new(path, reason)),
        }
    }
    outputs
}

/// Puts entries one after another into frames, and hands these out as they are made.
struct Pack {
    cutter: Cutter,
    assembler: Assembler,
    compression: Compression,
    pieces: mpsc::Sender<Bytes>,
}

impl Pack {
    fn new(compression: Compression, created: Timestamp) -> (Self, mpsc::Receiver<Bytes>) {
        let (pieces, receiver) = mpsc::channel(4);
        let cutter = FrameWriter::new(created).cutter(FRAME_SIZE);
        (Self { cutter, assembler: Assembler::new(compression), compression, pieces }, receiver)
    }

    fn entry(&mut self, header: EntryHeader, content: Content) -> Result<()> {
        let frames = self.cutter.begin(header)?;
        self.push(frames)?;
        match content {
            Content::Memory(bytes) => {
                let frames = self.cutter.write(&bytes)?;
                self.push(frames)?;
            }
            Content::Spooled(mut file) => {
                let mut buffer = vec![0; 1 << 20];
                loop {
                    let read = file.read(&mut buffer).map_err(|error| Error::Folder {
                        action: "read",
                        folder: std::env::temp_dir(),
                        error,
                    })?;
                    if read == 0 {
                        break;
                    }
                    let frames = self.cutter.write(&buffer[..read])?;
                    self.push(frames)?;
                }
            }
        }
        let frames = self.cutter.end()?;
        self.push(frames)
    }

    fn push(&mut self, frames: impl IntoIterator<Item = RawFrame>) -> Result<()> {
        for frame in frames {
            let bytes = self.assembler.push(encode(frame, self.compression)?)?;
            self.send(bytes)?;
        }
        Ok(())
    }

    fn send(&self, bytes: Bytes) -> Result<()> {
        // Nobody takes it any more when the vault has failed, which is told by whoever saw it.
        self.pieces.blocking_send(bytes).map_err(|_| Error::Interrupted)
    }

    fn finish(mut self, name: &BackupName) -> Result<Finished> {
        let cutter = std::mem::replace(
            &mut self.cutter,
            FrameWriter::new(Timestamp::UNIX_EPOCH).cutter(FRAME_SIZE),
        );
        self.push(cutter.finish()?)?;
        let assembler = std::mem::replace(&mut self.assembler, Assembler::new(self.compression));
        let finished = assembler.finish(name)?;
        self.send(finished.bytes.clone())?;
        Ok(finished)
    }
}

/// Reads all that there is; blocking.
struct Collector {
    section: ConfigBackupSection,
    neo4j_home: Option<PathBuf>,
    keeps_secrets: bool,
    config: ConfigSection,
    pack: Pack,
    cancel: CancellationToken,
}

impl Collector {
    fn collect(
        mut self,
        outputs: Vec<Output>,
        name: &BackupName,
    ) -> Result<(Finished, ConfigSection)> {
        let mut files =
            find::find(&self.section).map_err(|error| Error::Pattern(error.to_string()))?;
        self.config.incomplete.append(&mut files.unreadable);
        if let Some(home) = self.neo4j_home.take() {
            let conf = home.join("conf/neo4j.conf");
            files
                .found
                .entry(fs::canonicalize(&conf).unwrap_or(conf))
                .or_insert(find::Found { secret: false });
            match plugins(&home.join("plugins")) {
                Ok(list) => self.add("neo4j/plugins.json", list)?,
                Err(error) => self.left_out("neo4j/plugins.json", error.to_string()),
            }
        }
        if !self.section.application.is_empty() {
            let mut text = serde_json::to_vec_pretty(&self.section.application)
                .map_err(|error| Error::Internal(error.to_string()))?;
            text.push(b'\n');
            self.add("application.json", text)?;
        }
        for Output { path, content, secret } in outputs {
            if secret {
                self.config.secrets.push(path.clone());
            }
            self.add(&path, content)?;
        }
        for (path, found) in files.found {
            if self.cancel.is_cancelled() {
                return Err(Error::Interrupted);
            }
            self.file(&path, found.secret)?;
        }
        Ok((self.pack.finish(name)?, self.config))
    }

    /// Adds an entry that is no file of the system.
    fn add(&mut self, path: &str, content: Vec<u8>) -> Result<()> {
        let header =
            EntryHeader { mode: Some(0o600), ..EntryHeader::file(path, content.len() as u64) };
        self.pack.entry(header, Content::Memory(content))
    }

    fn left_out(&mut self, path: impl Into<String>, reason: impl Into<String>) {
        self.config.incomplete.push(LeftOut::new(path, reason));
    }

    fn file(&mut self, path: &Path, secret: bool) -> Result<()> {
        let shown = path.display().to_string();
        let Some(entry) = path.to_str().map(|path| format!("files{path}")) else {
            self.left_out(shown, "its name is not UTF-8");
            return Ok(());
        };
        if let Err(error) = check_path(&entry) {
            self.left_out(shown, format!("its name cannot stand in an archive: {}", error.reason));
            return Ok(());
        }
        let metadata = match fs::symlink_metadata(path) {
            Ok(metadata) => metadata,
            Err(error) => {
                self.left_out(shown, error.to_string());
                return Ok(());
            }
        };
        let kind = metadata.file_type();
        if kind.is_symlink() {
            return match fs::read_link(path).map(|link| link.to_str().map(str::to_owned)) {
                Ok(Some(link)) if !link.chars().any(char::is_control) => self.pack.entry(
                    with(EntryHeader::symlink(entry, link), &metadata),
                    Content::Memory(Vec::new()),
                ),
                Ok(_) => {
                    self.left_out(shown, "where it points to cannot stand in an archive");
                    Ok(())
                }
                Err(error) => {
                    self.left_out(shown, error.to_string());
                    Ok(())
                }
            };
        }
        if kind.is_dir() {
            return self.pack.entry(
                with(EntryHeader::directory(entry), &metadata),
                Content::Memory(Vec::new()),
            );
        }
        if !kind.is_file() {
            self.config.skipped.push(LeftOut::new(shown, "it is no file, folder or link"));
            return Ok(());
        }
        if secret && !self.keeps_secrets {
            self.config.references.push(Reference { kind: ReferenceKind::File, name: shown });
            return Ok(());
        }
        match read::read(path) {
            Ok(stable) => {
                let header =
                    with(EntryHeader::file(entry.clone(), stable.metadata.len()), &stable.metadata);
                if secret {
                    self.config.secrets.push(entry);
                }
                self.pack.entry(header, stable.content)
            }
            Err(reason) => {
                self.left_out(shown, reason);
                Ok(())
            }
        }
    }
}

/// The entry with owner, mode and time of the file.
fn with(header: EntryHeader, metadata: &fs::Metadata) -> EntryHeader {
    let mode = (!metadata.is_symlink()).then_some(metadata.mode() & 0o7777);
    EntryHeader {
        mode,
        mtime: Some(metadata.mtime()),
        uid: metadata.uid().into(),
        gid: metadata.gid().into(),
        ..header
    }
}

/// A plugin of the database.
#[derive(Debug, Serialize)]
struct Plugin {
    file: String,
    size: u64,
    blake3: Digest,
}

/// The list of the plugins in a folder, as JSON.
fn plugins(folder: &Path) -> std::io::Result<Vec<u8>> {
    let mut plugins = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "jar") || !path.is_file() {
            continue;
        }
        let mut hasher = blake3::Hasher::new();
        let size = std::io::copy(&mut fs::File::open(&path)?, &mut hasher)?;
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        plugins.push(Plugin { file, size, blake3: hasher.finalize().into() });
    }
    plugins.sort_by(|a, b| a.file.cmp(&b.file));
    let mut text = serde_json::to_vec_pretty(&plugins).map_err(std::io::Error::other)?;
    text.push(b'\n');
    Ok(text)
}

#[cfg(test)]
mod tests;
