//! What is in the vault, as it was a moment ago: so that nobody who looks often makes the vault
//! list its backups as often.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lifeboat::vault::{Listed, Vault};
use lifeboat_runbook::predict::Rates;
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;
use utoipa::ToSchema;

/// A listing of this age is still shown.
const FRESH: Duration = Duration::from_secs(30);

/// The backups of a vault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Backups {
    /// The vault's address.
    pub vault: String,
    /// When it was listed.
    #[schema(value_type = String, format = DateTime)]
    pub listed: Timestamp,
    /// Newest first.
    pub backups: Vec<Backup>,
}

/// A backup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Backup {
    /// Its name.
    pub name: String,
    /// When it was begun.
    #[schema(value_type = String, format = DateTime)]
    pub created: Timestamp,
    /// Bytes of its archive.
    pub size: u64,
    /// Whether manifest and archive are there and fit together.
    pub intact: bool,
    /// What is wrong with it.
    pub damage: Option<String>,
    /// How it was made.
    pub method: Option<String>,
    /// Nodes in it.
    pub nodes: Option<u64>,
    /// Relationships in it.
    pub relationships: Option<u64>,
    /// The last transaction that is in it.
    pub last_tx: Option<u64>,
    /// Seconds that a restore of it would take, by what restores for trial have measured.
    pub predicted_rto_seconds: Option<u64>,
}

impl Backup {
    fn of(listed: &Listed, rates: &Rates) -> Self {
        let manifest = listed.manifest.as_ref().ok();
        let database = manifest.and_then(|manifest| manifest.database.as_ref());
        let counts = database.and_then(|database| database.counts.as_ref());
        let predicted = manifest.and_then(|manifest| rates.restore(manifest, None));
        Self {
            name: listed.name.to_string(),
            created: listed.created(),
            size: listed.size,
            intact: listed.is_intact(),
            damage: listed.manifest.as_ref().err().map(ToString::to_string),
            method: database.map(|database| database.method.to_string()),
            nodes: counts.map(|counts| counts.nodes),
            relationships: counts.map(|counts| counts.relationships),
            last_tx: database.and_then(|database| database.snapshot).map(|found| found.last_tx),
            predicted_rto_seconds: predicted.map(|time| time.as_secs()),
        }
    }
}

/// The listing, kept for a while.
#[derive(Debug)]
pub struct Catalog {
    vault: watch::Receiver<Vault>,
    known: Mutex<Option<(Instant, Arc<Backups>)>>,
}

impl Catalog {
    /// Of the vault that the settings name now.
    pub fn new(vault: watch::Receiver<Vault>) -> Self {
        Self { vault, known: Mutex::new(None) }
    }

    /// The backups as they are now: somebody knows that they have changed.
    ///
    /// # Errors
    /// When the vault cannot be listed.
    pub async fn changed(&self) -> Result<Arc<Backups>, lifeboat::vault::Error> {
        *self.known.lock().await = None;
        self.backups().await
    }

    /// The vault that the settings name now.
    pub fn vault(&self) -> Vault {
        self.vault.borrow().clone()
    }

    /// The backups, as they were at most half a minute ago.
    ///
    /// # Errors
    /// When the vault cannot be listed.
    pub async fn backups(&self) -> Result<Arc<Backups>, lifeboat::vault::Error> {
        // Who comes while it is being listed waits for that listing.
        let mut known = self.known.lock().await;
        if let Some((when, backups)) = &*known
            && when.elapsed() < FRESH
        {
            return Ok(Arc::clone(backups));
        }
        let vault = self.vault.borrow().clone();
        let listed = vault.list().await?;
        let rates = Rates::of(&listed);
        let backups = Arc::new(Backups {
            vault: vault.to_string(),
            listed: Timestamp::now(),
            backups: listed.iter().map(|listed| Backup::of(listed, &rates)).collect(),
        });
        *known = Some((Instant::now(), Arc::clone(&backups)));
        Ok(backups)
    }
}
