//! Alerts outlive the process, and states of before there were any are taken on.

use lifeboat::config::Severity;

use super::*;
use crate::alerts::alert::Condition;
use crate::alerts::rule::Rule;
use crate::event::What;
use crate::store::Change;

fn now() -> Timestamp {
    "2026-11-25T12:00:00Z".parse().unwrap()
}

fn alert(number: u64) -> Alert {
    let condition = Condition {
        rule: Rule::Job,
        subject: "backup".to_owned(),
        severity: Severity::Critical,
        what: "it failed".to_owned(),
    };
    Alert::new(number, condition, now())
}

#[test]
fn what_was_decided_is_there_after_a_restart_and_numbers_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let over = Alert { resolved: Some(now()), ..alert(1) };
    {
        let store = Store::open(&path).unwrap();
        assert_eq!(store.open_alerts().unwrap(), (Vec::new(), 1));
        let alerts = vec![(&over, true)];
        store
            .decide_alerts(now(), &Decided { alerts, read: Some(7), ..Decided::default() })
            .unwrap();
        let second = alert(2);
        let alerts = vec![(&second, false)];
        store.decide_alerts(now(), &Decided { alerts, read: None, ..Decided::default() }).unwrap();
    }
    let store = Store::open(&path).unwrap();
    assert_eq!(store.open_alerts().unwrap(), (vec![alert(2)], 3));
    assert_eq!(store.alerts_read().unwrap(), 7);
    assert_eq!(store.alerts(true, 10).unwrap(), [alert(2)]);
    assert_eq!(store.alerts(false, 10).unwrap(), [alert(2), over]);
}

#[test]
fn a_state_of_the_format_before_is_taken_on_and_its_past_is_no_news() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch(include_str!("../schema.sql")).unwrap();
    old.execute_batch("PRAGMA user_version = 1; INSERT INTO events (at, event) VALUES (1, '{}');")
        .unwrap();
    drop(old);
    let store = Store::open(&path).unwrap();
    assert_eq!(store.alerts_read().unwrap(), 1);
    let change = Change { events: vec![What::SettingsReloaded], ..Change::default() };
    let events = store.commit(now(), change).unwrap();
    assert_eq!(events[0].number, 2);
    drop(store);
    assert_eq!(Store::open(&path).unwrap().alerts_read().unwrap(), 1, "it is taken on once");
}
