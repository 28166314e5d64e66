//! The HTTP API: JSON, for programs and for `lifeboat jobs`.
//!
//! One gate stands before every route, so that none can be forgotten: it limits, admits and times
//! each request. Looking is `GET`; whatever changes something is `POST`, needs the right to operate
//! and is written into the audit log. The routes and the document that describes them
//! (`/api/v1/openapi.json`, docs/reference/openapi.json) come from the same lines of code.

mod alarm;
mod document;
mod gate;
mod routes;

pub use routes::MAX_WAIT;

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Json, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::Access;
use crate::alerts;
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::limit::Limit;
use crate::metrics::Metrics;
use crate::scheduler::{Handle, Refusal};
use crate::store::Store;

/// What the API speaks for.
#[derive(Clone)]
pub struct Api {
    /// The scheduler.
    pub handle: Handle,
    /// The history.
    pub store: Arc<Store>,
    /// The backups.
    pub catalog: Arc<Catalog>,
    /// The alerts.
    pub alerts: alerts::Handle,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// Who may do what.
    pub access: Arc<Access>,
    /// How often.
    pub limit: Arc<Limit>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

/// Why a request was not answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// What is wrong, and what to do.
    pub error: String,
}

/// A problem with its status.
#[derive(Debug)]
pub(crate) struct Failed(StatusCode, String);

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        (self.0, Json(Problem { error: self.1 })).into_response()
    }
}

impl Failed {
    fn bad(what: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, what.into())
    }

    fn missing(what: impl Into<String>) -> Self {
        Self(StatusCode::NOT_FOUND, what.into())
    }
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal {
            Refusal::NotLeader { .. } | Refusal::AlreadyRunning(_) => StatusCode::CONFLICT,
            Refusal::NoSuchJob(_) => StatusCode::NOT_FOUND,
            Refusal::Stopping => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self(status, refusal.to_string())
    }
}

impl From<crate::Error> for Failed {
    fn from(error: crate::Error) -> Self {
        tracing::error!(%error, "the API cannot use the service's state");
        Self(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
    }
}

impl From<lifeboat::vault::Error> for Failed {
    fn from(error: lifeboat::vault::Error) -> Self {
        Self(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
    }
}

impl Api {
    /// Asks the store, on a thread that may wait for a disk.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Store) -> crate::Result<T> + Send + 'static,
    ) -> Result<T, Failed> {
        let store = Arc::clone(&self.store);
        let answer = tokio::task::spawn_blocking(move || question(&store)).await;
        let answer = answer.map_err(|error| crate::Error::Internal(error.to_string()))?;
        Ok(answer?)
    }

    /// All routes, behind the gate.
    pub fn router(self) -> Router {
        let (router, _) = split();
        router
            .fallback(async || Failed::missing("there is nothing here; see /api/v1/openapi.json"))
            .method_not_allowed_fallback(async || {
                Failed(StatusCode::METHOD_NOT_ALLOWED, "this is not done here".to_owned())
            })
            .layer(from_fn_with_state(self.clone(), gate::gate))
            .with_state(self)
    }
}

fn split() -> (Router<Api>, OpenApi) {
    let (router, mut document) = OpenApiRouter::new()
        .routes(routes!(routes::healthz))
        .routes(routes!(routes::readyz))
        .routes(routes!(routes::metrics))
        .routes(routes!(routes::openapi))
        .routes(routes!(routes::status))
        .routes(routes!(routes::jobs))
        .routes(routes!(routes::job))
        .routes(routes!(routes::run_job))
        .routes(routes!(routes::pause_job))
        .routes(routes!(routes::resume_job))
        .routes(routes!(routes::runs))
        .routes(routes!(routes::run))
        .routes(routes!(routes::events))
        .routes(routes!(routes::backups))
        .routes(routes!(alarm::alerts))
        .routes(routes!(alarm::test_alerts))
        .routes(routes!(alarm::acknowledge_alert))
        .routes(routes!(routes::audit))
        .split_for_parts();
    document::complete(&mut document);
    (router, document)
}

/// The OpenAPI document, as JSON.
pub fn document() -> String {
    let (_, document) = split();
    let mut text = document.to_pretty_json().expect("the document is JSON");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn the_document_in_docs_is_the_service_s() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/openapi.json");
        let fresh = super::document();
        if std::env::var_os("LIFEBOAT_UPDATE_DOCS").is_some() {
            std::fs::write(&path, &fresh).unwrap();
        }
        let stored = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            stored == fresh,
            "docs/reference/openapi.json is stale: run `LIFEBOAT_UPDATE_DOCS=1 cargo test -p \
             lifeboat-service document`"
        );
    }
}
