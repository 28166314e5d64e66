//! Arguments of what concerns keys.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};
use lifeboat::format::BackupName;

use super::VaultArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a new pair of keys
    #[command(after_help = "\
Examples:
  lifeboat key generate encryption --out backup-identity.txt
  lifeboat key generate signing --out signing.key --password-file password.txt")]
    Generate(KeyGenerateArgs),
    /// Print the public half of a secret key
    #[command(after_help = "\
Examples:
  lifeboat key show encryption backup-identity.txt
  lifeboat key show signing signing.key")]
    Show(KeyShowArgs),
    /// Sign backups again, with the key that is set now
    #[command(
        long_about = "Sign backups again, with the key that is set now\n\n\
        After a change of keys, or when signing begins. Only what is signed by a trusted key is \
        signed again; with --unsigned also what is not, for which you then vouch: verify it first.",
        after_help = "\
Examples:
  lifeboat key sign --all
  lifeboat verify --all && lifeboat key sign --all --unsigned"
    )]
    Sign(KeySignArgs),
}

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyPurpose {
    /// Encrypts archives, and opens them: an age identity
    Encryption,
    /// Signs manifests and certificates: a key of minisign
    Signing,
}

#[derive(Debug, Args)]
pub(crate) struct KeyGenerateArgs {
    /// What it is for
    #[arg(value_name = "PURPOSE")]
    pub(crate) purpose: KeyPurpose,
    /// File for the secret half, which must not exist yet; only its owner may read it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) out: PathBuf,
    /// File with a password that protects the secret half; for signing only
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) password_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct KeyShowArgs {
    /// What it is for
    #[arg(value_name = "PURPOSE")]
    pub(crate) purpose: KeyPurpose,
    /// File with the secret half
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// File with the password that protects it; for signing only
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) password_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct KeySignArgs {
    /// Which backups, by name
    #[arg(value_name = "BACKUP", required_unless_present = "all")]
    pub(crate) backups: Vec<BackupName>,
    /// Every backup in the vault
    #[arg(long, conflicts_with = "backups")]
    pub(crate) all: bool,
    /// Also what no trusted key has signed
    #[arg(long)]
    pub(crate) unsigned: bool,
    #[command(flatten)]
    pub(crate) vault: VaultArgs,
}
