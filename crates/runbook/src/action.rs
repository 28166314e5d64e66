//! What a step does: the one interface of all kinds of steps.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;

use crate::error::StepError;
use crate::template::{Template, Values};
use crate::value::Kind;
use crate::world::World;

/// What a step has put out, by name.
pub type Outputs = BTreeMap<String, String>;

/// A text of a step, and which kind of value it must come to.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    /// Its name in the file.
    pub name: &'static str,
    /// The text.
    pub template: &'a Template,
    /// What it must come to.
    pub kind: Kind,
}

impl<'a> Field<'a> {
    /// A field.
    pub fn new(name: &'static str, template: &'a Template, kind: Kind) -> Self {
        Self { name, template, kind }
    }
}

/// Whether an action may be carried out again when nobody knows how far it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Doing it twice is the same as once.
    Safe,
    /// A person has to say whether it was done.
    Ask,
}

/// Something that was looked at before a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Whether it is well.
    pub level: Level,
    /// What was found.
    pub text: String,
}

/// How a finding is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Well.
    Ok,
    /// It cannot be told before the run.
    Unknown,
    /// The run would fail.
    Failed,
}

impl Finding {
    /// Something is well.
    pub fn ok(text: impl fmt::Display) -> Self {
        Self { level: Level::Ok, text: text.to_string() }
    }

    /// Something cannot be told yet.
    pub fn unknown(text: impl fmt::Display) -> Self {
        Self { level: Level::Unknown, text: text.to_string() }
    }

    /// Something is wrong.
    pub fn failed(text: impl fmt::Display) -> Self {
        Self { level: Level::Failed, text: text.to_string() }
    }

    /// What became of looking at something.
    pub fn of<T, E: fmt::Display>(result: &Result<T, E>, text: impl fmt::Display) -> Self {
        match result {
            Ok(_) => Self::ok(text),
            Err(error) => Self::failed(format_args!("{text}: {error}")),
        }
    }
}

/// Where an action takes place.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The settings, and all that is reached through them.
    pub world: &'a World,
    /// The values of this moment.
    pub values: &'a Values,
    /// Stops the action at a safe point.
    pub cancel: &'a lifeboat::CancellationToken,
}

impl Context<'_> {
    /// The value of a text.
    ///
    /// # Errors
    /// When a value is not known, or not of the kind.
    pub fn value(&self, template: &Template, kind: Kind) -> Result<String, StepError> {
        let text = template
            .resolve(self.values)
            .map_err(|reference| StepError::NotYet { reference: reference.to_string() })?;
        kind.check(&text).map_err(StepError::Value)?;
        Ok(text)
    }
}

/// What a step does.
#[async_trait]
pub trait Action: fmt::Debug + Send + Sync {
    /// What it does, in a line, when the runbook does not say.
    fn title(&self) -> String;

    /// Its texts, and what each must come to.
    fn fields(&self) -> Vec<Field<'_>> {
        Vec::new()
    }

    /// What it puts out.
    fn outputs(&self) -> &'static [(&'static str, Kind)] {
        &[]
    }

    /// Whether it only looks, so that `plan` may do it.
    fn only_looks(&self) -> bool {
        false
    }

    /// Whether its end proves that the application is healthy: the clock of the RTO stops there.
    fn proves_health(&self) -> bool {
        false
    }

    /// Whether it makes an environment's resources; a drill makes them first for a runbook in which
    /// no step does.
    fn makes_resources(&self) -> bool {
        false
    }

    /// Whether it may be done again after a crash.
    fn repeat(&self) -> Repeat {
        Repeat::Safe
    }

    /// Exactly what it would do, with the values that are known.
    fn describe(&self, cx: &Context<'_>) -> Vec<String>;

    /// Looks at everything that can be looked at beforehand.
    async fn check(&self, _cx: &Context<'_>) -> Vec<Finding> {
        Vec::new()
    }

    /// How long it will take, as far as that can be foreseen.
    async fn predict(&self, _cx: &Context<'_>) -> Option<Duration> {
        None
    }

    /// Does it. An action that is dropped must be one that may be repeated.
    ///
    /// # Errors
    /// What failed.
    async fn run(&self, cx: &Context<'_>) -> Result<Outputs, StepError>;

    /// Undoes it; what was done, in a line, or `None` when there is no way to.
    ///
    /// # Errors
    /// What failed.
    async fn undo(
        &self,
        _cx: &Context<'_>,
        _outputs: &Outputs,
    ) -> Result<Option<String>, StepError> {
        Ok(None)
    }
}
