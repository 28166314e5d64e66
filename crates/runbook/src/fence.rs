//! Marks in the vaults that keep an environment from coming back as a second primary.
//!
//! A mark is the object `fences/NAME.json`; of several vaults the newest mark counts, and letting an
//! environment in again is a newer mark that says so. So a vault that was away, and still holds what
//! was true before, is outvoted when it is back.

use std::time::Duration;

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
const PATIENCE: Duration = Duration::from_secs(10);

/// How often a mark is written again that somebody else writes at the same time.
const TRIES: usize = 10;

/// A mark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The environment.
    pub environment: String,
    /// Whether it is kept out.
    pub fenced: bool,
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

/// The mark that keeps an environment out, if the newest in the vaults that answer is one.
///
/// # Errors
/// When none answers: then nobody knows.
pub async fn look(world: &World, environment: &str) -> Result<Option<Mark>, StepError> {
    let (areas, mut silent) = areas(world);
    let key = key(environment);
    let reads = areas.iter().map(|area| in_time(area, area.read(&key, LIMIT)));
    let (mut answered, mut newest) = (false, None::<Mark>);
    for read in futures::future::join_all(reads).await {
        match read {
            Ok(None) => answered = true,
            Ok(Some((bytes, _))) => {
                answered = true;
                let mark = parse(environment, &bytes);
                if newest.as_ref().is_none_or(|other| other.since < mark.since) {
                    newest = Some(mark);
                }
            }
            Err(why) => silent.push(why),
        }
    }
    if answered { Ok(newest.filter(|mark| mark.fenced)) } else { Err(none_answers(&silent)) }
}

/// A mark that cannot be read keeps an environment out all the same.
fn parse(environment: &str, bytes: &[u8]) -> Mark {
    serde_json::from_slice(bytes).unwrap_or_else(|_| Mark {
        environment: environment.to_owned(),
        fenced: true,
        since: Timestamp::UNIX_EPOCH,
        run: "unknown".to_owned(),
        by: "unknown".to_owned(),
    })
}

/// Keeps an environment out, in every vault that answers; which those are.
///
/// # Errors
/// When none answers.
pub async fn set(world: &World, environment: &str, run: &str) -> Result<Vec<String>, StepError> {
    mark(world, environment, run, true).await
}

/// Lets an environment in again, in every vault that answers; which those are. One that is not kept
/// out is left as it is.
///
/// # Errors
/// When none answers.
pub async fn lift(world: &World, environment: &str, run: &str) -> Result<Vec<String>, StepError> {
    if look(world, environment).await?.is_none() {
        return Ok(Vec::new());
    }
    mark(world, environment, run, false).await
}

async fn mark(
    world: &World,
    environment: &str,
    run: &str,
    fenced: bool,
) -> Result<Vec<String>, StepError> {
    let mark = Mark {
        environment: environment.to_owned(),
        fenced,
        since: Timestamp::now(),
        run: run.to_owned(),
        by: who(),
    };
    let (areas, mut silent) = areas(world);
    let key = key(environment);
    let writes = areas.iter().map(|area| in_time(area, write(area, &key, &mark)));
    let mut marked = Vec::new();
    for (area, written) in areas.iter().zip(futures::future::join_all(writes).await) {
        match written {
            Ok(true) => marked.push(area.vault().to_string()),
            Ok(false) => silent.push(format!("others write to {} as well", area.vault())),
            Err(why) => silent.push(why),
        }
    }
    if marked.is_empty() { Err(none_answers(&silent)) } else { Ok(marked) }
}

/// Writes a mark in the place of an older one. Whether it, or a newer one, is there then.
async fn write(area: &Area, key: &str, mark: &Mark) -> Result<bool, lifeboat::vault::Error> {
    let bytes = Bytes::from(serde_json::to_vec(mark).unwrap_or_default());
    for _ in 0..TRIES {
        let written = match area.read(key, LIMIT).await? {
            None => area.create(key, &bytes).await?,
            Some((found, _)) if parse(&mark.environment, &found).since > mark.since => true,
            Some((_, version)) => area.replace(key, &bytes, &version).await?.is_some(),
        };
        if written {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use lifeboat::config::Config;

    use super::*;
    use crate::sites::Sites;

    fn world(folders: [&std::path::Path; 2]) -> World {
        let path = std::path::Path::new("/nowhere/lifeboat.toml");
        let text = format!(
            "[vault.primary]\nurl = {:?}\n[vault.secondary]\nurl = {:?}\n",
            folders[0], folders[1]
        );
        World::new(Config::parse(&text, path).unwrap(), Sites::default())
    }

    #[tokio::test]
    async fn the_newest_mark_counts_wherever_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        std::fs::create_dir(&a).unwrap();
        std::fs::create_dir(&b).unwrap();
        let world = world([&a, &b]);
        assert_eq!(look(&world, "east").await.unwrap(), None);
        assert_eq!(set(&world, "east", "r1").await.unwrap().len(), 2);
        assert_eq!(look(&world, "east").await.unwrap().unwrap().run, "r1");
        // One is away while the environment is let in again, and comes back with what it had.
        let away = folder.path().join("away");
        std::fs::rename(&a, &away).unwrap();
        assert_eq!(lift(&world, "east", "r2").await.unwrap().len(), 1);
        std::fs::rename(&away, &a).unwrap();
        assert_eq!(look(&world, "east").await.unwrap(), None);
        assert!(lift(&world, "east", "r3").await.unwrap().is_empty());
        // Nobody knows when none answers.
        std::fs::remove_dir_all(&a).unwrap();
        std::fs::remove_dir_all(&b).unwrap();
        look(&world, "east").await.unwrap_err();
        set(&world, "east", "r4").await.unwrap_err();
    }
}
