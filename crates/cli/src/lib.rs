//! The command line: arguments in, calls of the engine, output and exit codes out.
//!
//! Nothing is decided here that the engine could decide. Each command is one file in `commands`;
//! what a person reads is made in `view`, as text, so that it can be tested as text.

mod args;
mod commands;
mod failure;
mod output;
mod progress;
mod reference;
mod settings;
mod signals;
mod trace;
mod units;
mod view;

use std::ffi::OsString;

use clap::{CommandFactory as _, Parser as _};
use lifeboat::ExitCode;

use crate::args::{Cli, Command};
use crate::output::Output;

pub use reference::reference;

/// Runs the command line; the first argument is the program's name. Answers with the exit code.
pub fn run(args: impl IntoIterator<Item = OsString>) -> u8 {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too. Nobody can be told when printing fails.
            let _ = error.print();
            return u8::try_from(error.exit_code()).unwrap_or(ExitCode::Usage as u8);
        }
    };
    let output = Output::new(&cli.global);
    let service = match &cli.command {
        Command::Serve(args) => Some(args.log_format),
        _ => None,
    };
    trace::start(&cli.global, service);
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(failure::Failure::from)
        .and_then(|runtime| {
            let outcome = runtime.block_on(commands::run(cli, output));
            // What still waits for a key press or a lost server is not waited for.
            runtime.shutdown_background();
            outcome
        });
    match outcome {
        Ok(code) => code as u8,
        Err(failure) => {
            output.fail(&failure);
            failure.code as u8
        }
    }
}

/// The whole command line, for what is generated from it.
pub fn command() -> clap::Command {
    Cli::command()
}
