//! The routes of alerts.

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::Json;
use serde::Deserialize;
use utoipa::IntoParams;

use super::routes::rows;
use super::{Api, Failed, Problem, gate};
use crate::access::{Peer, Who};
use crate::alerts::Tested;
use crate::alerts::alert::Alert;

/// Which alerts.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct AlertsQuery {
    /// Those that are over, too.
    #[serde(default)]
    all: bool,
    /// At most so many; 100 unless given.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// The alerts that are open, newest first.
#[utoipa::path(get, path = "/api/v1/alerts", tag = "alerts", params(AlertsQuery),
    responses((status = 200, body = Vec<Alert>)))]
pub(super) async fn alerts(
    State(api): State<Api>,
    query: Result<Query<AlertsQuery>, QueryRejection>,
) -> Result<Json<Vec<Alert>>, Failed> {
    let Query(query) = query.map_err(|error| Failed::bad(error.body_text()))?;
    let limit = rows(query.limit)?;
    Ok(Json(api.ask(move |store| store.alerts(!query.all, limit)).await?))
}

/// Tells that somebody takes care of an alert: it is neither repeated nor escalated any more.
#[utoipa::path(post, path = "/api/v1/alerts/{number}/ack", tag = "alerts",
    params(("number" = String, Path, description = "The alert's number.")),
    responses(
        (status = 200, body = Alert),
        (status = 404, description = "There is no such open alert.", body = Problem),
    ))]
pub(super) async fn acknowledge_alert(
    State(api): State<Api>,
    Path(number): Path<String>,
    Extension(who): Extension<Who>,
    Extension(peer): Extension<Peer>,
) -> Result<Json<Alert>, Failed> {
    let found = match number.parse() {
        Ok(number) => api.alerts.acknowledge(number, &who.name).await,
        Err(_) => None,
    };
    let outcome = if found.is_some() { "done" } else { "there is no such open alert" };
    gate::write_down(&api, &who, &peer, &format!("{number}/ack"), outcome).await;
    found.map(Json).ok_or_else(|| {
        Failed::missing("there is no such open alert; `lifeboat alerts list` shows which there are")
    })
}

/// Which channels.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct TestQuery {
    /// Only this one.
    channel: Option<String>,
}

/// Sends a test by each channel, and tells how each went.
#[utoipa::path(post, path = "/api/v1/alerts/test", tag = "alerts", params(TestQuery),
    responses(
        (status = 200, body = Vec<Tested>),
        (status = 404, description = "There is no such channel, or none at all.", body = Problem),
    ))]
pub(super) async fn test_alerts(
    State(api): State<Api>,
    Extension(who): Extension<Who>,
    Extension(peer): Extension<Peer>,
    query: Result<Query<TestQuery>, QueryRejection>,
) -> Result<Json<Vec<Tested>>, Failed> {
    let Query(query) = query.map_err(|error| Failed::bad(error.body_text()))?;
    let tested = api.alerts.test(query.channel.as_deref(), api.clock.now()).await;
    let arrived = tested.iter().filter(|tested| tested.error.is_none()).count();
    let outcome = format!("{arrived} of {} arrived", tested.len());
    gate::write_down(&api, &who, &peer, "alerts/test", &outcome).await;
    if tested.is_empty() {
        return Err(Failed::missing("there is no such channel; set one: [alerts.channel.NAME]"));
    }
    Ok(Json(tested))
}
