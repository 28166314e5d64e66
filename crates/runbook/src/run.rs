//! What is done with runbooks: planned, run, resumed, approved, given up.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use lifeboat::CancellationToken;
use serde::Serialize;

use crate::action::{Context, Finding, Level};
use crate::document::Runbook;
use crate::drill::preparation;
use crate::error::{Error, Result};
use crate::execute::{Ending, Execution, Observer, inputs};
use crate::journal::{Event, Journal, Outcome};
use crate::library;
use crate::state::{RunState, Standing};
use crate::world::World;

/// How a run is begun.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// Inputs that are given.
    pub inputs: BTreeMap<String, String>,
    /// When the disaster was declared; now when not given.
    pub declared: Option<Timestamp>,
    /// When it happened, as far as somebody knows.
    pub disaster: Option<Timestamp>,
    /// When something was last written before, as far as somebody knows.
    pub last_write: Option<Timestamp>,
    /// How long it was predicted to take.
    pub predicted: Option<Duration>,
}

/// A run, and where it has come to.
#[derive(Debug, Clone)]
pub struct Ran {
    /// Its id.
    pub run: String,
    /// Where it has come to.
    pub ending: Ending,
    /// Its state.
    pub state: RunState,
    /// Places of the journal that did not answer.
    pub silent: Vec<String>,
}

/// What a run would do.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// The runbook.
    pub runbook: String,
    /// What it is for.
    pub title: String,
    /// Its inputs.
    pub inputs: BTreeMap<String, String>,
    /// Its steps, in the order of the file.
    pub steps: Vec<PlannedStep>,
    /// How long it would take, as far as that was ever measured.
    pub predicted_ms: Option<u64>,
    /// How long it may take.
    pub rto_ms: Option<u64>,
}

/// What a step would do.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedStep {
    /// Its id.
    pub id: String,
    /// What it does, in a line.
    pub title: String,
    /// The steps that come before.
    pub needs: Vec<String>,
    /// The question to which a person must agree before.
    pub approval: Option<String>,
    /// Exactly what it would do.
    pub does: Vec<String>,
    /// What was looked at.
    pub findings: Vec<Finding>,
    /// How long it will take, if that can be foreseen.
    pub predicted_ms: Option<u64>,
}

impl Plan {
    /// What would fail.
    pub fn failures(&self) -> impl Iterator<Item = (&str, &Finding)> {
        self.steps.iter().flat_map(|step| {
            let failed = step.findings.iter().filter(|one| one.level == Level::Failed);
            failed.map(|finding| (step.id.as_str(), finding))
        })
    }

    /// Whether the predicted time is longer than it may be.
    pub fn misses_objective(&self) -> bool {
        matches!((self.predicted_ms, self.rto_ms), (Some(predicted), Some(rto)) if predicted > rto)
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Says exactly what a run would do, and looks at everything that can be looked at before. Nothing
/// is changed.
///
/// # Errors
/// When the inputs cannot be used. What a step would fail with is in the plan.
pub async fn plan(
    world: &World,
    runbook: &Runbook,
    options: &RunOptions,
    cancel: &CancellationToken,
) -> Result<Plan> {
    let inputs = inputs(world, runbook, &options.inputs)?;
    let declared = options.declared.unwrap_or_else(Timestamp::now);
    let mut values = values(world, &inputs, declared);
    let mut steps = Vec::new();
    for step in in_order(runbook) {
        if cancel.is_cancelled() {
            return Err(Error::Interrupted);
        }
        let cx = Context { world, values: &values, cancel };
        let mut does: Vec<String> = step
            .preconditions
            .iter()
            .map(|one| format!("make sure that {}", one.describe(&cx)))
            .collect();
        does.extend(step.action.describe(&cx));
        let findings = step.action.check(&cx).await;
        let predicted = step.action.predict(&cx).await;
        let outputs = if step.action.only_looks() { step.action.run(&cx).await.ok() } else { None };
        if let Some(outputs) = outputs {
            values.outputs(&step.id, &outputs);
        }
        steps.push(PlannedStep {
            id: step.id.clone(),
            title: step.title.clone(),
            needs: step.needs.clone(),
            approval: step.approval.clone(),
            does,
            findings,
            predicted_ms: predicted.map(ms),
        });
    }
    Ok(Plan {
        runbook: runbook.name.clone(),
        title: runbook.title.clone(),
        inputs,
        predicted_ms: critical_path(&steps),
        steps,
        rto_ms: world.config.objectives.rto.map(ms),
    })
}

fn values(
    world: &World,
    inputs: &BTreeMap<String, String>,
    declared: Timestamp,
) -> crate::template::Values {
    let mut values = crate::template::Values::default();
    for (name, value) in inputs {
        values.input(name, value);
    }
    let drill = world.drill.as_ref().map_or_else(String::new, |drill| drill.id.clone());
    for (name, value) in
        [("id", "RUN".to_owned()), ("declared", declared.to_string()), ("drill", drill)]
    {
        values.set(crate::template::Reference::Run(name.to_owned()), value);
    }
    values
}

/// The steps, each after those that it needs.
fn in_order(runbook: &Runbook) -> Vec<&crate::document::Step> {
    let mut done: Vec<&crate::document::Step> = Vec::new();
    while done.len() < runbook.steps.len() {
        let before = done.len();
        for step in &runbook.steps {
            let is_done = |id: &str| done.iter().any(|one| one.id == id);
            if !is_done(&step.id) && step.needs.iter().all(|need| is_done(need)) {
                done.push(step);
            }
        }
        if done.len() == before {
            break;
        }
    }
    done
}

/// The longest way through the steps; `None` when nothing could be foreseen.
fn critical_path(steps: &[PlannedStep]) -> Option<u64> {
    let mut ends: BTreeMap<&str, u64> = BTreeMap::new();
    // Steps stand after what they need.
    for step in steps {
        let begins = step.needs.iter().filter_map(|need| ends.get(need.as_str())).max().copied();
        ends.insert(&step.id, begins.unwrap_or(0) + step.predicted_ms.unwrap_or(0));
    }
    let restore_known = steps.iter().any(|step| step.predicted_ms.is_some_and(|ms| ms > 0));
    if restore_known { ends.values().max().copied() } else { None }
}

/// Runs a runbook.
///
/// # Errors
/// When the inputs cannot be used, or the journal can be written nowhere. A step that fails is no
/// error: the ending tells of it.
pub async fn run(
    world: &World,
    runbook: &Runbook,
    options: RunOptions,
    observer: &dyn Observer,
    cancel: &CancellationToken,
) -> Result<Ran> {
    let inputs = inputs(world, runbook, &options.inputs)?;
    let now = Timestamp::now();
    let id = new_id(&runbook.name, now);
    let journals = world.journals()?;
    let event = Event::Declared {
        runbook: runbook.name.clone(),
        source: runbook.source.clone(),
        inputs,
        declared: options.declared.unwrap_or(now),
        disaster: options.disaster,
        last_write: options.last_write,
        drill: world.drill.clone(),
        predicted_ms: options.predicted.map(ms),
    };
    let journal = journals.begin(&id, event).await?;
    if let Some(first) = journal.records().await.first() {
        observer.record(&id, runbook, first);
    }
    carry_on(world, runbook, &journals, &journal, observer, cancel).await
}

/// The id of a new run: the runbook, the second, and something that no other has.
fn new_id(runbook: &str, now: Timestamp) -> String {
    let unique = uuid::Uuid::new_v4().simple().to_string();
    format!("{runbook}-{}-{}", now.strftime("%Y%m%d-%H%M%S"), &unique[..4])
}

/// Carries on a run that has stopped, here or on another machine. What has failed is tried again.
///
/// # Errors
/// When there is no such run, it is at its end, or somebody else carries it on.
pub async fn resume(
    world: &World,
    run: &str,
    observer: &dyn Observer,
    cancel: &CancellationToken,
) -> Result<Ran> {
    let journals = world.journals()?;
    let journal = journals.open(run).await?;
    let state = state_of(&journal).await?;
    if let Some(outcome) = state.outcome {
        return Err(Error::State {
            run: run.to_owned(),
            why: format!("is at its end: it {outcome}; begin a new one"),
        });
    }
    let runbook =
        Runbook::parse(&state.runbook, &format!("{run} (as it was begun)"), &state.source)?;
    let record = journal.append(Event::Resumed).await?;
    observer.record(run, &runbook, &record);
    carry_on(world, &runbook, &journals, &journal, observer, cancel).await
}

async fn carry_on(
    world: &World,
    runbook: &Runbook,
    journals: &crate::journal::Journals,
    journal: &Journal,
    observer: &dyn Observer,
    cancel: &CancellationToken,
) -> Result<Ran> {
    let mut state = state_of(journal).await?;
    let stopped = preparation::stand(world, runbook, &state, journal, observer, cancel).await?;
    let ending = if let Some(ending) = stopped {
        ending
    } else {
        state.forgive();
        let execution = Execution { world, runbook, journals, journal, observer, cancel };
        execution.run(state).await?
    };
    let silent = journal.settle().await?;
    let state = state_of(journal).await?;
    Ok(Ran { run: journal.run().to_owned(), ending, state, silent })
}

async fn state_of(journal: &Journal) -> Result<RunState> {
    let records = journal.records().await;
    RunState::of(journal.run(), &records)
        .ok_or_else(|| Error::NoRun { run: journal.run().to_owned() })
}

/// Agrees, for whoever calls, that a step of a run begins.
///
/// # Errors
/// When there is no such run or step, or the step asks nobody.
pub async fn approve(world: &World, run: &str, step: &str) -> Result<()> {
    let journals = world.journals()?;
    let state = read(world, run).await?;
    let runbook = Runbook::parse(&state.runbook, run, &state.source)?;
    let found = runbook
        .step(step)
        .ok_or_else(|| Error::NoStep { run: run.to_owned(), step: step.to_owned() })?;
    if found.approval.is_none() {
        return Err(Error::State {
            run: run.to_owned(),
            why: format!("asks nobody about the step {step}; nothing has to be approved"),
        });
    }
    journals.lay_beside(run, &format!("approvals/{step}"), &crate::journal::who()).await
}

/// Says what became of a step of which nobody knows how far it came.
///
/// # Errors
/// When there is no such run or step, or the step is not in doubt.
pub async fn settle(world: &World, run: &str, step: &str, done: bool) -> Result<()> {
    let journal = world.journals()?.open(run).await?;
    let state = state_of(&journal).await?;
    if state.step(step).standing != Standing::Begun {
        return Err(Error::State {
            run: run.to_owned(),
            why: format!("is in no doubt about the step {step}"),
        });
    }
    journal.append(Event::Settled { step: step.to_owned(), done }).await?;
    Ok(())
}

/// Gives a run up. Whoever carries it on stops with its next record. With `undo`, what was done is
/// undone first, as far as that goes.
///
/// # Errors
/// When there is no such run, or it is at its end.
pub async fn abort(
    world: &World,
    run: &str,
    undo: bool,
    observer: &dyn Observer,
    cancel: &CancellationToken,
) -> Result<Ran> {
    let journals = world.journals()?;
    let journal = journals.open(run).await?;
    let mut state = state_of(&journal).await?;
    if let Some(outcome) = state.outcome {
        return Err(Error::State {
            run: run.to_owned(),
            why: format!("is at its end: it {outcome}"),
        });
    }
    let runbook = Runbook::parse(&state.runbook, run, &state.source)?;
    let ending = if undo {
        let record = journal.append(Event::Resumed).await?;
        observer.record(run, &runbook, &record);
        state.undoing = true;
        let execution = Execution {
            world,
            runbook: &runbook,
            journals: &journals,
            journal: &journal,
            observer,
            cancel,
        };
        execution.run(state).await?
    } else {
        let outcome = Outcome::Aborted;
        let record = journal.append(Event::Finished { outcome }).await?;
        observer.record(run, &runbook, &record);
        Ending::Finished(outcome)
    };
    let silent = journal.settle().await?;
    let state = state_of(&journal).await?;
    Ok(Ran { run: run.to_owned(), ending, state, silent })
}

/// Where a run is.
///
/// # Errors
/// When there is no such run, or its records cannot be read.
pub async fn read(world: &World, run: &str) -> Result<RunState> {
    let records = world.journals()?.read(run).await?;
    RunState::of(run, &records).ok_or_else(|| Error::NoRun { run: run.to_owned() })
}

/// Where all runs are, the newest first; and what is wrong with places that do not answer.
///
/// # Errors
/// When this machine has no place for journals.
pub async fn runs(world: &World) -> Result<(Vec<RunState>, Vec<String>)> {
    let journals = world.journals()?;
    let (ids, mut silent) = journals.runs().await;
    let mut all = Vec::new();
    for id in ids {
        match read(world, &id).await {
            Ok(state) => all.push(state),
            Err(error) => silent.push(error.to_string()),
        }
    }
    all.sort_by_key(|state| std::cmp::Reverse(state.declared));
    Ok((all, silent))
}

/// The runbook of a name: of your own folder, else a built-in one.
///
/// # Errors
/// When there is none, or it cannot be used.
pub fn find(world: &World, name: &str) -> Result<Runbook> {
    library::find(world.sites.runbooks.folder.as_deref(), name)
}
