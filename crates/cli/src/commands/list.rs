//! `lifeboat list`.

use jiff::Timestamp;
use lifeboat::ExitCode;
use lifeboat::sets::sets;
use lifeboat::ship::{Until, Window, bases_of, windows};
use lifeboat::vault::{Listed, Vault};
use lifeboat::vaults::{Everywhere, Reading, Role, Vaults};
use lifeboat_runbook::predict::Rates;

use super::Session;
use crate::args::ListArgs;
use crate::failure::{Failure, Result};
use crate::signals::Work;
use crate::view::list::{List, Row, WindowRow};
use crate::view::place::Place;

pub(super) async fn run(session: &Session, args: &ListArgs) -> Result<ExitCode> {
    let vaults = session.settings.vaults(&args.vault)?;
    let region = args.region.map(Role::from);
    if let Some(role) = region {
        check_region(&vaults, role)?;
    }
    let running = session.begin(Work::Looking)?;
    let everywhere = running.or_stop(vaults.list()).await?;
    let bases = bases_of(&everywhere.here());
    let Everywhere { reading: Reading { region: read, fallback }, backups, unanswered } =
        everywhere;
    let unanswered = match unanswered {
        Some((role, error)) if region.is_some() && region == role => return Err(error.into()),
        unanswered => unanswered.map(|(_, error)| error.to_string()),
    };
    match (&fallback, &unanswered) {
        (None, Some(error)) => {
            session.output.warn(&format!("the other vault is not in the list: {error}"));
        }
        (fallback, _) => session.warn_of(fallback.as_ref()),
    }
    let vault = read.databases();
    let windows =
        if bases.is_empty() { Vec::new() } else { running.or_stop(windows(vault, &bases)).await? };
    let now = Timestamp::now();
    let listed: Vec<Listed> = backups.iter().map(|one| one.listed.clone()).collect();
    let mut rates = Rates::of(&listed);
    let windows = if windows.is_empty() {
        Vec::new()
    } else {
        rates = rates.with_runs(vault).await;
        running.or_stop(predicted(vault, &listed, windows, &rates)).await?
    };
    let wanted = backups.iter().filter(|one| {
        is_wanted(&one.listed, args) && region.is_none_or(|region| one.regions.contains(&region))
    });
    let mut rows: Vec<_> = wanted.map(|one| Row::new(one, &rates, now)).collect();
    Row::tell_sets(&mut rows, &sets(&listed));
    let list = List {
        vault: vault.to_string(),
        place: Place::new(&read, fallback.as_ref()),
        unanswered,
        backups: rows,
        windows,
        two: vaults.other().is_some(),
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

/// Refuses a region that the settings do not name.
fn check_region(vaults: &Vaults, role: Role) -> Result<()> {
    let named = [Some(vaults.active()), vaults.other()];
    if named.into_iter().flatten().any(|region| region.role == Some(role)) {
        return Ok(());
    }
    Err(Failure::usage(
        format_args!("there is no {role} vault to look for"),
        format_args!("write [vault.{role}] into lifeboat.toml, and give no --vault"),
    ))
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
