//! Times of the settings: `30s`, `90m`, `24h`, `7d`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

/// The longest time that makes sense here: a century.
const MAX_SECONDS: u64 = 100 * 366 * 86_400;

/// Reads a time: a number with s, m, h or d.
///
/// # Errors
/// How to write it.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write a time as a number with s, m, h or d, as in \"90m\"".to_owned();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u32 = digits.parse().map_err(|_| wrong())?;
    let unit = match &text[digits.len()..] {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let seconds = u64::from(number) * unit;
    if seconds > MAX_SECONDS {
        return Err("the time is longer than a century".to_owned());
    }
    Ok(Duration::from_secs(seconds))
}

/// A time in the settings.
pub(super) fn duration<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).map(Some).map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        assert_eq!(parse_duration("0s"), Ok(Duration::ZERO));
        assert_eq!(parse_duration("90m"), Ok(Duration::from_mins(90)));
        assert_eq!(parse_duration("7d"), Ok(Duration::from_hours(7 * 24)));
        for text in ["", "1", "h", "1w", "-1h", "+1h ", "1.5h", "99999999999d", "99999999d"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
