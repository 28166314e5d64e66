//! `lifeboat ship`.

use std::sync::Arc;

use lifeboat::ship::{Bases, Canary, Event, PhysicalBases, ShipOptions, ship};
use lifeboat::{Error, ExitCode};

use super::Session;
use crate::args::ShipArgs;
use crate::failure::{Failure, Result};
use crate::signals::Work;
use crate::view::ship::{Line, done};

pub(super) async fn run(session: &Session, args: &ShipArgs) -> Result<ExitCode> {
    let vault = session.settings.vault(&args.vault)?;
    let home =
        args.neo4j_home.clone().or_else(|| session.settings.file.database.neo4j_home.clone());
    let home = home.ok_or_else(|| {
        Failure::usage(
            "no home of a server is given",
            "give --neo4j-home DIR, or set LIFEBOAT_NEO4J_HOME, or database.neo4j_home in \
             lifeboat.toml",
        )
    })?;
    let target = session.settings.optional_target(&args.database)?;
    let canary = match (args.canary, &target) {
        (None, _) => None,
        (Some(every), Some(target)) => Some(Canary { target: target.clone(), every }),
        (Some(_), None) => {
            return Err(Failure::usage(
                "no server is given for the canary",
                "give --uri, or set LIFEBOAT_URI, or database.uri in lifeboat.toml",
            ));
        }
    };
    let bases = PhysicalBases {
        vault: vault.clone(),
        home: home.clone(),
        server: target,
        installation: args.neo4j.clone(),
    };
    let options = ShipOptions {
        bases: (!args.no_base).then(|| Arc::new(bases) as Arc<dyn Bases>),
        canary,
        interval: args.interval,
        wait: args.wait,
        once: args.once,
        base_every: args.base_every,
        base_after: args.base_after,
        ..ShipOptions::new(vault, home)
    };
    let running = session.begin(Work::Ship)?;
    let (sender, mut events) = tokio::sync::mpsc::unbounded_channel();
    let work = ship(options, &sender, &running.cancel);
    let mut work = std::pin::pin!(work);
    let report = loop {
        tokio::select! {
            biased;
            Some(event) = events.recv() => tell(session, &event)?,
            report = &mut work => break report,
        }
    };
    while let Ok(event) = events.try_recv() {
        tell(session, &event)?;
    }
    let report = match report {
        // What there is to say of it was said: it is how a shipper ends.
        Err(Error::Interrupted) => return Ok(running.signals.exit_code()),
        report => report?,
    };
    if session.output.json {
        session.output.message(&done(&report))?;
    } else {
        session.output.report(&crate::view::ship::text(&report))?;
    }
    Ok(ExitCode::Ok)
}

fn tell(session: &Session, event: &Event) -> Result<()> {
    if session.output.json {
        return session.output.message(event);
    }
    match Line::new(event) {
        Some(Line::Warning(text)) => session.output.warn(&text),
        Some(Line::Note(text)) => session.output.note(&text),
        None => {}
    }
    Ok(())
}
