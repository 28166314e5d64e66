//! Events API v2 of PagerDuty: one event for each alert, with a key by which it knows the alert.

use async_trait::async_trait;
use lifeboat::config::PagerDutyChannel;
use serde_json::{Value, json};

use super::super::alert::Alert;
use super::super::notice::Notice;
use super::super::text;
use super::{Channel, Undelivered, http, secret};

/// Where the API is.
const URL: &str = "https://events.pagerduty.com/v2/enqueue";

/// The most characters of a summary.
const SUMMARY: usize = 1024;

pub(super) struct PagerDuty(pub(super) PagerDutyChannel);

#[async_trait]
impl Channel for PagerDuty {
    async fn send(&self, notice: &Notice) -> Result<(), Undelivered> {
        let key = secret(&self.0.key).await?;
        let url = self.0.url.as_deref().unwrap_or(URL);
        for alert in &notice.alerts {
            http::post(url, &event(&key, notice, alert), &[]).await?;
        }
        if notice.alerts.is_empty() {
            // Nobody must be called for what needs no act: it is over as soon as it is there.
            for action in ["trigger", "resolve"] {
                http::post(url, &news(&key, notice, action), &[]).await?;
            }
        }
        Ok(())
    }
}

/// The event of an alert.
fn event(key: &str, notice: &Notice, alert: &Alert) -> Value {
    let action = if alert.is_open() { "trigger" } else { "resolve" };
    let mut details = serde_json::Map::new();
    for (name, value) in text::facts(alert, notice.runbooks.as_deref()) {
        details.insert(name.to_owned(), value.into());
    }
    details.insert("Contacts".to_owned(), notice.contacts.clone().into());
    json!({
        "routing_key": key,
        "event_action": action,
        // The same for all instances: who takes over tells of the same thing.
        "dedup_key": format!("lifeboat/{}", alert.key),
        "client": "Lifeboat",
        "payload": {
            "summary": text::cut(&alert.what, SUMMARY),
            "source": notice.instance,
            "severity": alert.severity.name(),
            "timestamp": alert.since.to_string(),
            "component": "lifeboat",
            "class": alert.rule.name(),
            "custom_details": details,
        },
    })
}

/// The event of a test or a message.
fn news(key: &str, notice: &Notice, action: &str) -> Value {
    let what = if notice.message.is_some() { "message" } else { "test" };
    json!({
        "routing_key": key,
        "event_action": action,
        "dedup_key": format!("lifeboat/{what}/{}", notice.id),
        "client": "Lifeboat",
        "payload": {
            "summary": text::cut(&text::subject(notice), SUMMARY),
            "source": notice.instance,
            "severity": "info",
        },
    })
}
