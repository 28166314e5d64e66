//! What drills have found to be mended: with an owner, until somebody closes it. Each is an object
//! beside the journals, and so in every vault; closing one adds another object.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::journal::who;
use crate::measure::Measured;
use crate::world::World;

/// Where they lie among the journals.
const FOLDER: &str = "issues";

/// Something to be mended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issue {
    /// Its id.
    pub id: String,
    /// The run that found it, if one did.
    pub run: Option<String>,
    /// What it is.
    pub text: String,
    /// Who looks after it.
    pub owner: String,
    /// When it was found.
    pub found: Timestamp,
    /// When it was closed, and by whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Closed>,
}

/// That it was closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: String,
}

/// What a run has shown to be mended: objectives that are missed, and steps that failed.
pub fn found_by(measured: &Measured) -> Vec<String> {
    let failed = measured.steps.iter().filter_map(|step| {
        let error = step.error.as_ref()?;
        (!step.done).then(|| format!("the step {} failed: {error}", step.id))
    });
    let again = measured.steps.iter().filter(|step| step.done && step.attempts > 1).map(|step| {
        format!("the step {} was done only with its attempt {}", step.id, step.attempts)
    });
    measured.missed().into_iter().chain(failed).chain(again).collect()
}

/// Records one.
///
/// # Errors
/// When it can be written nowhere.
pub async fn add(world: &World, run: Option<&str>, text: &str, owner: &str) -> Result<Issue> {
    let unique = uuid::Uuid::new_v4().simple().to_string();
    let issue = Issue {
        id: unique[..8].to_owned(),
        run: run.map(ToOwned::to_owned),
        text: text.to_owned(),
        owner: owner.to_owned(),
        found: Timestamp::now(),
        closed: None,
    };
    let json = serde_json::to_string(&issue).unwrap_or_default();
    world.journals()?.lay_beside(FOLDER, &format!("{}.json", issue.id), &json).await?;
    Ok(issue)
}

/// All of them, the oldest first.
///
/// # Errors
/// When this machine has no place for journals.
pub async fn list(world: &World) -> Result<Vec<Issue>> {
    let journals = world.journals()?;
    let names = journals.names_beside(FOLDER).await;
    let mut all = Vec::new();
    for name in names.iter().filter(|name| !name.ends_with(".closed.json")) {
        let Some(id) = name.strip_suffix(".json") else { continue };
        let Some(text) = journals.beside(FOLDER, name).await else { continue };
        let Ok(mut issue) = serde_json::from_str::<Issue>(&text) else { continue };
        let closed = journals.beside(FOLDER, &format!("{id}.closed.json")).await;
        issue.closed = closed.and_then(|text| serde_json::from_str(&text).ok());
        all.push(issue);
    }
    all.sort_by_key(|issue| issue.found);
    Ok(all)
}

/// Closes one, by its id or the beginning of it.
///
/// # Errors
/// When there is none, or there are several that begin so.
pub async fn close(world: &World, id: &str) -> Result<Issue> {
    let all = list(world).await?;
    let found: Vec<&Issue> = all.iter().filter(|issue| issue.id.starts_with(id)).collect();
    let [one] = found[..] else {
        return Err(Error::Drill(format!(
            "{} issues have an id that begins with {id:?}; `lifeboat drill issues` shows them",
            found.len()
        )));
    };
    let closed = Closed { at: Timestamp::now(), by: who() };
    let json = serde_json::to_string(&closed).unwrap_or_default();
    let name = format!("{}.closed.json", one.id);
    world.journals()?.lay_beside(FOLDER, &name, &json).await?;
    Ok(Issue { closed: Some(closed), ..one.clone() })
}
