//! Log segments: copied in the order of their chain, so that the target never has what comes after
//! a gap of our making.
//!
//! Each object is checked segment by segment before it is sent, and read back and compared after.
//! What the source has packed meanwhile and the target has in pieces is not sent again.

use bytes::Bytes;
use lifeboat_archive::BackupKind;
use lifeboat_vault::{Area, Keys};

use crate::Result;
use crate::ship::segment::Segment;
use crate::ship::{Chunk, Timeline, timelines};
use crate::vaults::Region;

/// Where segments lie in a vault.
const AREA: &str = "ship";

/// The most bytes of an object of segments.
const MAX_OBJECT: u64 = 160 << 20;

/// Log segments that were copied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SegmentReport {
    /// Objects that were copied, or would be.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that the target still lacks.
    pub missing: u64,
    /// Their bytes.
    pub missing_bytes: u64,
    /// What could not be copied, and why.
    pub failed: Vec<(String, String)>,
}

/// Copies the segments that the target lacks.
pub(super) async fn replicate(from: &Region, to: &Region, dry_run: bool) -> Result<SegmentReport> {
    let (from, to) = (from.vault(BackupKind::Database), to.vault(BackupKind::Database));
    let mut report = SegmentReport::default();
    let here = timelines(from).await?;
    if here.is_empty() {
        return Ok(report);
    }
    let there = timelines(to).await?;
    let (source, target) = (from.area(AREA)?, to.area(AREA)?);
    for (database, of_database) in &here {
        for timeline in of_database {
            let name = timeline.info.timeline.as_str();
            let copy = there
                .get(database)
                .and_then(|all| all.iter().find(|copy| copy.info.timeline == name));
            if copy.is_some_and(|copy| copy.info != timeline.info) {
                let reason = "the target has another timeline of this name".to_owned();
                report.failed.push((format!("{AREA}/{database}/{name}"), reason));
                continue;
            }
            let mut wanted = lacking(timeline, copy);
            if dry_run {
                for chunk in wanted {
                    report.missing += 1;
                    report.missing_bytes += chunk.size;
                    report.objects += 1;
                    report.bytes += chunk.size;
                }
                continue;
            }
            if copy.is_none() {
                let key = format!("{database}/{name}/timeline.json");
                match source.read(&key, MAX_OBJECT).await? {
                    // Dropped since the listing.
                    None => continue,
                    Some((bytes, _)) => send(&target, &key, &bytes).await?,
                }
            }
            wanted.reverse();
            while let Some(chunk) = wanted.pop() {
                let Some((bytes, _)) = source.read(&chunk.key, MAX_OBJECT).await? else {
                    // Packed since the listing: what it holds comes with the next run, and nothing
                    // after it before that.
                    report.missing += 1 + wanted.len() as u64;
                    report.missing_bytes += chunk.size + wanted.iter().map(|c| c.size).sum::<u64>();
                    break;
                };
                if let Err(reason) = check(&chunk, bytes.clone(), source.vault().keys()) {
                    report.failed.push((format!("{AREA}/{}", chunk.key), reason));
                    report.missing += 1;
                    report.missing_bytes += chunk.size;
                    continue;
                }
                send(&target, &chunk.key, &bytes).await?;
                report.objects += 1;
                report.bytes += chunk.size;
            }
        }
    }
    Ok(report)
}

/// The objects that hold a segment which the copy does not have, in the chain's order.
fn lacking(timeline: &Timeline, copy: Option<&Timeline>) -> Vec<Chunk> {
    let there = copy.map_or(&[][..], |copy| &copy.chunks);
    timeline.runs().into_iter().flatten().filter(|chunk| !covers(there, chunk)).collect()
}

/// Whether objects, sorted by their first segment, hold every segment of another.
fn covers(there: &[Chunk], chunk: &Chunk) -> bool {
    if chunk.is_replacement() {
        // It is not what it takes the place of, though it has the same number.
        let holds = |one: &&Chunk| one.first <= chunk.first && one.last >= chunk.last;
        return there.iter().filter(holds).any(|one| one.segments() > 1 || one.key == chunk.key);
    }
    let mut next = chunk.first;
    for one in there {
        if one.first <= next && one.last >= next {
            next = one.last + 1;
        }
    }
    next > chunk.last
}

/// Whether an object is what its name says: its segments whole, in order, and chained.
fn check(chunk: &Chunk, mut bytes: Bytes, keys: &Keys) -> Result<(), String> {
    let mut before = None;
    let mut sequence = chunk.first;
    while !bytes.is_empty() {
        let segment = Segment::take(&mut bytes, keys).map_err(|error| error.to_string())?;
        if segment.header.sequence != sequence {
            return Err(format!("segment {sequence} is missing in it"));
        }
        if before.is_some() && segment.header.previous != before {
            return Err(format!("segment {sequence} does not follow the one before"));
        }
        before = Some(segment.digest);
        sequence += 1;
    }
    if sequence == chunk.last + 1 {
        Ok(())
    } else {
        Err(format!("it ends before segment {sequence}"))
    }
}

/// Stores an object and reads it back. One that the listing did not show yet is as good, when it is
/// the same.
async fn send(target: &Area, key: &str, bytes: &Bytes) -> Result<()> {
    let created = target.create(key, bytes).await?;
    if target.read(key, MAX_OBJECT).await?.is_some_and(|(found, _)| found == *bytes) {
        return Ok(());
    }
    let (vault, object) = (target.vault().to_string(), format!("{AREA}/{key}"));
    if !created {
        return Err(lifeboat_vault::Error::AlreadyExists { vault, object }.into());
    }
    target.delete(key).await?;
    Err(lifeboat_vault::Error::NotAsSent { vault, object }.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(first: u64, last: u64) -> Chunk {
        let modified = jiff::Timestamp::UNIX_EPOCH;
        Chunk { key: format!("{first}-{last}.seg"), first, last, size: 1, modified }
    }

    #[test]
    fn what_is_there_in_other_pieces_is_there() {
        let pieces = [chunk(0, 0), chunk(1, 1), chunk(2, 9), chunk(5, 7), chunk(12, 20)];
        for (first, last, there) in [
            (0, 9, true),
            (1, 5, true),
            (3, 3, true),
            (0, 10, false),
            (10, 11, false),
            (12, 20, true),
            (11, 20, false),
        ] {
            assert_eq!(covers(&pieces, &chunk(first, last)), there, "{first}-{last}");
        }
        assert!(!covers(&[], &chunk(0, 0)));
        // What takes the place of a damaged segment does so in the copy as well.
        let again = Chunk { key: "5-5.pack".to_owned(), ..chunk(5, 5) };
        assert!(!covers(&[chunk(5, 5)], &again) && covers(&[chunk(5, 5), again.clone()], &again));
        assert!(covers(&[chunk(0, 9)], &again));
    }
}
