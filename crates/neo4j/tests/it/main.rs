//! The logical method against real servers of both lines.

mod bulk;
mod cuts;
mod fuzzy;
mod memory;
mod roundtrip;
mod world;
