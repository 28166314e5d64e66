//! Carrying a run on: from its records to its end, or to where it has to stop.
//!
//! One task decides and writes; steps run side by side. A record comes before what it intends and
//! after what it tells of, so that whatever dies, and wherever, the records say what may be done
//! next. What is undone is undone by the same rule.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt as _};
use lifeboat::CancellationToken;

use crate::action::{Context, Outputs};
use crate::approval;
use crate::command;
use crate::document::{OnError, Runbook, Step};
use crate::error::{Error, Result, StepError};
use crate::journal::{Event, Journal, Journals, Outcome, Record};
use crate::state::{Next, RunState};
use crate::world::World;

/// The longest a retry waits.
const LONGEST_DELAY: Duration = Duration::from_mins(5);

/// How long an action that has taken too long may take to stop: longer than its commands may.
const STOPPING: Duration = command::GRACE.saturating_mul(3);

/// Where a run has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// It is at its end.
    Finished(Outcome),
    /// It waits for people to agree to these steps.
    Waiting(Vec<String>),
    /// It waits for people to say what became of these steps.
    InDoubt(Vec<String>),
    /// These steps have failed.
    Failed(Vec<String>),
    /// It was interrupted.
    Interrupted,
}

/// Who hears of a run as it goes on, and is asked.
pub trait Observer: Send + Sync {
    /// A record of a run was written.
    fn record(&self, _run: &str, _runbook: &Runbook, _record: &Record) {}

    /// A person is asked whether a step may begin: who agrees, or `None` when nobody does now.
    fn approve<'a>(&'a self, _step: &'a Step) -> BoxFuture<'a, Option<String>> {
        Box::pin(std::future::ready(None))
    }
}

/// Hears nothing and agrees to nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {}

/// Hears nothing, and agrees to everything, as whom it says.
#[derive(Debug, Clone)]
pub struct Agreeing(pub String);

impl Observer for Agreeing {
    fn approve<'a>(&'a self, _step: &'a Step) -> BoxFuture<'a, Option<String>> {
        Box::pin(std::future::ready(Some(self.0.clone())))
    }
}

/// Carries a run on.
pub(crate) struct Execution<'a> {
    pub(crate) world: &'a World,
    pub(crate) runbook: &'a Runbook,
    pub(crate) journals: &'a Journals,
    pub(crate) journal: &'a Journal,
    pub(crate) observer: &'a dyn Observer,
    pub(crate) cancel: &'a CancellationToken,
}

/// What became of an attempt.
type Attempt = (String, Result<Outputs, StepError>);

impl Execution<'_> {
    /// Carries the run on as far as it goes.
    ///
    /// # Errors
    /// When the journal can be written nowhere, or somebody else carries the run on. A step that
    /// fails is no error: the ending tells of it.
    pub(crate) async fn run(&self, mut state: RunState) -> Result<Ending> {
        let mut running: FuturesUnordered<BoxFuture<'_, Attempt>> = FuturesUnordered::new();
        let mut names: Vec<String> = Vec::new();
        // Steps that failed may be tried again after some time, in which others go on.
        loop {
            if self.cancel.is_cancelled() {
                while let Some(attempt) = running.next().await {
                    self.settle(&mut state, &mut names, attempt).await?;
                }
                return self.interrupted(&mut state).await;
            }
            match state.next(self.runbook, &names) {
                Next::Begin(ready) if !ready.is_empty() => {
                    for id in ready {
                        let Some(step) = self.runbook.step(&id) else { continue };
                        let attempt = state.step(&id).attempts + 1;
                        self.write(&mut state, Event::Begun { step: id.clone(), attempt }).await?;
                        names.push(id);
                        running.push(self.attempt(step, attempt, &state));
                    }
                    continue;
                }
                Next::Approve(steps) if self.find_approvals(&mut state, &steps).await? => continue,
                Next::Begin(_)
                | Next::Approve(_)
                | Next::Settle(_)
                | Next::Failed(_)
                | Next::Undo
                    if !running.is_empty() => {}
                Next::Approve(steps) => {
                    let reason = format!("waiting for people to agree to {}", steps.join(", "));
                    self.write(&mut state, Event::Stopped { reason }).await?;
                    return Ok(Ending::Waiting(steps));
                }
                Next::Settle(steps) => {
                    let reason = format!("nobody knows what became of {}", steps.join(", "));
                    self.write(&mut state, Event::Stopped { reason }).await?;
                    return Ok(Ending::InDoubt(steps));
                }
                Next::Failed(steps) => {
                    let reason = format!("{} failed", steps.join(", "));
                    self.write(&mut state, Event::Stopped { reason }).await?;
                    return Ok(Ending::Failed(steps));
                }
                Next::Undo => return self.undo(state).await,
                Next::Begin(_) => {
                    let why = "no step may begin, and none is left".to_owned();
                    return Err(Error::State { run: state.run, why });
                }
                Next::Finish(outcome) => {
                    self.write(&mut state, Event::Finished { outcome }).await?;
                    return Ok(Ending::Finished(outcome));
                }
            }
            if let Some(attempt) = running.next().await {
                self.settle(&mut state, &mut names, attempt).await?;
            }
        }
    }

    async fn interrupted(&self, state: &mut RunState) -> Result<Ending> {
        self.write(state, Event::Stopped { reason: "interrupted".to_owned() }).await?;
        Ok(Ending::Interrupted)
    }

    async fn write(&self, state: &mut RunState, event: Event) -> Result<()> {
        let record = self.journal.append(event).await?;
        state.learn(&record);
        self.observer.record(self.journal.run(), self.runbook, &record);
        Ok(())
    }

    /// Looks whether people have agreed, and asks one who is here. Whether somebody did.
    async fn find_approvals(&self, state: &mut RunState, steps: &[String]) -> Result<bool> {
        let mut any = false;
        for id in steps {
            let Some(step) = self.runbook.step(id) else { continue };
            let who = match approval::look(self.journals, self.journal.run(), id).await {
                Some(who) => Some(who),
                None => self.observer.approve(step).await,
            };
            if let Some(who) = who {
                self.write(state, Event::Approved { step: id.clone(), who }).await?;
                any = true;
            }
        }
        Ok(any)
    }

    /// Writes down what became of an attempt.
    async fn settle(
        &self,
        state: &mut RunState,
        names: &mut Vec<String>,
        (id, result): Attempt,
    ) -> Result<()> {
        names.retain(|name| *name != id);
        let Some(step) = self.runbook.step(&id) else { return Ok(()) };
        match result {
            Ok(outputs) => self.write(state, Event::Done { step: id, outputs }).await,
            // It stays begun, which is what it is.
            Err(error) if error.is_interruption() && self.cancel.is_cancelled() => Ok(()),
            Err(error) => {
                let tried = state.step(&id).attempts;
                let last = !error.is_retryable() || tried >= step.retry.attempts;
                let event = Event::Failed { step: id.clone(), error: error.to_string(), last };
                self.write(state, event).await?;
                if last && step.on_error == OnError::Continue {
                    self.write(state, Event::PassedOver { step: id }).await?;
                }
                Ok(())
            }
        }
    }

    /// One attempt at a step.
    fn attempt<'s>(
        &'s self,
        step: &'s Step,
        attempt: u32,
        state: &RunState,
    ) -> BoxFuture<'s, Attempt> {
        let values = state.values();
        let first = state.step(&step.id).error.is_none();
        Box::pin(async move {
            let cx = Context { world: self.world, values: &values, cancel: self.cancel };
            let work = async {
                if !first {
                    let times = 1_u32.checked_shl(attempt.saturating_sub(2)).unwrap_or(u32::MAX);
                    let delay = step.retry.delay.saturating_mul(times).min(LONGEST_DELAY);
                    tokio::select! {
                        () = tokio::time::sleep(delay) => {}
                        () = cx.cancel.cancelled() => return Err(StepError::Interrupted),
                    }
                }
                for condition in &step.preconditions {
                    condition.hold(&cx).await?;
                }
                act(step, &cx).await
            };
            (step.id.clone(), work.await)
        })
    }

    /// Undoes what was done, the last first.
    async fn undo(&self, mut state: RunState) -> Result<Ending> {
        for id in state.to_undo(self.runbook) {
            if self.cancel.is_cancelled() {
                return self.interrupted(&mut state).await;
            }
            let Some(step) = self.runbook.step(&id) else { continue };
            self.write(&mut state, Event::Undoing { step: id.clone() }).await?;
            let Some(note) = self.undo_one(step, &state).await else {
                return self.interrupted(&mut state).await;
            };
            self.write(&mut state, Event::Undone { step: id, note }).await?;
        }
        let outcome = Outcome::Undone;
        self.write(&mut state, Event::Finished { outcome }).await?;
        Ok(Ending::Finished(outcome))
    }

    /// Undoes a step; what was done, or why it could not be. `None` when it was interrupted, and is
    /// undone again when the run goes on.
    async fn undo_one(&self, step: &Step, state: &RunState) -> Option<String> {
        let values = state.values();
        let cx = Context { world: self.world, values: &values, cancel: self.cancel };
        let work = async {
            if let Some(words) = &step.undo {
                let words = command::resolve(&cx, words)?;
                command::run(&cx, &words, None).await?;
                return Ok(Some(format!("ran `{}`", words.join(" "))));
            }
            step.action.undo(&cx, &state.step(&step.id).outputs).await
        };
        Some(match tokio::time::timeout(step.timeout, work).await {
            Ok(Ok(Some(note))) => note,
            Ok(Ok(None)) => "there is nothing to undo".to_owned(),
            Ok(Err(error)) if error.is_interruption() && self.cancel.is_cancelled() => return None,
            Ok(Err(error)) => format!("could not be undone: {error}"),
            Err(_) => format!("could not be undone within {} s", step.timeout.as_secs()),
        })
    }
}

/// Does what a step does. What takes too long is asked to stop, and dropped if it does not.
pub(crate) async fn act(step: &Step, cx: &Context<'_>) -> Result<Outputs, StepError> {
    let cancel = cx.cancel.child_token();
    let cx = Context { cancel: &cancel, ..*cx };
    let mut action = step.action.run(&cx);
    if let Ok(result) = tokio::time::timeout(step.timeout, &mut action).await {
        return result;
    }
    cancel.cancel();
    let _ = tokio::time::timeout(STOPPING, action).await;
    Err(StepError::Timeout(step.timeout))
}

/// The inputs of a run: those that are given, else those of the settings, else the defaults.
///
/// # Errors
/// When one is missing, is not of its kind, or is none of the runbook's.
pub(crate) fn inputs(
    world: &World,
    runbook: &Runbook,
    given: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>> {
    for name in given.keys() {
        if !runbook.inputs.contains_key(name) {
            let known: Vec<_> = runbook.inputs.keys().map(String::as_str).collect();
            return Err(Error::Input {
                name: name.clone(),
                reason: format!(
                    "the runbook {} has no such input; it has {}",
                    runbook.name,
                    known.join(", ")
                ),
            });
        }
    }
    let mut all = BTreeMap::new();
    for (name, input) in &runbook.inputs {
        let wrong = |reason: String| Error::Input { name: name.clone(), reason };
        let value = given
            .get(name)
            .or_else(|| world.sites.runbooks.inputs.get(name))
            .or(input.default.as_ref())
            .ok_or_else(|| wrong(format!("none is given ({})", input.description)))?;
        input.kind.check(value).map_err(wrong)?;
        if input.kind == crate::value::Kind::Environment {
            world.environment(value).map_err(|error| wrong(error.to_string()))?;
        }
        all.insert(name.clone(), value.clone());
    }
    Ok(all)
}
