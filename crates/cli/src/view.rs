//! What a person or a program reads, made from the engine's reports as text and as JSON.
//!
//! Members of JSON are part of the interface: sizes in bytes, times in RFC 3339, durations in
//! seconds.

pub(crate) mod alerts;
pub(crate) mod backup;
pub(crate) mod config;
pub(crate) mod config_backup;
pub(crate) mod diagnose;
pub(crate) mod doctor;
pub(crate) mod home;
pub(crate) mod jobs;
pub(crate) mod list;
pub(crate) mod place;
pub(crate) mod prune;
pub(crate) mod replicate;
pub(crate) mod restore;
pub(crate) mod restore_config;
pub(crate) mod runbook;
pub(crate) mod ship;
pub(crate) mod show;
pub(crate) mod status;
pub(crate) mod trial;
pub(crate) mod verify;

use std::fmt::Write as _;

use lifeboat::format::Snapshot;

/// The widest name that others are aligned with.
const MAX_WIDTH: usize = 32;

/// Lines of a name and a value, aligned.
fn pairs<N: AsRef<str>>(lines: &[(N, String)]) -> String {
    let names = lines.iter().map(|(name, _)| name.as_ref().chars().count());
    let width = names.max().unwrap_or(0).min(MAX_WIDTH);
    let mut text = String::new();
    for (name, value) in lines {
        let _ = writeln!(text, "  {:width$}  {value}", name.as_ref());
    }
    text
}

/// A text that somebody else has chosen: such as could play with the terminal or with the eye is
/// shown in quotes, and escaped.
fn foreign(text: &str) -> String {
    let escaped = text.escape_debug().to_string();
    let unquoted = escaped.replace("\\'", "'").replace("\\\"", "\"");
    if unquoted == text && text.trim() == text && !text.is_empty() {
        text.to_owned()
    } else {
        format!("\"{escaped}\"")
    }
}

/// What a backup's transactions mean for whoever will restore it.
fn snapshot_words(snapshot: Option<&Snapshot>) -> String {
    match snapshot {
        None => "unknown: the server does not tell its transactions".to_owned(),
        Some(Snapshot { exact: true, last_tx, .. }) => {
            format!("exact: the graph as it was after transaction {last_tx}")
        }
        Some(Snapshot { first_tx, last_tx, .. }) => format!(
            "fuzzy: transactions {first_tx} to {last_tx} were committed while the graph was read, \
             and may be in the backup in part"
        ),
    }
}

/// Seconds with three digits behind the point.
fn seconds(duration: std::time::Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}

#[cfg(test)]
pub(crate) mod sample;

#[cfg(test)]
mod tests {
    use super::foreign;

    #[test]
    fn names_cannot_play_with_the_terminal() {
        for plain in ["Person", "a b", "ä漢😀", "it's \"x\"", "`odd`"] {
            assert_eq!(foreign(plain), plain);
        }
        assert_eq!(foreign("\x1b[2J"), r#""\u{1b}[2J""#);
        assert_eq!(foreign("a\nb"), r#""a\nb""#);
        assert_eq!(foreign("\u{202e}x"), r#""\u{202e}x""#);
        assert_eq!(foreign(" x"), "\" x\"");
        assert_eq!(foreign(""), "\"\"");
    }
}
