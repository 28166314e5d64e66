//! Reports: of one run, and of all drills together. As Markdown, as a page that needs nothing else,
//! and as JSON; signed, and kept beside the journal of the run in every vault.

mod kept;
mod page;
mod timeline;

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::issues::{self, Issue};
use crate::journal::who;
use crate::measure::Measured;
use crate::run::{read, runs};
use crate::world::World;

pub use kept::Kept;
pub(crate) use page::page;

/// The report of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// When it was made.
    pub made: Timestamp,
    /// By whom.
    pub by: String,
    /// What was measured.
    pub measured: Measured,
    /// The objectives that are missed, in words.
    pub missed: Vec<String>,
    /// What is to be mended, and was found by this run.
    pub issues: Vec<Issue>,
    /// Who was to be called, in this order.
    pub contacts: Vec<Contact>,
}

/// Somebody to be called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// Who, as in `primary`.
    pub name: String,
    /// How they are reached.
    pub reach: String,
}

/// The three forms of the report beside a run's journal; the first is for programs.
const NAMES: [&str; 3] = ["report.json", "report.md", "report.html"];

impl Report {
    /// The report of a run as it is now.
    ///
    /// # Errors
    /// When there is no such run.
    pub async fn of(world: &World, run: &str) -> Result<Self> {
        let state = read(world, run).await?;
        let measured = Measured::of(world, &state)?;
        Ok(Self {
            made: Timestamp::now(),
            by: who(),
            missed: measured.missed(),
            issues: issues_of(world, run).await?,
            contacts: contacts(world),
            measured,
        })
    }

    /// For programs.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// For people.
    pub fn markdown(&self) -> String {
        let one = &self.measured;
        let mut text = String::new();
        let what = if one.drill.is_some() { "Drill" } else { "Recovery" };
        let _ = writeln!(text, "# {what}: {}\n", one.title);
        let _ = writeln!(text, "| | |\n|---|---|");
        let mut row = |name: &str, value: String| {
            let _ = writeln!(text, "| {name} | {} |", plain(&value));
        };
        row("Run", one.run.clone());
        row("Runbook", one.runbook.clone());
        if let Some(drill) = &one.drill {
            row("Drill", drill.clone());
        }
        row("Declared", one.declared.to_string());
        row("Disaster", one.disaster.to_string());
        row("Ended", one.outcome.map_or_else(|| "not yet".to_owned(), |how| how.to_string()));
        row("Restored from", one.backup.clone().unwrap_or_else(|| "nothing".to_owned()));
        row(
            "Nothing lost until",
            one.reaches.map_or_else(|| "unknown".to_owned(), |moment| moment.to_string()),
        );
        let _ = writeln!(text, "\n## Objectives\n");
        let _ = writeln!(text, "| | Objective | Measured | |\n|---|---|---|---|");
        let _ = writeln!(
            text,
            "| RTO: declared until verified and healthy | {} | {} | {} |",
            time(one.rto_objective_ms),
            time(one.rto_ms),
            met(one.rto_ms, one.rto_objective_ms, true)
        );
        let how = if one.rpo_exact { "to the last write" } else { "at most, to the disaster" };
        let _ = writeln!(
            text,
            "| RPO: recovered point {how} | {} | {} | {} |",
            time(one.rpo_objective_ms),
            time(one.rpo_ms),
            met(one.rpo_ms, one.rpo_objective_ms, false)
        );
        if let Some(predicted) = one.predicted_ms {
            let error = one.prediction_error().map(|error| format!("{:+.0} %", error * 100.0));
            let _ = writeln!(
                text,
                "\nPredicted: {}; off by {}.",
                time(Some(predicted)),
                error.unwrap_or_else(|| "an unknown amount".to_owned())
            );
        }
        self.steps(&mut text);
        let _ = writeln!(text, "\n## To be mended\n");
        if self.issues.is_empty() && self.missed.is_empty() {
            let _ = writeln!(text, "Nothing.");
        }
        if self.issues.is_empty() {
            for missed in &self.missed {
                let _ = writeln!(text, "- {}", plain(missed));
            }
        }
        for issue in &self.issues {
            let state = match &issue.closed {
                None => "open".to_owned(),
                Some(closed) => format!("closed {} by {}", closed.at, plain(&closed.by)),
            };
            let _ = writeln!(
                text,
                "- `{}` {} ({}, {state})",
                issue.id,
                plain(&issue.text),
                plain(&issue.owner)
            );
        }
        let _ = writeln!(text, "\n## Who was to be called\n");
        text.push_str(&contact_list(&self.contacts));
        let _ = writeln!(text, "\nMade {} by {}.", self.made, plain(&self.by));
        text
    }

    fn steps(&self, text: &mut String) {
        let _ = writeln!(text, "\n## Steps\n");
        let _ = writeln!(text, "| Step | Began | Took | |\n|---|---|---|---|");
        for step in &self.measured.steps {
            let took = step.ended_ms.map(|ended| ended.saturating_sub(step.began_ms));
            let how = match (&step.error, step.done) {
                (Some(error), _) => format!("failed: {error}"),
                (None, true) if step.attempts > 1 => format!("done, {} attempts", step.attempts),
                (None, true) => "done".to_owned(),
                (None, false) => "not ended".to_owned(),
            };
            let _ = writeln!(
                text,
                "| {}: {} | {} | {} | {} |",
                step.id,
                plain(&step.title),
                time(Some(step.began_ms)),
                time(took),
                plain(&how)
            );
        }
    }

    /// As a page that needs nothing else.
    pub fn html(&self) -> String {
        page(&self.measured.title, &self.markdown(), Some(&timeline::svg(&self.measured)))
    }

    /// Keeps the report beside the run's journal, here and in every vault that answers, each form
    /// with a signature of minisign when the settings have a key for that.
    ///
    /// # Errors
    /// When it can be written nowhere, or cannot be signed.
    pub async fn keep(&self, world: &World) -> Result<()> {
        let journals = world.journals()?;
        let run = &self.measured.run;
        for (name, text) in NAMES.into_iter().zip([self.json(), self.markdown(), self.html()]) {
            journals.lay_beside(run, name, &text).await?;
            if let Some(signature) = sign(world, &text, &format!("report {run} {name}"))? {
                journals.lay_beside(run, &format!("{name}.minisig"), &signature).await?;
            }
        }
        Ok(())
    }
}

/// What is to be mended, and was found by a run.
async fn issues_of(world: &World, run: &str) -> Result<Vec<Issue>> {
    let issues = issues::list(world).await?;
    Ok(issues.into_iter().filter(|one| one.run.as_deref() == Some(run)).collect())
}

/// A signature by the key of the settings, when they have one.
fn sign(world: &World, text: &str, what: &str) -> Result<Option<String>> {
    let Some(region) = world.regions().into_iter().flatten().next() else { return Ok(None) };
    let signed = region.databases().keys().sign(text.as_bytes(), what);
    signed.map_err(|error| Error::Drill(format!("the report cannot be signed: {error}")))
}

/// All drills together, the oldest first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trend {
    /// What each has measured.
    pub drills: Vec<Measured>,
    /// What is still to be mended.
    pub open: Vec<Issue>,
    /// How far predictions were off, as a share of what was predicted: the median of all drills.
    pub prediction_error: Option<f64>,
}

impl Trend {
    /// Of all drills whose journals can be read.
    ///
    /// # Errors
    /// When this machine has no place for journals.
    pub async fn of(world: &World) -> Result<Self> {
        let (all, _) = runs(world).await?;
        let mut drills = Vec::new();
        for state in all.iter().filter(|state| state.drill.is_some()) {
            drills.push(Measured::of(world, state)?);
        }
        drills.sort_by_key(|one| one.declared);
        let mut errors: Vec<f64> = drills.iter().filter_map(Measured::prediction_error).collect();
        errors.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
        let open = issues::list(world).await?;
        Ok(Self {
            prediction_error: errors.get(errors.len() / 2).copied(),
            open: open.into_iter().filter(|issue| issue.closed.is_none()).collect(),
            drills,
        })
    }

    /// For programs.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// For people.
    pub fn markdown(&self) -> String {
        let mut text = "# Drills\n\n".to_owned();
        if self.drills.is_empty() {
            text.push_str("None yet; `lifeboat drill run corruption` makes the first.\n");
        } else {
            text.push_str(
                "| Run | Ended | RTO | RPO | Predicted | Off by | |\n|---|---|---|---|---|---|---|\n",
            );
        }
        for one in &self.drills {
            let missed = one.missed();
            let error = one.prediction_error();
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} | {} |",
                one.run,
                one.outcome.map_or_else(|| "not yet".to_owned(), |how| how.to_string()),
                time(one.rto_ms),
                time(one.rpo_ms),
                time(one.predicted_ms),
                error.map_or_else(|| "unknown".to_owned(), |e| format!("{:+.0} %", e * 100.0)),
                if missed.is_empty() { "met".to_owned() } else { plain(&missed.join("; ")) }
            );
        }
        if let Some(error) = self.prediction_error {
            let _ = writeln!(text, "\nPredictions are off by {:+.0} % (median).", error * 100.0);
        }
        let _ = writeln!(text, "\n## To be mended\n");
        if self.open.is_empty() {
            text.push_str("Nothing.\n");
        }
        for issue in &self.open {
            let _ = writeln!(
                text,
                "- `{}` {} ({}, since {:.0})",
                issue.id,
                plain(&issue.text),
                plain(&issue.owner),
                issue.found
            );
        }
        text
    }

    /// As a page that needs nothing else.
    pub fn html(&self) -> String {
        page("Drills", &self.markdown(), timeline::trend(&self.drills).as_deref())
    }
}

/// Who is called, in the order of escalation.
pub(crate) fn contacts(world: &World) -> Vec<Contact> {
    let contacts = world.config.alerts.contacts.iter();
    contacts
        .map(|contact| Contact {
            name: contact.name.clone(),
            reach: contact.reach.clone().unwrap_or_else(|| "nobody says how".to_owned()),
        })
        .collect()
}

pub(crate) fn contact_list(contacts: &[Contact]) -> String {
    if contacts.is_empty() {
        return "Nobody is named; `[[alerts.contacts]]` of the settings would.\n".to_owned();
    }
    contacts.iter().fold(String::new(), |mut text, contact| {
        let _ = writeln!(text, "- {}: {}", plain(&contact.name), plain(&contact.reach));
        text
    })
}

fn time(ms: Option<u64>) -> String {
    match ms {
        None => "none".to_owned(),
        Some(ms) if ms < 60_000 => format!("{:.1} s", ms as f64 / 1000.0),
        Some(ms) if ms < 3_600_000 => {
            format!("{} min {} s", ms / 60_000, ms % 60_000 / 1000)
        }
        Some(ms) => format!("{} h {} min", ms / 3_600_000, ms % 3_600_000 / 60_000),
    }
}

fn met(measured: Option<u64>, objective: Option<u64>, needed: bool) -> &'static str {
    match (measured, objective) {
        (_, None) => "no objective",
        (Some(measured), Some(objective)) if measured <= objective => "met",
        (None, Some(_)) if !needed => "not measured",
        _ => "MISSED",
    }
}

/// Text of others, in which nothing is markup.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' => plain.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '&' | '~' => {
                plain.push('\\');
                plain.push(c);
            }
            c => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests;
