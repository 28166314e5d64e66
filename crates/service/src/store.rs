//! The service's own memory: one SQLite file with the jobs' states, the history and the events.
//!
//! Every change is one transaction, together with the events that tell of it. Losing the file loses
//! no backup: the vault holds those, and its ledger what the jobs' states were.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lifeboat::config::JobKind;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use utoipa::ToSchema;

use crate::event::{Event, What};
use crate::plan::JobState;
use crate::run::{Run, Status};
use crate::{Error, Result};

pub mod alerts;

/// The format of the file.
const FORMAT: i64 = 2;

/// Events are kept for this long, and until every reader has seen them.
const KEEP_EVENTS: SignedDuration = SignedDuration::from_hours(24 * 90);

/// Runs and the audit log are kept for this long.
const KEEP_HISTORY: SignedDuration = SignedDuration::from_hours(24 * 400);

/// The file, open.
#[derive(Debug)]
pub struct Store {
    connection: Mutex<Connection>,
    newest: watch::Sender<u64>,
}

/// A change: what jobs are now, and what happened.
#[derive(Debug, Default)]
pub struct Change<'a> {
    /// The states that changed.
    pub jobs: Vec<(JobKind, &'a JobState)>,
    /// What happened.
    pub events: Vec<What>,
    /// The page of the ledger that the states build on, when it is another now.
    pub ledger: Option<u64>,
}

/// An operation that somebody asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Who: `token NAME`, `certificate NAME`, or `socket` for somebody on this machine.
    pub who: String,
    /// From where.
    pub from: String,
    /// What: `run`, `pause`, `resume`.
    pub action: String,
    /// On which job.
    pub target: String,
    /// `done`, or why not.
    pub outcome: String,
}

impl Store {
    /// Opens the file, and makes it if it is not there.
    ///
    /// # Errors
    /// When it cannot be read, or is of a later version.
    pub fn open(path: &Path) -> Result<Self> {
        let connection = Connection::open(path).map_err(failed("open"))?;
        Self::prepare(connection, path)
    }

    /// A store that is gone with its process.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn in_memory() -> Result<Self> {
        let connection = Connection::open_in_memory().map_err(failed("open"))?;
        Self::prepare(connection, Path::new(":memory:"))
    }

    fn prepare(connection: Connection, path: &Path) -> Result<Self> {
        connection.busy_timeout(Duration::from_secs(10)).map_err(failed("open"))?;
        // FULL: an event that was told must survive the power failing right after.
        connection
            .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")
            .map_err(failed("open"))?;
        let format: i64 = connection
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .map_err(failed("open"))?;
        // What each format added to the one before.
        let schemas = [include_str!("store/schema.sql"), include_str!("store/alerts.sql")];
        match usize::try_from(format) {
            Ok(known) if format <= FORMAT => {
                for (schema, number) in schemas.into_iter().zip(1..).skip(known) {
                    connection
                        .execute_batch(&format!(
                            "BEGIN IMMEDIATE; {schema} PRAGMA user_version = {number}; COMMIT;"
                        ))
                        .map_err(failed("create"))?;
                }
            }
            _ => {
                let path = path.to_owned();
                return Err(Error::StateNewer { path, found: format, known: FORMAT });
            }
        }
        let newest: Option<u64> = connection
            .query_row("SELECT seq FROM sqlite_sequence WHERE name = 'events'", [], |row| {
                row.get(0)
            })
            .optional()
            .map_err(failed("read"))?;
        let newest = watch::Sender::new(newest.unwrap_or(0));
        Ok(Self { connection: Mutex::new(connection), newest })
    }

    // A panic elsewhere leaves no half-done transaction: it is rolled back when dropped.
    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores a change. Answers with its events, numbered.
    ///
    /// # Errors
    /// When it could not be stored; then nothing of it is.
    pub fn commit(&self, now: Timestamp, change: Change<'_>) -> Result<Vec<Event>> {
        let mut connection = self.lock();
        let transaction = connection.transaction().map_err(failed("write"))?;
        for (job, state) in change.jobs {
            transaction
                .prepare_cached("INSERT OR REPLACE INTO jobs (name, state) VALUES (?1, ?2)")
                .and_then(|mut statement| statement.execute(params![job.name(), json(state)]))
                .map_err(failed("write"))?;
        }
        let mut events = Vec::new();
        for what in change.events {
            events.push(insert(&transaction, now, what).map_err(failed("write"))?);
        }
        if let Some(page) = change.ledger {
            transaction
                .execute("INSERT OR REPLACE INTO numbers VALUES ('ledger', ?1)", params![page])
                .map_err(failed("write"))?;
        }
        transaction.commit().map_err(failed("write"))?;
        drop(connection);
        if let Some(last) = events.last() {
            self.newest.send_replace(last.number);
        }
        Ok(events)
    }

    /// The states of all jobs that ever were, and the page of the ledger that they build on.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn load(&self) -> Result<(BTreeMap<JobKind, JobState>, u64)> {
        let connection = self.lock();
        let mut statement =
            connection.prepare("SELECT name, state FROM jobs").map_err(failed("read"))?;
        let rows = statement
            .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))
            .map_err(failed("read"))?;
        let mut states = BTreeMap::new();
        for row in rows {
            let (name, state) = row.map_err(failed("read"))?;
            // A job that this version does not know is left where it is.
            if let Ok(job) = name.parse() {
                states.insert(job, parse("a job's state", &state)?);
            }
        }
        let ledger = connection
            .query_row("SELECT number FROM numbers WHERE name = 'ledger'", [], |row| row.get(0))
            .optional()
            .map_err(failed("read"))?;
        Ok((states, ledger.unwrap_or(0)))
    }

    /// Events with a number above `after`, in order, at most `limit`.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn events(&self, after: u64, limit: usize) -> Result<Vec<Event>> {
        let connection = self.lock();
        let mut statement = connection
            .prepare_cached("SELECT event FROM events WHERE number > ?1 ORDER BY number LIMIT ?2")
            .map_err(failed("read"))?;
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement
            .query_map(params![after, limit], |row| row.get::<_, String>(0))
            .map_err(failed("read"))?;
        rows.map(|row| parse("an event", &row.map_err(failed("read"))?)).collect()
    }

    /// The number of the newest event, as it grows.
    pub fn newest(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// How far a reader of the events has come; 0 for a new one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn cursor(&self, reader: &str) -> Result<u64> {
        let connection = self.lock();
        let found = connection
            .query_row("SELECT number FROM cursors WHERE name = ?1", [reader], |row| row.get(0))
            .optional()
            .map_err(failed("read"))?;
        Ok(found.unwrap_or(0))
    }

    /// A reader of the events has dealt with all up to this number.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn set_cursor(&self, reader: &str, number: u64) -> Result<()> {
        let connection = self.lock();
        connection
            .execute("INSERT OR REPLACE INTO cursors VALUES (?1, ?2)", params![reader, number])
            .map(|_| ())
            .map_err(failed("write"))
    }

    /// The newest runs, of one job or of all, newest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn runs(&self, job: Option<JobKind>, limit: usize) -> Result<Vec<Run>> {
        let connection = self.lock();
        let mut statement = connection
            .prepare_cached(
                "SELECT run FROM runs WHERE ?1 IS NULL OR job = ?1 ORDER BY number DESC LIMIT ?2",
            )
            .map_err(failed("read"))?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement
            .query_map(params![job.map(JobKind::name), limit], |row| row.get::<_, String>(0))
            .map_err(failed("read"))?;
        rows.map(|row| parse("a run", &row.map_err(failed("read"))?)).collect()
    }

    /// A run by its id.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn run(&self, id: &str) -> Result<Option<Run>> {
        let connection = self.lock();
        let found: Option<String> = connection
            .query_row("SELECT run FROM runs WHERE id = ?1", [id], |row| row.get(0))
            .optional()
            .map_err(failed("read"))?;
        found.map(|text| parse("a run", &text)).transpose()
    }

    /// Writes an operation down.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn audit(&self, entry: &AuditEntry) -> Result<()> {
        let connection = self.lock();
        connection
            .execute(
                "INSERT INTO audit (at, entry) VALUES (?1, ?2)",
                params![entry.at.as_second(), json(entry)],
            )
            .map(|_| ())
            .map_err(failed("write"))
    }

    /// The newest operations, newest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn audited(&self, limit: usize) -> Result<Vec<AuditEntry>> {
        let connection = self.lock();
        let mut statement = connection
            .prepare_cached("SELECT entry FROM audit ORDER BY number DESC LIMIT ?1")
            .map_err(failed("read"))?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows =
            statement.query_map([limit], |row| row.get::<_, String>(0)).map_err(failed("read"))?;
        rows.map(|row| parse("the audit log", &row.map_err(failed("read"))?)).collect()
    }

    /// Drops what is older than anybody asks for.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn forget(&self, now: Timestamp) -> Result<()> {
        let before = |age: SignedDuration| (now - age).as_second();
        let mut connection = self.lock();
        let transaction = connection.transaction().map_err(failed("write"))?;
        let ended = "status NOT IN ('waiting', 'running')";
        transaction
            .execute(
                "DELETE FROM events WHERE at < ?1 AND number <= \
                 coalesce((SELECT min(number) FROM cursors), number)",
                [before(KEEP_EVENTS)],
            )
            .and_then(|_| {
                let old = format!("DELETE FROM runs WHERE due < ?1 AND {ended}");
                transaction.execute(&old, [before(KEEP_HISTORY)])
            })
            .and_then(|_| {
                transaction.execute("DELETE FROM audit WHERE at < ?1", [before(KEEP_HISTORY)])
            })
            .and_then(|_| {
                let old = "DELETE FROM alerts WHERE since < ?1 AND done = 1";
                transaction.execute(old, [before(KEEP_HISTORY)])
            })
            .and_then(|_| {
                let old = "DELETE FROM deliveries WHERE at < ?1 AND state <> 'waiting'";
                transaction.execute(old, [before(KEEP_EVENTS)])
            })
            .map_err(failed("write"))?;
        transaction.commit().map_err(failed("write"))
    }
}

/// Writes an event, and the run that it tells of.
fn insert(transaction: &Transaction<'_>, at: Timestamp, what: What) -> rusqlite::Result<Event> {
    if let Some(run) = what.run() {
        transaction
            .prepare_cached(
                "INSERT INTO runs (id, job, due, status, run) VALUES (?1, ?2, ?3, ?4, ?5) \
                 ON CONFLICT (id) DO UPDATE SET status = excluded.status, run = excluded.run",
            )?
            .execute(params![
                run.id,
                run.job.name(),
                run.due.as_second(),
                Status::name(run.status),
                json(run)
            ])?;
    }
    transaction
        .prepare_cached("INSERT INTO events (at, event) VALUES (?1, '')")?
        .execute([at.as_second()])?;
    let number = transaction.last_insert_rowid();
    let event = Event { number: number.unsigned_abs(), at, what };
    transaction
        .prepare_cached("UPDATE events SET event = ?2 WHERE number = ?1")?
        .execute(params![number, json(&event)])?;
    Ok(event)
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("the service's own types are JSON")
}

fn parse<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| Error::StateContent { what, error })
}

fn failed(action: &'static str) -> impl Fn(rusqlite::Error) -> Error {
    move |error| Error::State { action, error }
}

#[cfg(test)]
mod tests;
