//! The program as people run it: the built binary and the documented scripts, against a real Neo4j
//! and a real Azurite.
//!
//! The servers are shared by all tests; whoever uses the database holds its lock.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bulk;
mod configuration;
mod diagnose;
mod disaster;
mod doctor;
mod drills;
mod faults;
mod homes;
mod interrupts;
mod keys;
mod locked;
mod logical;
mod physical;
mod proxy;
mod regions;
mod reports;
mod runbooks;
mod scripts;
mod service;
mod shipping;
mod support;
mod systemd;
mod terminal;
mod tour;
mod trial;
