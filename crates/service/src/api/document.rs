//! What the OpenAPI document says beside the routes: who may ask, and what every route may answer.

use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Components, Content, InfoBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder,
};

/// What may go wrong with any request that passes through the gate.
const PROBLEMS: [(&str, &str); 6] = [
    ("400", "The request makes no sense."),
    ("401", "A token is needed, and this is none."),
    ("403", "The token does not have the right, or the request comes from a foreign page."),
    ("413", "The request is larger than any that makes sense."),
    ("429", "Too many requests."),
    ("503", "The service, its state or the vault cannot answer now."),
];

/// Routes that answer to anybody.
pub(super) const OPEN: [&str; 2] = ["/healthz", "/readyz"];

/// Adds it.
pub(super) fn complete(document: &mut OpenApi) {
    document.info = InfoBuilder::new()
        .title("Lifeboat")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Scheduled backups of Neo4j: status, jobs, runs, backups, alerts."))
        .build();
    let components = document.components.get_or_insert_with(Components::new);
    components
        .add_security_scheme("token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    document.security = Some(vec![SecurityRequirement::new("token", Vec::<String>::new())]);
    for (path, item) in &mut document.paths.paths {
        for operation in [&mut item.get, &mut item.post].into_iter().flatten() {
            if OPEN.contains(&path.as_str()) {
                operation.security = Some(vec![SecurityRequirement::default()]);
                add(operation, "429", "Too many requests.");
            } else {
                for (status, meaning) in PROBLEMS {
                    add(operation, status, meaning);
                }
            }
        }
    }
}

fn add(operation: &mut Operation, status: &str, meaning: &str) {
    let responses = &mut operation.responses.responses;
    responses.entry(status.to_owned()).or_insert_with(|| RefOr::T(problem(meaning)));
}

fn problem(meaning: &str) -> Response {
    let schema = RefOr::Ref(Ref::from_schema_name("Problem"));
    ResponseBuilder::new()
        .description(meaning)
        .content("application/json", Content::new(Some(schema)))
        .build()
}
