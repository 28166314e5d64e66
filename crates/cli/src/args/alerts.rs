//! Arguments of what concerns alerts.

use clap::{Args, Subcommand};

use super::StateArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum AlertsCommand {
    /// List the alerts that are open, newest first
    #[command(after_help = "\
Examples:
  lifeboat alerts list
  lifeboat alerts list --all --limit 20
  lifeboat alerts list --json | jq -r '.alerts[].what'")]
    List(AlertsListArgs),
    /// Tell that you take care of an alert: it is neither repeated nor escalated any more
    #[command(after_help = "\
Examples:
  lifeboat alerts ack 17")]
    Ack(AlertsAckArgs),
    /// Send a test by every channel, and tell how each went
    #[command(after_help = "\
Examples:
  lifeboat alerts test
  lifeboat alerts test mail")]
    Test(AlertsTestArgs),
}

#[derive(Debug, Args)]
pub(crate) struct AlertsListArgs {
    /// Show those that are over, too
    #[arg(long)]
    pub(crate) all: bool,
    /// At most so many
    #[arg(long, value_name = "NUMBER", default_value = "100", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) state: StateArgs,
}

#[derive(Debug, Args)]
pub(crate) struct AlertsAckArgs {
    /// The alert's number
    #[arg(value_name = "NUMBER")]
    pub(crate) number: u64,
    #[command(flatten)]
    pub(crate) state: StateArgs,
}

#[derive(Debug, Args)]
pub(crate) struct AlertsTestArgs {
    /// Only this channel
    #[arg(value_name = "CHANNEL", value_parser = channel)]
    pub(crate) channel: Option<String>,
    #[command(flatten)]
    pub(crate) state: StateArgs,
}

/// A name that stands in an address as it is.
fn channel(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        Ok(text.to_owned())
    } else {
        Err("a channel is named with letters, digits, `-`, `_` and `.`".to_owned())
    }
}
