//! Ways by which notices go. Secrets are read anew for each notice, and never told.

mod alertmanager;
mod http;
mod pagerduty;
mod slack;
mod smtp;
mod teams;
mod webhook;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use lifeboat::config::ChannelSection;

use super::notice::Notice;

pub(crate) use http::client;

/// A way.
#[async_trait]
pub trait Channel: Send + Sync {
    /// Delivers a notice. It may be delivered twice when the answer is lost: its id is the same.
    async fn send(&self, notice: &Notice) -> Result<(), Undelivered>;
}

/// The ways of the settings, by name.
pub type Channels = BTreeMap<String, Arc<dyn Channel>>;

/// Why a notice was not delivered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Undelivered {
    /// Why, without any secret.
    pub why: String,
    /// Trying again is of no use.
    pub lasting: bool,
}

impl Undelivered {
    /// It may be better later.
    pub fn passing(why: impl Into<String>) -> Self {
        Self { why: why.into(), lasting: false }
    }
}

/// The ways that the settings name.
pub fn channels(sections: &BTreeMap<String, ChannelSection>) -> Channels {
    sections
        .iter()
        .map(|(name, section)| {
            let channel: Arc<dyn Channel> = match section.clone() {
                ChannelSection::Smtp(section) => Arc::new(smtp::Smtp(section)),
                ChannelSection::Slack(section) => Arc::new(slack::Slack(section)),
                ChannelSection::Teams(section) => Arc::new(teams::Teams(section)),
                ChannelSection::Pagerduty(section) => Arc::new(pagerduty::PagerDuty(section)),
                ChannelSection::Alertmanager(section) => {
                    Arc::new(alertmanager::Alertmanager(section))
                }
                ChannelSection::Webhook(section) => Arc::new(webhook::Webhook(section)),
            };
            (name.clone(), channel)
        })
        .collect()
}

/// Reads a secret where waiting does no harm: it may be a command that is run.
pub(crate) async fn secret(source: &lifeboat::config::TokenSource) -> Result<String, Undelivered> {
    let source = source.clone();
    let read = tokio::task::spawn_blocking(move || source.read()).await;
    read.map_err(|error| Undelivered::passing(error.to_string()))?
        .map_err(|error| Undelivered::passing(error.to_string()))
}
