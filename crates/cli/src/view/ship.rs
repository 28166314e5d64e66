//! What is said while logs are shipped.

use std::time::Duration;

use lifeboat::ship::{BaseReason, Event, ShipReport};
use serde_json::{Value, json};

use super::foreign;
use crate::units;

/// A canary that came back after so many seconds is no news.
const SLOW: f64 = 10.0;

/// Something to say to a person.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// By the way.
    Note(String),
    /// With emphasis.
    Warning(String),
}

impl Line {
    /// `None` for what would only be noise: every single segment.
    pub(crate) fn new(event: &Event) -> Option<Self> {
        let text = match event {
            Event::Waiting { holder } => {
                format!("another shipper is at work: {holder}; waiting for it to end")
            }
            Event::Started { vault, home } => {
                format!("shipping the logs of {} to {vault}", home.display())
            }
            Event::Resumed { database, timeline, last_tx } => format!(
                "{}: going on in timeline {timeline} after transaction {last_tx}",
                foreign(database)
            ),
            Event::Timeline { database, timeline, reason } => format!(
                "{}: timeline {timeline} begins, because {}",
                foreign(database),
                reason.text()
            ),
            Event::BaseBegun { reason } => {
                let why = match reason {
                    BaseReason::Schedule => "the newest is old",
                    BaseReason::LongReplay => "much log has gathered since the newest",
                    _ => "a timeline has begun",
                };
                format!("taking a base: {why}")
            }
            Event::Base { name, .. } => format!("base {name} is taken"),
            Event::Packed { database, objects, packs } => format!(
                "{}: {} put together into {}",
                foreign(database),
                units::many(*objects, "small object"),
                units::many(*packs, "pack")
            ),
            Event::Shipped { database, verified: false, log_bytes, .. } => format!(
                "{}: {} shipped, in which transactions cannot be told apart",
                foreign(database),
                units::size(*log_bytes)
            ),
            Event::Canary { database, tx, seconds } if *seconds > SLOW => format!(
                "{}: transaction {tx} of the canary was shipped only {} after its answer",
                foreign(database),
                units::took(Duration::from_secs_f64(*seconds))
            ),
            Event::Trouble { message } => {
                return Some(Self::Warning(format!("{message} (it will be tried again)")));
            }
            Event::Recovered => "it works again".to_owned(),
            Event::Replaced { database, timeline, sequence } => format!(
                "{}: segment {sequence} of timeline {timeline} has been shipped again from the \
                 server's log, in the place of the damaged one",
                foreign(database)
            ),
            Event::Stopped { complete: true } => {
                "stopped; all that was in the logs is shipped".to_owned()
            }
            Event::Stopped { complete: false } => {
                "stopped; what is in the logs and not shipped comes with the next `lifeboat ship`"
                    .to_owned()
            }
            _ => return None,
        };
        Some(Self::Note(text))
    }
}

/// The last line, for a program.
pub(crate) fn done(report: &ShipReport) -> Value {
    json!({
        "message_type": "done",
        "segments": report.segments,
        "transactions": report.transactions,
        "log_bytes": report.log_bytes,
        "stored_bytes": report.stored_bytes,
    })
}

/// The last words, for a person.
pub(crate) fn text(report: &ShipReport) -> String {
    format!(
        "shipped {} in {}: {} of log, {} stored\n",
        units::many(report.transactions, "transaction"),
        units::many(report.segments, "segment"),
        units::size(report.log_bytes),
        units::size(report.stored_bytes)
    )
}

#[cfg(test)]
mod tests {
    use lifeboat::ship::Reason;

    use super::*;

    #[test]
    fn says_what_matters_and_no_more() {
        let events = [
            Event::Started { vault: "/v".into(), home: "/var/lib/neo4j".into() },
            Event::Timeline {
                database: "neo4j".into(),
                timeline: "20261125-020000-0123abcd".into(),
                reason: Reason::Diverged,
            },
            Event::Trouble { message: "cannot create x in /v: full".into() },
            Event::Recovered,
            Event::Replaced { database: "neo4j".into(), timeline: "000001".into(), sequence: 7 },
            Event::Stopped { complete: true },
            Event::Stopped { complete: false },
        ];
        let lines: Vec<_> = events.iter().map(Line::new).collect();
        insta::assert_debug_snapshot!(lines);
        let shipped = Event::Shipped {
            database: "neo4j".into(),
            timeline: "t".into(),
            sequence: 3,
            transactions: 2,
            last_tx: 9,
            last_committed: None,
            log_bytes: 100,
            stored_bytes: 90,
            verified: true,
        };
        assert_eq!(Line::new(&shipped), None);
        insta::assert_json_snapshot!(shipped);
        let report =
            ShipReport { segments: 1, transactions: 2, log_bytes: 3000, stored_bytes: 1000 };
        insta::assert_snapshot!(text(&report));
    }
}
