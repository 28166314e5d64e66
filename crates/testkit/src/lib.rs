//! Real servers and real data for tests.
//!
//! A recovery tool that was only tested against imitations has not been tested. So the tests of
//! this workspace run against real servers, which this crate fetches, starts and takes down:
//! nothing has to be installed or running beforehand, and nothing is left running.

pub mod azurite;
pub mod codegraph;
mod daemon;
pub mod dns;
pub mod folders;
pub mod go;
pub mod graph;
pub mod load;
pub mod lock;
pub mod neo4j;
pub mod oracle;
pub mod ports;
pub mod requirements;
pub mod s3;
pub mod smtp;
pub mod systemd;
pub mod tool;
pub mod volume;
pub mod zoo;

pub use lifeboat_server::AdminTool;
pub use neo4j::{Line, Neo4j, Neo4jOptions};
