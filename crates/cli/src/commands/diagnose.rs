//! `lifeboat diagnose`.

use lifeboat::ExitCode;
use lifeboat::format::Manifest;
use lifeboat::select::safety_of;
use lifeboat::vaults::Reading;
use lifeboat_runbook::diagnose::{Verdict, diagnose};

use super::Session;
use crate::args::DiagnoseArgs;
use crate::failure::{Failure, Result};
use crate::signals::Work;
use crate::view::diagnose as view;

pub(super) async fn run(session: &Session, args: &DiagnoseArgs) -> Result<ExitCode> {
    let vaults = session.settings.vaults(&args.vault)?;
    let mut settings = session.settings.file.verify.clone();
    settings.neo4j = args.neo4j.clone().or(settings.neo4j);
    settings.java = args.java.clone().or(settings.java);
    let running = session.begin(Work::Looking)?;
    let Reading { region, fallback } = running.or_stop(vaults.reading()).await?;
    session.warn_of(fallback.as_ref());
    let listed = running.or_stop(region.list()).await?;
    let mut points: Vec<Manifest> = listed
        .into_iter()
        .filter_map(|one| one.manifest.ok().map(|manifest| manifest.as_ref().clone()))
        .filter(|manifest| manifest.database.is_some() && safety_of(manifest).is_none())
        .filter(|manifest| args.since.is_none_or(|since| manifest.created >= since))
        .collect();
    points.sort_by_key(|manifest| manifest.created);
    if points.is_empty() {
        return Err(Failure::usage(
            "there is no recovery point to look at",
            "choose an earlier --since, or another vault",
        ));
    }
    let output = session.output;
    let watch = move |verdict: &Verdict| {
        // Somebody who does not listen any more is no reason to stop.
        let _ = output.report(&view::verdict_text(verdict));
        let _ = output.message(verdict);
    };
    let display = running.show();
    let work = diagnose(
        region.databases(),
        &points,
        &settings,
        &running.progress,
        &watch,
        &running.cancel,
    );
    let diagnosis = Box::pin(work).await;
    drop(display);
    let diagnosis = diagnosis?;
    session.output.message(&view::summary(&diagnosis))?;
    session.output.report(&view::text(&diagnosis))?;
    Ok(match (&diagnosis.first_bad, &diagnosis.last_good) {
        (Some(_), None) => ExitCode::Failed,
        _ => ExitCode::Ok,
    })
}
