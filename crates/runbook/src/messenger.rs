//! How runbooks tell people something: by ways that are handed in, since this crate knows none.

use std::fmt;

use async_trait::async_trait;

/// Somebody who can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// Their name.
    pub name: String,
    /// The channels by which they are told.
    pub channels: Vec<String>,
}

/// How telling by one channel went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The channel.
    pub channel: String,
    /// Why it did not arrive, if it did not.
    pub error: Option<String>,
}

/// Tells people something.
#[async_trait]
pub trait Messenger: fmt::Debug + Send + Sync {
    /// All who can be told.
    fn contacts(&self) -> Vec<Contact>;

    /// Tells them, by each of their channels once.
    async fn tell(&self, contacts: &[Contact], message: &str) -> Vec<Told>;
}
