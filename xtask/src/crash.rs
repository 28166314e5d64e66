//! `cargo xtask crash`: the crash campaign. Servers, backups and shippers die while numbered
//! transactions are written; what is restored must hold all that it says, and nothing more.
//!
//! A round is made of its seed alone, as far as chance can be: `--seed S --rounds 1` plays it
//! again. What each round must show:
//! - the restored transactions of each writer are its first, without a gap;
//! - none is missing that was acknowledged before the point that is restored to, none is there that
//!   was sent after it, and for `--until-tx` the set is exact;
//! - what these transactions created, changed and deleted is there as they left it;
//! - Neo4j's own consistency check is clean.

mod round;
mod writer;

use std::time::{Duration, Instant};

use anyhow::Context;
use lifeboat_testkit::{Line, folders};

use crate::run::{cargo, run};
use crate::setup;

/// What the campaign can be asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How many rounds to play; alternately on both release lines of Neo4j.
    #[arg(long, default_value_t = 20)]
    rounds: u64,
    /// Begins no round after this many minutes.
    #[arg(long, default_value_t = 30)]
    minutes: u64,
    /// The seed of the first round; each further one has the next.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// To how many transactions each round restores.
    #[arg(long, default_value_t = 1)]
    transactions: u64,
    /// To how many times each round restores.
    #[arg(long, default_value_t = 1)]
    times: u64,
}

/// Numbers that look random and are made of a seed (SplitMix64).
#[derive(Debug, Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end.max(1)
    }

    /// One of several.
    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

impl Options {
    /// A short cut for every run of the tests: a round on each line of Neo4j, both with a shipper.
    pub(crate) fn short() -> Self {
        Self { rounds: 2, minutes: 10, seed: 2, transactions: 1, times: 1 }
    }
}

/// Builds the program and plays the campaign.
///
/// # Errors
/// As [`play`].
pub(crate) async fn crash(options: &Options) -> anyhow::Result<()> {
    setup::install_missing()?;
    run(&mut cargo(["build", "--quiet", "--package", "lifeboat-cli"]))?;
    play(options).await
}

/// Plays the campaign with the program that is built.
///
/// # Errors
/// With the first round that does not show what it must; its folder is kept.
pub(crate) async fn play(options: &Options) -> anyhow::Result<()> {
    let end = Instant::now() + Duration::from_secs(options.minutes * 60);
    let mut sum = round::Shown::default();
    let mut played = 0;
    for seed in options.seed..options.seed + options.rounds {
        if Instant::now() >= end {
            break;
        }
        let line = Line::ALL[(seed % 2) as usize];
        let scratch = folders::scratch("crash")?;
        let began = Instant::now();
        let points = round::Points { transactions: options.transactions, times: options.times };
        let shown = round::play(seed, line, scratch.path(), points).await;
        let shown = match shown {
            Ok(shown) => shown,
            Err(error) => {
                let kept = scratch.keep();
                return Err(error.context(format!(
                    "round {seed} on Neo4j {} failed; its folder is kept: {}",
                    line.version(),
                    kept.display()
                )));
            }
        };
        played += 1;
        println!(
            "round {seed:>4}  Neo4j {:<10}  {shown}  {:.1} s",
            line.version(),
            began.elapsed().as_secs_f64()
        );
        sum.add(&shown);
    }
    println!("{played} rounds, all as they must be: {}", sum.sum());
    (played > 0).then_some(()).context("no round was played")
}
