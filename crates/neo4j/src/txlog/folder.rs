//! The folder of a database's transaction logs.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::{
    Checkpoint, HEADER_SIZE, LogError, LogHeader, LogPosition, Stop, Transaction, Transactions,
    latest_checkpoint,
};

/// What the names of log files begin with.
const PREFIX: &str = "neostore.transaction.db.";
/// How much is read at once.
const PIECE: usize = 1 << 20;

/// The folder of a database's transaction logs: `data/transactions/DATABASE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFolder {
    path: PathBuf,
}

/// Where a log ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogEnd {
    /// The end of the last whole transaction, or where the reading began if there was none.
    pub position: LogPosition,
    /// The last transaction; `None` when there was none.
    pub last: Option<Transaction>,
    /// Its id, or that of the last before where the reading began.
    pub last_tx: u64,
    /// What follows it.
    pub stop: Stop,
}

impl LogFolder {
    /// The logs in this folder.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file of that number.
    pub fn file(&self, version: u64) -> PathBuf {
        self.path.join(format!("{PREFIX}{version}"))
    }

    /// The numbers of the files that are there, the oldest first.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn versions(&self) -> Result<Vec<u64>, LogError> {
        let mut versions = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(LogError::io(&self.path))? {
            let name = entry.map_err(LogError::io(&self.path))?.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
            versions.extend(number.and_then(|number| number.parse::<u64>().ok()));
        }
        versions.sort_unstable();
        Ok(versions)
    }

    /// The header of a file; `None` while the file is being made, or when it is gone.
    ///
    /// # Errors
    /// When it cannot be read, or is no log.
    pub fn header(&self, version: u64) -> Result<Option<LogHeader>, LogError> {
        let path = self.file(version);
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(LogError::io(&path))?,
        };
        let mut bytes = Vec::new();
        file.take(HEADER_SIZE).read_to_end(&mut bytes).map_err(LogError::io(&path))?;
        LogHeader::parse(&bytes, &path)
    }

    /// The newest checkpoint; `None` when there is none yet.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn checkpoint(&self) -> Result<Option<Checkpoint>, LogError> {
        latest_checkpoint(&self.path)
    }

    /// Reads every transaction after a place between two, through all files, until `each` breaks.
    /// `last_tx` is the id of the last transaction before that place.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn transactions(
        &self,
        from: LogPosition,
        last_tx: u64,
        mut each: impl FnMut(&Transaction) -> ControlFlow<()>,
    ) -> Result<LogEnd, LogError> {
        let mut end = LogEnd { position: from, last: None, last_tx, stop: Stop::End };
        let mut found = Vec::new();
        loop {
            let mut transactions = Transactions::new(end.position, end.last_tx);
            let path = self.file(end.position.version);
            let mut file = match File::open(&path) {
                // A file that is not there yet, after one that ended.
                Err(error) if error.kind() == io::ErrorKind::NotFound && end.position != from => {
                    return Ok(end);
                }
                file => file.map_err(LogError::io(&path))?,
            };
            file.seek(SeekFrom::Start(end.position.offset)).map_err(LogError::io(&path))?;
            let mut piece = vec![0; PIECE];
            loop {
                let read = file.read(&mut piece).map_err(LogError::io(&path))?;
                transactions.push(&piece[..read], &mut found);
                for transaction in found.drain(..) {
                    end.position = transaction.end;
                    (end.last_tx, end.last) = (transaction.id, Some(transaction));
                    if each(&transaction).is_break() {
                        end.stop = Stop::End;
                        return Ok(end);
                    }
                }
                // Zeros need not be read to their end.
                if read == 0 || transactions.is_over() {
                    break;
                }
            }
            end.stop = transactions.stop();
            let next = end.position.version + 1;
            if end.stop != Stop::End || self.header(next)?.is_none() {
                return Ok(end);
            }
            end.position = LogPosition { version: next, offset: HEADER_SIZE };
        }
    }

    /// Where the log ends. Reads from the newest checkpoint on, or all of it when there is none.
    ///
    /// # Errors
    /// [`LogError::NoLog`] when there is no log; when a file cannot be read.
    pub fn end(&self) -> Result<LogEnd, LogError> {
        let oldest = self.versions()?.first().copied();
        let no_log = || LogError::NoLog { folder: self.path.clone() };
        let oldest = oldest.ok_or_else(no_log)?;
        let (from, last_tx) = match self.checkpoint()? {
            Some(checkpoint) if checkpoint.position.version >= oldest => {
                (checkpoint.position, checkpoint.last_tx)
            }
            _ => {
                let header = self.header(oldest)?.ok_or_else(no_log)?;
                (LogPosition { version: oldest, offset: HEADER_SIZE }, header.last_tx)
            }
        };
        self.transactions(from, last_tx, |_| ControlFlow::Continue(()))
    }
}
