//! `lifeboat list`.

use jiff::Timestamp;
use lifeboat::ExitCode;
use lifeboat::sets::sets;
use lifeboat::ship::{bases_of, windows};

use super::Session;
use crate::args::ListArgs;
use crate::failure::Result;
use crate::signals::Work;
use crate::view::list::{List, Row};
use crate::view::place::Place;

pub(super) async fn run(session: &Session, args: &ListArgs) -> Result<ExitCode> {
    let vaults = session.settings.vaults(&args.vault)?;
    let running = session.begin(Work::Looking)?;
    let reading = running.or_stop(vaults.reading()).await?;
    session.warn_of(reading.fallback.as_ref());
    let vault = reading.region.databases();
    let backups = running.or_stop(reading.region.list()).await?;
    let bases = bases_of(&backups);
    let windows =
        if bases.is_empty() { Vec::new() } else { running.or_stop(windows(vault, &bases)).await? };
    let now = Timestamp::now();
    let mut rows: Vec<_> = backups.iter().map(|listed| Row::new(listed, now)).collect();
    Row::tell_sets(&mut rows, &sets(&backups));
    let list = List {
        vault: vault.to_string(),
        place: Place::new(&reading.region, reading.fallback.as_ref()),
        backups: rows,
        windows,
    };
    if session.output.json {
        session.output.document(&list)?;
    } else {
        session.output.print(&list.text(session.output.colour))?;
        if list.backups.is_empty() {
            session.output.note(&format!("there are no backups in {vault}"));
        }
    }
    Ok(ExitCode::Ok)
}
