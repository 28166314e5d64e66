//! A notice in words: a subject, and lines that tell what is wrong, since when, what to do and whom
//! to ask.

use std::fmt::Write as _;

use lifeboat::config::Severity;

use super::alert::Alert;
use super::notice::{Kind, Notice};

/// How bad the worst of it is.
pub(super) fn severity(notice: &Notice) -> Severity {
    notice.alerts.iter().map(|alert| alert.severity).max().unwrap_or_default()
}

/// The subject, on one line.
pub(super) fn subject(notice: &Notice) -> String {
    let what = match notice.alerts.as_slice() {
        [] => notice.message.clone().unwrap_or_else(|| "this is a test".to_owned()),
        [alert] => alert.what.clone(),
        all => format!("{} alerts: {}", all.len(), keys(all)),
    };
    let what = what.replace(['\n', '\r'], " ");
    format!("[lifeboat {}] {}{what}", notice.instance, label(notice))
}

/// The words before what happened.
fn label(notice: &Notice) -> String {
    match notice.kind {
        Kind::Test => "TEST: ".to_owned(),
        Kind::Message => String::new(),
        Kind::Resolved => "resolved: ".to_owned(),
        Kind::New => format!("{}: ", severity(notice).name().to_uppercase()),
        Kind::Repeat => format!("still {}: ", severity(notice).name().to_uppercase()),
        Kind::Escalated => format!("escalated {}: ", severity(notice).name().to_uppercase()),
    }
}

fn keys(alerts: &[Alert]) -> String {
    alerts.iter().map(|alert| alert.key.as_str()).collect::<Vec<_>>().join(", ")
}

/// What one alert says, line by line: names and values.
pub(super) fn facts(alert: &Alert, runbooks: Option<&str>) -> Vec<(&'static str, String)> {
    let mut facts =
        vec![("Severity", alert.severity.name().to_owned()), ("Since", alert.since.to_string())];
    if let Some(end) = alert.resolved {
        facts.push(("Until", end.to_string()));
    }
    if let Some(by) = &alert.acknowledged {
        facts.push(("Acknowledged", format!("by {}, {}", by.by, by.at)));
    }
    if alert.is_open() {
        facts.push(("What to do", alert.action.clone()));
    }
    let runbook = match runbooks {
        Some(base) => format!("{}{}", base, alert.runbook),
        None => alert.runbook.clone(),
    };
    facts.push(("Runbook", runbook));
    if alert.is_open() {
        facts.push(("Acknowledge", format!("lifeboat alerts ack {}", alert.number)));
    }
    facts
}

/// All of it, as plain text.
pub(super) fn body(notice: &Notice) -> String {
    let mut text = String::new();
    if let Some(message) = &notice.message {
        let _ = writeln!(text, "{message}\n");
    } else if notice.alerts.is_empty() {
        text.push_str("This is a test of the channel: nothing is wrong.\n");
    }
    for alert in &notice.alerts {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}", alert.what);
        for (name, value) in facts(alert, notice.runbooks.as_deref()) {
            let _ = writeln!(text, "  {name}: {value}");
        }
        text.push('\n');
    }
    if !notice.contacts.is_empty() {
        let _ = writeln!(text, "Contacts");
        for contact in &notice.contacts {
            let _ = writeln!(text, "  {contact}");
        }
    }
    let _ = writeln!(text, "\nSent to {} by {} at {}.", notice.contact, notice.instance, notice.at);
    text
}

/// At most so many characters.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}
