//! Asking an application over HTTP whether it is well.

use std::net::SocketAddr;
use std::time::Duration;

use crate::error::StepError;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much of a body is read, in bytes.
const LIMIT: usize = 256 << 10;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: u16,
    /// Its body, or the beginning of it.
    pub(crate) body: String,
}

impl Answer {
    /// The beginning of the body, for an error.
    pub(crate) fn excerpt(&self) -> String {
        let line: String = self.body.chars().filter(|c| !c.is_control()).take(120).collect();
        if line.is_empty() { String::new() } else { format!(": {line}") }
    }
}

/// A client for HTTP and HTTPS.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn client(at: Option<(&str, SocketAddr)>) -> Result<reqwest::Client, reqwest::Error> {
    // An error says that somebody has chosen before us, which is as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("lifeboat/", env!("CARGO_PKG_VERSION")))
        .timeout(PATIENCE)
        .connect_timeout(Duration::from_secs(5));
    if let Some((host, address)) = at {
        builder = builder.resolve(host, address);
    }
    builder.build()
}

/// Gets a page; the host of its address stands for `at`, if that is given.
///
/// # Errors
/// When it is no address, or nothing answers there.
pub(crate) async fn get(url: &str, at: Option<SocketAddr>) -> Result<Answer, StepError> {
    let parsed = url::Url::parse(url)
        .map_err(|error| StepError::Value(format!("{url} is no address: {error}")))?;
    let host = parsed.host_str().unwrap_or_default().to_owned();
    let failed = |error: reqwest::Error| StepError::Condition {
        what: url.to_owned(),
        found: causes(&error.without_url()),
    };
    let client = client(at.map(|at| (host.as_str(), at))).map_err(failed)?;
    let mut response = client.get(parsed).send().await.map_err(failed)?;
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while body.len() < LIMIT
        && let Some(part) = response.chunk().await.map_err(failed)?
    {
        body.extend_from_slice(&part);
    }
    body.truncate(LIMIT);
    Ok(Answer { status, body: String::from_utf8_lossy(&body).into_owned() })
}

/// An error and its causes, in a line.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
