//! What a drill makes before its clock runs.
//!
//! A runbook that makes no resources takes it for granted that the environment stands: after database
//! corruption only the database is lost. In a drill nothing stands, unless somebody keeps it. So what
//! `[environment.NAME.provision]` tells is made first, and the configuration is restored; both are
//! written down, and removed with the drill.

use lifeboat::CancellationToken;

use crate::action::Context;
use crate::document::Runbook;
use crate::error::{Error, Result, StepError};
use crate::execute::{Ending, Observer, act};
use crate::journal::{Event, Journal};
use crate::state::RunState;
use crate::world::World;

use super::environments;

const TEXT: &str = include_str!("preparation.toml");

/// Makes what a drill needs, unless it stands. How the run ended when it was interrupted meanwhile.
///
/// # Errors
/// When it cannot be made; the run can be resumed.
pub(crate) async fn stand(
    world: &World,
    runbook: &Runbook,
    state: &RunState,
    journal: &Journal,
    observer: &dyn Observer,
    cancel: &CancellationToken,
) -> Result<Option<Ending>> {
    let makes = |step: &crate::document::Step| step.action.makes_resources();
    if state.drill.is_none() || state.prepared || runbook.steps.iter().any(makes) {
        return Ok(None);
    }
    let mut names = environments(state)?;
    names.retain(|name| world.environment(name).is_ok_and(|one| one.provision.is_some()));
    if names.is_empty() {
        return Ok(None);
    }
    let mut made = Ok(());
    for name in &names {
        if made.is_ok() {
            made = make(world, state, name, cancel).await;
        }
    }
    let (event, ending) = match made {
        Ok(()) => (Event::Prepared, Ok(None)),
        Err(error) if error.is_interruption() && cancel.is_cancelled() => {
            let reason = "interrupted".to_owned();
            (Event::Stopped { reason }, Ok(Some(Ending::Interrupted)))
        }
        Err(error) => {
            let (run, names) = (&state.run, Vec::from_iter(names).join(", "));
            let reason = format!("{names} cannot be made for the drill: {error}");
            let what = format!(
                "the run {run}: {reason}; mend that, then `lifeboat runbook resume {run}`, or \
                 remove what there is of it with `lifeboat drill cleanup {run}`"
            );
            (Event::Stopped { reason }, Err(Error::Drill(what)))
        }
    };
    let record = journal.append(event).await?;
    observer.record(journal.run(), runbook, &record);
    ending
}

async fn make(
    world: &World,
    state: &RunState,
    name: &str,
    cancel: &CancellationToken,
) -> Result<(), StepError> {
    let steps = Runbook::parse("preparation", "preparation", TEXT)
        .map_err(|error| StepError::Value(error.to_string()))?
        .steps;
    // Without a folder of its own there is no place for the configuration.
    let configured = world.environment(name)?.configuration.is_some();
    let mut values = state.values();
    values.input("environment", name);
    values.input("vault", state.inputs.get("vault").map_or("", String::as_str));
    for step in steps.iter().take(if configured { steps.len() } else { 1 }) {
        let outputs = act(step, &Context { world, values: &values, cancel }).await?;
        values.outputs(&step.id, &outputs);
    }
    Ok(())
}
