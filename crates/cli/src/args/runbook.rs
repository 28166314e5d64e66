//! Arguments of what is done with runbooks, drills and fences.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use super::{duration, moment};

#[derive(Debug, Subcommand)]
pub(crate) enum RunbookCommand {
    /// List the runbooks, and what is wrong with those that cannot be used
    #[command(after_help = "\
Examples:
  lifeboat runbook list")]
    List,
    /// Show a runbook: what it is for, its inputs and its steps
    #[command(after_help = "\
Examples:
  lifeboat runbook show region
  lifeboat runbook show ./restart-api.toml")]
    Show(RunbookNameArgs),
    /// Say exactly what a run would do, and check everything that can be checked before
    #[command(
        long_about = "Say exactly what a run would do, and check everything that can be checked before\n\n\
        Nothing is changed. Exits with 1 when a step would fail, and with 14 when it would take \
        longer than objectives.rto allows.",
        after_help = "\
Examples:
  lifeboat runbook plan corruption
  lifeboat runbook plan region --input until=2026-11-24T01:30:00Z"
    )]
    Plan(RunbookPlanArgs),
    /// Carry a runbook out
    #[command(
        long_about = "Carry a runbook out\n\n\
        What is intended is written down before it is done, here and in the vaults. Ctrl-C stops at \
        a safe point; a run that has stopped, or whose machine is lost, goes on with `runbook \
        resume`, from any machine that has the settings.",
        after_help = "\
Examples:
  lifeboat runbook run corruption
  lifeboat runbook run region --declared 2026-11-24T01:40:00Z --yes"
    )]
    Run(RunbookRunArgs),
    /// Show where runs are
    #[command(after_help = "\
Examples:
  lifeboat runbook status
  lifeboat runbook status region-20261124-014000-3f2a --json")]
    Status(RunbookStatusArgs),
    /// Go on with a run that has stopped, here or on another machine
    #[command(after_help = "\
Examples:
  lifeboat runbook resume region-20261124-014000-3f2a
  lifeboat runbook resume region-20261124-014000-3f2a --done provision")]
    Resume(RunbookResumeArgs),
    /// Agree that a step begins
    #[command(after_help = "\
Examples:
  lifeboat runbook approve failback-20261124-014000-3f2a agree")]
    Approve(RunbookApproveArgs),
    /// Give a run up
    #[command(after_help = "\
Examples:
  lifeboat runbook abort region-20261124-014000-3f2a --undo")]
    Abort(RunbookAbortArgs),
    /// Write a built-in runbook into your own folder, to change it there
    #[command(after_help = "\
Examples:
  lifeboat runbook eject region --dir runbooks")]
    Eject(RunbookEjectArgs),
}

#[derive(Debug, Args)]
pub(crate) struct RunbookNameArgs {
    /// Its name, or the path of its file
    #[arg(value_name = "RUNBOOK")]
    pub(crate) runbook: String,
}

/// What a run is given.
#[derive(Debug, Clone, Args)]
pub(crate) struct InputArgs {
    /// An input of the runbook; may be repeated
    #[arg(short, long = "input", value_name = "NAME=VALUE", value_parser = input)]
    pub(crate) inputs: Vec<(String, String)>,
}

#[derive(Debug, Args)]
pub(crate) struct RunbookPlanArgs {
    #[command(flatten)]
    pub(crate) runbook: RunbookNameArgs,
    #[command(flatten)]
    pub(crate) inputs: InputArgs,
}

/// When it happened.
#[derive(Debug, Clone, Args)]
pub(crate) struct MomentArgs {
    /// When the disaster was declared, from which the RTO counts; else now
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) declared: Option<jiff::Timestamp>,
    /// When it happened, as far as somebody knows: nothing after it could be saved
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) disaster: Option<jiff::Timestamp>,
    /// When something was last written before it, as far as somebody knows: the RPO counts to there
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) last_write: Option<jiff::Timestamp>,
}

#[derive(Debug, Args)]
pub(crate) struct RunbookRunArgs {
    #[command(flatten)]
    pub(crate) runbook: RunbookNameArgs,
    #[command(flatten)]
    pub(crate) inputs: InputArgs,
    #[command(flatten)]
    pub(crate) moments: MomentArgs,
    /// Begin although the plan shows that a step would fail
    #[arg(long)]
    pub(crate) force: bool,
    /// Agree to every step that asks
    #[arg(short, long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RunbookStatusArgs {
    /// The run; else all of them
    #[arg(value_name = "RUN")]
    pub(crate) run: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The run
    #[arg(value_name = "RUN")]
    pub(crate) run: String,
}

#[derive(Debug, Args)]
pub(crate) struct RunbookResumeArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// This step, of which nobody knows how far it came, was done
    #[arg(long, value_name = "STEP")]
    pub(crate) done: Vec<String>,
    /// This step, of which nobody knows how far it came, is to be done again
    #[arg(long, value_name = "STEP")]
    pub(crate) again: Vec<String>,
    /// Agree to every step that asks
    #[arg(short, long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RunbookApproveArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// The step
    #[arg(value_name = "STEP")]
    pub(crate) step: String,
}

#[derive(Debug, Args)]
pub(crate) struct RunbookAbortArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// Undo what was done, the last first, as far as that goes
    #[arg(long)]
    pub(crate) undo: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RunbookEjectArgs {
    /// Its name
    #[arg(value_name = "RUNBOOK")]
    pub(crate) runbook: String,
    /// The folder; else runbooks.folder of the settings
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum FenceCommand {
    /// Exit with 13 when an environment is fenced: to be asked before its services start
    #[command(after_help = "\
Examples:
  lifeboat fence check primary && systemctl start code-story

Exits with 0 when the environment may serve, with 13 when it is fenced, and with 1 when no vault
answers, so that nobody knows.")]
    Check(FenceArgs),
    /// Keep an environment from coming back as a second primary
    #[command(after_help = "\
Examples:
  lifeboat fence set primary")]
    Set(FenceArgs),
    /// Let an environment in again
    #[command(after_help = "\
Examples:
  lifeboat fence lift primary")]
    Lift(FenceArgs),
}

#[derive(Debug, Args)]
pub(crate) struct FenceArgs {
    /// The environment, as in `[environment.NAME]` of the settings
    #[arg(value_name = "ENVIRONMENT")]
    pub(crate) environment: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DrillCommand {
    /// Rehearse a runbook with disposable environments, and measure it
    #[command(
        long_about = "Rehearse a runbook with disposable environments, and measure it\n\n\
        Each environment is replaced by the one that `[drill.environments]` of the settings names. \
        A drill that would touch what production uses is refused with 13. What it made is removed \
        at its end, unless it is kept. Exits with 14 when it worked and an objective is missed.",
        after_help = "\
Examples:
  lifeboat drill run corruption
  lifeboat drill run region --keep --json | tail -n 1"
    )]
    Run(DrillRunArgs),
    /// Show what a drill, or a recovery, has measured; without a run, the trend of all drills
    #[command(after_help = "\
Examples:
  lifeboat drill report
  lifeboat drill report region-20261124-014000-3f2a --format html > report.html")]
    Report(DrillReportArgs),
    /// Remove what drills have made that is past its time
    #[command(after_help = "\
Examples:
  lifeboat drill cleanup
  lifeboat drill cleanup region-20261124-014000-3f2a")]
    Cleanup(DrillCleanupArgs),
    /// List what drills have found to mend, record more, and close what is mended
    #[command(after_help = "\
Examples:
  lifeboat drill issues
  lifeboat drill issues --add 'the TTL of the name is an hour' --owner ops
  lifeboat drill issues --close 3f2a")]
    Issues(DrillIssuesArgs),
}

#[derive(Debug, Args)]
pub(crate) struct DrillRunArgs {
    /// `corruption`, `region`, `total`, or the name of a runbook of your own
    #[arg(value_name = "RUNBOOK")]
    pub(crate) runbook: String,
    #[command(flatten)]
    pub(crate) inputs: InputArgs,
    #[command(flatten)]
    pub(crate) moments: MomentArgs,
    /// How long what it makes may live; else drill.ttl of the settings, or 4h
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) ttl: Option<std::time::Duration>,
    /// Keep what it made, until its time is over
    #[arg(long)]
    pub(crate) keep: bool,
    /// Who looks after what the drill finds
    #[arg(long, value_name = "NAME")]
    pub(crate) owner: Option<String>,
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ReportFormat {
    /// For people, as text.
    Markdown,
    /// A page that needs nothing else.
    Html,
    /// For programs.
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct DrillReportArgs {
    /// The run; else the trend of all
    #[arg(value_name = "RUN")]
    pub(crate) run: Option<String>,
    /// How it is written
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "markdown")]
    pub(crate) format: ReportFormat,
}

#[derive(Debug, Args)]
pub(crate) struct DrillCleanupArgs {
    /// The run, whatever its time; else all past their time, and those at their end not kept
    #[arg(value_name = "RUN")]
    pub(crate) run: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DrillIssuesArgs {
    /// Record one
    #[arg(long, value_name = "TEXT", conflicts_with = "close")]
    pub(crate) add: Option<String>,
    /// Who looks after it
    #[arg(long, value_name = "NAME", requires = "add")]
    pub(crate) owner: Option<String>,
    /// Close the one with this id
    #[arg(long, value_name = "ID")]
    pub(crate) close: Option<String>,
    /// Show those that are closed as well
    #[arg(long)]
    pub(crate) all: bool,
}

fn input(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as NAME=VALUE".to_owned()),
    }
}
