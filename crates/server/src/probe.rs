//! Does a server answer?
//!
//! Just enough of two protocols to tell a server that serves from one that merely runs: the Bolt
//! handshake (four bytes back) and the HTTP root (a JSON document with the version).

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Longer than any healthy server on the same machine takes to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// More than the HTTP root ever says.
const MAX_REPLY: u64 = 64 * 1024;

/// Shakes hands over Bolt; with `tls` only the connection is tried.
///
/// The handshake is the preamble and four proposed versions; any answer of four bytes will do
/// (source: "Bolt Protocol handshake specification").
pub(crate) async fn bolt(port: u16, tls: bool) -> io::Result<()> {
    const HELLO: [u8; 20] =
        [0x60, 0x60, 0xB0, 0x17, 0, 8, 8, 5, 0, 4, 4, 5, 0, 0, 0, 5, 0, 0, 4, 4];
    patiently(async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        if !tls {
            stream.write_all(&HELLO).await?;
            let mut version = [0; 4];
            stream.read_exact(&mut version).await?;
        }
        Ok(())
    })
    .await
}

/// Asks the HTTP root; the answer's `neo4j_version`.
pub(crate) async fn http(port: u16) -> io::Result<String> {
    let reply = patiently(async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        let request = format!(
            "GET / HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nAccept: application/json\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut reply = Vec::new();
        stream.take(MAX_REPLY).read_to_end(&mut reply).await?;
        Ok(reply)
    })
    .await?;
    version(&reply).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, "its answer does not look like Neo4j's")
    })
}

/// The version in an HTTP reply of status 200 with a JSON body.
fn version(reply: &[u8]) -> Option<String> {
    let reply = String::from_utf8_lossy(reply);
    let (head, body) = reply.split_once("\r\n\r\n")?;
    if head.split(' ').nth(1)? != "200" {
        return None;
    }
    let body: serde_json::Value = serde_json::from_str(body.trim()).ok()?;
    Some(body.get("neo4j_version")?.as_str()?.to_owned())
}

async fn patiently<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(PATIENCE, work).await.map_err(|_| io::ErrorKind::TimedOut)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_version() {
        let reply = b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n{\"neo4j_version\":\"5.26.18\"}";
        assert_eq!(version(reply).as_deref(), Some("5.26.18"));
    }

    #[test]
    fn other_answers_do_not_count() {
        for reply in [
            "",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n{}",
            "HTTP/1.1 503 No\r\n\r\n{\"neo4j_version\":\"5.26.18\"}",
            "SSH-2.0-OpenSSH\r\n\r\n",
        ] {
            assert_eq!(version(reply.as_bytes()), None, "{reply:?}");
        }
    }

    #[tokio::test]
    async fn a_silent_listener_is_no_server() {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        assert!(bolt(port, false).await.is_err());
        assert!(http(port).await.is_err());
    }
}
