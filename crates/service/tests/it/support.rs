//! A service in this process, with a vault in a folder, and somebody who asks it over the network.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lifeboat::CancellationToken;
use lifeboat::config::{Config, DEFAULT_LISTEN};
use lifeboat::vaults::{RegionConfig, Vaults};
use lifeboat_service::client::Client;
use lifeboat_service::jobs::Equipment;
use lifeboat_service::service::{Options, serve};
use lifeboat_testkit::ports::free_port;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// A service that runs until it is dropped.
pub(crate) struct Service {
    pub(crate) folder: TempDir,
    pub(crate) address: SocketAddr,
    pub(crate) client: Client,
    pub(crate) reload: mpsc::Sender<()>,
    pub(crate) stop: CancellationToken,
    pub(crate) task: JoinHandle<lifeboat_service::Result<()>>,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Jobs that wait for a request, so that nothing happens by itself.
pub(crate) const QUIET: &str = "
[schedule.verify]
cron = \"never\"
[schedule.prune]
cron = \"0 0 1 1 *\"
";

fn equipment(settings: &Path) -> Result<Equipment, String> {
    let config = Config::load(settings).map_err(|error| error.to_string())?;
    let section = config.vault.primary.clone().ok_or("no vault")?;
    let vaults = Vaults::new(
        RegionConfig { keys: lifeboat::config::KeySections::default(), role: None, section },
        None,
    );
    let vault = vaults.writing().map_err(|error| error.to_string())?.databases().clone();
    let folder = settings.parent().unwrap().to_owned();
    Ok(Equipment {
        config,
        sites: lifeboat_runbook::sites::Sites::load(settings).map_err(|error| error.to_string())?,
        folder,
        target: None,
        vaults,
        vault,
    })
}

impl Service {
    /// Starts one with these settings, and waits until it leads.
    pub(crate) async fn start(settings: &str) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), settings).await
    }

    /// The same in a folder that may hold what the settings name.
    pub(crate) async fn start_in(folder: TempDir, settings: &str) -> Self {
        let path = folder.path().join("lifeboat.toml");
        std::fs::create_dir_all(folder.path().join("vault")).unwrap();
        let text = format!("[vault.primary]\nurl = \"vault\"\n{settings}");
        std::fs::write(&path, text).unwrap();
        let first = equipment(&path).unwrap();
        // Not a fixed one: other tests have one, too.
        let address = first.config.service.listen.unwrap_or(DEFAULT_LISTEN);
        let address = SocketAddr::new(address.ip(), free_port().unwrap());
        let state = folder.path().join("state");
        let (reload, asked) = mpsc::channel(1);
        let stop = CancellationToken::new();
        let options = Options {
            state: state.clone(),
            listen: Some(address),
            equipment: first,
            load: Box::new(move || equipment(&path)),
            reload: asked,
            stop: stop.clone(),
        };
        let task = tokio::spawn(serve(options));
        let client = Client::new(&state);
        let service = Self { folder, address, client, reload, stop, task };
        let leads = async {
            loop {
                let status = service.client.get::<Value>("/api/v1/status").await;
                if status.is_ok_and(|status| status["leading"] == true) {
                    break;
                }
                assert!(!service.task.is_finished(), "the service has ended");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(2), leads).await.unwrap();
        service
    }

    /// Asks over the network.
    pub(crate) async fn ask(&self, method: &str, route: &str, headers: &[&str]) -> Answer {
        let stream = TcpStream::connect(self.address).await.unwrap();
        exchange(stream, method, route, headers).await
    }

    /// Asks with a token.
    pub(crate) async fn bearing(&self, token: &str, method: &str, route: &str) -> Answer {
        self.ask(method, route, &[&format!("authorization: Bearer {token}")]).await
    }

    /// Changes the settings, and has them read anew.
    pub(crate) async fn reload(&self, settings: &str) {
        let text = format!("[vault.primary]\nurl = \"vault\"\n{settings}");
        std::fs::write(self.folder.path().join("lifeboat.toml"), text).unwrap();
        self.reload.send(()).await.unwrap();
    }

    /// Waits for an event of this name, and answers with it.
    pub(crate) async fn event(&self, name: &str) -> Value {
        let mut after = 0;
        for _ in 0..60 {
            let route = format!("/api/v1/events?after={after}&wait=2");
            let events: Vec<Value> = self.client.get(&route).await.unwrap();
            if let Some(event) = events.iter().find(|event| event["event"] == name) {
                return event.clone();
            }
            after = events.last().map_or(after, |event| event["number"].as_u64().unwrap());
        }
        panic!("no event {name}");
    }

    /// Stops it, in good order.
    pub(crate) async fn stop(self) -> TempDir {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
        self.folder
    }
}

/// One request on a connection.
pub(crate) async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    method: &str,
    route: &str,
    headers: &[&str],
) -> Answer {
    let mut request = format!("{method} {route} HTTP/1.1\r\nconnection: close\r\n");
    if !headers.iter().any(|header| header.starts_with("host:")) {
        request.push_str("host: localhost\r\n");
    }
    for header in headers {
        request.push_str(header);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let reading = tokio::time::timeout(Duration::from_mins(2), stream.read_to_end(&mut answer));
    // A peer that hangs up without a farewell of TLS has answered all the same.
    let _ = reading.await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    // Answers of a known length are not chunked.
    Answer { status, head: head.to_lowercase(), body: body.to_owned() }
}

/// Speaks TLS, with a certificate of one's own or without.
pub(crate) async fn tls(
    address: SocketAddr,
    ca: &str,
    own: Option<(&str, &str)>,
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match own {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => builder
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
                PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
            )
            .unwrap(),
    };
    let stream = TcpStream::connect(address).await?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    connector.connect(ServerName::try_from("localhost").unwrap(), stream).await
}
