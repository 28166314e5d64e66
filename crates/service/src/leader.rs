//! Who of several instances leads: the one that holds the lease in the vault.
//!
//! A lease lasts a short time and is renewed long before its end. Who cannot renew it stops leading
//! while it still holds by the store's clock, so that whatever is running has stopped before
//! another takes over.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What this instance is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// It leads.
    Leader,
    /// It does not.
    Follower {
        /// Who does, as far as is known.
        leader: Option<String>,
        /// Why this instance does not.
        reason: String,
    },
}

/// How a lease was sought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lead {
    /// It is ours.
    Ours,
    /// Somebody else holds it.
    Theirs(String),
}

/// A lease in the vault.
#[async_trait]
pub trait Lease: Send + Sync {
    /// Takes or renews it. An error tells that nothing is known: the vault does not answer.
    async fn hold(&self) -> Result<Lead, String>;

    /// Gives it back, so that another need not wait for its end.
    async fn release(&self);
}

/// How a lease is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How long it lasts without being renewed.
    pub lasts: Duration,
    /// How often it is renewed or sought.
    pub every: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self::lasting(Duration::from_secs(30))
    }
}

impl Pace {
    /// A lease that lasts so long: it is renewed thrice in that time.
    pub fn lasting(lasts: Duration) -> Self {
        Self { lasts, every: lasts / 3 }
    }

    /// How long a run may take to stop at a safe place, before it is dropped: less than is left of
    /// a lease that could not be renewed.
    pub fn stopping(self) -> Duration {
        self.lasts / 4
    }

    /// Who has not renewed for this long stops leading: a third of the time is left for stopping.
    fn patience(self) -> Duration {
        self.lasts * 2 / 3
    }
}

/// Seeks and keeps the lease until told to stop, and tells the role as it changes.
pub async fn keep(
    lease: Arc<dyn Lease>,
    pace: Pace,
    role: watch::Sender<Role>,
    stop: CancellationToken,
) {
    let mut renewed = Instant::now();
    loop {
        let asked = Instant::now();
        let leads = *role.borrow() == Role::Leader;
        // No answer while we lead must not outlast the lease.
        let limit =
            if leads { pace.patience().saturating_sub(renewed.elapsed()) } else { pace.lasts };
        let found = tokio::select! {
            found = tokio::time::timeout(limit.max(Duration::from_millis(1)), lease.hold()) => {
                found.unwrap_or_else(|_| Err("the vault does not answer".to_owned()))
            }
            () = stop.cancelled() => break,
        };
        let next = match found {
            Ok(Lead::Ours) => {
                renewed = asked;
                Role::Leader
            }
            Ok(Lead::Theirs(leader)) => {
                let reason = format!("{leader} leads");
                Role::Follower { leader: Some(leader), reason }
            }
            Err(_) if leads && renewed.elapsed() < pace.patience() => Role::Leader,
            Err(reason) => Role::Follower { leader: None, reason },
        };
        role.send_if_modified(|role| {
            let changed = *role != next;
            *role = next;
            changed
        });
        tokio::select! {
            () = tokio::time::sleep(pace.every.saturating_sub(asked.elapsed())) => {}
            () = stop.cancelled() => break,
        }
    }
    lease.release().await;
}
