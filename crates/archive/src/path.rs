//! Which paths an archive may hold: only those that stay below the folder they are unpacked in, on
//! every system, and that a person can read.

/// The longest path, in bytes.
const MAX_PATH: usize = 4096;
/// The longest component of a path, in bytes (the limit of common file systems).
const MAX_COMPONENT: usize = 255;

/// A path that must not stand in an archive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the path {path:?} cannot stand in an archive: {reason}")]
pub struct PathError {
    /// The path, shortened when it is very long.
    pub path: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// Checks that `path` is relative, uses `/` only, and has no empty, `.` or `..` component, no
/// backslash, no drive letter and no control character; at most 4096 bytes, 255 per component.
pub fn check_path(path: &str) -> Result<(), PathError> {
    problem(path)
        .map_or(Ok(()), |reason| Err(PathError { path: path.chars().take(200).collect(), reason }))
}

fn problem(path: &str) -> Option<&'static str> {
    if path.is_empty() {
        return Some("it is empty");
    }
    if path.len() > MAX_PATH {
        return Some("it is longer than 4096 bytes");
    }
    if path.starts_with('/') {
        return Some("it is absolute");
    }
    if path.contains('\\') {
        return Some("it contains a backslash");
    }
    if path.chars().any(char::is_control) {
        return Some("it contains a control character");
    }
    if path.as_bytes()[0].is_ascii_alphabetic() && path.as_bytes().get(1) == Some(&b':') {
        return Some("it begins with a drive letter");
    }
    path.split('/').find_map(|component| match component {
        "" => Some("it has an empty component"),
        "." | ".." => Some("it has a `.` or `..` component"),
        _ if component.len() > MAX_COMPONENT => Some("a component is longer than 255 bytes"),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_backups_hold() {
        let long = "d/".repeat(2000) + "f";
        for path in ["a", "nodes/000000.jsonl", "data/a b/ü.db", ".hidden", "..a/b..", &long] {
            assert_eq!(check_path(path), Ok(()), "{path}");
        }
    }

    #[test]
    fn refuses_what_could_leave_the_folder() {
        let component = "x".repeat(256);
        let long = "dd/".repeat(2000);
        for path in [
            "",
            "/",
            "/etc/passwd",
            "..",
            "../a",
            "a/../b",
            "a/..",
            "./a",
            "a/.",
            "a//b",
            "a/",
            "a\\b",
            "..\\a",
            "C:",
            "c:/x",
            "a\0b",
            "a\nb",
            "\u{85}",
            &component,
            &long,
        ] {
            assert!(check_path(path).is_err(), "{path}");
        }
    }
}
