//! The result of a query, as it comes.

use crate::batch::RecordBatch;
use crate::connection::Connection;
use crate::dechunk::Incoming;
use crate::fetch::Fetch;
use crate::messages::{self, take, take_text};
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
    fetch: Fetch,
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
    /// The query failed; the error is there until it has been told.
    Failed(Option<Error>),
}

impl<'c> RecordStream<'c> {
    pub(crate) fn new(connection: &'c mut Connection, fields: Vec<String>, fetch: Fetch) -> Self {
        Self { connection, fields, fetch, left: None, state: State::Coming }
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
            self.receive().await?;
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
        if self.left.as_ref().is_none_or(RecordBatch::is_empty) {
            self.receive().await?;
        }
        Ok(self.left.take())
    }

    /// Passes over the records that are left and answers how the query ended. An auto-commit query
    /// is committed then.
    ///
    /// # Errors
    /// When the query fails or the connection breaks.
    pub async fn finish(mut self) -> Result<Summary, Error> {
        self.left = None;
        loop {
            match &mut self.state {
                State::Coming => {
                    let message = self.connection.wire.next_but_records().await?;
                    self.end(&message);
                }
                State::Waiting => self.ask(messages::discard_all),
                State::Done(metadata) => return Ok(Summary::new(std::mem::take(metadata))),
                State::Failed(error) => return Err(error.take().unwrap_or_else(|| self.told())),
            }
        }
    }

    /// Waits for records; afterwards there are some left, or there are no more.
    async fn receive(&mut self) -> Result<(), Error> {
        self.left = None;
        loop {
            match &mut self.state {
                State::Coming => match self.connection.wire.next().await? {
                    Incoming::Records(batch) => {
                        self.fetch.saw(batch.len(), batch.byte_len());
                        self.left = Some(batch);
                        self.run_ahead().await;
                        return Ok(());
                    }
                    Incoming::Message(message) => self.end(&message),
                },
                State::Waiting => {
                    let count = self.fetch.next();
                    self.ask(|out| messages::pull(out, count));
                }
                State::Done(_) => return Ok(()),
                State::Failed(error) => return Err(error.take().unwrap_or_else(|| self.told())),
            }
        }
    }

    /// Asks for more as soon as the server waits, before the caller works on what has come.
    async fn run_ahead(&mut self) {
        if let Some(message) = self.connection.wire.message_at_hand() {
            self.end(&message);
        }
        if matches!(self.state, State::Waiting) {
            let count = self.fetch.next();
            self.ask(|out| messages::pull(out, count));
            self.connection.wire.start_flush().await;
        }
    }

    fn ask(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.connection.queue(write);
        self.state = State::Coming;
    }

    /// Takes the message that ends a run of records.
    fn end(&mut self, message: &[u8]) {
        let answer = self.connection.read_answer(message);
        self.state = match answer.and_then(|answer| self.connection.expect_success(answer)) {
            Err(error) => State::Failed(Some(error)),
            Ok(mut metadata) => {
                if let Some(Value::Bool(true)) = take(&mut metadata, "has_more") {
                    State::Waiting
                } else {
                    self.connection.dirty = false;
                    State::Done(metadata)
                }
            }
        };
    }

    fn told(&self) -> Error {
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
