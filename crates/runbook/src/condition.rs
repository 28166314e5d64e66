//! Something that must hold: that an address answers, a command succeeds, a database can be used.

use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::action::{Context, Field};
use crate::command;
use crate::error::StepError;
use crate::http;
use crate::template::Template;
use crate::value::{Kind, read_duration};

/// How often something is asked that does not hold yet.
const POLL: Duration = Duration::from_millis(500);

/// Something that must hold.
#[expect(clippy::unsafe_derive_deserialize, reason = "the unsafe code is that of tokio::select")]
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawCondition")]
pub struct Condition {
    /// What it says, for people.
    pub name: Option<String>,
    /// What is asked.
    pub ask: Ask,
    /// How long it may take to come true.
    pub within: Duration,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// An HTTP address answers.
    Http {
        /// The address.
        url: Template,
        /// With this status.
        status: u16,
        /// With this text in its body.
        contains: Option<Template>,
        /// The name in the address is looked up at the servers of `[dns]`, not by this machine.
        by_dns: bool,
    },
    /// A command succeeds: the program and its arguments, run without a shell.
    Command(Vec<Template>),
    /// The database of an environment answers a query.
    Database(Template),
    /// A query of the database of an environment answers `true`.
    Query {
        /// The environment.
        environment: Template,
        /// The query, in Cypher.
        query: Template,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCondition {
    name: Option<String>,
    http: Option<Template>,
    status: Option<u16>,
    contains: Option<Template>,
    by_dns: Option<bool>,
    command: Option<Vec<Template>>,
    database: Option<Template>,
    query: Option<Template>,
    #[serde(default, deserialize_with = "read_duration")]
    within: Duration,
}

impl TryFrom<RawCondition> for Condition {
    type Error = String;

    fn try_from(raw: RawCondition) -> Result<Self, String> {
        let of_http = raw.status.is_some() || raw.contains.is_some() || raw.by_dns.is_some();
        let ask = match (raw.http, raw.command, raw.database, raw.query) {
            (Some(url), None, None, None) => Ask::Http {
                url,
                status: raw.status.unwrap_or(200),
                contains: raw.contains,
                by_dns: raw.by_dns.unwrap_or(false),
            },
            (None, ..) if of_http => {
                return Err("status, contains and by_dns go together with http".to_owned());
            }
            (None, Some(command), None, None) if !command.is_empty() => Ask::Command(command),
            (None, None, Some(environment), None) => Ask::Database(environment),
            (None, None, Some(environment), Some(query)) => Ask::Query { environment, query },
            _ => {
                return Err(
                    "it asks one thing: http, command, or database (with or without query)"
                        .to_owned(),
                );
            }
        };
        Ok(Self { name: raw.name, ask, within: raw.within })
    }
}

impl Condition {
    /// Its texts, and what each must come to.
    pub fn fields(&self) -> Vec<Field<'_>> {
        match &self.ask {
            Ask::Http { url, contains, .. } => std::iter::once(Field::new("http", url, Kind::Text))
                .chain(contains.iter().map(|text| Field::new("contains", text, Kind::Text)))
                .collect(),
            Ask::Command(words) => {
                words.iter().map(|word| Field::new("command", word, Kind::Text)).collect()
            }
            Ask::Database(environment) => {
                vec![Field::new("database", environment, Kind::Environment)]
            }
            Ask::Query { environment, query } => vec![
                Field::new("database", environment, Kind::Environment),
                Field::new("query", query, Kind::Text),
            ],
        }
    }

    /// What it says, for people.
    pub fn describe(&self, cx: &Context<'_>) -> String {
        if let Some(name) = &self.name {
            return name.clone();
        }
        match &self.ask {
            Ask::Http { url, status, contains, .. } => {
                let contains = contains
                    .as_ref()
                    .map_or_else(String::new, |text| format!(" and {:?}", text.show(cx.values)));
                format!("{} answers {status}{contains}", url.show(cx.values))
            }
            Ask::Command(words) => {
                let words: Vec<_> = words.iter().map(|word| word.show(cx.values)).collect();
                format!("`{}` succeeds", words.join(" "))
            }
            Ask::Database(environment) => {
                format!("the database of {} answers", environment.show(cx.values))
            }
            Ask::Query { query, .. } => format!("{} answers true", query.show(cx.values)),
        }
    }

    /// Waits until it holds; what was found.
    ///
    /// # Errors
    /// What was found instead, when it does not hold in time.
    pub async fn hold(&self, cx: &Context<'_>) -> Result<String, StepError> {
        let began = Instant::now();
        loop {
            let found = tokio::select! {
                found = self.ask(cx) => found,
                () = cx.cancel.cancelled() => return Err(StepError::Interrupted),
            };
            match found {
                Ok(found) => return Ok(found),
                Err(error) if began.elapsed() >= self.within || !error.is_retryable() => {
                    return Err(StepError::Condition {
                        what: self.describe(cx),
                        found: error.to_string(),
                    });
                }
                Err(_) => tokio::time::sleep(POLL).await,
            }
        }
    }

    async fn ask(&self, cx: &Context<'_>) -> Result<String, StepError> {
        match &self.ask {
            Ask::Http { url, status, contains, by_dns } => {
                let url = cx.value(url, Kind::Text)?;
                let at = if *by_dns { Some(cx.world.look_up(&url).await?) } else { None };
                let answer = http::get(&url, at).await?;
                if answer.status != *status {
                    return Err(StepError::Value(format!(
                        "it answered {}{}",
                        answer.status,
                        answer.excerpt()
                    ))
                    .into_retryable(&url));
                }
                if let Some(contains) = contains {
                    let wanted = cx.value(contains, Kind::Text)?;
                    if !answer.body.contains(&wanted) {
                        return Err(StepError::Value(format!(
                            "its answer has no {wanted:?}{}",
                            answer.excerpt()
                        ))
                        .into_retryable(&url));
                    }
                }
                Ok(format!("{url} answers {status}"))
            }
            Ask::Command(words) => {
                let words = command::resolve(cx, words)?;
                command::run(cx, &words, None).await?;
                Ok(format!("`{}` succeeds", words.join(" ")))
            }
            Ask::Database(environment) => {
                let name = cx.value(environment, Kind::Environment)?;
                cx.world.answers(&name).await?;
                Ok(format!("the database of {name} answers"))
            }
            Ask::Query { environment, query } => {
                let name = cx.value(environment, Kind::Environment)?;
                let query = cx.value(query, Kind::Text)?;
                let target = cx.world.target(&name)?;
                let invariant = lifeboat::config::Invariant {
                    name: self.describe(cx),
                    query,
                    expected: lifeboat::config::Expected::True,
                };
                Ok(lifeboat::trial::holds(&target, &invariant).await?)
            }
        }
    }
}

impl StepError {
    /// An answer that is wrong now may be right in a moment.
    fn into_retryable(self, what: &str) -> Self {
        Self::Condition { what: what.to_owned(), found: self.to_string() }
    }
}
