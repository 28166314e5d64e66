//! What every instance must agree on: the states of the jobs, as numbered pages in the vault.
//!
//! A page is created if its number is free, and never written again, so each number has one author.
//! Whoever leads writes the page after the newest before it begins a run; who finds the number
//! taken has lost its lead without knowing, and stops. So no two instances begin the same run, even
//! when a lease was misjudged. The end of a run is written here before anywhere else, so that no
//! other instance does it again. A new leader reads the newest page and goes on from there; so does
//! one that has lost its file.
//!
//! Pages are `service/ledger/NNNNNNNNNNNNNNNNNNNN.json`; the last few are kept.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use lifeboat::config::JobKind;
use serde::{Deserialize, Serialize};

use crate::plan::JobState;
use crate::run::Run;

/// A page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// Its number, from 1.
    pub number: u64,
    /// Who wrote it.
    pub instance: String,
    /// When, by that instance's clock.
    pub at: Timestamp,
    /// The jobs' states, by name.
    pub jobs: BTreeMap<JobKind, JobState>,
    /// Runs whose end no page before told: whoever leads next keeps them in its history, since the
    /// author may have died before it did.
    #[serde(default)]
    pub ends: Vec<Run>,
}

/// Why a page could not be read or written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LedgerError {
    /// Somebody else has written the page of this number.
    #[error("another instance has written page {0} of the ledger")]
    Taken(u64),
    /// The vault does not answer, or refuses.
    #[error("{0}")]
    Vault(String),
}

/// Where the pages are.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// The newest page.
    async fn newest(&self) -> Result<Option<Page>, LedgerError>;

    /// Writes the page after the newest.
    async fn write(&self, page: &Page) -> Result<(), LedgerError>;
}
