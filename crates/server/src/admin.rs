//! Running Neo4j's administration tool (`neo4j-admin`).
//!
//! It is the only way to some things: an initial password, a bulk import, a consistency check, a
//! dump. What it prints is captured, so that a failure can say why. A password never stands in
//! the command line, where every user of the machine could read it: the tool takes arguments from
//! a file too (`@file`), which only we can read.

use std::{
    ffi::{OsStr, OsString},
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Stdio,
};

use crate::{
    Error, Installation,
    launch::{self, Jvm},
};

/// How much of the output an error carries.
const MAX_OUTPUT_IN_ERROR: usize = 8 * 1024;

/// What a successful administration command printed.
#[derive(Clone, Debug)]
pub struct AdminOutput {
    /// Its standard output.
    pub stdout: String,
    /// Its standard error; the tool reports progress there.
    pub stderr: String,
}

/// The administration tool of an installation, on a home.
#[derive(Clone, Debug)]
pub struct AdminTool {
    installation: Installation,
    home: PathBuf,
    conf: Option<PathBuf>,
    heap_mib: u32,
    jvm_flags: Vec<OsString>,
}

impl AdminTool {
    /// The tool with the home's own configuration and a heap of at most 512 MiB.
    pub fn new(installation: &Installation, home: impl Into<PathBuf>) -> Self {
        Self {
            installation: installation.clone(),
            home: home.into(),
            conf: None,
            heap_mib: 512,
            jvm_flags: Vec::new(),
        }
    }

    /// Takes the configuration from another folder than the home's `conf`.
    #[must_use]
    pub fn conf(mut self, folder: impl Into<PathBuf>) -> Self {
        self.conf = Some(folder.into());
        self
    }

    /// Sets the largest heap, in MiB; a bulk import also takes memory outside of it.
    #[must_use]
    pub fn heap_mib(mut self, mib: u32) -> Self {
        self.heap_mib = mib;
        self
    }

    /// Adds a flag for the Java machine.
    #[must_use]
    pub fn jvm_flag(mut self, flag: impl Into<OsString>) -> Self {
        self.jvm_flags.push(flag.into());
        self
    }

    /// For a command that has little to do, see
    /// [`ServerOptions::soon_done`](crate::ServerOptions::soon_done).
    #[must_use]
    pub fn soon_done(self) -> Self {
        self.jvm_flag(launch::SOON_DONE)
    }

    /// Runs a command: `["database", "info", "neo4j"]`. Dropping the future kills it.
    ///
    /// # Errors
    /// When it cannot be run or ends with a failure; the end of its output is in the error.
    pub async fn run<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<AdminOutput, Error> {
        let arguments: Vec<OsString> =
            arguments.into_iter().map(|argument| argument.as_ref().to_owned()).collect();
        self.execute(&arguments, None).await
    }

    /// Sets the password of the user `neo4j`. Works only before the home's first start.
    ///
    /// # Errors
    /// As [`run`](Self::run); the password is in no error.
    pub async fn set_initial_password(&self, password: &str) -> Result<(), Error> {
        let arguments = ["dbms", "set-initial-password"].map(OsString::from);
        self.execute(&arguments, Some(password)).await.map(drop)
    }

    async fn execute(
        &self,
        arguments: &[OsString],
        secret: Option<&str>,
    ) -> Result<AdminOutput, Error> {
        let scratch = tempfile::Builder::new().prefix("lifeboat-admin-").tempdir();
        let scratch = scratch.map_err(Error::io("create a folder in", std::env::temp_dir()))?;
        let mut flags = self.jvm_flags.clone();
        // Files are read in it, whatever the locale says.
        flags.push("-Dfile.encoding=UTF-8".into());
        let jvm = Jvm { heap_mib: self.heap_mib, flags: &flags, ..Jvm::default() };
        let main_class = "org.neo4j.cli.AdminTool";
        let mut command = launch::java(&self.installation, scratch.path(), main_class, &jvm)?;
        command.args(arguments);
        if let Some(secret) = secret {
            let file = scratch.path().join("secret");
            write_secret(&file, secret).map_err(Error::io("write", &file))?;
            let mut at_file = OsString::from("@");
            at_file.push(&file);
            command.arg(at_file);
        }
        let conf = self.conf.clone().unwrap_or_else(|| self.home.join("conf"));
        command.env("NEO4J_HOME", &self.home).env("NEO4J_CONF", conf).stdin(Stdio::null());
        let program = self.installation.java().program();
        let output = tokio::process::Command::from(command)
            .kill_on_drop(true)
            .output()
            .await
            .map_err(Error::io("run", program))?;
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() {
            return Ok(AdminOutput { stdout, stderr });
        }
        let hidden = secret.map(|_| "***".into());
        let words = arguments.iter().map(|argument| argument.to_string_lossy()).chain(hidden);
        let mut text = format!("{}\n{}", stdout.trim(), stderr.trim());
        if let Some(secret) = secret.filter(|secret| !secret.is_empty()) {
            text = text.replace(secret, "***");
        }
        Err(Error::Admin {
            command: words.collect::<Vec<_>>().join(" "),
            status: output.status.to_string(),
            output: tail(text.trim(), MAX_OUTPUT_IN_ERROR).to_owned(),
        })
    }
}

/// Writes a secret as one argument of an argument file, readable by this user only.
fn write_secret(file: &Path, secret: &str) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    let escaped = secret.replace('\\', "\\\\").replace('"', "\\\"");
    // A password may begin with a dash: what follows `--` is no option.
    write!(file, "--\n\"{escaped}\"\n")
}

/// The last bytes of a text, from the start of a line.
pub(crate) fn tail(text: &str, max: usize) -> &str {
    if text.len() <= max {
        return text;
    }
    let start = (text.len() - max..text.len()).find(|&i| text.is_char_boundary(i));
    let end = &text[start.unwrap_or(text.len())..];
    end.split_once('\n').map_or(end, |(_, lines)| lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_begins_with_a_line() {
        assert_eq!(tail("short", 10), "short");
        assert_eq!(tail("one\ntwo\nthree", 8), "three");
        assert_eq!(tail("ééééé", 3), "é");
    }
}
