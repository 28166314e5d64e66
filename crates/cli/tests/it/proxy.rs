//! Something between the program and a server that holds the line at a chosen point, so that a
//! fault comes in the middle of the work and not, by chance, before or after it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A proxy on a port of its own.
pub(crate) struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    /// Bytes that came from the server.
    answered: AtomicU64,
    /// At so many the line is held.
    hold_at: u64,
    held: watch::Sender<bool>,
    open: watch::Sender<bool>,
    /// Pause after each piece to the server.
    pause: Duration,
}

impl Proxy {
    /// Forwards to a port of this machine, and holds after `hold_at` bytes of answers.
    pub(crate) async fn hold(target: u16, hold_at: u64) -> Self {
        Self::start(target, hold_at, Duration::ZERO).await
    }

    /// Forwards to a port of this machine, and takes its time with what goes there.
    pub(crate) async fn slow(target: u16, pause: Duration) -> Self {
        Self::start(target, u64::MAX, pause).await
    }

    async fn start(target: u16, hold_at: u64, pause: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            answered: AtomicU64::new(0),
            hold_at,
            held: watch::Sender::new(false),
            open: watch::Sender::new(false),
            pause,
        });
        let this = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(("127.0.0.1", target)).await else { continue };
                let ((from_client, to_client), (from_server, to_server)) =
                    (client.into_split(), server.into_split());
                tokio::spawn(asks(Arc::clone(&this), from_client, to_server));
                tokio::spawn(answers(Arc::clone(&this), from_server, to_client));
            }
        });
        Self { port, shared }
    }

    pub(crate) fn uri(&self) -> String {
        format!("bolt://127.0.0.1:{}", self.port)
    }

    /// Waits until the line is held.
    pub(crate) async fn held(&self) {
        self.shared.held.subscribe().wait_for(|held| *held).await.unwrap();
    }

    /// Lets everything pass from now on.
    pub(crate) fn release(&self) {
        self.shared.open.send_replace(true);
    }
}

async fn asks(shared: Arc<Shared>, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if to.write_all(&buffer[..read]).await.is_err() {
            break;
        }
        // Short messages are the protocol's; what is long is data.
        if read > 4096 {
            tokio::time::sleep(shared.pause).await;
        }
    }
    let _ = to.shutdown().await;
}

async fn answers(shared: Arc<Shared>, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let answered = shared.answered.fetch_add(read as u64, Ordering::Relaxed);
        if answered >= shared.hold_at {
            shared.held.send_replace(true);
            let mut open = shared.open.subscribe();
            if open.wait_for(|open| *open).await.is_err() {
                break;
            }
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}
