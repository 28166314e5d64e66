//! What may be written on the command line. The comments here are the help texts, and the
//! reference in `docs/reference/cli.md`.

mod alerts;
mod configuration;
mod key;
mod regions;
mod runbook;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;
use lifeboat::bolt::Uri;
use lifeboat::config::JobKind;
use lifeboat::format::{BackupKind, BackupName, Compression};
use lifeboat::physical_backup::MethodChoice;
use lifeboat::select::Selector;
use lifeboat::vaults::VaultChoice;

pub(crate) use alerts::{AlertsAckArgs, AlertsCommand, AlertsListArgs, AlertsTestArgs};
pub(crate) use configuration::{
    DestinationArgs, RestoreCommand, RestoreConfigArgs, RestoreOf, RestoreSetArgs, What,
};
pub(crate) use key::{KeyCommand, KeyGenerateArgs, KeyPurpose, KeyShowArgs, KeySignArgs};
pub(crate) use regions::{RegionName, ReplicateArgs};
pub(crate) use runbook::{
    DrillCleanupArgs, DrillCommand, DrillIssuesArgs, DrillReportArgs, DrillRunArgs, FenceCommand,
    InputArgs, ReportFormat, RunbookAbortArgs, RunbookApproveArgs, RunbookCommand,
    RunbookEjectArgs, RunbookPlanArgs, RunbookResumeArgs, RunbookRunArgs, RunbookStatusArgs,
};

/// The exit codes, as `--help` shows them.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
    0  done
    1  failed
    2  called wrongly, or the settings cannot be used
    3  done, but not all of it
   10  the vault does not exist
   11  somebody else holds the lease
   12  the key does not open the backup
   13  refused, to protect data that is there
   14  an objective (RTO, RPO) is missed
  130  interrupted (Ctrl-C)
  143  terminated (SIGTERM)";

const ROOT_EXAMPLES: &str = "\
Examples:
  export LIFEBOAT_VAULT=/var/backups/neo4j LIFEBOAT_URI=bolt://localhost:7687
  export LIFEBOAT_USERNAME=neo4j LIFEBOAT_PASSWORD=…
  lifeboat doctor
  lifeboat backup
  lifeboat list
  lifeboat restore latest

Settings are taken from the command line, else from the environment, else from lifeboat.toml.
";

/// Backs up a Neo4j database into a vault, and restores it with proof.
#[derive(Debug, Parser)]
#[command(
    name = "lifeboat",
    version,
    long_about = None,
    max_term_width = 100,
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = EXIT_CODES,
    after_long_help = format!("{ROOT_EXAMPLES}\n{EXIT_CODES}")
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// For every command.
#[derive(Debug, Clone, Args)]
pub(crate) struct GlobalArgs {
    /// File of settings; else lifeboat.toml in the current folder, if there is one
    #[arg(short, long, global = true, value_name = "FILE", env = "LIFEBOAT_CONFIG", hide_env_values = true, value_hint = ValueHint::FilePath, help_heading = "Global options")]
    pub(crate) config: Option<PathBuf>,
    /// Print JSON: one document for a question, one line for each message of long work
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) json: bool,
    /// Say nothing but errors and warnings
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Global options")]
    pub(crate) quiet: bool,
    /// Say more; twice: everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Global options")]
    pub(crate) verbose: u8,
    /// Show no progress
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) no_progress: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a backup
    Backup(BackupArgs),
    /// List the backups in the vaults, newest first
    List(ListArgs),
    /// Show all there is to know about a backup
    Show(ShowArgs),
    /// Check that a backup is what it was when it was made
    Verify(VerifyArgs),
    /// Restore a backup into a database, and prove it
    Restore(Box<RestoreCommand>),
    /// Copy to the other vault what it lacks
    Replicate(ReplicateArgs),
    /// Remove backups past their retention, and what interrupted runs left behind
    Prune(PruneArgs),
    /// Ship the transaction logs of a server into the vault, as they are written
    Ship(ShipArgs),
    /// Show what can be recovered, to when, how fast, and how that is known
    Status(StatusArgs),
    /// Check that everything is there that a backup and a restore will need
    Doctor(DoctorArgs),
    /// Carry out what is written down for a disaster, step by step
    #[command(subcommand)]
    Runbook(RunbookCommand),
    /// Rehearse disasters with disposable environments, and measure them
    #[command(subcommand)]
    Drill(DrillCommand),
    /// Keep an environment that was lost from coming back as a second primary
    #[command(subcommand)]
    Fence(FenceCommand),
    /// Find the last recovery point that is good, by restoring some
    Diagnose(DiagnoseArgs),
    /// Write the handbook for the day when nothing else is there
    Handbook(HandbookArgs),
    /// Do everything on time: run the jobs that the settings schedule, until stopped
    Serve(ServeArgs),
    /// Look at the jobs of a running service, and operate them
    #[command(subcommand)]
    Jobs(JobsCommand),
    /// Look at the alerts of a running service, acknowledge them, and try its channels
    #[command(subcommand)]
    Alerts(AlertsCommand),
    /// Make, show and change the keys for encryption and signatures
    #[command(subcommand)]
    Key(KeyCommand),
    /// Look at the settings
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print a script that completes commands in a shell
    Completions(CompletionsArgs),
    /// Print the manual as man pages
    Man(ManArgs),
}

/// Where the vault is.
#[derive(Debug, Clone, Args)]
pub(crate) struct VaultArgs {
    /// The vault: a folder, az://account/container, s3://bucket/prefix or gs://bucket/prefix; or
    /// `primary` or `secondary` of the settings file
    ///
    /// Without it, the active vault of the settings file is used; what only reads takes the other
    /// when that one does not answer.
    ///
    /// Credentials come from the settings file, or from the environment: for Azure
    /// AZURE_STORAGE_ACCOUNT_KEY, AZURE_STORAGE_SAS_TOKEN, AZURE_STORAGE_CONNECTION_STRING, a
    /// login of the Azure CLI or the machine's identity; AWS_… for S3; GOOGLE_… for Google Cloud.
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "LIFEBOAT_VAULT",
        hide_env_values = true,
        help_heading = "Vault"
    )]
    pub(crate) vault: Option<VaultChoice>,
}

/// Which database, and who to be there.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Database")]
pub(crate) struct DatabaseArgs {
    /// The server: bolt://HOST:PORT or neo4j://HOST:PORT, with +s for TLS (bolt+s://…), with +ssc
    /// for TLS with any certificate
    #[arg(long, value_name = "URI", env = "LIFEBOAT_URI", hide_env_values = true)]
    pub(crate) uri: Option<Uri>,
    /// Who to be there; `neo4j` when there is a password and no name
    #[arg(long, value_name = "NAME", env = "LIFEBOAT_USERNAME", hide_env_values = true)]
    pub(crate) username: Option<String>,
    /// File that holds the password; `-` reads it from standard input
    ///
    /// Else the password is taken from LIFEBOAT_PASSWORD, from the file that
    /// LIFEBOAT_PASSWORD_FILE names, or as the settings file says. It is never an argument, since
    /// everybody on a machine can see those.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) password_file: Option<PathBuf>,
    /// Name of the database; else the user's home database
    #[arg(long, value_name = "NAME", env = "LIFEBOAT_DATABASE", hide_env_values = true)]
    pub(crate) database: Option<String>,
    /// PEM file of certificate authorities to trust besides the system's
    #[arg(long, value_name = "FILE", env = "LIFEBOAT_CA_FILE", hide_env_values = true, value_hint = ValueHint::FilePath)]
    pub(crate) ca_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lifeboat backup --vault /var/backups/neo4j --uri bolt://localhost:7687 --username neo4j
  lifeboat backup --compression gzip --name before-upgrade
  lifeboat backup config
  lifeboat backup all
  lifeboat backup --method physical --neo4j-home /var/lib/neo4j
  lifeboat backup --json | tail -n 1 | jq -r .name")]
pub(crate) struct BackupArgs {
    /// What to back up
    #[arg(value_name = "WHAT", value_enum, default_value_t)]
    pub(crate) what: What,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    #[command(flatten)]
    pub(crate) vault: VaultArgs,
    /// What to back up: `logical`, the graph over Bolt; `physical`, the store files of all
    /// databases, users and roles included; `auto`, the files where they can be read, else the
    /// graph. Else as the settings say, else logical
    #[arg(
        long,
        value_name = "METHOD",
        env = "LIFEBOAT_METHOD",
        hide_env_values = true,
        help_heading = "Method"
    )]
    pub(crate) method: Option<MethodChoice>,
    /// The home of the server, whose data this program can read: the folder with `data` and `conf`
    #[arg(long, value_name = "DIR", env = "LIFEBOAT_NEO4J_HOME", hide_env_values = true, value_hint = ValueHint::DirPath, help_heading = "Method")]
    pub(crate) neo4j_home: Option<PathBuf>,
    /// The folder with Neo4j's `lib`, which tells the version for a physical backup when no server
    /// is given to ask
    #[arg(long, value_name = "DIR", help_heading = "Method", value_hint = ValueHint::DirPath)]
    pub(crate) neo4j: Option<PathBuf>,
    /// Read the graph as well, for a fingerprint in a physical backup
    #[arg(long, help_heading = "Method")]
    pub(crate) fingerprint: bool,
    /// Name of the backup; else neo4j-backup-YYYYMMDD-HHMMSS, or config-backup-…, the time now in
    /// UTC
    #[arg(long, value_name = "NAME", value_parser = backup_name)]
    pub(crate) name: Option<BackupName>,
    /// How to compress: `zstd` or `gzip`, with a level if you like, as in `zstd:9`. Store files are
    /// compressed with `zstd:1` when nothing is said, all else with `zstd:3`, which is `zstd`
    #[arg(long, value_name = "METHOD", env = "LIFEBOAT_COMPRESSION", hide_env_values = true)]
    pub(crate) compression: Option<Compression>,
    /// A note to keep with the backup, for people; may be given several times
    #[arg(long, value_name = "KEY=TEXT", value_parser = note)]
    pub(crate) note: Vec<(String, String)>,
}

/// What a backup is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// A database
    Database,
    /// A configuration
    Config,
}

impl From<Kind> for BackupKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Database => Self::Database,
            Kind::Config => Self::Config,
        }
    }
}

#[derive(Debug, Args)]
#[command(
    long_about = "List the backups in the vaults, newest first\n\n\
    With two vaults, a backup that both have is listed once, with its regions. One of which they \
    have different copies, or one of them a damaged one, is listed twice. When a vault does not \
    answer, the other is listed, and that is told. --vault lists that vault alone.",
    after_help = "\
Examples:
  lifeboat list --vault az://account/neo4j-backups
  lifeboat list --kind database --since 7d --certified
  lifeboat list --region secondary --until 2026-11-24
  lifeboat list --json | jq -r '.backups[].name'"
)]
pub(crate) struct ListArgs {
    /// Only backups of a database, or of a configuration
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Option<Kind>,
    /// Only backups begun at this time or later: as in 2026-11-24T02:00:00Z, 2026-11-24 (at
    /// midnight, UTC), or 7d (that long ago)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) since: Option<jiff::Timestamp>,
    /// Only backups begun before this time
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) until: Option<jiff::Timestamp>,
    /// Only backups with a valid certificate of a restore
    #[arg(long)]
    pub(crate) certified: bool,
    /// Only backups that this region has
    #[arg(long, value_name = "REGION")]
    pub(crate) region: Option<RegionName>,
    #[command(flatten)]
    pub(crate) vault: VaultArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lifeboat show latest
  lifeboat show neo4j-backup-20261124-020000 --json")]
pub(crate) struct ShowArgs {
    /// Which backup: `latest`, a name, or the name of its file
    #[arg(value_name = "BACKUP", value_parser = selector)]
    pub(crate) backup: Selector,
    #[command(flatten)]
    pub(crate) vault: VaultArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lifeboat verify
  lifeboat verify neo4j-backup-20261124-020000
  lifeboat verify --all --quick
  lifeboat verify --all --percent 5
  lifeboat verify --restore --neo4j /usr/share/neo4j")]
pub(crate) struct VerifyArgs {
    /// Which backup: `latest`, a name, or the name of its file
    #[arg(value_name = "BACKUP", value_parser = selector, default_value = "latest", conflicts_with = "all")]
    pub(crate) backup: Selector,
    /// Verify every backup in the vault
    #[arg(long)]
    pub(crate) all: bool,
    /// Only check the manifest, and that the archive is there with its size
    #[arg(long, conflicts_with_all = ["percent", "restore"])]
    pub(crate) quick: bool,
    /// Only check so many percent of the archive, taken at random
    #[arg(long, value_name = "N", conflicts_with = "restore", value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) percent: Option<u8>,
    /// Take the sample of an earlier run, which told its seed
    #[arg(long, value_name = "NUMBER", requires = "percent")]
    pub(crate) seed: Option<u64>,
    /// Really restore it, into a Neo4j that is started for that and removed afterwards, and write
    /// a certificate beside the backup
    #[arg(long, conflicts_with = "all", help_heading = "Trial restore")]
    pub(crate) restore: bool,
    /// The folder that holds Neo4j's `lib`
    #[arg(long, value_name = "DIR", requires = "restore", help_heading = "Trial restore", value_hint = ValueHint::DirPath)]
    pub(crate) neo4j: Option<PathBuf>,
    /// A Java to run it with, instead of the one that is found
    #[arg(long, value_name = "DIR", requires = "restore", help_heading = "Trial restore", value_hint = ValueHint::DirPath)]
    pub(crate) java: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) vault: VaultArgs,
}

#[derive(Debug, Args)]
#[command(
    long_about = "Restore a backup into a database, and prove it\n\n\
    Every byte of the backup is verified before the database is touched. Afterwards the database \
    is read back, and its counts and fingerprint are compared with those of the backup.\n\n\
    A database that is not empty is left alone, unless --replace is given: then it is backed up \
    first, and put back if anything fails.\n\n\
    A physical backup goes into the home of a stopped server: with --into-home. It is written beside \
    the data and tried there by a private server, where there is a `lib` to start one; then it \
    takes the data's place, which is kept beside.\n\n\
    With --bulk a large graph goes into the home of a stopped server, through Neo4j's own importer: \
    several times as fast, with the same proof. What --replace takes away is kept beside, in the \
    home's data folder.",
    after_help = "\
Examples:
  lifeboat restore latest --dry-run
  lifeboat restore neo4j-backup-20261124-020000
  lifeboat restore neo4j-backup-20261124-020000.tar.gz --replace --yes
  lifeboat restore latest --into-home /var/lib/neo4j --neo4j /usr/share/neo4j --yes
  lifeboat restore --into-home /var/lib/neo4j --until 2026-11-24T08:59:00Z --dry-run
  lifeboat restore latest --into-home /var/lib/neo4j --start-command 'systemctl start neo4j'
  lifeboat restore latest --bulk --into-home /var/lib/neo4j --neo4j /usr/share/neo4j"
)]
pub(crate) struct RestoreArgs {
    /// Which backup: `latest`, a name, or the name of its file
    ///
    /// With --until or --until-tx it may be left out: then it is the newest from which that can be
    /// reached.
    #[arg(value_name = "BACKUP", value_parser = selector, required_unless_present_any = ["until", "until_tx"])]
    pub(crate) backup: Option<Selector>,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    #[command(flatten)]
    pub(crate) vault: VaultArgs,
    /// Replace what the database holds; a safety backup of it is taken first
    #[arg(long)]
    pub(crate) replace: bool,
    /// Only show what would be done
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// Do not ask before data is replaced
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Restore a physical backup into the home of a stopped server; with --bulk, a logical one. The
    /// home is the folder that holds the server's `data` and `conf`
    #[arg(long, value_name = "DIR", help_heading = "Into a home", value_hint = ValueHint::DirPath)]
    pub(crate) into_home: Option<PathBuf>,
    /// The folder that holds Neo4j's `lib`, when it is not the home
    #[arg(long, value_name = "DIR", requires = "into_home", help_heading = "Into a home", value_hint = ValueHint::DirPath)]
    pub(crate) neo4j: Option<PathBuf>,
    /// A Java to run it with, instead of the one that is found
    #[arg(long, value_name = "DIR", requires = "into_home", help_heading = "Into a home", value_hint = ValueHint::DirPath)]
    pub(crate) java: Option<PathBuf>,
    /// Import a logical backup into the home, through Neo4j's own importer
    #[arg(long, requires = "into_home", conflicts_with_all = ["dry_run", "HomeRestoreArgs"], help_heading = "Into a home")]
    pub(crate) bulk: bool,
    /// How to compress the safety backup: `zstd` or `gzip`, as in `zstd:9`
    #[arg(
        long,
        value_name = "METHOD",
        default_value = "zstd",
        env = "LIFEBOAT_COMPRESSION",
        hide_env_values = true
    )]
    pub(crate) compression: Compression,
    #[command(flatten)]
    pub(crate) home: HomeRestoreArgs,
}

/// What only a physical restore into a home can do.
#[derive(Debug, Args)]
#[command(next_help_heading = "Into a home")]
pub(crate) struct HomeRestoreArgs {
    /// Go on to the last transaction that was committed by this time, with the log that was shipped
    /// after the backup; else as far as that log goes
    #[arg(long, value_name = "TIME", requires = "into_home", conflicts_with = "until_tx")]
    pub(crate) until: Option<jiff::Timestamp>,
    /// Go on to this transaction exactly
    #[arg(long, value_name = "ID", requires = "into_home")]
    pub(crate) until_tx: Option<u64>,
    /// Restore only this database, and leave the others of the home as they are
    #[arg(long, value_name = "DATABASE", requires = "into_home")]
    pub(crate) only: Option<String>,
    /// Start the server with this line for the shell, wait until it answers at --uri, and put the
    /// old data back if it does not
    #[arg(long, value_name = "COMMAND", requires = "into_home")]
    pub(crate) start_command: Option<String>,
    /// Stop the server with this line, before the old data is put back
    #[arg(long, value_name = "COMMAND", requires = "start_command")]
    pub(crate) stop_command: Option<String>,
    /// Leave out Neo4j's own consistency check
    #[arg(long, requires = "into_home")]
    pub(crate) no_check: bool,
}

#[derive(Debug, Args)]
#[command(
    long_about = "Remove backups past their retention, and what interrupted runs left behind\n\n\
    A backup goes in two phases: it is marked, and deleted by a later run when the mark has stood \
    for the grace time. Until then the mark is taken back when the backup is needed again.\n\n\
    What always stays: the newest good backup, and the newest from before the days that backups \
    are kept; the newest with a certificate; what recovery to a moment in those days begins with; \
    and everything, while the newest backup looks poisoned because much less is in it than in the \
    one before. That is a hold, which ends when a backup has recovered, or by --release-hold.\n\n\
    Exit code 3 says that something was due and was not done: a hold, or a vault that is ahead of \
    the other.",
    after_help = "\
Examples:
  lifeboat prune --dry-run
  lifeboat prune --retention-days 30
  lifeboat prune --release-hold neo4j-backup-20261124-020000"
)]
pub(crate) struct PruneArgs {
    #[command(flatten)]
    pub(crate) vault: VaultArgs,
    /// Backups younger than this many days stay; 30 unless the settings say otherwise
    #[arg(long, value_name = "DAYS", env = "LIFEBOAT_RETENTION_DAYS", hide_env_values = true, value_parser = clap::value_parser!(u32).range(1..=i64::from(lifeboat::config::MAX_RETENTION_DAYS)))]
    pub(crate) retention_days: Option<u32>,
    /// How long a mark must have stood, and what an interrupted run left must have been unchanged,
    /// as in 90m, 24h or 7d; 24h unless the settings say otherwise. A shorter time than a backup
    /// takes would break one that is running
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) grace: Option<std::time::Duration>,
    /// This backup looks poisoned, and is what it should be: end the hold
    #[arg(long, value_name = "BACKUP", value_parser = backup_name, conflicts_with = "dry_run")]
    pub(crate) release_hold: Option<BackupName>,
    /// Only show what would be done, and why
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
#[command(
    long_about = "Ship the transaction logs of a server into the vault, as they are written\n\n\
    Runs beside the server, until it is stopped. Physical backups are taken as bases when they are \
    due; a base and the log after it can be restored to any transaction or time. Where to go on is \
    told by the vault, so it may be killed and started again at any time.",
    after_help = "\
Examples:
  lifeboat ship --neo4j-home /var/lib/neo4j --vault /mnt/backups
  lifeboat ship --wait --json
  lifeboat ship --once"
)]
pub(crate) struct ShipArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    #[command(flatten)]
    pub(crate) vault: VaultArgs,
    /// Home of the server, whose data folder can be read from here
    #[arg(long, value_name = "DIR", env = "LIFEBOAT_NEO4J_HOME", hide_env_values = true, value_hint = ValueHint::DirPath)]
    pub(crate) neo4j_home: Option<PathBuf>,
    /// The folder with Neo4j's `lib`, which tells the version for a base when no server is given to
    /// ask
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) neo4j: Option<PathBuf>,
    /// How often to look for new transactions, as in 1s
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    pub(crate) interval: std::time::Duration,
    /// Write a tiny transaction this often, to measure what would really be lost: one node of the
    /// label `LifeboatCanary`, which no backup of the graph holds
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) canary: Option<std::time::Duration>,
    /// Wait while another shipper is at work, instead of failing
    #[arg(long)]
    pub(crate) wait: bool,
    /// Ship what there is, and end
    #[arg(long)]
    pub(crate) once: bool,
    /// Take a base when the newest is older
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = duration)]
    pub(crate) base_every: std::time::Duration,
    /// Take a base when more log than this has gathered since the newest
    #[arg(long, value_name = "SIZE", default_value = "4GiB", value_parser = bytes)]
    pub(crate) base_after: u64,
    /// Take no bases; without one, no log can be replayed
    #[arg(long)]
    pub(crate) no_base: bool,
}

#[derive(Debug, Args)]
#[command(
    long_about = "Show what can be recovered, to when, how fast, and how that is known\n\n\
    Shows the newest good backup of each region and its certificate, to which points in time can \
    be recovered, what would be lost now, how long the last restore for trial took, and the jobs \
    and open alerts of the service on this machine. With the home of the server, its own log tells \
    which transactions are not shipped. Exits with 14 when an objective of [objectives] is missed, \
    or when nobody knows whether it is met.",
    after_help = "\
Examples:
  lifeboat status --neo4j-home /var/lib/neo4j
  lifeboat status --rpo 30s --json"
)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) vault: VaultArgs,
    /// Home of the server, whose data folder can be read from here
    #[arg(long, value_name = "DIR", env = "LIFEBOAT_NEO4J_HOME", hide_env_values = true, value_hint = ValueHint::DirPath)]
    pub(crate) neo4j_home: Option<PathBuf>,
    /// How much may be lost at most (RPO), as in 30s; else `objectives.rpo` of the settings
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) rpo: Option<std::time::Duration>,
    #[command(flatten)]
    pub(crate) state: StateArgs,
}

#[derive(Debug, Args)]
#[command(
    long_about = "Check that everything is there that a backup and a restore will need\n\n\
    Checks the database, the vault, or both, as far as they are set. Each check does the thing \
    itself, and leaves no trace: a node is created and rolled back, an object is written, read and \
    deleted.",
    after_help = "\
Examples:
  lifeboat doctor
  lifeboat doctor --vault az://account/neo4j-backups --json
  lifeboat doctor --immutability"
)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    #[command(flatten)]
    pub(crate) vault: VaultArgs,
    /// Only try whether what backups write can be overwritten and deleted with the same
    /// credentials; fails when it can. Leaves a small object behind when it cannot
    #[arg(long)]
    pub(crate) immutability: bool,
}

#[derive(Debug, Args)]
#[command(
    long_about = "Find the last recovery point that is good, by restoring some\n\n\
    For damage that crept in unnoticed. Recovery points are really restored, into a server that \
    exists only for this, and the invariants of the settings are checked; the range is halved until \
    the last good one and the first bad one stand side by side.",
    after_help = "\
Examples:
  lifeboat diagnose --neo4j /opt/neo4j
  lifeboat diagnose --since 7d --json | jq -r .last_good.backup"
)]
pub(crate) struct DiagnoseArgs {
    #[command(flatten)]
    pub(crate) vault: VaultArgs,
    /// Only recovery points since then
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) since: Option<jiff::Timestamp>,
    /// The folder of a Neo4j installation; else verify.neo4j of the settings
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) neo4j: Option<PathBuf>,
    /// A Java to run it with, instead of the one that is found
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) java: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(
    long_about = "Write the handbook for the day when nothing else is there\n\n\
    One file, made from the settings: what is backed up where, which keys are needed and who holds \
    them, each procedure as commands for a person with only a shell, and whom to call. Print it.",
    after_help = "\
Examples:
  lifeboat handbook > handbook.html
  lifeboat handbook --format markdown"
)]
pub(crate) struct HandbookArgs {
    /// How it is written
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "html")]
    pub(crate) format: HandbookFormat,
}

/// How the handbook is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum HandbookFormat {
    /// A page that needs nothing else.
    Html,
    /// Text.
    Markdown,
}

/// Where a service keeps its state.
#[derive(Debug, Clone, Args)]
pub(crate) struct StateArgs {
    /// The folder of the service's state; else as the settings say, or /var/lib/lifeboat for root
    #[arg(long, value_name = "DIR", env = "LIFEBOAT_STATE", hide_env_values = true, value_hint = ValueHint::DirPath, help_heading = "Service")]
    pub(crate) state: Option<PathBuf>,
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// A line for people.
    Text,
    /// A document of JSON on each line.
    Json,
}

#[derive(Debug, Args)]
#[command(
    long_about = "Do everything on time: run the jobs that the settings schedule, until stopped\n\n\
    Logs go to standard error. SIGHUP reads the settings anew, SIGTERM and Ctrl-C stop it: what is \
    running stops at a safe place, and is taken up again by the next start. Several may run for one \
    vault, each with a state of its own: one leads, and another takes over within a minute.",
    after_help = "\
Examples:
  lifeboat serve -c /etc/lifeboat/lifeboat.toml
  lifeboat serve --state /var/lib/lifeboat --log-format json"
)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    #[command(flatten)]
    pub(crate) vault: VaultArgs,
    #[command(flatten)]
    pub(crate) state: StateArgs,
    /// Address and port of the HTTP API; else as the settings say, or 127.0.0.1:9474
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "LIFEBOAT_LISTEN",
        hide_env_values = true,
        help_heading = "Service"
    )]
    pub(crate) listen: Option<std::net::SocketAddr>,
    /// How logs are written
    #[arg(
        long,
        value_name = "FORMAT",
        value_enum,
        default_value = "text",
        env = "LIFEBOAT_LOG_FORMAT",
        hide_env_values = true,
        help_heading = "Service"
    )]
    pub(crate) log_format: LogFormat,
}

#[derive(Debug, Subcommand)]
pub(crate) enum JobsCommand {
    /// List the jobs: when each is due, and how it last went
    #[command(after_help = "\
Examples:
  lifeboat jobs list
  lifeboat jobs list --json | jq '.jobs[] | {job, next, last_success}'")]
    List(JobsListArgs),
    /// Show the runs of the past, newest first
    #[command(after_help = "\
Examples:
  lifeboat jobs history
  lifeboat jobs history backup --limit 5")]
    History(JobsHistoryArgs),
    /// Show everything that happened, oldest first
    #[command(after_help = "\
Examples:
  lifeboat jobs events --follow
  lifeboat jobs events --after 1200 --json | jq -r .event")]
    Events(JobsEventsArgs),
    /// Run a job now
    #[command(after_help = "\
Examples:
  lifeboat jobs run backup
  lifeboat jobs run verify --wait")]
    Run(JobsRunArgs),
    /// Pause a job: it is done no more until it is resumed
    #[command(after_help = "\
Examples:
  lifeboat jobs pause prune")]
    Pause(JobsNameArgs),
    /// Resume a job that was paused
    #[command(after_help = "\
Examples:
  lifeboat jobs resume prune")]
    Resume(JobsNameArgs),
}

#[derive(Debug, Args)]
pub(crate) struct JobsListArgs {
    #[command(flatten)]
    pub(crate) state: StateArgs,
}

#[derive(Debug, Args)]
pub(crate) struct JobsHistoryArgs {
    /// Only the runs of this job
    #[arg(value_name = "JOB")]
    pub(crate) job: Option<JobKind>,
    /// At most so many
    #[arg(long, value_name = "NUMBER", default_value = "20", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) state: StateArgs,
}

#[derive(Debug, Args)]
pub(crate) struct JobsEventsArgs {
    /// Only those with a larger number
    #[arg(long, value_name = "NUMBER", default_value = "0")]
    pub(crate) after: u64,
    /// Wait for more, until interrupted
    #[arg(long)]
    pub(crate) follow: bool,
    #[command(flatten)]
    pub(crate) state: StateArgs,
}

#[derive(Debug, Args)]
pub(crate) struct JobsRunArgs {
    /// The job
    #[arg(value_name = "JOB")]
    pub(crate) job: JobKind,
    /// Wait until the run has ended, and exit as its command would
    #[arg(long)]
    pub(crate) wait: bool,
    #[command(flatten)]
    pub(crate) state: StateArgs,
}

#[derive(Debug, Args)]
pub(crate) struct JobsNameArgs {
    /// The job
    #[arg(value_name = "JOB")]
    pub(crate) job: JobKind,
    #[command(flatten)]
    pub(crate) state: StateArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check the settings file, and show which settings hold and where they come from
    #[command(after_help = "\
Examples:
  lifeboat config check
  lifeboat config check -c /etc/lifeboat/lifeboat.toml")]
    Check(ConfigCheckArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ConfigCheckArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    #[command(flatten)]
    pub(crate) vault: VaultArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lifeboat completions bash > /etc/bash_completion.d/lifeboat
  lifeboat completions zsh > ~/.zfunc/_lifeboat")]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: Shell,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lifeboat man | man -l -
  lifeboat man --dir /usr/local/share/man/man1")]
pub(crate) struct ManArgs {
    /// Write a page for each command into this folder instead
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) dir: Option<PathBuf>,
}

/// A backup's name, also as the name of one of its files, which is what people have at hand.
fn backup_name(text: &str) -> Result<BackupName, String> {
    match BackupName::from_file_name(text) {
        Some((name, _)) => Ok(name),
        None => text.parse().map_err(|error: lifeboat::format::NameError| error.to_string()),
    }
}

fn selector(text: &str) -> Result<Selector, String> {
    if text == "latest" { Ok(Selector::Latest) } else { backup_name(text).map(Selector::Name) }
}

fn note(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write it as KEY=TEXT".to_owned()),
    }
}

fn bytes(text: &str) -> Result<u64, String> {
    let wrong = || "write it as a number with MiB or GiB, as in 4GiB".to_owned();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u32 = digits.parse().map_err(|_| wrong())?;
    let unit = match &text[digits.len()..] {
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(wrong()),
    };
    Ok(u64::from(number) * unit)
}

/// A time; a date is its beginning in UTC, a duration is that long ago.
fn moment(text: &str) -> Result<jiff::Timestamp, String> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    // What has more than a date must also say its offset.
    if text.len() == "2026-11-24".len()
        && let Ok(date) = text.parse::<jiff::civil::Date>()
    {
        let midnight = date.to_datetime(jiff::civil::Time::midnight());
        return jiff::tz::TimeZone::UTC.to_timestamp(midnight).map_err(|error| error.to_string());
    }
    let wrong = "write it as 2026-11-24T02:00:00Z, as 2026-11-24, or as 7d for seven days ago";
    let ago = duration(text).map_err(|_| wrong.to_owned())?;
    jiff::Timestamp::now().checked_sub(ago).map_err(|_| wrong.to_owned())
}

fn duration(text: &str) -> Result<std::time::Duration, String> {
    let wrong = || "write it as a number with s, m, h or d, as in 24h".to_owned();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u32 = digits.parse().map_err(|_| wrong())?;
    let unit = match &text[digits.len()..] {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    Ok(std::time::Duration::from_secs(u64::from(number) * unit))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_backup_may_be_named_by_its_file() {
        let named = |text: &str| Selector::Name(text.parse().unwrap());
        assert_eq!(selector("latest"), Ok(Selector::Latest));
        for text in [
            "neo4j-backup-20230101-120000",
            "neo4j-backup-20230101-120000.tar.gz",
            "neo4j-backup-20230101-120000.tar.zst",
            "neo4j-backup-20230101-120000.manifest.json",
        ] {
            assert_eq!(selector(text), Ok(named("neo4j-backup-20230101-120000")));
        }
        assert!(selector("../x").is_err());
    }

    #[test]
    fn a_moment_may_be_told_in_three_ways() {
        let time = |text: &str| text.parse::<jiff::Timestamp>().unwrap();
        assert_eq!(moment("2026-11-24T02:00:00Z"), Ok(time("2026-11-24T02:00:00Z")));
        assert_eq!(moment("2026-11-24T02:00:00+02:00"), Ok(time("2026-11-24T00:00:00Z")));
        assert_eq!(moment("2026-11-24"), Ok(time("2026-11-24T00:00:00Z")));
        let told = moment("2h").unwrap();
        let ago = jiff::Timestamp::now().duration_since(told).as_secs();
        assert!((7200..7300).contains(&ago), "{ago}");
        for text in ["", "yesterday", "2026-13-24", "7", "2026-11-24T02:00:00", "4000000000d"] {
            assert!(moment(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_have_a_unit() {
        assert_eq!(duration("90m"), Ok(std::time::Duration::from_mins(90)));
        assert_eq!(duration("7d"), Ok(std::time::Duration::from_hours(7 * 24)));
        for text in ["", "1", "h", "1w", "-1h", "1.5h", "99999999999d", "1 h"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
