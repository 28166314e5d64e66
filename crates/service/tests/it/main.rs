//! The service as a whole: a simulated year, and a real one over real sockets.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod alerts;
mod api;
mod formats;
mod receiver;
mod runbooks;
mod support;
mod year;
