//! Drills: a runbook rehearsed with environments that nobody needs.
//!
//! The runbook is the same, step for step. Its environments are replaced by those that
//! `[drill.environments]` names, each of which must be `disposable` and must share nothing with one
//! that is not. What a drill makes is removed at its end, or by [`cleanup`] when its time is over.

mod guard;
pub(crate) mod preparation;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use lifeboat::CancellationToken;
use lifeboat::bolt::Value;
use serde::Serialize;

use crate::action::Context;
use crate::document::Runbook;
use crate::error::{Error, Result, StepError};
use crate::execute::{Ending, Observer, inputs};
use crate::fence;
use crate::issues;
use crate::measure::Measured;
use crate::report::Report;
use crate::run::{self, Ran, RunOptions, read, runs};
use crate::state::RunState;
use crate::steps::stop_database;
use crate::value::Kind;
use crate::world::{Drilling, World};

/// How long a drill's resources may live unless the settings say otherwise.
const TTL: Duration = Duration::from_hours(4);

/// How long a service may take to stop.
const STOPPING: Duration = Duration::from_mins(2);

/// The label of the canary, as the shipper writes it.
const CANARY: &str = "LifeboatCanary";

/// What lies beside the records of a drill that was cleaned up.
const CLEANED: &str = "drill/cleaned";

/// How a drill is done.
#[derive(Debug, Clone, Default)]
pub struct DrillOptions {
    /// Inputs of the runbook, as in a real run; environments are replaced.
    pub inputs: BTreeMap<String, String>,
    /// When the disaster was declared; now when not given.
    pub declared: Option<Timestamp>,
    /// When it happened; when it was declared when not given.
    pub disaster: Option<Timestamp>,
    /// When something was last written before; what the canary of production tells when not given.
    pub last_write: Option<Timestamp>,
    /// How long what is made may live.
    pub ttl: Option<Duration>,
    /// Keeps what was made until its time is over, or [`cleanup`] is asked for.
    pub keep: bool,
    /// Who looks after what it finds.
    pub owner: Option<String>,
}

/// What a drill has shown.
#[derive(Debug, Clone)]
pub struct Drilled {
    /// The run.
    pub ran: Ran,
    /// What was measured.
    pub measured: Measured,
    /// The objectives that are missed, in words.
    pub missed: Vec<String>,
    /// What became of what it made; `None` when that is kept.
    pub cleaned: Option<Cleaned>,
}

/// Rehearses a runbook: prepares, runs, measures, reports, and removes what it made.
///
/// # Errors
/// When it would touch production, or its journal can be written nowhere. A step that fails is no
/// error: the run's ending tells of it.
pub async fn drill(
    world: &mut World,
    runbook: &Runbook,
    options: &DrillOptions,
    observer: &dyn Observer,
    cancel: &CancellationToken,
) -> Result<Drilled> {
    let mut begun = prepare(world, runbook, options).await?;
    let plan = run::plan(world, runbook, &begun, cancel).await?;
    begun.predicted = plan.predicted_ms.map(Duration::from_millis);
    let ran = run::run(world, runbook, begun, observer, cancel).await?;
    conclude(world, ran, cancel).await
}

/// What follows a drill's run, begun or resumed: measures, records what it found, and at its end keeps
/// the report and removes what the drill made.
///
/// # Errors
/// When the vaults cannot be written, or something cannot be removed.
pub async fn conclude(world: &mut World, ran: Ran, cancel: &CancellationToken) -> Result<Drilled> {
    let measured = Measured::of(world, &ran.state)?;
    let drilling = ran.state.drill.as_ref();
    let finished = matches!(ran.ending, Ending::Finished(_));
    if finished || matches!(ran.ending, Ending::Failed(_)) {
        let owner = drilling.and_then(|drill| drill.owner.as_deref()).unwrap_or("nobody yet");
        for text in issues::found_by(&measured) {
            issues::add(world, Some(&ran.run), &text, owner).await?;
        }
    }
    let keep = drilling.is_some_and(|drill| drill.keep);
    if finished {
        Report::of(world, &ran.run).await?.keep(world).await?;
    }
    let cleaned =
        if finished && !keep { Some(cleanup(world, &ran.run, cancel).await?) } else { None };
    Ok(Drilled { missed: measured.missed(), ran, measured, cleaned })
}

/// Prepares a drill: finds the environments that stand for the real ones, and makes sure that
/// nothing of production is touched. From here on the world belongs to the drill.
///
/// # Errors
/// When no environment stands for one, or one shares something with production.
async fn prepare(
    world: &mut World,
    runbook: &Runbook,
    options: &DrillOptions,
) -> Result<RunOptions> {
    let mut all = inputs(world, runbook, &options.inputs)?;
    let mut real = Vec::new();
    for (name, input) in &runbook.inputs {
        if input.kind != Kind::Environment {
            continue;
        }
        let Some(value) = all.get_mut(name) else { continue };
        let stand_in = stand_in(world, value)?;
        real.push(std::mem::replace(value, stand_in));
    }
    for (name, input) in &runbook.inputs {
        if let (Kind::Environment, Some(value)) = (input.kind, all.get(name)) {
            guard::shares_nothing(world, value).await.map_err(Error::Production)?;
        }
    }
    guard::own_name(world).map_err(Error::Production)?;
    let last_write = match options.last_write {
        Some(moment) => Some(moment),
        None => last_write(world, &real).await,
    };
    let declared = options.declared.unwrap_or_else(Timestamp::now);
    let ttl = options.ttl.or(world.sites.drill.ttl).unwrap_or(TTL);
    let unique = uuid::Uuid::new_v4().simple().to_string();
    let id = format!("{}-{}-{}", runbook.name, declared.strftime("%Y%m%d"), &unique[..4]);
    let expires = declared.checked_add(ttl).unwrap_or(declared);
    let (keep, owner) = (options.keep, options.owner.clone());
    world.drill = Some(Drilling { id, expires, keep, owner });
    Ok(RunOptions {
        inputs: all,
        declared: Some(declared),
        disaster: Some(options.disaster.unwrap_or(declared)),
        last_write,
        predicted: None,
    })
}

/// The environment that stands for one in a drill.
fn stand_in(world: &World, name: &str) -> Result<String> {
    let stand_in = world.sites.drill.environments.get(name).map_or(name, String::as_str);
    let environment = world.environment(stand_in).map_err(Error::Step)?;
    if environment.disposable {
        return Ok(stand_in.to_owned());
    }
    Err(Error::Production(if stand_in == name {
        format!(
            "no environment stands for {name}; name one under [drill.environments], as in {name} = \
             \"rehearsal\""
        )
    } else {
        format!(
            "the environment {stand_in} stands for {name} and is not disposable; if nobody needs \
             it, set environment.{stand_in}.disposable = true"
        )
    }))
}

/// When something was last written in production: what its canary tells, if it has one.
async fn last_write(world: &World, environments: &[String]) -> Option<Timestamp> {
    for name in environments {
        let query = format!("MATCH (n:{CANARY}) RETURN toString(max(n.written))");
        let work = async {
            match world.ask(name, &query).await {
                Ok(Value::String(text)) => text.parse().ok(),
                _ => None,
            }
        };
        let found = tokio::time::timeout(Duration::from_secs(10), work).await.ok().flatten();
        if found.is_some() {
            return found;
        }
    }
    None
}

/// What became of a drill's resources.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Cleaned {
    /// The drill's run.
    pub run: String,
    /// What was removed.
    pub removed: Vec<String>,
    /// What was not, and why.
    pub left: Vec<String>,
}

/// What drills have left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Left {
    /// The drills whose resources can go: those whose time is over, and those at their end that
    /// nobody keeps.
    pub due: Vec<String>,
    /// Those whose resources stay.
    pub stay: Vec<Stay>,
}

/// That a drill's resources stay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stay {
    /// The drill's run.
    pub run: String,
    /// Until when: its own time, or that of a later drill with the same environments.
    pub until: Timestamp,
}

/// What drills have left, and what of it can go `now`; of those that nobody keeps, only what ended by
/// `ended`, since a drill that has just ended is still cleaning up after itself.
///
/// # Errors
/// When journals cannot be read anywhere.
pub async fn left(world: &World, now: Timestamp, ended: Timestamp) -> Result<Left> {
    let journals = world.journals()?;
    let (mut left, mut over) = (Left::default(), Vec::new());
    let mut held: BTreeMap<String, Timestamp> = BTreeMap::new();
    for state in runs(world).await?.0 {
        let Some(drill) = &state.drill else { continue };
        if journals.beside(&state.run, CLEANED).await.is_some() {
            continue;
        }
        let has_ended = state.outcome.is_some() && state.latest <= ended;
        if drill.expires <= now || (has_ended && !drill.keep) {
            over.push(state);
            continue;
        }
        for name in environments(&state).unwrap_or_default() {
            let until = held.entry(name).or_insert(drill.expires);
            *until = drill.expires.max(*until);
        }
        left.stay.push(Stay { run: state.run.clone(), until: drill.expires });
    }
    for state in over {
        let names = environments(&state).unwrap_or_default();
        match names.iter().filter_map(|name| held.get(name)).max() {
            None => left.due.push(state.run),
            Some(until) => left.stay.push(Stay { run: state.run, until: *until }),
        }
    }
    Ok(left)
}

/// The environments of a drill.
fn environments(state: &RunState) -> Result<BTreeSet<String>> {
    let runbook = Runbook::parse(&state.runbook, &state.run, &state.source)?;
    let inputs = runbook.inputs.iter().filter(|(_, input)| input.kind == Kind::Environment);
    Ok(inputs.filter_map(|(name, _)| state.inputs.get(name).cloned()).collect())
}

/// Removes what a drill has made: stops its services and its database, removes its resources, and
/// lifts its fences.
///
/// # Errors
/// When there is no such run, or it is none of a drill. What could not be removed is told, and is
/// tried again by the next call.
pub async fn cleanup(world: &mut World, run: &str, cancel: &CancellationToken) -> Result<Cleaned> {
    let state = read(world, run).await?;
    let Some(drill) = state.drill.clone() else {
        let why = "is none of a drill, and nothing of it is removed".to_owned();
        return Err(Error::State { run: run.to_owned(), why });
    };
    world.drill = Some(drill);
    let values = state.values();
    let cx = Context { world, values: &values, cancel };
    let mut cleaned = Cleaned { run: run.to_owned(), ..Cleaned::default() };
    for name in environments(&state)? {
        remove(&cx, &name, &mut cleaned).await;
    }
    if cleaned.left.is_empty() {
        let journals = world.journals()?;
        journals.lay_beside(run, CLEANED, &Timestamp::now().to_string()).await?;
    }
    Ok(cleaned)
}

async fn remove(cx: &Context<'_>, name: &str, cleaned: &mut Cleaned) {
    let environment = match cx.world.environment(name) {
        Ok(environment) => environment,
        Err(error) => return cleaned.left.push(error.to_string()),
    };
    if let Some(platform) = &environment.platform {
        for service in environment.services.iter().rev() {
            match platform.stop(service, STOPPING).await {
                Ok(()) => cleaned.removed.push(format!("{name}: stopped the service {service}")),
                Err(error) => cleaned.left.push(format!("{name}: {error}")),
            }
        }
    }
    if environment.stop_database.is_some() {
        match stop_database(cx, name).await {
            Ok(()) => cleaned.removed.push(format!("{name}: stopped the database")),
            Err(error) => cleaned.left.push(format!("{name}: {error}")),
        }
    }
    if let Some(provision) = &environment.provision {
        match provision.remove(cx, name).await {
            Ok(true) => cleaned.removed.push(format!("{name}: removed its resources")),
            Ok(false) => {}
            Err(error) => cleaned.left.push(format!("{name}: {error}")),
        }
    }
    let lifted: Result<bool, StepError> = match fence::look(cx.world, name).await {
        Ok(None) => Ok(false),
        Ok(Some(_)) => fence::lift(cx.world, name, "drill cleanup").await.map(|_| true),
        Err(error) => Err(error),
    };
    match lifted {
        Ok(true) => cleaned.removed.push(format!("{name}: lifted its fence")),
        Ok(false) => {}
        Err(error) => cleaned.left.push(format!("{name}: {error}")),
    }
}

#[cfg(test)]
mod tests;
