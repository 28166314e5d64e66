//! When the damage began, as people read it.

use std::fmt::Write as _;

use lifeboat_runbook::diagnose::{Diagnosis, Verdict};
use serde::Serialize;

use super::foreign;

/// The last line, for programs.
#[derive(Debug, Serialize)]
pub(crate) struct Summary<'a> {
    message_type: &'static str,
    #[serde(flatten)]
    diagnosis: &'a Diagnosis,
}

pub(crate) fn summary(diagnosis: &Diagnosis) -> Summary<'_> {
    Summary { message_type: "summary", diagnosis }
}

/// One recovery point.
pub(crate) fn verdict_text(verdict: &Verdict) -> String {
    let what = match &verdict.why {
        None => "good".to_owned(),
        Some(why) => format!("BAD: {}", foreign(why)),
    };
    format!("{}  {:.0}  {what}\n", verdict.backup, verdict.created)
}

/// What was found, and what to do.
pub(crate) fn text(diagnosis: &Diagnosis) -> String {
    let mut text = format!(
        "\n{} of {} recovery points were restored and checked\n",
        diagnosis.tried.len(),
        diagnosis.points
    );
    let _ = match (&diagnosis.last_good, &diagnosis.first_bad) {
        (Some(good), None) => writeln!(
            text,
            "the newest, {}, is good: no damage is found that the invariants tell of",
            good.backup
        ),
        (Some(good), Some(bad)) => writeln!(
            text,
            "the damage began between {} and {}\nthe last good one is {}; restore it with\n  \
             lifeboat runbook run corruption --input until={}",
            good.created, bad.created, good.backup, good.finished
        ),
        (None, Some(bad)) => writeln!(
            text,
            "all are bad, back to {} of {}; look in the other vault, or further back",
            bad.backup, bad.created
        ),
        (None, None) => writeln!(text, "nothing was found"),
    };
    text
}
