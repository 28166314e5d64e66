//! Shipped logs live as long as the bases that need them.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use lifeboat_archive::BackupName;
use lifeboat_vault::Listed;

use super::look::Side;
use super::{Pruned, Step};
use crate::Result;
use crate::config::Retention;
use crate::select::safety_of;
use crate::ship::{Dropped, base, drop_unneeded, timelines};

/// The base that point-in-time recovery to the beginning of the window starts from, in each vault
/// with shipped logs; and why it is needed.
pub(super) async fn needed(
    sides: &[Side],
    retention: &Retention,
    now: Timestamp,
) -> Result<BTreeMap<BackupName, String>> {
    let days = SignedDuration::from_hours(24 * i64::from(retention.days));
    let start = now.checked_sub(days).unwrap_or(Timestamp::MIN);
    let mut needed = BTreeMap::new();
    for side in sides {
        // The newest comes first.
        let before = side.listed.iter().filter_map(|listed| listed.manifest.as_ref().ok());
        let mut before = before.filter(|manifest| manifest.created <= start);
        let is_base = |manifest: &lifeboat_archive::Manifest| {
            safety_of(manifest).is_none() && base(manifest).is_some()
        };
        if let Some(oldest) = before.find(|manifest| is_base(manifest))
            && !timelines(&side.vault).await?.is_empty()
        {
            let why = "point-in-time recovery within the days that are kept begins with it";
            needed.insert(oldest.name.clone(), why.to_owned());
        }
    }
    Ok(needed)
}

/// Drops the shipped logs that lead on from no backup that is there after all steps. As long as a
/// backup cannot be read, it may be such a base: then nothing is dropped.
pub(super) async fn drop_logs(side: &Side, pruned: &[Pruned], dry_run: bool) -> Result<Dropped> {
    let goes =
        |name: &BackupName| pruned.iter().any(|one| one.name == *name && one.step == Step::Remove);
    let stay: Vec<&Listed> = side.listed.iter().filter(|listed| !goes(&listed.name)).collect();
    if stay.iter().any(|listed| listed.manifest.is_err()) {
        return Ok(Dropped::default());
    }
    let manifests = stay.iter().filter_map(|listed| listed.manifest.as_ref().ok());
    let logs: Vec<_> =
        manifests.filter_map(|manifest| base(manifest)).flat_map(|base| base.logs).collect();
    drop_unneeded(&side.vault, &logs, dry_run).await
}
