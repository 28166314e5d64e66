//! Disasters, executed: runbooks, the step kinds they are made of, drills and their reports.

pub mod dns;
pub mod platform;
