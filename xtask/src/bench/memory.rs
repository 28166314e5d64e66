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
    physical_backup: u64,
    physical_restore: u64,
}

impl Peaks {
    fn all(&self) -> [u64; 6] {
        let Self { backup, verify, restore, bulk, physical_backup, physical_restore, .. } = *self;
        [backup, verify, restore, bulk, physical_backup, physical_restore]
    }
}

pub(super) async fn run(bench: &Bench) -> anyhow::Result<Section> {
    let small = measure(bench, bench.scale()).await?;
    let large = measure(bench, bench.scale() * FACTOR).await?;

    let row = |peaks: &Peaks| {
        let mut row = vec![number(peaks.nodes)];
        row.extend(peaks.all().map(mebibytes));
        row
    };
    let mut section = Section::default();
    section
        .say(format!("Neo4j {}. The largest resident set, from the kernel.", Line::Lts.version()));
    section.table(
        &[
            "nodes",
            "`backup`",
            "`verify`",
            "`restore`",
            "`restore --bulk`",
            "`backup --method physical`",
            "`restore --into-home` of it",
        ],
        &[row(&small), row(&large)],
    );
    let mebi = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let most = |pick: fn(&Peaks) -> u64| mebi(pick(&small).max(pick(&large)));
    section.at_most("backup", most(|peaks| peaks.backup), 200.0, "MiB");
    section.at_most("physical backup", most(|peaks| peaks.physical_backup), 256.0, "MiB");
    section.at_most("physical restore", most(|peaks| peaks.physical_restore), 256.0, "MiB");
    let growth = large.restore.saturating_sub(small.restore) as f64;
    let growth = growth / (large.nodes - small.nodes) as f64;
    section.at_most("growth of restore for each node", growth, 24.0, "bytes");
    Ok(section)
}

async fn measure(bench: &Bench, scale: u32) -> anyhow::Result<Peaks> {
    let scratch = folders::scratch("bench")?;
    let vault = scratch.path().join("vault");
    let text = |path: &Path| path.to_str().map(str::to_owned).context("a path that is not UTF-8");
    let peak = async |server: Option<&Neo4j>, arguments: &[&str]| {
        let ran = child::run(&mut bench.lifeboat(server, &vault, arguments)).await?;
        eprintln!(
            "  {}: {} in {:.1} s",
            arguments[..3.min(arguments.len())].join(" "),
            mebibytes(ran.usage.peak),
            ran.took.as_secs_f64()
        );
        anyhow::Ok(ran.usage.peak)
    };
    let home = |name: &str| {
        let folder = scratch.path().join(name);
        std::fs::create_dir(&folder)?;
        text(&folder)
    };
    let installation = neo4j::assemble(Line::Lts).await?;
    let installation = text(installation.folder())?;

    let of_source = home("source")?;
    let options = Bench::server_options().home(&of_source);
    let source = bench.loaded(Line::Lts, options, scale).await?;
    let backup = peak(Some(&source), &["backup", "--name", "logical"]).await?;
    let verify = peak(None, &["verify"]).await?;
    let arguments = ["backup", "--method", "physical", "--name", "physical"];
    let arguments = [&arguments[..], &["--neo4j-home", &of_source]].concat();
    let physical_backup = peak(Some(&source), &arguments).await?;
    drop(source);
    std::fs::remove_dir_all(&of_source)?;

    let target = Neo4j::start_with(Line::Lts, Bench::server_options()).await?;
    let restore = peak(Some(&target), &["restore", "logical"]).await?;
    drop(target);
    let into = async |name: &str, arguments: &[&str]| {
        let folder = home(name)?;
        let to = ["--into-home", &folder, "--neo4j", &installation];
        let peak = peak(None, &[arguments, &to[..]].concat()).await?;
        std::fs::remove_dir_all(&folder)?;
        anyhow::Ok(peak)
    };
    let bulk = into("bulk", &["restore", "logical", "--bulk"]).await?;
    let physical_restore = into("physical", &["restore", "physical"]).await?;
    let nodes = bench.graph.scaled(scale).counts().nodes;
    Ok(Peaks { nodes, backup, verify, restore, bulk, physical_backup, physical_restore })
}
