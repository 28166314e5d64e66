//! The logical method: a graph out of and into a running server, over Bolt, on any edition.

mod apply;
mod batch;
mod compare;
mod line;
mod read;
mod scan;
mod write;

pub(crate) use apply::create_schema;
pub use apply::{check_target, clear};
pub(crate) use batch::{Batch, Batcher, Nodes};
pub use compare::{compare, counts};
pub use read::{EncodedEntry, Sink, Source, fingerprint, read_graph};
pub use scan::CANARY;
pub use write::{Payload, WriteOptions, payload_schema, write_graph};
