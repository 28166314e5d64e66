//! Names at Cloudflare (<https://developers.cloudflare.com/api/resources/dns/subresources/records/>).

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use lifeboat::config::SecretSource;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{DnsError, Target};
use crate::http::{causes, client};

/// Where the interface is.
const ENDPOINT: &str = "https://api.cloudflare.com/client/v4";

/// The variable that holds the token when the settings do not say where it is.
const VARIABLE: &str = "CLOUDFLARE_API_TOKEN";

/// The least time to live that Cloudflare takes, in seconds.
const LEAST_TTL: u64 = 60;

/// `kind = "cloudflare"`: a zone at Cloudflare.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cloudflare {
    /// The zone.
    pub zone: String,
    /// The file that holds a token of the interface, with the right to edit the zone's DNS.
    pub token_file: Option<PathBuf>,
    /// The command that prints it. Without either it is in `CLOUDFLARE_API_TOKEN`.
    pub token_command: Option<Vec<String>>,
    /// Another address than `https://api.cloudflare.com/client/v4`.
    pub endpoint: Option<String>,
}

/// A record of the name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Record {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    proxied: bool,
}

fn failed(why: impl Into<String>) -> DnsError {
    DnsError::Service { service: "Cloudflare", why: why.into() }
}

impl Cloudflare {
    /// Proves that the zone and the name can be read, and that the name can be pointed elsewhere.
    pub(super) async fn check(&self, name: &str) -> Result<(), DnsError> {
        let zone = self.zone().await?;
        self.records(&zone, name).await.map(|_| ())
    }

    /// Puts the records of a target in the place of those that the name has, all at once.
    pub(super) async fn update(
        &self,
        name: &str,
        target: &Target,
        ttl: Duration,
    ) -> Result<(), DnsError> {
        let zone = self.zone().await?;
        let old = self.records(&zone, name).await?;
        let ttl = ttl.as_secs().max(LEAST_TTL);
        let record = |kind: &str, content: String| json!({ "type": kind, "name": name, "content": content, "ttl": ttl, "proxied": false });
        let new: Vec<Value> = match target {
            Target::Alias(alias) => vec![record("CNAME", alias.clone())],
            Target::Addresses(all) => all
                .iter()
                .map(|address| match address {
                    IpAddr::V4(address) => record("A", address.to_string()),
                    IpAddr::V6(address) => record("AAAA", address.to_string()),
                })
                .collect(),
        };
        let old: Vec<Value> = old.iter().map(|record| json!({ "id": record.id })).collect();
        let body = json!({ "deletes": old, "posts": new });
        self.call(Method::POST, &format!("/zones/{zone}/dns_records/batch"), Some(&body)).await?;
        Ok(())
    }

    /// The id of the zone.
    async fn zone(&self) -> Result<String, DnsError> {
        let path = format!("/zones?{}", query("name", &self.zone));
        let found = self.call(Method::GET, &path, None).await?;
        let id = found[0]["id"].as_str().map(ToOwned::to_owned);
        id.ok_or_else(|| failed(format!("the token sees no zone {}", self.zone)))
    }

    /// The addresses and the alias of a name.
    async fn records(&self, zone: &str, name: &str) -> Result<Vec<Record>, DnsError> {
        let name = name.trim_end_matches('.');
        let path = format!("/zones/{zone}/dns_records?{}&per_page=100", query("name", name));
        let found = self.call(Method::GET, &path, None).await?;
        let mut records: Vec<Record> =
            serde_json::from_value(found).map_err(|error| failed(error.to_string()))?;
        records.retain(|record| matches!(record.kind.as_str(), "A" | "AAAA" | "CNAME"));
        if records.iter().any(|record| record.proxied) {
            return Err(failed(format!(
                "{name} is proxied, so that its addresses are not seen in DNS and no change of them \
                 could be awaited; set it to \"DNS only\", or change it by a command"
            )));
        }
        Ok(records)
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, DnsError> {
        let token = self.token().await?;
        let endpoint = self.endpoint.as_deref().unwrap_or(ENDPOINT).trim_end_matches('/');
        let of_http = |error: reqwest::Error| failed(causes(&error.without_url()));
        let client = client(None).map_err(of_http)?;
        let mut request = client.request(method, format!("{endpoint}{path}")).bearer_auth(token);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let response = request.send().await.map_err(of_http)?;
        let status = response.status();
        let text = response.text().await.map_err(of_http)?;
        let mut answer: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if status.is_success() && answer["success"] == true {
            return Ok(answer["result"].take());
        }
        let mut why = status.to_string();
        for error in answer["errors"].as_array().into_iter().flatten() {
            why = format!("{why}: {}", error["message"].as_str().unwrap_or("no reason"));
        }
        if matches!(status.as_u16(), 401 | 403) {
            why.push_str("; give the token the right to edit the DNS of the zone");
        }
        Err(failed(why))
    }

    async fn token(&self) -> Result<String, DnsError> {
        let (file, command) = (self.token_file.clone(), self.token_command.clone());
        let Some(source) = SecretSource::choose("token", file, command).map_err(DnsError::Wrong)?
        else {
            return std::env::var(VARIABLE).map_err(|_| {
                DnsError::Wrong(format!(
                    "there is no token for Cloudflare; set dns.update.token_file, or {VARIABLE}"
                ))
            });
        };
        let read = tokio::task::spawn_blocking(move || source.read()).await;
        Ok(read.map_err(|panic| failed(panic.to_string()))??)
    }
}

/// A part of a query, with what is special in the value written out.
fn query(name: &str, value: &str) -> String {
    url::form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish()
}

#[cfg(test)]
mod tests;
