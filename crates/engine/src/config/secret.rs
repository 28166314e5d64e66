//! Where a secret is: in a file, or printed by a command.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::ConfigError;

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// In a file.
    File(PathBuf),
    /// On the standard output of a program: the program and its arguments, run without a shell.
    Command(Vec<String>),
}

impl SecretSource {
    /// The one of two keys that is set.
    ///
    /// # Errors
    /// When both are, or the command is empty.
    pub fn choose(
        name: &str,
        file: Option<PathBuf>,
        command: Option<Vec<String>>,
    ) -> Result<Option<Self>, String> {
        match (file, command) {
            (Some(_), Some(_)) => {
                Err(format!("{name}_file and {name}_command are both set; keep one"))
            }
            (_, Some(command)) if command.is_empty() => Err(format!("{name}_command is empty")),
            (Some(file), None) => Ok(Some(Self::File(file))),
            (None, command) => Ok(command.map(Self::Command)),
        }
    }

    pub(super) fn resolve(&mut self, folder: &Path) {
        if let Self::File(path) = self {
            *path = folder.join(&*path);
        }
    }

    /// Reads the secret, without the line break at its end.
    ///
    /// # Errors
    /// When there is none.
    pub fn read(&self) -> Result<String, ConfigError> {
        let text = match self {
            Self::File(path) => fs::read_to_string(path)
                .map_err(|error| ConfigError::SecretFile { path: path.clone(), error })?,
            Self::Command(words) => run(words)?,
        };
        let secret = text.strip_suffix('\n').unwrap_or(&text);
        let secret = secret.strip_suffix('\r').unwrap_or(secret);
        if secret.is_empty() {
            return Err(ConfigError::SecretEmpty { source_of: self.to_string() });
        }
        Ok(secret.to_owned())
    }
}

/// Without the arguments of a command, which may be secret themselves.
impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::Command(words) => {
                write!(f, "the command {}", words.first().map_or("", String::as_str))
            }
        }
    }
}

fn run(words: &[String]) -> Result<String, ConfigError> {
    let program = words.first().cloned().unwrap_or_default();
    let failed = |problem: String| ConfigError::SecretCommand { program: program.clone(), problem };
    let output = Command::new(&program)
        .args(words.iter().skip(1))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| failed(format!("cannot be run: {error}")))?;
    if !output.status.success() {
        return Err(failed(format!("failed: {}", output.status)));
    }
    String::from_utf8(output.stdout).map_err(|_| failed("printed something else than text".into()))
}
