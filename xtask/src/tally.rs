//! Counting tests across many test programs.
//!
//! Each program that `cargo test` runs closes with a line of its own; a reader wants one number.

use std::{fmt, ops::AddAssign};

/// How many tests there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Tally {
    /// The counts in the closing line of a test program:
    /// `test result: ok. 3 passed; 0 failed; 1 ignored; …`.
    pub(crate) fn of_line(line: &str) -> Option<Self> {
        let (_, counts) = line.trim().strip_prefix("test result: ")?.split_once(". ")?;
        let mut tally = Self::default();
        for count in counts.split(';') {
            let Some((number, what)) = count.trim().split_once(' ') else { continue };
            let number = || number.parse::<u64>().ok();
            match what {
                "passed" => tally.passed = number()?,
                "failed" => tally.failed = number()?,
                "ignored" => tally.skipped = number()?,
                _ => {}
            }
        }
        Some(tally)
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_are_read() {
        let line = "test result: FAILED. 9 passed; 2 failed; 1 ignored; 0 measured; 4 filtered out; finished in 2.37s";
        let tally = Tally::of_line(line).unwrap();
        assert_eq!(tally, Tally { passed: 9, failed: 2, skipped: 1 });
        assert_eq!(tally.to_string(), "9 passed, 2 failed, 1 skipped");
    }

    #[test]
    fn other_lines_are_not() {
        for line in ["", "test a ... ok", "running 3 tests", "test result: ok"] {
            assert_eq!(Tally::of_line(line), None, "{line:?}");
        }
    }

    #[test]
    fn tallies_add_up() {
        let mut sum = Tally { passed: 1, failed: 0, skipped: 2 };
        sum += Tally { passed: 3, failed: 1, skipped: 0 };
        assert_eq!(sum, Tally { passed: 4, failed: 1, skipped: 2 });
    }
}
