//! The other end of a connection, to misbehave at will.

use std::net::SocketAddr;
use std::sync::Arc;

use lifeboat_bolt::Value;
use lifeboat_bolt::packstream::Encoder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::support::Result;

/// A listener that treats every connection in the same way.
pub(crate) struct Fake {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Fake {
    pub(crate) async fn start<F>(behave: impl Fn(End) -> F + Send + Sync + 'static) -> Result<Self>
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let behave = Arc::new(behave);
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let behave = Arc::clone(&behave);
                // What the client makes of it is for the test to see.
                tokio::spawn(async move {
                    let _ = behave(End { socket }).await;
                });
            }
        });
        Ok(Self { address, task })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The server's end of a connection.
pub(crate) struct End {
    pub(crate) socket: TcpStream,
}

impl End {
    /// Agrees on Bolt 5.4 and accepts the client, with these hints.
    pub(crate) async fn greet(&mut self, hints: &[(&str, Value)]) -> Result<()> {
        self.socket.read_exact(&mut [0; 20]).await?;
        self.socket.write_all(&[0, 0, 4, 5]).await?;
        self.receive().await?;
        let hints = Value::Map(entries(hints));
        self.send(&success(&[("server", "Fake/1".into()), ("hints", hints)])).await?;
        self.receive().await?;
        self.send(&success(&[])).await
    }

    /// The next request; `None` at the end.
    pub(crate) async fn receive(&mut self) -> Result<Option<Vec<u8>>> {
        let mut message = Vec::new();
        loop {
            let Ok(len) = self.socket.read_u16().await else { return Ok(None) };
            if len == 0 {
                return Ok(Some(message));
            }
            let start = message.len();
            message.resize(start + usize::from(len), 0);
            self.socket.read_exact(&mut message[start..]).await?;
        }
    }

    pub(crate) async fn send(&mut self, message: &[u8]) -> Result<()> {
        self.socket.write_all(&chunked(message)).await?;
        Ok(())
    }
}

pub(crate) fn chunked(message: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    for chunk in message.chunks(65_535) {
        wire.extend((chunk.len() as u16).to_be_bytes());
        wire.extend(chunk);
    }
    wire.extend([0, 0]);
    wire
}

pub(crate) fn entries(entries: &[(&str, Value)]) -> Vec<(String, Value)> {
    entries.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
}

fn message(tag: u8, field: Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    Encoder::new(&mut bytes).value(&Value::Structure { tag, fields: vec![field] });
    bytes
}

pub(crate) fn success(metadata: &[(&str, Value)]) -> Vec<u8> {
    message(0x70, Value::Map(entries(metadata)))
}

/// What a query is answered with before its records.
pub(crate) fn header() -> Vec<u8> {
    success(&[("fields", Value::List(vec!["x".into()]))])
}

pub(crate) fn record(value: Value) -> Vec<u8> {
    message(0x71, Value::List(vec![value]))
}

pub(crate) fn failure(code: &str) -> Vec<u8> {
    message(0x7F, Value::Map(entries(&[("code", code.into()), ("message", "no".into())])))
}
