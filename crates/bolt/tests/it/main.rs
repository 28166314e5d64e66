//! The client against real servers of both lines, and against ends that misbehave.

mod fake;
mod hostile;
mod memory;
mod refusals;
mod results;
mod routing;
mod support;
mod tls;
mod transactions;
mod values;
mod versions;
