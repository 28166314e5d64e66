//! The testkit's servers, tested as tests use them.

#![allow(clippy::unwrap_used)]

mod graphs;
mod neo4j;
