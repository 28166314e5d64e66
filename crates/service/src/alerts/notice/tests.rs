//! Who is told when: as a table, and as properties that hold of any course of things.

use jiff::SignedDuration;
use lifeboat::config::Severity;
use proptest::prelude::*;

use super::*;
use crate::alerts::alert::Condition;
use crate::alerts::book::{Book, Finding};
use crate::alerts::rule::Rule;

fn start() -> Timestamp {
    "2026-11-25T12:00:00Z".parse().unwrap()
}

fn minute(minutes: i64) -> Timestamp {
    start() + SignedDuration::from_mins(minutes)
}

fn contact(name: &str, after: u64, severity: Severity) -> ContactSection {
    ContactSection {
        name: name.to_owned(),
        reach: None,
        channels: vec!["mail".to_owned()],
        after: Duration::from_mins(after),
        severity,
    }
}

fn routing() -> Routing {
    Routing {
        contacts: vec![
            contact("primary", 0, Severity::Info),
            contact("secondary", 30, Severity::Warning),
            contact("hotline", 60, Severity::Critical),
        ],
        repeat: Duration::from_hours(4),
        group_wait: Duration::from_mins(1),
        quiet: None,
    }
}

fn raise(rule: Rule, severity: Severity) -> Finding {
    Finding::Raise(Condition { rule, subject: String::new(), severity, what: "x".to_owned() })
}

/// Lets minutes pass one by one, and writes down who is told what.
fn told(book: &mut Book, routing: &Routing, minutes: std::ops::Range<i64>) -> Vec<String> {
    let mut all = Vec::new();
    for at in minutes {
        for due in routing.due(&book.alerts, minute(at)) {
            book.tell(&due, minute(at));
            all.push(format!("{at}: {} {:?} {:?}", due.contact, due.kind, due.alerts));
        }
        book.forget(routing);
    }
    all
}

fn book() -> Book {
    Book { alerts: Vec::new(), next: 1 }
}

#[test]
fn what_nobody_acknowledges_climbs_and_is_repeated() {
    let mut book = book();
    book.note(raise(Rule::Rpo, Severity::Critical), start());
    let all = told(&mut book, &routing(), 0..300);
    assert_eq!(
        all,
        [
            "1: primary New [1]",
            "30: secondary Escalated [1]",
            "60: hotline Escalated [1]",
            "241: primary Repeat [1]",
            "270: secondary Repeat [1]",
        ]
    );
    book.note(Finding::Clear(Rule::Rpo, String::new()), minute(300));
    let all = told(&mut book, &routing(), 300..400);
    assert_eq!(
        all,
        ["300: primary Resolved [1]", "300: secondary Resolved [1]", "300: hotline Resolved [1]"]
    );
    assert_eq!(book.alerts, [], "nobody must be told any more");
}

#[test]
fn an_acknowledgement_stops_repeats_and_escalation_and_not_the_end() {
    let mut book = book();
    book.note(raise(Rule::Rpo, Severity::Critical), start());
    assert_eq!(told(&mut book, &routing(), 0..20).len(), 1);
    assert_eq!(book.acknowledge(1, "ann", minute(20)).unwrap().acknowledged.unwrap().by, "ann");
    assert_eq!(book.acknowledge(2, "ann", minute(20)), None);
    assert_eq!(told(&mut book, &routing(), 20..1000), Vec::<String>::new());
    book.note(Finding::Clear(Rule::Rpo, String::new()), minute(1000));
    assert_eq!(told(&mut book, &routing(), 1000..1010), ["1000: primary Resolved [1]"]);
}

#[test]
fn what_becomes_worse_is_told_at_once_and_by_all_again() {
    let mut book = book();
    book.note(raise(Rule::Disk, Severity::Warning), start());
    assert_eq!(told(&mut book, &routing(), 0..10), ["1: primary New [1]"]);
    book.acknowledge(1, "ann", minute(10));
    book.note(raise(Rule::Disk, Severity::Critical), minute(20));
    let all = told(&mut book, &routing(), 20..70);
    let expected =
        ["20: primary New [1]", "30: secondary Escalated [1]", "60: hotline Escalated [1]"];
    assert_eq!(all, expected);
}

#[test]
fn alerts_of_one_moment_go_together_and_the_same_one_is_not_told_twice() {
    let mut book = book();
    for _ in 0..5 {
        book.note(raise(Rule::Vault, Severity::Critical), start());
        book.note(raise(Rule::Disk, Severity::Warning), start());
    }
    let all = told(&mut book, &routing(), 0..40);
    assert_eq!(all, ["1: primary New [1, 2]", "30: secondary Escalated [1, 2]"]);
}

#[test]
fn what_was_over_before_anybody_knew_is_told_once() {
    let mut book = book();
    book.note(raise(Rule::Job, Severity::Warning), start());
    book.note(Finding::Clear(Rule::Job, String::new()), start());
    assert_eq!(told(&mut book, &routing(), 0..500), ["1: primary New [1]"]);
    assert_eq!(book.alerts, []);
}

#[test]
fn another_leader_tells_the_end_of_what_only_a_leader_knows() {
    let mut book = book();
    book.note(raise(Rule::Rpo, Severity::Critical), start());
    book.note(raise(Rule::Disk, Severity::Critical), start());
    assert_eq!(told(&mut book, &routing(), 0..10), ["1: primary New [1, 2]"]);
    // Nobody knows of this one yet: it must not be lost.
    book.note(raise(Rule::Job, Severity::Critical), minute(10));
    book.hand_over(minute(10));
    let all = told(&mut book, &routing(), 10..50);
    assert_eq!(all, ["11: primary New [3]", "30: secondary Escalated [2]"]);
}

#[test]
fn quiet_hours_hold_back_what_can_wait() {
    let quiet = Quiet {
        from: "11:00:00".parse().unwrap(),
        until: "13:00:00".parse().unwrap(),
        zone: jiff::tz::TimeZone::UTC,
        below: Severity::Critical,
    };
    let routing = Routing { quiet: Some(quiet), ..routing() };
    let mut book = book();
    book.note(raise(Rule::Disk, Severity::Warning), start());
    book.note(raise(Rule::Rpo, Severity::Critical), start());
    let all = told(&mut book, &routing, 0..61);
    let expected = [
        "1: primary New [2]",
        "30: secondary Escalated [2]",
        "60: primary New [1]",
        "60: secondary Escalated [1]",
        "60: hotline Escalated [2]",
    ];
    assert_eq!(all, expected);
}

#[derive(Debug, Clone)]
enum Step {
    Wait(i64),
    Raise(usize, Severity),
    Clear(usize),
    Acknowledge(u64),
    /// The process dies before what it decides is stored, and begins anew.
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let severity = prop::sample::select(Severity::ALL.to_vec());
    let step = prop_oneof![
        4 => (1_i64..200).prop_map(Step::Wait),
        3 => (0_usize..4, severity).prop_map(|(rule, severity)| Step::Raise(rule, severity)),
        2 => (0_usize..4).prop_map(Step::Clear),
        1 => (1_u64..10).prop_map(Step::Acknowledge),
        1 => Just(Step::Crash),
    ];
    prop::collection::vec(step, 1..40)
}

const RULES: [Rule; 4] = [Rule::Rpo, Rule::Disk, Rule::Vault, Rule::Certificate];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_happens_everything_is_told_and_nothing_twice(steps in steps()) {
        let routing = routing();
        let mut book = book();
        let mut now = start();
        // (contact, alert) → when told of its beginning, and how often of its end.
        let mut begun = std::collections::BTreeMap::<(String, u64), Vec<Timestamp>>::new();
        let mut ended = std::collections::BTreeMap::<(String, u64), u32>::new();
        let mut all = std::collections::BTreeMap::<u64, Alert>::new();
        let mut act = |book: &mut Book, now: Timestamp| {
            for alert in &book.alerts {
                all.insert(alert.number, alert.clone());
            }
            for due in routing.due(&book.alerts, now) {
                book.tell(&due, now);
                for number in due.alerts {
                    let key = (due.contact.clone(), number);
                    if due.kind == Kind::Resolved {
                        *ended.entry(key).or_default() += 1;
                    } else {
                        begun.entry(key).or_default().push(now);
                    }
                }
            }
            prop_assert!(routing.due(&book.alerts, now).is_empty(), "what was told is due no more");
            book.forget(&routing);
            Ok(())
        };
        for step in steps {
            match step {
                Step::Wait(minutes) => {
                    let until = now + SignedDuration::from_mins(minutes);
                    // It sleeps until it must wake, as the watch does.
                    while let Some(wake) = routing.wake(&book.alerts).filter(|at| *at <= until) {
                        now = now.max(wake);
                        act(&mut book, now)?;
                    }
                    now = until;
                }
                Step::Raise(rule, severity) => book.note(raise(RULES[rule], severity), now),
                Step::Clear(rule) => book.note(Finding::Clear(RULES[rule], String::new()), now),
                Step::Acknowledge(number) => { book.acknowledge(number, "ann", now); }
                Step::Crash => {
                    let kept = book.clone();
                    let _ = routing.due(&book.alerts, now);
                    book = kept;
                }
            }
            act(&mut book, now)?;
            let open: Vec<_> = book.open().map(|alert| &alert.key).collect();
            let once: std::collections::BTreeSet<_> = open.iter().collect();
            prop_assert_eq!(once.len(), open.len(), "one open alert for one thing");
        }
        for rule in RULES {
            book.note(Finding::Clear(rule, String::new()), now);
        }
        for _ in 0..10 {
            now += SignedDuration::from_hours(1);
            act(&mut book, now)?;
        }
        prop_assert!(book.alerts.is_empty(), "{:?}", book.alerts);
        for (number, alert) in &all {
            let key = ("primary".to_owned(), *number);
            // Who acknowledged before the first notice knows already.
            let knew = alert.acknowledged.is_some();
            prop_assert!(begun.contains_key(&key) || knew, "nobody was told of {alert:?}");
        }
        for (key, times) in &begun {
            let close = |pair: &[Timestamp]| pair[1].duration_since(pair[0]).as_mins() < 240;
            // Only what became worse is told again sooner: at most twice for three severities.
            prop_assert!(times.windows(2).filter(|pair| close(pair)).count() <= 2, "{times:?}");
            let ends = ended.get(key).copied().unwrap_or(0);
            prop_assert!(ends <= 1, "{key:?} ended {ends} times");
        }
        for key in ended.keys() {
            prop_assert!(begun.contains_key(key), "an end without a beginning: {key:?}");
        }
    }
}
