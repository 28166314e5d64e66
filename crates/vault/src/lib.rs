//! The vault: where backups live.
//!
//! A vault is a folder, a container of Azure Blob Storage, a bucket of S3 or Google Cloud Storage,
//! or memory. All are used through one small set of calls that every store has, of which one
//! carries everything: **create-if-absent**. A backup is three objects that come in this order:
//!
//! 1. `NAME.claim.json` reserves the name and tells who works on it;
//! 2. `NAME.tar.zst` or `NAME.tar.gz`, the archive, goes up in parts;
//! 3. `NAME.manifest.json` is created last, and only if absent.
//!
//! **A backup exists if and only if its manifest does.** So nothing half-written ever lists,
//! whatever dies and whenever; two runs never share a name; and what a dead run left is known by
//! its claim and removed by [`Vault::remove_leftovers`], which a run that is merely slow cannot
//! lose a finished backup to.
//!
//! Other things than backups lie under prefixes, see [`Area`]: log segments, and leases
//! ([`Lease`]), by which one process at a time does what only one may do.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use lifeboat_vault::{Vault, VaultConfig};
//!
//! let vault = Vault::open(&VaultConfig::new("memory://doc".parse()?))?;
//! vault.check().await?;
//! assert!(vault.list().await?.is_empty());
//! # Ok(())
//! # }
//! ```

mod address;
mod area;
mod beside;
mod cache;
mod catalog;
mod certificate;
mod claim;
mod credentials;
mod error;
mod folder;
mod immutability;
mod keys;
mod lease;
mod leftovers;
mod mark;
mod open;
mod probe;
mod reader;
mod remove;
mod resign;
mod retry;
mod silence;
mod stored;
mod vault;
mod versions;
mod writer;

pub use address::Address;
pub use area::{Area, Object, Version};
pub use catalog::{Beside, Listed};
pub use certificate::Certified;
pub use credentials::{Credentials, Secret};
pub use error::{Damage, Error};
pub use immutability::{Attempt, Immutability};
pub use keys::{KeyError, KeyPair, Keys, SignatureProblem};
pub use lease::{Holder, Lease};
pub use leftovers::{Leftover, LeftoverKind, Leftovers, Removed, Unclaimed};
pub use lifeboat_archive::{BackupKind, BackupName, Codec, FileKind, Manifest};
pub use object_store::ObjectStore;
pub use open::VaultConfig;
pub use probe::{Probe, Space};
pub use reader::ArchiveReader;
pub use retry::Retry;
pub use vault::Vault;
pub use writer::{BackupWriter, CLAIM_RENEWAL, Copied};
