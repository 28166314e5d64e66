//! Azure's management interface (Azure Resource Manager): who to be there, and calls that wait for
//! what they have begun.
//!
//! Long work is answered with 201 or 202 and an address to ask, in `Azure-AsyncOperation` or
//! `Location`; too many calls with 429 and `Retry-After`
//! (<https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations>).

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use crate::http::{causes, client};

/// Where the interface is.
const MANAGEMENT: &str = "https://management.azure.com";

/// Where a virtual machine's identity gives tokens
/// (<https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>).
const IDENTITY: &str = "http://169.254.169.254/metadata/identity/oauth2/token";

/// How long work may take that was begun.
const PATIENCE: Duration = Duration::from_mins(20);

/// Who to be on Azure.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Login {
    /// A command that prints a token; as in
    /// `["az", "account", "get-access-token", "--query", "accessToken", "-o", "tsv"]`. Without, the
    /// identity of this machine or container is asked.
    pub token_command: Option<Vec<String>>,
    /// Chooses among several identities.
    pub client_id: Option<String>,
    /// Another address than `https://management.azure.com`, for other clouds.
    pub endpoint: Option<String>,
}

/// What Azure answered, or that it did not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct AzureError(pub(crate) String);

impl Login {
    async fn token(&self) -> Result<String, AzureError> {
        if let Some(command) = &self.token_command {
            let source = lifeboat::config::SecretSource::Command(command.clone());
            return tokio::task::spawn_blocking(move || source.read())
                .await
                .map_err(|panic| AzureError(panic.to_string()))?
                .map_err(|error| AzureError(error.to_string()));
        }
        let failed = |error: reqwest::Error| {
            AzureError(format!(
                "this machine has no identity to be asked for a token ({}); give it one, or set \
                 token_command",
                causes(&error.without_url())
            ))
        };
        let resource = self.endpoint.as_deref().unwrap_or(MANAGEMENT);
        let client = client(None).map_err(failed)?;
        // A container has its own place (App Service and Container Apps).
        let of_container =
            std::env::var("IDENTITY_ENDPOINT").ok().zip(std::env::var("IDENTITY_HEADER").ok());
        let mut address = url::Url::parse(
            of_container.as_ref().map_or(IDENTITY, |(endpoint, _)| endpoint.as_str()),
        )
        .map_err(|error| AzureError(format!("IDENTITY_ENDPOINT is no address: {error}")))?;
        let version = if of_container.is_some() { "2019-08-01" } else { "2018-02-01" };
        address
            .query_pairs_mut()
            .append_pair("api-version", version)
            .append_pair("resource", resource);
        if let Some(id) = &self.client_id {
            address.query_pairs_mut().append_pair("client_id", id);
        }
        let mut request = client.get(address);
        request = match &of_container {
            Some((_, header)) => request.header("X-IDENTITY-HEADER", header),
            None => request.header("Metadata", "true"),
        };
        let answer = request
            .send()
            .await
            .and_then(reqwest::Response::error_for_status)
            .map_err(failed)?
            .text()
            .await
            .map_err(failed)?;
        let answer: Value = serde_json::from_str(&answer).unwrap_or(Value::Null);
        answer["access_token"]
            .as_str()
            .map(ToOwned::to_owned)
            .ok_or_else(|| AzureError("the identity's answer has no access_token".to_owned()))
    }

    /// Calls the interface, and waits for what was begun. `None` when there is no such resource.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Option<Value>, AzureError> {
        let token = self.token().await?;
        let endpoint = self.endpoint.as_deref().unwrap_or(MANAGEMENT).trim_end_matches('/');
        let began = Instant::now();
        let (mut method, mut url, mut body) = (method, format!("{endpoint}{path}"), body.cloned());
        let asked = format!("{method} {path}");
        let failed = |why: String| AzureError(format!("{asked}: {why}"));
        let client = client(None).map_err(|error| failed(causes(&error)))?;
        loop {
            if began.elapsed() > PATIENCE {
                return Err(failed(format!("not done within {} s", PATIENCE.as_secs())));
            }
            let mut request = client.request(method.clone(), &url).bearer_auth(&token);
            if let Some(body) = &body {
                request = request.header("content-type", "application/json").body(body.to_string());
            } else if method == Method::POST {
                request = request.header("content-length", "0");
            }
            let response =
                request.send().await.map_err(|error| failed(causes(&error.without_url())))?;
            let status = response.status();
            let header = |name: &str| {
                response.headers().get(name).and_then(|v| v.to_str().ok()).map(ToOwned::to_owned)
            };
            let wait = header("retry-after").and_then(|text| text.parse().ok());
            let wait = Duration::from_secs(wait.unwrap_or(2).min(60));
            let next = header("azure-asyncoperation").or_else(|| header("location"));
            let text =
                response.text().await.map_err(|error| failed(causes(&error.without_url())))?;
            let answer: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
            match status {
                StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                    tokio::time::sleep(wait).await;
                    continue;
                }
                StatusCode::NOT_FOUND => return Ok(None),
                StatusCode::ACCEPTED | StatusCode::CREATED if next.is_some() => {}
                status if status.is_success() => match answer["status"].as_str() {
                    Some("InProgress" | "Running" | "Accepted" | "Updating") => {}
                    Some("Failed" | "Canceled") => return Err(failed(reason(&answer, status))),
                    _ => return Ok(Some(answer)),
                },
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                    return Err(failed(format!(
                        "{}; give the identity a role that may do so",
                        reason(&answer, status)
                    )));
                }
                status => return Err(failed(reason(&answer, status))),
            }
            if let Some(next) = next {
                // A token is for this interface, and for no other place.
                if !next.starts_with(endpoint) {
                    return Err(failed("it answers with the address of another place".to_owned()));
                }
                url = next;
            }
            (method, body) = (Method::GET, None);
            tokio::time::sleep(wait).await;
        }
    }
}

fn reason(answer: &Value, status: StatusCode) -> String {
    let error = &answer["error"];
    match (error["code"].as_str(), error["message"].as_str()) {
        (Some(code), Some(message)) => format!("{status}: {code}: {message}"),
        _ => status.to_string(),
    }
}

#[cfg(test)]
mod tests;
