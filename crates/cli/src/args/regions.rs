//! Arguments of what concerns two vaults.

use clap::{Args, ValueEnum};
use lifeboat::vaults::{Role, VaultChoice};

/// Which of two vaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RegionName {
    /// `[vault.primary]`
    Primary,
    /// `[vault.secondary]`
    Secondary,
}

impl From<RegionName> for Role {
    fn from(name: RegionName) -> Self {
        match name {
            RegionName::Primary => Self::Primary,
            RegionName::Secondary => Self::Secondary,
        }
    }
}

#[derive(Debug, Args)]
#[command(
    long_about = "Copy to the other vault what it lacks\n\n\
    Each backup is copied to the byte: read and hashed, sent, read back and hashed again, and only \
    then does it exist there. The newest comes first. One that is damaged is not copied. What was \
    interrupted goes on with the next run.",
    after_help = "\
Examples:
  lifeboat replicate --dry-run
  lifeboat replicate
  lifeboat replicate --from secondary --to primary
  lifeboat replicate --json | tail -n 1 | jq .lag"
)]
pub(crate) struct ReplicateArgs {
    /// The vault that has the backups: an address, `primary` or `secondary`; else the active one
    #[arg(long, value_name = "ADDRESS", help_heading = "Vault")]
    pub(crate) from: Option<VaultChoice>,
    /// The vault that should have them too; else the other one
    #[arg(long, value_name = "ADDRESS", help_heading = "Vault")]
    pub(crate) to: Option<VaultChoice>,
    /// Only show what would be copied
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
}
