//! What the channels over HTTP share: one client, and what an answer means.

use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, StatusCode, Url};
use serde_json::Value;

use super::Undelivered;

/// How long a receiver may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The most characters of an answer that an error quotes.
const QUOTE: usize = 300;

/// The client. Redirects are not followed: a notice would arrive where nobody sent it.
pub(crate) fn client() -> Result<Client, Undelivered> {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    if let Some(client) = CLIENT.get() {
        return Ok(client.clone());
    }
    // An error says that there is one already, which will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder()
        .timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("lifeboat/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| Undelivered::passing(explain(error)))?;
    Ok(CLIENT.get_or_init(|| client).clone())
}

/// Posts JSON.
pub(super) async fn post(
    url: &str,
    body: &Value,
    headers: &[(&'static str, String)],
) -> Result<(), Undelivered> {
    post_bytes(url, Bytes::from(body.to_string()), headers).await
}

/// Posts bytes of JSON.
pub(super) async fn post_bytes(
    url: &str,
    body: Bytes,
    headers: &[(&'static str, String)],
) -> Result<(), Undelivered> {
    // The address may be a secret: it is in no error.
    let url: Url = url
        .trim()
        .parse()
        .map_err(|error| Undelivered::passing(format!("its address is none: {error}")))?;
    let mut all = HeaderMap::new();
    all.insert("content-type", HeaderValue::from_static("application/json"));
    for (name, value) in headers {
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| Undelivered::passing(format!("the header {name} has odd characters")))?;
        value.set_sensitive(true);
        all.insert(HeaderName::from_static(name), value);
    }
    let sent = client()?.post(url).headers(all).body(body).send().await;
    let answer = sent.map_err(|error| Undelivered::passing(explain(error)))?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let words = answer.text().await.unwrap_or_default();
    let words = super::super::text::cut(words.trim(), QUOTE);
    Err(Undelivered { why: format!("it answers {status}: {words}"), lasting: is_lasting(status) })
}

/// The receiver understands, and does not want it: it never will.
fn is_lasting(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY
    )
}

/// An error with its causes, without the address.
fn explain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(next) = cause {
        words = format!("{words}: {next}");
        cause = next.source();
    }
    words
}
