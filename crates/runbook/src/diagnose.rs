//! When the damage began: recovery points are really restored, and checked with the invariants of
//! the settings, until the last good one and the first bad one stand side by side.
//!
//! Damage is taken to stay: what is bad at one point is bad at all later ones. So the range is
//! halved with each restore, and a thousand backups need ten.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use lifeboat::format::Manifest;
use lifeboat::trial::{TrialOptions, trial};
use lifeboat::vault::Vault;
use lifeboat::{CancellationToken, Progress};
use serde::Serialize;

use crate::error::{Error, Result};

/// What was found of a recovery point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The backup.
    pub backup: String,
    /// The moment of its data.
    pub created: Timestamp,
    /// When it was finished: a recovery to this moment chooses it.
    pub finished: Timestamp,
    /// Whether all invariants hold.
    pub good: bool,
    /// What does not hold, when it is bad.
    pub why: Option<String>,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// The points that were tried, in that order.
    pub tried: Vec<Verdict>,
    /// The newest point that is good and has no bad one before it.
    pub last_good: Option<Verdict>,
    /// The oldest that is bad.
    pub first_bad: Option<Verdict>,
    /// How many points there are.
    pub points: usize,
}

/// How a point is judged: `Ok(None)` when it is good, else why it is not.
pub(crate) trait Judge {
    /// Judges the point of this index.
    async fn judge(&mut self, index: usize) -> Result<Option<String>>;
}

/// Where the damage begins among `points` points, the oldest first: the index of the first bad one,
/// `points` when all that was looked at is good.
pub(crate) async fn bisect(points: usize, judge: &mut impl Judge) -> Result<usize> {
    // The newest says whether there is any damage at all.
    if points == 0 || judge.judge(points - 1).await?.is_none() {
        return Ok(points);
    }
    // Everything below `good` is good, `bad` is bad.
    let (mut good, mut bad) = (0, points - 1);
    while good < bad {
        let middle = usize::midpoint(good, bad);
        if judge.judge(middle).await?.is_none() {
            good = middle + 1;
        } else {
            bad = middle;
        }
    }
    Ok(bad)
}

struct Trials<'a> {
    vault: &'a Vault,
    points: &'a [Manifest],
    settings: &'a lifeboat::config::VerifySection,
    progress: &'a Arc<Progress>,
    cancel: &'a CancellationToken,
    watch: &'a dyn Fn(&Verdict),
    verdicts: BTreeMap<usize, Verdict>,
    order: Vec<usize>,
}

impl Judge for Trials<'_> {
    async fn judge(&mut self, index: usize) -> Result<Option<String>> {
        let manifest = self.points[index].clone();
        let (backup, created) = (manifest.name.to_string(), manifest.created);
        let finished = manifest.finished;
        let options =
            TrialOptions { vault: self.vault.clone(), manifest, settings: self.settings.clone() };
        let why = match Box::pin(trial(&options, self.progress, self.cancel)).await {
            Ok(_) => None,
            Err(lifeboat::Error::Interrupted) => return Err(Error::Interrupted),
            // A full disk, or a vault that is away, says nothing about any backup.
            Err(error) if error.is_circumstance() => return Err(error.into()),
            Err(error) => Some(error.to_string()),
        };
        let verdict = Verdict { backup, created, finished, good: why.is_none(), why: why.clone() };
        (self.watch)(&verdict);
        self.verdicts.insert(index, verdict);
        self.order.push(index);
        Ok(why)
    }
}

/// Finds when the damage began, among the database backups of a vault, the oldest first. `watch`
/// hears of each that was tried.
///
/// # Errors
/// When no server can be started for the trials, or nothing could be checked: without invariants
/// every graph is as good as another.
pub async fn diagnose(
    vault: &Vault,
    points: &[Manifest],
    settings: &lifeboat::config::VerifySection,
    progress: &Arc<Progress>,
    watch: &dyn Fn(&Verdict),
    cancel: &CancellationToken,
) -> Result<Diagnosis> {
    if settings.invariants.is_empty() {
        return Err(Error::Drill(
            "there are no [[verify.invariants]] in lifeboat.toml, by which good could be told from \
             bad; write down what is damaged as a query that tells"
                .to_owned(),
        ));
    }
    let mut trials = Trials {
        vault,
        points,
        settings,
        progress,
        cancel,
        watch,
        verdicts: BTreeMap::new(),
        order: Vec::new(),
    };
    let first_bad = bisect(points.len(), &mut trials).await?;
    let verdict = |index: Option<usize>| index.and_then(|i| trials.verdicts.get(&i).cloned());
    Ok(Diagnosis {
        last_good: verdict(first_bad.checked_sub(1)),
        first_bad: verdict(Some(first_bad)),
        tried: trials.order.iter().filter_map(|index| verdict(Some(*index))).collect(),
        points: points.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Known {
        first_bad: usize,
        asked: Vec<usize>,
    }

    impl Judge for Known {
        async fn judge(&mut self, index: usize) -> Result<Option<String>> {
            self.asked.push(index);
            Ok((index >= self.first_bad).then(|| "damaged".to_owned()))
        }
    }

    #[tokio::test]
    async fn the_beginning_is_found_with_few_restores() {
        for points in 0..40 {
            for first_bad in 0..=points {
                let mut judge = Known { first_bad, asked: Vec::new() };
                assert_eq!(bisect(points, &mut judge).await.unwrap(), first_bad);
                let most = usize::BITS - points.leading_zeros() + 1;
                assert!(judge.asked.len() <= most as usize, "{:?} of {points}", judge.asked);
                // The last good one was really looked at.
                assert!(first_bad == 0 || points == 0 || judge.asked.contains(&(first_bad - 1)));
            }
        }
    }
}
