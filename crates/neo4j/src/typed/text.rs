//! Temporal values, durations and points as text, exactly and both ways.
//!
//! The forms are ISO 8601 as Neo4j's own typed JSON writes them, over Neo4j's whole range (years
//! −999 999 999 to 999 999 999), with nanoseconds. A date-time with a named zone is written as its
//! UTC instant and the zone (`2015-11-21T21:40:32.142Z[Europe/Oslo]`): reading it back needs no
//! time-zone database, and no hour that happens twice is ambiguous.
//!
//! Calendar arithmetic: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".

use std::io::Write as _;

const DAY: i64 = 86_400;
const NANOS: i64 = 1_000_000_000;

fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, doy - (153 * mp + 2) / 5 + 1)
}

fn days(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let doy = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468
}

macro_rules! put {
    ($out:expr, $($arg:tt)*) => {{
        // Writing to a vector cannot fail.
        let _ = write!($out, $($arg)*);
    }};
}

/// Writes a date, given in days since 1970-01-01.
pub fn put_date(out: &mut Vec<u8>, epoch_days: i64) {
    let (year, month, day) = civil(epoch_days);
    match year {
        0..=9999 => put!(out, "{year:04}"),
        10_000.. => put!(out, "+{year}"),
        _ => put!(out, "-{:04}", -year),
    }
    put!(out, "-{month:02}-{day:02}");
}

/// Writes a time of day, given in nanoseconds since midnight.
pub fn put_local_time(out: &mut Vec<u8>, nanos: i64) {
    let seconds = nanos / NANOS;
    put!(out, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    put_fraction(out, nanos % NANOS);
}

fn put_fraction(out: &mut Vec<u8>, nanos: i64) {
    if nanos != 0 {
        put!(out, ".{nanos:09}");
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
}

/// Writes an offset from UTC, given in seconds: `+01:00`, `-00:30:15`, `Z`.
pub fn put_offset(out: &mut Vec<u8>, seconds: i64) {
    if seconds == 0 {
        return out.push(b'Z');
    }
    let size = seconds.abs();
    out.push(if seconds < 0 { b'-' } else { b'+' });
    put!(out, "{:02}:{:02}", size / 3600, size / 60 % 60);
    if size % 60 != 0 {
        put!(out, ":{:02}", size % 60);
    }
}

/// Writes a date and time, given in seconds since 1970-01-01T00:00:00 and nanoseconds.
pub fn put_local_date_time(out: &mut Vec<u8>, seconds: i64, nanos: i64) {
    put_date(out, seconds.div_euclid(DAY));
    out.push(b'T');
    put_local_time(out, seconds.rem_euclid(DAY) * NANOS + nanos);
}

/// Writes a duration: `P14M3DT16.5S`; each part has its own sign.
pub fn put_duration(out: &mut Vec<u8>, months: i64, days: i64, seconds: i64, nanos: i64) {
    let total = i128::from(seconds) * i128::from(NANOS) + i128::from(nanos);
    let sign = if total < 0 { "-" } else { "" };
    let size = total.unsigned_abs();
    put!(out, "P{months}M{days}DT{sign}{}", size / NANOS as u128);
    put_fraction(out, (size % NANOS as u128) as i64);
    out.push(b'S');
}

/// Writes a point: `SRID=7203;POINT (1.5 2.5)`, with two or three coordinates.
pub fn put_point(out: &mut Vec<u8>, srid: i64, coordinates: &[f64]) {
    put!(out, "SRID={srid};POINT");
    if coordinates.len() == 3 {
        out.extend_from_slice(b" Z");
    }
    for (index, coordinate) in coordinates.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b" (" } else { b" " });
        put!(out, "{coordinate:?}");
    }
    out.push(b')');
}

/// What is left to read of a text; every step answers `None` when the text is not of the form.
struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    fn eat(&mut self, text: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(text)?;
        Some(())
    }

    fn take(&mut self, keep: impl Fn(char) -> bool) -> &'a str {
        let end = self.0.find(|c| !keep(c)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at(end);
        self.0 = rest;
        taken
    }

    fn number(&mut self) -> Option<i64> {
        let digits = self.take(|c| c.is_ascii_digit());
        digits.parse().ok()
    }

    fn sign(&mut self) -> i64 {
        if self.eat("-").is_some() {
            -1
        } else {
            let _ = self.eat("+");
            1
        }
    }

    fn fraction(&mut self) -> Option<i64> {
        if self.eat(".").is_none() {
            return Some(0);
        }
        let digits = self.take(|c| c.is_ascii_digit());
        (1..=9).contains(&digits.len()).then_some(())?;
        Some(digits.parse::<i64>().ok()? * 10_i64.pow(9 - digits.len() as u32))
    }

    fn date(&mut self) -> Option<i64> {
        let sign = self.sign();
        let year = self.number().filter(|year| *year <= 999_999_999)?;
        self.eat("-")?;
        let month = self.number().filter(|month| (1..=12).contains(month))?;
        self.eat("-")?;
        let day = self.number().filter(|day| (1..=31).contains(day))?;
        let date = days(sign * year, month, day);
        (civil(date) == (sign * year, month, day)).then_some(date)
    }

    fn time(&mut self) -> Option<i64> {
        let hour = self.number().filter(|hour| *hour < 24)?;
        self.eat(":")?;
        let minute = self.number().filter(|minute| *minute < 60)?;
        self.eat(":")?;
        let second = self.number().filter(|second| *second < 60)?;
        Some((hour * 3600 + minute * 60 + second) * NANOS + self.fraction()?)
    }

    fn offset(&mut self) -> Option<i64> {
        if self.eat("Z").is_some() {
            return Some(0);
        }
        let sign = self.sign();
        let hours = self.number().filter(|hours| *hours < 24)?;
        self.eat(":")?;
        let minutes = self.number().filter(|minutes| *minutes < 60)?;
        let seconds = if self.eat(":").is_some() { self.number()? } else { 0 };
        (seconds < 60).then_some(sign * (hours * 3600 + minutes * 60 + seconds))
    }

    fn date_time(&mut self) -> Option<(i64, i64)> {
        let date = self.date()?;
        self.eat("T")?;
        let time = self.time()?;
        Some((date * DAY + time / NANOS, time % NANOS))
    }

    fn end<T>(&self, value: T) -> Option<T> {
        self.0.is_empty().then_some(value)
    }
}

/// Reads what [`put_date`] writes.
pub fn date(text: &str) -> Option<i64> {
    let mut cursor = Cursor(text);
    let date = cursor.date()?;
    cursor.end(date)
}

/// Reads what [`put_local_time`] writes.
pub fn local_time(text: &str) -> Option<i64> {
    let mut cursor = Cursor(text);
    let time = cursor.time()?;
    cursor.end(time)
}

/// Reads a time of day with its offset: nanoseconds since local midnight, seconds from UTC.
pub fn time(text: &str) -> Option<(i64, i64)> {
    let mut cursor = Cursor(text);
    let time = (cursor.time()?, cursor.offset()?);
    cursor.end(time)
}

/// Reads what [`put_local_date_time`] writes: seconds and nanoseconds.
pub fn local_date_time(text: &str) -> Option<(i64, i64)> {
    let mut cursor = Cursor(text);
    let date_time = cursor.date_time()?;
    cursor.end(date_time)
}

/// Reads a date-time with its offset: seconds and nanoseconds **in UTC**, the offset in seconds.
pub fn date_time(text: &str) -> Option<(i64, i64, i64)> {
    let mut cursor = Cursor(text);
    let (local, nanos) = cursor.date_time()?;
    let offset = cursor.offset()?;
    cursor.end((local - offset, nanos, offset))
}

/// Reads an instant in UTC with a zone's name: seconds, nanoseconds, name.
pub fn zoned_date_time(text: &str) -> Option<(i64, i64, &str)> {
    let (instant, zone) = text.strip_suffix(']')?.split_once("Z[")?;
    let (seconds, nanos) = local_date_time(instant)?;
    Some((seconds, nanos, zone))
}

/// Reads what [`put_duration`] writes: months, days, seconds, nanoseconds (0 to 999 999 999).
pub fn duration(text: &str) -> Option<(i64, i64, i64, i64)> {
    let (months, rest) = text.strip_prefix('P')?.split_once('M')?;
    let (days, rest) = rest.split_once("DT")?;
    let rest = rest.strip_suffix('S')?;
    let mut cursor = Cursor(rest);
    let negative = cursor.sign() < 0;
    // The magnitude of the least i64 is one more than the greatest.
    let whole: i128 = cursor.take(|c| c.is_ascii_digit()).parse().ok()?;
    let total = whole.checked_mul(i128::from(NANOS))? + i128::from(cursor.fraction()?);
    cursor.end(())?;
    let total = if negative { -total } else { total };
    let seconds = i64::try_from(total.div_euclid(i128::from(NANOS))).ok()?;
    let nanos = total.rem_euclid(i128::from(NANOS)) as i64;
    Some((months.parse().ok()?, days.parse().ok()?, seconds, nanos))
}

/// Reads what [`put_point`] writes: SRID and two or three coordinates.
pub fn point(text: &str) -> Option<(i64, Vec<f64>)> {
    let (srid, rest) = text.strip_prefix("SRID=")?.split_once(";POINT ")?;
    let (wanted, rest) = match rest.strip_prefix("Z ") {
        Some(rest) => (3, rest),
        None => (2, rest),
    };
    let inner = rest.strip_prefix('(')?.strip_suffix(')')?;
    let coordinates: Option<Vec<f64>> = inner.split(' ').map(|c| c.parse().ok()).collect();
    let coordinates = coordinates.filter(|coordinates| coordinates.len() == wanted)?;
    Some((srid.parse().ok()?, coordinates))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(put: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        put(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn forms() {
        assert_eq!(text(|o| put_date(o, 0)), "1970-01-01");
        assert_eq!(text(|o| put_date(o, 365_241_780_471)), "+999999999-12-31");
        assert_eq!(text(|o| put_date(o, -365_243_219_162)), "-999999999-01-01");
        assert_eq!(text(|o| put_date(o, -719_529)), "-0001-12-31");
        assert_eq!(text(|o| put_local_time(o, 45_296_500_000_000)), "12:34:56.5");
        assert_eq!(text(|o| put_offset(o, -3723)), "-01:02:03");
        assert_eq!(text(|o| put_duration(o, 14, -3, -1, 500_000_000)), "P14M-3DT-0.5S");
        assert_eq!(
            text(|o| put_point(o, 9157, &[1.0, -0.0, 2.5])),
            "SRID=9157;POINT Z (1.0 -0.0 2.5)"
        );
        assert_eq!(
            zoned_date_time("2015-11-21T21:40:32.142Z[Europe/Oslo]"),
            Some((1_448_142_032, 142_000_000, "Europe/Oslo"))
        );
    }

    #[test]
    fn what_is_not_a_date_is_refused() {
        for bad in ["", "2015-02-30", "2015-13-01", "2015-1-", "1000000000-01-01", "2015-01-01x"] {
            assert_eq!(date(bad), None, "{bad}");
        }
        assert_eq!(duration("P1M2DT"), None);
        assert_eq!(point("SRID=1;POINT (1 2 3)"), None);
    }

    proptest! {
        #[test]
        fn dates_round_trip(days in -365_243_219_162i64..=365_241_780_471) {
            prop_assert_eq!(date(&text(|o| put_date(o, days))), Some(days));
        }

        #[test]
        fn times_round_trip(nanos in 0..DAY * NANOS, offset in -64_800i64..=64_800) {
            let written = text(|o| { put_local_time(o, nanos); put_offset(o, offset); });
            prop_assert_eq!(time(&written), Some((nanos, offset)));
            prop_assert_eq!(local_time(&text(|o| put_local_time(o, nanos))), Some(nanos));
        }

        #[test]
        fn date_times_round_trip(
            utc in -31_557_014_000_000_000i64..31_556_889_000_000_000,
            nanos in 0..NANOS, offset in -64_800i64..=64_800,
        ) {
            let written = text(|o| { put_local_date_time(o, utc + offset, nanos); put_offset(o, offset); });
            prop_assert_eq!(date_time(&written), Some((utc, nanos, offset)));
        }

        #[test]
        fn durations_round_trip(months: i64, days: i64, seconds: i64, nanos in 0..NANOS) {
            let written = text(|o| put_duration(o, months, days, seconds, nanos));
            prop_assert_eq!(duration(&written), Some((months, days, seconds, nanos)));
        }

        #[test]
        fn points_round_trip(srid: u16, coordinates in prop::collection::vec(any::<f64>(), 2..=3)) {
            let written = text(|o| put_point(o, i64::from(srid), &coordinates));
            prop_assert_eq!(point(&written), Some((i64::from(srid), coordinates)));
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = (date(&text), time(&text), date_time(&text), duration(&text), point(&text));
            let _ = (local_time(&text), local_date_time(&text), zoned_date_time(&text));
        }
    }
}
