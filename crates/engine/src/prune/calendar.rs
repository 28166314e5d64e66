//! Stretches of the calendar, in UTC.

use jiff::{Timestamp, tz::Offset};

/// How long a stretch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Hour,
    Day,
    Week,
    Month,
    Year,
}

impl Unit {
    /// The number of the stretch that a time falls in, counted from some beginning.
    pub(super) fn number(self, time: Timestamp) -> i64 {
        let seconds = time.as_second();
        let days = seconds.div_euclid(86_400);
        match self {
            Self::Hour => seconds.div_euclid(3600),
            Self::Day => days,
            // The first day of 1970 was a Thursday.
            Self::Week => (days + 3).div_euclid(7),
            Self::Month => {
                let date = Offset::UTC.to_datetime(time);
                i64::from(date.year()) * 12 + i64::from(date.month()) - 1
            }
            Self::Year => i64::from(Offset::UTC.to_datetime(time).year()),
        }
    }

    /// For people.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn stretches_begin_where_the_calendar_says() {
        let begins = |unit: Unit, before: &str, at: &str| {
            let [before, at] = [before, at].map(|time| time.parse::<Timestamp>().unwrap());
            let second = SignedDuration::from_secs(1);
            assert_eq!(unit.number(before) + 1, unit.number(at), "{unit:?}");
            assert_eq!(unit.number(before), unit.number(at - second), "{unit:?}");
        };
        begins(Unit::Hour, "2026-11-24T01:00:00Z", "2026-11-24T02:00:00Z");
        begins(Unit::Day, "2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z");
        // A Monday.
        begins(Unit::Week, "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z");
        begins(Unit::Month, "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z");
        begins(Unit::Year, "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z");
        begins(Unit::Day, "1969-12-31T00:00:00Z", "1970-01-01T00:00:00Z");
    }
}
