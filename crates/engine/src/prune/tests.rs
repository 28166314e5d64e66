//! What must hold of every plan, over random histories; and the rules one by one.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use lifeboat_archive::{BackupKind, BackupName, Method};
use proptest::prelude::*;

use super::plan::{Candidate, Circumstances, Plan, Series, State, plan};
use crate::config::Retention;

const DAY: i64 = 86_400;

fn now() -> Timestamp {
    "2026-11-24T03:00:00Z".parse().unwrap()
}

fn ago(seconds: i64) -> Timestamp {
    now() - SignedDuration::from_secs(seconds)
}

fn series(number: u8) -> Series {
    match number {
        0 => Series { kind: BackupKind::Config, database: None },
        1 => Series {
            kind: BackupKind::Database,
            database: Some(("neo4j".to_owned(), Method::Physical)),
        },
        _ => Series {
            kind: BackupKind::Database,
            database: Some(("neo4j".to_owned(), Method::Logical)),
        },
    }
}

/// A good backup that was stored when it says.
fn good(name: &str, seconds: i64) -> Candidate {
    Candidate {
        name: name.parse().unwrap(),
        state: State::Good(series(2)),
        created: ago(seconds),
        stored: ago(seconds),
        safety: false,
        certified: false,
        set: None,
        counts: BTreeMap::new(),
    }
}

fn daily(days: impl Iterator<Item = i64>) -> Vec<Candidate> {
    days.map(|day| good(&format!("day-{day}"), day * DAY)).collect()
}

fn counted(name: &str, days: i64, nodes: u64, functions: u64) -> Candidate {
    let counts = [("nodes", nodes), ("label Function", functions), ("label Rare", 3)];
    Candidate {
        counts: counts.map(|(name, number)| (name.to_owned(), number)).into(),
        ..good(name, days * DAY)
    }
}

fn decide(policy: &Retention, backups: &[Candidate]) -> Plan {
    let (needed, released) = (BTreeMap::new(), BTreeSet::new());
    plan(policy, backups, &Circumstances { now: now(), needed: &needed, released: &released })
}

fn gone(plan: &Plan) -> Vec<&str> {
    plan.decisions.iter().filter(|one| one.goes).map(|one| one.name.as_str()).collect()
}

fn reason<'a>(plan: &'a Plan, name: &str) -> &'a str {
    &plan.decisions.iter().find(|one| one.name.as_str() == name).unwrap().reason
}

#[test]
fn thirty_days_stay_and_the_newest_from_before() {
    let plan = decide(&Retention::default(), &daily(0..40));
    let expected: Vec<String> = (32..40).map(|day| format!("day-{day}")).collect();
    assert_eq!(gone(&plan), expected);
    assert_eq!(reason(&plan, "day-0"), "0 hours old, within 30 days");
    assert_eq!(reason(&plan, "day-30"), "30 days old, within 30 days");
    assert_eq!(reason(&plan, "day-31"), "the newest good one from before the last 30 days");
    assert_eq!(reason(&plan, "day-32"), "32 days old, past the 30 days that backups are kept");
}

#[test]
fn the_calendar_keeps_the_first_of_each_stretch() {
    let policy = Retention { days: 1, keep_daily: 3, keep_monthly: 3, ..Retention::default() };
    let plan = decide(&policy, &daily(0..120));
    let kept: Vec<&str> =
        plan.decisions.iter().filter(|one| !one.goes).map(|one| one.name.as_str()).collect();
    // Today, yesterday, the day before; the first of November, October and September.
    assert_eq!(kept, ["day-0", "day-1", "day-2", "day-23", "day-54", "day-84"]);
    assert_eq!(reason(&plan, "day-54"), "the first of its month, of the last 3 months");
}

#[test]
fn a_damaged_one_stays_only_while_nothing_newer_is_good() {
    let damaged = |name: &str, days: i64, kind| Candidate {
        state: State::Damaged(kind),
        ..good(name, days * DAY)
    };
    let newer = damaged("newer", 40, Some(BackupKind::Database));
    let older = damaged("older", 60, Some(BackupKind::Database));
    let config = damaged("config", 60, Some(BackupKind::Config));
    let named = damaged("named", 60, None);
    let backups = [newer.clone(), good("good", 50 * DAY), older.clone(), config, named];
    let plan = decide(&Retention::default(), &backups);
    assert_eq!(gone(&plan), ["older", "named"]);
    assert_eq!(reason(&plan, "newer"), "damaged, but no newer one of that age is good");
    assert_eq!(gone(&decide(&Retention::default(), &[newer, older])), Vec::<&str>::new());
}

#[test]
fn no_newcomer_pushes_out_the_good_half_of_a_damaged_set() {
    let set = Some("set-1".to_owned());
    let half = Candidate { set: set.clone(), ..good("half", 85 * DAY) };
    let damaged = Candidate { state: State::Damaged(None), set, ..good("damaged", 40 * DAY) };
    let old = [half, good("good", 50 * DAY), damaged];
    assert_eq!(gone(&decide(&Retention::default(), &old)), Vec::<&str>::new());
    let all = [&old[..], &[good("forged", 0)]].concat();
    assert_eq!(gone(&decide(&Retention::default(), &all)), Vec::<&str>::new());
}

#[test]
fn a_newer_program_s_backup_and_one_from_the_future_stay() {
    let unknown = Candidate { state: State::Unknown, ..good("unknown", 90 * DAY) };
    let backups = [good("future", -400 * DAY), good("good", 40 * DAY), unknown];
    assert_eq!(gone(&decide(&Retention::default(), &backups)), Vec::<&str>::new());
}

#[test]
fn safety_backups_have_their_own_time_and_stand_in_for_nothing() {
    let safety = |name: &str, days: i64| Candidate { safety: true, ..good(name, days * DAY) };
    let policy = Retention { days: 1, ..Retention::default() };
    let backups = [safety("fresh", 6), safety("stale", 8), good("good", 9 * DAY)];
    let plan = decide(&policy, &backups);
    assert_eq!(gone(&plan), ["stale"]);
    assert_eq!(reason(&plan, "fresh"), "a safety backup, 6 days old, within 7 days");
}

#[test]
fn what_is_certified_or_needed_or_half_of_a_set_stays() {
    let mut backups = daily(40..45);
    backups[1].certified = true;
    backups[2].certified = true;
    backups[4].set = Some("set-1".to_owned());
    let mut half = good("config", 44 * DAY);
    (half.state, half.set) = (State::Good(series(0)), Some("set-1".to_owned()));
    backups.push(half);
    let needed = BTreeMap::from([("day-43".parse().unwrap(), "a base of the window".to_owned())]);
    let circumstances = Circumstances { now: now(), needed: &needed, released: &BTreeSet::new() };
    let plan = plan(&Retention::default(), &backups, &circumstances);
    assert_eq!(gone(&plan), ["day-42"]);
    assert_eq!(reason(&plan, "day-41"), "the newest with a certificate of its restore");
    assert_eq!(reason(&plan, "day-43"), "a base of the window");
    assert_eq!(reason(&plan, "day-44"), "the other half of set-1 stays");
}

#[test]
fn a_collapse_holds_everything_until_it_has_recovered_or_is_released() {
    let before = [counted("old", 90, 1000, 900), counted("normal", 50, 1100, 1000)];
    let decide_with = |more: &[Candidate], released: &[&str]| {
        let backups = [&before, more].concat();
        let released = released.iter().map(|name| name.parse().unwrap()).collect();
        let circumstances =
            Circumstances { now: now(), needed: &BTreeMap::new(), released: &released };
        plan(&Retention::default(), &backups, &circumstances)
    };
    // It shrinks, but not by half.
    let plan = decide_with(&[counted("less", 40, 560, 510)], &[]);
    assert_eq!((gone(&plan), plan.holds.len()), (vec!["old", "normal"], 0));
    // One label has gone, among as many nodes as ever.
    let poisoned = [counted("bad", 40, 1100, 500), counted("worse", 39, 1100, 490)];
    let plan = decide_with(&poisoned, &[]);
    assert_eq!(gone(&plan), Vec::<&str>::new());
    let [hold] = plan.holds.as_slice() else { panic!("{plan:?}") };
    assert_eq!((hold.backup.as_str(), hold.compared_with.as_str()), ("worse", "normal"));
    assert_eq!(hold.collapsed, [("label Function".to_owned(), 1000, 490)]);
    assert!(reason(&plan, "old").contains("worse looks poisoned"));
    // A person says that it is what it should be; an older one does not speak for a newer.
    assert_eq!(decide_with(&poisoned, &["worse"]).holds, []);
    assert_eq!(decide_with(&poisoned, &["bad"]).holds, []);
    // It has recovered.
    let recovered = [&poisoned[..], &[counted("mended", 38, 1105, 1000)]].concat();
    assert_eq!(decide_with(&recovered, &[]).holds, []);
    // Nothing is left at all, however little there was.
    let tiny = [counted("tiny", 3, 4, 0), counted("none", 2, 0, 0)];
    let released = decide_with(&tiny, &["tiny"]);
    assert_eq!(released.holds[0].backup.as_str(), "none");
}

prop_compose! {
    /// A backup of any age up to two hundred days, stored up to three days after it was begun.
    fn any_backup()(
        age in 0..200 * DAY,
        late in prop_oneof![Just(0), 0..3 * DAY],
        kind in 0..3_u8,
        state in 0..10_u8,
        safety in prop::bool::weighted(0.1),
        certified in prop::bool::weighted(0.1),
        set in prop::option::weighted(0.2, 0..8_u8),
        nodes in prop_oneof![4 => 900..1100_u64, 1 => 0..1100_u64],
    ) -> Candidate {
        Candidate {
            name: "x".parse().unwrap(),
            state: match state {
                0 => State::Damaged(Some(series(kind).kind)),
                1 => State::Damaged(None),
                _ => State::Good(series(kind)),
            },
            created: ago(age + late),
            stored: ago(age),
            safety,
            certified,
            set: set.map(|set| format!("set-{set}")),
            counts: [("nodes".to_owned(), nodes)].into(),
        }
    }
}

fn any_history(most: usize) -> impl Strategy<Value = Vec<Candidate>> {
    prop::collection::vec(any_backup(), 0..most).prop_map(|mut backups| {
        for (index, backup) in backups.iter_mut().enumerate() {
            backup.name = format!("backup-{index}").parse().unwrap();
        }
        backups
    })
}

fn any_policy() -> impl Strategy<Value = Retention> {
    let few = || 0..5_u32;
    let calendar = (few(), few(), few(), few(), few());
    (1..60_u32, 1..5_u32, calendar, 0..20_u32, prop_oneof![Just(0_u32), 1..=100_u32]).prop_map(
        |(days, keep_last, (hourly, daily, weekly, monthly, yearly), safety_days, collapse)| {
            Retention {
                days,
                keep_last,
                keep_hourly: hourly,
                keep_daily: daily,
                keep_weekly: weekly,
                keep_monthly: monthly,
                keep_yearly: yearly,
                safety_days,
                collapse_percent: collapse,
                grace_hours: 24,
            }
        },
    )
}

fn kept<'a>(backups: &'a [Candidate], plan: &Plan) -> Vec<&'a Candidate> {
    let decided = backups.iter().zip(&plan.decisions);
    decided.filter(|(_, decision)| !decision.goes).map(|(backup, _)| backup).collect()
}

/// The newest of each series among those that a test admits.
fn newest(backups: &[Candidate], admits: impl Fn(&Candidate) -> bool) -> Vec<&BackupName> {
    let mut newest: BTreeMap<&Series, &Candidate> = BTreeMap::new();
    for backup in backups.iter().filter(|backup| admits(backup)) {
        if let Some(series) = backup.series() {
            let best = newest.entry(series).or_insert(backup);
            if (backup.since(), backup.created, &backup.name)
                > (best.since(), best.created, &best.name)
            {
                *best = backup;
            }
        }
    }
    newest.into_values().map(|backup| &backup.name).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_must_stay_stays(
        policy in any_policy(),
        backups in any_history(60),
        needed in prop::collection::vec(any::<prop::sample::Index>(), 0..3),
    ) {
        let needed: BTreeMap<BackupName, String> = needed
            .iter()
            .filter(|_| !backups.is_empty())
            .map(|index| (index.get(&backups).name.clone(), "needed".to_owned()))
            .collect();
        let released = BTreeSet::new();
        let circumstances = Circumstances { now: now(), needed: &needed, released: &released };
        let plan = plan(&policy, &backups, &circumstances);
        let stays: BTreeSet<&BackupName> =
            kept(&backups, &plan).into_iter().map(|backup| &backup.name).collect();

        prop_assert!(needed.keys().all(|name| stays.contains(name)));
        // The newest good one, that from before the window, and those with a certificate.
        let start = now() - SignedDuration::from_hours(24 * i64::from(policy.days));
        for name in [
            newest(&backups, |_| true),
            newest(&backups, |backup| backup.since() < start),
            newest(&backups, |backup| backup.certified),
        ].concat() {
            prop_assert!(stays.contains(name), "{} goes: {:?}", name, plan);
        }
        for (backup, decision) in backups.iter().zip(&plan.decisions) {
            let age = now().duration_since(backup.since()).as_secs();
            if age <= i64::from(policy.days) * DAY
                || backup.safety && age <= i64::from(policy.safety_days) * DAY
            {
                prop_assert!(!decision.goes, "too young: {decision:?}");
            }
            prop_assert!(!decision.reason.is_empty());
        }
        if !plan.holds.is_empty() {
            prop_assert_eq!(stays.len(), backups.len());
        }
        // Halves of a set share their fate.
        let of = |goes: bool| -> BTreeSet<&str> {
            let decided = backups.iter().zip(&plan.decisions);
            decided.filter(|(_, d)| d.goes == goes).filter_map(|(b, _)| b.set.as_deref()).collect()
        };
        prop_assert!(of(true).is_disjoint(&of(false)));
    }

    /// Whoever writes into the vault can give backups any date but not any time of storing.
    #[test]
    fn no_flood_pushes_out_a_good_backup(
        policy in any_policy(),
        history in any_history(30),
        flood in any_history(60),
        hours in 0..24_i64,
    ) {
        // A hold would hide what is tested here: it keeps everything.
        let policy = Retention { collapse_percent: 0, ..policy };
        let before = decide(&policy, &history);
        let mut all = history.clone();
        for (index, mut forged) in flood.into_iter().enumerate() {
            forged.name = format!("forged-{index}").parse().unwrap();
            forged.stored = ago(hours * 3600);
            all.push(forged);
        }
        let after = decide(&policy, &all);
        for (backup, decision) in kept(&history, &before).into_iter().zip(
            after.decisions.iter().filter(|d| before.decisions.iter().any(|b| b.name == d.name && !b.goes))
        ) {
            if matches!(backup.state, State::Good(_)) {
                prop_assert!(!decision.goes, "{} was pushed out: {}", backup.name, decision.reason);
            }
        }
    }

    /// Pruning twice is pruning once: what went was needed by nothing that stayed.
    #[test]
    fn what_stays_would_stay_alone(policy in any_policy(), backups in any_history(60)) {
        let rest: Vec<Candidate> =
            kept(&backups, &decide(&policy, &backups)).into_iter().cloned().collect();
        let again = decide(&policy, &rest);
        prop_assert_eq!(gone(&again), Vec::<&str>::new());
    }

    /// With a clock that goes on, nothing that has gone would have been kept later.
    #[test]
    fn what_goes_would_never_come_back(
        policy in any_policy(),
        backups in any_history(40),
        later in 0..100 * DAY,
    ) {
        let policy = Retention { collapse_percent: 0, ..policy };
        let plan_at = |now| {
            let (needed, released) = (BTreeMap::new(), BTreeSet::new());
            plan(&policy, &backups, &Circumstances { now, needed: &needed, released: &released })
        };
        let today = plan_at(now());
        let then = plan_at(now() + SignedDuration::from_secs(later));
        for (today, then) in today.decisions.iter().zip(&then.decisions) {
            prop_assert!(!today.goes || then.goes, "{}: {}", then.name, then.reason);
        }
    }
}
