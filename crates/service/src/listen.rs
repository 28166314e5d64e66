//! Sockets: one in the state's folder for this machine's owner, one on the network; with TLS if the
//! settings say so.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use lifeboat::CancellationToken;
use lifeboat::config::TlsSection;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use crate::access::Peer;
use crate::{Error, Result};

/// The name of the socket in the state's folder.
pub(crate) const SOCKET: &str = "api.sock";

/// Connections at a time; more wait.
const CONNECTIONS: usize = 256;

/// How long a client may take for the head of a request, or for a handshake of TLS.
const HEAD: Duration = Duration::from_secs(15);

/// How long answers that are under way may take when the service ends.
const FAREWELL: Duration = Duration::from_secs(5);

/// The socket for this machine's owner, open; it is gone with the value.
#[derive(Debug)]
pub(crate) struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

impl Socket {
    /// Opens it. The state's folder must be locked: what is there is of a process that has died.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn open(state: &Path) -> Result<Self> {
        let path = state.join(SOCKET);
        let failed = |error| Error::Socket { path: path.clone(), error };
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(failed(error));
            }
            _ => {}
        }
        let listener = UnixListener::bind(&path).map_err(failed)?;
        // The folder is closed to others anyway.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        Ok(Self { listener, path })
    }

    /// Serves until told to stop.
    pub(crate) async fn serve(self, router: Router, stop: CancellationToken) {
        let crowd = Crowd::new(router, stop);
        loop {
            let permit = crowd.permit().await;
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => crowd.welcome(stream, Peer::Socket, permit),
                    Err(error) => pause(&error).await,
                },
                () = crowd.stop.cancelled() => break,
            }
        }
        crowd.farewell().await;
    }
}

/// The socket on the network.
pub(crate) struct Network {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
}

impl Network {
    /// Opens it.
    ///
    /// # Errors
    /// When the address is taken, or the files for TLS cannot be used.
    pub(crate) async fn open(address: SocketAddr, tls: Option<&TlsSection>) -> Result<Self> {
        let tls = tls.map(acceptor).transpose()?;
        let listener =
            TcpListener::bind(address).await.map_err(|error| Error::Listen { address, error })?;
        Ok(Self { listener, tls })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system does not tell.
    pub(crate) fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until told to stop.
    pub(crate) async fn serve(self, router: Router, stop: CancellationToken) {
        let crowd = Arc::new(Crowd::new(router, stop));
        loop {
            let permit = crowd.permit().await;
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = crowd.stop.cancelled() => break,
            };
            let (stream, address) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    pause(&error).await;
                    continue;
                }
            };
            let _ = stream.set_nodelay(true);
            let Some(tls) = self.tls.clone() else {
                let peer = Peer::Network { address, certificate: None };
                crowd.welcome(stream, peer, permit);
                continue;
            };
            let guest = Arc::clone(&crowd);
            crowd.tracker.spawn(async move {
                let Ok(Ok(stream)) = tokio::time::timeout(HEAD, tls.accept(stream)).await else {
                    tracing::debug!(%address, "a handshake of TLS failed");
                    return;
                };
                let certificates = stream.get_ref().1.peer_certificates();
                let certificate = certificates.and_then(|chain| Some(digest(chain.first()?)));
                guest.welcome(stream, Peer::Network { address, certificate }, permit);
            });
        }
        crowd.farewell().await;
    }
}

/// The first digits of a certificate's digest, which name it in the audit log.
fn digest(certificate: &CertificateDer<'_>) -> String {
    blake3::hash(certificate).to_hex()[..16].to_owned()
}

/// No more files, or a client that left at once: nothing that a moment would not mend.
async fn pause(error: &std::io::Error) {
    tracing::warn!(%error, "a connection could not be accepted");
    tokio::time::sleep(Duration::from_millis(100)).await;
}

/// The connections of a socket.
struct Crowd {
    router: Router,
    stop: CancellationToken,
    room: Arc<Semaphore>,
    tracker: TaskTracker,
}

type Permit = Option<tokio::sync::OwnedSemaphorePermit>;

impl Crowd {
    fn new(router: Router, stop: CancellationToken) -> Self {
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        Self { router, stop, room, tracker: TaskTracker::new() }
    }

    async fn permit(&self) -> Permit {
        tokio::select! {
            permit = Arc::clone(&self.room).acquire_owned() => permit.ok(),
            () = self.stop.cancelled() => None,
        }
    }

    fn welcome<S>(&self, stream: S, peer: Peer, permit: Permit)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (router, stop) = (self.router.clone(), self.stop.clone());
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer.clone());
            router.clone().oneshot(request)
        });
        self.tracker.spawn(async move {
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD)
                .max_buf_size(64 << 10)
                .serve_connection(TokioIo::new(stream), service);
            let mut connection = std::pin::pin!(connection);
            let ended = tokio::select! {
                ended = &mut connection => ended,
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended badly");
            }
            drop(permit);
        });
    }

    async fn farewell(&self) {
        self.tracker.close();
        let _ = tokio::time::timeout(FAREWELL, self.tracker.wait()).await;
    }
}

fn acceptor(section: &TlsSection) -> Result<TlsAcceptor> {
    let bad = |path: &Path, reason: String| Error::Tls { path: path.to_owned(), reason };
    let certificates = |path: &Path| -> Result<Vec<CertificateDer<'static>>> {
        let read = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
            .map_err(|error| bad(path, error.to_string()))?;
        if read.is_empty() {
            Err(bad(path, "it holds no certificate".to_owned()))
        } else {
            Ok(read)
        }
    };
    let chain = certificates(&section.cert_file)?;
    let key = PrivateKeyDer::from_pem_file(&section.key_file)
        .map_err(|error| bad(&section.key_file, error.to_string()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Internal(error.to_string()))?;
    let builder = match &section.client_ca_file {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| bad(path, error.to_string()))?;
            }
            // Without a certificate a token may do, so that /healthz answers to anybody.
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .allow_unauthenticated()
                .build()
                .map_err(|error| bad(path, error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let config = builder
        .with_single_cert(chain, key)
        .map_err(|error| bad(&section.cert_file, error.to_string()))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
