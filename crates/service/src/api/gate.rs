//! The gate: no request reaches a route but through here.

use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use lifeboat::config::Rights;

use super::{Api, Failed, document};
use crate::access::{Denied, Peer, Who};
use crate::store::AuditEntry;

/// The most bytes of a request's body; no route reads one.
const MAX_BODY: u64 = 16 << 10;

/// How long an answer may take; the vault has its own patience.
const PATIENCE: Duration = Duration::from_mins(2);

/// Limits, admits, times and counts a request.
pub(super) async fn gate(State(api): State<Api>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or("none", MatchedPath::as_str).to_owned();
    let answer = match check(&api, request).await {
        Ok(request) => {
            tokio::time::timeout(PATIENCE, next.run(request)).await.unwrap_or_else(|_| {
                let words = "no answer in time; the vault may be slow, try again";
                Failed(StatusCode::SERVICE_UNAVAILABLE, words.to_owned()).into_response()
            })
        }
        Err(response) => response,
    };
    api.metrics.answered(&route, answer.status().as_u16());
    answer
}

async fn check(api: &Api, mut request: Request) -> Result<Request, Response> {
    // A connection of ours always says where it comes from.
    let Some(peer) = request.extensions().get::<Peer>().cloned() else {
        return Err(refuse(StatusCode::FORBIDDEN, "the connection has no origin"));
    };
    if peer.ip().is_some_and(|address| !api.limit.allows(address)) {
        let mut response =
            refuse(StatusCode::TOO_MANY_REQUESTS, "too many requests; wait a second");
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        return Err(response);
    }
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > MAX_BODY) {
        return Err(refuse(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large; none is needed"));
    }
    if document::OPEN.contains(&request.uri().path()) {
        return Ok(request);
    }
    let headers = request.headers();
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok());
    let who = api.access.admit(&peer, bearer(headers).as_deref(), host).map_err(denied)?;
    let looks = matches!(*request.method(), Method::GET | Method::HEAD);
    let needed = if looks { Rights::Read } else { Rights::Operate };
    if who.rights < needed {
        write_down(api, &who, &peer, request.uri().path(), "refused: no right to operate").await;
        return Err(refuse(
            StatusCode::FORBIDDEN,
            "this needs the right to operate: use a token that has it, or the socket",
        ));
    }
    request.extensions_mut().insert(who);
    Ok(request)
}

/// What stands behind `Authorization: Bearer`; an empty token when something else does.
fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().unwrap_or_default();
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    Some(if scheme.eq_ignore_ascii_case("bearer") {
        token.trim().to_owned()
    } else {
        String::new()
    })
}

fn denied(denied: Denied) -> Response {
    let words = match denied {
        Denied::NoToken => "a token is needed: Authorization: Bearer …",
        Denied::WrongToken => "this token is not known here",
        Denied::ForeignHost => {
            return refuse(
                StatusCode::FORBIDDEN,
                "without a token, this service is called by the name localhost or its address",
            );
        }
    };
    tracing::warn!(words, "a request was refused");
    let mut response = refuse(StatusCode::UNAUTHORIZED, words);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

fn refuse(status: StatusCode, words: &str) -> Response {
    Failed(status, words.to_owned()).into_response()
}

/// Writes an operation into the audit log.
pub(super) async fn write_down(api: &Api, who: &Who, peer: &Peer, what: &str, outcome: &str) {
    let (action, target) = match what.rsplit_once('/') {
        Some((path, action)) => (action, path.rsplit('/').next().unwrap_or_default()),
        None => (what, ""),
    };
    let entry = AuditEntry {
        at: api.clock.now(),
        who: who.name.clone(),
        from: peer.ip().map_or_else(|| "socket".to_owned(), |ip| ip.to_string()),
        action: action.chars().take(100).collect(),
        target: target.chars().take(100).collect(),
        outcome: outcome.to_owned(),
    };
    let AuditEntry { who, from, action, target, .. } = &entry;
    tracing::info!(who, from, action, target, outcome, "an operation was asked for");
    // It fails when the state cannot be written; then the service ends, and says so.
    let _ = api.ask(move |store| store.audit(&entry)).await;
}
