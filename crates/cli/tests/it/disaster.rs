//! The three disasters and the way back, in a world of two regions: each with a Neo4j of its own, an
//! Azurite, and a small application that people reach by a name of a real DNS server. Writers write
//! until the disaster, which is real, and the program that recovers is killed after every record of
//! its journal.

mod application;
mod control;
mod drills;
mod world;

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::support::Ran;
use world::{Side, World};

/// How far two clocks' readings of one moment may be apart: the statement's and the commit's.
const CLOCKS: f64 = 5.0;

/// What the report says must be what was seen from outside.
#[track_caller]
fn same(what: &str, reported_ms: &Value, seen: Duration, apart: f64) {
    let reported = reported_ms.as_f64().unwrap_or_else(|| panic!("no {what}")) / 1000.0;
    let seen = seen.as_secs_f64();
    assert!((reported - seen).abs() <= apart, "{what}: reported {reported} s, seen {seen} s");
}

fn moment(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

/// What was recovered: without a gap up to the last, all that was acknowledged before the recovery
/// point, and the report measures what was lost.
async fn nothing_lost(world: &World, side: Side, report: &Value) {
    let measured = &report["measured"];
    let reaches = moment(&measured["reaches"]);
    let (acknowledged, recovered) = (world.acknowledged(), world.numbers(side).await);
    assert!(!recovered.is_empty());
    let all: Vec<u64> = (1..=recovered.len() as u64).collect();
    assert_eq!(recovered.iter().map(|(number, _)| *number).collect::<Vec<_>>(), all);
    for (number, at) in &acknowledged {
        assert!(
            *at >= reaches || recovered.len() as u64 >= *number,
            "{number} was acknowledged at {at}, before {reaches}, and is lost"
        );
    }
    let (last, newest) = (acknowledged.last().unwrap().1, recovered.last().unwrap().1);
    let lost = Duration::try_from(last.duration_since(newest)).unwrap_or_default();
    same("RPO", &measured["rpo_ms"], lost, CLOCKS);
}

#[tokio::test(flavor = "multi_thread")]
async fn corruption() {
    let world = World::start("corruption").await;
    let shipper = world.write_and_ship(30).await;
    // From a newer base less log has to be replayed.
    world.lifeboat(&["backup", "--method", "physical", "--name", "newer"]).await.code(0);
    world.written(world.acknowledged().len() as u64 + 10).await;
    world.all_shipped().await;

    // The store's files are garbage, and the server has them open.
    world.stop_writing().await;
    world.overwrite_stores();
    world.kill_database(Side::East);
    world.end(shipper).await;
    let plan = world.lifeboat(&["runbook", "plan", "corruption"]).await.code(0);
    assert!(plan.stdout.contains("newer of the primary vault, physical, reaches"), "{plan:#?}");

    let (run, healthy) = world.recover("corruption", Side::East, &[]).await;
    let report = world.report(&run).await;
    nothing_lost(&world, Side::East, &report).await;
    same("RTO", &report["measured"]["rto_ms"], healthy, 30.0);
    assert_eq!(report["measured"]["outcome"], "succeeded", "{report:#}");
    world.serves(Side::East).await;
    world.has_stopped_cleanly_checked(Side::East).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn regional_outage() {
    let world = World::start("outage").await;
    outage(&world).await;
    // The old region stays out although it is back.
    world.lifeboat(&["fence", "check", "primary"]).await.code(13);

    // What comes back is what the other region has. The vault still holds the log of what the first
    // one had more when it was lost, and it would fit: nothing was written in between.
    let there = world.numbers(Side::West).await;
    assert!(there.len() < world.acknowledged().len());
    world.lifeboat(&["runbook", "run", "failback", "--yes"]).await.code(0);
    assert_eq!(world.numbers(Side::East).await, there);
    world.serves(Side::East).await;
}

/// The first region is lost, the second serves, and the first one is back and kept out.
async fn outage(world: &World) {
    let shipper = world.write_and_ship(20).await;
    world.lifeboat(&["backup", "config"]).await.code(0);
    world.lifeboat(&["replicate"]).await.code(0);
    // These are lost with the region.
    world.written(40).await;
    world.stop_writing().await;
    world.lose(Side::East);
    world.end(shipper).await;

    let (run, healthy) = world.recover("region", Side::West, &[]).await;
    let report = world.report(&run).await;
    nothing_lost(world, Side::West, &report).await;
    same("RTO", &report["measured"]["rto_ms"], healthy, 30.0);
    world.serves(Side::West).await;

    // The region is back, and must not become a second primary.
    world.find(Side::East);
    world.lifeboat(&["fence", "check", "primary"]).await.code(13).says("is fenced since");
    world.lifeboat(&["fence", "check", "secondary"]).await.code(0);
    assert!(world.start_application(Side::East).await.is_err());
    world.serves(Side::West).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failback() {
    let world = World::start("failback").await;
    outage(&world).await;
    // What is written since comes along on the way back.
    world.forget_lost(Side::West).await;
    let before = world.acknowledged().len() as u64;
    world.begin_writing();
    world.written(before + 10).await;
    world.stop_writing().await;
    let before = world.numbers(Side::West).await;
    let (_, _) = world.recover("failback", Side::East, &["--yes"]).await;
    assert_eq!(world.numbers(Side::East).await, before);
    world.serves(Side::East).await;
    world.lifeboat(&["fence", "check", "secondary"]).await.code(13);
    assert!(world.start_application(Side::West).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn complete_failure() {
    let world = World::start("total").await;
    let shipper = world.write_and_ship(20).await;
    world.lifeboat(&["backup", "config"]).await.code(0);
    world.lifeboat(&["replicate"]).await.code(0);
    world.stop_writing().await;
    world.lose(Side::East);
    world.end(shipper).await;
    // Nothing is left of the region, nor of what this machine knew of its runs.
    world.delete(Side::East);

    let (run, healthy) = world.recover("total", Side::West, &[]).await;
    let report = world.report(&run).await;
    nothing_lost(&world, Side::West, &report).await;
    same("RTO", &report["measured"]["rto_ms"], healthy, 30.0);
    world.serves(Side::West).await;
    // The report is in the vault that is left, as every machine finds it.
    world.lifeboat(&["drill", "report", &run, "--format", "html"]).await.code(0);
}

#[tokio::test]
async fn bad_runbooks_are_refused_by_line_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str| {
        let mut command = crate::support::lifeboat(["runbook", "run", name]);
        command.current_dir(folder.path());
        Ran::of(command)
    };
    for (name, text, line) in [
        (
            "circle.toml",
            "title = \"x\"\n[[step]]\nid = \"a\"\nkind = \"wait\"\nfor = \"1s\"\nneeds = [\"b\"]\n\
             [[step]]\nid = \"b\"\nkind = \"wait\"\nfor = \"1s\"\nneeds = [\"a\"]\n",
            "circle.toml:",
        ),
        ("unknown.toml", "title = \"x\"\n[[step]]\nid = \"a\"\nkind = \"pray\"\n", "unknown.toml:"),
        (
            "input.toml",
            "title = \"x\"\n[[step]]\nid = \"a\"\nkind = \"wait\"\nfor = \"{inputs.time}\"\n",
            "input.toml:",
        ),
        (
            "type.toml",
            "title = \"x\"\n[[step]]\nid = \"a\"\nkind = \"wait\"\nfor = \"soon\"\n",
            "type.toml:",
        ),
        (
            "both.toml",
            "title = \"x\"\n[[step]]\nid = \"a\"\nkind = \"restore-database\"\nbackup = \"b\"\n\
             environment = \"primary\"\nexactly = true\nuntil = \"2026-11-24T01:30:00Z\"\n",
            "both.toml:2: `until` says how much log is replayed",
        ),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
        let ran = run(name).await.code(2);
        assert!(ran.stderr.contains(line), "{name}: {ran:#?}");
    }
    assert!(!folder.path().join(".local").exists());
}
