//! Where words go: data to standard output, everything else to standard error.

use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;

use crate::args::GlobalArgs;
use crate::failure::{Failure, Result};
use crate::progress;

/// How to speak.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    /// JSON instead of words.
    pub(crate) json: bool,
    /// Nothing but errors and warnings.
    pub(crate) quiet: bool,
    /// Whether progress is shown: lines of JSON, or a bar on a terminal.
    pub(crate) progress: bool,
    /// Colours on standard output.
    pub(crate) colour: bool,
    /// Colours on standard error.
    pub(crate) error_colour: bool,
}

impl Output {
    pub(crate) fn new(args: &GlobalArgs) -> Self {
        let may = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        Self {
            json: args.json,
            quiet: args.quiet,
            progress: !args.no_progress && !args.quiet && (args.json || io::stderr().is_terminal()),
            colour: may && io::stdout().is_terminal(),
            error_colour: may && io::stderr().is_terminal(),
        }
    }

    /// Prints data, whatever the mood. A reader that has gone away (`| head`) is no failure.
    #[expect(clippy::unused_self, reason = "beside `report`, so that nothing prints past it")]
    pub(crate) fn print(self, text: &str) -> Result<()> {
        let mut stdout = io::stdout().lock();
        match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure {
                hint: None,
                ..Failure::from(io::Error::other(format!(
                    "cannot write to standard output: {error}"
                )))
            }),
            _ => Ok(()),
        }
    }

    /// Prints words for a person, unless these are unwanted.
    pub(crate) fn report(self, text: &str) -> Result<()> {
        if self.quiet || self.json { Ok(()) } else { self.print(text) }
    }

    /// Prints one document of JSON.
    pub(crate) fn document(self, document: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string_pretty(document).map_err(io::Error::from)?;
        self.print(&format!("{text}\n"))
    }

    /// Prints one line of JSON, when JSON is wanted.
    pub(crate) fn message(self, message: &impl Serialize) -> Result<()> {
        if !self.json {
            return Ok(());
        }
        let text = serde_json::to_string(message).map_err(io::Error::from)?;
        self.print(&format!("{text}\n"))
    }

    /// Tells a person something by the way.
    pub(crate) fn note(self, text: &str) {
        if !self.quiet && !self.json {
            say(text);
        }
    }

    /// Warns.
    pub(crate) fn warn(self, text: &str) {
        if self.json {
            let line = serde_json::json!({ "message_type": "warning", "message": text });
            say(&line.to_string());
        } else {
            say(&format!("{} {text}", paint(self.error_colour, YELLOW, "warning:")));
        }
    }

    /// Says why the command failed.
    pub(crate) fn fail(self, failure: &Failure) {
        if self.json {
            let line = serde_json::json!({
                "message_type": "error",
                "code": failure.code as u8,
                "message": failure.message,
                "hint": failure.hint,
            });
            say(&line.to_string());
            return;
        }
        say(&format!("{} {}", paint(self.error_colour, RED, "error:"), failure.message));
        if let Some(hint) = &failure.hint {
            say(&format!("{} {hint}", paint(self.error_colour, CYAN, "hint:")));
        }
    }
}

/// A line on standard error, beside a progress bar if there is one.
pub(crate) fn say(line: &str) {
    progress::beside_bar(|| {
        // There is nobody left to tell when even this fails.
        let _ = writeln!(io::stderr(), "{line}");
    });
}

pub(crate) const RED: &str = "1;31";
pub(crate) const GREEN: &str = "32";
pub(crate) const YELLOW: &str = "1;33";
pub(crate) const CYAN: &str = "36";

/// Text in a colour, if colours are wanted.
pub(crate) fn paint(colour: bool, code: &str, text: &str) -> String {
    if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}
