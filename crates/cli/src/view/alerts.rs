//! Alerts, as people read them.

use std::fmt::Write as _;

use jiff::Timestamp;
use lifeboat_service::alerts::Tested;
use lifeboat_service::alerts::alert::Alert;

use crate::units;

/// Alerts, newest first.
pub(crate) struct List<'a>(pub(crate) &'a [Alert]);

impl List<'_> {
    /// What a person reads.
    pub(crate) fn text(&self, now: Timestamp) -> String {
        if self.0.is_empty() {
            return "nothing is wrong\n".to_owned();
        }
        let mut text = String::new();
        for alert in self.0 {
            let ago = |at| units::age(now.duration_since(at));
            let state = match (alert.resolved, &alert.acknowledged) {
                (Some(end), _) => format!("over since {} ago", ago(end)),
                (None, Some(by)) => format!("acknowledged by {} {} ago", by.by, ago(by.at)),
                (None, None) => "open".to_owned(),
            };
            let Alert { number, severity, key, what, action, runbook, .. } = alert;
            let since = ago(alert.since);
            let what = what.replace('\n', " ");
            // Writing to a string does not fail.
            let _ = writeln!(text, "{number}  {severity:<8}  {key}, since {since}, {state}");
            let _ = writeln!(text, "    {what}");
            if alert.is_open() {
                let _ = writeln!(text, "    to do: {action}");
                let _ = writeln!(text, "    runbook: {runbook}");
            }
        }
        text
    }
}

/// How tests of channels went.
pub(crate) fn outcomes(tested: &[Tested]) -> String {
    let width = tested.iter().map(|tested| tested.channel.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for Tested { channel, error } in tested {
        let how = error.as_deref().unwrap_or("has arrived");
        let _ = writeln!(text, "{channel:<width$}  {how}");
    }
    text
}

#[cfg(test)]
mod tests {
    use lifeboat::config::Severity;
    use lifeboat_service::alerts::alert::{Acknowledged, Condition};
    use lifeboat_service::alerts::rule::Rule;

    use super::*;

    fn at(text: &str) -> Timestamp {
        format!("2026-11-25T{text}:00Z").parse().unwrap()
    }

    fn alert(number: u64, rule: Rule, subject: &str, severity: Severity, what: &str) -> Alert {
        let (subject, what) = (subject.to_owned(), what.to_owned());
        Alert::new(number, Condition { rule, subject, severity, what }, at("02:00"))
    }

    #[test]
    fn alerts_are_a_list() {
        let rpo = "the newest good backup is 27 h old; the RPO is 24 h";
        let job = "verify-3 of 2026-11-22T04:00:00Z failed: the backup is damaged:\nno archive";
        let alerts = [
            Alert {
                acknowledged: Some(Acknowledged { by: "token ann".to_owned(), at: at("05:00") }),
                ..alert(12, Rule::Rpo, "", Severity::Critical, rpo)
            },
            alert(11, Rule::Job, "verify", Severity::Critical, job),
            Alert {
                resolved: Some(at("03:00")),
                ..alert(
                    9,
                    Rule::Disk,
                    "/vault",
                    Severity::Warning,
                    "/vault has 9 MiB free of 99 MiB",
                )
            },
        ];
        insta::assert_snapshot!(List(&alerts).text(at("09:00")));
        assert_eq!(List(&[]).text(at("09:00")), "nothing is wrong\n");
    }

    #[test]
    fn tests_of_channels_are_lines() {
        let tested = |channel: &str, error: Option<&str>| Tested {
            channel: channel.to_owned(),
            error: error.map(ToOwned::to_owned),
        };
        let all = [tested("mail", Some("Connection refused")), tested("slack-ops", None)];
        let lines = "mail       Connection refused\nslack-ops  has arrived\n";
        assert_eq!(outcomes(&all), lines);
    }
}
