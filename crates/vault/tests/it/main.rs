//! The vault against real stores: memory, folders, Azurite, and stores that fail.
#![allow(clippy::unwrap_used, reason = "a test that fails should panic, also in its helpers")]

mod areas;
mod azure;
mod certificates;
mod contract;
mod faults;
mod folder;
mod http;
mod keys;
mod race;
mod s3;
mod support;
