//! Restore, over Bolt and in bulk, against APOC's import of graphml. Every turn has a new server.

use std::fs;

use anyhow::{Context, ensure};
use lifeboat_bolt::RunOptions;
use lifeboat_testkit::graph::GraphSource as _;
use lifeboat_testkit::load::load_schema;
use lifeboat_testkit::{Line, Neo4j, Neo4jOptions, folders, neo4j};
use serde::Deserialize;

use super::section::{Section, number};
use super::turns::{HEAD, Turn, Turns, median};
use super::{Bench, EXPORT_GRAPHML, child};
use crate::client;

const ONLINE: &str = "`lifeboat restore`";
const BULK: &str = "`lifeboat restore --bulk`";
const APOC: &str = "apoc graphml import";
const APOC_SCHEMA: &str = "apoc graphml import, then constraints and indexes";

pub(super) async fn run(bench: &Bench) -> anyhow::Result<Section> {
    let installation = neo4j::assemble(Line::Lts).await?;
    let installation = installation.folder().to_str().context("a path that is not UTF-8")?;
    let scratch = folders::scratch("bench")?;
    let vault = scratch.path().join("vault");
    let graphml = scratch.path().join("graph.graphml");
    let wanted = bench.graph.scaled(bench.scale()).counts().nodes;

    let options = || Neo4jOptions { apoc: true, ..Bench::server_options() };
    let source = bench.loaded(Line::Lts, options(), bench.scale()).await?;
    child::run(&mut bench.lifeboat(Some(&source), &vault, &["backup"])).await?;
    source.query(EXPORT_GRAPHML).await?;
    fs::rename(source.home().join("import/graph.graphml"), &graphml)?;
    drop(source);

    let (mut turns, mut steps) = (Turns::default(), Steps::default());
    for _ in 0..bench.rounds() {
        let server = Neo4j::start_with(Line::Lts, options()).await?;
        fs::hard_link(&graphml, server.home().join("import/graph.graphml"))?;
        let (turn, with_schema) = (Turn::begin(Some(&server)), Turn::begin(Some(&server)));
        server.query("CALL apoc.import.graphml('graph.graphml', {readLabels: true})").await?;
        turn.end(&mut turns, APOC);
        let mut connection = client::connect(&server).await?;
        let schema = bench.graph.graph().schema.as_slice();
        load_schema(&mut connection, &RunOptions::default(), schema).await?;
        with_schema.end(&mut turns, APOC_SCHEMA);
        connection.close().await;
        let count = nodes(&server).await?;
        ensure!(count == wanted, "APOC imported {count} of {wanted} nodes");
        drop(server);

        let server = Neo4j::start_with(Line::Lts, options()).await?;
        let turn = Turn::begin(Some(&server));
        let mut restore = bench.lifeboat(Some(&server), &vault, &["restore", "latest", "--json"]);
        let ran = child::run(&mut restore).await?;
        turn.end(&mut turns, ONLINE);
        steps.add(ONLINE, &ran.stdout)?;
        drop(server);

        let home = tempfile::tempdir_in(scratch.path())?;
        let into = home.path().to_str().context("a path that is not UTF-8")?;
        let arguments =
            ["restore", "latest", "--json", "--bulk", "--into-home", into, "--neo4j", installation];
        let turn = Turn::begin(None);
        let ran = child::run(&mut bench.lifeboat(None, &vault, &arguments)).await?;
        turn.end(&mut turns, BULK);
        steps.add(BULK, &ran.stdout)?;
    }

    let mut section = Section::default();
    section.say(format!(
        "Neo4j {}. A restore verifies every byte of the backup, writes the graph, builds all \
         constraints and indexes, reads everything back and compares it. APOC imports nodes and \
         relationships only, and some types come back as others; a row adds the constraints and \
         indexes, after which both have the same to offer, but for the proof. \
         In bulk, the start and stop of a server is part of the time; it ends with a stopped server's \
         home that is ready.",
        Line::Lts.version()
    ));
    section.table(&HEAD, &turns.table(APOC));
    section.say("Where the time of a restore goes, and what that is of the time of APOC's import:");
    section.table(&["", "step", "median", "ratio"], &steps.table(turns.median(APOC)));
    let rate = |name| number((wanted as f64 / turns.median(name)) as u64);
    section.say(format!("Nodes a second: {} over Bolt, {} in bulk.", rate(ONLINE), rate(BULK)));
    section.at_most("time over Bolt, to apoc graphml import", turns.ratio(ONLINE, APOC), 0.5, "");
    section.at_most("time in bulk, to apoc graphml import", turns.ratio(BULK, APOC), 0.25, "");
    Ok(section)
}

/// How long the steps of each restore took, as it tells itself.
#[derive(Debug, Default)]
struct Steps(Vec<(&'static str, String, Vec<f64>)>);

#[derive(Deserialize)]
struct Summary {
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    step: String,
    seconds: f64,
}

impl Steps {
    /// Adds what a restore has printed.
    fn add(&mut self, contender: &'static str, stdout: &str) -> anyhow::Result<()> {
        let summary = stdout.lines().last().context("a restore that says nothing")?;
        for Step { step, seconds } in serde_json::from_str::<Summary>(summary)?.steps {
            let known = |(by, name, _): &&mut (_, String, _)| *by == contender && *name == step;
            match self.0.iter_mut().find(known) {
                Some((.., times)) => times.push(seconds),
                None => self.0.push((contender, step, vec![seconds])),
            }
        }
        Ok(())
    }

    fn table(&self, other: f64) -> Vec<Vec<String>> {
        let row = |(contender, step, times): &(&str, String, Vec<f64>)| {
            let took = median(times.clone());
            vec![
                (*contender).to_owned(),
                step.clone(),
                format!("{took:.2} s"),
                format!("{:.2}", took / other),
            ]
        };
        self.0.iter().map(row).collect()
    }
}

async fn nodes(server: &Neo4j) -> anyhow::Result<u64> {
    let rows = server.query("MATCH (n) RETURN count(n)").await?;
    rows.first().and_then(|row| row.first()?.as_u64()).context("the server does not count")
}
