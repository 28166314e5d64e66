//! What the rules find, one by one.

use serde_json::json;

use super::*;
use crate::plan::Paused;
use crate::run::Trigger;

fn now() -> Timestamp {
    "2026-11-25T12:00:00Z".parse().unwrap()
}

fn ago(hours: i64) -> Timestamp {
    now() - SignedDuration::from_hours(hours)
}

fn run(job: JobKind, status: Status) -> Run {
    let run = Run::new(job, 7, Trigger::Schedule, ago(1), ago(1));
    Run { started: Some(ago(1)), attempt: 1, ..run.ended(status, now(), "so it is") }
}

fn view(job: JobKind) -> JobView {
    JobView {
        job,
        schedule: "0 2 * * * UTC".to_owned(),
        after: Vec::new(),
        next: None,
        paused: None,
        current: None,
        last: Some(run(job, Status::Succeeded)),
        last_success: Some(ago(0)),
        failures: 0,
    }
}

fn backup(name: &str, hours: i64, nodes: u64) -> Backup {
    Backup {
        name: name.to_owned(),
        created: ago(hours),
        size: 1 << 30,
        intact: true,
        damage: None,
        method: None,
        nodes: Some(nodes),
        relationships: Some(nodes * 2),
        last_tx: None,
        predicted_rto_seconds: Some(1800),
    }
}

/// Nothing is wrong.
fn facts() -> Facts {
    let jobs = [JobKind::Backup, JobKind::Replicate, JobKind::RestoreTest].map(view).to_vec();
    let snapshot = Snapshot {
        instance: "east".to_owned(),
        leading: true,
        leader: Some("east".to_owned()),
        why_not: None,
        jobs,
    };
    let backups = Backups {
        vault: "/vault".to_owned(),
        listed: now(),
        backups: vec![backup("new", 10, 1000), backup("old", 34, 990)],
    };
    Facts {
        now: now(),
        snapshot: Arc::new(snapshot),
        usual: BTreeMap::from([(JobKind::Backup, Duration::from_mins(5))]),
        backups: Some(Arc::new(backups)),
        vault_away: None,
        shipping: Some(Shipping { exposure: Some(Duration::from_secs(2)), ..Shipping::default() }),
        leaderless: None,
        disks: vec![("/state".to_owned(), 50 << 20, 100 << 20)],
        certificates: vec![("tls.pem".to_owned(), ago(-24 * 60))],
        channels: Vec::new(),
        limits: Limits {
            objectives: Objectives::default(),
            disk_free_percent: 10,
            certificate_days: 21,
            vault_quota: Some(10 << 30),
            collapse_percent: 50,
        },
    }
}

/// What is found when something is changed.
fn found(change: impl FnOnce(&mut Facts)) -> Vec<(Rule, Severity)> {
    let mut facts = facts();
    change(&mut facts);
    let found = facts.judge();
    let covers = facts.covers();
    for condition in &found {
        assert!(covers.contains(&condition.rule), "{condition:?} could never end");
        assert!(condition.what.len() > 10, "{condition:?}");
    }
    found.iter().map(|condition| (condition.rule, condition.severity)).collect()
}

fn jobs(facts: &mut Facts) -> &mut Vec<JobView> {
    &mut Arc::make_mut(&mut facts.snapshot).jobs
}

fn backups(facts: &mut Facts) -> &mut Vec<Backup> {
    &mut Arc::make_mut(facts.backups.as_mut().unwrap()).backups
}

#[test]
fn when_all_is_well_nothing_is_found() {
    assert_eq!(found(|_| {}), []);
}

#[test]
fn each_rule_finds_what_it_is_for() {
    use Severity::{Critical, Warning};
    let old = |facts: &mut Facts| drop(backups(facts).remove(0));
    assert_eq!(found(old), [(Rule::Rpo, Critical)]);
    assert_eq!(found(|facts| backups(facts).clear()), [(Rule::NoBackup, Critical)]);
    assert_eq!(
        found(|facts| {
            backups(facts).clear();
            jobs(facts)[0].last = None;
        }),
        [],
        "the first backup is yet to come"
    );
    assert_eq!(found(|facts| backups(facts)[1].intact = false), [(Rule::Damaged, Warning)]);
    assert_eq!(
        found(|facts| jobs(facts)[1].last_success = Some(ago(11))),
        [(Rule::Replication, Warning)]
    );
    assert_eq!(found(|facts| backups(facts)[0].nodes = Some(495)), [(Rule::Suspicious, Critical)]);
    assert_eq!(found(|facts| backups(facts)[0].nodes = Some(496)), []);
    assert_eq!(found(|facts| facts.limits.vault_quota = Some(2 << 30)), [(Rule::Quota, Warning)]);
    assert_eq!(found(|facts| facts.limits.vault_quota = Some(1 << 30)), [(Rule::Quota, Critical)]);
    assert_eq!(found(|facts| facts.disks[0].1 = 9 << 20), [(Rule::Disk, Warning)]);
    assert_eq!(found(|facts| facts.disks[0].1 = 2 << 20), [(Rule::Disk, Critical)]);
    assert_eq!(
        found(|facts| facts.certificates[0].1 = ago(-24 * 20)),
        [(Rule::Certificate, Warning)]
    );
    assert_eq!(found(|facts| facts.certificates[0].1 = ago(1)), [(Rule::Certificate, Critical)]);
    let refused = ("mail".to_owned(), "connection refused".to_owned());
    assert_eq!(found(|facts| facts.channels.push(refused)), [(Rule::Channel, Warning)]);
    let paused = |hours| Some(Paused { since: ago(hours), by: "token ann".to_owned() });
    assert_eq!(found(|facts| jobs(facts)[0].paused = paused(73)), [(Rule::Paused, Warning)]);
    assert_eq!(found(|facts| jobs(facts)[0].paused = paused(72)), []);
    let waiting = Run::new(JobKind::Backup, 8, Trigger::Schedule, ago(1), ago(1));
    assert_eq!(found(|facts| jobs(facts)[0].current = Some(waiting)), [(Rule::Late, Warning)]);
    let going = Run { status: Status::Running, ..run(JobKind::Backup, Status::Running) };
    assert_eq!(found(|facts| jobs(facts)[0].current = Some(going)), [(Rule::Slow, Warning)]);
    let slow = |facts: &mut Facts| {
        let last = jobs(facts)[2].last.as_mut().unwrap();
        last.details.insert("rto_seconds".to_owned(), json!(3601.5));
    };
    assert_eq!(found(slow), [(Rule::Rto, Critical)]);
    let grown = |facts: &mut Facts| backups(facts)[0].predicted_rto_seconds = Some(3601);
    assert_eq!(found(grown), [(Rule::Rto, Critical)]);
    let both = |facts: &mut Facts| {
        slow(facts);
        grown(facts);
    };
    assert_eq!(found(both), [(Rule::Rto, Critical)]);
    assert_eq!(found(|facts| backups(facts)[1].predicted_rto_seconds = Some(3601)), []);
    let away = |facts: &mut Facts| {
        facts.backups = None;
        facts.vault_away = Some((ago(1), "no route".to_owned()));
    };
    assert_eq!(found(away), [(Rule::Vault, Critical)]);
    let shipping = |facts: &mut Facts, exposure, unprotected| {
        let exposure = Option::map(exposure, Duration::from_secs);
        facts.shipping = Some(Shipping { exposure, unprotected, gaps: Vec::new() });
    };
    let behind = found(|facts| shipping(facts, Some(601), None));
    assert_eq!(behind, [(Rule::Shipping, Critical)]);
    assert_eq!(found(|facts| shipping(facts, Some(600), None)), []);
    let soon = found(|facts| {
        facts.limits.objectives.rpo = Some(Duration::from_hours(48));
        shipping(facts, Some(601), None);
    });
    assert_eq!(soon, [(Rule::Shipping, Critical)], "nothing ships");
    assert_eq!(found(|facts| shipping(facts, None, Some(ago(1)))), [(Rule::Shipping, Critical)]);
    assert_eq!(found(|facts| shipping(facts, None, Some(ago(0)))), [], "the first base is taken");
    let gap = |facts: &mut Facts| {
        let missing = ("neo4j".to_owned(), "segments 3 to 4 of t".to_owned());
        facts.shipping.as_mut().unwrap().gaps.push(missing);
    };
    assert_eq!(found(gap), [(Rule::Chain, Critical)]);
    let nobody = |facts: &mut Facts| {
        let snapshot = Arc::make_mut(&mut facts.snapshot);
        (snapshot.leading, snapshot.leader) = (false, None);
        facts.leaderless = Some(ago(1));
    };
    assert_eq!(found(nobody), [(Rule::Leader, Critical)]);
}

#[test]
fn a_vault_that_does_not_answer_ends_no_alert_on_what_it_holds() {
    let mut facts = facts();
    facts.backups = None;
    assert!(!facts.covers().contains(&Rule::Rpo));
    assert!(facts.covers().contains(&Rule::Vault));
    Arc::make_mut(&mut facts.snapshot).leading = false;
    assert_eq!(facts.covers(), [Rule::Certificate, Rule::Disk, Rule::Leader, Rule::Channel]);
}

#[test]
fn an_alert_on_shipping_ends_with_the_job() {
    let mut facts = facts();
    facts.shipping = None;
    assert!(facts.covers().contains(&Rule::Shipping), "nothing is shipped any more");
    jobs(&mut facts).push(view(JobKind::Ship));
    assert!(!facts.covers().contains(&Rule::Shipping), "it cannot be told");
}

#[test]
fn the_end_of_a_run_tells_how_bad_it_is() {
    let severity = |job, status| match of_event(&What::RunEnded { run: run(job, status) }) {
        Some(Finding::Raise(condition)) => Some(condition.severity),
        Some(Finding::Clear(Rule::Job, _)) | None => None,
        other => panic!("{other:?}"),
    };
    assert_eq!(severity(JobKind::Backup, Status::Failed), Some(Severity::Critical));
    assert_eq!(severity(JobKind::Verify, Status::TimedOut), Some(Severity::Critical));
    assert_eq!(severity(JobKind::Backup, Status::Missed), Some(Severity::Warning));
    assert_eq!(severity(JobKind::Prune, Status::Failed), Some(Severity::Warning));
    assert_eq!(severity(JobKind::Prune, Status::Incomplete), Some(Severity::Warning));
    assert_eq!(severity(JobKind::Prune, Status::Skipped), None);
    assert_eq!(severity(JobKind::Prune, Status::Succeeded), None);
    let reloaded = of_event(&What::SettingsReloaded);
    assert_eq!(reloaded, Some(Finding::Clear(Rule::Settings, String::new())));
}
