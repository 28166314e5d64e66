//! An incoming webhook of Slack: blocks, whose lengths Slack limits.

use std::fmt::Write as _;

use async_trait::async_trait;
use lifeboat::config::HookChannel;
use serde_json::{Value, json};

use super::super::notice::Notice;
use super::super::text;
use super::{Channel, Undelivered, http, secret};

/// The most characters of a header block.
const HEADER: usize = 150;

/// The most characters of a section.
const SECTION: usize = 3000;

/// The most alerts of a message, which may have 50 blocks.
const ALERTS: usize = 40;

pub(super) struct Slack(pub(super) HookChannel);

#[async_trait]
impl Channel for Slack {
    async fn send(&self, notice: &Notice) -> Result<(), Undelivered> {
        http::post(&secret(&self.0.url).await?, &message(notice), &[]).await
    }
}

/// The message.
fn message(notice: &Notice) -> Value {
    let subject = text::subject(notice);
    let header = json!({ "type": "plain_text", "text": text::cut(&subject, HEADER) });
    let mut blocks = vec![json!({ "type": "header", "text": header })];
    if let Some(message) = &notice.message {
        let words = json!({ "type": "plain_text", "text": text::cut(message, SECTION) });
        blocks.push(json!({ "type": "section", "text": words }));
    }
    for alert in notice.alerts.iter().take(ALERTS) {
        let mut words = format!("*{}*", escape(&alert.what));
        // Writing to a string does not fail.
        for (name, value) in text::facts(alert, notice.runbooks.as_deref()) {
            let _ = write!(words, "\n{name}: {}", escape(&value));
        }
        let words = json!({ "type": "mrkdwn", "text": text::cut(&words, SECTION) });
        blocks.push(json!({ "type": "section", "text": words }));
    }
    let mut foot = format!("to {}", notice.contact);
    for contact in &notice.contacts {
        let _ = write!(foot, " · {contact}");
    }
    let foot = json!({ "type": "plain_text", "text": text::cut(&foot, SECTION) });
    blocks.push(json!({ "type": "context", "elements": [foot] }));
    json!({ "text": subject, "blocks": blocks })
}

/// The three characters that mean something to Slack.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
