//! Lease and ledger in a real vault.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use lifeboat::vault::{self, Area, Vault};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::leader::{Lead, Lease, Pace};
use crate::ledger::{Ledger, LedgerError, Page};

/// The lease's name.
const LEASE: &str = "service";

/// Where the ledger lies in the vault.
const LEDGER: &str = "service/ledger";

/// The most bytes of a page.
const MAX_PAGE: u64 = 4 << 20;

/// How many pages are kept, for whoever wants to know how it came.
const KEEP: usize = 10;

/// The lease of the service on a vault.
#[derive(Debug)]
pub(crate) struct VaultLease {
    vault: Vault,
    lasts: Duration,
    held: Mutex<Option<vault::Lease>>,
}

impl VaultLease {
    /// The lease on this vault, not taken yet.
    pub(crate) fn new(vault: Vault, pace: Pace) -> Self {
        Self { vault, lasts: pace.lasts, held: Mutex::new(None) }
    }
}

#[async_trait]
impl Lease for VaultLease {
    async fn hold(&self) -> Result<Lead, String> {
        let mut held = self.held.lock().await;
        let found = match &mut *held {
            Some(lease) => lease.renew().await,
            None => take(&self.vault, self.lasts).await.map(|lease| *held = Some(lease)),
        };
        match found {
            Ok(()) => Ok(Lead::Ours),
            Err(error) if error.is_leased() => {
                *held = None;
                match error {
                    vault::Error::Leased { holder, .. } => Ok(Lead::Theirs(holder.to_string())),
                    lost => Err(lost.to_string()),
                }
            }
            Err(error) => Err(error.to_string()),
        }
    }

    async fn release(&self) {
        if let Some(lease) = self.held.lock().await.take()
            && let Err(error) = lease.release().await
        {
            tracing::warn!(%error, "the lease could not be given back; it runs out by itself");
        }
    }
}

async fn take(vault: &Vault, lasts: Duration) -> Result<vault::Lease, vault::Error> {
    vault.ensure().await?;
    vault.acquire_lease(LEASE, "serve", lasts).await
}

/// The ledger in a vault.
#[derive(Debug)]
pub(crate) struct VaultLedger {
    area: Area,
}

/// A page as it lies there: no two writers ever write the same bytes.
#[derive(Debug, Serialize, Deserialize)]
struct Written {
    format: u32,
    write: Uuid,
    #[serde(flatten)]
    page: Page,
}

impl VaultLedger {
    /// The ledger of this vault.
    ///
    /// # Errors
    /// Never, as long as the area's name is one.
    pub(crate) fn new(vault: &Vault) -> Result<Self, vault::Error> {
        Ok(Self { area: vault.area(LEDGER)? })
    }

    async fn keys(&self) -> Result<Vec<String>, LedgerError> {
        let objects = self.area.list(None).await.map_err(|error| failed(&error))?;
        Ok(objects
            .into_iter()
            .map(|object| object.key)
            .filter(|key| number(key).is_some())
            .collect())
    }
}

#[async_trait]
impl Ledger for VaultLedger {
    async fn newest(&self) -> Result<Option<Page>, LedgerError> {
        let Some(key) = self.keys().await?.pop() else { return Ok(None) };
        let Some((bytes, _)) =
            self.area.read(&key, MAX_PAGE).await.map_err(|error| failed(&error))?
        else {
            return Ok(None);
        };
        let written: Written = serde_json::from_slice(&bytes).map_err(|error| {
            LedgerError::Vault(format!(
                "{LEDGER}/{key} is not a page that this program understands ({error}); use a newer \
                 program, or remove the page"
            ))
        })?;
        Ok(Some(written.page))
    }

    async fn write(&self, page: &Page) -> Result<(), LedgerError> {
        let written = Written { format: 1, write: Uuid::new_v4(), page: page.clone() };
        let text = serde_json::to_vec_pretty(&written)
            .map_err(|error| LedgerError::Vault(error.to_string()))?;
        let key = format!("{:020}.json", page.number);
        if !self.area.create(&key, &Bytes::from(text)).await.map_err(|error| failed(&error))? {
            return Err(LedgerError::Taken(page.number));
        }
        // A page more or less does no harm, and a store may forbid deleting.
        if let Ok(keys) = self.keys().await {
            for old in keys.iter().rev().skip(KEEP) {
                if let Err(error) = self.area.delete(old).await {
                    tracing::debug!(%error, "an old page of the ledger stays");
                    break;
                }
            }
        }
        Ok(())
    }
}

fn number(key: &str) -> Option<u64> {
    let digits = key.strip_suffix(".json")?;
    (digits.len() == 20).then(|| digits.parse().ok()).flatten()
}

fn failed(error: &vault::Error) -> LedgerError {
    LedgerError::Vault(error.to_string())
}
