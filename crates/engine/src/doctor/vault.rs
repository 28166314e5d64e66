//! What the doctor checks of a vault, with the credentials of every day and with those for pruning.

use std::time::Duration;

use jiff::Timestamp;
use lifeboat_vault::{Attempt, Probe, Vault};

use super::{Diagnosis, Outcome, skew, space};
use crate::vaults::RegionConfig;
use crate::{Error, Result};

/// Leftovers younger than this may belong to a backup that is running.
const GRACE: Duration = Duration::from_hours(24);

/// What a probe has done of which every step went well.
const DID_ALL: &str = "an object was written once, read back and deleted";

fn open(region: &RegionConfig) -> Result<Vault> {
    Ok(Vault::open(&region.vault_config()?)?)
}

/// Tries whether what was written to the vault can be taken away again, with the credentials that
/// write it. Leaves an object behind where it cannot.
pub async fn try_immutability(region: &RegionConfig, diagnosis: &mut Diagnosis) {
    let tried = match open(region) {
        Ok(vault) => vault.try_immutability().await.map_err(Error::from),
        Err(error) => Err(error),
    };
    let tried = match tried {
        Ok(tried) => tried,
        Err(error) => return diagnosis.failed("immutability", &error),
    };
    let kept = if tried.erase.is_some() {
        "it is done, and what was there is kept as an older version"
    } else {
        "what was there is kept as an older version; see to it that these credentials may not \
         delete versions"
    };
    for (name, attempt) in [("overwriting", &tried.overwrite), ("deleting", &tried.delete)] {
        let lost = "the credentials that write backups can take them away: see \
                    docs/guides/immutability.md";
        diagnosis.attempt(name, attempt, kept, lost);
    }
    if let Some(erase) = &tried.erase {
        let lost = "the credentials that write backups can delete what the store keeps, for good: \
                    lock the bucket (Object Lock), or take s3:DeleteObjectVersion and \
                    s3:BypassGovernanceRetention from them, see docs/guides/immutability.md";
        diagnosis.attempt("deleting the older version", erase, "it is still there", lost);
    }
    if let Some(object) = tried.left {
        diagnosis.good("what was tried on", format!("{object} stays until prune removes it"));
    }
}

impl Diagnosis {
    /// Tells what became of a try to take something away.
    fn attempt(&mut self, name: &'static str, attempt: &Attempt, kept: &str, lost: &str) {
        match attempt {
            Attempt::Refused(reason) => self.good(name, format!("the store refuses it: {reason}")),
            Attempt::KeptAsVersion => self.good(name, kept),
            Attempt::Lost => self.add(name, Outcome::Failed, lost),
        }
    }
}

/// Checks the vault of a region, and those who prune there.
pub(super) async fn check(region: &RegionConfig, diagnosis: &mut Diagnosis) {
    let vault = match open(region) {
        Ok(vault) => vault,
        Err(error) => return diagnosis.failed("vault", &error),
    };
    if let Err(error) = vault.check().await {
        return diagnosis.failed("vault", &error);
    }
    diagnosis.good("vault", format!("{vault} answers"));
    let probe = vault.probe().await;
    if region.section.prune.is_none() {
        rights("vault rights", &probe.steps(), DID_ALL, diagnosis);
    } else {
        writer_rights(&probe, diagnosis);
        check_pruning(region, probe.left.as_deref(), diagnosis).await;
    }
    if let Some(ahead) = probe.clock_ahead {
        skew("vault clock", Timestamp::now().as_second() - ahead.as_secs(), diagnosis);
    }
    match vault.list().await {
        Ok(backups) => {
            let damaged = backups.iter().filter(|backup| backup.manifest.is_err()).count();
            let text = format!("{} backups, {damaged} of them damaged", backups.len());
            let outcome = if damaged == 0 { Outcome::Good } else { Outcome::Warning };
            diagnosis.add("backups", outcome, text);
        }
        Err(error) => diagnosis.failed("backups", &error),
    }
    match vault.leftovers(GRACE).await {
        Ok(leftovers) if leftovers.removable.is_empty() && leftovers.unclaimed.is_empty() => {}
        Ok(leftovers) => diagnosis.add(
            "leftovers",
            Outcome::Warning,
            format!(
                "{} of interrupted backups, which `lifeboat prune` removes, and {} files that \
                 nobody claims, which a person must look at",
                leftovers.removable.len(),
                leftovers.unclaimed.len()
            ),
        ),
        Err(error) => diagnosis.failed("leftovers", &error),
    }
    match vault.space() {
        Ok(Some(found)) => space("vault space", found.free, diagnosis),
        Ok(None) => {}
        Err(error) => diagnosis.failed("vault space", &error),
    }
}

/// A step of a probe: what was tried, and how it went.
type Step<'a> = (&'static str, Option<&'a Result<(), lifeboat_vault::Error>>);

/// Tells which steps failed, or else that these credentials `did` them all.
fn rights(name: &'static str, steps: &[Step<'_>], did: &str, diagnosis: &mut Diagnosis) {
    for (step, result) in steps {
        if let Some(Err(error)) = result {
            diagnosis.add(name, Outcome::Failed, format!("{step}: {error}"));
        }
    }
    if steps.iter().all(|(_, result)| matches!(result, Some(Ok(())))) {
        diagnosis.good(name, did);
    }
}

/// Tells whether who makes backups can do that, and nothing worse: where somebody else prunes, it
/// need not be able to delete.
fn writer_rights(probe: &Probe, diagnosis: &mut Diagnosis) {
    let [writing @ .., (_, delete)] = probe.steps();
    rights("vault rights", &writing, "an object was written once and read back", diagnosis);
    let (outcome, detail) = match delete {
        None => return,
        Some(Ok(())) => (
            Outcome::Warning,
            "the credentials that write backups can delete them as well, though there are others \
             for pruning: take that right from them, see docs/guides/immutability.md"
                .to_owned(),
        ),
        Some(Err(lifeboat_vault::Error::Denied { .. } | lifeboat_vault::Error::Failed { .. })) => (
            Outcome::Good,
            "the credentials that write backups cannot delete them; whether they can overwrite, \
             `lifeboat doctor --immutability` tries"
                .to_owned(),
        ),
        Some(Err(error)) => (Outcome::Failed, error.to_string()),
    };
    diagnosis.add("tamper resistance", outcome, detail);
}

/// Checks the credentials for pruning: that they reach the vault, can do all that `prune` does, and
/// can delete what the writer has written and could not delete.
async fn check_pruning(region: &RegionConfig, left: Option<&str>, diagnosis: &mut Diagnosis) {
    const NAME: &str = "rights to prune";
    let pruner = RegionConfig { section: region.section.for_pruning(), ..region.clone() };
    let vault = match open(&pruner) {
        Ok(vault) => vault,
        Err(error) => return diagnosis.failed(NAME, &error),
    };
    rights(NAME, &vault.probe().await.steps(), DID_ALL, diagnosis);
    let Some(object) = left else { return };
    if let Err(error) = vault.remove_probe(object).await {
        let detail = format!("what the other credentials have written stays: {error}");
        diagnosis.add(NAME, Outcome::Failed, detail);
    }
}
