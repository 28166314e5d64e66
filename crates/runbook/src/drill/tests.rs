//! What drills have left, and when it goes.

use jiff::ToSpan as _;
use lifeboat::config::Config;

use super::*;
use crate::journal::{Event, Outcome};
use crate::sites::Sites;

const RUNBOOK: &str = "title = \"T\"\n[inputs.environment]\nkind = \"environment\"\n\
                       [[step]]\nid = \"a\"\nkind = \"ask\"\n";

fn at(minute: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + minute.minutes()
}

fn world(folder: &std::path::Path) -> World {
    let mut sites = Sites::default();
    sites.runbooks.state = Some(folder.to_owned());
    World::new(Config::default(), sites)
}

/// Begins a run in an environment: a drill until `expires`, if any.
async fn begin(world: &World, run: &str, environment: &str, drill: Option<(i64, bool)>) {
    let event = Event::Declared {
        runbook: "x".to_owned(),
        source: RUNBOOK.to_owned(),
        inputs: BTreeMap::from([("environment".to_owned(), environment.to_owned())]),
        declared: at(0),
        disaster: None,
        last_write: None,
        drill: drill.map(|(expires, keep)| Drilling {
            id: run.to_owned(),
            expires: at(expires),
            keep,
            owner: None,
        }),
        predicted_ms: None,
    };
    world.journals().unwrap().begin(run, event).await.unwrap();
}

async fn end(world: &World, run: &str) {
    let journal = world.journals().unwrap().open(run).await.unwrap();
    journal.append(Event::Finished { outcome: Outcome::Succeeded }).await.unwrap();
}

/// What can go at a minute, and what stays, with its minute.
async fn look(world: &World, minute: i64) -> (Vec<String>, Vec<(String, i64)>) {
    let Left { mut due, stay } = left(world, at(minute), Timestamp::MAX).await.unwrap();
    let mut stay: Vec<_> =
        stay.into_iter().map(|one| (one.run, one.until.as_second() / 60)).collect();
    due.sort();
    stay.sort();
    (due, stay)
}

fn stays(runs: &[(&str, i64)]) -> Vec<(String, i64)> {
    runs.iter().map(|(run, until)| ((*run).to_owned(), *until)).collect()
}

#[tokio::test]
async fn what_a_drill_made_goes_at_its_end_unless_it_is_kept_and_when_its_time_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let world = world(folder.path());
    // One whose end could not remove everything, one that is kept, one that was killed, and no drill.
    begin(&world, "ended", "one", Some((60, false))).await;
    begin(&world, "kept", "two", Some((60, true))).await;
    begin(&world, "killed", "three", Some((90, false))).await;
    begin(&world, "real", "four", None).await;
    for run in ["ended", "kept", "real"] {
        end(&world, run).await;
    }
    let settling = left(&world, at(59), at(0)).await.unwrap();
    assert_eq!((settling.due.len(), settling.stay.len()), (0, 3), "it may be at it itself");
    let later = look(&world, 59).await;
    assert_eq!(later, (vec!["ended".to_owned()], stays(&[("kept", 60), ("killed", 90)])));
    let later = look(&world, 60).await;
    assert_eq!(later, (vec!["ended".into(), "kept".into()], stays(&[("killed", 90)])));
    let journals = world.journals().unwrap();
    journals.lay_beside("kept", CLEANED, "now").await.unwrap();
    let later = look(&world, 90).await;
    assert_eq!(later, (vec!["ended".into(), "killed".into()], Vec::new()));
}

#[tokio::test]
async fn what_a_later_drill_uses_stays_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let world = world(folder.path());
    begin(&world, "killed", "one", Some((10, false))).await;
    begin(&world, "kept", "one", Some((60, true))).await;
    end(&world, "kept").await;
    assert_eq!(look(&world, 30).await, (Vec::new(), stays(&[("kept", 60), ("killed", 60)])));
    let both = vec!["kept".to_owned(), "killed".to_owned()];
    assert_eq!(look(&world, 60).await, (both, Vec::new()));
}
