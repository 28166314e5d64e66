//! `lifeboat verify`.

use std::sync::Arc;

use lifeboat::format::Manifest;
use lifeboat::trial::TrialOptions;
use lifeboat::vault::Vault;
use lifeboat::vaults::{Reading, Vaults};
use lifeboat::verify::{Level, verify};
use lifeboat::{Error, ExitCode, Phase};

use super::sets::set_named;
use super::{Running, Session, sets};
use crate::args::VerifyArgs;
use crate::failure::{Failure, Result};
use crate::signals::Work;
use crate::view::place::Place;
use crate::view::trial::Tried;
use crate::view::verify::{Summary, Verified};

pub(super) async fn run(session: &Session, args: &VerifyArgs) -> Result<ExitCode> {
    let vaults = session.settings.vaults(&args.vault)?;
    if args.restore {
        return Box::pin(trial(session, args, &vaults)).await;
    }
    let level = match (args.quick, args.percent, args.seed) {
        (true, ..) => Level::Quick,
        (false, Some(percent), Some(seed)) => Level::Sample { percent, seed },
        (false, Some(percent), None) => Level::sample(percent),
        (false, None, _) => Level::Full,
    };
    let running = session.begin(Work::Looking)?;
    if let Some(set) = set_named(&args.backup) {
        return sets::verify(session, &running, &vaults, &set, level).await;
    }
    if !args.all {
        let found = running.or_stop(vaults.find(&args.backup)).await?;
        session.warn_of(found.fallback.as_ref());
        let verified = one(&running, &found.vault, &found.manifest, level).await?;
        let place = Place::new(&found.region, found.fallback.as_ref());
        let summary = Summary::of(std::slice::from_ref(&verified), &found.vault, place);
        session.output.message(&summary)?;
        session.output.report(&verified.text(false))?;
        return Ok(ExitCode::Ok);
    }
    let mut all = Vec::new();
    let Reading { region, fallback } = running.or_stop(vaults.reading()).await?;
    session.warn_of(fallback.as_ref());
    for listed in running.or_stop(region.list()).await? {
        let verified = match &listed.manifest {
            Err(damage) => Verified::damaged(&listed.name, damage.to_string()),
            Ok(manifest) => match one(&running, region.vault(manifest.kind), manifest, level).await
            {
                Ok(verified) => verified,
                Err(failure) if failure.code != ExitCode::Failed => return Err(failure),
                Err(failure) => Verified::damaged(&listed.name, failure.message),
            },
        };
        session.output.message(&verified)?;
        session.output.report(&verified.text(session.output.colour))?;
        all.push(verified);
    }
    let summary = Summary::of(&all, region.databases(), Place::new(&region, fallback.as_ref()));
    session.output.message(&summary)?;
    session.output.report(&summary.text())?;
    match summary.damaged {
        0 => Ok(ExitCode::Ok),
        damaged => Err(Failure {
            code: ExitCode::Failed,
            message: format!("{damaged} of {} backups did not pass", summary.backups),
            hint: Some("restore from another, and take a new backup now".to_owned()),
        }),
    }
}

/// A restore, really.
async fn trial(session: &Session, args: &VerifyArgs, vaults: &Vaults) -> Result<ExitCode> {
    let mut settings = session.settings.file.verify.clone();
    settings.neo4j = args.neo4j.clone().or(settings.neo4j);
    settings.java = args.java.clone().or(settings.java);
    let running = session.begin(Work::Looking)?;
    let found = running.or_stop(vaults.find(&args.backup)).await?;
    session.warn_of(found.fallback.as_ref());
    let place = Place::new(&found.region, found.fallback.as_ref());
    let options = TrialOptions { vault: found.vault, manifest: found.manifest, settings };
    let display = running.show();
    let trial = lifeboat::trial::trial(&options, &running.progress, &running.cancel);
    let result = Box::pin(trial).await;
    drop(display);
    let report = result.map_err(|error| running.explain(error))?;
    let tried = Tried::new(&report, &options.vault.to_string(), place);
    session.output.message(&tried)?;
    session.output.report(&tried.text())?;
    Ok(ExitCode::Ok)
}

pub(super) async fn one(
    running: &Running,
    vault: &Vault,
    manifest: &Manifest,
    level: Level,
) -> Result<Verified> {
    let progress = Arc::clone(&running.progress);
    let size = match level {
        Level::Sample { percent, .. } => manifest.archive.size * u64::from(percent) / 100,
        _ => manifest.archive.size,
    };
    progress.bytes(0, size);
    progress.enter(Phase::Verifying);
    let display = running.show();
    let done = move |done| progress.bytes(done, size);
    let result = verify(vault, manifest.clone(), level, &done, &running.cancel).await;
    drop(display);
    result
        .map(|report| Verified::good(&report, level))
        .map_err(|error: Error| running.explain(error))
}
