//! What records come to, and that a run ends the same wherever it was interrupted.

use std::collections::BTreeMap;

use jiff::{Timestamp, ToSpan as _};
use proptest::prelude::*;

use super::*;
use crate::journal::Event;

fn runbook(text: &str) -> Runbook {
    let text = format!("title = \"T\"\n{text}");
    Runbook::parse("x", "x.toml", &text).unwrap_or_else(|error| panic!("{error}"))
}

fn declared() -> Event {
    Event::Declared {
        runbook: "x".into(),
        source: String::new(),
        inputs: BTreeMap::from([("env".to_owned(), "primary".to_owned())]),
        declared: Timestamp::UNIX_EPOCH,
        disaster: None,
        last_write: None,
        drill: None,
        predicted_ms: None,
    }
}

fn records(events: Vec<Event>) -> Vec<Record> {
    let record = |(index, event): (usize, Event)| Record {
        number: index as u32 + 1,
        at: Timestamp::UNIX_EPOCH + (index as i64).seconds(),
        by: "me".into(),
        event,
    };
    std::iter::once(declared()).chain(events).enumerate().map(record).collect()
}

fn after(events: Vec<Event>) -> RunState {
    RunState::of("x-1", &records(events)).unwrap()
}

fn begun(step: &str) -> Event {
    Event::Begun { step: step.into(), attempt: 1 }
}

fn done(step: &str) -> Event {
    Event::Done { step: step.into(), outputs: Outputs::new() }
}

fn failed(step: &str, last: bool) -> Event {
    Event::Failed { step: step.into(), error: "no".into(), last }
}

#[test]
fn the_clock_stands_still_until_a_drill_stands() {
    let state = after(vec![Event::Resumed, Event::Prepared, begun("a")]);
    assert!(state.prepared);
    assert_eq!(state.declared, Timestamp::UNIX_EPOCH + 2.seconds());
    let state = after(vec![Event::Resumed, begun("a")]);
    assert!(!state.prepared && state.declared == Timestamp::UNIX_EPOCH);
}

const DIAMOND: &str = r#"
    [[step]]
    id = "a"
    kind = "command"
    command = ["true"]
    [[step]]
    id = "b"
    kind = "wait"
    for = "1s"
    needs = ["a"]
    [[step]]
    id = "c"
    kind = "ask"
    approval = "?"
    needs = ["a"]
    [[step]]
    id = "d"
    kind = "ask"
    needs = ["b", "c"]
"#;

#[test]
fn steps_begin_when_what_they_need_is_done() {
    let runbook = runbook(DIAMOND);
    let next = |events: Vec<Event>, running: &[&str]| {
        let running: Vec<_> = running.iter().map(|id| (*id).to_owned()).collect();
        after(events).next(&runbook, &running)
    };
    let some = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    assert_eq!(next(vec![], &[]), Next::Begin(some(&["a"])));
    assert_eq!(next(vec![begun("a")], &["a"]), Next::Begin(vec![]));
    // Nobody knows whether a command has run, when the process is gone.
    assert_eq!(next(vec![begun("a")], &[]), Next::Settle(some(&["a"])));
    let settled = Event::Settled { step: "a".into(), done: true };
    assert_eq!(next(vec![begun("a"), settled], &[]), Next::Begin(some(&["b"])));
    let a = vec![begun("a"), done("a")];
    let with = |more: Vec<Event>| [a.clone(), more].concat();
    // What may be repeated is.
    assert_eq!(next(with(vec![begun("b")]), &[]), Next::Begin(some(&["b"])));
    assert_eq!(next(with(vec![begun("b"), done("b")]), &[]), Next::Approve(some(&["c"])));
    let agreed = Event::Approved { step: "c".into(), who: "me".into() };
    assert_eq!(
        next(with(vec![begun("b"), done("b"), agreed.clone()]), &[]),
        Next::Begin(some(&["c"]))
    );
    let all =
        with(vec![begun("b"), done("b"), agreed, begun("c"), done("c"), begun("d"), done("d")]);
    assert_eq!(next(all, &[]), Next::Finish(Outcome::Succeeded));
}

#[test]
fn what_fails_stops_is_passed_over_or_undone() {
    let text = |on_error: &str| {
        format!(
            "[[step]]\nid = \"a\"\nkind = \"wait\"\nfor = \"1s\"\n[[step]]\nid = \"b\"\nkind = \"wait\"\n\
             for = \"1s\"\non_error = \"{on_error}\"\n"
        )
    };
    let events = vec![begun("a"), done("a"), begun("b"), failed("b", true)];
    let next =
        |on_error: &str, events: Vec<Event>| after(events).next(&runbook(&text(on_error)), &[]);
    assert_eq!(next("stop", events.clone()), Next::Failed(vec!["b".into()]));
    assert_eq!(next("undo", events.clone()), Next::Undo);
    let passed = [events.clone(), vec![Event::PassedOver { step: "b".into() }]].concat();
    assert_eq!(next("continue", passed), Next::Finish(Outcome::Incomplete));
    assert_eq!(next("stop", vec![begun("a"), failed("a", false)]), Next::Begin(vec!["a".into()]));
    let mut state = after(events.clone());
    state.forgive();
    assert_eq!(state.next(&runbook(&text("stop")), &[]), Next::Begin(vec!["b".into()]));
    assert_eq!(after(events).to_undo(&runbook(&text("undo"))), ["b", "a"]);
}

/// Plays a run by its states alone; `crash` says after which records the process dies.
fn play(runbook: &Runbook, crashes: &[usize]) -> (Vec<Record>, Vec<String>) {
    let mut events: Vec<Event> = Vec::new();
    let mut order = Vec::new();
    let mut running: Vec<String> = Vec::new();
    for _ in 0..200 {
        if crashes.contains(&events.len()) && !running.is_empty() {
            running.clear();
            events.push(Event::Resumed);
        }
        let mut state = after(events.clone());
        state.forgive();
        match state.next(runbook, &running) {
            Next::Begin(ready) if !ready.is_empty() => {
                let id = ready[0].clone();
                events
                    .push(Event::Begun { step: id.clone(), attempt: state.step(&id).attempts + 1 });
                running.push(id);
            }
            Next::Approve(steps) if running.is_empty() => {
                let step = steps[0].clone();
                events.push(Event::Approved { step, who: "me".into() });
            }
            Next::Settle(steps) if running.is_empty() => {
                events.push(Event::Settled { step: steps[0].clone(), done: false });
            }
            Next::Begin(_) | Next::Approve(_) | Next::Settle(_) => {
                let id = running.remove(0);
                order.push(id.clone());
                events.push(done(&id));
            }
            Next::Finish(outcome) => {
                events.push(Event::Finished { outcome });
                return (records(events), order);
            }
            other => panic!("{other:?}"),
        }
    }
    panic!("it does not end: {events:?}");
}

proptest! {
    #[test]
    fn a_run_ends_the_same_wherever_it_is_interrupted(
        crashes in proptest::collection::vec(0_usize..30, 0..6)
    ) {
        let runbook = runbook(DIAMOND);
        let (records, order) = play(&runbook, &crashes);
        let state = RunState::of("x-1", &records).unwrap();
        prop_assert_eq!(state.outcome, Some(Outcome::Succeeded));
        for step in &runbook.steps {
            prop_assert_eq!(state.step(&step.id).standing, Standing::Done);
            // Nothing is done twice that was known to be done, and nothing before what it needs.
            prop_assert_eq!(order.iter().filter(|id| **id == step.id).count(), 1);
            let at = order.iter().position(|id| *id == step.id).unwrap();
            for need in &step.needs {
                prop_assert!(order.iter().position(|id| id == need).unwrap() < at);
            }
        }
    }
}
