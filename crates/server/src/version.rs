//! Neo4j's versions: `5.26.18` (semantic, up to 5) and `2026.09.0` (calendar, since 2025).
//!
//! What is compared are the numbers; what is shown is the text as Neo4j writes it, since jar names
//! carry the month's leading zero.

use std::{cmp::Ordering, fmt, ops::RangeInclusive, str::FromStr};

/// The version of a Neo4j installation.
#[derive(Clone, Debug)]
pub struct Version {
    numbers: [u32; 3],
    text: String,
}

impl Version {
    /// The first number: `5`, or the year.
    pub fn major(&self) -> u32 {
        self.numbers[0]
    }

    /// The second number: the minor version, or the month.
    pub fn minor(&self) -> u32 {
        self.numbers[1]
    }

    /// The third number.
    pub fn patch(&self) -> u32 {
        self.numbers[2]
    }

    /// Whether this is one of the calendar versions, which began with 2025.01.
    pub fn is_calendar(&self) -> bool {
        self.major() >= 2025
    }

    /// The feature releases of Java that this version runs on.
    ///
    /// Source: "System requirements" of the operations manual: 5.x wants 17 or 21, the calendar
    /// versions want 21 or later.
    pub fn java(&self) -> RangeInclusive<u32> {
        if self.is_calendar() { 21..=u32::MAX } else { 17..=21 }
    }

    /// What [`java`](Self::java) allows, in words.
    pub(crate) fn java_wanted(&self) -> &'static str {
        if self.is_calendar() { "Java 21 or later" } else { "Java 17 to 21" }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.numbers == other.numbers
    }
}

impl Eq for Version {}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers)
    }
}

impl FromStr for Version {
    type Err = ();

    /// Reads three numbers parted by dots; a suffix after a dash or a plus sign (`-SNAPSHOT`) is
    /// kept in the text only.
    fn from_str(text: &str) -> Result<Self, ()> {
        let plain = text.split(['-', '+']).next().unwrap_or_default();
        let mut parts = plain.split('.').map(str::parse::<u32>);
        let mut numbers = [0; 3];
        for number in &mut numbers {
            *number = parts.next().ok_or(())?.map_err(drop)?;
        }
        if parts.next().is_some() {
            return Err(());
        }
        Ok(Self { numbers, text: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn reads_both_schemes_and_keeps_the_text() {
        let lts = version("5.26.18");
        assert_eq!((lts.major(), lts.minor(), lts.patch()), (5, 26, 18));
        assert!(!lts.is_calendar());
        let current = version("2026.09.0");
        assert_eq!((current.major(), current.minor(), current.patch()), (2026, 9, 0));
        assert!(current.is_calendar());
        assert_eq!(current.to_string(), "2026.09.0");
    }

    #[test]
    fn orders_by_number_not_by_text() {
        assert!(version("5.9.0") < version("5.26.18"));
        assert!(version("5.26.18") < version("2025.01.0"));
        assert_eq!(version("2026.9.0"), version("2026.09.0"));
    }

    #[test]
    fn refuses_what_is_no_version() {
        for text in ["", "5", "5.26", "5.26.x", "5.26.18.1", "-1.0.0"] {
            assert!(text.parse::<Version>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn knows_the_java_it_needs() {
        assert!(version("5.26.18").java().contains(&17));
        assert!(!version("5.26.18").java().contains(&25));
        assert!(!version("2026.09.0").java().contains(&17));
        assert!(version("2026.09.0").java().contains(&25));
    }
}
