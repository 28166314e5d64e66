//! Marks in the vaults that keep an environment from coming back as a second primary.
//!
//! A mark is the object `fences/NAME.json`. It counts when any vault that answers has it: after a
//! failover the vault of the lost region may not know of it yet.

use bytes::Bytes;
use jiff::Timestamp;
use lifeboat::vault::Area;
use serde::{Deserialize, Serialize};

use crate::error::StepError;
use crate::journal::who;
use crate::world::World;

const AREA: &str = "fences";
const LIMIT: u64 = 64 << 10;

/// How long a vault may take to answer.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// A mark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The environment that is kept out.
    pub environment: String,
    /// Since when.
    pub since: Timestamp,
    /// By which run.
    pub run: String,
    /// By whom.
    pub by: String,
}

/// The vaults' areas, and why some cannot be asked.
fn areas(world: &World) -> (Vec<Area>, Vec<String>) {
    let (mut areas, mut silent) = (Vec::new(), Vec::new());
    for region in world.regions() {
        let area = region.and_then(|region| Ok(region.databases().area(AREA)?));
        match area {
            Ok(area) => areas.push(area),
            Err(error) => silent.push(error.to_string()),
        }
    }
    (areas, silent)
}

async fn in_time<T>(
    area: &Area,
    work: impl Future<Output = Result<T, lifeboat::vault::Error>>,
) -> Result<T, String> {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err(format!("{} does not answer", area.vault())),
    }
}

fn none_answers(silent: &[String]) -> StepError {
    StepError::Condition {
        what: "a vault answers, to keep a mark".to_owned(),
        found: if silent.is_empty() { "no vault is set".to_owned() } else { silent.join("; ") },
    }
}

fn key(environment: &str) -> String {
    format!("{environment}.json")
}

/// The mark of an environment, if any vault that answers has one.
///
/// # Errors
/// When none answers: then nobody knows.
pub async fn look(world: &World, environment: &str) -> Result<Option<Mark>, StepError> {
    let (areas, mut silent) = areas(world);
    let mut answered = false;
    for area in areas {
        match in_time(&area, area.read(&key(environment), LIMIT)).await {
            Ok(found) => {
                answered = true;
                if let Some((bytes, _)) = found {
                    // A mark that cannot be read is a mark all the same.
                    let mark = serde_json::from_slice(&bytes).unwrap_or_else(|_| Mark {
                        environment: environment.to_owned(),
                        since: Timestamp::UNIX_EPOCH,
                        run: "unknown".to_owned(),
                        by: "unknown".to_owned(),
                    });
                    return Ok(Some(mark));
                }
            }
            Err(why) => silent.push(why),
        }
    }
    if answered { Ok(None) } else { Err(none_answers(&silent)) }
}

/// Marks an environment in every vault that answers; which those are.
///
/// # Errors
/// When none answers.
pub async fn set(world: &World, environment: &str, run: &str) -> Result<Vec<String>, StepError> {
    let mark = Mark {
        environment: environment.to_owned(),
        since: Timestamp::now(),
        run: run.to_owned(),
        by: who(),
    };
    let bytes = Bytes::from(serde_json::to_vec(&mark).unwrap_or_default());
    let (areas, mut silent) = areas(world);
    let mut marked = Vec::new();
    for area in areas {
        match in_time(&area, area.create(&key(environment), &bytes)).await {
            // One that is there already does as well.
            Ok(_) => marked.push(area.vault().to_string()),
            Err(why) => silent.push(why),
        }
    }
    if marked.is_empty() { Err(none_answers(&silent)) } else { Ok(marked) }
}

/// Removes the mark of an environment from every vault; which those are.
///
/// # Errors
/// When a vault does not answer: its mark would come back with it.
pub async fn lift(world: &World, environment: &str) -> Result<Vec<String>, StepError> {
    let (areas, silent) = areas(world);
    if let Some(why) = silent.into_iter().next() {
        return Err(none_answers(&[why]));
    }
    let mut lifted = Vec::new();
    for area in areas {
        in_time(&area, area.delete(&key(environment))).await.map_err(|why| {
            StepError::Condition {
                what: format!("the mark of {environment} is removed from every vault"),
                found: why,
            }
        })?;
        lifted.push(area.vault().to_string());
    }
    Ok(lifted)
}
