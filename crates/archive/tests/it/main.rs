//! The backup file, from entries to stored bytes and back, and every way it can be damaged.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod damage;
mod gnu_tar;
mod golden;
mod hostile;
mod round_trip;
mod superseded;
mod support;
