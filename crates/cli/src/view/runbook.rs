//! Runbooks, plans and runs, as people read them.

use std::fmt::Write as _;
use std::time::Duration;

use lifeboat_runbook::action::Level;
use lifeboat_runbook::document::OnError;
use lifeboat_runbook::drill::Cleaned;
use lifeboat_runbook::issues::Issue;
use lifeboat_runbook::journal::{Event, Record};
use lifeboat_runbook::library::{Entry, Origin};
use lifeboat_runbook::measure::Measured;
use lifeboat_runbook::state::{RunState, Standing, StepState};
use lifeboat_runbook::{Ending, Plan, Ran, Runbook};
use serde::Serialize;

use super::foreign;
use crate::units;

/// A runbook in the list.
#[derive(Debug, Serialize)]
pub(crate) struct Item {
    name: String,
    /// `built-in`, or the path of its file.
    origin: String,
    title: Option<String>,
    steps: Option<usize>,
    /// Why it cannot be used, when that is so.
    error: Option<String>,
}

pub(crate) fn list(entries: &[Entry]) -> Vec<Item> {
    entries
        .iter()
        .map(|entry| Item {
            name: entry.name.clone(),
            origin: match &entry.origin {
                Origin::BuiltIn => "built-in".to_owned(),
                Origin::File(path) => path.display().to_string(),
            },
            title: entry.runbook.as_ref().ok().map(|runbook| runbook.title.clone()),
            steps: entry.runbook.as_ref().ok().map(|runbook| runbook.steps.len()),
            error: entry.runbook.as_ref().err().map(ToString::to_string),
        })
        .collect()
}

pub(crate) fn list_text(entries: &[Entry]) -> String {
    let items = list(entries);
    let width = items.iter().map(|item| item.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for item in items {
        let name = &item.name;
        let _ = match (&item.title, &item.error) {
            (Some(title), _) => writeln!(
                text,
                "{name:width$}  {} ({} steps, {})",
                foreign(title),
                item.steps.unwrap_or(0),
                item.origin
            ),
            (None, error) => {
                writeln!(text, "{name:width$}  cannot be used: {}", error.as_deref().unwrap_or(""))
            }
        };
    }
    text
}

/// A runbook, whole.
#[derive(Debug, Serialize)]
pub(crate) struct Shown<'a> {
    name: &'a str,
    title: &'a str,
    description: &'a str,
    inputs: Vec<ShownInput<'a>>,
    steps: Vec<ShownStep<'a>>,
}

#[derive(Debug, Serialize)]
struct ShownInput<'a> {
    name: &'a str,
    kind: String,
    default: Option<&'a str>,
    description: &'a str,
}

#[derive(Debug, Serialize)]
struct ShownStep<'a> {
    id: &'a str,
    title: &'a str,
    needs: &'a [String],
    approval: Option<&'a str>,
    timeout_seconds: u64,
    attempts: u32,
    on_error: OnError,
}

pub(crate) fn shown(runbook: &Runbook) -> Shown<'_> {
    Shown {
        name: &runbook.name,
        title: &runbook.title,
        description: &runbook.description,
        inputs: runbook
            .inputs
            .iter()
            .map(|(name, input)| ShownInput {
                name,
                kind: input.kind.to_string(),
                default: input.default.as_deref(),
                description: &input.description,
            })
            .collect(),
        steps: runbook
            .steps
            .iter()
            .map(|step| ShownStep {
                id: &step.id,
                title: &step.title,
                needs: &step.needs,
                approval: step.approval.as_deref(),
                timeout_seconds: step.timeout.as_secs(),
                attempts: step.retry.attempts,
                on_error: step.on_error,
            })
            .collect(),
    }
}

pub(crate) fn shown_text(runbook: &Runbook) -> String {
    let mut text = format!(
        "{}: {}\n\n{}\n",
        runbook.name,
        foreign(&runbook.title),
        runbook.description.trim()
    );
    if !runbook.inputs.is_empty() {
        text.push_str("\nInputs:\n");
        let lines: Vec<(String, String)> = runbook
            .inputs
            .iter()
            .map(|(name, input)| {
                let default = match input.default.as_deref() {
                    None => " (must be given)".to_owned(),
                    Some("") => String::new(),
                    Some(value) => format!(" ({value} unless given)"),
                };
                (name.clone(), format!("{}{default}", input.description))
            })
            .collect();
        text.push_str(&super::pairs(&lines));
    }
    text.push_str("\nSteps:\n");
    let lines: Vec<(String, String)> = runbook
        .steps
        .iter()
        .map(|step| {
            let mut words = step.title.clone();
            if !step.needs.is_empty() {
                let _ = write!(words, ", after {}", step.needs.join(", "));
            }
            if let Some(question) = &step.approval {
                let _ = write!(words, "; a person is asked: {question}");
            }
            match step.on_error {
                OnError::Stop => {}
                OnError::Continue => words.push_str("; the run goes on without it"),
                OnError::Undo => words.push_str("; the run is undone if it fails"),
            }
            (step.id.clone(), words)
        })
        .collect();
    text.push_str(&super::pairs(&lines));
    text
}

fn time(ms: u64) -> String {
    units::took(Duration::from_millis(ms))
}

pub(crate) fn plan_text(plan: &Plan) -> String {
    let mut text = format!("{}: {}\n", plan.runbook, plan.title);
    for (name, value) in &plan.inputs {
        let value = if value.is_empty() { "(the default)" } else { value };
        let _ = writeln!(text, "  {name} = {}", foreign(value));
    }
    for step in &plan.steps {
        let predicted = step.predicted_ms.map(|ms| format!(" (about {})", time(ms)));
        let _ = writeln!(text, "\n{}: {}{}", step.id, step.title, predicted.unwrap_or_default());
        if let Some(question) = &step.approval {
            let _ = writeln!(text, "  asks a person: {question}");
        }
        for does in &step.does {
            let _ = writeln!(text, "  {does}");
        }
        for finding in &step.findings {
            let mark = match finding.level {
                Level::Ok => "ok",
                Level::Unknown => "not known yet",
                Level::Failed => "WOULD FAIL",
            };
            let _ = writeln!(text, "  {mark}: {}", finding.text);
        }
    }
    text.push('\n');
    let _ = match (plan.predicted_ms, plan.rto_ms) {
        (None, _) => writeln!(
            text,
            "how long it takes is not known: `lifeboat verify latest --restore` measures that"
        ),
        (Some(predicted), None) => writeln!(
            text,
            "it takes about {}; objectives.rto of the settings would say how long it may take",
            time(predicted)
        ),
        (Some(predicted), Some(rto)) => writeln!(
            text,
            "it takes about {}, of {} that it may take{}",
            time(predicted),
            time(rto),
            if predicted > rto { ": the objective would be MISSED" } else { "" }
        ),
    };
    let failures = plan.failures().count();
    let _ = match failures {
        0 => writeln!(text, "nothing that can be checked before speaks against it"),
        1 => writeln!(text, "1 thing speaks against it"),
        many => writeln!(text, "{many} things speak against it"),
    };
    text
}

/// A record of a run, for programs.
#[derive(Debug, Serialize)]
pub(crate) struct Told<'a> {
    message_type: &'static str,
    run: &'a str,
    #[serde(flatten)]
    record: &'a Record,
}

pub(crate) fn told<'a>(run: &'a str, record: &'a Record) -> Told<'a> {
    Told { message_type: "record", run, record }
}

/// One line for whoever watches.
pub(crate) fn record_text(
    run: &str,
    runbook: &Runbook,
    record: &Record,
    elapsed: Duration,
) -> String {
    let title = |id: &str| runbook.step(id).map_or_else(String::new, |step| step.title.clone());
    let words = match &record.event {
        Event::Declared { declared, .. } => {
            format!("{}, declared {declared:.0}; run {run}", runbook.title)
        }
        Event::Resumed => format!("{}, resumed", runbook.title),
        Event::Prepared => "what the drill needs stands; the clock runs from here".to_owned(),
        Event::Begun { step, attempt: 1 } => format!("{step}: {}", title(step)),
        Event::Begun { step, attempt } => format!("{step}: attempt {attempt}"),
        Event::Done { step, outputs } => {
            let told: Vec<String> = outputs
                .iter()
                .filter(|(_, value)| !value.is_empty() && value.len() <= 60)
                .map(|(name, value)| format!("{name} {}", foreign(value)))
                .collect();
            if told.is_empty() {
                format!("{step}: done")
            } else {
                format!("{step}: done ({})", told.join(", "))
            }
        }
        Event::Failed { step, error, last: true } => format!("{step}: FAILED: {error}"),
        Event::Failed { step, error, last: false } => {
            format!("{step}: failed, and will be tried again: {error}")
        }
        Event::PassedOver { step } => format!("{step}: the run goes on without it"),
        Event::Approved { step, who } => format!("{step}: {who} agrees"),
        Event::Settled { step, done: true } => format!("{step}: was done, as somebody says"),
        Event::Settled { step, done: false } => format!("{step}: is done again"),
        Event::Stopped { reason } => format!("stopped: {reason}"),
        Event::Undoing { step } => format!("{step}: undoing"),
        Event::Undone { step, note } => format!("{step}: {note}"),
        Event::Finished { outcome } => format!("{outcome}"),
        // A later kind of record is told by what it is.
        other => format!("{other:?}"),
    };
    format!("{:>9}  {words}\n", units::took(elapsed))
}

/// The last line of a run, for programs.
#[derive(Debug, Serialize)]
pub(crate) struct Ended<'a> {
    message_type: &'static str,
    run: &'a str,
    /// `succeeded`, `incomplete`, `undone`, `aborted`, `waiting`, `in-doubt`, `failed` or
    /// `interrupted`.
    ending: String,
    /// The steps that it is about.
    steps: &'a [String],
    state: &'a RunState,
    silent: &'a [String],
}

pub(crate) fn ended(ran: &Ran) -> Ended<'_> {
    let (ending, steps): (String, &[String]) = match &ran.ending {
        Ending::Finished(outcome) => (outcome.to_string(), &[]),
        Ending::Waiting(steps) => ("waiting".to_owned(), steps),
        Ending::InDoubt(steps) => ("in-doubt".to_owned(), steps),
        Ending::Failed(steps) => ("failed".to_owned(), steps),
        _ => ("interrupted".to_owned(), &[]),
    };
    Ended {
        message_type: "summary",
        run: &ran.run,
        ending,
        steps,
        state: &ran.state,
        silent: &ran.silent,
    }
}

/// How a run ended, and what to do next.
pub(crate) fn ended_text(runbook: &Runbook, ran: &Ran) -> String {
    let run = &ran.run;
    let mut text = format!("\nrun {run}: ");
    let question =
        |id: &String| runbook.step(id).and_then(|step| step.approval.clone()).unwrap_or_default();
    match &ran.ending {
        Ending::Finished(outcome) => {
            let took = ran.state.latest.duration_since(ran.state.declared);
            let took = Duration::try_from(took).unwrap_or_default();
            let _ = writeln!(text, "{outcome}, {} after it was declared", units::took(took));
        }
        Ending::Waiting(steps) => {
            text.push_str("waits for a person\n");
            for step in steps {
                let _ = writeln!(
                    text,
                    "  {step}: {}\n  agree with `lifeboat runbook approve {run} {step}`",
                    question(step)
                );
            }
            let _ = writeln!(text, "then `lifeboat runbook resume {run}` goes on");
        }
        Ending::InDoubt(steps) => {
            text.push_str("nobody knows how far these steps came; look, then say so:\n");
            for step in steps {
                let _ = writeln!(
                    text,
                    "  `lifeboat runbook resume {run} --done {step}` if it was done, `--again \
                     {step}` if not"
                );
            }
        }
        Ending::Failed(steps) => {
            let _ = writeln!(text, "stopped, since {} failed", steps.join(", "));
            for step in steps {
                if let Standing::Failed { error } = ran.state.step(step).standing {
                    let _ = writeln!(text, "  {step}: {error}");
                }
            }
            let _ = writeln!(
                text,
                "mend the cause, then `lifeboat runbook resume {run}` tries again and goes on, from \
                 any machine with the settings;\n`lifeboat runbook abort {run} --undo` gives it up"
            );
        }
        _ => {
            let _ = writeln!(
                text,
                "interrupted at a safe point; `lifeboat runbook resume {run}` goes on, from any \
                 machine with the settings"
            );
        }
    }
    text
}

fn standing_word(state: &StepState) -> String {
    match &state.standing {
        Standing::Waiting if state.attempts > 0 => "will be tried again".to_owned(),
        Standing::Waiting => "not begun".to_owned(),
        Standing::Begun => "begun".to_owned(),
        Standing::Done => "done".to_owned(),
        Standing::Failed { error } => format!("failed: {error}"),
        Standing::PassedOver => "passed over".to_owned(),
        Standing::Undone { note } => format!("undone: {note}"),
        _ => "unknown".to_owned(),
    }
}

fn where_word(state: &RunState) -> String {
    match (&state.outcome, &state.stopped) {
        (Some(outcome), _) => outcome.to_string(),
        (None, Some(reason)) => format!("stopped: {reason}"),
        (None, None) => format!("going on, or lost with {}", state.by),
    }
}

/// A run, step by step.
pub(crate) fn state_text(runbook: &Runbook, state: &RunState) -> String {
    let mut lines = vec![
        ("runbook".to_owned(), format!("{}: {}", runbook.name, runbook.title)),
        ("declared".to_owned(), state.declared.to_string()),
        ("latest record".to_owned(), format!("{} by {}", state.latest, state.by)),
        ("where it is".to_owned(), where_word(state)),
    ];
    if let Some(drill) = &state.drill {
        lines.insert(1, ("drill".to_owned(), drill.id.clone()));
    }
    for (name, value) in &state.inputs {
        if !value.is_empty() {
            lines.push((format!("input {name}"), foreign(value)));
        }
    }
    let mut text = format!("run {}\n{}\nSteps:\n", state.run, super::pairs(&lines));
    let lines: Vec<(String, String)> = runbook
        .steps
        .iter()
        .map(|step| {
            let known = state.step(&step.id);
            let mut words = standing_word(&known);
            if let (Some(began), Some(ended)) = (known.began, known.ended) {
                let took = Duration::try_from(ended.duration_since(began)).unwrap_or_default();
                let _ = write!(words, " in {}", units::took(took));
            }
            if known.attempts > 1 {
                let _ = write!(words, ", {} attempts", known.attempts);
            }
            (step.id.clone(), words)
        })
        .collect();
    text.push_str(&super::pairs(&lines));
    text
}

/// All runs, a line each.
pub(crate) fn runs_text(all: &[RunState]) -> String {
    if all.is_empty() {
        return "no runbook was ever run\n".to_owned();
    }
    let width = all.iter().map(|state| state.run.len()).max().unwrap_or(0);
    let mut text = String::new();
    for state in all {
        let drill = if state.drill.is_some() { " (drill)" } else { "" };
        let _ = writeln!(text, "{:width$}  {}{drill}", state.run, where_word(state));
    }
    text
}

/// What a drill has measured.
pub(crate) fn measured_text(measured: &Measured, missed: &[String]) -> String {
    let words = |ms: Option<u64>| ms.map_or_else(|| "not measured".to_owned(), time);
    let of = |ms: Option<u64>| ms.map_or_else(String::new, |ms| format!(", of {}", time(ms)));
    let bound = if measured.rpo_exact { "" } else { " at most" };
    let mut text = super::pairs(&[
        ("RTO", format!("{}{}", words(measured.rto_ms), of(measured.rto_objective_ms))),
        ("RPO", format!("{}{bound}{}", words(measured.rpo_ms), of(measured.rpo_objective_ms))),
        ("predicted", words(measured.predicted_ms)),
    ]);
    for missed in missed {
        let _ = writeln!(text, "MISSED: {missed}");
    }
    let _ = writeln!(text, "the report: `lifeboat drill report {}`", measured.run);
    text
}

/// That what a drill made stays.
pub(crate) fn stays_text(run: &str, until: jiff::Timestamp) -> String {
    format!(
        "what {run} made stays until {until:.0}, when `lifeboat drill cleanup` removes it; \
         `lifeboat drill cleanup {run}` removes it now\n"
    )
}

/// What became of a drill's resources.
pub(crate) fn cleaned_text(cleaned: &Cleaned) -> String {
    let mut text = format!("cleaned up after {}\n", cleaned.run);
    for removed in &cleaned.removed {
        let _ = writeln!(text, "  {removed}");
    }
    for left in &cleaned.left {
        let _ = writeln!(text, "  LEFT: {left}");
    }
    text
}

/// What is to be mended.
pub(crate) fn issues_text(all: &[Issue]) -> String {
    if all.is_empty() {
        return "nothing is open\n".to_owned();
    }
    all.iter().fold(String::new(), |mut text, issue| {
        let state = match &issue.closed {
            None => format!("open since {:.0}", issue.found),
            Some(closed) => format!("closed {:.0} by {}", closed.at, foreign(&closed.by)),
        };
        let _ = writeln!(
            text,
            "{}  {} ({}, {state})",
            issue.id,
            foreign(&issue.text),
            foreign(&issue.owner)
        );
        text
    })
}
