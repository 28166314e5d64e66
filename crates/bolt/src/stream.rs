//! The result of a query, as it comes.

use crate::batch::RecordBatch;
use crate::connection::Connection;
use crate::dechunk::Incoming;
use crate::messages::{self, Answer, take, take_text};
use crate::packstream::Decoder;
use crate::{Bookmark, Error, Value};

/// Records of a result, in the order of the server.
///
/// Read it to the end or call [`finish`](Self::finish). Dropped before, the query is rolled back
/// by the next call on the connection.
#[derive(Debug)]
#[must_use = "a result that is dropped before its end rolls the query back; call finish()"]
pub struct RecordStream<'c> {
    connection: &'c mut Connection,
    fields: Vec<String>,
    fetch_size: i64,
    /// Records that have come and have not been taken one by one.
    left: Option<RecordBatch>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Records are on their way.
    Coming,
    /// The server waits to be asked for more.
    Waiting,
    /// There are no more.
    Done(Vec<(String, Value)>),
    Failed,
}

impl<'c> RecordStream<'c> {
    pub(crate) fn new(
        connection: &'c mut Connection,
        fields: Vec<String>,
        fetch_size: i64,
    ) -> Self {
        Self { connection, fields, fetch_size, left: None, state: State::Coming }
    }

    /// Names of the fields of each record.
    pub fn fields(&self) -> &[String] {
        &self.fields
    }

    /// The next record; `None` at the end.
    ///
    /// # Errors
    /// When the query fails, the connection breaks or the record holds no valid values.
    pub async fn next(&mut self) -> Result<Option<Vec<Value>>, Error> {
        loop {
            if let Some(record) = self.left.as_mut().and_then(RecordBatch::pop) {
                return match Decoder::new(record).value() {
                    Ok(Value::List(fields)) => Ok(Some(fields)),
                    Ok(_) => Err(self.connection.wire.protocol("a record that is no list")),
                    Err(source) => {
                        let address = self.connection.wire.address().to_owned();
                        Err(Error::Record { address, source })
                    }
                };
            }
            self.left = self.receive().await?;
            if self.left.is_none() {
                return Ok(None);
            }
        }
    }

    /// As many records as have come, at least one and of about 512 KiB at most (or one longer
    /// record); `None` at the end. Nothing is decoded.
    ///
    /// # Errors
    /// When the query fails or the connection breaks. Records that came before a failure are
    /// handed out first.
    pub async fn next_batch(&mut self) -> Result<Option<RecordBatch>, Error> {
        match self.left.take() {
            Some(left) if !left.is_empty() => Ok(Some(left)),
            _ => self.receive().await,
        }
    }

    /// Passes over the records that are left and answers how the query ended. An auto-commit query
    /// is committed then.
    ///
    /// # Errors
    /// When the query fails or the connection breaks.
    pub async fn finish(mut self) -> Result<Summary, Error> {
        self.left = None;
        loop {
            match self.state {
                State::Coming => {
                    let message = self.connection.wire.next_but_records().await?;
                    self.end(&message)?;
                }
                State::Waiting => self.ask(messages::discard_all),
                State::Done(metadata) => return Ok(Summary::new(metadata)),
                State::Failed => return Err(self.has_failed()),
            }
        }
    }

    async fn receive(&mut self) -> Result<Option<RecordBatch>, Error> {
        loop {
            match &self.state {
                State::Coming => match self.connection.wire.next().await? {
                    Incoming::Records(batch) => return Ok(Some(batch)),
                    Incoming::Message(message) => self.end(&message)?,
                },
                State::Waiting => {
                    let count = self.fetch_size;
                    self.ask(|out| messages::pull(out, count));
                }
                State::Done(_) => return Ok(None),
                State::Failed => return Err(self.has_failed()),
            }
        }
    }

    fn ask(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.connection.queue(write);
        self.state = State::Coming;
    }

    /// Takes the message that ends a run of records.
    fn end(&mut self, message: &[u8]) -> Result<(), Error> {
        let answer: Answer = self.connection.read_answer(message)?;
        self.state = State::Failed;
        let mut metadata = self.connection.expect_success(answer)?;
        if let Some(Value::Bool(true)) = take(&mut metadata, "has_more") {
            self.state = State::Waiting;
        } else {
            self.connection.dirty = false;
            self.state = State::Done(metadata);
        }
        Ok(())
    }

    fn has_failed(&self) -> Error {
        self.connection.misuse("read a result", "it has failed before")
    }
}

/// How a query ended.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Summary {
    /// What has been seen or committed; none inside an explicit transaction.
    pub bookmark: Option<Bookmark>,
    /// What was changed.
    pub counters: Counters,
    /// What else the server says: `type`, `db`, `t_last`, `notifications`, `plan` and so on.
    pub metadata: Vec<(String, Value)>,
}

/// What a query changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Nodes created.
    pub nodes_created: u64,
    /// Nodes deleted.
    pub nodes_deleted: u64,
    /// Relationships created.
    pub relationships_created: u64,
    /// Relationships deleted.
    pub relationships_deleted: u64,
    /// Properties set.
    pub properties_set: u64,
    /// Labels added to nodes.
    pub labels_added: u64,
    /// Labels removed from nodes.
    pub labels_removed: u64,
    /// Indexes created.
    pub indexes_added: u64,
    /// Indexes dropped.
    pub indexes_removed: u64,
    /// Constraints created.
    pub constraints_added: u64,
    /// Constraints dropped.
    pub constraints_removed: u64,
    /// Changes of databases, users and the like.
    pub system_updates: u64,
}

impl Summary {
    fn new(mut metadata: Vec<(String, Value)>) -> Self {
        let bookmark = take_text(&mut metadata, "bookmark").map(Bookmark::from);
        let stats = take(&mut metadata, "stats").unwrap_or_default();
        let count = |name| {
            let count = stats.get(name).and_then(Value::as_int).unwrap_or_default();
            u64::try_from(count).unwrap_or_default()
        };
        let counters = Counters {
            nodes_created: count("nodes-created"),
            nodes_deleted: count("nodes-deleted"),
            relationships_created: count("relationships-created"),
            relationships_deleted: count("relationships-deleted"),
            properties_set: count("properties-set"),
            labels_added: count("labels-added"),
            labels_removed: count("labels-removed"),
            indexes_added: count("indexes-added"),
            indexes_removed: count("indexes-removed"),
            constraints_added: count("constraints-added"),
            constraints_removed: count("constraints-removed"),
            system_updates: count("system-updates"),
        };
        Self { bookmark, counters, metadata }
    }
}
