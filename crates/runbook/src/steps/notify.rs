//! `notify`: people are told how far the run is: the contacts of `[alerts]` by their channels, and
//! whoever the command of `runbooks.notify` tells.

use async_trait::async_trait;
use serde::Deserialize;

use crate::action::{Action, Context, Field, Finding, Outputs};
use crate::command;
use crate::error::StepError;
use crate::messenger::{Contact, Told};
use crate::template::Template;
use crate::value::Kind;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Notify {
    /// What is said.
    message: Template,
    /// Which contacts of `[alerts]`; all that have a channel when not given.
    contacts: Option<Vec<String>>,
}

impl Notify {
    /// Who is told.
    fn chosen(&self, cx: &Context<'_>) -> Result<Vec<Contact>, StepError> {
        let known = cx.world.messenger.as_ref().map_or_else(Vec::new, |them| them.contacts());
        let Some(names) = &self.contacts else { return Ok(known) };
        let find = |name: &String| {
            known.iter().find(|contact| contact.name == *name).cloned().ok_or_else(|| {
                StepError::Value(format!(
                    "there is no contact {name} that has a channel; write [[alerts.contacts]] into \
                     lifeboat.toml"
                ))
            })
        };
        names.iter().map(find).collect()
    }
}

/// Who, and how.
fn words(contact: &Contact) -> String {
    format!("{} by {}", contact.name, contact.channels.join(", "))
}

#[async_trait]
impl Action for Notify {
    fn title(&self) -> String {
        "Tell people".to_owned()
    }

    fn fields(&self) -> Vec<Field<'_>> {
        vec![Field::new("message", &self.message, Kind::Text)]
    }

    /// `told`: by which ways it has arrived, separated by spaces.
    fn outputs(&self) -> &'static [(&'static str, Kind)] {
        &[("told", Kind::Text)]
    }

    fn describe(&self, cx: &Context<'_>) -> Vec<String> {
        let message = self.message.show(cx.values);
        let mut ways: Vec<String> = match self.chosen(cx) {
            Ok(contacts) => contacts.iter().map(words).collect(),
            Err(error) => vec![format!("nobody ({error})")],
        };
        if let Some(program) = cx.world.sites.runbooks.notify.first() {
            ways.push(format!("whoever {} tells", program.show(cx.values)));
        }
        if ways.is_empty() {
            return vec![format!("say nothing to anybody of: {message}")];
        }
        vec![format!("tell {}: {message}", ways.join("; "))]
    }

    async fn check(&self, cx: &Context<'_>) -> Vec<Finding> {
        let mut found = match self.chosen(cx) {
            Ok(contacts) => contacts
                .iter()
                .map(|contact| Finding::ok(format_args!("told is {}", words(contact))))
                .collect(),
            Err(error) => vec![Finding::failed(error)],
        };
        let program = cx.world.sites.runbooks.notify.first().and_then(Template::as_text);
        match program {
            None if found.is_empty() => found.push(Finding::unknown(
                "nobody is told: neither [[alerts.contacts]] nor runbooks.notify is set",
            )),
            None => {}
            Some(program) if command::exists(program) => {
                found.push(Finding::ok(format_args!("people are told by {program}")));
            }
            Some(program) => {
                found.push(Finding::failed(format_args!("there is no program {program}")));
            }
        }
        found
    }

    /// One way that works is enough: what others did not deliver is in the log.
    async fn run(&self, cx: &Context<'_>) -> Result<Outputs, StepError> {
        let mut message = cx.value(&self.message, Kind::Text)?;
        if let Some(drill) = &cx.world.drill {
            message = format!("[drill {}] {message}", drill.id);
        }
        tracing::info!(%message, "runbook");
        let contacts = self.chosen(cx)?;
        let mut told = match &cx.world.messenger {
            Some(messenger) => tokio::select! {
                told = messenger.tell(&contacts, &message) => told,
                () = cx.cancel.cancelled() => return Err(StepError::Interrupted),
            },
            None => Vec::new(),
        };
        let mut words = command::resolve(cx, &cx.world.sites.runbooks.notify)?;
        if let Some(program) = words.first().cloned() {
            words.push(message);
            let error = match command::run(cx, &words, None).await {
                Err(error) if error.is_interruption() => return Err(error),
                ran => ran.err().map(|error| error.to_string()),
            };
            told.push(Told { channel: program, error });
        }
        outcome(told)
    }
}

fn outcome(told: Vec<Told>) -> Result<Outputs, StepError> {
    let (mut arrived, mut failed) = (Vec::new(), Vec::new());
    for Told { channel, error } in told {
        match error {
            None => arrived.push(channel),
            Some(error) => {
                tracing::warn!(channel, error, "people were not told");
                failed.push(format!("{channel}: {error}"));
            }
        }
    }
    if arrived.is_empty() && !failed.is_empty() {
        return Err(StepError::Untold(failed.join("; ")));
    }
    Ok(Outputs::from([("told".to_owned(), arrived.join(" "))]))
}
