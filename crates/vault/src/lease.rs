//! A lease: one process at a time does a certain thing with a vault, whichever machine it is on.
//!
//! A lease is one small object, `leases/NAME.json`. It is taken by create-if-absent, or by a
//! conditional write over the version in which it was seen to be free or run out; renewed by
//! writing over the own version; and given back by writing that it is free. So of any number who
//! try, one succeeds, and whoever lost it learns of that at the next renewal.
//!
//! **No clock of ours decides.** Whether a lease has run out is told by the store's clock alone:
//! when the object was last written against the store's time now. A holder trusts its lease for as
//! long as its own clock, which only has to run and not to be right, says that less than its time
//! has passed since it *began* the last renewal that succeeded: so it stops before another can
//! begin.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use uuid::Uuid;

use crate::area::{Area, Version};
use crate::{Error, Vault};

/// Where leases lie in a vault.
const AREA: &str = "leases";

/// How exactly stores tell times: Azure, to the second.
const GRAIN: Duration = Duration::from_secs(1);

/// The most bytes of a lease's object.
const MAX_LEASE: u64 = 64 << 10;

/// The content of `leases/NAME.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    format: u32,
    name: String,
    /// Tells this holder from every other.
    token: Uuid,
    /// Tells this write from every other.
    write: Uuid,
    by: String,
    host: String,
    pid: u32,
    /// When it was taken, by the holder's clock.
    since: Timestamp,
    ttl_ms: u64,
    /// Whether it was given back.
    free: bool,
}

impl Record {
    fn to_bytes(&self) -> Bytes {
        let mut text = serde_json::to_vec_pretty(self).unwrap_or_default();
        text.push(b'\n');
        text.into()
    }

    fn again(&self, free: bool) -> Self {
        Self { write: Uuid::new_v4(), free, ..self.clone() }
    }
}

/// Who holds a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holder {
    /// The program and what it does.
    pub by: String,
    /// The machine.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// Since when, by its own clock.
    pub since: Timestamp,
    /// When it was last renewed, by the store's clock.
    pub renewed: Timestamp,
    /// How long it lasts without a renewal.
    pub ttl: Duration,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {} (process {}) since {:.0}", self.by, self.host, self.pid, self.since)
    }
}

/// A lease that is held. Dropped without [`release`](Self::release), it runs out by itself.
#[derive(Debug)]
pub struct Lease {
    area: Area,
    key: String,
    record: Record,
    version: Version,
    /// When the last renewal that succeeded began.
    renewed: Instant,
}

fn key(name: &str) -> String {
    format!("{name}.json")
}

impl Vault {
    /// Takes the lease `name` for `ttl`, to be renewed at least thrice in that time. `purpose` is
    /// what the holder does, for those who find the lease taken: "ships the transaction logs".
    ///
    /// # Errors
    /// [`Error::Leased`] when somebody else has it; those of reading and writing.
    pub async fn acquire_lease(
        &self,
        name: &str,
        purpose: &str,
        ttl: Duration,
    ) -> Result<Lease, Error> {
        let record = Record {
            format: 1,
            name: name.to_owned(),
            token: Uuid::new_v4(),
            write: Uuid::new_v4(),
            by: format!("lifeboat {} ({purpose})", env!("CARGO_PKG_VERSION")),
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            pid: std::process::id(),
            since: Timestamp::now(),
            ttl_ms: u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX),
            free: false,
        };
        let (area, key, bytes) = (self.area(AREA)?, key(name), record.to_bytes());
        let mut renewed = Instant::now();
        let version = match area.read(&key, MAX_LEASE).await? {
            None if area.create(&key, &bytes).await? => {
                // For the version. If it is another's by now, the first renewal will tell.
                match area.read(&key, MAX_LEASE).await? {
                    Some((found, version)) if found == bytes => Some(version),
                    _ => None,
                }
            }
            None => None,
            Some((found, version)) => {
                if let Some(holder) = self.unexpired(&key, &found, &version).await? {
                    return Err(self.leased(name, holder));
                }
                renewed = Instant::now();
                area.replace(&key, &bytes, &version).await?
            }
        };
        if let Some(version) = version {
            return Ok(Lease { area, key, record, version, renewed });
        }
        // Somebody was faster.
        match self.lease_holder(name).await? {
            Some(holder) => Err(self.leased(name, holder)),
            None => Err(Error::Unreachable {
                vault: self.to_string(),
                action: "take",
                object: format!("{AREA}/{key}"),
                reason: "somebody took it and gave it back at the same moment".to_owned(),
                hint: "try again".to_owned(),
            }),
        }
    }

    /// Who holds the lease `name`; `None` when it is free or has run out.
    ///
    /// # Errors
    /// Those of reading.
    pub async fn lease_holder(&self, name: &str) -> Result<Option<Holder>, Error> {
        let (area, key) = (self.area(AREA)?, key(name));
        match area.read(&key, MAX_LEASE).await? {
            None => Ok(None),
            Some((found, version)) => self.unexpired(&key, &found, &version).await,
        }
    }

    /// Who holds a lease of this content, unless it is free or has run out.
    async fn unexpired(
        &self,
        key: &str,
        found: &[u8],
        version: &Version,
    ) -> Result<Option<Holder>, Error> {
        let area = self.area(AREA)?;
        let Ok(record) = serde_json::from_slice::<Record>(found) else {
            return Err(Error::Failed {
                vault: self.to_string(),
                action: "use",
                object: format!("{AREA}/{key}"),
                reason: "it is not a lease that this program understands".to_owned(),
                hint: "use a newer program, or remove it when nothing uses the vault".to_owned(),
            });
        };
        if record.free {
            return Ok(None);
        }
        // Asked first, so that a renewal in between makes it look younger, never older.
        let now = self.time_of_writing().await?;
        let Some(object) = area.head(key).await? else { return Ok(None) };
        let ttl = Duration::from_millis(record.ttl_ms);
        let age = now.duration_since(object.modified);
        let ran_out = age >= SignedDuration::try_from(ttl).unwrap_or(SignedDuration::MAX);
        // When it has changed since it was read, somebody lives.
        if ran_out && object.version == *version {
            return Ok(None);
        }
        Ok(Some(Holder {
            by: record.by,
            host: record.host,
            pid: record.pid,
            since: record.since,
            renewed: object.modified,
            ttl,
        }))
    }

    fn leased(&self, name: &str, holder: Holder) -> Error {
        Error::Leased { vault: self.to_string(), lease: name.to_owned(), holder: Box::new(holder) }
    }
}

impl Lease {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.record.name
    }

    /// How long it lasts without a renewal.
    pub fn ttl(&self) -> Duration {
        Duration::from_millis(self.record.ttl_ms)
    }

    /// How much longer it is certainly ours; zero when it may be another's already.
    pub fn left(&self) -> Duration {
        self.ttl().saturating_sub(GRAIN).saturating_sub(self.renewed.elapsed())
    }

    /// Renews it for its whole time.
    ///
    /// # Errors
    /// [`Error::Leased`] or [`Error::LeaseLost`] when it is another's or was taken away: stop.
    /// Otherwise those of writing: it is still ours for the time [`left`](Self::left).
    pub async fn renew(&mut self) -> Result<(), Error> {
        let began = Instant::now();
        let record = self.record.again(false);
        match self.area.replace(&self.key, &record.to_bytes(), &self.version).await? {
            Some(version) => {
                (self.record, self.version, self.renewed) = (record, version, began);
                Ok(())
            }
            None => Err(self.lost().await),
        }
    }

    /// Why it is not ours any more.
    async fn lost(&self) -> Error {
        let vault = self.area.vault();
        match vault.lease_holder(self.name()).await {
            Ok(Some(holder)) => vault.leased(self.name(), holder),
            _ => Error::LeaseLost { vault: vault.to_string(), lease: self.name().to_owned() },
        }
    }

    /// Gives it back, so that another need not wait until it has run out.
    ///
    /// # Errors
    /// Those of writing; it then runs out by itself. Not when it is another's already.
    pub async fn release(self) -> Result<(), Error> {
        let record = self.record.again(true);
        self.area.replace(&self.key, &record.to_bytes(), &self.version).await.map(|_| ())
    }
}
