//! A small server over HTTP for tests: what it answers is up to a function, and it remembers what it
//! was asked.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) path: String,
    /// The first line and the headers, as they came.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Request {
    /// The body, of JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Whether it comes with this token.
    pub(crate) fn has_token(&self, token: &str) -> bool {
        let wanted = format!("bearer {token}");
        self.head.lines().filter_map(|line| line.split_once(": ")).any(|(name, value)| {
            name.eq_ignore_ascii_case("authorization") && value.eq_ignore_ascii_case(&wanted)
        })
    }
}

/// An answer: status, headers, in which `HERE` stands for the server, and body.
pub(crate) type Answer = (&'static str, Vec<(&'static str, String)>, String);

/// The server, until it is dropped.
pub(crate) struct Server {
    pub(crate) endpoint: String,
    asked: Arc<Mutex<Vec<Request>>>,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(mut answer: impl FnMut(&Request) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::<Mutex<Vec<Request>>>::default();
        let (known, here) = (Arc::clone(&asked), endpoint.clone());
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let Some(request) = take(&mut stream).await else { continue };
                let (status, headers, body) = answer(&request);
                known.lock().unwrap().push(request);
                let mut text = format!(
                    "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n",
                    body.len()
                );
                for (name, value) in headers {
                    let _ = write!(text, "{name}: {}\r\n", value.replace("HERE", &here));
                }
                let _ = stream.write_all(format!("{text}\r\n{body}").as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        Self { endpoint, asked, task }
    }

    /// One that gives these answers in turn.
    pub(crate) async fn script(answers: Vec<Answer>) -> Self {
        let mut answers = answers.into_iter();
        Self::start(move |_| {
            answers.next().unwrap_or(("500 Internal Server Error", vec![], "no more".to_owned()))
        })
        .await
    }

    /// All that was asked up to now.
    pub(crate) fn asked(&self) -> Vec<Request> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn take(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    loop {
        let mut piece = [0; 4096];
        match stream.read(&mut piece).await {
            Ok(count) if count > 0 => bytes.extend_from_slice(&piece[..count]),
            _ => return None,
        }
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head
            .to_ascii_lowercase()
            .lines()
            .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())
            .unwrap_or(0);
        if body.len() >= length {
            let mut words = head.split_whitespace().map(ToOwned::to_owned);
            return Some(Request {
                method: words.next()?,
                path: words.next()?,
                head: head.to_owned(),
                body: body.to_owned(),
            });
        }
    }
}
