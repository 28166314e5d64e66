//! How the process ends: an exit code, a message, and a hint.
//!
//! The engine's messages end with what to do, after a semicolon. Here that becomes a line of its
//! own, so that it is seen.

use std::fmt::Display;

use lifeboat::config::ConfigError;
use lifeboat::{Error, ExitCode};

/// A result of this crate.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// Why the command did not do what it should.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: ExitCode,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Failure {
    /// Called wrongly, or with settings that cannot be used.
    pub(crate) fn usage(message: impl Display, hint: impl Display) -> Self {
        Self { code: ExitCode::Usage, message: message.to_string(), hint: Some(hint.to_string()) }
    }

    /// Not done, to protect what is there.
    pub(crate) fn refused(message: impl Display, hint: impl Display) -> Self {
        Self {
            code: ExitCode::GuardRefused,
            message: message.to_string(),
            hint: Some(hint.to_string()),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let (message, hint) = split(&error.to_string());
        Self { code: error.exit_code(), message, hint: own_hint(&error).or(hint) }
    }
}

impl From<lifeboat::vault::Error> for Failure {
    fn from(error: lifeboat::vault::Error) -> Self {
        Error::from(error).into()
    }
}

impl From<lifeboat_service::Error> for Failure {
    fn from(error: lifeboat_service::Error) -> Self {
        match error {
            lifeboat_service::Error::Config(error) => error.into(),
            error => {
                let (message, hint) = split(&error.to_string());
                Self { code: error.exit_code(), message, hint }
            }
        }
    }
}

impl From<lifeboat_runbook::Error> for Failure {
    fn from(error: lifeboat_runbook::Error) -> Self {
        match error {
            lifeboat_runbook::Error::Config(error) => error.into(),
            lifeboat_runbook::Error::Verb(error) => error.into(),
            error => {
                let (message, hint) = split(&error.to_string());
                Self { code: error.exit_code(), message, hint }
            }
        }
    }
}

impl From<lifeboat_runbook::StepError> for Failure {
    fn from(error: lifeboat_runbook::StepError) -> Self {
        lifeboat_runbook::Error::from(error).into()
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let hint = match &error {
            ConfigError::Invalid { .. } => {
                Some("docs/reference/config.md describes every setting".to_owned())
            }
            ConfigError::Read { .. } => {
                Some("name another file with -c, or leave it out".to_owned())
            }
            _ => None,
        };
        Self { code: ExitCode::Usage, message: error.to_string(), hint }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self { code: ExitCode::Failed, message: error.to_string(), hint: None }
    }
}

/// Where this program knows better than the library what the person can do.
fn own_hint(error: &Error) -> Option<String> {
    match error {
        Error::RolledBack { .. } if error.exit_code() == ExitCode::Interrupted => {
            Some("the database is as it was; the safety backup can go when you like".into())
        }
        Error::Vault(lifeboat::vault::Error::Damaged { .. }) | Error::Damaged { .. } => Some(
            "`lifeboat list` shows the other backups, `lifeboat verify --all` checks them".into(),
        ),
        Error::Folder { error, .. } if error.kind() == std::io::ErrorKind::StorageFull => {
            Some("free some space on that disk and try again; the old data is where it was".into())
        }
        Error::RolledBack { .. } => {
            Some("the database is as it was; mend the cause and try again".into())
        }
        _ => None,
    }
}

/// Takes the advice off the end of a message.
fn split(text: &str) -> (String, Option<String>) {
    match text.rsplit_once("; ") {
        Some((message, advice))
            if advice.starts_with(|c: char| c.is_ascii_lowercase() || c == '`') =>
        {
            (message.to_owned(), Some(advice.to_owned()))
        }
        _ => (text.to_owned(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_becomes_a_hint() {
        let error = lifeboat::vault::Error::VaultMissing {
            vault: "/x".to_owned(),
            hint: "make it with `mkdir /x`".to_owned(),
        };
        let failure = Failure::from(error);
        assert_eq!(failure.code, ExitCode::VaultMissing);
        assert_eq!(failure.message, "the vault /x does not exist");
        assert_eq!(failure.hint.as_deref(), Some("make it with `mkdir /x`"));
        assert_eq!(split("plain"), ("plain".to_owned(), None));
        assert_eq!(split("a; B"), ("a; B".to_owned(), None));
    }
}
