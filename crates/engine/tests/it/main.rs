//! Verbs of the engine on vaults alone, without a database.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod buckets;
mod config_backup;
mod prune;
#[allow(dead_code, reason = "shared with the vault's tests, which use all of it")]
#[path = "../../../vault/tests/it/faults/store.rs"]
mod store;
#[allow(dead_code, reason = "shared with the vault's tests, which use all of it")]
#[path = "../../../vault/tests/it/support.rs"]
mod support;
mod trial;
