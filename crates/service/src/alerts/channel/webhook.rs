//! Any receiver of JSON. Who has the secret can tell that a notice is ours and new:
//! `Lifeboat-Signature: t=SECONDS,v1=HEX`, an HMAC-SHA256 of `SECONDS.BODY`.

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use lifeboat::config::WebhookChannel;
use ring::hmac;
use serde_json::json;

use super::super::notice::Notice;
use super::super::text;
use super::{Channel, Undelivered, http, secret};

pub(super) struct Webhook(pub(super) WebhookChannel);

#[async_trait]
impl Channel for Webhook {
    async fn send(&self, notice: &Notice) -> Result<(), Undelivered> {
        let secret = secret(&self.0.secret).await?;
        let body = body(notice);
        let headers = [
            ("lifeboat-signature", signature(&secret, Timestamp::now().as_second(), &body)),
            ("lifeboat-delivery", notice.id.clone()),
        ];
        http::post_bytes(&self.0.url, Bytes::from(body), &headers).await
    }
}

/// The notice with its words.
fn body(notice: &Notice) -> String {
    json!({
        "version": 1,
        "id": notice.id,
        "kind": notice.kind,
        "contact": notice.contact,
        "instance": notice.instance,
        "at": notice.at,
        "severity": text::severity(notice),
        "subject": text::subject(notice),
        "message": notice.message,
        "alerts": notice.alerts,
        "contacts": notice.contacts,
    })
    .to_string()
}

/// What the header says.
fn signature(secret: &str, seconds: i64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, format!("{seconds}.{body}").as_bytes());
    format!("t={seconds},v1={}", hex::encode(tag))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_signature_is_the_standard_one() {
        // printf '1764000000.{"a":1}' | openssl dgst -sha256 -hmac 'a secret'
        let expected =
            "t=1764000000,v1=7ca5ad61ed736aaf2c033597afa618b059978c886e32785b39bcf6ae04e9dd56";
        assert_eq!(super::signature("a secret", 1_764_000_000, "{\"a\":1}"), expected);
    }
}
