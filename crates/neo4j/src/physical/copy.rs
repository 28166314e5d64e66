//! Reading the files, until they fit together.
//!
//! One thread reads, in order; whoever takes the pieces compresses them in parallel. What changed
//! since it was read is read again under the same path, and what went before is declared
//! superseded: the archive is written once, so nothing can be taken back from it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;
use std::time::Duration;

use lifeboat_archive::{
    EntryHeader, FRAME_SIZE, FrameWriter, PhysicalDatabase, PhysicalSection, RawFrame,
};
use rustix::fs::SeekFrom;
use tokio::sync::mpsc;

use super::clones::Clones;
use super::layout::{Layout, not_a_home};
use super::log::{self, Cut, LOG_PREFIX, LogFile, MARGIN};
use super::stamp::Stamp;
use super::unit::{Source, Unit, units};
use crate::error::{Error, Result};
use crate::progress::{Phase, Progress};
use crate::txlog::LogFolder;

/// How many times a database is read before giving up.
const PASSES: u32 = 20;

/// How long to wait before what changed is read again: a checkpoint that is being written should
/// have an end.
const PAUSE: Duration = Duration::from_millis(100);

/// How much is read at a time.
const CHUNK: usize = 1 << 20;

/// A piece of the archive; the order counts.
#[derive(Debug)]
pub enum Piece {
    /// The next stretch of the tar.
    Frame(RawFrame),
    /// The entry of this path counts no more.
    Superseded(String),
}

/// A copy that was made.
#[derive(Debug)]
pub struct Copied {
    /// What the manifest says about it.
    pub section: PhysicalSection,
    /// How many times a database had to be read, at most; 1 when no checkpoint came in between.
    pub passes: u32,
    /// Whether clones were read that the file system made, and not the files themselves.
    pub cloned: bool,
}

/// Copies all databases of a server that may be running. Blocks: call it on a thread of its own.
/// Ends early when the receiver of the pieces has gone.
///
/// # Errors
/// When something cannot be read or is not understood, or checkpoints come too fast.
pub fn copy_store(
    layout: &Layout,
    frames: &FrameWriter,
    pieces: mpsc::Sender<Piece>,
    progress: &Progress,
) -> Result<Copied> {
    copy_by(Clones::of, layout, frames, pieces, progress)
}

/// How clones are made.
type Cloning = fn(&[Unit]) -> Result<Option<Clones>>;

fn copy_by(
    cloning: Cloning,
    layout: &Layout,
    frames: &FrameWriter,
    pieces: mpsc::Sender<Piece>,
    progress: &Progress,
) -> Result<Copied> {
    let names = layout.databases()?;
    if names.is_empty() {
        return Err(not_a_home(&layout.home, "its data holds no database"));
    }
    let mut copier = Copier {
        cloning,
        frames,
        pieces,
        progress,
        sent: HashMap::new(),
        read: 0,
        total: 0,
        passes: 0,
        cloned: true,
    };
    progress.enter(Phase::Copying);
    let mut databases = BTreeMap::new();
    for name in names {
        let database = copier.database(layout, &name)?;
        databases.insert(name, database);
    }
    copier.beside(&layout.data)?;
    Ok(Copied {
        section: PhysicalSection {
            server_id: layout.server_id(),
            databases,
            conf: layout.digests("conf")?,
            plugins: layout.digests("plugins")?,
        },
        passes: copier.passes,
        cloned: copier.cloned,
    })
}

struct Copier<'a> {
    cloning: Cloning,
    frames: &'a FrameWriter,
    pieces: mpsc::Sender<Piece>,
    progress: &'a Progress,
    /// What is in the archive, with the state it was read in; without one it must be read again.
    sent: HashMap<String, Option<Stamp>>,
    read: u64,
    total: u64,
    passes: u32,
    cloned: bool,
}

impl Copier<'_> {
    fn database(&mut self, layout: &Layout, name: &str) -> Result<PhysicalDatabase> {
        let store = layout.databases_folder().join(name);
        let logs = LogFolder::new(layout.transactions.join(name));
        for pass in 1..=PASSES {
            let checkpoints = log::checkpoints(logs.path())?;
            let newest = logs.checkpoint()?;
            let path = format!("data/databases/{name}");
            let units = units(&store, &path)?;
            let clones = (self.cloning)(&units)?;
            // What is not cloned may change until all of it is read.
            let whole = match &clones {
                Some(clones) => clones.whole,
                None => self.pass(&units, &path, None)?,
            };
            if whole
                && log::checkpoints(logs.path())? == checkpoints
                && let Some(cut) = log::cut(&logs, newest)?
            {
                if let Some(clones) = &clones {
                    self.pass(&units, &path, Some(clones))?;
                }
                self.cloned &= clones.is_some();
                self.passes = self.passes.max(pass);
                let prefix = format!("data/transactions/{name}");
                for (file, content) in checkpoints {
                    let frame = self.frames.entry(format!("{prefix}/{file}"), &content)?;
                    self.send(Piece::Frame(frame))?;
                }
                self.log(&cut, &prefix)?;
                return Ok(cut.database);
            }
            tracing::debug!(
                database = name,
                pass,
                whole,
                "a checkpoint came; reading what changed"
            );
            std::thread::sleep(PAUSE);
        }
        Err(Error::Unsettled { database: name.to_owned(), passes: PASSES })
    }

    /// Reads what has not been read or has changed since. Whether each unit is of one moment.
    fn pass(&mut self, units: &[Unit], path: &str, clones: Option<&Clones>) -> Result<bool> {
        let sources = || units.iter().flat_map(Unit::sources);
        let new = |source: &&Source| !self.sent.contains_key(&source.path);
        let size = |source: &Source| fs::metadata(&source.file).map_or(0, |meta| meta.len());
        self.total += sources().filter(new).map(size).sum::<u64>();
        let mut whole = true;
        for unit in units {
            whole &= match clones {
                Some(clones) => self.cloned_unit(unit, clones)?,
                None => self.unit(unit)?,
            };
        }
        let there: HashSet<&str> = sources().map(|source| source.path.as_str()).collect();
        let below = format!("{path}/");
        let gone: Vec<String> = self
            .sent
            .keys()
            .filter(|sent| sent.starts_with(&below) && !there.contains(sent.as_str()))
            .cloned()
            .collect();
        for path in gone {
            self.supersede(&path)?;
        }
        Ok(whole)
    }

    fn unit(&mut self, unit: &Unit) -> Result<bool> {
        let before = unit.witness()?;
        let mut complete = true;
        for source in unit.sources() {
            // Lucene removes files that no commit counts on.
            complete &= self.file(source)? || matches!(unit, Unit::Lucene(..));
        }
        let whole = complete && unit.witness()? == before;
        if !whole {
            for source in unit.sources() {
                if let Some(stamp) = self.sent.get_mut(&source.path) {
                    *stamp = None;
                }
            }
        }
        Ok(whole)
    }

    fn cloned_unit(&mut self, unit: &Unit, clones: &Clones) -> Result<bool> {
        for source in unit.sources() {
            match clones.file(source) {
                Some((file, meta)) => drop(self.opened(source, file, meta)?),
                None => self.supersede(&source.path)?,
            }
        }
        Ok(true)
    }

    /// Reads a file, unless it is as it was when it was read before. Whether it was there in full.
    fn file(&mut self, source: &Source) -> Result<bool> {
        let failed = || Error::file("read", &source.file);
        let file = match File::open(&source.file) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.supersede(&source.path)?;
                return Ok(false);
            }
            Err(error) => return Err(failed()(error)),
        };
        let meta = file.metadata().map_err(failed())?;
        self.opened(source, &file, &meta)
    }

    /// The same of a file that is open, of which this is known.
    fn opened(&mut self, source: &Source, file: &File, meta: &Metadata) -> Result<bool> {
        if self.sent.get(&source.path).is_some_and(|stamp| stamp.is_some_and(|s| s.holds(meta))) {
            return Ok(true);
        }
        let stamp = Stamp::of(meta);
        self.supersede(&source.path)?;
        let header = header(&source.path, meta, meta.len());
        let full = self.content(header, file, meta.len(), source)?;
        self.sent.insert(source.path.clone(), full.then_some(stamp));
        Ok(full)
    }

    /// Sends a file, of which the first `until` bytes are read and the rest is zeros. Whether the
    /// file had so many.
    fn content(
        &mut self,
        header: EntryHeader,
        file: &File,
        until: u64,
        source: &Source,
    ) -> Result<bool> {
        let size = header.size;
        let failed = || Error::file("read", &source.file);
        if size <= FRAME_SIZE as u64 {
            let mut content = vec![0; size as usize];
            let read = read_full(file, &mut content[..until as usize], 0).map_err(failed())?;
            let frame = self.frames.entry_with(header, &content)?;
            self.send(Piece::Frame(frame))?;
            self.done(size);
            return Ok(read as u64 == until);
        }
        let mut cutter = self.frames.cutter(FRAME_SIZE);
        self.send_all(cutter.begin(header)?)?;
        let mut buffer = vec![0; CHUNK];
        let zeros = vec![0; CHUNK];
        let mut full = true;
        let mut at = 0;
        while at < size {
            let data = next_data(file, at, until);
            let hole = next_hole(file, data, until);
            // A hole, and what is not to be read.
            let empty = if data < until { data } else { size };
            while at < empty {
                let length = CHUNK.min((empty - at) as usize);
                self.send_all(cutter.write(&zeros[..length])?)?;
                at += length as u64;
                self.done(length as u64);
            }
            while at < hole {
                let length = CHUNK.min((hole - at) as usize);
                let part = &mut buffer[..length];
                let read = read_full(file, part, at).map_err(failed())?;
                part[read..].fill(0);
                full &= read == length;
                self.send_all(cutter.write(part)?)?;
                at += length as u64;
                self.done(length as u64);
            }
        }
        self.send_all(cutter.end()?)?;
        self.send_all(cutter.finish()?)?;
        Ok(full)
    }

    /// Reads the log, as far as it is written by now.
    fn log(&mut self, cut: &Cut, path: &str) -> Result<()> {
        for LogFile { number, path: file, file: opened, bytes } in &cut.files {
            let meta = opened.metadata().map_err(Error::file("read", file))?;
            let size = meta.len().min(bytes + MARGIN);
            self.total += size;
            let source =
                Source { path: format!("{path}/{LOG_PREFIX}{number}"), file: file.clone() };
            self.content(header(&source.path, &meta, size), opened, *bytes, &source)?;
        }
        Ok(())
    }

    /// Reads what lies beside the databases: the server's id, and its initial users.
    fn beside(&mut self, data: &Path) -> Result<()> {
        let id = Source { path: "data/server_id".to_owned(), file: data.join("server_id") };
        self.file(&id)?;
        for unit in units(&data.join("dbms"), "data/dbms")? {
            for source in unit.sources() {
                self.file(source)?;
            }
        }
        Ok(())
    }

    /// Makes the entry of this path count no more, if there is one.
    fn supersede(&mut self, path: &str) -> Result<()> {
        match self.sent.remove(path) {
            Some(_) => self.send(Piece::Superseded(path.to_owned())),
            None => Ok(()),
        }
    }

    fn send_all(&self, frames: impl IntoIterator<Item = RawFrame>) -> Result<()> {
        frames.into_iter().try_for_each(|frame| self.send(Piece::Frame(frame)))
    }

    fn send(&self, piece: Piece) -> Result<()> {
        self.pieces.blocking_send(piece).map_err(|_| Error::SinkClosed)
    }

    fn done(&mut self, bytes: u64) {
        self.read += bytes;
        self.total = self.total.max(self.read);
        self.progress.bytes(self.read, self.total);
    }
}

/// The header of a file's entry, with what `tar` restores.
fn header(path: &str, meta: &Metadata, size: u64) -> EntryHeader {
    EntryHeader {
        mode: Some(meta.mode() & 0o7777),
        mtime: Some(meta.mtime()),
        uid: u64::from(meta.uid()),
        gid: u64::from(meta.gid()),
        ..EntryHeader::file(path, size)
    }
}

/// Reads until the buffer is full or the file ends; how much came.
fn read_full(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut read = 0;
    while read < buffer.len() {
        match file.read_at(&mut buffer[read..], at + read as u64) {
            Ok(0) => break,
            Ok(count) => read += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

/// Where data begins at `at` or behind it, up to `end`.
pub(super) fn next_data(file: &File, at: u64, end: u64) -> u64 {
    if at >= end {
        return end;
    }
    match rustix::fs::seek(file, SeekFrom::Data(at)) {
        Ok(data) => data.clamp(at, end),
        Err(rustix::io::Errno::NXIO) => end,
        // Not every file system tells.
        Err(_) => at,
    }
}

/// Where a hole begins behind `at`, up to `end`.
fn next_hole(file: &File, at: u64, end: u64) -> u64 {
    if at >= end {
        return end;
    }
    rustix::fs::seek(file, SeekFrom::Hole(at)).map_or(end, |hole| hole.clamp(at, end))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use lifeboat_archive::{Assembler, Compression, Digest, Entry, encode};
    use lifeboat_testkit::volume::Volume;

    use super::*;

    /// The stores of the database, each of one frame; enough of them that none is read before the
    /// first is taken in.
    const STORES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

    fn store(name: &str) -> String {
        format!("data/databases/neo4j/neostore.{name}store.db")
    }

    /// What a server writes to all stores, and the checkpoint that comes with it.
    fn write(home: &Path, number: usize) {
        for name in STORES {
            fs::write(home.join(store(name)), number.to_le_bytes()).unwrap();
        }
        fs::write(home.join("data/transactions/neo4j/checkpoint.0"), number.to_string()).unwrap();
    }

    /// As where the file system knows no clones.
    const NONE: Cloning = |_| Ok(None);

    /// Copies a home in which, in each of the first passes, the server writes a checkpoint. Gives
    /// the entries as the manifest would have them.
    fn copy_in_a_storm(
        cloning: Cloning,
        place: &Path,
        checkpoints: usize,
    ) -> (Result<Copied>, Vec<Entry>) {
        let home = tempfile::tempdir_in(place).unwrap();
        for folder in ["databases", "transactions"] {
            fs::create_dir_all(home.path().join("data").join(folder).join("neo4j")).unwrap();
        }
        let mut log = vec![0; 4096];
        log[0] = 9;
        fs::write(home.path().join("data/transactions/neo4j/neostore.transaction.db.0"), log)
            .unwrap();
        write(home.path(), 0);
        let layout = Layout::readable(home.path()).unwrap();
        let frames = FrameWriter::new(Timestamp::UNIX_EPOCH);
        let (sender, mut pieces) = mpsc::channel(1);
        std::thread::scope(|threads| {
            let entries = threads.spawn(|| {
                let mut assembler = Assembler::new(Compression::FAST);
                let mut taken = 0;
                while let Some(piece) = pieces.blocking_recv() {
                    let frame = match piece {
                        Piece::Frame(frame) => frame,
                        Piece::Superseded(path) => {
                            assert!(assembler.supersede(&path));
                            continue;
                        }
                    };
                    // What was just written is read in every pass.
                    let (pass, store) = (taken / STORES.len(), taken % STORES.len());
                    if store == 0 && pass < checkpoints {
                        write(home.path(), pass + 1);
                    }
                    taken += 1;
                    drop(assembler.push(encode(frame, Compression::FAST).unwrap()).unwrap());
                }
                assembler.entries().to_vec()
            });
            let copied = copy_by(cloning, &layout, &frames, sender, &Progress::default());
            (copied, entries.join().unwrap())
        })
    }

    #[test]
    fn a_storm_of_checkpoints_is_sat_out() {
        let (copied, entries) = copy_in_a_storm(NONE, &std::env::temp_dir(), 3);
        let copied = copied.unwrap();
        assert_eq!((copied.passes, copied.cloned), (4, false));
        for name in STORES {
            let copies: Vec<_> = entries.iter().filter(|entry| entry.path == store(name)).collect();
            let (counts, before) = copies.split_last().unwrap();
            assert!(!before.is_empty() && before.iter().all(|entry| entry.superseded));
            assert!(!counts.superseded && counts.blake3 == Digest::of(&3_usize.to_le_bytes()));
        }
    }

    #[test]
    fn a_storm_of_checkpoints_without_end_is_told() {
        let error = copy_in_a_storm(NONE, &std::env::temp_dir(), usize::MAX).0.unwrap_err();
        assert!(matches!(error, Error::Unsettled { passes: PASSES, .. }), "{error}");
        assert!(error.to_string().contains("raise db.checkpoint.interval.time"), "{error}");
    }

    #[test]
    fn clones_are_not_touched_by_a_storm_of_checkpoints() {
        let volume = match Volume::xfs().unwrap() {
            Ok(volume) => volume,
            Err(why) => return eprintln!("not tested, since XFS cannot be mounted: {why}"),
        };
        let (copied, entries) = copy_in_a_storm(Clones::of, &volume.path(), usize::MAX);
        let copied = copied.unwrap();
        assert_eq!((copied.passes, copied.cloned), (1, true));
        for name in STORES {
            let copies: Vec<_> = entries.iter().filter(|entry| entry.path == store(name)).collect();
            assert_eq!(copies.len(), 1);
            assert_eq!(copies[0].blake3, Digest::of(&0_usize.to_le_bytes()));
        }
    }

    #[test]
    fn holes_are_told_from_data() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(64 << 20).unwrap();
        file.write_at(&[1], 32 << 20).unwrap();
        let end = 64 << 20;
        let data = next_data(&file, 0, end);
        let hole = next_hole(&file, data, end);
        // A file system without holes says that all is data.
        assert!(data <= 32 << 20 && hole > 32 << 20, "{data}..{hole}");
        assert_eq!(next_data(&file, end, end), end);
        assert!(next_data(&file, 0, 1 << 20) <= 1 << 20);
    }
}
