//! All alerts that are not done with, and how they change. Nothing here waits or stores.

use jiff::Timestamp;

use super::alert::{Acknowledged, Alert, Condition, key};
use super::notice::{Due, Routing};
use super::rule::Rule;

/// The alerts, in the order of their numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Book {
    /// Those that are open, or whose end has not been told.
    pub alerts: Vec<Alert>,
    /// The next one has this number.
    pub next: u64,
}

/// What has been found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// Something is wrong.
    Raise(Condition),
    /// It is not, or not any more.
    Clear(Rule, String),
}

impl Book {
    /// Takes a finding down.
    pub fn note(&mut self, finding: Finding, now: Timestamp) {
        match finding {
            Finding::Raise(condition) => self.raise(condition, now),
            Finding::Clear(rule, subject) => self.clear(&key(rule, &subject), now),
        }
    }

    /// Takes down all that a look has found: of the rules that it covers, what it did not find is
    /// over.
    pub fn look(&mut self, covered: &[Rule], found: Vec<Condition>, now: Timestamp) {
        let keys: Vec<String> = found.iter().map(Condition::key).collect();
        for alert in &mut self.alerts {
            if alert.is_open() && covered.contains(&alert.rule) && !keys.contains(&alert.key) {
                alert.resolved = Some(now);
            }
        }
        for condition in found {
            self.raise(condition, now);
        }
    }

    /// Another instance leads: what only a leader can tell is its business now.
    pub fn hand_over(&mut self, now: Timestamp) {
        for alert in &mut self.alerts {
            if alert.is_open() && alert.rule.is_leaders() {
                alert.resolved = Some(now);
                alert.handed_over = true;
            }
        }
    }

    /// Somebody takes care of an open alert. Answers with it, or with nothing if there is none.
    pub fn acknowledge(&mut self, number: u64, by: &str, now: Timestamp) -> Option<Alert> {
        let alert =
            self.alerts.iter_mut().find(|alert| alert.number == number && alert.is_open())?;
        alert.acknowledged.get_or_insert_with(|| Acknowledged { by: by.to_owned(), at: now });
        Some(alert.clone())
    }

    /// Those that are open.
    pub fn open(&self) -> impl Iterator<Item = &Alert> {
        self.alerts.iter().filter(|alert| alert.is_open())
    }

    /// Marks what is told now, and answers with the alerts as they are told.
    pub fn tell(&mut self, due: &Due, now: Timestamp) -> Vec<Alert> {
        let mut told = Vec::new();
        for alert in self.alerts.iter_mut().filter(|alert| due.alerts.contains(&alert.number)) {
            alert.note_told(&due.contact, now);
            told.push(alert.clone());
        }
        told
    }

    /// Drops what is over and has been told to all who must know.
    pub fn forget(&mut self, routing: &Routing) {
        self.alerts.retain(|alert| alert.is_open() || routing.is_pending(alert));
    }

    fn raise(&mut self, condition: Condition, now: Timestamp) {
        let key = condition.key();
        let known = self.alerts.iter_mut().find(|alert| alert.is_open() && alert.key == key);
        if let Some(alert) = known {
            alert.what = condition.what;
            // Nobody has taken care of what has become worse.
            if condition.severity > alert.severity {
                alert.acknowledged = None;
            }
            alert.severity = condition.severity;
        } else {
            self.alerts.push(Alert::new(self.next, condition, now));
            self.next += 1;
        }
    }

    fn clear(&mut self, key: &str, now: Timestamp) {
        for alert in self.alerts.iter_mut().filter(|alert| alert.is_open() && alert.key == key) {
            alert.resolved = Some(now);
        }
    }
}

impl Alert {
    fn note_told(&mut self, contact: &str, now: Timestamp) {
        let times = self.told.get(contact).map_or(0, |told| told.times);
        let told = super::alert::Told {
            at: now,
            times: times + 1,
            severity: self.severity,
            resolved: !self.is_open(),
        };
        self.told.insert(contact.to_owned(), told);
    }
}
