//! Trying again, where the stores' library does not by itself.
//!
//! The library repeats single requests that are safe to repeat, for some seconds. Here are the two
//! layers above: whole parts of an upload, for minutes ([`PartRetry`]), and whole calls of ours
//! ([`Retry::run`]), such as a read that came back short.

use std::time::Duration;

use async_trait::async_trait;
use object_store::RetryConfig;
use object_store::retry::{RetryContext, RetryFailure, RetryPolicy};

use crate::Error;

/// How often and how long to try again after a failure that may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// How many times a call is made in all; 1 is no second try.
    pub attempts: u32,
    /// The pause before the second try; each later one is twice as long.
    pub first_pause: Duration,
    /// The longest pause between two tries.
    pub longest_pause: Duration,
    /// How long the upload of one part may fail before the backup is given up.
    pub part_patience: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 4,
            first_pause: Duration::from_millis(200),
            longest_pause: Duration::from_secs(5),
            part_patience: Duration::from_mins(5),
        }
    }
}

impl Retry {
    /// No second try, anywhere.
    pub const NONE: Self = Self {
        attempts: 1,
        first_pause: Duration::ZERO,
        longest_pause: Duration::ZERO,
        part_patience: Duration::ZERO,
    };

    fn pause(&self, attempt: u32) -> Duration {
        let factor = 1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
        self.first_pause.saturating_mul(factor).min(self.longest_pause)
    }

    /// Makes a call until it succeeds, fails for good, or has been made often enough.
    pub(crate) async fn run<T, F>(&self, mut call: impl FnMut() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let mut attempt = 1;
        loop {
            match call().await {
                Err(error) if error.is_retryable() && attempt < self.attempts => {
                    let pause = self.pause(attempt);
                    tracing::debug!(%error, attempt, ?pause, "trying again");
                    tokio::time::sleep(pause).await;
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    /// How the library repeats single requests.
    pub(crate) fn requests(&self) -> RetryConfig {
        if self.attempts <= 1 {
            return RetryConfig { max_retries: 0, ..RetryConfig::default() };
        }
        // A wrong host should be told within seconds; who needs more patience has it above.
        RetryConfig {
            max_retries: 5,
            retry_timeout: Duration::from_secs(30),
            ..RetryConfig::default()
        }
    }
}

/// Uploads a part again and again while the store is away or busy.
#[derive(Debug)]
pub(crate) struct PartRetry(pub(crate) Retry);

#[async_trait]
impl RetryPolicy for PartRetry {
    async fn retry(&self, context: RetryContext) -> bool {
        let passing = match context.failure {
            RetryFailure::Status(status) => {
                status.is_server_error() || [408, 429].contains(&status.as_u16())
            }
            _ => true,
        };
        if !passing || context.elapsed >= self.0.part_patience {
            return false;
        }
        let pause = self.0.pause(u32::try_from(context.attempt).unwrap_or(u32::MAX));
        tracing::warn!(failure = ?context.failure, ?pause, "a part was not stored, trying again");
        tokio::time::sleep(pause).await;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn passing() -> Error {
        Error::Unreachable {
            vault: "v".into(),
            action: "read",
            object: "o".into(),
            reason: "r".into(),
            hint: "h".into(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn tries_as_often_as_told() {
        let calls = Cell::new(0);
        let count = || calls.set(calls.get() + 1);
        let retry = Retry::default();
        let result: Result<(), _> = retry
            .run(|| async {
                count();
                Err(passing())
            })
            .await;
        assert!(result.is_err());
        assert_eq!(calls.replace(0), 4);
        let result = retry
            .run(|| async {
                count();
                if calls.get() < 3 { Err(passing()) } else { Ok(7) }
            })
            .await;
        assert_eq!((result.unwrap(), calls.replace(0)), (7, 3));
        let result: Result<(), _> = retry
            .run(|| async {
                count();
                Err(Error::Misuse("no".into()))
            })
            .await;
        assert!(result.is_err());
        assert_eq!(calls.get(), 1);
    }

    #[test]
    fn pauses_grow_to_a_limit() {
        let retry = Retry::default();
        assert_eq!(retry.pause(1), Duration::from_millis(200));
        assert_eq!(retry.pause(2), Duration::from_millis(400));
        assert_eq!(retry.pause(200), Duration::from_secs(5));
    }
}
