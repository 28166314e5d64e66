//! Alerts: what is wrong, who is told, and by which way.
//!
//! ```text
//! events ─┐
//! facts ──┴▶ book (what is wrong) ─▶ notice (who is due) ─▶ store ─▶ deliver ─▶ channels
//! ```
//!
//! Rules, book and notices are pure; [`Watch`] feeds them and stores what they decide in one
//! transaction with how far the events were read. Only then is anything sent, from the store, again
//! and again until it has arrived: so no alert is lost with a process, nor with a channel.

pub mod alert;
pub mod book;
pub mod channel;
pub mod deliver;
pub mod facts;
pub mod messenger;
pub mod notice;
pub mod rule;
pub mod settings;
mod text;
mod watch;

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot, watch as signal};
use utoipa::ToSchema;
use uuid::Uuid;

use alert::Alert;
use notice::{Kind, Notice};
use settings::Settings;
pub use watch::Watch;

/// What is asked of the [`Watch`].
#[derive(Debug)]
pub(crate) enum Command {
    /// Somebody takes care of an alert.
    Acknowledge(u64, String, oneshot::Sender<Option<Alert>>),
}

/// How a test of a channel went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Tested {
    /// The channel.
    pub channel: String,
    /// Why the test did not arrive, if it did not.
    pub error: Option<String>,
}

/// A handle to the alerts of a service.
#[derive(Debug, Clone)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
    open: signal::Receiver<Arc<Vec<Alert>>>,
    settings: signal::Receiver<Arc<Settings>>,
    instance: String,
}

impl Handle {
    /// The alerts that are open.
    pub fn open(&self) -> Arc<Vec<Alert>> {
        Arc::clone(&self.open.borrow())
    }

    /// Somebody takes care of an open alert. Answers with it, or with nothing if there is none.
    pub async fn acknowledge(&self, number: u64, by: &str) -> Option<Alert> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Acknowledge(number, by.to_owned(), reply);
        self.commands.send(command).await.ok()?;
        answer.await.ok().flatten()
    }

    /// Sends a test by every channel, or by one.
    pub async fn test(&self, only: Option<&str>, now: Timestamp) -> Vec<Tested> {
        let settings = Arc::clone(&self.settings.borrow());
        let notice = Notice {
            id: Uuid::new_v4().to_string(),
            kind: Kind::Test,
            contact: "everybody".to_owned(),
            instance: self.instance.clone(),
            at: now,
            alerts: Vec::new(),
            contacts: settings.reach(),
            runbooks: None,
            message: None,
        };
        let wanted = |name: &String| only.is_none_or(|only| only == name);
        let sending = settings.channels.iter().filter(|(name, _)| wanted(name)).map(
            async |(name, channel)| {
                let sent = channel.send(&notice).await;
                Tested { channel: name.clone(), error: sent.err().map(|error| error.why) }
            },
        );
        futures::future::join_all(sending).await
    }
}
