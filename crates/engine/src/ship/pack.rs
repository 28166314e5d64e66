//! Packing: many small segments become few large objects, so that restoring a day needs few reads.
//!
//! A pack is segments back to back, byte for byte as they were. It is written before what it was
//! made of is deleted, so that at every moment each segment is there at least once; whoever was
//! interrupted leaves both, and the next packing deletes what is covered. The newest segments stay
//! as they are: the shipper and readers find the end of a timeline by them.

use bytes::{Bytes, BytesMut};
use lifeboat_vault::Vault;
use serde::Serialize;

use super::damaged;
use super::recovery::{BaseLog, locate};
use super::segment::Segment;
use super::timeline::{AREA, Chunk, MAX_OBJECT, Timeline, follows, pack_key, timelines};
use crate::Result;

/// The newest segments, which are never packed.
const NEWEST: u64 = 16;
/// The size that packs grow to.
const TARGET: u64 = 32 << 20;
/// So many small objects in a row are put together, however little it gives.
const MANY: usize = 32;
/// The most objects that go into one pack.
const MOST: usize = 1024;

/// What packing did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Packed {
    /// Objects that were put together.
    pub objects: u64,
    /// Packs that they became.
    pub packs: u64,
    /// Objects that an interrupted packing had left and that are covered by a pack.
    pub leftovers: u64,
}

/// What dropping did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// Objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Timelines of which nothing is left.
    pub timelines: Vec<String>,
}

/// Packs every timeline of a vault.
///
/// # Errors
/// When the vault fails. What was packed stays, and what was not is as it was.
pub async fn pack(vault: &Vault) -> Result<Packed> {
    let mut all = Packed::default();
    for timeline in timelines(vault).await?.values().flatten() {
        let packed = pack_timeline(timeline).await?;
        all.objects += packed.objects;
        all.packs += packed.packs;
        all.leftovers += packed.leftovers;
    }
    Ok(all)
}

/// Packs one timeline.
pub(super) async fn pack_timeline(timeline: &Timeline) -> Result<Packed> {
    let mut packed = Packed::default();
    let runs = timeline.runs();
    let kept: Vec<&Chunk> = runs.iter().flatten().collect();
    for chunk in &timeline.chunks {
        // Covered by one that begins as early and ends as late.
        let covered = kept.iter().any(|other| {
            other.key != chunk.key && other.first <= chunk.first && other.last >= chunk.last
        });
        if covered {
            timeline.area().delete(&chunk.key).await?;
            packed.leftovers += 1;
        }
    }
    let Some(end) = kept.last().map(|chunk| chunk.last + 1) else { return Ok(packed) };
    for run in &runs {
        let old = run.iter().take_while(|chunk| chunk.last + NEWEST < end);
        let old: Vec<&Chunk> = old.collect();
        for group in groups(&old) {
            let Some(objects) = pack_group(timeline, group).await? else { return Ok(packed) };
            packed.objects += objects;
            packed.packs += 1;
        }
    }
    Ok(packed)
}

/// Which neighbours to put together.
fn groups<'a, 'b>(chunks: &'b [&'a Chunk]) -> Vec<&'b [&'a Chunk]> {
    let mut groups = Vec::new();
    let mut from = 0;
    while from < chunks.len() {
        let mut bytes = 0;
        let mut to = from;
        while to < chunks.len() && to - from < MOST {
            // What overlaps is not packed again; what is large stays.
            let overlaps = to > from && chunks[to].first != chunks[to - 1].last + 1;
            if chunks[to].size >= TARGET / 2 || overlaps || bytes + chunks[to].size > TARGET {
                break;
            }
            bytes += chunks[to].size;
            to += 1;
        }
        let group = &chunks[from..to];
        if group.len() >= MANY || (group.len() > 1 && bytes >= TARGET / 2) {
            groups.push(group);
        }
        from = to.max(from + 1);
    }
    groups
}

/// Puts objects together; `None` when one of them is gone: somebody else packs.
async fn pack_group(timeline: &Timeline, group: &[&Chunk]) -> Result<Option<u64>> {
    let (Some(first), Some(last)) = (group.first(), group.last()) else { return Ok(None) };
    let mut whole = BytesMut::new();
    let mut before: Option<Segment> = None;
    for chunk in group {
        let Some((bytes, _)) = timeline.area().read(&chunk.key, MAX_OBJECT).await? else {
            return Ok(None);
        };
        // Only what is whole is put together, and only what follows.
        let mut rest = bytes.clone();
        while !rest.is_empty() {
            let wrong = |why: &str| damaged(timeline.area().vault(), &chunk.key, why);
            let segment = Segment::take(&mut rest, timeline.area().vault().keys())
                .map_err(|error| wrong(&error.to_string()))?;
            if before.as_ref().is_some_and(|before| !follows(&segment.header, before)) {
                return Err(wrong("it does not follow the segment before"));
            }
            before = Some(segment);
        }
        whole.extend_from_slice(&bytes);
    }
    let info = &timeline.info;
    let key = pack_key(&info.database, &info.timeline, first.first, last.last);
    let whole: Bytes = whole.freeze();
    if !timeline.area().create(&key, &whole).await? {
        return Err(damaged(timeline.area().vault(), &key, "it holds something else"));
    }
    for chunk in group {
        timeline.area().delete(&chunk.key).await?;
    }
    Ok(Some(group.len() as u64))
}

/// Drops the segments that no base needs: those before the oldest base of their timeline, and
/// timelines without a base. The newest timeline of each database stays, since its base may be on
/// its way. With `dry_run` nothing is dropped.
///
/// # Errors
/// When the vault fails; the same call goes on where it stopped.
pub async fn drop_unneeded(vault: &Vault, bases: &[BaseLog], dry_run: bool) -> Result<Dropped> {
    let mut dropped = Dropped::default();
    for (database, of_database) in timelines(vault).await? {
        let newest = of_database.last().map(Timeline::name);
        for timeline in &of_database {
            let mut oldest: Option<u64> = None;
            for base in bases.iter().filter(|base| base.database == database) {
                if let Some(needed) = locate(timeline, base).await? {
                    oldest = Some(oldest.map_or(needed, |oldest| oldest.min(needed)));
                }
            }
            let is_newest = Some(timeline.name()) == newest;
            let keep_from = match oldest {
                Some(oldest) => oldest,
                None if is_newest => continue,
                None => u64::MAX,
            };
            for chunk in timeline.chunks.iter().filter(|chunk| chunk.last < keep_from) {
                // The end of the newest timeline tells the shipper where to go on.
                if !dry_run {
                    timeline.area().delete(&chunk.key).await?;
                }
                dropped.objects += 1;
                dropped.bytes += chunk.size;
            }
            if keep_from == u64::MAX {
                if !dry_run {
                    // Last, so that what is left of an interruption is still known for one.
                    timeline.area().delete(&format!("{}/timeline.json", timeline.name())).await?;
                }
                dropped.timelines.push(timeline.name());
            }
        }
    }
    if !dry_run {
        let grace = std::time::Duration::from_hours(24);
        vault.area(AREA)?.remove_half_written(grace).await?;
    }
    Ok(dropped)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn chunks(sizes: &[u64]) -> Vec<Chunk> {
        let chunk = |(number, size): (usize, &u64)| Chunk {
            key: number.to_string(),
            first: number as u64,
            last: number as u64,
            size: *size,
            modified: Timestamp::UNIX_EPOCH,
        };
        sizes.iter().enumerate().map(chunk).collect()
    }

    #[test]
    fn small_neighbours_go_together() {
        let lengths = |sizes: &[u64]| -> Vec<usize> {
            let chunks = chunks(sizes);
            let chunks: Vec<&Chunk> = chunks.iter().collect();
            groups(&chunks).into_iter().map(<[_]>::len).collect()
        };
        assert!(lengths(&[1000; 31]).is_empty());
        assert_eq!(lengths(&[1000; 32]), [32]);
        assert_eq!(lengths(&[1000; 2000]), [1024, 976]);
        let mib = 1 << 20;
        assert_eq!(lengths(&[8 * mib, 8 * mib]), [2]);
        assert_eq!(lengths(&[15 * mib, 15 * mib, 15 * mib, 15 * mib, 20 * mib]), [2, 2]);
        assert!(lengths(&[20 * mib, 20 * mib]).is_empty());
    }
}
