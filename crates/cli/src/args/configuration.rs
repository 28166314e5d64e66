//! Arguments of what concerns configurations, and sets of a database and a configuration.

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, Error, FromArgMatches, Subcommand, ValueEnum, ValueHint};
use lifeboat::format::Compression;
use lifeboat::select::Selector;
use lifeboat::sets::SetName;

use super::{DatabaseArgs, RestoreArgs, VaultArgs, selector};

/// What to back up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    /// The database
    #[default]
    Database,
    /// The configuration of the application, as [config_backup] of the settings lists it
    Config,
    /// Both, bound as one recovery set
    All,
}

/// `restore`: of a database, unless a word says otherwise.
#[derive(Debug)]
pub(crate) enum RestoreCommand {
    Database(RestoreArgs),
    Of(RestoreOf),
}

// By hand, since the arguments are required only when there is no such word.
impl FromArgMatches for RestoreCommand {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        if matches.subcommand_name().is_none() {
            return RestoreArgs::from_arg_matches(matches).map(Self::Database);
        }
        if matches.value_source("backup") == Some(ValueSource::CommandLine) {
            let text = "a backup is named behind `config` or `set`, as in `lifeboat restore config \
                        BACKUP --to DIR`\n";
            return Err(Error::raw(ErrorKind::ArgumentConflict, text));
        }
        RestoreOf::from_arg_matches(matches).map(Self::Of)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for RestoreCommand {
    fn augment_args(command: Command) -> Command {
        let command = RestoreArgs::augment_args(command);
        RestoreOf::augment_subcommands(command)
            .subcommand_negates_reqs(true)
            .subcommand_required(false)
            .arg_required_else_help(false)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum RestoreOf {
    /// Restore a configuration, into a folder or to where it was
    Config(RestoreConfigArgs),
    /// Restore a recovery set: a database, and the configuration that was backed up with it
    Set(RestoreSetArgs),
}

/// Where a configuration goes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Configuration")]
pub(crate) struct DestinationArgs {
    /// Restore below this folder; with --in-place, only what is no file of the system: values of
    /// the environment, outputs of commands, lists
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, required_unless_present = "in_place")]
    pub(crate) to: Option<PathBuf>,
    /// Restore files to where they were; what is there is kept beside, under a dated name
    #[arg(long)]
    pub(crate) in_place: bool,
}

#[derive(Debug, Args)]
#[command(
    long_about = "Restore a configuration, into a folder or to where it was\n\n\
    Every byte of the backup is verified before anything is written. Each file takes its place in \
    one step, and the one that was there stays beside it. Files that are not in the backup stay; \
    nothing is run. Links that lead out of the folder are not restored.",
    after_help = "\
Examples:
  lifeboat restore config --in-place --dry-run
  lifeboat restore config --to /tmp/settings
  lifeboat restore config config-backup-20261124-020000 --in-place --yes"
)]
pub(crate) struct RestoreConfigArgs {
    /// Which backup: `latest`, a name, or the name of its file
    #[arg(value_name = "BACKUP", value_parser = selector, default_value = "latest")]
    pub(crate) backup: Selector,
    #[command(flatten)]
    pub(crate) destination: DestinationArgs,
    #[command(flatten)]
    pub(crate) vault: VaultArgs,
    /// Only show what would be done, with the differences of texts
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// Do not ask before files are replaced
    #[arg(short, long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
#[command(
    long_about = "Restore a recovery set: a database, and the configuration that was backed up with it\n\n\
    Both backups are verified before anything is touched. The database comes first; if that fails, \
    the configuration is left alone.",
    after_help = "\
Examples:
  lifeboat restore set latest --in-place --dry-run
  lifeboat restore set set-20261124-020000 --to /tmp/settings --replace --yes"
)]
pub(crate) struct RestoreSetArgs {
    /// Which set: `latest`, or its name
    #[arg(value_name = "SET", value_parser = set)]
    pub(crate) set: SetChoice,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    #[command(flatten)]
    pub(crate) destination: DestinationArgs,
    #[command(flatten)]
    pub(crate) vault: VaultArgs,
    /// Replace what the database holds; a safety backup of it is taken first
    #[arg(long)]
    pub(crate) replace: bool,
    /// Only show what would be done
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// Do not ask before data or files are replaced
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// How to compress the safety backup: `zstd` or `gzip`, as in `zstd:9`
    #[arg(
        long,
        value_name = "METHOD",
        default_value = "zstd",
        env = "LIFEBOAT_COMPRESSION",
        hide_env_values = true
    )]
    pub(crate) compression: Compression,
}

/// A set, by name or the newest that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SetChoice(pub(crate) Option<SetName>);

fn set(text: &str) -> Result<SetChoice, String> {
    if text == "latest" {
        return Ok(SetChoice(None));
    }
    text.parse().map(|name| SetChoice(Some(name))).map_err(|error| format!("{error}"))
}
