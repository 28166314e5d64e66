//! What a benchmark found: text and tables for people, and targets that are kept or missed.

use std::fmt::{self, Display, Write as _};

/// A benchmark's part of the document.
#[derive(Debug, Default)]
pub(super) struct Section {
    text: String,
    targets: Vec<Target>,
}

#[derive(Debug)]
struct Target {
    what: String,
    wanted: String,
    measured: String,
    kept: bool,
}

impl Section {
    /// A paragraph.
    pub(super) fn say(&mut self, text: impl Display) {
        // Writing to a string cannot fail.
        let _ = write!(self.text, "{text}\n\n");
    }

    /// A table.
    pub(super) fn table(&mut self, head: &[&str], rows: &[Vec<String>]) {
        let head: Vec<String> = head.iter().map(|&cell| cell.to_owned()).collect();
        let rule = vec!["---".to_owned(); head.len()];
        for row in [&head, &rule].into_iter().chain(rows) {
            let _ = writeln!(self.text, "| {} |", row.join(" | "));
        }
        self.text.push('\n');
    }

    /// A target: at most this much. What is not a number is too much.
    pub(super) fn at_most(&mut self, what: &str, measured: f64, limit: f64, unit: &str) {
        self.target(what, "≤", (measured, limit), unit, measured <= limit);
    }

    /// A target: at least this much. What is not a number is too little.
    pub(super) fn at_least(&mut self, what: &str, measured: f64, limit: f64, unit: &str) {
        self.target(what, "≥", (measured, limit), unit, measured >= limit);
    }

    /// Whether no target is missed.
    pub(super) fn targets_are_kept(&self) -> bool {
        self.targets.iter().all(|target| target.kept)
    }

    fn target(
        &mut self,
        what: &str,
        sign: &str,
        (measured, limit): (f64, f64),
        unit: &str,
        kept: bool,
    ) {
        let digits = if limit < 10.0 { 2 } else { 0 };
        let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
        self.targets.push(Target {
            what: what.to_owned(),
            wanted: format!("{sign} {limit}{unit}"),
            measured: format!("{measured:.digits$}{unit}"),
            kept,
        });
    }
}

impl Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}| Target | Wanted | Measured | |\n|---|---|---|---|", self.text)?;
        for Target { what, wanted, measured, kept } in &self.targets {
            let kept = if *kept { "kept" } else { "**missed**" };
            writeln!(f, "| {what} | {wanted} | {measured} | {kept} |")?;
        }
        Ok(())
    }
}

/// A number with its thousands apart.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes as MiB.
pub(super) fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_decide() {
        let mut section = Section::default();
        section.say("As measured.");
        section.table(&["a", "b"], &[vec!["1".to_owned(), "2".to_owned()]]);
        section.at_most("time", 0.15, 0.2, "");
        section.at_least("rate", 0.7, 0.6, "");
        assert!(section.targets_are_kept());
        section.at_most("memory", 201.0, 200.0, "MiB");
        assert!(!section.targets_are_kept());
        let text = section.to_string();
        assert!(
            text.starts_with("As measured.\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n\n| Target")
        );
        assert!(text.ends_with("| memory | ≤ 200 MiB | 201 MiB | **missed** |\n"), "{text}");
    }

    #[test]
    fn what_could_not_be_measured_is_missed() {
        let mut section = Section::default();
        section.at_least("rate", f64::NAN, 0.6, "");
        assert!(!section.targets_are_kept());
    }

    #[test]
    fn thousands_are_apart() {
        assert_eq!([0, 999, 1000, 1_234_567].map(number), ["0", "999", "1,000", "1,234,567"]);
    }
}
