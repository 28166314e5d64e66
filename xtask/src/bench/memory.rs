//! Peak memory of our own process, which must not grow with the graph; a restore keeps the id of
//! each node.

use std::path::Path;

use anyhow::Context;
use lifeboat_testkit::graph::GraphSource as _;
use lifeboat_testkit::{Line, Neo4j, folders, neo4j};

use super::section::{Section, mebibytes, number};
use super::{Bench, child};

/// How many times the data.
const FACTOR: u32 = 10;

/// Peaks in bytes, at one size.
struct Peaks {
    nodes: u64,
    backup: u64,
    verify: u64,
    restore: u64,
    bulk: u64,
}

pub(super) async fn run(bench: &Bench) -> anyhow::Result<Section> {
    let small = measure(bench, bench.scale()).await?;
    let large = measure(bench, bench.scale() * FACTOR).await?;

    let row = |peaks: &Peaks| {
        let Peaks { nodes, backup, verify, restore, bulk } = *peaks;
        let mut row = vec![number(nodes)];
        row.extend([backup, verify, restore, bulk].map(mebibytes));
        row
    };
    let mut section = Section::default();
    section
        .say(format!("Neo4j {}. The largest resident set, from the kernel.", Line::Lts.version()));
    section.table(
        &["nodes", "`backup`", "`verify`", "`restore`", "`restore --bulk`"],
        &[row(&small), row(&large)],
    );
    let mebi = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    section.at_most("backup", mebi(small.backup.max(large.backup)), 200.0, "MiB");
    let growth = large.restore.saturating_sub(small.restore) as f64;
    let growth = growth / (large.nodes - small.nodes) as f64;
    section.at_most("growth of restore for each node", growth, 24.0, "bytes");
    Ok(section)
}

async fn measure(bench: &Bench, scale: u32) -> anyhow::Result<Peaks> {
    let scratch = folders::scratch("bench")?;
    let vault = scratch.path().join("vault");
    let peak = async |server: Option<&Neo4j>, arguments: &[&str]| {
        let ran = child::run(&mut bench.lifeboat(server, &vault, arguments)).await?;
        eprintln!(
            "  {}: {} in {:.1} s",
            arguments[..2.min(arguments.len())].join(" "),
            mebibytes(ran.usage.peak),
            ran.took.as_secs_f64()
        );
        anyhow::Ok(ran.usage.peak)
    };
    let source = bench.loaded(Line::Lts, Bench::server_options(), scale).await?;
    let backup = peak(Some(&source), &["backup"]).await?;
    drop(source);
    let verify = peak(None, &["verify"]).await?;
    let target = Neo4j::start_with(Line::Lts, Bench::server_options()).await?;
    let restore = peak(Some(&target), &["restore", "latest"]).await?;
    drop(target);
    let installation = neo4j::assemble(Line::Lts).await?;
    let home = scratch.path().join("home");
    std::fs::create_dir(&home)?;
    let text = |path: &Path| path.to_str().map(str::to_owned).context("a path that is not UTF-8");
    let (home, installation) = (text(&home)?, text(installation.folder())?);
    let arguments = ["restore", "latest", "--bulk", "--into-home", &home, "--neo4j", &installation];
    let bulk = peak(None, &arguments).await?;
    let nodes = bench.graph.scaled(scale).counts().nodes;
    Ok(Peaks { nodes, backup, verify, restore, bulk })
}
