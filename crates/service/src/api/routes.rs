//! The routes.

use std::time::Duration;

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use lifeboat::config::JobKind;
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};
use utoipa::{IntoParams, ToSchema};

use super::{Api, Failed, Problem, gate};
use crate::access::{Peer, Who};
use crate::catalog::Backups;
use crate::event::Event;
use crate::metrics::CONTENT_TYPE;
use crate::run::Run;
use crate::scheduler::Refusal;
use crate::snapshot::{JobView, Snapshot};
use crate::store::AuditEntry;

type Answer<T> = Result<Json<T>, Failed>;

/// Rows that a list has unless asked for another number.
const ROWS: usize = 100;

/// The most rows of a list.
const MAX_ROWS: usize = 1000;

/// The most seconds that an answer may be waited for: less than what proxies and clients bear.
pub const MAX_WAIT: u64 = 8;

/// How it is.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct Health {
    /// `ok`, or why not.
    status: String,
}

/// Whether the process lives.
#[utoipa::path(get, path = "/healthz", tag = "health", responses((status = 200, body = Health)))]
pub(super) async fn healthz() -> Json<Health> {
    Json(Health { status: "ok".to_owned() })
}

/// Whether the jobs are being done: by this instance, or by another that is known.
#[utoipa::path(get, path = "/readyz", tag = "health", responses(
    (status = 200, body = Health),
    (status = 503, description = "They are not.", body = Health),
))]
pub(super) async fn readyz(State(api): State<Api>) -> Response {
    let snapshot = api.handle.snapshot();
    // Anybody may ask: who leads, and what an error says, is not for anybody.
    if snapshot.leader.is_some() {
        Json(Health { status: "ok".to_owned() }).into_response()
    } else {
        let status = "no instance leads: the vault may be out of reach".to_owned();
        (StatusCode::SERVICE_UNAVAILABLE, Json(Health { status })).into_response()
    }
}

/// Metrics, in the text format of OpenMetrics.
#[utoipa::path(get, path = "/metrics", tag = "health", responses(
    (status = 200, body = String, content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8"),
))]
pub(super) async fn metrics(State(api): State<Api>) -> Response {
    let snapshot = api.handle.snapshot();
    let backups = api.catalog.backups().await.ok();
    let text = api.metrics.text(&snapshot, backups.as_deref(), &api.alerts.open());
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response()
}

/// This document.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "document", responses(
    (status = 200, body = Object, content_type = "application/json"),
))]
pub(super) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], super::document()).into_response()
}

/// Who leads, and how all jobs stand.
#[utoipa::path(get, path = "/api/v1/status", tag = "jobs", responses((status = 200, body = Snapshot)))]
pub(super) async fn status(State(api): State<Api>) -> Json<Snapshot> {
    Json((*api.handle.snapshot()).clone())
}

/// All jobs.
#[utoipa::path(get, path = "/api/v1/jobs", tag = "jobs", responses((status = 200, body = Vec<JobView>)))]
pub(super) async fn jobs(State(api): State<Api>) -> Json<Vec<JobView>> {
    Json(api.handle.snapshot().jobs.clone())
}

/// One job.
#[utoipa::path(get, path = "/api/v1/jobs/{job}", tag = "jobs",
    params(("job" = String, Path, description = "The job's name.")),
    responses(
        (status = 200, body = JobView),
        (status = 404, description = "It is not configured.", body = Problem),
    ))]
pub(super) async fn job(State(api): State<Api>, Path(job): Path<String>) -> Answer<JobView> {
    view(&api, named(&job)?)
}

/// A run that was begun.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct Begun {
    /// Its id.
    run: String,
}

/// Runs a job now. It has been begun when the answer comes, or is about to be.
#[utoipa::path(post, path = "/api/v1/jobs/{job}/run", tag = "jobs",
    params(("job" = String, Path, description = "The job's name.")),
    responses(
        (status = 202, body = Begun),
        (status = 404, description = "It is not configured.", body = Problem),
        (status = 409, description = "It is running already, or another instance leads.", body = Problem),
    ))]
pub(super) async fn run_job(
    State(api): State<Api>,
    Path(job): Path<String>,
    Extension(who): Extension<Who>,
    Extension(peer): Extension<Peer>,
) -> Result<(StatusCode, Json<Begun>), Failed> {
    let result = api.handle.run(named(&job)?).await;
    write_down(&api, &who, &peer, &job, "run", &result).await;
    Ok((StatusCode::ACCEPTED, Json(Begun { run: result? })))
}

/// Pauses a job: it is done no more until it is resumed, except by request.
#[utoipa::path(post, path = "/api/v1/jobs/{job}/pause", tag = "jobs",
    params(("job" = String, Path, description = "The job's name.")),
    responses(
        (status = 200, body = JobView),
        (status = 404, description = "It is not configured.", body = Problem),
        (status = 409, description = "Another instance leads.", body = Problem),
    ))]
pub(super) async fn pause_job(
    State(api): State<Api>,
    Path(job): Path<String>,
    Extension(who): Extension<Who>,
    Extension(peer): Extension<Peer>,
) -> Answer<JobView> {
    let kind = named(&job)?;
    let result = api.handle.pause(kind, &who.name).await;
    write_down(&api, &who, &peer, &job, "pause", &result).await;
    result?;
    changed(&api, kind, |view| view.paused.is_some()).await
}

/// Resumes a job.
#[utoipa::path(post, path = "/api/v1/jobs/{job}/resume", tag = "jobs",
    params(("job" = String, Path, description = "The job's name.")),
    responses(
        (status = 200, body = JobView),
        (status = 404, description = "It is not configured.", body = Problem),
        (status = 409, description = "Another instance leads.", body = Problem),
    ))]
pub(super) async fn resume_job(
    State(api): State<Api>,
    Path(job): Path<String>,
    Extension(who): Extension<Who>,
    Extension(peer): Extension<Peer>,
) -> Answer<JobView> {
    let kind = named(&job)?;
    let result = api.handle.resume(kind, &who.name).await;
    write_down(&api, &who, &peer, &job, "resume", &result).await;
    result?;
    changed(&api, kind, |view| view.paused.is_none()).await
}

/// Which runs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct RunsQuery {
    /// Only those of this job.
    #[param(schema_with = job_name)]
    job: Option<String>,
    /// At most so many; 100 unless given.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// Runs of the past and the present, newest first.
#[utoipa::path(get, path = "/api/v1/runs", tag = "runs", params(RunsQuery),
    responses((status = 200, body = Vec<Run>)))]
pub(super) async fn runs(
    State(api): State<Api>,
    query: Result<Query<RunsQuery>, QueryRejection>,
) -> Answer<Vec<Run>> {
    let Query(query) = query.map_err(|error| Failed::bad(error.body_text()))?;
    let job = query.job.map(|job| job.parse().map_err(Failed::bad)).transpose()?;
    let limit = rows(query.limit)?;
    Ok(Json(api.ask(move |store| store.runs(job, limit)).await?))
}

/// One run.
#[utoipa::path(get, path = "/api/v1/runs/{run}", tag = "runs",
    params(("run" = String, Path, description = "The run's id, as in backup-17.")),
    responses(
        (status = 200, body = Run),
        (status = 404, description = "There is no such run.", body = Problem),
    ))]
pub(super) async fn run(State(api): State<Api>, Path(id): Path<String>) -> Answer<Run> {
    let found = api.ask(move |store| store.run(&id)).await?;
    found.map(Json).ok_or_else(|| Failed::missing("there is no such run; see /api/v1/runs"))
}

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct EventsQuery {
    /// Only those with a larger number.
    #[serde(default)]
    #[param(maximum = 9_223_372_036_854_775_807_i64)]
    after: u64,
    /// At most so many; 100 unless given.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// Waits so many seconds for one, if there is none.
    #[serde(default)]
    #[param(maximum = 8)]
    wait: u64,
}

/// Everything that happened, in order.
#[utoipa::path(get, path = "/api/v1/events", tag = "runs", params(EventsQuery),
    responses((status = 200, body = Vec<Event>)))]
pub(super) async fn events(
    State(api): State<Api>,
    query: Result<Query<EventsQuery>, QueryRejection>,
) -> Answer<Vec<Event>> {
    let Query(query) = query.map_err(|error| Failed::bad(error.body_text()))?;
    let limit = rows(query.limit)?;
    if query.wait > MAX_WAIT {
        return Err(Failed::bad(format!("wait is at most {MAX_WAIT} seconds")));
    }
    if i64::try_from(query.after).is_err() {
        return Err(Failed::bad("no event has such a number"));
    }
    let mut newest = api.store.newest();
    let waiting = newest.wait_for(|newest| *newest > query.after);
    // When the time is over, there is nothing, which is an answer.
    let _ = tokio::time::timeout(Duration::from_secs(query.wait), waiting).await;
    Ok(Json(api.ask(move |store| store.events(query.after, limit)).await?))
}

/// The backups in the vault, as they were at most half a minute ago.
#[utoipa::path(get, path = "/api/v1/backups", tag = "backups", responses((status = 200, body = Backups)))]
pub(super) async fn backups(State(api): State<Api>) -> Answer<Backups> {
    Ok(Json((*api.catalog.backups().await?).clone()))
}

/// How many entries.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditQuery {
    /// At most so many; 100 unless given.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// Who asked for what, newest first.
#[utoipa::path(get, path = "/api/v1/audit", tag = "audit", params(AuditQuery),
    responses((status = 200, body = Vec<AuditEntry>)))]
pub(super) async fn audit(
    State(api): State<Api>,
    query: Result<Query<AuditQuery>, QueryRejection>,
) -> Answer<Vec<AuditEntry>> {
    let Query(query) = query.map_err(|error| Failed::bad(error.body_text()))?;
    let limit = rows(query.limit)?;
    Ok(Json(api.ask(move |store| store.audited(limit)).await?))
}

/// The names of jobs, for the document.
fn job_name() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(JobKind::ALL.map(JobKind::name)))
        .build()
}

fn named(job: &str) -> Result<JobKind, Failed> {
    job.parse().map_err(|error: String| Failed::missing(error))
}

pub(super) fn rows(limit: Option<usize>) -> Result<usize, Failed> {
    let limit = limit.unwrap_or(ROWS);
    if (1..=MAX_ROWS).contains(&limit) {
        Ok(limit)
    } else {
        Err(Failed::bad(format!("limit is from 1 to {MAX_ROWS}")))
    }
}

fn view(api: &Api, job: JobKind) -> Answer<JobView> {
    let snapshot = api.handle.snapshot();
    let found = snapshot.jobs.iter().find(|view| view.job == job);
    found.cloned().map(Json).ok_or_else(|| Refusal::NoSuchJob(job).into())
}

/// The job, once the change can be seen in it.
async fn changed(api: &Api, job: JobKind, seen: impl Fn(&JobView) -> bool) -> Answer<JobView> {
    let mut watch = api.handle.watch();
    let shown = watch
        .wait_for(|snapshot| snapshot.jobs.iter().find(|view| view.job == job).is_none_or(&seen));
    let _ = tokio::time::timeout(Duration::from_secs(5), shown).await;
    view(api, job)
}

async fn write_down<T>(
    api: &Api,
    who: &Who,
    peer: &Peer,
    job: &str,
    action: &str,
    result: &Result<T, Refusal>,
) {
    let outcome = result.as_ref().map_or_else(ToString::to_string, |_| "done".to_owned());
    gate::write_down(api, who, peer, &format!("{job}/{action}"), &outcome).await;
}
