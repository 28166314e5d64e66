//! The rules, by name: what each is about, what to do, and which runbook tells more.

use serde::{Deserialize, Serialize};

/// A rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// A run of a job failed, was missed or cut off, or did not do all of it.
    Job,
    /// A run should have begun.
    Late,
    /// A run takes much longer than usual.
    Slow,
    /// A job has been paused for days.
    Paused,
    /// The newest good backup is older than the RPO allows.
    Rpo,
    /// There is no good backup.
    NoBackup,
    /// A backup is damaged.
    Damaged,
    /// The newest backup is not in the second vault.
    Replication,
    /// What was written last is not in the vault, or cannot be replayed from there.
    Shipping,
    /// Shipped logs are missing between two that are there.
    Chain,
    /// A restore would take longer than the RTO allows.
    Rto,
    /// The newest backup holds much less, or more, than the one before.
    Suspicious,
    /// The vault does not answer.
    Vault,
    /// The vault is nearly full.
    Quota,
    /// A certificate ends soon.
    Certificate,
    /// A disk is nearly full.
    Disk,
    /// No instance leads.
    Leader,
    /// New settings were refused.
    Settings,
    /// Notices cannot be delivered by a channel.
    Channel,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::Job,
        Self::Late,
        Self::Slow,
        Self::Paused,
        Self::Rpo,
        Self::NoBackup,
        Self::Damaged,
        Self::Replication,
        Self::Shipping,
        Self::Chain,
        Self::Rto,
        Self::Suspicious,
        Self::Vault,
        Self::Quota,
        Self::Certificate,
        Self::Disk,
        Self::Leader,
        Self::Settings,
        Self::Channel,
    ];

    /// Its name: the first part of an alert's key.
    pub fn name(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::Late => "late",
            Self::Slow => "slow",
            Self::Paused => "paused",
            Self::Rpo => "rpo",
            Self::NoBackup => "no-backup",
            Self::Damaged => "damaged",
            Self::Replication => "replication",
            Self::Shipping => "shipping",
            Self::Chain => "chain",
            Self::Rto => "rto",
            Self::Suspicious => "suspicious",
            Self::Vault => "vault",
            Self::Quota => "quota",
            Self::Certificate => "certificate",
            Self::Disk => "disk",
            Self::Leader => "leader",
            Self::Settings => "settings",
            Self::Channel => "channel",
        }
    }

    /// Only the instance that leads can tell.
    pub fn is_leaders(self) -> bool {
        !matches!(
            self,
            Self::Certificate | Self::Disk | Self::Leader | Self::Settings | Self::Channel
        )
    }

    /// What to do first.
    pub fn action(self) -> &'static str {
        match self {
            Self::Job => "`lifeboat jobs history` tells why; mend it, then `lifeboat jobs run`",
            Self::Late => "`lifeboat jobs list` tells what it waits for",
            Self::Slow => "`lifeboat jobs list` shows it; look at the database, network and vault",
            Self::Paused => "`lifeboat jobs resume` when that is not meant any more",
            Self::Rpo | Self::NoBackup => {
                "`lifeboat jobs history backup` and `lifeboat doctor` tell why; then `lifeboat \
                 jobs run backup --wait`"
            }
            Self::Damaged => "`lifeboat list` names it; take a new backup",
            Self::Replication => {
                "`lifeboat jobs run replicate --wait` tells what stands in the way"
            }
            Self::Shipping => {
                "`lifeboat status` shows what is not shipped, `lifeboat jobs list` how the job \
                 ship goes"
            }
            Self::Chain => {
                "`lifeboat status` names the gap; a new base, `lifeboat backup --method physical`, \
                 protects what comes after it"
            }
            Self::Rto => "restore in bulk or physically, on a faster machine; see the restore test",
            Self::Suspicious => {
                "look at the database: is that meant? Old backups are kept by `lifeboat prune` \
                 while it holds"
            }
            Self::Vault => "`lifeboat doctor` tells whether network, address and rights are good",
            Self::Quota => "shorten [retention], or make the vault larger",
            Self::Certificate => "renew it, and start the service again",
            Self::Disk => "make room; a full disk stops backups and the service",
            Self::Leader => "`lifeboat jobs list` tells why; the vault may be out of reach",
            Self::Settings => "`lifeboat config check` names what is wrong; the old ones hold",
            Self::Channel => "`lifeboat alerts test` tries every channel and tells what is wrong",
        }
    }

    /// The runbook: a heading of docs/guides/alerts.md.
    pub fn runbook(self) -> &'static str {
        self.name()
    }
}
