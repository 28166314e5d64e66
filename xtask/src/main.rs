//! The workspace's own commands: `cargo xtask …`.
//!
//! Whoever clones the repository needs no more than a Rust toolchain and these: each command
//! fetches what it needs into `target/lifeboat`, or says what has to be installed.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod api;
mod bench;
mod client;
mod crash;
mod demo;
mod deny;
mod infra;
mod layers;
mod run;
mod setup;
mod tally;
mod test;

/// Set up, test and measure Lifeboat.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lose a real database and get it back: backup, disaster, restore, proof
    Demo(demo::Options),
    /// Let servers, backups and shippers die while transactions are written, and restore
    Crash(crash::Options),
    /// Install what the tests need and is missing, and assemble the servers they run against
    Setup,
    /// Check formatting, layers, licences and lints, and run every test against real servers
    Test(test::Options),
    /// Measure against peers and limits, and write docs/benchmarks.md
    Bench(bench::Options),
    /// Try the service's API against its own document, with thousands of requests
    Api(api::Options),
    /// Check the systemd unit, the container file and the alert rules with the tools they are for
    Infra,
    /// Check that each crate only uses what stands above it
    Layers,
    /// Check licences, bans, sources and, if it can be fetched, the advisory database
    Deny,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    match Arguments::parse().command {
        Command::Demo(options) => demo::demo(&options).await?,
        Command::Crash(options) => crash::crash(&options).await?,
        Command::Setup => setup::setup().await?,
        Command::Test(options) => return test::test(&options).await,
        Command::Bench(options) => return bench::bench(options).await,
        Command::Api(options) => api::api(&options)?,
        Command::Infra => infra::infra()?,
        Command::Layers => layers::check()?,
        Command::Deny => {
            deny::check()?;
            if let deny::Advisories::NotChecked(why) = deny::advisories()? {
                println!("advisories were NOT checked: {why}");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
