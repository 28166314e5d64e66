//! Messages over a socket.
//!
//! What is to be written lies in a buffer of the connection's own and what was read in another, so
//! a future that is dropped midway loses nothing: the next one goes on where it stopped. An error
//! of the socket is remembered, and every later use fails at once.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::client::TlsStream;

use crate::dechunk::{Dechunker, Incoming, MAX_MESSAGE, TooLong, chunk};
use crate::{Error, Uri};

/// A buffer that grew beyond this is not kept, in bytes.
const KEPT: usize = 1 << 20;

/// A TCP connection, protected or not.
#[derive(Debug)]
pub(crate) enum Socket {
    /// Not protected.
    Plain(TcpStream),
    /// Protected by TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

/// Opens a TCP connection to whichever address of the host answers first, in the resolver's order.
pub(crate) async fn dial(uri: &Uri, limit: Duration) -> Result<TcpStream, Error> {
    let failed = |source| Error::Connect { address: uri.address(), source };
    let deadline = Instant::now() + limit;
    let resolved = timeout_at(deadline, lookup_host((uri.host(), uri.port()))).await;
    let addresses: Vec<_> =
        resolved.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(failed)?.collect();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for (index, address) in addresses.iter().enumerate() {
        // One address that swallows packets must not use up the time of the others.
        let share = deadline.saturating_duration_since(Instant::now())
            / u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(socket)) => {
                socket.set_nodelay(true).map_err(failed)?;
                return Ok(socket);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(failed(last))
}

/// A socket with its buffers.
#[derive(Debug)]
pub(crate) struct Transport {
    socket: Socket,
    address: String,
    incoming: Dechunker,
    outgoing: Vec<u8>,
    /// Bytes of `outgoing` that have been written.
    written: usize,
    scratch: Vec<u8>,
    idle: Duration,
    broken: Option<String>,
}

impl Transport {
    pub(crate) fn new(socket: Socket, address: String, idle: Duration) -> Self {
        Self {
            socket,
            address,
            incoming: Dechunker::default(),
            outgoing: Vec::new(),
            written: 0,
            scratch: Vec::new(),
            idle,
            broken: None,
        }
    }

    /// Host and port.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Makes the limit of silence at least this long.
    pub(crate) fn allow_idle(&mut self, at_least: Duration) {
        self.idle = self.idle.max(at_least);
    }

    /// Fails if the connection broke before.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match &self.broken {
            None => Ok(()),
            Some(reason) => {
                Err(Error::Disconnected { address: self.address.clone(), reason: reason.clone() })
            }
        }
    }

    /// Puts a message in line; it is written before anything is read.
    pub(crate) fn queue(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.scratch.clear();
        write(&mut self.scratch);
        chunk(&self.scratch, &mut self.outgoing);
        if self.scratch.capacity() > KEPT {
            self.scratch = Vec::new();
        }
    }

    /// Writes what is in line.
    pub(crate) async fn flush(&mut self) -> Result<(), Error> {
        self.check()?;
        if self.outgoing.is_empty() {
            return Ok(());
        }
        while self.written < self.outgoing.len() {
            let write = self.socket.write(&self.outgoing[self.written..]);
            match timeout(self.idle, write).await {
                Ok(Ok(0)) => return Err(self.lost(&io::ErrorKind::WriteZero.into())),
                Ok(Ok(count)) => self.written += count,
                Ok(Err(error)) => return Err(self.lost(&error)),
                Err(_) => return Err(self.timed_out("sending a request")),
            }
        }
        match timeout(self.idle, self.socket.flush()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(self.lost(&error)),
            Err(_) => return Err(self.timed_out("sending a request")),
        }
        self.written = 0;
        self.outgoing.clear();
        if self.outgoing.capacity() > KEPT {
            self.outgoing = Vec::new();
        }
        Ok(())
    }

    /// The next records or message.
    pub(crate) async fn next(&mut self) -> Result<Incoming, Error> {
        self.flush().await?;
        loop {
            match self.incoming.next() {
                Ok(Some(incoming)) => return Ok(incoming),
                Ok(None) => self.fill().await?,
                Err(TooLong) => return Err(self.too_long()),
            }
        }
    }

    /// The next message that is not a record; records are passed over.
    pub(crate) async fn next_but_records(&mut self) -> Result<Bytes, Error> {
        self.flush().await?;
        loop {
            match self.incoming.next_but_records() {
                Ok(Some(message)) => return Ok(message),
                Ok(None) => self.fill().await?,
                Err(TooLong) => return Err(self.too_long()),
            }
        }
    }

    /// The next message, if it has come already and no record stands before it.
    pub(crate) fn message_at_hand(&mut self) -> Option<Bytes> {
        // A message that is too long is told by the next call that waits.
        self.incoming.message().unwrap_or_default()
    }

    /// Writes what is in line as far as that needs no waiting; the next call does the rest.
    pub(crate) async fn start_flush(&mut self) {
        let mut flush = pin!(self.flush());
        // If the connection broke, the next call tells.
        let _ = poll_fn(|cx| Poll::Ready(flush.as_mut().poll(cx))).await;
    }

    /// Ends the connection, without waiting for anybody.
    pub(crate) async fn shut(&mut self) {
        // The other end may be gone, which is as good.
        let _ = self.socket.shutdown().await;
    }

    /// Something came that the protocol does not allow: there is no way on from there.
    pub(crate) fn protocol(&mut self, reason: impl Into<String>) -> Error {
        let reason = reason.into();
        self.broken = Some(format!("the server sent something unexpected ({reason})"));
        Error::Protocol { address: self.address.clone(), reason }
    }

    /// Gives the connection up.
    pub(crate) fn give_up(&mut self, reason: impl Into<String>) -> Error {
        let reason = reason.into();
        self.broken = Some(reason.clone());
        Error::Disconnected { address: self.address.clone(), reason }
    }

    async fn fill(&mut self) -> Result<(), Error> {
        match timeout(self.idle, read_some(&mut self.socket, &mut self.incoming)).await {
            Ok(Ok(0)) => Err(self.give_up("the server closed it")),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.lost(&error)),
            Err(_) => Err(self.timed_out("waiting for an answer")),
        }
    }

    fn too_long(&mut self) -> Error {
        self.protocol(format!("a message of more than {MAX_MESSAGE} bytes"))
    }

    fn lost(&mut self, error: &io::Error) -> Error {
        self.give_up(match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe => format!("the server closed it ({error})"),
            _ => error.to_string(),
        })
    }

    fn timed_out(&mut self, during: &'static str) -> Error {
        let after = self.idle;
        self.broken = Some(format!("there was no answer within {} s", after.as_secs_f64()));
        Error::Timeout { address: self.address.clone(), during, after }
    }
}

/// Waits for bytes, then takes along what else is there, up to a batch's worth. Protected
/// connections give 16 KiB at a time: without this every batch would be as small.
async fn read_some(socket: &mut Socket, into: &mut Dechunker) -> io::Result<usize> {
    let mut total = socket.read_buf(into.room()).await?;
    while total > 0 && !into.is_full() {
        let mut more = pin!(socket.read_buf(into.room()));
        match poll_fn(|cx| Poll::Ready(more.as_mut().poll(cx))).await {
            // What is there comes first; the end of the stream shows again with the next read.
            Poll::Ready(Ok(count)) if count > 0 => total += count,
            _ => break,
        }
    }
    Ok(total)
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_read(cx, buf),
            Self::Tls(socket) => Pin::new(socket).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write(cx, buf),
            Self::Tls(socket) => Pin::new(socket).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Self::Tls(socket) => Pin::new(socket).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Tls(socket) => Pin::new(socket).poll_shutdown(cx),
        }
    }
}
