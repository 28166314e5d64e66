//! Events of the engine on standard error, beside the progress bar.

use std::io::{self, Write};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::args::{GlobalArgs, LogFormat};
use crate::progress::beside_bar;

/// Shows warnings; with `-v` what is done, with `-vv` everything. `LIFEBOAT_LOG` says it in the
/// language of the `tracing` crates. A service tells what it does, and when, in its format.
pub(crate) fn start(args: &GlobalArgs, service: Option<LogFormat>) {
    let level = match args.verbose {
        0 if service.is_some() && !args.quiet => LevelFilter::INFO,
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let filter = match std::env::var("LIFEBOAT_LOG") {
        Ok(directives) if !directives.is_empty() => EnvFilter::new(directives),
        // Other people's crates tell of what is none of the user's business.
        _ => EnvFilter::new(format!("error,{}", ours(level))),
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Beside)
        .with_target(args.verbose > 1);
    // It fails when somebody has started one already, who then shows the events.
    let _ = if args.json || service == Some(LogFormat::Json) {
        builder.json().flatten_event(true).try_init()
    } else if service.is_some() {
        builder.with_ansi(false).try_init()
    } else {
        builder.with_ansi(false).without_time().try_init()
    };
}

fn ours(level: LevelFilter) -> String {
    let crates = [
        "lifeboat",
        "lifeboat_bolt",
        "lifeboat_neo4j",
        "lifeboat_server",
        "lifeboat_service",
        "lifeboat_vault",
    ];
    crates.map(|name| format!("{name}={level}")).join(",")
}

/// Writes beside the progress bar.
struct Beside;

impl MakeWriter<'_> for Beside {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        Self
    }
}

impl Write for Beside {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut written = Ok(0);
        beside_bar(|| written = io::stderr().write_all(bytes).map(|()| bytes.len()));
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
