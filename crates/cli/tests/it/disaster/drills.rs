//! The three disasters rehearsed, while production goes on: what is recovered is what production had,
//! nothing of production is touched, and what drills make goes when its time is over.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::world::{Side, World};
use super::{CLOCKS, moment};

/// A drill that worked, and what its RPO was measured from.
#[track_caller]
fn worked(summary: &Value, last_write: Timestamp) -> String {
    let measured = &summary["measured"];
    assert_eq!(measured["outcome"], "succeeded", "{summary:#}");
    assert!(measured["rto_ms"].as_u64().unwrap() > 0, "{summary:#}");
    let lost = last_write.duration_since(moment(&measured["reaches"])).as_millis().max(0);
    assert_eq!(measured["rpo_ms"].as_i64().map(i128::from), Some(lost), "{summary:#}");
    assert_eq!(measured["rpo_exact"], true, "{summary:#}");
    summary["run"].as_str().unwrap().to_owned()
}

/// What was recovered is what production had at the recovery point: all of it, and no more.
async fn recovered(world: &World, summary: &Value) {
    let reaches = moment(&summary["measured"]["reaches"]);
    let (recovered, production) =
        (world.numbers(Side::Drill).await, world.numbers(Side::East).await);
    assert!(recovered.len() >= 10, "{recovered:?}");
    assert_eq!(recovered, production[..recovered.len()]);
    let missing = production.get(recovered.len());
    assert!(missing.is_none_or(|(_, at)| *at >= reaches), "{missing:?}, {reaches}");
    let beyond = recovered.last().unwrap().1.duration_since(reaches).as_secs_f64();
    assert!(beyond <= CLOCKS, "{beyond} s after {reaches}");
}

/// Production has felt nothing of it.
async fn untouched(world: &World) {
    world.serves(Side::East).await;
    let written = world.acknowledged().len() as u64;
    world.written(written + 5).await;
    for environment in ["primary", "secondary"] {
        world.lifeboat(&["fence", "check", environment]).await.code(0);
    }
}

async fn cleanup(world: &World, more: &[&str]) -> Value {
    let args = [&["drill", "cleanup", "--json"], more].concat();
    world.lifeboat(&args).await.code(0).document()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_three_are_rehearsed() {
    let world = World::start("drill").await;
    world.begin_writing();
    world.written(10).await;
    world.lifeboat(&["backup", "--method", "physical"]).await.code(0);
    world.lifeboat(&["backup", "config"]).await.code(0);
    world.lifeboat(&["replicate"]).await.code(0);
    // The primary vault gets some log as well, which ends with the shipper, and so does the canary.
    let shipper = world.ship(&["--canary", "1s"]);
    world.written(30).await;
    world.all_shipped().await;
    world.end(shipper).await;
    let canary = world.canary().await;

    // One that would touch production is refused, and so is one for which nothing stands.
    world.settings(|text| text.replace("primary = \"rehearsal\"", "primary = \"secondary\""));
    world.lifeboat(&["drill", "run", "corruption"]).await.code(13).says("not disposable");
    world.settings(|text| text.replace("primary = \"secondary\"", ""));
    world.lifeboat(&["drill", "run", "corruption"]).await.code(13).says("no environment stands");
    world.settings(|text| {
        text.replace("[drill.environments]", "[drill.environments]\nprimary = \"rehearsal\"")
    });

    corruption(&world, canary).await;
    killed(&world).await;
    region(&world, canary).await;
    total(&world).await;
    let trend = world.lifeboat(&["drill", "report"]).await.code(0).stdout;
    for (drill, number) in [("| corruption-", 1), ("| region-", 2), ("| total-", 1)] {
        assert_eq!(trend.matches(drill).count(), number, "{trend}");
    }
    let nothing = world.lifeboat(&["drill", "cleanup"]).await.code(0);
    assert_eq!(nothing.stdout, "no drill has left anything\n");
    world.stop_writing().await;
}

/// Nothing stands before it. What it made is kept until its time is over, or somebody asks.
async fn corruption(world: &World, canary: Timestamp) {
    let drill = world.lifeboat(&["drill", "run", "corruption", "--keep", "--json"]).await;
    let summary = drill.code(0).summary();
    let run = worked(&summary, canary);
    assert_eq!(summary["cleaned"], Value::Null);
    untouched(world).await;
    let left = cleanup(world, &[]).await;
    assert_eq!((&left["drills"], &left["stay"][0]["run"]), (&json!([]), &json!(run)), "{left}");
    recovered(world, &summary).await;
    let left = cleanup(world, &[&run]).await;
    assert_eq!(left["drills"][0]["left"], json!([]), "{left:#}");
    world.is_gone(Side::Drill).await;
    untouched(world).await;
}

/// One whose machine dies leaves what it has made, and a fence, until its time is over.
async fn killed(world: &World) {
    let begin = ["drill", "run", "region", "--ttl", "1s", "--json"];
    let run = world.killed_when(&begin, "done provision").await;
    assert!(world.lifeboat(&["fence", "check", "rehearsal"]).await.code == Some(13));
    let status = world.lifeboat(&["runbook", "status", &run, "--json"]).await.code(0).document();
    let over = moment(&status["drill"]["expires"]).duration_since(Timestamp::now());
    tokio::time::sleep(Duration::try_from(over).unwrap_or_default()).await;
    let cleaned = cleanup(world, &[]).await["drills"][0].clone();
    assert_eq!((&cleaned["run"], &cleaned["left"]), (&json!(run), &json!([])), "{cleaned:#}");
    let removed = cleaned["removed"].to_string();
    for what in ["removed its resources", "lifted its fence"] {
        assert!(removed.contains(&format!("rehearsal: {what}")), "{cleaned:#}");
    }
    world.is_gone(Side::Drill).await;
    world.lifeboat(&["fence", "check", "rehearsal"]).await.code(0);
    untouched(world).await;
}

/// From the other vault, which has no log: all since the backup would be lost.
async fn region(world: &World, canary: Timestamp) {
    let summary = world.lifeboat(&["drill", "run", "region", "--json"]).await.code(0).summary();
    worked(&summary, canary);
    assert!(summary["measured"]["rpo_ms"].as_u64().unwrap() > 0, "{summary:#}");
    // One environment stands for both: the fence of the lost one is lifted before anything starts.
    let steps = summary["measured"]["steps"].as_array().unwrap();
    let deploy = steps.iter().find(|step| step["id"] == "deploy").unwrap();
    assert_eq!(deploy["attempts"], 1, "{summary:#}");
    assert_eq!(summary["cleaned"]["left"], json!([]), "{summary:#}");
    world.is_gone(Side::Drill).await;
    untouched(world).await;
}

/// An objective that is missed is told, recorded and has an owner until it is closed. When
/// something was last written is told by a person.
async fn total(world: &World) {
    world.settings(|text| text.replace("rto = \"1h\"", "rto = \"1s\""));
    let last = world.acknowledged().last().unwrap().1;
    let last_text = last.to_string();
    let args = ["drill", "run", "total", "--json", "--owner", "ops", "--keep", "--ttl", "1s"];
    let args = [&args[..], &["--last-write", &last_text]].concat();
    let summary = world.lifeboat(&args).await.code(14).summary();
    let run = worked(&summary, last);
    assert!(summary["measured"]["rpo_ms"].as_u64().unwrap() > 0, "{summary:#}");
    recovered(world, &summary).await;
    // It was kept for longer than it may be.
    let cleaned = cleanup(world, &[]).await["drills"][0].clone();
    assert_eq!((&cleaned["run"], &cleaned["left"]), (&json!(run), &json!([])), "{cleaned:#}");
    world.is_gone(Side::Drill).await;
    untouched(world).await;

    let open = world.lifeboat(&["drill", "issues", "--json"]).await.code(0).document();
    let missed = open["issues"]
        .as_array()
        .unwrap()
        .iter()
        .find(|issue| issue["run"] == run && issue["text"].as_str().unwrap().contains("(RTO)"));
    let missed = missed.unwrap_or_else(|| panic!("{open:#}"));
    assert_eq!(missed["owner"], "ops", "{open:#}");
    let id = missed["id"].as_str().unwrap();
    // What was measured was measured against the objective of that day.
    world.settings(|text| text.replace("rto = \"1s\"", "rto = \"1h\""));
    let report = world.lifeboat(&["drill", "report", &run]).await.code(0);
    assert!(report.stdout.contains("MISSED") && report.stdout.contains("hotline"), "{report:#?}");
    world.lifeboat(&["drill", "issues", "--close", id]).await.code(0);
    let report = world.lifeboat(&["drill", "report", &run]).await.code(0);
    assert!(report.stdout.contains("closed"), "{report:#?}");
}
