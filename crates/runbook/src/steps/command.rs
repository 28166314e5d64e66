//! `command`: what no other kind can do.

use async_trait::async_trait;
use serde::Deserialize;

use crate::action::{Action, Context, Field, Finding, Outputs, Repeat};
use crate::command;
use crate::error::StepError;
use crate::template::Template;
use crate::value::Kind;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Command {
    /// The program and its arguments, run without a shell.
    command: Vec<Template>,
    /// It may be run again when nobody knows whether it has run to its end.
    #[serde(default)]
    repeatable: bool,
}

#[async_trait]
impl Action for Command {
    fn title(&self) -> String {
        "Run a command".to_owned()
    }

    fn fields(&self) -> Vec<Field<'_>> {
        self.command.iter().map(|word| Field::new("command", word, Kind::Text)).collect()
    }

    /// `output`: what it printed.
    fn outputs(&self) -> &'static [(&'static str, Kind)] {
        &[("output", Kind::Text)]
    }

    fn repeat(&self) -> Repeat {
        if self.repeatable { Repeat::Safe } else { Repeat::Ask }
    }

    fn describe(&self, cx: &Context<'_>) -> Vec<String> {
        let words: Vec<_> = self.command.iter().map(|word| word.show(cx.values)).collect();
        vec![format!("run `{}`", words.join(" "))]
    }

    async fn check(&self, cx: &Context<'_>) -> Vec<Finding> {
        match self.command.first().map(|word| word.resolve(cx.values)) {
            None => vec![Finding::failed("no command is given")],
            Some(Err(reference)) => vec![Finding::unknown(format_args!("the program {reference}"))],
            Some(Ok(program)) if command::exists(&program) => {
                vec![Finding::ok(format_args!("the program {program} is there"))]
            }
            Some(Ok(program)) => {
                vec![Finding::failed(format_args!("there is no program {program}; install it"))]
            }
        }
    }

    async fn run(&self, cx: &Context<'_>) -> Result<Outputs, StepError> {
        let words = command::resolve(cx, &self.command)?;
        let output = command::run(cx, &words, None).await?;
        Ok(Outputs::from([("output".to_owned(), output.trim_end().to_owned())]))
    }
}
