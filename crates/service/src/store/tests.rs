use lifeboat::config::Schedule;

use super::*;
use crate::run::Trigger;

fn now() -> Timestamp {
    "2026-11-25T02:00:00Z".parse().unwrap()
}

fn ended(job: JobKind, number: u64, status: Status) -> What {
    let run = Run::new(job, number, Trigger::Schedule, now(), now());
    What::RunEnded { run: run.ended(status, now(), "words") }
}

fn commit(store: &Store, at: Timestamp, events: Vec<What>) -> Vec<Event> {
    store.commit(at, Change { events, ..Change::default() }).unwrap()
}

#[test]
fn what_was_stored_is_there_after_opening_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let state = JobState::new(&Schedule::default_of(JobKind::Backup), now());
    let events = {
        let store = Store::open(&path).unwrap();
        let change = Change {
            jobs: vec![(JobKind::Backup, &state)],
            events: vec![ended(JobKind::Backup, 1, Status::Succeeded), What::SettingsReloaded],
            ledger: Some(7),
        };
        store.commit(now(), change).unwrap()
    };
    let store = Store::open(&path).unwrap();
    let (states, page) = store.load().unwrap();
    assert_eq!((states.get(&JobKind::Backup), page), (Some(&state), 7));
    assert_eq!(store.events(0, 10).unwrap(), events);
    assert_eq!(*store.newest().borrow(), events[1].number);
    assert_eq!(store.run("backup-1").unwrap().as_ref(), events[0].what.run());
    assert_eq!(store.run("backup-2").unwrap(), None);
}

#[test]
fn events_are_numbered_and_can_be_read_on_from_any_of_them() {
    let store = Store::in_memory().unwrap();
    let mut newest = store.newest();
    assert!(!newest.has_changed().unwrap());
    let all: Vec<_> = (1..=5)
        .flat_map(|n| commit(&store, now(), vec![ended(JobKind::Backup, n, Status::Failed)]))
        .collect();
    assert!(newest.has_changed().unwrap());
    assert_eq!(*newest.borrow_and_update(), 5);
    assert_eq!(store.events(0, 2).unwrap(), all[..2]);
    assert_eq!(store.events(2, 10).unwrap(), all[2..]);
    assert_eq!(store.events(5, 10).unwrap(), []);
    assert_eq!(store.cursor("alerts").unwrap(), 0);
    store.set_cursor("alerts", 3).unwrap();
    assert_eq!(store.cursor("alerts").unwrap(), 3);
}

#[test]
fn a_run_has_one_row_whatever_happens_to_it() {
    let store = Store::in_memory().unwrap();
    let mut run = Run::new(JobKind::Verify, 3, Trigger::Request, now(), now());
    run.status = Status::Running;
    commit(&store, now(), vec![What::RunStarted { run: run.clone() }]);
    commit(&store, now(), vec![ended(JobKind::Backup, 1, Status::Succeeded)]);
    let run = run.ended(Status::Succeeded, now(), "all good");
    commit(&store, now(), vec![What::RunEnded { run: run.clone() }]);
    assert_eq!(store.runs(Some(JobKind::Verify), 10).unwrap(), [run]);
    assert_eq!(store.runs(None, 10).unwrap().len(), 2);
    assert_eq!(store.runs(None, 1).unwrap()[0].job, JobKind::Backup, "newest first");
}

#[test]
fn what_is_old_goes_unless_a_reader_still_needs_it() {
    let store = Store::in_memory().unwrap();
    commit(&store, now(), vec![What::SettingsReloaded, What::SettingsReloaded]);
    store.set_cursor("alerts", 1).unwrap();
    let later = now() + SignedDuration::from_hours(24 * 91);
    store.forget(later).unwrap();
    let left: Vec<_> = store.events(0, 10).unwrap().iter().map(|event| event.number).collect();
    assert_eq!(left, [2]);
    store.set_cursor("alerts", 2).unwrap();
    store.forget(later).unwrap();
    assert_eq!(store.events(0, 10).unwrap(), []);
    // Numbers are never given again.
    assert_eq!(commit(&store, later, vec![What::SettingsReloaded])[0].number, 3);
}

#[test]
fn operations_are_written_down() {
    let store = Store::in_memory().unwrap();
    let entry = |action: &str| AuditEntry {
        at: now(),
        who: "token ann".to_owned(),
        from: "127.0.0.1".to_owned(),
        action: action.to_owned(),
        target: "backup".to_owned(),
        outcome: "done".to_owned(),
    };
    store.audit(&entry("pause")).unwrap();
    store.audit(&entry("resume")).unwrap();
    assert_eq!(store.audited(10).unwrap(), [entry("resume"), entry("pause")]);
}

#[test]
fn a_file_of_a_later_version_or_of_something_else_is_refused_with_advice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    drop(Store::open(&path).unwrap());
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    let error = Store::open(&path).unwrap_err().to_string();
    assert!(error.contains("later version") && error.contains("no backup depends"), "{error}");
    std::fs::write(&path, vec![7; 5000]).unwrap();
    for end in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(folder.path().join(format!("state.db{end}")));
    }
    let error = Store::open(&path).unwrap_err().to_string();
    assert!(error.contains("move it away"), "{error}");
}
