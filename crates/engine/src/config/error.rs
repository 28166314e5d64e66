//! What can be wrong with the settings file, told by file, line and key, and never by the value: a
//! secret may have been put where it does not belong.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the settings in {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// The file holds something else than settings.
    #[error("{}, line {line}{}: {problem}", path.display(), key.as_ref().map(|key| format!(", {key}")).unwrap_or_default())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// The key, with its section, when the line has one.
        key: Option<String>,
        /// What is wrong.
        problem: String,
    },
    /// The file of a secret cannot be read.
    #[error("cannot read the secret in {}: {error}", path.display())]
    SecretFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// The command of a secret failed.
    #[error("the command {program:?}, which should print a secret, {problem}")]
    SecretCommand {
        /// The program, without its arguments.
        program: String,
        /// How it failed.
        problem: String,
    },
    /// A secret is empty.
    #[error("{source_of} holds no secret: it is empty")]
    SecretEmpty {
        /// The file or program.
        source_of: String,
    },
}

impl ConfigError {
    /// Of a parser's error: told by file, line and key.
    pub fn in_file(path: &Path, text: &str, error: &toml::de::Error) -> Self {
        let (line, key) = error.span().map_or((1, None), |span| place(text, &span));
        let (key, problem) = describe(key, error.message());
        Self::Invalid { path: path.to_owned(), line, key, problem }
    }
}

/// Line and key of a place in the text.
fn place(text: &str, span: &Range<usize>) -> (usize, Option<String>) {
    let start = span.start.min(text.len());
    let before = text.get(..start).unwrap_or_default();
    let number = before.matches('\n').count();
    let line = text.lines().nth(number).unwrap_or_default().trim();
    let section = text
        .lines()
        .take(number + 1)
        .filter_map(|line| line.trim().strip_prefix('[')?.split(']').next())
        .last();
    let key = match line.split_once('=') {
        Some((key, _)) if !line.starts_with('#') => {
            let key = key.trim();
            Some(section.map_or_else(|| key.to_owned(), |section| format!("{section}.{key}")))
        }
        _ => section.map(str::to_owned),
    };
    (number + 1, key)
}

/// The parser's words, in ours.
fn describe(key: Option<String>, message: &str) -> (Option<String>, String) {
    let message = message.lines().map(str::trim).collect::<Vec<_>>().join(", ");
    if let Some(rest) = message.strip_prefix("unknown field `") {
        let name = rest.split('`').next().unwrap_or_default();
        let secret =
            ["password", "token", "secret", "key", "sas"].iter().any(|word| name.ends_with(word));
        let known = rest.split_once("expected ").map_or("", |(_, known)| known);
        let known = known.trim_start_matches("one of ");
        let problem = if secret {
            "secrets do not belong in this file; name a file or a command that has it, or set it \
             in the environment"
                .to_owned()
        } else {
            format!("there is no such setting; known are {known}")
        };
        return (key, problem);
    }
    // Says what the value is, which may be a secret in the wrong place.
    if let Some(rest) = message.strip_prefix("invalid type: ") {
        let expected =
            rest.rsplit_once("expected ").map_or("another type", |(_, expected)| expected);
        return (key, format!("the value is of the wrong type; expected {expected}"));
    }
    (key, message)
}
