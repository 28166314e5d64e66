//! The logical method against real servers of both lines.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod bulk;
mod cuts;
mod fuzzy;
mod memory;
mod roundtrip;
mod txlog;
mod world;
