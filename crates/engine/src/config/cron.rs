//! Times by the five fields of cron, in a time zone.
//!
//! The `croner` crate reads the fields and searches the calendar; what is here lets it work on
//! jiff's times. When clocks go forward, a fixed time that does not exist is done at the first
//! moment after the gap; when they go back, a fixed time that comes twice is done once. Fields with
//! `*` follow the real time through both.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};
use croner::time::{CivilDate, CivilDateTime, CivilTime, CronDateTime, Resolution, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, ZonedDateTime, civil};

/// Five fields: minute, hour, day of the month, month, day of the week.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    text: String,
    fields: Box<croner::Cron>,
}

impl FromStr for Cron {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed);
        if text.split_whitespace().count() != 5 {
            return Err(format!(
                "{text:?} does not have the five fields of cron: minute, hour, day of the month, \
                 month, day of the week, as in \"0 2 * * *\""
            ));
        }
        let fields = parser.build().parse(text).map_err(|error| {
            format!("{text:?} is not a time of cron: {error}").trim_end_matches('.').to_owned()
        })?;
        let cron = Self { text: text.to_owned(), fields: Box::new(fields) };
        if cron.next(Timestamp::UNIX_EPOCH, &TimeZone::UTC).is_none() {
            return Err(format!("{text:?} is a time that never comes"));
        }
        Ok(cron)
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Cron {
    /// The first time after `after`; `None` when there is none any more.
    pub fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let start = Moment(after.to_zoned_datetime(zone.clone()));
        let mut found = self.fields.find_next_occurrence(&start, false).ok()?.0.timestamp();
        while found <= after {
            // Never backwards, whatever a calendar does.
            let later = Moment(
                found
                    .checked_add(SignedDuration::from_mins(1))
                    .ok()?
                    .to_zoned_datetime(zone.clone()),
            );
            found = self.fields.find_next_occurrence(&later, true).ok()?.0.timestamp();
        }
        Some(found)
    }
}

/// jiff's time, for croner.
#[derive(Clone)]
struct Moment(ZonedDateTime);

impl CronDateTime for Moment {
    fn to_civil(&self) -> CivilDateTime {
        let at = self.0.datetime();
        let part = |number: i8| u32::from(number.unsigned_abs());
        let date = CivilDate::from_ymd_opt(i32::from(at.year()), part(at.month()), part(at.day()));
        let time = CivilTime::from_hms_opt(part(at.hour()), part(at.minute()), part(at.second()));
        CivilDateTime::new(
            date.expect("jiff's dates are valid"),
            time.expect("jiff's times are valid"),
        )
    }

    fn civil_weekday(&self) -> Weekday {
        let day = self.0.weekday().to_sunday_zero_offset();
        Weekday::from_days_from_sunday(u32::from(day.unsigned_abs()))
    }

    fn resolve_civil(&self, at: CivilDateTime) -> Result<Resolution<Self>, CronError> {
        let small = |number: u32| i8::try_from(number).map_err(|_| CronError::InvalidDate);
        let year = i16::try_from(at.year()).map_err(|_| CronError::InvalidDate)?;
        let civil = civil::DateTime::new(
            year,
            small(at.month())?,
            small(at.day())?,
            small(at.hour())?,
            small(at.minute())?,
            small(at.second())?,
            0,
        )
        .map_err(|_| CronError::InvalidDate)?;
        let found = self.0.time_zone().to_ambiguous_zoned_datetime(civil);
        let out_of_range = |_| CronError::InvalidTime;
        Ok(match found.offset() {
            AmbiguousOffset::Unambiguous { .. } => {
                Resolution::Single(Self(found.unambiguous().map_err(out_of_range)?))
            }
            AmbiguousOffset::Fold { .. } => Resolution::Ambiguous(
                Self(found.clone().earlier().map_err(out_of_range)?),
                Self(found.later().map_err(out_of_range)?),
            ),
            AmbiguousOffset::Gap { .. } => Resolution::Gap,
        })
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Self> {
        self.0.checked_add(SignedDuration::from_secs(seconds)).ok().map(Self)
    }

    fn cmp_instant(&self, other: &Self) -> Ordering {
        self.0.timestamp().cmp(&other.0.timestamp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The times of an expression in a zone from a start on.
    fn times(cron: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
        let (cron, zone) = (cron.parse::<Cron>().unwrap(), TimeZone::get(zone).unwrap());
        let mut at: Timestamp = from.parse().unwrap();
        let mut all = Vec::new();
        for _ in 0..count {
            at = cron.next(at, &zone).unwrap();
            all.push(at.to_string());
        }
        all
    }

    #[test]
    fn every_field_counts() {
        let from = "2026-11-25T01:59:59Z"; // a Wednesday
        for (cron, first, second) in [
            ("0 2 * * *", "2026-11-25T02:00:00Z", "2026-11-26T02:00:00Z"),
            ("*/20 * * * *", "2026-11-25T02:00:00Z", "2026-11-25T02:20:00Z"),
            ("30 4 * * 0", "2026-11-29T04:30:00Z", "2026-12-06T04:30:00Z"),
            ("30 4 * * 7", "2026-11-29T04:30:00Z", "2026-12-06T04:30:00Z"),
            ("30 4 * * SUN", "2026-11-29T04:30:00Z", "2026-12-06T04:30:00Z"),
            ("0 5 1 * *", "2026-12-01T05:00:00Z", "2027-01-01T05:00:00Z"),
            ("0 6 1 1,4,7,10 *", "2027-01-01T06:00:00Z", "2027-04-01T06:00:00Z"),
            ("0 0 29 2 *", "2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"),
            ("0 9-17/4 * * MON-FRI", "2026-11-25T09:00:00Z", "2026-11-25T13:00:00Z"),
            // As cron does it: either of the two days.
            ("0 0 1 * FRI", "2026-11-27T00:00:00Z", "2026-12-01T00:00:00Z"),
        ] {
            assert_eq!(times(cron, "UTC", from, 2), [first, second], "{cron}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for (cron, says) in [
            ("", "five fields"),
            ("0 2 * *", "five fields"),
            ("0 0 2 * * *", "five fields"),
            ("@daily", "five fields"),
            ("60 2 * * *", "not a time of cron"),
            ("0 24 * * *", "not a time of cron"),
            ("0 0 32 * *", "not a time of cron"),
            ("0 0 * 13 *", "not a time of cron"),
            ("0 0 * * 8", "not a time of cron"),
            ("a b c d e", "not a time of cron"),
            ("0 0 30 2 *", "never comes"),
        ] {
            let error = cron.parse::<Cron>().unwrap_err();
            assert!(error.contains(says), "{cron}: {error}");
        }
    }

    #[test]
    fn a_fixed_time_in_the_gap_of_spring_is_done_right_after_it() {
        // In Berlin, 2026-03-29 02:00 becomes 03:00.
        let day = times("30 2 * * *", "Europe/Berlin", "2026-03-28T02:00:00Z", 3);
        assert_eq!(day, ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z", "2026-03-31T00:30:00Z"]);
    }

    #[test]
    fn a_fixed_time_that_comes_twice_in_autumn_is_done_once() {
        // In Berlin, 2026-10-25 03:00 becomes 02:00.
        let day = times("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2);
        assert_eq!(day, ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
    }

    #[test]
    fn an_hourly_time_follows_the_real_hours_through_both() {
        for from in ["2026-03-28T22:00:00Z", "2026-10-24T22:00:00Z"] {
            let hours = times("0 * * * *", "Europe/Berlin", from, 8);
            let mut expected: Timestamp = from.parse().unwrap();
            for hour in hours {
                expected += SignedDuration::from_hours(1);
                assert_eq!(hour, expected.to_string());
            }
        }
    }

    #[test]
    fn times_only_ever_go_forward_all_year_in_odd_zones() {
        for zone in ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"] {
            let zone = TimeZone::get(zone).unwrap();
            for cron in ["15 2 * * *", "*/30 1-3 * * *", "0 0 * * *"] {
                let cron: Cron = cron.parse().unwrap();
                let mut at: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
                while at.as_second() < 1_798_761_600 {
                    let next = cron.next(at, &zone).unwrap();
                    assert!(next > at, "{cron} {at} {next}");
                    assert!(
                        next.duration_since(at) < SignedDuration::from_hours(27),
                        "{cron} {at}"
                    );
                    at = next;
                }
            }
        }
    }
}
