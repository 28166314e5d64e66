//! `lifeboat show` and `lifeboat verify` of a recovery set: of both its halves.

use jiff::Timestamp;
use lifeboat::ExitCode;
use lifeboat::format::Manifest;
use lifeboat::select::Selector;
use lifeboat::sets::{FoundSet, SetName, find_set};
use lifeboat::vault::Certified;
use lifeboat::vaults::{Region, Vaults};
use lifeboat::verify::Level;

use super::verify::one;
use super::{Running, Session};
use crate::failure::Result;
use crate::view;
use crate::view::place::Place;
use crate::view::verify::Summary;

/// The set that a name is of, when it is one.
pub(super) fn set_named(backup: &Selector) -> Option<SetName> {
    match backup {
        Selector::Name(name) => name.as_str().parse().ok(),
        Selector::Latest | Selector::Physical => None,
    }
}

/// Shows both halves, or the one that there is.
pub(super) async fn show(
    session: &Session,
    running: &Running,
    vaults: &Vaults,
    set: &SetName,
) -> Result<ExitCode> {
    let FoundSet { set, region, fallback } = running.or_stop(find_set(vaults, Some(set))).await?;
    session.warn_of(fallback.as_ref());
    if let Some(half) = set.missing() {
        session.output.warn(&format!("{} is not whole: its {half} backup is missing", set.name));
    }
    let halves = [&set.database, &set.config];
    if session.output.json {
        let place = Place::new(&region, fallback.as_ref());
        let mut documents = Vec::new();
        for half in halves {
            documents.push(match half {
                Some(half) => {
                    let certified = certified(running, &region, half).await?;
                    Some(view::show::json(half, certified.as_ref(), &place))
                }
                None => None,
            });
        }
        let config = documents.pop().flatten();
        let database = documents.pop().flatten();
        session.output.document(&serde_json::json!({
            "recovery_set": set.name.as_str(),
            "whole": set.is_whole(),
            "database": database,
            "config": config,
        }))?;
        return Ok(ExitCode::Ok);
    }
    for half in halves.into_iter().flatten() {
        let certified = certified(running, &region, half).await?;
        let vault = region.vault(half.kind).to_string();
        let text = view::show::text(half, certified.as_ref(), &vault, Timestamp::now());
        session.output.print(&text)?;
    }
    Ok(ExitCode::Ok)
}

/// The certificate of a half, if it has one.
async fn certified(
    running: &Running,
    region: &Region,
    half: &Manifest,
) -> Result<Option<Certified>> {
    running.or_stop(region.vault(half.kind).certificate(&half.name)).await
}

/// Verifies both halves; a set that is not whole does not pass.
pub(super) async fn verify(
    session: &Session,
    running: &Running,
    vaults: &Vaults,
    set: &SetName,
    level: Level,
) -> Result<ExitCode> {
    let found = running.or_stop(find_set(vaults, Some(set))).await?;
    session.warn_of(found.fallback.as_ref());
    let mut all = Vec::new();
    for half in [&found.set.database, &found.set.config].into_iter().flatten() {
        let verified = one(running, found.region.vault(half.kind), half, level).await?;
        session.output.message(&verified)?;
        session.output.report(&verified.text(session.output.colour))?;
        all.push(verified);
    }
    let place = Place::new(&found.region, found.fallback.as_ref());
    session.output.message(&Summary::of(&all, found.region.databases(), place))?;
    found.whole()?;
    Ok(ExitCode::Ok)
}
