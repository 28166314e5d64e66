//! How many requests a second one address may make: a bucket that fills steadily.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

/// Addresses that are remembered; the full buckets among them go first.
const REMEMBERED: usize = 4096;

/// The buckets.
#[derive(Debug)]
pub struct Limit {
    rate: f64,
    buckets: Mutex<HashMap<IpAddr, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Limit {
    /// So many requests a second, and as many at once.
    pub fn new(rate: u32) -> Self {
        Self { rate: f64::from(rate), buckets: Mutex::default() }
    }

    /// Whether one more is allowed.
    pub fn allows(&self, address: IpAddr) -> bool {
        let now = Instant::now();
        let filled = |bucket: &Bucket| {
            (bucket.left + now.duration_since(bucket.at).as_secs_f64() * self.rate).min(self.rate)
        };
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= REMEMBERED && !buckets.contains_key(&address) {
            buckets.retain(|_, bucket| filled(bucket) < self.rate);
            if buckets.len() >= REMEMBERED {
                return false;
            }
        }
        let bucket = buckets.entry(address).or_insert(Bucket { left: self.rate, at: now });
        let left = filled(bucket);
        let allowed = left >= 1.0;
        *bucket = Bucket { left: if allowed { left - 1.0 } else { left }, at: now };
        allowed
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_cut_and_a_steady_stream_is_not() {
        let (limit, one, other) =
            (Limit::new(10), [127, 0, 0, 1].into(), IpAddr::from([127, 0, 0, 2]));
        let allowed = |address, count: usize| (0..count).filter(|_| limit.allows(address)).count();
        assert_eq!(allowed(one, 100), 10);
        assert_eq!(allowed(other, 100), 10, "each for itself");
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(allowed(one, 100), 5);
        tokio::time::advance(Duration::from_secs(100)).await;
        assert_eq!(allowed(one, 100), 10, "it does not save up");
    }

    #[tokio::test(start_paused = true)]
    async fn many_addresses_take_no_more_memory() {
        let limit = Limit::new(1);
        let address = |n: u32| IpAddr::from(n.to_be_bytes());
        let count = u32::try_from(REMEMBERED).unwrap();
        assert_eq!((0..2 * count).filter(|n| limit.allows(address(*n))).count(), REMEMBERED);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(limit.allows(address(3 * count)), "the idle ones have gone");
    }
}
