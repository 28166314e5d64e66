//! An alert: something is not as it should be, from when it was noticed until it is mended.

use std::collections::BTreeMap;

use jiff::Timestamp;
use lifeboat::config::Severity;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::rule::Rule;

/// What a rule has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The rule.
    pub rule: Rule,
    /// What it is about: a job, a disk; empty when there is only one.
    pub subject: String,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in a sentence.
    pub what: String,
}

impl Condition {
    /// The same thing has the same key, whenever and wherever it is found.
    pub fn key(&self) -> String {
        key(self.rule, &self.subject)
    }
}

/// The key of a rule's alert on a subject.
pub fn key(rule: Rule, subject: &str) -> String {
    if subject.is_empty() { rule.name().to_owned() } else { format!("{}/{subject}", rule.name()) }
}

/// An alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Alert {
    /// Its number: each alert of an instance has its own.
    pub number: u64,
    /// The rule, and what it is about: no two open alerts have the same.
    pub key: String,
    /// The rule.
    #[schema(value_type = String)]
    pub rule: Rule,
    /// How bad it is.
    #[schema(value_type = String)]
    pub severity: Severity,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub action: String,
    /// The name of the runbook that tells more.
    pub runbook: String,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// Until when.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub resolved: Option<Timestamp>,
    /// Who takes care of it.
    pub acknowledged: Option<Acknowledged>,
    /// It ended here because another instance watches now.
    #[serde(default)]
    pub handed_over: bool,
    /// Which contacts have been told.
    #[serde(default)]
    pub told: BTreeMap<String, Told>,
}

/// Somebody takes care of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Acknowledged {
    /// Who.
    pub by: String,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

/// What a contact has been told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Told {
    /// When last.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// How often.
    pub times: u32,
    /// How bad it was then.
    #[schema(value_type = String)]
    pub severity: Severity,
    /// They know that it is over.
    pub resolved: bool,
}

impl Alert {
    /// A new one.
    pub fn new(number: u64, condition: Condition, now: Timestamp) -> Self {
        Self {
            number,
            key: condition.key(),
            rule: condition.rule,
            severity: condition.severity,
            what: condition.what,
            action: condition.rule.action().to_owned(),
            runbook: condition.rule.runbook().to_owned(),
            since: now,
            resolved: None,
            acknowledged: None,
            handed_over: false,
            told: BTreeMap::new(),
        }
    }

    /// Whether it is not over.
    pub fn is_open(&self) -> bool {
        self.resolved.is_none()
    }
}
