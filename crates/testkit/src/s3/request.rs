//! The few requests that a store's client cannot make: for buckets, and for keys of narrow rights.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use std::fmt::Write as _;

use anyhow::{Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use ring::{digest, hmac};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{REGION, root};

/// A request without its body.
pub(super) struct Request<'a> {
    pub(super) method: &'static str,
    /// Whom it is for: `s3`, or `sts` that gives keys.
    pub(super) service: &'static str,
    /// The bucket, or nothing.
    pub(super) path: &'a str,
    /// One name with its `=`, or nothing.
    pub(super) query: &'a str,
    pub(super) headers: Vec<(&'static str, String)>,
}

/// Every byte that is not plain as `%XX`.
pub(super) fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}

fn sha256(text: &str) -> digest::Digest {
    digest::digest(&digest::SHA256, text.as_bytes())
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
}

/// Whether the server on a port serves requests.
pub(super) async fn answers(port: u16) -> bool {
    // Of its own accord it says that it is ready when it is not yet.
    let buckets =
        Request { method: "GET", service: "s3", path: "", query: "", headers: Vec::new() };
    matches!(send(port, buckets, "").await, Ok((200, _)))
}

/// Sends a request, as the root; the status and the text of the answer.
pub(super) async fn send(port: u16, request: Request<'_>, body: &str) -> Result<(u16, String)> {
    let Request { method, service, path, query, mut headers } = request;
    let time = Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let day = &time[..8];
    let content = hex::encode(sha256(body));
    headers.extend([
        ("host", format!("127.0.0.1:{port}")),
        ("x-amz-checksum-sha256", BASE64.encode(sha256(body))),
        ("x-amz-content-sha256", content.clone()),
        ("x-amz-date", time.clone()),
    ]);
    headers.sort_unstable();
    let lines: Vec<_> = headers.iter().map(|(name, value)| format!("{name}:{value}")).collect();
    let names: Vec<_> = headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let scope = format!("{day}/{REGION}/{service}/aws4_request");
    let canonical =
        format!("{method}\n/{path}\n{query}\n{}\n\n{names}\n{content}", lines.join("\n"));
    let canonical = hex::encode(sha256(&canonical));
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{canonical}");
    let key = [day, REGION, service, "aws4_request"]
        .iter()
        .fold(format!("AWS4{}", root().secret).into_bytes(), |key, part| mac(&key, part));
    let signature = hex::encode(mac(&key, &text));
    let request = format!(
        "{method} /{path}?{query} HTTP/1.1\r\n{}\r\n\
         authorization: AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, \
         Signature={signature}\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        lines.join("\r\n"),
        root().id,
        body.len(),
    );
    exchange(port, &request).await
}

async fn exchange(port: u16, request: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    match answer.split_whitespace().nth(1).map(str::parse) {
        Some(Ok(status)) => {
            let text = answer.split_once("\r\n\r\n").map_or("", |(_, text)| text);
            Ok((status, text.to_owned()))
        }
        _ => bail!("it did not answer in HTTP: {answer:?}"),
    }
}
