//! One connection and the state of the protocol on it.
//!
//! The idea: what is known of the server's state is written down before a request goes out, in the
//! connection and not in a future. `dirty` says that a request or a result has not come to its end,
//! for whatever reason; `outstanding` counts the answers that are still to come. Every call begins
//! with [`Connection::settle`], which resets and passes over what is left when the last one did not
//! finish.

use std::time::Duration;

use tokio::time::timeout;

use crate::fetch::Fetch;
use crate::handshake::shake;
use crate::messages::{self, Answer, Params, take, take_text};
use crate::stream::{RecordStream, Summary};
use crate::tls::protect;
use crate::transport::{Socket, Transport, dial};
use crate::{Auth, Bookmark, Config, Encryption, Error, RunOptions, Uri, Value, routing};

/// How long a polite end may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// A connection to one server.
///
/// Any future or stream that it gives may be dropped at any point: the next call ends what was
/// under way with a `RESET` before it does anything else. That rolls back an auto-commit query
/// that has not finished (it may have, if its end was about to arrive), and the explicit
/// transaction that it was part of, if any.
///
/// When an error answers `true` to [`Error::is_disconnected`], every later call fails at once.
#[derive(Debug)]
pub struct Connection {
    pub(crate) wire: Transport,
    info: ServerInfo,
    /// Answers that have not come.
    pub(crate) outstanding: usize,
    /// Something was begun and has not ended.
    pub(crate) dirty: bool,
    /// The server answered with a failure and ignores everything up to a reset.
    failed: bool,
    /// A reset is among what is outstanding.
    resetting: bool,
    /// What is outstanding must not be interrupted by a reset: current servers hang up when that
    /// overtakes a `BEGIN`.
    uninterruptible: bool,
    tx: Tx,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tx {
    None,
    Open,
    /// The caller has not been told yet.
    Aborted(&'static str),
}

/// The server at the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerInfo {
    /// Product and version, such as `Neo4j/5.26.18`.
    pub agent: String,
    /// Version of Bolt that is spoken: major, minor.
    pub version: (u8, u8),
    /// What the server's logs call this connection.
    pub connection_id: String,
    /// Host and port.
    pub address: String,
}

impl Connection {
    /// Connects and proves who one is; with a `neo4j` scheme, to a server of the wanted role.
    ///
    /// # Errors
    /// When nobody answers, when what answers is not a Bolt server that this crate can talk to, or
    /// when the server refuses the credentials.
    pub async fn connect(config: &Config) -> Result<Self, Error> {
        let seed = Self::open(config, &config.uri).await?;
        if config.uri.is_routing() { routing::lead(config, seed).await } else { Ok(seed) }
    }

    /// Connects to exactly this server.
    pub(crate) async fn open(config: &Config, uri: &Uri) -> Result<Self, Error> {
        let socket = dial(uri, config.timeouts.connect).await?;
        let limit = config.timeouts.handshake;
        let greeting = async {
            let verify = uri.encryption() == Encryption::Verified;
            let mut socket = match uri.encryption() {
                Encryption::None => Socket::Plain(socket),
                Encryption::Verified | Encryption::SelfSigned => Socket::Tls(Box::new(
                    protect(socket, uri, verify, config.ca_file.as_deref()).await?,
                )),
            };
            let version = shake(&mut socket, &uri.address(), config.max_version).await?;
            let wire = Transport::new(socket, uri.address(), config.timeouts.idle);
            Self::greet(config, uri, version, wire).await
        };
        timeout(limit, greeting).await.unwrap_or_else(|_| {
            Err(Error::Timeout { address: uri.address(), during: "shaking hands", after: limit })
        })
    }

    async fn greet(
        config: &Config,
        uri: &Uri,
        version: (u8, u8),
        wire: Transport,
    ) -> Result<Self, Error> {
        let info = ServerInfo {
            agent: String::new(),
            version,
            connection_id: String::new(),
            address: uri.address(),
        };
        let mut new = Self {
            wire,
            info,
            outstanding: 0,
            dirty: false,
            failed: false,
            resetting: false,
            uninterruptible: false,
            tx: Tx::None,
        };
        new.queue(|out| messages::hello(out, config, uri, version));
        let logon = messages::has_logon(version);
        if logon {
            new.queue(|out| messages::logon(out, &config.auth));
        }
        let mut hello = new.success().await?;
        if logon {
            new.success().await?;
        }
        new.dirty = false;
        new.info.agent = take_text(&mut hello, "server").unwrap_or_default();
        new.info.connection_id = take_text(&mut hello, "connection_id").unwrap_or_default();
        let silence = take(&mut hello, "hints")
            .and_then(|hints| hints.get("connection.recv_timeout_seconds")?.as_int());
        if let Some(Ok(seconds)) = silence.map(u64::try_from) {
            new.wire.allow_idle(Duration::from_secs(seconds));
        }
        if config.auth == Auth::None {
            tracing::debug!(address = %new.info.address, "connected without credentials");
        }
        Ok(new)
    }

    /// The server at the other end.
    pub fn server(&self) -> &ServerInfo {
        &self.info
    }

    /// Runs a query, in the open transaction or in one of its own that commits at the end of the
    /// result.
    ///
    /// The result must be read to its end or [finished](RecordStream::finish): a stream that is
    /// dropped before rolls the query back.
    ///
    /// # Errors
    /// When the server refuses the query, when the transaction was rolled back, or when the
    /// connection broke.
    pub async fn run(
        &mut self,
        cypher: &str,
        params: Params,
        options: &RunOptions,
    ) -> Result<RecordStream<'_>, Error> {
        params.check()?;
        self.settle().await?;
        let own = match self.tx {
            Tx::None => Some(options),
            Tx::Open => None,
            Tx::Aborted(reason) => return Err(self.aborted(reason)),
        };
        self.queue(|out| messages::run(out, cypher, &params, own));
        drop(params);
        let fetch = Fetch::new(options.fetch_size);
        self.queue(|out| messages::pull(out, fetch.count()));
        let mut metadata = self.success().await?;
        let fields = match take(&mut metadata, "fields") {
            Some(Value::List(names)) => names
                .into_iter()
                .filter_map(|name| if let Value::String(name) = name { Some(name) } else { None })
                .collect(),
            _ => return Err(self.wire.protocol("a result without the names of its fields")),
        };
        Ok(RecordStream::new(self, fields, fetch))
    }

    /// Runs a query whose records do not matter.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn execute(
        &mut self,
        cypher: &str,
        params: Params,
        options: &RunOptions,
    ) -> Result<Summary, Error> {
        self.run(cypher, params, options).await?.finish().await
    }

    /// Opens an explicit transaction.
    ///
    /// # Errors
    /// When one is open, when the server refuses, or when the connection broke.
    pub async fn begin(&mut self, options: &RunOptions) -> Result<(), Error> {
        self.settle().await?;
        if self.tx == Tx::Open {
            return Err(self.misuse("begin a transaction", "one is open; commit or roll it back"));
        }
        self.tx = Tx::None;
        self.request(|out| messages::begin(out, options)).await?;
        self.tx = Tx::Open;
        Ok(())
    }

    /// Commits the open transaction; answers its bookmark.
    ///
    /// If the connection breaks or the future is dropped meanwhile, the transaction may or may not
    /// have been committed.
    ///
    /// # Errors
    /// When there is none, when it was rolled back before, when the server refuses, or when the
    /// connection broke.
    pub async fn commit(&mut self) -> Result<Option<Bookmark>, Error> {
        self.settle().await?;
        match std::mem::replace(&mut self.tx, Tx::None) {
            Tx::Open => {}
            Tx::None => return Err(self.misuse("commit", "no transaction is open")),
            Tx::Aborted(reason) => return Err(self.aborted(reason)),
        }
        let mut metadata = self.request(messages::commit).await?;
        Ok(take_text(&mut metadata, "bookmark").map(Bookmark::from))
    }

    /// Rolls the open transaction back; fine when it already was.
    ///
    /// # Errors
    /// When there is none, or when the connection broke.
    pub async fn rollback(&mut self) -> Result<(), Error> {
        self.settle().await?;
        match std::mem::replace(&mut self.tx, Tx::None) {
            Tx::Open => {}
            Tx::None => return Err(self.misuse("roll back", "no transaction is open")),
            Tx::Aborted(_) => return Ok(()),
        }
        self.request(messages::rollback).await?;
        Ok(())
    }

    /// Ends whatever is under way, an open transaction as well: afterwards the connection is as
    /// new.
    ///
    /// # Errors
    /// When the connection broke.
    pub async fn reset(&mut self) -> Result<(), Error> {
        self.dirty = true;
        self.settle().await?;
        self.tx = Tx::None;
        Ok(())
    }

    /// Says goodbye and closes.
    pub async fn close(mut self) {
        if self.wire.check().is_ok() {
            self.wire.queue(messages::goodbye);
            let farewell = async {
                if self.wire.flush().await.is_ok() {
                    self.wire.shut().await;
                }
            };
            // Nobody waits for a goodbye.
            let _ = timeout(FAREWELL, farewell).await;
        }
    }

    /// Brings the server back to where it takes the next request.
    async fn settle(&mut self) -> Result<(), Error> {
        self.wire.check()?;
        if !self.dirty {
            return Ok(());
        }
        if self.tx == Tx::Open {
            self.tx = Tx::Aborted(if self.failed {
                "a query of it failed"
            } else {
                "a call or a result of it was dropped before its end"
            });
        }
        while self.uninterruptible && self.outstanding > 0 {
            self.answer().await?;
        }
        self.uninterruptible = false;
        if !self.resetting {
            self.queue(messages::reset);
            self.resetting = true;
        }
        while self.outstanding > 0 {
            let answer = self.answer().await?;
            if self.outstanding == 0 {
                match answer {
                    Answer::Success(_) => {}
                    Answer::Failure(failure) => {
                        let reason = format!("it could not be reset: {}", failure.message);
                        return Err(self.wire.give_up(reason));
                    }
                    Answer::Ignored => {
                        return Err(self.wire.protocol("a reset was ignored"));
                    }
                }
            }
        }
        (self.resetting, self.failed, self.dirty) = (false, false, false);
        Ok(())
    }

    /// Makes a request that the server answers soon and at once.
    pub(crate) async fn request(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<Vec<(String, Value)>, Error> {
        self.uninterruptible = true;
        self.queue(write);
        let metadata = self.success().await?;
        (self.uninterruptible, self.dirty) = (false, false);
        Ok(metadata)
    }

    /// Puts a request in line, of which one answer is expected.
    pub(crate) fn queue(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.dirty = true;
        self.outstanding += 1;
        self.wire.queue(write);
    }

    /// The next answer; records before it are passed over.
    async fn answer(&mut self) -> Result<Answer, Error> {
        let message = self.wire.next_but_records().await?;
        self.read_answer(&message)
    }

    pub(crate) fn read_answer(&mut self, message: &[u8]) -> Result<Answer, Error> {
        self.outstanding = match self.outstanding.checked_sub(1) {
            Some(left) => left,
            None => return Err(self.wire.protocol("an answer to nothing")),
        };
        messages::answer(message).map_err(|reason| self.wire.protocol(reason))
    }

    /// The next answer, which must be a success.
    async fn success(&mut self) -> Result<Vec<(String, Value)>, Error> {
        let answer = self.answer().await?;
        self.expect_success(answer)
    }

    pub(crate) fn expect_success(&mut self, answer: Answer) -> Result<Vec<(String, Value)>, Error> {
        match answer {
            Answer::Success(metadata) => Ok(metadata),
            Answer::Failure(failure) => {
                self.failed = true;
                Err(failure.into_error(self.wire.address()))
            }
            Answer::Ignored => Err(self.wire.protocol("a request was ignored without a failure")),
        }
    }

    pub(crate) fn misuse(&self, call: &'static str, reason: &'static str) -> Error {
        Error::Misuse { address: self.info.address.clone(), call, reason }
    }

    fn aborted(&self, reason: &'static str) -> Error {
        Error::TransactionAborted { address: self.info.address.clone(), reason }
    }
}
