//! Which notices are due: a pure function over alerts, contacts and the time.
//!
//! - A contact is told of an alert once its turn has come: after `group_wait`, and for those later
//!   in the escalation only while nobody has acknowledged it.
//! - It is told again every `repeat` until the alert is over or acknowledged, and at once when it
//!   becomes worse.
//! - Who was told of an alert is told of its end.
//! - In quiet hours, what is not bad enough waits for their end.
//! - An alert that was over before anybody was told is told all the same, once, to the first.

use std::time::Duration;

use jiff::Timestamp;
use lifeboat::config::{AlertsSection, ContactSection, Quiet};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::alert::Alert;

/// Why a notice is sent.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Something is wrong.
    New,
    /// It still is.
    Repeat,
    /// Nobody has acknowledged it.
    Escalated,
    /// It is over.
    Resolved,
    /// Somebody tries the channel.
    Test,
    /// A runbook says something.
    Message,
}

/// What one contact is told at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The contact's name.
    pub contact: String,
    /// Why.
    pub kind: Kind,
    /// The numbers of the alerts.
    pub alerts: Vec<u64>,
}

/// A message, as channels are given it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The same for every try to deliver it.
    pub id: String,
    /// Why it is sent.
    pub kind: Kind,
    /// To whom.
    pub contact: String,
    /// The instance that sends it.
    pub instance: String,
    /// When it was decided on.
    pub at: Timestamp,
    /// The alerts.
    pub alerts: Vec<Alert>,
    /// Whom to ask, and how.
    pub contacts: Vec<String>,
    /// Where the runbooks are.
    pub runbooks: Option<String>,
    /// What is said, in a notice of no alerts.
    #[serde(default)]
    pub message: Option<String>,
}

/// Who is told, and when.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Routing {
    /// The contacts, in the order of escalation.
    pub contacts: Vec<ContactSection>,
    /// After how long a notice is repeated.
    pub repeat: Duration,
    /// How long a first notice waits for others.
    pub group_wait: Duration,
    /// The quiet hours.
    pub quiet: Option<Quiet>,
}

impl From<&AlertsSection> for Routing {
    fn from(section: &AlertsSection) -> Self {
        Self {
            contacts: section.contacts.clone(),
            repeat: section.repeat,
            group_wait: section.group_wait,
            quiet: section.quiet.clone(),
        }
    }
}

impl Routing {
    /// What is due now, grouped by contact and reason.
    pub fn due(&self, alerts: &[Alert], now: Timestamp) -> Vec<Due> {
        let mut all: Vec<Due> = Vec::new();
        for contact in &self.contacts {
            for alert in alerts {
                let Some((_, kind)) = self.next(alert, contact).filter(|(at, _)| *at <= now) else {
                    continue;
                };
                let group =
                    all.iter_mut().find(|due| due.contact == contact.name && due.kind == kind);
                match group {
                    Some(due) => due.alerts.push(alert.number),
                    None => all.push(Due {
                        contact: contact.name.clone(),
                        kind,
                        alerts: vec![alert.number],
                    }),
                }
            }
        }
        all
    }

    /// When something becomes due next.
    pub fn wake(&self, alerts: &[Alert]) -> Option<Timestamp> {
        let pairs = alerts
            .iter()
            .flat_map(|alert| self.contacts.iter().map(move |contact| (alert, contact)));
        pairs.filter_map(|(alert, contact)| self.next(alert, contact)).map(|(at, _)| at).min()
    }

    /// Whether somebody must still be told of it.
    pub fn is_pending(&self, alert: &Alert) -> bool {
        self.contacts.iter().any(|contact| self.next(alert, contact).is_some())
    }

    /// When a contact is to be told of an alert next, and why.
    fn next(&self, alert: &Alert, contact: &ContactSection) -> Option<(Timestamp, Kind)> {
        if contact.channels.is_empty() {
            return None;
        }
        let first = contact.after.is_zero();
        let told = alert.told.get(&contact.name);
        let (at, kind) = match (told, alert.resolved) {
            (Some(told), Some(end)) => {
                if told.resolved || alert.handed_over {
                    return None;
                }
                (end, Kind::Resolved)
            }
            (Some(told), None) if alert.severity > told.severity => (told.at, Kind::New),
            (Some(told), None) => {
                if alert.acknowledged.is_some() {
                    return None;
                }
                (told.at + self.repeat, Kind::Repeat)
            }
            (None, end) => {
                let unwanted = alert.severity < contact.severity
                    || alert.acknowledged.is_some()
                    || (end.is_some() && !first);
                if unwanted {
                    return None;
                }
                let kind = if first { Kind::New } else { Kind::Escalated };
                (alert.since + self.group_wait.max(contact.after), kind)
            }
        };
        let allowed = self.quiet.as_ref().map(|quiet| quiet.allows_from(alert.severity, at));
        Some((allowed.unwrap_or(at), kind))
    }
}

#[cfg(test)]
mod tests;
