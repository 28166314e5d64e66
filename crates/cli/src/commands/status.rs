//! `lifeboat status`.

use lifeboat::ExitCode;
use lifeboat::config::Objectives;
use lifeboat::ship::Window;
use lifeboat::status::{regions, status};
use lifeboat::vaults::Region;
use lifeboat_runbook::predict::{self, Predicted};
use lifeboat_service::alerts::alert::Alert;
use lifeboat_service::client::Client;
use lifeboat_service::snapshot::Snapshot;

use super::{Session, serve};
use crate::args::StatusArgs;
use crate::failure::Result;
use crate::signals::Work;
use crate::view::status::{Service, Status};

pub(super) async fn run(session: &Session, args: &StatusArgs) -> Result<ExitCode> {
    let settings = &session.settings;
    let vaults = settings.vaults(&args.vault)?;
    let home = args.neo4j_home.clone().or_else(|| settings.file.database.neo4j_home.clone());
    let running = session.begin(Work::Looking)?;
    let reading = running.or_stop(vaults.reading()).await?;
    session.warn_of(reading.fallback.as_ref());
    let vault = reading.region.databases();
    let report = running.or_stop(status(vault, home.as_deref())).await?;
    let regions =
        running.or_stop(async { Ok::<_, lifeboat::Error>(regions(&vaults).await) }).await?;
    let recovery = running.or_stop(recovery(&reading.region, &report.windows)).await?;
    let of_file = settings.file.objectives;
    let objectives = Objectives { rpo: args.rpo.or(of_file.rpo), ..of_file };
    let service = service(&Client::new(&serve::folder(settings, &args.state))).await;
    let status =
        Status::new(&report, &regions, &vault.to_string(), &objectives, recovery.as_ref(), service);
    if session.output.json {
        session.output.document(&status)?;
    } else {
        session.output.print(&status.text())?;
    }
    Ok(if status.misses() { ExitCode::ObjectiveMissed } else { ExitCode::Ok })
}

/// The newest point, and how long a recovery to it will take.
async fn recovery(
    region: &Region,
    windows: &[Window],
) -> Result<Option<Predicted>, lifeboat::Error> {
    let listed = region.list().await?;
    Ok(predict::newest(region.databases(), &listed, windows).await)
}

/// What a service on this machine says, if one answers.
async fn service(client: &Client) -> Option<Service> {
    let snapshot: Snapshot = client.get("/api/v1/status").await.ok()?;
    let alerts: Vec<Alert> = client.get("/api/v1/alerts").await.ok()?;
    Some(Service { snapshot, alerts })
}
