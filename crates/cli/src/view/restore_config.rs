//! What a restore of a configuration will change, and what it did.

use std::fmt::Write as _;
use std::path::Path;

use lifeboat::format::EntryKind;
use lifeboat::restore_config::{Change, ConfigPlan, ConfigRestoreReport, Planned};
use serde::Serialize;

use super::place::Place;
use super::{foreign, seconds};
use crate::output::{GREEN, RED, YELLOW, paint};
use crate::units;

/// The first line of JSON.
#[derive(Debug, Serialize)]
pub(crate) struct Plan<'a> {
    message_type: &'static str,
    backup: &'a str,
    dry_run: bool,
    entries: Vec<Row<'a>>,
    without_place: &'a [String],
    only_here: Vec<String>,
    #[serde(flatten)]
    place: Place,
}

/// An entry that is not as it is in the backup.
#[derive(Debug, Serialize)]
struct Row<'a> {
    target: String,
    #[serde(rename = "type")]
    kind: EntryKind,
    /// `added`, `changed`, `attributes` or `refused`.
    change: &'static str,
    secret: bool,
    diff: Option<&'a str>,
    reason: Option<&'a str>,
}

impl<'a> Row<'a> {
    fn new(one: &'a Planned) -> Option<Self> {
        let (change, diff, reason) = match &one.change {
            Change::Unchanged => return None,
            Change::Added => ("added", None, None),
            Change::Changed { diff } => ("changed", diff.as_deref(), None),
            Change::Attributes => ("attributes", None, None),
            Change::Refused(reason) => ("refused", None, Some(reason.as_str())),
        };
        let target = one.target.display().to_string();
        Some(Self { target, kind: one.kind, change, secret: one.secret, diff, reason })
    }
}

impl<'a> Plan<'a> {
    pub(crate) fn new(plan: &'a ConfigPlan, place: Place, dry_run: bool) -> Self {
        Self {
            message_type: "plan",
            backup: plan.manifest.name.as_str(),
            dry_run,
            entries: plan.entries.iter().filter_map(Row::new).collect(),
            without_place: &plan.without_place,
            only_here: plan.only_here.iter().map(|path| path.display().to_string()).collect(),
            place,
        }
    }
}

fn shown(path: &Path) -> String {
    foreign(&path.display().to_string())
}

/// What a person reads before: every change, and in a dry run the differences.
pub(crate) fn plan_text(plan: &ConfigPlan, dry_run: bool, colour: bool) -> String {
    let mut text = format!("{}\n", plan.manifest.name);
    let mut unchanged = 0;
    for one in &plan.entries {
        let target = shown(&one.target);
        let secret = if one.secret { " (secret)" } else { "" };
        let _ = match &one.change {
            Change::Unchanged => {
                unchanged += 1;
                Ok(())
            }
            Change::Added => {
                writeln!(text, "  {} {target}{secret}", paint(colour, GREEN, "added     "))
            }
            Change::Changed { .. } => {
                writeln!(text, "  {} {target}{secret}", paint(colour, YELLOW, "changed   "))
            }
            Change::Attributes => {
                writeln!(text, "  {} {target}", paint(colour, YELLOW, "attributes"))
            }
            Change::Refused(reason) => {
                writeln!(text, "  {} {target}: {reason}", paint(colour, RED, "refused   "))
            }
        };
        if let (Change::Changed { diff: Some(diff) }, true) = (&one.change, dry_run) {
            for line in diff.lines() {
                let _ = writeln!(text, "      {}", harmless(line));
            }
        }
    }
    for path in &plan.only_here {
        let _ = writeln!(text, "  only here  {} (stays)", shown(path));
    }
    for path in &plan.without_place {
        let _ = writeln!(text, "  left       {} (--to DIR writes it)", foreign(path));
    }
    let _ = writeln!(text, "  {} unchanged", units::count(unchanged));
    text
}

/// A line of somebody's file, such as cannot play with the terminal.
fn harmless(line: &str) -> String {
    line.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}

/// The last line of JSON.
#[derive(Debug, Serialize)]
pub(crate) struct Summary<'a> {
    message_type: &'static str,
    backup: &'a str,
    added: usize,
    changed: usize,
    unchanged: usize,
    refused: usize,
    kept: Vec<String>,
    seconds: f64,
}

fn count(plan: &ConfigPlan, which: impl Fn(&Change) -> bool) -> usize {
    plan.entries.iter().filter(|one| which(&one.change)).count()
}

fn is_changed(change: &Change) -> bool {
    matches!(change, Change::Changed { .. } | Change::Attributes)
}

impl<'a> Summary<'a> {
    pub(crate) fn new(report: &'a ConfigRestoreReport) -> Self {
        let plan = &report.plan;
        Self {
            message_type: "summary",
            backup: plan.manifest.name.as_str(),
            added: count(plan, |change| *change == Change::Added),
            changed: count(plan, is_changed),
            unchanged: count(plan, |change| *change == Change::Unchanged),
            refused: plan.refused().count(),
            kept: report.kept.iter().map(|path| path.display().to_string()).collect(),
            seconds: seconds(report.took),
        }
    }
}

/// What a person reads afterwards.
pub(crate) fn text(report: &ConfigRestoreReport) -> String {
    let Summary { added, changed, unchanged, .. } = Summary::new(report);
    let mut text = format!(
        "{} is restored: {added} added, {changed} changed, {unchanged} unchanged, in {}\n",
        report.plan.manifest.name,
        units::took(report.took)
    );
    for path in &report.kept {
        let _ = writeln!(text, "  kept  {}", shown(path));
    }
    text
}
