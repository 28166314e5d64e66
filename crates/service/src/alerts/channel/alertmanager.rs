//! API v2 of Prometheus's Alertmanager: alerts with labels, by which it knows them.

use async_trait::async_trait;
use jiff::SignedDuration;
use lifeboat::config::AlertmanagerChannel;
use serde_json::{Value, json};

use super::super::notice::Notice;
use super::super::text;
use super::{Channel, Undelivered, http, secret};

/// How long Alertmanager holds an alert whose end it is never told.
const HOLDS: SignedDuration = SignedDuration::from_hours(24 * 7);

pub(super) struct Alertmanager(pub(super) AlertmanagerChannel);

#[async_trait]
impl Channel for Alertmanager {
    async fn send(&self, notice: &Notice) -> Result<(), Undelivered> {
        let url = format!("{}/api/v2/alerts", self.0.url.trim_end_matches('/'));
        let mut headers = Vec::new();
        if let Some(token) = &self.0.token {
            headers.push(("authorization", format!("Bearer {}", secret(token).await?)));
        }
        http::post(&url, &alerts(notice), &headers).await
    }
}

/// All alerts of a notice.
fn alerts(notice: &Notice) -> Value {
    if notice.alerts.is_empty() {
        // Two messages are two alerts; two tests need not be.
        let labels = match &notice.message {
            Some(_) => {
                json!({ "alertname": "LifeboatMessage", "severity": "info", "id": notice.id })
            }
            None => json!({ "alertname": "LifeboatTest", "severity": "info" }),
        };
        return json!([{
            "labels": labels,
            "annotations": { "summary": text::subject(notice) },
            "startsAt": notice.at,
            "endsAt": notice.at + SignedDuration::from_mins(1),
        }]);
    }
    let alerts = notice.alerts.iter().map(|alert| {
        let mut annotations = serde_json::Map::new();
        annotations.insert("summary".to_owned(), alert.what.clone().into());
        annotations.insert("action".to_owned(), alert.action.clone().into());
        annotations.insert("contacts".to_owned(), notice.contacts.join(", ").into());
        annotations.insert("runbook".to_owned(), alert.runbook.clone().into());
        json!({
            // The severity may change, and the instance, too: neither makes another alert of it.
            "labels": { "alertname": "Lifeboat", "rule": alert.rule.name(), "key": alert.key },
            "annotations": annotations,
            "startsAt": alert.since,
            "endsAt": alert.resolved.unwrap_or(notice.at + HOLDS),
        })
    });
    Value::Array(alerts.collect())
}
