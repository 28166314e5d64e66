//! A workflow of Microsoft Teams ("when a webhook request is received"): an adaptive card.

use async_trait::async_trait;
use lifeboat::config::{HookChannel, Severity};
use serde_json::{Value, json};

use super::super::notice::{Kind, Notice};
use super::super::text;
use super::{Channel, Undelivered, http, secret};

/// The most alerts of a card: a message has at most 28 KB.
const ALERTS: usize = 20;

/// The most characters of a text.
const TEXT: usize = 600;

pub(super) struct Teams(pub(super) HookChannel);

#[async_trait]
impl Channel for Teams {
    async fn send(&self, notice: &Notice) -> Result<(), Undelivered> {
        http::post(&secret(&self.0.url).await?, &message(notice), &[]).await
    }
}

/// The message.
fn message(notice: &Notice) -> Value {
    let color = match (notice.kind, text::severity(notice)) {
        (Kind::Resolved | Kind::Test, _) => "Good",
        (Kind::Message, _) | (_, Severity::Info) => "Accent",
        (_, Severity::Critical) => "Attention",
        (_, Severity::Warning) => "Warning",
    };
    let mut body = vec![json!({
        "type": "TextBlock",
        "text": text::cut(&text::subject(notice), TEXT),
        "weight": "Bolder",
        "size": "Medium",
        "color": color,
        "wrap": true,
    })];
    for alert in notice.alerts.iter().take(ALERTS) {
        let what = text::cut(&alert.what, TEXT);
        body.push(json!({ "type": "TextBlock", "text": what, "wrap": true, "separator": true }));
        let facts: Vec<_> = text::facts(alert, notice.runbooks.as_deref())
            .into_iter()
            .map(|(name, value)| json!({ "title": name, "value": text::cut(&value, TEXT) }))
            .collect();
        body.push(json!({ "type": "FactSet", "facts": facts }));
    }
    for contact in &notice.contacts {
        body.push(json!({ "type": "TextBlock", "text": contact, "wrap": true, "isSubtle": true }));
    }
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "body": body,
            },
        }],
    })
}
