//! The formats that receivers publish, as types that take nothing else, and their limits.
//!
//! - PagerDuty: Events API v2, "Send an Event" (`POST /v2/enqueue`).
//! - Alertmanager: `postableAlerts` of its `api/v2/openapi.yaml`.
//! - Slack: Block Kit's `header`, `section` and `context` in the message of an incoming webhook.
//! - Teams: the message of a workflow's webhook with an adaptive card, schema 1.4.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::receiver::Got;

pub(crate) fn read<T: DeserializeOwned>(got: &Got) -> T {
    assert_eq!(got.headers["content-type"], "application/json");
    serde_json::from_str(&got.body).unwrap_or_else(|error| panic!("{error}: {}", got.body))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PagerDuty {
    pub(crate) routing_key: String,
    pub(crate) event_action: Action,
    pub(crate) dedup_key: String,
    #[serde(rename = "client")]
    _client: Option<String>,
    pub(crate) payload: Payload,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Action {
    Trigger,
    Acknowledge,
    Resolve,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Payload {
    pub(crate) summary: String,
    pub(crate) source: String,
    pub(crate) severity: PagerDutySeverity,
    #[serde(rename = "timestamp")]
    _timestamp: Option<Timestamp>,
    #[serde(rename = "component")]
    _component: Option<String>,
    #[serde(rename = "group")]
    _group: Option<String>,
    #[serde(rename = "class")]
    _class: Option<String>,
    pub(crate) custom_details: Option<serde_json::Map<String, Value>>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PagerDutySeverity {
    Critical,
    Error,
    Warning,
    Info,
}

impl PagerDuty {
    pub(crate) fn check(self) -> Self {
        assert!(self.dedup_key.len() <= 255, "{self:?}");
        let summary = self.payload.summary.chars().count();
        assert!((1..=1024).contains(&summary) && !self.payload.source.is_empty(), "{self:?}");
        self
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct PostableAlert {
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) starts_at: Option<Timestamp>,
    pub(crate) ends_at: Option<Timestamp>,
    #[serde(rename = "generatorURL")]
    _generator: Option<String>,
}

impl PostableAlert {
    pub(crate) fn check(&self) {
        // Alertmanager refuses labels of other names, and an alert without any.
        let plain = |name: &String| {
            !name.starts_with(|c: char| c.is_ascii_digit())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        assert!(self.labels.contains_key("alertname"), "{self:?}");
        assert!(self.labels.keys().chain(self.annotations.keys()).all(plain), "{self:?}");
        assert!(self.starts_at < self.ends_at, "{self:?}");
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Slack {
    pub(crate) text: String,
    pub(crate) blocks: Vec<Block>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Block {
    Header { text: Text },
    Section { text: Text },
    Context { elements: Vec<Text> },
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Text {
    PlainText { text: String },
    Mrkdwn { text: String },
}

impl Slack {
    pub(crate) fn check(&self) {
        assert!((1..=50).contains(&self.blocks.len()) && !self.text.is_empty(), "{self:?}");
        let fits = |text: &Text, most: usize| {
            let (Text::PlainText { text } | Text::Mrkdwn { text }) = text;
            (1..=most).contains(&text.chars().count())
        };
        for block in &self.blocks {
            let good = match block {
                Block::Header { text } => matches!(text, Text::PlainText { .. }) && fits(text, 150),
                Block::Section { text } => fits(text, 3000),
                Block::Context { elements } => {
                    (1..=10).contains(&elements.len()) && elements.iter().all(|e| fits(e, 3000))
                }
            };
            assert!(good, "{block:?}");
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Teams {
    #[serde(rename = "type")]
    kind: String,
    pub(crate) attachments: Vec<Attachment>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Attachment {
    content_type: String,
    content_url: Option<String>,
    pub(crate) content: Card,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Card {
    #[serde(rename = "$schema")]
    _schema: String,
    #[serde(rename = "type")]
    kind: String,
    version: String,
    pub(crate) body: Vec<Element>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", deny_unknown_fields)]
pub(crate) enum Element {
    #[expect(dead_code, reason = "of most, only that they have the right form is checked")]
    #[serde(rename_all = "camelCase")]
    TextBlock {
        text: String,
        weight: Option<Weight>,
        size: Option<Size>,
        color: Option<Color>,
        wrap: Option<bool>,
        separator: Option<bool>,
        is_subtle: Option<bool>,
    },
    FactSet {
        facts: Vec<Fact>,
    },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fact {
    title: String,
    value: String,
}

#[derive(Debug, Deserialize)]
pub(crate) enum Weight {
    Default,
    Lighter,
    Bolder,
}

#[derive(Debug, Deserialize)]
pub(crate) enum Size {
    Default,
    Small,
    Medium,
    Large,
    ExtraLarge,
}

#[derive(Debug, Deserialize)]
pub(crate) enum Color {
    Default,
    Dark,
    Light,
    Accent,
    Good,
    Warning,
    Attention,
}

impl Teams {
    pub(crate) fn check(&self) {
        assert_eq!(self.kind, "message");
        let [Attachment { content_type, content_url: None, content }] = &*self.attachments else {
            panic!("{self:?}")
        };
        assert_eq!(content_type, "application/vnd.microsoft.card.adaptive");
        assert_eq!((&*content.kind, &*content.version), ("AdaptiveCard", "1.4"));
        for element in &content.body {
            let good = match element {
                Element::TextBlock { text, wrap, .. } => !text.is_empty() && *wrap == Some(true),
                Element::FactSet { facts } => {
                    !facts.is_empty()
                        && facts.iter().all(|fact| !fact.title.is_empty() && !fact.value.is_empty())
                }
            };
            assert!(good, "{element:?}");
        }
    }
}
