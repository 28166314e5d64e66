//! Against the real thing: a DNS server that takes signed updates, and OpenTofu.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod dns;
mod provision;
