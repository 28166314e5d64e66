//! What time it is. Injected, so that a test lives through a year, and through clocks that are set.

use jiff::Timestamp;

/// A wall clock. Waiting is tokio's, whose time a test can let fly.
pub trait Clock: Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
