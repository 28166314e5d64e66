//! What the doctor found.

use std::fmt::Write as _;

use lifeboat::doctor::{Diagnosis, Outcome};

use crate::output::{GREEN, RED, YELLOW, paint};

/// What a program reads.
pub(crate) fn json(diagnosis: &Diagnosis) -> serde_json::Value {
    let word = |outcome| match outcome {
        Outcome::Good => "good",
        Outcome::Warning => "warning",
        Outcome::Failed => "failed",
    };
    let checks: Vec<_> = diagnosis
        .checks
        .iter()
        .map(|check| {
            serde_json::json!({
                "name": check.name,
                "outcome": word(check.outcome),
                "detail": check.detail,
            })
        })
        .collect();
    serde_json::json!({ "outcome": word(diagnosis.outcome()), "checks": checks })
}

/// Whether the terminal shows more than ASCII, by the variables that say so.
pub(crate) fn speaks_utf8() -> bool {
    ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|value| !value.is_empty())
        .is_some_and(|value| {
            let value = value.to_ascii_lowercase();
            value.contains("utf-8") || value.contains("utf8")
        })
}

/// What a person reads.
pub(crate) fn text(diagnosis: &Diagnosis, ascii: bool, colour: bool) -> String {
    let width = diagnosis.checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for check in &diagnosis.checks {
        let (mark, plain, code) = match check.outcome {
            Outcome::Good => ("✓", "ok  ", GREEN),
            Outcome::Warning => ("!", "warn", YELLOW),
            Outcome::Failed => ("✗", "FAIL", RED),
        };
        let mark = paint(colour, code, if ascii { plain } else { mark });
        let _ = writeln!(text, "{mark} {:width$}  {}", check.name, check.detail);
    }
    let count = |outcome| diagnosis.checks.iter().filter(|check| check.outcome == outcome).count();
    let verdict = match (count(Outcome::Failed), count(Outcome::Warning)) {
        (0, 0) => "everything is as it should be".to_owned(),
        (0, warnings) => format!("works, with {warnings} to look at"),
        (failed, _) => format!("{failed} of {} checks failed", diagnosis.checks.len()),
    };
    text.push_str(&verdict);
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use lifeboat::doctor::Check;

    use super::*;

    fn diagnosis() -> Diagnosis {
        let check =
            |name, outcome, detail: &str| Check { name, outcome, detail: detail.to_owned() };
        Diagnosis {
            checks: vec![
                check("connection", Outcome::Good, "bolt://h:7687 answers Neo4j/5.26.18"),
                check("server clock", Outcome::Warning, "90 s behind this machine's"),
                check("vault", Outcome::Failed, "the vault /x does not exist"),
            ],
        }
    }

    #[test]
    fn shows_marks() {
        insta::assert_snapshot!(text(&diagnosis(), false, false));
        insta::assert_snapshot!(text(&diagnosis(), true, false));
        assert!(text(&diagnosis(), true, true).contains("\x1b[1;31mFAIL"));
        insta::assert_json_snapshot!(json(&diagnosis()));
    }
}
