//! `cargo xtask demo`: loses a real database and gets it back, before your eyes.
//!
//! Everything that a person would type is shown and run as they would type it, with the `lifeboat`
//! that was just built; only the servers and the data come from the testkit. Nothing is left
//! running, and nothing is left behind outside `target/`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use lifeboat_bolt::RunOptions;
use lifeboat_testkit::codegraph::{CodeGraph, Limit};
use lifeboat_testkit::load::{load, wipe};
use lifeboat_testkit::{Line, Neo4j, folders, neo4j};

use crate::client::connect;
use crate::run::{cargo, run};
use crate::setup;

/// What the demo can be asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Nodes of the code graph to load; 0 loads all of it.
    #[arg(long, default_value_t = 50_000)]
    nodes: u64,
    /// Shows it on the current release line of Neo4j instead of the LTS line.
    #[arg(long)]
    current: bool,
}

/// Runs the demo.
///
/// # Errors
/// When anything does not go as it should.
pub(crate) async fn demo(options: &Options) -> anyhow::Result<()> {
    let line = if options.current { Line::Current } else { Line::Lts };
    heading("What is needed");
    setup::install_missing()?;
    neo4j::assemble(line).await?;
    run(&mut cargo(["build", "--quiet", "--package", "lifeboat-cli"]))?;
    let lifeboat = binary()?;

    heading(&format!(
        "A Neo4j {} Community server, with a graph of real source code",
        line.version()
    ));
    let server = Neo4j::start(line).await?;
    let limit = if options.nodes == 0 { Limit::NONE } else { Limit::nodes(options.nodes) };
    let graph = CodeGraph::build(limit)?;
    let mut connection = connect(&server).await?;
    let run_options = RunOptions::default();
    let began = Instant::now();
    let counts = load(&mut connection, &run_options, graph.graph()).await?;
    println!(
        "The server answers at {}: {} nodes and {} relationships loaded in {}",
        server.uri(),
        counts.nodes,
        counts.relationships,
        seconds(began.elapsed())
    );

    let scratch = folders::scratch("demo")?;
    let shell = Shell { lifeboat, server: &server, vault: scratch.path().join("neo4j-backups") };
    let mut times = Vec::new();
    times.push(("backup", shell.lifeboat("Back it up into a folder", &["backup"])?));
    shell.lifeboat("What is in the vault", &["list"])?;
    times.push(("verification", shell.lifeboat("Every byte of it is checked", &["verify"])?));

    heading("The disaster: somebody deletes everything");
    wipe(&mut connection, &run_options).await?;
    ensure!(count(&server).await? == 0, "the database should be empty now");
    println!("MATCH (n) DETACH DELETE n        -- and every index and constraint with it");
    println!("The database now holds 0 nodes.");
    connection.close().await;

    shell.lifeboat("What a restore would do", &["restore", "latest", "--dry-run"])?;
    times.push(("restore", shell.lifeboat("Get it back", &["restore", "latest"])?));

    heading("Report");
    let after = count(&server).await?;
    ensure!(after == counts.nodes, "{} nodes were there, {after} are back", counts.nodes);
    println!("All {after} nodes are back, and the fingerprint of the graph is that of the backup.");
    for (what, took) in times {
        println!("  {what:<14} {:>8}", seconds(took));
    }
    println!("Data loss (RPO): none after the backup. The server and its files are removed now.");
    Ok(())
}

/// Runs `lifeboat` as a person would.
struct Shell<'s> {
    lifeboat: PathBuf,
    server: &'s Neo4j,
    vault: PathBuf,
}

impl Shell<'_> {
    fn lifeboat(&self, why: &str, arguments: &[&str]) -> anyhow::Result<Duration> {
        heading(why);
        println!("$ lifeboat {}\n", arguments.join(" "));
        let began = Instant::now();
        let status = Command::new(&self.lifeboat)
            .args(arguments)
            .env("LIFEBOAT_URI", self.server.uri())
            .env("LIFEBOAT_USERNAME", self.server.username())
            .env("LIFEBOAT_PASSWORD", self.server.password())
            .env("LIFEBOAT_VAULT", &self.vault)
            .env_remove("LIFEBOAT_CONFIG")
            .current_dir(self.vault.parent().unwrap_or(Path::new(".")))
            .status()
            .with_context(|| format!("cannot run {}", self.lifeboat.display()))?;
        if !status.success() {
            bail!("`lifeboat {}` failed ({status})", arguments.join(" "));
        }
        Ok(began.elapsed())
    }
}

fn heading(text: &str) {
    println!("\n== {text} ==");
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// The program that was just built, which lies beside this one.
pub(crate) fn binary() -> anyhow::Result<PathBuf> {
    let mut path = std::env::current_exe().context("cannot tell where this program lies")?;
    path.set_file_name(OsStr::new("lifeboat"));
    ensure!(path.exists(), "{} is missing although it was built", path.display());
    Ok(path)
}

async fn count(server: &Neo4j) -> anyhow::Result<u64> {
    let rows = server.query("MATCH (n) RETURN count(n)").await?;
    let count = rows.first().and_then(|row| row.first()?.as_u64());
    count.context("the server does not count")
}
