//! The few requests to Azurite that a store's client cannot make: containers, and signatures.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key>
//! <https://learn.microsoft.com/rest/api/storageservices/create-service-sas>

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::{SignedDuration, Timestamp};
use ring::hmac;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The version of the protocol.
const VERSION: &str = "2021-12-02";

fn sign(key: &str, text: &str) -> Result<String> {
    let key = BASE64.decode(key).context("the account key is not base64")?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    Ok(BASE64.encode(hmac::sign(&key, text.as_bytes())))
}

/// Sends a request without a body about a container; the status of the answer.
pub(super) async fn container(
    method: &str,
    port: u16,
    account: &str,
    key: &str,
    container: &str,
) -> Result<u16> {
    let date = Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT");
    // Method, then eleven headers that are all empty here; then ours; then what is asked for, with
    // the account once more as it stands in the path.
    let text = format!(
        "{method}\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:{date}\nx-ms-version:{VERSION}\n\
         /{account}/{account}/{container}\nrestype:container"
    );
    let signature = sign(key, &text)?;
    let request = format!(
        "{method} /{account}/{container}?restype=container HTTP/1.1\r\n\
         Host: 127.0.0.1:{port}\r\nx-ms-date: {date}\r\nx-ms-version: {VERSION}\r\n\
         Authorization: SharedKey {account}:{signature}\r\n\
         Content-Length: 0\r\nConnection: close\r\n\r\n"
    );
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let line = String::from_utf8_lossy(&answer);
    match line.split_whitespace().nth(1).map(str::parse) {
        Some(Ok(status)) => Ok(status),
        _ => bail!("Azurite did not answer in HTTP: {line:?}"),
    }
}

/// A signature for a container.
pub(super) fn sas(account: &str, key: &str, container: &str, rights: &str) -> Result<String> {
    let expiry = Timestamp::now() + SignedDuration::from_hours(1);
    let expiry = expiry.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    // Rights, start, expiry, resource, identifier, IP, protocol, version, kind of resource,
    // snapshot, encryption scope, five headers of the answer.
    let text = format!(
        "{rights}\n\n{expiry}\n/blob/{account}/{container}\n\n\n\n{VERSION}\nc\n\n\n\n\n\n\n"
    );
    let escape = |text: &str| text.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    Ok(format!(
        "sv={VERSION}&sr=c&sp={rights}&se={}&sig={}",
        expiry.replace(':', "%3A"),
        escape(&sign(key, &text)?)
    ))
}
