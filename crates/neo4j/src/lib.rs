//! The database: what Lifeboat reads from Neo4j and writes to it.
//!
//! - [`logical`]: a graph over Bolt, on any edition, from a running server into a running server.
//! - [`bulk`]: a graph into the home of a stopped server, by Neo4j's own importer.
//! - [`physical`]: the store files of a server, copied while it runs.
//! - [`counts`]: how much of everything there is, without reading it.
//! - [`fingerprint`]: a digest of what a graph says, the same before and after.
//! - [`schema`]: constraints and indexes.
//! - [`txlog`]: transaction logs: which transactions there are, and where each ends.
//! - [`typed`]: values between PackStream and typed JSON.

pub mod bulk;
pub mod counts;
pub mod database;
mod error;
pub mod fingerprint;
pub mod logical;
pub mod node_table;
pub mod physical;
pub mod progress;
pub mod schema;
pub mod txlog;
pub mod typed;

pub use database::Database;
pub use error::{Error, Result};
pub use progress::{Phase, Progress};
