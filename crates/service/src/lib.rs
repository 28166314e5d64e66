//! The service: does everything on time, remembers it, and lets it be seen.
//!
//! ```text
//! settings ─▶ jobs ─▶ scheduler ─▶ engine's verbs
//!                        │  ▲
//!          ledger (vault)┘  └─ plan (rules, pure)
//!                        │
//!                      store (SQLite): states, history, events ─▶ alerts, pings, API, metrics
//! ```
//!
//! One task, the [scheduler](scheduler), owns the jobs' states and changes them by the rules of
//! [plan]. Each change goes into the [store] together with the [events](event) that tell of it.
//! Several instances may stand ready for one vault: the one that holds the lease [leads](leader),
//! and the [ledger] in the vault tells the next one where it left off.

pub mod access;
pub mod alerts;
pub mod api;
pub mod catalog;
pub mod client;
pub mod clock;
mod error;
pub mod event;
pub mod job;
pub mod jobs;
pub mod leader;
pub mod ledger;
pub mod limit;
mod listen;
pub mod metrics;
pub mod ping;
pub mod plan;
pub mod run;
pub mod scheduler;
pub mod service;
pub mod snapshot;
pub mod store;
mod vault;

pub use error::{Error, Result};
