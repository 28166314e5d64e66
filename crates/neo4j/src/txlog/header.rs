//! The header of a transaction log's file.
//!
//! | At | Bytes | Content |
//! |---|---|---|
//! | 0 | 1 | format: 8 or 9 are understood here |
//! | 1 | 7 | number of the file |
//! | 8 | 8 | id of the last transaction committed before this file |
//! | 16 | 8 | format 9: its append index |
//! | 24 (format 8: 16) | 64 | the store: a byte 1, its time of creation and a random number (8 bytes each), the names of its engine and family (each a length byte and text), two bytes of version |
//! | … | up to 128 | zero |
//!
//! The file's number is in its name too, and both must agree.

use std::path::Path;

use super::LogError;

/// Bytes of a header.
pub const HEADER_SIZE: u64 = 128;

/// What a log file says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogHeader {
    /// The format of the file.
    pub format: u8,
    /// Its number.
    pub version: u64,
    /// The id of the last transaction committed before this file.
    pub last_tx: u64,
    /// The id of the store, 32 hexadecimal digits: the same as long as the store lives, also in
    /// its copies. Empty in a format that is not understood.
    pub store_id: String,
    /// The format of the store, such as `record-aligned-1.1`. Empty like that.
    pub store_format: String,
}

/// The id of a store and its format.
fn store(bytes: &[u8]) -> Option<(String, String)> {
    fn text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
        let (length, after) = rest.split_first()?;
        let (text, after) = after.split_at_checked(usize::from(*length))?;
        *rest = after;
        std::str::from_utf8(text).ok().filter(|t| t.bytes().all(|b| b.is_ascii_alphanumeric()))
    }
    let id = bytes.get(1..17)?;
    let mut rest = bytes.get(17..)?;
    let (engine, family) = (text(&mut rest)?, text(&mut rest)?);
    let format = format!("{engine}-{family}-{}.{}", rest.first()?, rest.get(1)?);
    Some((hex::encode(id), format))
}

fn be(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

impl LogHeader {
    /// Whether the entries of the file can be read.
    pub fn is_known(&self) -> bool {
        matches!(self.format, 8 | 9)
    }

    /// The header in the first [`HEADER_SIZE`] bytes of a file; `None` while the file is being
    /// made and they are not there yet.
    ///
    /// # Errors
    /// [`LogError::NotALog`].
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Option<Self>, LogError> {
        let size = usize::try_from(HEADER_SIZE).unwrap_or(usize::MAX);
        let Some(bytes) = bytes.get(..size).filter(|bytes| bytes.iter().any(|b| *b != 0)) else {
            return Ok(None);
        };
        let wrong = |why: String| LogError::NotALog { path: path.to_owned(), why };
        let (format, version, last_tx) = (bytes[0], be(&bytes[1..8]), be(&bytes[8..16]));
        // Formats before 6 are of servers before 2.3.
        if !(6..=32).contains(&format) {
            return Err(wrong(format!("its first byte, {format}, is no format of a log")));
        }
        let in_name = path.extension().and_then(|n| n.to_str()).and_then(|n| n.parse::<u64>().ok());
        if let Some(in_name) = in_name.filter(|in_name| *in_name != version) {
            return Err(wrong(format!("its header calls it number {version}, its name {in_name}")));
        }
        let (store_id, store_format) = match format {
            8 => store(&bytes[16..80]),
            9 => store(&bytes[24..88]),
            _ => None,
        }
        .unwrap_or_default();
        Ok(Some(Self { format, version, last_tx, store_id, store_format }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_told_from_anything_else() {
        let path = Path::new("neostore.transaction.db.3");
        let mut bytes = vec![0; 128];
        assert_eq!(LogHeader::parse(&bytes, path).unwrap(), None);
        assert_eq!(LogHeader::parse(&bytes[..50], path).unwrap(), None);
        bytes[0] = 9;
        bytes[7] = 3;
        bytes[14] = 1;
        bytes[25..41].fill(0x1f);
        bytes[41..59].copy_from_slice(b"\x06record\x07aligned\x01\x01\0");
        let header = LogHeader::parse(&bytes, path).unwrap().unwrap();
        assert_eq!((header.format, header.version, header.last_tx), (9, 3, 256));
        assert_eq!(header.store_id, "1f".repeat(16));
        assert_eq!(header.store_format, "record-aligned-1.1");
        assert!(header.is_known());
        let error = LogHeader::parse(&bytes, Path::new("neostore.transaction.db.4")).unwrap_err();
        assert!(error.to_string().contains("number 3, its name 4"), "{error}");
        bytes[0] = 10;
        assert!(!LogHeader::parse(&bytes, path).unwrap().unwrap().is_known());
        bytes[0] = b'S';
        assert!(LogHeader::parse(&bytes, path).is_err());
    }
}
