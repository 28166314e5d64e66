//! A client for Bolt, the protocol of Neo4j, made for moving whole graphs.
//!
//! | module | what it knows |
//! | --- | --- |
//! | [`packstream`] | values as bytes |
//! | `dechunk`, `batch` | bytes into messages, records in batches without a copy |
//! | `transport`, `tls` | sockets, idle limit, what is still to be written |
//! | `handshake` | which version is spoken (4.4, 5.0–5.8, 6.0–6.1) |
//! | `messages` | requests and answers |
//! | `connection`, `stream` | the protocol's state: queries, transactions, results |
//! | `fetch` | how many records to ask for at a time |
//! | `routing` | which member of a cluster to talk to |
//!
//! Three ideas carry it:
//! - **A reader that keeps up with the server.** [`RecordStream::next_batch`] hands out the bytes
//!   of many records at once, undecoded, to be worked on elsewhere. Records are asked for a few MiB
//!   ahead and no more, so memory stays flat on both sides whatever the size of a result.
//! - **Dropping is safe.** Any future or stream may be dropped at any point. What was half written
//!   is kept and written first; what is still to come is passed over after a `RESET`, by the next
//!   call.
//! - **Nothing is lost.** Every value keeps its exact bits, and structures of newer servers stay
//!   as they are.
//!
//! ```no_run
//! use lifeboat_bolt::{Auth, Config, Connection, Params, RunOptions};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let config = Config::new("bolt://localhost".parse()?, Auth::basic("neo4j", "password"));
//! let mut connection = Connection::connect(&config).await?;
//! let mut records =
//!     connection.run("MATCH (n) RETURN n.name", Params::None, &RunOptions::default()).await?;
//! while let Some(record) = records.next().await? {
//!     println!("{record:?}");
//! }
//! let summary = records.finish().await?;
//! println!("{:?}", summary.bookmark);
//! # Ok(())
//! # }
//! ```

mod batch;
mod bookmark;
mod config;
mod connection;
mod dechunk;
mod error;
mod fetch;
mod handshake;
mod messages;
pub mod packstream;
mod routing;
mod secret;
mod stream;
mod tls;
mod transport;
mod uri;

pub use batch::RecordBatch;
pub use bookmark::{Bookmark, BookmarkTx};
pub use config::{Access, Auth, Config, RunOptions, Timeouts};
pub use connection::{Connection, ServerInfo};
pub use error::{Error, GqlStatus};
pub use messages::Params;
pub use packstream::Value;
pub use secret::Secret;
pub use stream::{Counters, RecordStream, Summary};
pub use uri::{DEFAULT_PORT, Encryption, Uri, UriError};

/// Shorthand for the results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
