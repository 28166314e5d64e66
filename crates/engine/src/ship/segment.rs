//! A segment: some bytes of a database's transaction log, with what they are and a digest.
//!
//! ```text
//! "LBSEG\x00\x01\n" · header length u32le · signature length u32le · payload length u64le
//! header (JSON) · signature · payload · BLAKE3 of all before
//! ```
//! The digest at the end is the segment's: the next segment names it, so that segments form a
//! chain in which none can be left out or exchanged unseen. The signature, if there is one, is
//! minisign's of the header, which has the digest of the payload. Segments stand back to back in a
//! pack, byte for byte as they were alone, so packing them needs no secret.

use bytes::Bytes;
use jiff::Timestamp;
use lifeboat_archive::Digest;
use lifeboat_neo4j::txlog::LogPosition;
use lifeboat_vault::Keys;
use serde::{Deserialize, Serialize};

/// What every segment begins with.
const MAGIC: [u8; 8] = *b"LBSEG\x00\x01\n";
/// Bytes before the header.
pub const PREFIX: usize = 24;
/// Bytes of the digest at the end.
const DIGEST: usize = 32;
/// The most bytes of a header, and of a signature.
const MAX_HEADER: usize = 64 << 10;
/// The most bytes of log in a segment.
pub const MAX_RAW: usize = 64 << 20;
/// How a payload is encrypted: a file of age around what is compressed.
const AGE: &str = "age";
/// The most bytes of a stored payload: what [`MAX_RAW`] can become, and some for encryption.
const MAX_PAYLOAD: usize = MAX_RAW + (1 << 20);

/// What a segment says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Header {
    /// 1.
    pub format: u32,
    /// The database's name.
    pub database: String,
    /// The timeline that it is part of.
    pub timeline: String,
    /// Its number in the timeline, from 0.
    pub sequence: u64,
    /// The digest of the segment before; none for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Digest>,
    /// When it was made, by the shipper's clock.
    pub created: Timestamp,
    /// Which bytes of the log it holds.
    pub log: LogRange,
    /// The transactions that end in it.
    pub transactions: Transactions,
    /// Whether it ends where a transaction whose checksum was verified ends, or within one whose
    /// end was verified. If not, it ends where the log did when it was shipped.
    pub verified: bool,
    /// The bytes of log.
    pub raw: Measure,
    /// The payload.
    pub stored: Measure,
    /// How the payload is encrypted, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<String>,
}

/// A range of bytes of one log file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRange {
    /// The number of the file.
    pub version: u64,
    /// The first byte.
    pub from: u64,
    /// Behind the last byte.
    pub to: u64,
}

impl LogRange {
    /// Where it begins.
    pub fn start(&self) -> LogPosition {
        LogPosition { version: self.version, offset: self.from }
    }

    /// Where it ends.
    pub fn end(&self) -> LogPosition {
        LogPosition { version: self.version, offset: self.to }
    }

    /// Whether it goes on where `end` is: there, or at the beginning of the next file.
    pub fn follows(&self, end: LogPosition) -> bool {
        self.start() == end || (self.version == end.version + 1 && self.from == 0)
    }
}

/// Transactions, in the order of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transactions {
    /// How many.
    pub count: u64,
    /// The id of the first; when there is none, of the next.
    pub first: u64,
    /// The id of the last; when there is none, of the last before.
    pub last: u64,
    /// When the first was committed, in milliseconds since 1970; 0 when there is none.
    pub first_committed: i64,
    /// When the last was committed; 0 when there is none.
    pub last_committed: i64,
}

impl Transactions {
    /// None, after the transaction `last`.
    pub fn none(last: u64) -> Self {
        Self { count: 0, first: last + 1, last, first_committed: 0, last_committed: 0 }
    }

    /// When the last was committed; `None` when there is none.
    pub fn last_time(&self) -> Option<Timestamp> {
        (self.count > 0).then(|| Timestamp::from_millisecond(self.last_committed).ok()).flatten()
    }

    /// When the first was committed; `None` when there is none.
    pub fn first_time(&self) -> Option<Timestamp> {
        (self.count > 0).then(|| Timestamp::from_millisecond(self.first_committed).ok()).flatten()
    }
}

/// A length and a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measure {
    /// Bytes.
    pub size: u64,
    /// Their BLAKE3.
    pub blake3: Digest,
}

impl Measure {
    fn of(bytes: &[u8]) -> Self {
        Self { size: bytes.len() as u64, blake3: Digest::of(bytes) }
    }
}

/// What is wrong with a segment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SegmentError {
    /// It is shorter than it says.
    #[error("it is cut off")]
    Short,
    /// It is none.
    #[error("it is no log segment")]
    NotASegment,
    /// It was made by a newer program.
    #[error("it is of format {0}, which this version does not know; use a newer lifeboat")]
    Newer(u32),
    /// Its digest is not that of its bytes.
    #[error("its bytes are not those that were stored (BLAKE3)")]
    Digest,
    /// Its header makes no sense.
    #[error("its header cannot be used: {0}")]
    Header(String),
    /// Its payload is not what the header says.
    #[error("its payload is not what its header says: {0}")]
    Payload(&'static str),
    /// It could not be compressed.
    #[error("cannot compress it: {0}")]
    Compress(String),
    /// It is encrypted, and there is no key for it.
    #[error("it is encrypted, and no key opens it: {0}")]
    Encrypted(String),
    /// Its signature is missing or cannot be believed.
    #[error("its signature: {0}")]
    Signature(String),
    /// It cannot be encrypted or signed.
    #[error("{0}")]
    Key(String),
}

/// A segment, read and checked.
#[derive(Debug, Clone)]
pub struct Segment {
    /// What it says of itself.
    pub header: Header,
    /// Its digest, which the next one names.
    pub digest: Digest,
    payload: Bytes,
}

/// What goes into a segment besides its bytes.
#[derive(Debug, Clone)]
pub struct Meta {
    /// The database's name.
    pub database: String,
    /// The timeline.
    pub timeline: String,
    /// Its number in the timeline.
    pub sequence: u64,
    /// The digest of the segment before.
    pub previous: Option<Digest>,
    /// Which bytes of the log.
    pub log: LogRange,
    /// The transactions that end in them.
    pub transactions: Transactions,
    /// Whether their checksums were verified.
    pub verified: bool,
}

/// Makes a segment of bytes of a log, encrypted and signed as `keys` say; and its digest.
///
/// # Errors
/// When there are more than [`MAX_RAW`] bytes, or they cannot be compressed, encrypted or signed.
pub fn encode(meta: Meta, raw: &[u8], keys: &Keys) -> Result<(Bytes, Digest), SegmentError> {
    let unusable = |error: lifeboat_vault::KeyError| SegmentError::Key(error.to_string());
    if raw.len() > MAX_RAW {
        return Err(SegmentError::Payload("too long"));
    }
    let payload =
        zstd::bulk::compress(raw, 3).map_err(|e| SegmentError::Compress(e.to_string()))?;
    let payload = keys.seal_bytes(payload.into()).map_err(unusable)?;
    let header = Header {
        format: 1,
        database: meta.database,
        timeline: meta.timeline,
        sequence: meta.sequence,
        previous: meta.previous,
        created: Timestamp::now(),
        log: meta.log,
        transactions: meta.transactions,
        verified: meta.verified,
        raw: Measure::of(raw),
        stored: Measure::of(&payload),
        encryption: keys.encrypts().then(|| AGE.to_owned()),
    };
    let what = format!("segment {} {} {}", header.database, header.timeline, header.sequence);
    let header = serde_json::to_vec(&header).map_err(|e| SegmentError::Header(e.to_string()))?;
    let signature = keys.sign(&header, &what).map_err(unusable)?.unwrap_or_default();
    let length = |part: &[u8]| u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes();
    let whole = PREFIX + header.len() + signature.len() + payload.len() + DIGEST;
    let mut bytes = Vec::with_capacity(whole);
    bytes.extend(MAGIC);
    bytes.extend(length(&header));
    bytes.extend(length(signature.as_bytes()));
    bytes.extend((payload.len() as u64).to_le_bytes());
    bytes.extend(header);
    bytes.extend(signature.into_bytes());
    bytes.extend(payload);
    let digest = Digest::of(&bytes);
    bytes.extend(digest.0);
    Ok((bytes.into(), digest))
}

/// The lengths of a segment's parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Lengths {
    header: usize,
    signature: usize,
    payload: usize,
}

impl Lengths {
    fn read(bytes: &[u8]) -> Result<Self, SegmentError> {
        let prefix = bytes.get(..PREFIX).ok_or(SegmentError::Short)?;
        if prefix[..8] != MAGIC {
            return Err(SegmentError::NotASegment);
        }
        let number = |range: std::ops::Range<usize>| {
            let number = prefix[range].iter().rev().fold(0, |n, byte| n << 8 | u64::from(*byte));
            usize::try_from(number).unwrap_or(usize::MAX)
        };
        let lengths =
            Self { header: number(8..12), signature: number(12..16), payload: number(16..24) };
        if lengths.header > MAX_HEADER
            || lengths.signature > MAX_HEADER
            || lengths.payload > MAX_PAYLOAD
        {
            return Err(SegmentError::Header("a length is impossible".to_owned()));
        }
        Ok(lengths)
    }

    fn whole(self) -> usize {
        PREFIX + self.header + self.signature + self.payload + DIGEST
    }
}

fn parse_header(bytes: &[u8]) -> Result<Header, SegmentError> {
    let wrong = |error: serde_json::Error| SegmentError::Header(error.to_string());
    let header: Header = serde_json::from_slice(bytes).map_err(wrong)?;
    if header.format > 1 {
        return Err(SegmentError::Newer(header.format));
    }
    let Header { log, transactions, raw, .. } = &header;
    let plausible = log.from <= log.to
        && log.to - log.from == raw.size
        && raw.size <= MAX_RAW as u64
        && transactions.first <= transactions.last.saturating_add(1)
        && (transactions.count == 0) == (transactions.first > transactions.last);
    if !plausible {
        return Err(SegmentError::Header("its numbers contradict each other".to_owned()));
    }
    Ok(header)
}

/// The header of the segment that `bytes` begin with, which need not be there whole: without a
/// look at its digest, for finding one's way.
///
/// # Errors
/// When there is none.
pub fn peek(bytes: &[u8]) -> Result<Header, SegmentError> {
    let lengths = Lengths::read(bytes)?;
    parse_header(bytes.get(PREFIX..PREFIX + lengths.header).ok_or(SegmentError::Short)?)
}

/// How many bytes the segment has that `bytes` begin with.
///
/// # Errors
/// When there is none.
pub fn length(bytes: &[u8]) -> Result<usize, SegmentError> {
    Lengths::read(bytes).map(Lengths::whole)
}

impl Segment {
    /// Takes the first segment off `bytes`; all of it is checked, but for what is compressed: its
    /// signature too, if `keys` ask for one.
    ///
    /// # Errors
    /// When a byte is not what was stored, or the signature cannot be believed.
    pub fn take(bytes: &mut Bytes, keys: &Keys) -> Result<Self, SegmentError> {
        let lengths = Lengths::read(bytes)?;
        if bytes.len() < lengths.whole() {
            return Err(SegmentError::Short);
        }
        let whole = bytes.split_to(lengths.whole());
        let (content, stored) = whole.split_at(whole.len() - DIGEST);
        let digest = Digest::of(content);
        if digest.0 != *stored {
            return Err(SegmentError::Digest);
        }
        let (header, rest) = content[PREFIX..].split_at(lengths.header);
        let signature = Some(&rest[..lengths.signature]).filter(|bytes| !bytes.is_empty());
        keys.check(header, signature).map_err(|e| SegmentError::Signature(e.to_string()))?;
        let header = parse_header(header)?;
        let payload = whole.slice(PREFIX + lengths.header + lengths.signature..content.len());
        if header.stored != Measure::of(&payload) {
            return Err(SegmentError::Payload("its digest differs"));
        }
        Ok(Self { header, digest, payload })
    }

    /// The bytes of log, checked.
    ///
    /// # Errors
    /// When they are not what the header says, or `keys` do not open them.
    pub fn raw(&self, keys: &Keys) -> Result<Vec<u8>, SegmentError> {
        let compressed = match self.header.encryption.as_deref() {
            None => self.payload.clone(),
            Some(AGE) => keys
                .open_bytes(&self.payload)
                .map_err(|error| SegmentError::Encrypted(error.to_string()))?,
            Some(other) => return Err(SegmentError::Encrypted(format!("by {other}"))),
        };
        let size = usize::try_from(self.header.raw.size).unwrap_or(usize::MAX).min(MAX_RAW);
        let raw = zstd::bulk::decompress(&compressed, size)
            .map_err(|_| SegmentError::Payload("it does not decompress"))?;
        if Measure::of(&raw) == self.header.raw {
            Ok(raw)
        } else {
            Err(SegmentError::Payload("other bytes come out"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(sequence: u64) -> Meta {
        Meta {
            database: "neo4j".into(),
            timeline: "t".into(),
            sequence,
            previous: Some(Digest::of(b"before")),
            log: LogRange { version: 3, from: 100, to: 105 },
            transactions: Transactions {
                count: 2,
                first: 8,
                last: 9,
                first_committed: 1,
                last_committed: 2,
            },
            verified: true,
        }
    }

    #[test]
    fn a_segment_comes_back() {
        let plain = Keys::default();
        let (first, digest) = encode(meta(7), b"bytes", &plain).unwrap();
        let (second, _) =
            encode(Meta { previous: Some(digest), ..meta(8) }, b"other", &plain).unwrap();
        assert_eq!(peek(&first[..first.len() - 40]).unwrap().sequence, 7);
        assert_eq!(length(&first).unwrap(), first.len());
        let mut pack = Bytes::from([first, second].concat());
        let one = Segment::take(&mut pack, &plain).unwrap();
        let two = Segment::take(&mut pack, &plain).unwrap();
        assert!(pack.is_empty());
        assert_eq!((one.digest, two.header.previous), (digest, Some(digest)));
        let raw = |segment: &Segment| segment.raw(&plain).unwrap();
        assert_eq!((raw(&one), raw(&two)), (b"bytes".into(), b"other".into()));
        assert!(two.header.log.follows(LogPosition { version: 3, offset: 100 }));
        assert!(!two.header.log.follows(LogPosition { version: 2, offset: 100 }));
    }

    #[test]
    fn every_byte_counts() {
        let plain = Keys::default();
        let (bytes, _) = encode(meta(7), b"bytes", &plain).unwrap();
        for at in 0..bytes.len() {
            let mut wrong = bytes.to_vec();
            wrong[at] ^= 1;
            assert!(Segment::take(&mut wrong.into(), &plain).is_err(), "byte {at}");
            assert!(Segment::take(&mut bytes.slice(..at), &plain).is_err(), "cut at {at}");
        }
        assert!(peek(b"").is_err());
        let contradiction = Meta { log: LogRange { version: 3, from: 9, to: 10 }, ..meta(0) };
        let (bytes, _) = encode(contradiction, b"bytes", &plain).unwrap();
        assert!(matches!(Segment::take(&mut bytes.clone(), &plain), Err(SegmentError::Header(_))));
    }

    #[test]
    fn keys_hide_it_and_vouch_for_it() {
        let pair = lifeboat_vault::KeyPair::encryption();
        let signer = lifeboat_vault::KeyPair::signing(None).unwrap();
        let identity = pair.secret.expose().to_owned();
        let writer = Keys::default().with_recipient(&pair.public).unwrap();
        let writer = writer.with_signer(&signer.secret, None).unwrap();
        let reader = Keys::default().with_trusted(&signer.public).unwrap();
        let owner = reader.clone().with_identities(move || Ok(vec![identity.clone().into()]));
        let (bytes, _) = encode(meta(7), b"bytes", &writer).unwrap();
        assert!(!bytes.windows(5).any(|window| window == b"bytes"));

        let segment = Segment::take(&mut bytes.clone(), &owner).unwrap();
        assert_eq!(segment.raw(&owner).unwrap(), b"bytes");
        assert!(matches!(segment.raw(&reader), Err(SegmentError::Encrypted(_))));
        for at in 0..bytes.len() {
            let mut wrong = bytes.to_vec();
            wrong[at] ^= 1;
            assert!(Segment::take(&mut wrong.into(), &reader).is_err(), "byte {at}");
        }
        // One of a stranger's making, whole in itself.
        let (forged, _) = encode(meta(7), b"bytes", &Keys::default()).unwrap();
        let error = Segment::take(&mut forged.clone(), &reader).unwrap_err();
        assert!(matches!(error, SegmentError::Signature(_)), "{error}");
    }
}
