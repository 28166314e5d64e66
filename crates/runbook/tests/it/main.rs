//! Against the real thing: a DNS server that takes signed updates.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod dns;
