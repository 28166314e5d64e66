//! Disasters, executed: runbooks, the step kinds they are made of, drills and their reports.
//!
//! A [`Runbook`] is a file of steps. Every step has a kind, behind the one interface [`Action`];
//! [`run`] carries them out, after [`plan`] has looked at everything that can be looked at
//! before. What is intended stands in the [`journal`] before it is done, here and in the vaults, so
//! that whatever dies, [`resume`] goes on, from any machine.

pub mod action;
mod approval;
mod azure;
mod check;
mod command;
mod condition;
pub mod diagnose;
pub mod dns;
pub mod document;
pub mod drill;
mod error;
mod execute;
pub mod fence;
pub mod handbook;
mod http;
pub mod issues;
pub mod journal;
pub mod library;
pub mod measure;
pub mod messenger;
pub mod platform;
pub mod predict;
mod provision;
pub mod report;
mod run;
pub mod sites;
pub mod state;
pub mod steps;
pub mod template;
#[cfg(test)]
mod testing;
pub mod value;
mod world;

pub use action::Action;
pub use condition::Condition;
pub use document::Runbook;
pub use error::{Error, Result, StepError};
pub use execute::{Agreeing, Ending, Observer, Silent};
pub use provision::Provision;
pub use run::{
    Plan, PlannedStep, Ran, RunOptions, abort, approve, find, plan, read, resume, run, runs, settle,
};
pub use world::{Drilling, World};
