//! Where a run is: what its records come to, and what may be done next. Nothing here does anything.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::action::{Outputs, Repeat};
use crate::document::{OnError, Runbook, Step};
use crate::journal::{Event, Outcome, Record};
use crate::template::{Reference, Values};
use crate::world::Drilling;

/// Where a step is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(tag = "standing", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Standing {
    /// Not begun.
    #[default]
    Waiting,
    /// Begun. When no process carries on the run, nobody knows how far it came.
    Begun,
    /// Done.
    Done,
    /// Failed, and not tried any more.
    Failed {
        /// Why.
        error: String,
    },
    /// Failed, and the run goes on without it.
    PassedOver,
    /// Done, and undone.
    Undone {
        /// What was done.
        note: String,
    },
}

/// What is known of a step.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StepState {
    /// Where it is.
    #[serde(flatten)]
    pub standing: Standing,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was first tried.
    pub began: Option<Timestamp>,
    /// When it ended, well or not.
    pub ended: Option<Timestamp>,
    /// What it put out.
    pub outputs: Outputs,
    /// Who agreed that it begins.
    pub approved: Option<String>,
    /// Why its latest attempt failed.
    pub error: Option<String>,
}

/// Where a run is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunState {
    /// The run.
    pub run: String,
    /// The name of its runbook.
    pub runbook: String,
    /// The text of its runbook.
    #[serde(skip)]
    pub source: String,
    /// Its inputs.
    pub inputs: BTreeMap<String, String>,
    /// When it was begun: the time of its first record.
    pub begun: Timestamp,
    /// When the disaster was declared; in a drill, without the time that it took to make what had
    /// to be there first.
    pub declared: Timestamp,
    /// Whether that was made.
    pub prepared: bool,
    /// When it happened, as far as somebody knows.
    pub disaster: Option<Timestamp>,
    /// When something was last written before, as far as somebody knows.
    pub last_write: Option<Timestamp>,
    /// The drill that it belongs to.
    pub drill: Option<Drilling>,
    /// How long it was predicted to take, in milliseconds.
    pub predicted_ms: Option<u64>,
    /// Its steps, by id; only those that something is known of.
    pub steps: BTreeMap<String, StepState>,
    /// Why it stopped, when it did and nobody carries it on.
    pub stopped: Option<String>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// It is being undone.
    pub undoing: bool,
    /// When its latest record was written.
    pub latest: Timestamp,
    /// Who wrote it.
    pub by: String,
}

/// What may be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// These steps may begin.
    Begin(Vec<String>),
    /// Nothing, until a person agrees to these.
    Approve(Vec<String>),
    /// Nothing, until a person says what became of these.
    Settle(Vec<String>),
    /// Nothing: these have failed.
    Failed(Vec<String>),
    /// What was done is to be undone.
    Undo,
    /// Everything is done.
    Finish(Outcome),
}

impl RunState {
    /// What the records of a run come to. `None` when the first does not declare one.
    pub fn of(run: &str, records: &[Record]) -> Option<Self> {
        let first = records.first()?;
        let Event::Declared {
            runbook,
            source,
            inputs,
            declared,
            disaster,
            last_write,
            drill,
            predicted_ms,
        } = &first.event
        else {
            return None;
        };
        let mut state = Self {
            run: run.to_owned(),
            runbook: runbook.clone(),
            source: source.clone(),
            inputs: inputs.clone(),
            begun: first.at,
            declared: *declared,
            prepared: false,
            disaster: *disaster,
            last_write: *last_write,
            drill: drill.clone(),
            predicted_ms: *predicted_ms,
            steps: BTreeMap::new(),
            stopped: None,
            outcome: None,
            undoing: false,
            latest: first.at,
            by: first.by.clone(),
        };
        for record in &records[1..] {
            state.learn(record);
        }
        Some(state)
    }

    /// Takes one more record into account.
    pub fn learn(&mut self, record: &Record) {
        self.latest = record.at;
        self.by.clone_from(&record.by);
        self.stopped = None;
        let at = Some(record.at);
        match &record.event {
            Event::Declared { .. } | Event::Resumed => {}
            Event::Prepared => {
                self.prepared = true;
                let took = record.at.duration_since(self.begun);
                self.declared = self.declared.checked_add(took).unwrap_or(self.declared);
            }
            Event::Begun { step, attempt } => {
                let step = self.step_mut(step);
                step.standing = Standing::Begun;
                step.attempts = *attempt;
                step.began = step.began.or(at);
                step.ended = None;
            }
            Event::Done { step, outputs } => {
                let step = self.step_mut(step);
                step.standing = Standing::Done;
                step.outputs.clone_from(outputs);
                step.ended = at;
                step.error = None;
            }
            Event::Failed { step, error, last } => {
                let step = self.step_mut(step);
                step.standing = if *last {
                    Standing::Failed { error: error.clone() }
                } else {
                    Standing::Waiting
                };
                step.error = Some(error.clone());
                step.ended = at;
            }
            Event::PassedOver { step } => self.step_mut(step).standing = Standing::PassedOver,
            Event::Approved { step, who } => self.step_mut(step).approved = Some(who.clone()),
            Event::Settled { step, done } => {
                let step = self.step_mut(step);
                step.standing = if *done { Standing::Done } else { Standing::Waiting };
                step.ended = at;
            }
            Event::Stopped { reason } => self.stopped = Some(reason.clone()),
            Event::Undoing { .. } => self.undoing = true,
            Event::Undone { step, note } => {
                self.undoing = true;
                self.step_mut(step).standing = Standing::Undone { note: note.clone() };
            }
            Event::Finished { outcome } => self.outcome = Some(*outcome),
        }
    }

    fn step_mut(&mut self, id: &str) -> &mut StepState {
        self.steps.entry(id.to_owned()).or_default()
    }

    /// What is known of a step.
    pub fn step(&self, id: &str) -> StepState {
        self.steps.get(id).cloned().unwrap_or_default()
    }

    /// The values that are known.
    pub fn values(&self) -> Values {
        let mut values = Values::default();
        for (name, value) in &self.inputs {
            values.input(name, value);
        }
        for (name, value) in [
            ("id", self.run.clone()),
            ("declared", self.declared.to_string()),
            ("drill", self.drill.as_ref().map(|drill| drill.id.clone()).unwrap_or_default()),
        ] {
            values.set(Reference::Run(name.to_owned()), value);
        }
        for (id, step) in &self.steps {
            values.outputs(id, &step.outputs);
        }
        values
    }

    /// A failed run that is resumed tries again what has failed.
    pub fn forgive(&mut self) {
        for step in self.steps.values_mut() {
            if matches!(step.standing, Standing::Failed { .. }) {
                step.standing = Standing::Waiting;
            }
        }
    }

    /// What may be done next; `running` are the steps that are being carried out right now.
    pub fn next(&self, runbook: &Runbook, running: &[String]) -> Next {
        let standing = |id: &str| self.steps.get(id).map_or(&Standing::Waiting, |s| &s.standing);
        let failed: Vec<&Step> = runbook
            .steps
            .iter()
            .filter(|step| matches!(standing(&step.id), Standing::Failed { .. }))
            .collect();
        if self.undoing || failed.iter().any(|step| step.on_error == OnError::Undo) {
            return Next::Undo;
        }
        if !failed.is_empty() {
            return Next::Failed(ids(&failed));
        }
        let over = |id: &str| matches!(standing(id), Standing::Done | Standing::PassedOver);
        let open: Vec<&Step> = runbook
            .steps
            .iter()
            .filter(|step| !over(&step.id) && !running.contains(&step.id))
            .filter(|step| step.needs.iter().all(|need| over(need)))
            .collect();
        let may = |step: &&&Step| match standing(&step.id) {
            Standing::Begun => step.action.repeat() == Repeat::Safe,
            _ => true,
        };
        let agreed =
            |step: &&&Step| step.approval.is_none() || self.step(&step.id).approved.is_some();
        let ready: Vec<&Step> = open.iter().filter(may).filter(agreed).copied().collect();
        if !ready.is_empty() {
            return Next::Begin(ids(&ready));
        }
        let doubtful: Vec<&Step> = open.iter().filter(|step| !may(step)).copied().collect();
        if !doubtful.is_empty() {
            return Next::Settle(ids(&doubtful));
        }
        if !open.is_empty() {
            return Next::Approve(ids(&open));
        }
        if !running.is_empty() {
            return Next::Begin(Vec::new());
        }
        let incomplete =
            runbook.steps.iter().any(|step| *standing(&step.id) == Standing::PassedOver);
        Next::Finish(if incomplete { Outcome::Incomplete } else { Outcome::Succeeded })
    }

    /// The steps that are to be undone, the one that ended last first.
    pub fn to_undo(&self, runbook: &Runbook) -> Vec<String> {
        let mut done: Vec<(&Step, StepState)> = runbook
            .steps
            .iter()
            .map(|step| (step, self.step(&step.id)))
            .filter(|(_, state)| {
                // What was begun may have been done in part.
                matches!(state.standing, Standing::Done | Standing::Begun | Standing::Failed { .. })
                    && state.attempts > 0
            })
            .collect();
        done.sort_by_key(|(_, state)| std::cmp::Reverse((state.ended.is_none(), state.ended)));
        done.into_iter().map(|(step, _)| step.id.clone()).collect()
    }
}

fn ids(steps: &[&Step]) -> Vec<String> {
    steps.iter().map(|step| step.id.clone()).collect()
}

#[cfg(test)]
mod tests;
