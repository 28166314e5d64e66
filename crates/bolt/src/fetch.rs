//! How many records to ask for at a time.
//!
//! Asking for all leaves the pace to the server, which does not wait for its reader but piles up
//! what it has to send until its memory is used up. Asking for few leaves it idle while the next
//! request travels. So a request is for as many records as make up a window, by the size of those
//! that have come. It begins small and grows in steps, for the next records may be longer.

/// Bytes that the server may be ahead of the reader, about.
const WINDOW: u64 = 8 << 20;
/// Records of the first request.
const FIRST: i64 = 200;
/// Records of a request at most: where records are short, more would not be faster.
const MOST: i64 = 20_000;
/// How many times more than before is asked for at most.
const GROWTH: i64 = 8;

/// Number of records of each request for one result.
#[derive(Debug)]
pub(crate) struct Fetch {
    fixed: bool,
    count: i64,
    records: u64,
    bytes: u64,
}

impl Fetch {
    /// For this many at a time, or as many as fit when not positive.
    pub(crate) fn new(size: i64) -> Self {
        let fixed = size > 0;
        Self { fixed, count: if fixed { size } else { FIRST }, records: 0, bytes: 0 }
    }

    /// Records of the present request.
    pub(crate) fn count(&self) -> i64 {
        self.count
    }

    /// Records that the present request has brought.
    pub(crate) fn saw(&mut self, records: usize, bytes: usize) {
        self.records += records as u64;
        self.bytes += bytes as u64;
    }

    /// Records of the next request.
    pub(crate) fn next(&mut self) -> i64 {
        if !self.fixed && self.records > 0 {
            let fitting = (WINDOW.saturating_mul(self.records) / self.bytes.max(1)) as i64;
            self.count = fitting.min(self.count * GROWTH).clamp(1, MOST);
        }
        (self.records, self.bytes) = (0, 0);
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(fetch: &mut Fetch, size: u64, times: usize) -> Vec<i64> {
        let mut next = || {
            fetch.saw(fetch.count() as usize, (fetch.count() as u64 * size) as usize);
            fetch.next()
        };
        (0..times).map(|_| next()).collect()
    }

    #[test]
    fn requests_grow_to_the_window() {
        let mut fetch = Fetch::new(-1);
        assert_eq!(fetch.count(), FIRST);
        assert_eq!(counts(&mut fetch, 700, 4), [1600, 11_983, 11_983, 11_983]);
        // Longer ones shrink it at once.
        assert_eq!(counts(&mut fetch, 1 << 20, 2), [8, 8]);
        assert_eq!(counts(&mut fetch, 1 << 30, 2), [1, 1]);
        assert_eq!(counts(&mut fetch, 10, 6), [8, 64, 512, 4096, 20_000, 20_000]);
    }

    #[test]
    fn a_given_size_is_kept() {
        let mut fetch = Fetch::new(77);
        assert_eq!(counts(&mut fetch, 1 << 30, 2), [77, 77]);
        assert_eq!(Fetch::new(0).count(), FIRST);
    }
}
