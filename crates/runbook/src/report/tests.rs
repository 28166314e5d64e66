use jiff::Timestamp;

use super::*;
use crate::journal::Outcome;
use crate::measure::MeasuredStep;

fn sample() -> Report {
    let at = |second: i64| Timestamp::from_second(1_800_000_000 + second).unwrap();
    let step = |id: &str, began_ms: u64, ended_ms: u64, error: Option<&str>| MeasuredStep {
        id: id.to_owned(),
        title: "Do <b>it</b> | now".to_owned(),
        began_ms,
        ended_ms: Some(ended_ms),
        attempts: 1,
        done: error.is_none(),
        error: error.map(ToOwned::to_owned),
    };
    let measured = Measured {
        run: "corruption-20270115-080000-ab12".to_owned(),
        runbook: "corruption".to_owned(),
        title: "Database corruption".to_owned(),
        drill: Some("corruption-20270115-cd34".to_owned()),
        declared: at(0),
        disaster: at(-30),
        outcome: Some(Outcome::Incomplete),
        steps: vec![
            step("tell", 10, 900, Some("`notify` failed: <script>alert(1)</script>")),
            step("restore-database", 1000, 61_000, None),
        ],
        rto_ms: Some(70_000),
        rto_objective_ms: Some(60_000),
        predicted_ms: Some(56_000),
        backup: Some("neo4j-backup-20270115-020000".to_owned()),
        reaches: Some(at(-40)),
        rpo_ms: Some(8_000),
        rpo_exact: true,
        rpo_objective_ms: Some(86_400_000),
    };
    Report {
        made: at(100),
        by: "ops".to_owned(),
        missed: measured.missed(),
        issues: Vec::new(),
        contacts: vec![Contact { name: "primary".to_owned(), reach: "+1 555 0100".to_owned() }],
        measured,
    }
}

#[test]
fn a_report_says_what_was_met_and_what_was_not() {
    let text = sample().markdown();
    for line in [
        "# Drill: Database corruption",
        "| RTO: declared until verified and healthy | 1 min 0 s | 1 min 10 s | MISSED |",
        "| RPO: recovered point to the last write | 24 h 0 min | 8.0 s | met |",
        "Predicted: 56.0 s; off by +25 %.",
        "- primary: +1 555 0100",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[test]
fn a_page_needs_nothing_else_and_runs_nothing() {
    let page = sample().html();
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("<svg"), "{page}");
    for foreign in ["<script", "<b>", "<link", "src="] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    // Names of XML namespaces are no addresses that anything is fetched from.
    assert_eq!(page.matches("http").count(), page.matches("http://www.w3.org/2000/svg").count());
    assert!(page.contains("objective 1 min 0 s") && page.contains("healthy 1 min 10 s"));
}

#[test]
fn a_report_is_read_back() {
    let report = sample();
    let again: Report = serde_json::from_str(&report.json()).unwrap();
    assert_eq!(again, report);
}

#[test]
fn drills_are_shown_together() {
    let trend =
        Trend { drills: vec![sample().measured], open: Vec::new(), prediction_error: Some(-0.1) };
    assert!(trend.markdown().contains("off by -10 %"), "{}", trend.markdown());
    assert!(trend.html().contains("<svg"));
}
