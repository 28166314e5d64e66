//! Timelines: what was shipped, as it lies in a vault.
//!
//! A **timeline** is one unbroken history of one database's log. When the log that is found does
//! not go on where the shipped one ended (the server was replaced by a restore, or logs were pruned
//! before they were shipped), a new timeline begins; nothing is ever joined that does not fit.
//!
//! ```text
//! ship/DATABASE/000003/timeline.json            written first: where and why it began
//! ship/DATABASE/000003/000000000017.seg         a segment
//! ship/DATABASE/000003/000000000000-000000000016.pack    several, back to back
//! ```
//! Timelines are numbered: no clock tells which is the newest. A segment's number is its name and is given once, by create-if-absent: two shippers, if ever
//! there were two, could not both write it. Packs overlap with the segments they were made of
//! until those are deleted; a reader takes whichever reaches farther.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use lifeboat_neo4j::txlog::LogPosition;
use lifeboat_vault::{Area, Vault};
use serde::{Deserialize, Serialize};

use super::segment::{self, Header, Segment};
use super::{ShipError, damaged};
use crate::{Error, Result};

/// How the keys of single segments end.
const SEGMENT: &str = ".seg";
/// Where segments lie in a vault.
pub(super) const AREA: &str = "ship";
/// The most bytes of a `timeline.json`.
const MAX_INFO: u64 = 64 << 10;
/// The most bytes of a pack or segment.
pub(super) const MAX_OBJECT: u64 = 160 << 20;
/// As many bytes as a header surely has.
const PEEK: u64 = 4 << 10;

/// Why a timeline began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Reason {
    /// Nothing had been shipped of this database.
    First,
    /// The log is that of another store.
    OtherStore,
    /// The log is another from some transaction on: the database was restored, or lost its newest
    /// transactions in a power cut.
    Diverged,
    /// Logs were pruned before they were shipped.
    Pruned,
    /// Part of the log could not be read.
    Broken,
}

impl Reason {
    /// In words that follow "because".
    pub fn text(self) -> &'static str {
        match self {
            Self::First => "nothing had been shipped of it before",
            Self::OtherStore => "the database was replaced by another",
            Self::Diverged => "the database was restored, or lost its newest transactions",
            Self::Pruned => "the server pruned logs before they were shipped",
            Self::Broken => "part of the log could not be read",
        }
    }
}

/// The content of `timeline.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TimelineInfo {
    /// 1.
    pub format: u32,
    /// The database's name.
    pub database: String,
    /// The timeline's own name.
    pub timeline: String,
    /// When it was begun, by the shipper's clock.
    pub created: Timestamp,
    /// Why.
    pub reason: Reason,
    /// From where on the log is shipped: between two transactions.
    pub begins: LogPosition,
    /// The id of the last transaction before that.
    pub last_tx: u64,
    /// The checksum of that transaction, when it was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<u32>,
    /// When it was committed, in milliseconds since 1970, when that was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub committed: Option<i64>,
    /// The id of the store, in hexadecimal digits.
    pub store_id: String,
}

/// An object that holds segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Its key in the area.
    pub key: String,
    /// The number of its first segment.
    pub first: u64,
    /// The number of its last.
    pub last: u64,
    /// Its bytes.
    pub size: u64,
    /// When it was stored, by the store's clock.
    pub modified: Timestamp,
}

impl Chunk {
    /// Its number of segments.
    pub fn segments(&self) -> u64 {
        self.last - self.first + 1
    }

    /// Whether it takes the place of a damaged segment: a pack of one.
    pub(crate) fn is_replacement(&self) -> bool {
        self.segments() == 1 && !self.key.ends_with(SEGMENT)
    }
}

/// A timeline, as a listing shows it.
#[derive(Debug, Clone)]
pub struct Timeline {
    /// How it began.
    pub info: TimelineInfo,
    /// Every object of segments, by number; the longer one first where two begin alike, and a pack
    /// before a segment.
    pub chunks: Vec<Chunk>,
    area: Area,
}

/// The name of the timeline after another.
pub(super) fn next_name(after: Option<&Timeline>) -> String {
    let number = after.and_then(|after| after.info.timeline.parse::<u64>().ok());
    format!("{:06}", number.unwrap_or(0) + 1)
}

/// The key of a segment.
pub(super) fn segment_key(database: &str, timeline: &str, sequence: u64) -> String {
    format!("{database}/{timeline}/{sequence:012}{SEGMENT}")
}

/// The key of a pack.
pub(super) fn pack_key(database: &str, timeline: &str, first: u64, last: u64) -> String {
    format!("{database}/{timeline}/{first:012}-{last:012}.pack")
}

/// The numbers in the name of an object of segments.
fn numbers(name: &str) -> Option<(u64, u64)> {
    if let Some(number) = name.strip_suffix(SEGMENT) {
        let number = number.parse().ok()?;
        return Some((number, number));
    }
    let (first, last) = name.strip_suffix(".pack")?.split_once('-')?;
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some((first, last))
}

/// All that was shipped to a vault, the oldest timeline of each database first.
///
/// # Errors
/// When the vault does not answer.
pub async fn timelines(vault: &Vault) -> Result<BTreeMap<String, Vec<Timeline>>> {
    let area = vault.area(AREA)?;
    let mut found: BTreeMap<(String, String), (bool, Vec<Chunk>)> = BTreeMap::new();
    for object in area.list(None).await? {
        let mut parts = object.key.split('/');
        let (Some(database), Some(timeline), Some(name), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        if timeline.parse::<u64>().is_err() {
            continue;
        }
        let entry = found.entry((database.to_owned(), timeline.to_owned())).or_default();
        if name == "timeline.json" {
            entry.0 = true;
        } else if let Some((first, last)) = numbers(name) {
            let (size, modified) = (object.size, object.modified);
            entry.1.push(Chunk { key: object.key.clone(), first, last, size, modified });
        }
    }
    let mut timelines: BTreeMap<String, Vec<Timeline>> = BTreeMap::new();
    for ((database, timeline), (begun, chunks)) in found {
        if begun && let Some(info) = read_info(&area, &database, &timeline).await? {
            let of_database = timelines.entry(database).or_default();
            of_database.push(Timeline::new(info, chunks, area.clone()));
        }
    }
    for of_database in timelines.values_mut() {
        of_database.sort_by_key(|timeline| timeline.info.timeline.parse::<u64>().unwrap_or(0));
    }
    Ok(timelines)
}

fn info_key(database: &str, timeline: &str) -> String {
    format!("{database}/{timeline}/timeline.json")
}

async fn read_info(area: &Area, database: &str, timeline: &str) -> Result<Option<TimelineInfo>> {
    let key = info_key(database, timeline);
    let Some((bytes, _)) = area.read(&key, MAX_INFO).await? else { return Ok(None) };
    let info: TimelineInfo = serde_json::from_slice(&bytes)
        .map_err(|error| damaged(area.vault(), &key, &error.to_string()))?;
    if info.database == database && info.timeline == timeline && info.format == 1 {
        Ok(Some(info))
    } else {
        Err(damaged(area.vault(), &key, "it is that of another timeline, or of a newer program"))
    }
}

impl Timeline {
    fn new(info: TimelineInfo, mut chunks: Vec<Chunk>, area: Area) -> Self {
        // Of two with the same numbers, the pack of one segment comes first by its name: what it
        // stands for is damaged.
        chunks.sort_by(|a, b| (a.first, b.last, &a.key).cmp(&(b.first, a.last, &b.key)));
        Self { info, chunks, area }
    }

    /// Begins a timeline in the vault.
    ///
    /// # Errors
    /// When it cannot be stored, or there is one of that name.
    pub(super) async fn begin(vault: &Vault, info: TimelineInfo) -> Result<Self> {
        let area = vault.area(AREA)?;
        let key = info_key(&info.database, &info.timeline);
        let mut text = serde_json::to_vec_pretty(&info).unwrap_or_default();
        text.push(b'\n');
        if area.create(&key, &text.into()).await? {
            Ok(Self::new(info, Vec::new(), area))
        } else {
            Err(ShipError::Raced { vault: vault.to_string(), object: key }.into())
        }
    }

    /// The area that it lies in.
    pub(super) fn area(&self) -> &Area {
        &self.area
    }

    /// Its name in messages: database and timeline.
    pub fn name(&self) -> String {
        format!("{}/{}", self.info.database, self.info.timeline)
    }

    /// The same, listed anew.
    pub(super) async fn refreshed(&self) -> Result<Self> {
        let below = self.name();
        let mut chunks = Vec::new();
        for object in self.area.list(Some(&below)).await? {
            let name = object.key.rsplit('/').next().unwrap_or_default();
            if let Some((first, last)) = numbers(name) {
                let (size, modified) = (object.size, object.modified);
                chunks.push(Chunk { key: object.key.clone(), first, last, size, modified });
            }
        }
        Ok(Self::new(self.info.clone(), chunks, self.area.clone()))
    }

    /// The objects to read for every segment that there is, in order and without overlap, cut into
    /// runs where segments are missing.
    pub fn runs(&self) -> Vec<Vec<Chunk>> {
        let mut runs: Vec<Vec<Chunk>> = Vec::new();
        let mut next = 0;
        for chunk in &self.chunks {
            if chunk.last < next {
                continue;
            }
            match runs.last_mut() {
                // A pack that begins within what is covered already is read from there on.
                Some(run) if chunk.first <= next => run.push(chunk.clone()),
                _ => runs.push(vec![chunk.clone()]),
            }
            next = chunk.last + 1;
        }
        runs
    }

    /// All segments of an object, each checked, and each following the one before.
    ///
    /// # Errors
    /// [`ShipError::Damaged`]; `None` when the object is gone.
    pub(super) async fn read(&self, chunk: &Chunk) -> Result<Option<Vec<Segment>>> {
        let Some((mut bytes, _)) = self.area.read(&chunk.key, MAX_OBJECT).await? else {
            return Ok(None);
        };
        let wrong = |why: &str| damaged(self.area.vault(), &chunk.key, why);
        let mut segments: Vec<Segment> = Vec::new();
        while !bytes.is_empty() {
            let segment = Segment::take(&mut bytes, self.area.vault().keys())
                .map_err(|error| wrong(&error.to_string()))?;
            let header = &segment.header;
            if header.sequence != chunk.first + segments.len() as u64
                || header.database != self.info.database
                || header.timeline != self.info.timeline
            {
                return Err(wrong("it holds other segments than its name says"));
            }
            if let Some(before) = segments.last()
                && !follows(header, before)
            {
                return Err(wrong("its segments do not follow each other"));
            }
            segments.push(segment);
        }
        if segments.len() as u64 == chunk.segments() {
            Ok(Some(segments))
        } else {
            Err(wrong("it holds fewer segments than its name says"))
        }
    }

    /// The header of an object's first segment, unchecked; `None` when the object is gone.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) async fn peek(&self, chunk: &Chunk) -> Result<Option<Header>> {
        let range = 0..PEEK.min(chunk.size);
        let Some(bytes) = self.area.read_range(&chunk.key, range).await? else { return Ok(None) };
        segment::peek(&bytes)
            .map(Some)
            .map_err(|error| damaged(self.area.vault(), &chunk.key, &error.to_string()))
    }

    /// The last segment that was stored; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) async fn tail(&self) -> Result<Option<Segment>> {
        match self.runs().concat().last() {
            Some(chunk) => self.last_of(chunk).await,
            None => Ok(None),
        }
    }

    async fn last_of(&self, chunk: &Chunk) -> Result<Option<Segment>> {
        Ok(self.read(chunk).await?.and_then(|mut segments| segments.pop()))
    }

    /// The number of the last segment, which is damaged, and the segment before it, to go on from;
    /// `None` when it cannot be replaced: it is in a pack, or the one before it is no better.
    ///
    /// # Errors
    /// When the vault does not answer.
    pub(super) async fn before_tail(&self) -> Result<Option<(u64, Option<Segment>)>> {
        let chunks = self.runs().concat();
        let Some((tail, rest)) = chunks.split_last() else { return Ok(None) };
        if tail.segments() > 1 || tail.is_replacement() {
            return Ok(None);
        }
        let Some(before) = rest.last() else {
            return Ok((tail.first == 0).then_some((0, None)));
        };
        match self.last_of(before).await {
            Ok(Some(segment)) if segment.header.sequence + 1 == tail.first => {
                Ok(Some((tail.first, Some(segment))))
            }
            Ok(_) | Err(Error::Ship(ShipError::Damaged { .. })) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The header of the last segment, unchecked; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) async fn end(&self) -> Result<Option<Header>> {
        end_of_run(self, &self.runs().concat()).await
    }

    /// Stores a segment. One of that number that is there already is somebody else's.
    pub(super) async fn store(&mut self, sequence: u64, bytes: &Bytes) -> Result<()> {
        let key = segment_key(&self.info.database, &self.info.timeline, sequence);
        self.create(key, sequence, bytes).await
    }

    /// Stores a segment in the place of one that is damaged, as a pack of one: nothing that was
    /// stored is ever written over.
    pub(super) async fn replace(&mut self, sequence: u64, bytes: &Bytes) -> Result<()> {
        let key = pack_key(&self.info.database, &self.info.timeline, sequence, sequence);
        self.create(key, sequence, bytes).await
    }

    async fn create(&mut self, key: String, sequence: u64, bytes: &Bytes) -> Result<()> {
        if !self.area.create(&key, bytes).await? {
            let vault = self.area.vault().to_string();
            return Err(ShipError::Raced { vault, object: key }.into());
        }
        let (size, modified) = (bytes.len() as u64, Timestamp::now());
        self.chunks.push(Chunk { key, first: sequence, last: sequence, size, modified });
        Ok(())
    }
}

/// The header of the last segment of some objects; `None` when there is none.
pub(super) async fn end_of_run(timeline: &Timeline, run: &[Chunk]) -> Result<Option<Header>> {
    let Some(last) = run.last() else { return Ok(None) };
    if last.segments() == 1 {
        return timeline.peek(last).await;
    }
    let segments = timeline.read(last).await?;
    Ok(segments.and_then(|mut segments| segments.pop()).map(|segment| segment.header))
}

/// Whether a segment is the one after another.
pub(super) fn follows(header: &Header, before: &Segment) -> bool {
    header.sequence == before.header.sequence + 1
        && header.previous == Some(before.digest)
        && header.log.follows(before.header.log.end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(name: &str) -> Chunk {
        let (first, last) = numbers(name).unwrap();
        Chunk { key: name.into(), first, last, size: 1, modified: Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn runs_cover_what_there_is() {
        let vault =
            Vault::open(&lifeboat_vault::VaultConfig::new("memory://runs".parse().unwrap()));
        let info = TimelineInfo {
            format: 1,
            database: "neo4j".into(),
            timeline: "t".into(),
            created: Timestamp::UNIX_EPOCH,
            reason: Reason::First,
            begins: LogPosition { version: 0, offset: 128 },
            last_tx: 1,
            checksum: None,
            committed: None,
            store_id: String::new(),
        };
        let runs = |names: &[&str]| -> Vec<Vec<String>> {
            let chunks = names.iter().map(|name| chunk(name)).collect();
            let area = vault.clone().unwrap().area("ship").unwrap();
            let runs = Timeline::new(info.clone(), chunks, area).runs();
            runs.into_iter().map(|run| run.into_iter().map(|chunk| chunk.key).collect()).collect()
        };
        assert!(runs(&[]).is_empty());
        assert_eq!(runs(&["1.seg", "0.seg", "3.seg"]), [vec!["0.seg", "1.seg"], vec!["3.seg"]]);
        // A pack and the segments it was made of.
        assert_eq!(runs(&["1.seg", "0-2.pack", "0.seg", "3.seg"]), [["0-2.pack", "3.seg"]]);
        assert_eq!(runs(&["5-9.pack", "5-7.pack", "8-12.pack"]), [["5-9.pack", "8-12.pack"]]);
        // A pack of one stands for a segment that is damaged.
        assert_eq!(runs(&["4.seg", "5.seg", "5-5.pack"]), [["4.seg", "5-5.pack"]]);
        for name in ["x", "1-.pack", "2-1.pack", "1.tmp", "-1.seg"] {
            assert_eq!(numbers(name), None, "{name}");
        }
    }
}
