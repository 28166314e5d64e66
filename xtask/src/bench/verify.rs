//! Full verification, against what reads and hashes the same bytes and knows nothing of backups;
//! and a vault with very many backups.

use std::path::{Path, PathBuf};

use anyhow::Context;
use lifeboat_testkit::folders;
use tokio::process::Command;

use super::section::{Section, mebibytes};
use super::turns::{HEAD, Turn, Turns};
use super::{Bench, child};

const VERIFY: &str = "`lifeboat verify`";
const PEERS: &str = "zstd -t, then b3sum";
const SIZE: &str = "4500000000";
const BACKUPS: &str = "10000";

pub(super) async fn run(bench: &Bench) -> anyhow::Result<Section> {
    let scratch = folders::scratch("bench")?;
    let large = scratch.path().join("large");
    fill(bench, &large, "1", SIZE).await?;
    let archive = archive(&large)?;
    let size = std::fs::metadata(&archive)?.len();

    let mut turns = Turns::default();
    let mut used = child::Usage::default();
    for _ in 0..bench.rounds() {
        let turn = Turn::begin(None);
        used = child::run(&mut bench.lifeboat(None, &large, &["verify"])).await?.usage;
        turn.end(&mut turns, VERIFY);
        let turn = Turn::begin(None);
        child::run(Command::new("zstd").arg("-tq").arg(&archive)).await?;
        let b3sum = child::run(Command::new("b3sum").arg(&archive)).await;
        b3sum.context("b3sum is in Debian's package of that name")?;
        turn.end(&mut turns, PEERS);
    }
    let many = scratch.path().join("many");
    fill(bench, &many, BACKUPS, "200").await?;
    let (mut lists, mut prunes) = (Vec::new(), Vec::new());
    for _ in 0..bench.rounds() {
        lists.push(seconds(bench, &many, &["list"]).await?);
        prunes
            .push(seconds(bench, &many, &["prune", "--dry-run", "--retention-days", "365"]).await?);
    }

    let mut section = Section::default();
    section.say(format!(
        "An archive of {}. Ours checks each frame, unpacks it, checks every header, entry and the \
         whole file; in parallel, as far as there are processors. The other two read it once each: \
         zstd checks what it unpacks on one, b3sum the file on all.",
        mebibytes(size)
    ));
    section.table(&HEAD, &turns.table(PEERS));
    section.say(format!(
        "The last verification used {:.2} s of processor time and {} of memory. Below, a folder with \
         {BACKUPS} backups.",
        used.processor.as_secs_f64(),
        mebibytes(used.peak)
    ));
    section.at_most(
        "time of a full verification, to the peers",
        turns.ratio(VERIFY, PEERS),
        1.2,
        "",
    );
    section.at_most("`list` of 10,000 backups", super::turns::median(lists), 2.0, "s");
    section.at_most("`prune --dry-run` of them", super::turns::median(prunes), 3.0, "s");
    Ok(section)
}

async fn seconds(bench: &Bench, vault: &Path, arguments: &[&str]) -> anyhow::Result<f64> {
    let ran = child::run(&mut bench.lifeboat(None, vault, arguments)).await?;
    Ok(ran.took.as_secs_f64())
}

async fn fill(bench: &Bench, folder: &Path, count: &str, bytes: &str) -> anyhow::Result<()> {
    eprintln!("filling a folder with {count} backups of {bytes} bytes …");
    let mut fill = Command::new(bench.programs.join("examples/fill"));
    child::run(fill.arg(folder).args([count, bytes])).await?;
    Ok(())
}

fn archive(vault: &Path) -> anyhow::Result<PathBuf> {
    let mut entries = std::fs::read_dir(vault)?.filter_map(Result::ok).map(|entry| entry.path());
    let is_archive = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "zst");
    entries.find(is_archive).with_context(|| format!("{} holds no archive", vault.display()))
}
