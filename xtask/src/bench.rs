//! `cargo xtask bench [NAME…]`: measures Lifeboat against its peers and against its limits.
//!
//! The machine is never quiet, so a time alone says little: whatever is compared runs in turn in
//! one go (A B A B …), and what counts is the median of the ratios within each turn. A benchmark
//! has targets, and the command fails when one is missed.
//!
//! # To add a benchmark
//! Write `bench/NAME.rs` with `pub(super) async fn run(bench: &Bench) -> anyhow::Result<Section>`,
//! and name it in [`Name`] and [`Name::run`]. The parts to build on:
//! - [`Bench`]: the options, the program as people get it, a server with the graph;
//! - [`child::run`]: a program to its end, with its time, peak memory and processor time;
//! - [`turns::Turn`] and [`turns::Turns`]: times of several contenders, their medians and ratios;
//! - [`section::Section`]: what it found, as text, tables and targets.
//!
//! What a benchmark found becomes its own part of `docs/benchmarks.md`, between two markers, so that
//! one can be run again alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::ValueEnum;
use lifeboat_bolt::RunOptions;
use lifeboat_testkit::codegraph::{CodeGraph, Limit};
use lifeboat_testkit::graph::GraphSource as _;
use lifeboat_testkit::load::load;
use lifeboat_testkit::{Line, Neo4j, Neo4jOptions};
use tokio::process::Command;

use crate::client;
use crate::run::{cargo, run};
use crate::setup;

mod backup;
mod child;
mod document;
mod machine;
mod memory;
mod physical;
mod restore;
mod section;
mod service;
mod ship;
mod turns;
mod verify;

use section::Section;

/// APOC's export that it can also import. Not with types: it cannot read its own file then, where a
/// property is a list in one node and a text in another.
const EXPORT_GRAPHML: &str = "CALL apoc.export.graphml.all('graph.graphml', {})";

/// The benchmarks. The comments are what `--help` and the document say of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    /// Logical backup against APOC's exports and the limit of our Bolt client
    Backup,
    /// Restore over Bolt and in bulk against APOC's import
    Restore,
    /// Physical backup and restore against `neo4j-admin database dump` and `load`
    Physical,
    /// Log shipping and physical backup: what they cost the writers, and how much would be lost
    Ship,
    /// Peak memory of backup and restore, at 1 and 10 times the data
    Memory,
    /// Full verification against zstd and b3sum, and a vault with 10,000 backups
    Verify,
    /// The service: what it costs while idle, and how soon its API answers
    Service,
}

impl Name {
    async fn run(self, bench: &Bench) -> anyhow::Result<Section> {
        match self {
            Self::Backup => backup::run(bench).await,
            Self::Restore => restore::run(bench).await,
            Self::Physical => physical::run(bench).await,
            Self::Ship => ship::run(bench).await,
            Self::Memory => memory::run(bench).await,
            Self::Verify => verify::run(bench).await,
            Self::Service => service::run(bench).await,
        }
    }
}

/// What to measure, and with how much.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Which benchmarks; all of them when none is named
    names: Vec<Name>,
    /// How many times over the graph is loaded
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    scale: u32,
    /// How often each contender gets its turn
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Takes only so many nodes of the graph, to try a benchmark out; docs/benchmarks.md stays as
    /// it is, unless `--record` is given too
    #[arg(long)]
    nodes: Option<u64>,
    /// Writes what was found into docs/benchmarks.md also when only a part of the graph was taken
    #[arg(long)]
    record: bool,
    /// Takes `lifeboat`, `examples/drain` and `examples/fill` from this folder instead of building them
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
}

/// What all benchmarks share.
#[derive(Debug)]
pub(crate) struct Bench {
    options: Options,
    graph: CodeGraph,
    programs: PathBuf,
}

/// Runs the benchmarks that are asked for.
///
/// # Errors
/// When one cannot be run to its end.
pub(crate) async fn bench(options: Options) -> anyhow::Result<ExitCode> {
    setup::install_missing()?;
    let programs = match &options.programs {
        Some(folder) => std::path::absolute(folder)?,
        None => build()?,
    };
    let limit = options.nodes.map_or(Limit::NONE, Limit::nodes);
    let names = if options.names.is_empty() {
        Name::value_variants().to_vec()
    } else {
        options.names.clone()
    };
    let bench = Bench { graph: CodeGraph::build(limit)?, programs, options };
    let mut kept = true;
    for name in names {
        let name_of = name.to_possible_value().context("a benchmark without a name")?;
        eprintln!("\n== {} ==", name_of.get_name());
        let section = name.run(&bench).await?;
        kept &= section.targets_are_kept();
        let about = name_of.get_help().map(ToString::to_string).unwrap_or_default();
        let text = format!("## {about}\n\n{}\n\n{section}", bench.describe());
        println!("\n{text}");
        if bench.options.nodes.is_none() || bench.options.record {
            document::put(name_of.get_name(), &text)?;
        }
    }
    Ok(if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Bench {
    /// How often each contender gets its turn.
    fn rounds(&self) -> u32 {
        self.options.rounds
    }

    /// How many times over the graph is loaded.
    fn scale(&self) -> u32 {
        self.options.scale
    }

    /// Where and with what the measurements are made.
    fn describe(&self) -> String {
        let graph = self.graph.scaled(self.scale()).counts();
        format!(
            "{}. Data: the code graph{}, {} nodes and {} relationships. \
             Turns: {}.",
            machine::describe(),
            if self.scale() == 1 { String::new() } else { format!(" {} times", self.scale()) },
            section::number(graph.nodes),
            section::number(graph.relationships),
            self.rounds()
        )
    }

    /// A server as people run them, rather than one that starts quickly for tests.
    fn server_options() -> Neo4jOptions {
        Neo4jOptions {
            heap_mib: 2048,
            page_cache_mib: 1024,
            production_jvm: true,
            ..Neo4jOptions::default()
        }
    }

    /// Starts a server and loads the graph `scale` times.
    async fn loaded(&self, line: Line, options: Neo4jOptions, scale: u32) -> anyhow::Result<Neo4j> {
        let server = Neo4j::start_with(line, options).await?;
        let mut connection = client::connect(&server).await?;
        eprintln!("loading the graph …");
        load(&mut connection, &RunOptions::default(), &self.graph.scaled(scale)).await?;
        connection.close().await;
        Ok(server)
    }

    /// `lifeboat` as people get it, told of a server and a vault.
    fn lifeboat(&self, server: Option<&Neo4j>, vault: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.programs.join("lifeboat"));
        command.args(arguments).args(["--quiet", "--no-progress"]);
        command.env("LIFEBOAT_VAULT", vault).env_remove("LIFEBOAT_CONFIG");
        command.current_dir(vault.parent().unwrap_or(Path::new(".")));
        if let Some(server) = server {
            command.env("LIFEBOAT_URI", server.uri());
            command.env("LIFEBOAT_USERNAME", server.username());
            command.env("LIFEBOAT_PASSWORD", server.password());
        }
        command
    }
}

/// Builds the program as people get it, and those that drain results and fill vaults; in one go, since each
/// selection of packages would build their dependencies anew. Where they are.
fn build() -> anyhow::Result<PathBuf> {
    let packages = ["lifeboat-cli", "lifeboat-bolt", "lifeboat-vault"];
    let mut build = cargo(["build", "--release", "--bin", "lifeboat"]);
    build.args(["--example", "drain", "--example", "fill"]);
    run(build.args(packages.map(|package| format!("--package={package}"))))?;
    let here = std::env::current_exe().context("cannot tell where this program lies")?;
    let target = here.ancestors().nth(2).context("this program lies in no target folder")?;
    Ok(target.join("release"))
}

/// The size of one archive in a vault.
fn archive_size(vault: &Path) -> anyhow::Result<u64> {
    for entry in fs::read_dir(vault)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().ends_with(".tar.zst") {
            return Ok(entry.metadata()?.len());
        }
    }
    bail!("{} holds no archive", vault.display())
}
