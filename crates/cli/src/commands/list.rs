//! `lifeboat list`.

use jiff::Timestamp;
use lifeboat::ExitCode;
use lifeboat::sets::sets;
use lifeboat::ship::{Until, Window, bases_of, windows};
use lifeboat::vault::{Listed, Vault};
use lifeboat_runbook::predict::Rates;

use super::Session;
use crate::args::ListArgs;
use crate::failure::Result;
use crate::signals::Work;
use crate::view::list::{List, Row, WindowRow};
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
    let mut rates = Rates::of(&backups);
    let windows = if windows.is_empty() {
        Vec::new()
    } else {
        rates = rates.with_runs(vault).await;
        running.or_stop(predicted(vault, &backups, windows, &rates)).await?
    };
    let wanted = backups.iter().filter(|listed| is_wanted(listed, args));
    let mut rows: Vec<_> = wanted.map(|listed| Row::new(listed, &rates, now)).collect();
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
        if backups.is_empty() {
            session.output.note(&format!("there are no backups in {vault}"));
        } else if list.backups.is_empty() {
            session.output.note(&format!("none of {} backups in {vault} fits", backups.len()));
        }
    }
    Ok(ExitCode::Ok)
}

/// How long a recovery to the end of each window will take.
async fn predicted(
    vault: &Vault,
    backups: &[Listed],
    windows: Vec<Window>,
    rates: &Rates,
) -> Result<Vec<WindowRow>, lifeboat::Error> {
    let mut rows = Vec::new();
    for window in windows {
        let mut manifests = backups.iter().filter_map(|listed| listed.manifest.as_ref().ok());
        let took = match manifests.find(|manifest| manifest.name == window.base) {
            Some(base) => rates.recover(vault, base, Until::Latest).await,
            None => None,
        };
        rows.push(WindowRow::new(window, took));
    }
    Ok(rows)
}

fn is_wanted(listed: &Listed, args: &ListArgs) -> bool {
    let kind = match &listed.manifest {
        Ok(manifest) => Some(manifest.kind),
        // Of a damaged one the name may tell.
        Err(_) => listed.name.kind(),
    };
    let created = listed.created();
    args.kind.is_none_or(|wanted| kind == Some(wanted.into()))
        && args.since.is_none_or(|since| created >= since)
        && args.until.is_none_or(|until| created < until)
        && (!args.certified || listed.certificate.as_ref().is_some_and(|one| one.valid().is_some()))
}
