//! A runbook as a person writes it: a TOML file of inputs and steps.
//!
//! ```toml
//! title = "Restart the API"
//!
//! [inputs.environment]
//! kind = "environment"
//! default = "primary"
//!
//! [[step]]
//! id = "stop"
//! kind = "services"
//! action = "stop"
//! environment = "{inputs.environment}"
//! ```
//! A step comes after the one before it, unless `needs` names those that it comes after; steps that
//! do not need each other run side by side. What is wrong is told with its line, all of it at once.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::time::Duration;

use serde::de::IntoDeserializer as _;
use serde::{Deserialize, Serialize};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::action::Action;
use crate::check;
use crate::condition::Condition;
use crate::steps;
use crate::template::Template;
use crate::value::{Kind, read_duration, read_optional_duration};

/// How long a step may take unless it says otherwise.
const TIMEOUT: Duration = Duration::from_hours(1);

/// A runbook that was read and checked.
#[derive(Debug)]
pub struct Runbook {
    /// Its name: that of its file, without `.toml`.
    pub name: String,
    /// What it is for, in a line.
    pub title: String,
    /// When to use it, and what to know before.
    pub description: String,
    /// What it is given.
    pub inputs: BTreeMap<String, Input>,
    /// Its steps, in the order of the file.
    pub steps: Vec<Step>,
    /// The text it was read from.
    pub source: String,
}

/// Something that a runbook is given.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Which texts will do.
    pub kind: Kind,
    /// Its value when none is given; without, it must be given.
    pub default: Option<String>,
    /// What it is, for people.
    #[serde(default)]
    pub description: String,
}

/// A step of a runbook.
#[derive(Debug)]
pub struct Step {
    /// Its name in the runbook.
    pub id: String,
    /// What it does, in a line.
    pub title: String,
    /// The steps that must be done before.
    pub needs: Vec<String>,
    /// A person must agree to this before it begins.
    pub approval: Option<String>,
    /// What must hold right before it begins.
    pub preconditions: Vec<Condition>,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// How often it is tried again.
    pub retry: Retry,
    /// What happens when it has failed for good.
    pub on_error: OnError,
    /// How it is undone, when its kind does not know that by itself.
    pub undo: Option<Vec<Template>>,
    /// What it does.
    pub action: Box<dyn Action>,
    /// The line it begins in.
    pub line: usize,
}

/// How often a step is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// How often in all, at least once.
    pub attempts: u32,
    /// How long to wait before the second attempt; each further one waits twice as long.
    #[serde(deserialize_with = "read_duration")]
    pub delay: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 1, delay: Duration::from_secs(5) }
    }
}

/// What happens when a step has failed for good.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnError {
    /// The run stops where it is, and can be resumed.
    #[default]
    Stop,
    /// The run goes on without it, and says so at its end.
    Continue,
    /// What was done is undone, the last first, and the run ends.
    Undo,
}

/// Why a runbook cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct DocumentError {
    /// The file, or what stands for one.
    pub file: String,
    /// What is wrong, by line.
    pub faults: Vec<Fault>,
}

/// Something wrong in a runbook.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Fault {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and what to do.
    pub reason: String,
}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}:{}: {}", self.file, fault.line, fault.reason)?;
        }
        Ok(())
    }
}

/// Turns places of a text into lines.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lines<'a>(pub(crate) &'a str);

impl Lines<'_> {
    pub(crate) fn at(self, span: Option<Range<usize>>) -> usize {
        let end = span.map_or(0, |span| span.start).min(self.0.len());
        self.0.get(..end).unwrap_or_default().matches('\n').count() + 1
    }

    pub(crate) fn fault(self, span: Option<Range<usize>>, reason: impl fmt::Display) -> Fault {
        Fault { line: self.at(span), reason: reason.to_string() }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    title: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    inputs: BTreeMap<String, Spanned<Input>>,
}

/// What every step may have, whatever its kind.
#[derive(Deserialize)]
struct Common {
    id: Spanned<String>,
    title: Option<String>,
    needs: Option<Vec<Spanned<String>>>,
    approval: Option<String>,
    #[serde(default)]
    preconditions: Vec<Condition>,
    #[serde(default, deserialize_with = "read_optional_duration")]
    timeout: Option<Duration>,
    #[serde(default)]
    retry: Retry,
    #[serde(default)]
    on_error: OnError,
    undo: Option<Vec<Template>>,
}

const COMMON: [&str; 9] =
    ["id", "title", "needs", "approval", "preconditions", "timeout", "retry", "on_error", "undo"];

impl Runbook {
    /// Reads a runbook and checks it: names, references, kinds of values, and that no step waits
    /// for itself.
    ///
    /// # Errors
    /// All that is wrong, with its lines.
    pub fn parse(name: &str, file: &str, text: &str) -> Result<Self, DocumentError> {
        read(name, text).map_err(|mut faults| {
            faults.sort();
            faults.dedup();
            DocumentError { file: file.to_owned(), faults }
        })
    }

    /// The step of an id.
    pub fn step(&self, id: &str) -> Option<&Step> {
        self.steps.iter().find(|step| step.id == id)
    }

    /// The digest of its text, by which a run knows that it is the same.
    pub fn digest(&self) -> String {
        blake3::hash(self.source.as_bytes()).to_hex().to_string()
    }
}

fn read(name: &str, text: &str) -> Result<Runbook, Vec<Fault>> {
    let lines = Lines(text);
    let one = |error: &toml::de::Error| vec![lines.fault(error.span(), error.message())];
    let mut document = DeTable::parse(text).map_err(|error| one(&error))?;
    let steps = document.get_mut().remove("step");
    let head = Head::deserialize(document.into_deserializer()).map_err(|error| one(&error))?;
    let mut faults = Vec::new();
    let mut inputs = BTreeMap::new();
    for (id, input) in head.inputs {
        let span = Some(input.span());
        let input = input.into_inner();
        if !crate::value::is_name(&id) {
            faults.push(lines.fault(span.clone(), format_args!("{id:?} cannot name an input")));
        }
        if let Some(Err(why)) = input.default.as_deref().map(|text| input.kind.check(text)) {
            faults.push(lines.fault(span, format_args!("the default of the input {id}: {why}")));
        }
        inputs.insert(id, input);
    }
    let mut read = Vec::new();
    match steps.map(Spanned::into_inner) {
        Some(DeValue::Array(items)) => {
            for item in items {
                match step(lines, item) {
                    Ok((step, needs)) => read.push((step, needs)),
                    Err(mut more) => faults.append(&mut more),
                }
            }
        }
        _ => faults.push(lines.fault(None, "a runbook has steps: write [[step]]")),
    }
    if !faults.is_empty() {
        // What refers to a step that could not be read would only be noise.
        return Err(faults);
    }
    let steps = check::order(read, lines)?;
    let runbook = Runbook {
        name: name.to_owned(),
        title: head.title,
        description: head.description,
        inputs,
        steps,
        source: text.to_owned(),
    };
    check::references(&runbook, lines)?;
    Ok(runbook)
}

/// A step, and the spans of what it needs.
pub(crate) type ReadStep = (Step, Option<Vec<Spanned<String>>>);

fn step(lines: Lines<'_>, item: Spanned<DeValue<'_>>) -> Result<ReadStep, Vec<Fault>> {
    let span = item.span();
    let one =
        |span: Option<Range<usize>>, reason: &dyn fmt::Display| vec![lines.fault(span, reason)];
    let DeValue::Table(mut own) = item.into_inner() else {
        return Err(one(Some(span), &"a step is a table: write [[step]]"));
    };
    let mut common = DeTable::new();
    for key in COMMON {
        if let Some((key, value)) = own.remove_entry(key) {
            common.insert(key, value);
        }
    }
    let kind = own.remove("kind");
    let fault = |error: toml::de::Error| one(error.span().or(Some(span.clone())), &error.message());
    let common = Common::deserialize(Spanned::new(span.clone(), common).into_deserializer());
    let common = common.map_err(fault)?;
    let id = common.id.get_ref().clone();
    if !crate::value::is_name(&id) {
        let reason = format!("{id:?} cannot name a step; use lower-case letters, digits and -");
        return Err(one(Some(common.id.span()), &reason));
    }
    let Some(kind) = kind else {
        let reason = format!("the step {id} has no kind; it is one of {}", steps::names());
        return Err(one(Some(span), &reason));
    };
    let Some(name) = kind.get_ref().as_str().map(ToOwned::to_owned) else {
        return Err(one(Some(kind.span()), &"the kind of a step is a text"));
    };
    let Some(reader) = steps::reader(&name) else {
        let reason = format!("{name:?} is no kind of step; it is one of {}", steps::names());
        return Err(one(Some(kind.span()), &reason));
    };
    let action = reader(Spanned::new(span.clone(), own)).map_err(fault)?;
    if common.retry.attempts == 0 {
        return Err(one(Some(span), &format!("the step {id} is tried 0 times; write 1 or more")));
    }
    let step = Step {
        title: common.title.unwrap_or_else(|| action.title()),
        id,
        needs: Vec::new(),
        approval: common.approval,
        preconditions: common.preconditions,
        timeout: common.timeout.unwrap_or(TIMEOUT),
        retry: common.retry,
        on_error: common.on_error,
        undo: common.undo,
        line: lines.at(Some(common.id.span())),
        action,
    };
    Ok((step, common.needs))
}

#[cfg(test)]
mod tests;
