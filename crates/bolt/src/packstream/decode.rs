//! Reading: a cursor over bytes that never believes a length before the bytes are there.

use std::fmt;

use super::marker::{
    BYTES_8, BYTES_16, BYTES_32, FALSE, FLOAT_64, INT_8, INT_16, INT_32, INT_64, LIST_8, LIST_16,
    LIST_32, MAP_8, MAP_16, MAP_32, NULL, STRING_8, STRING_16, STRING_32, STRUCT_8, STRUCT_16,
    TRUE,
};
use super::{Error, Value};

/// Levels of lists, maps and structures inside each other that [`Decoder::value`] follows.
pub const MAX_DEPTH: usize = 128;

/// What a value is, told by its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Nothing.
    Null,
    /// True or false.
    Bool,
    /// A signed 64-bit integer.
    Int,
    /// A 64-bit float.
    Float,
    /// A byte array.
    Bytes,
    /// UTF-8 text.
    String,
    /// A list of values.
    List,
    /// A map of text to values.
    Map,
    /// A tagged structure.
    Struct,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "null",
            Self::Bool => "a boolean",
            Self::Int => "an integer",
            Self::Float => "a float",
            Self::Bytes => "a byte array",
            Self::String => "a string",
            Self::List => "a list",
            Self::Map => "a map",
            Self::Struct => "a structure",
        })
    }
}

/// A cursor over PackStream bytes.
///
/// Every method that reads moves the cursor behind what it read; after an error the cursor stays
/// where the value starts.
///
/// ```
/// use lifeboat_bolt::packstream::{Decoder, Encoder};
///
/// let mut bytes = Vec::new();
/// let mut out = Encoder::new(&mut bytes);
/// out.list_header(2);
/// out.string("a");
/// out.int(1);
///
/// let mut decoder = Decoder::new(&bytes);
/// assert_eq!(decoder.list_header()?, 2);
/// assert_eq!(decoder.string()?, "a");
/// assert_eq!(decoder.int()?, 1);
/// assert!(decoder.is_empty());
/// # Ok::<(), lifeboat_bolt::packstream::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Decoder<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Decoder<'a> {
    /// A cursor at the start of `bytes`.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Offset of the cursor from the start, in bytes.
    #[inline]
    pub fn position(&self) -> usize {
        self.at
    }

    /// The bytes from the cursor on.
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// Whether everything has been read.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// The kind of the next value, which is not read.
    #[inline]
    pub fn peek(&self) -> Result<Kind, Error> {
        let marker = self.marker()?;
        Ok(match marker {
            0x00..=0x7F | 0xF0..=0xFF | INT_8..=INT_64 => Kind::Int,
            0x80..=0x8F | STRING_8..=STRING_32 => Kind::String,
            0x90..=0x9F | LIST_8..=LIST_32 => Kind::List,
            0xA0..=0xAF | MAP_8..=MAP_32 => Kind::Map,
            0xB0..=0xBF | STRUCT_8 | STRUCT_16 => Kind::Struct,
            NULL => Kind::Null,
            FLOAT_64 => Kind::Float,
            FALSE | TRUE => Kind::Bool,
            BYTES_8..=BYTES_32 => Kind::Bytes,
            _ => return Err(Error::UnknownMarker { position: self.at, marker }),
        })
    }

    /// Reads a null.
    #[inline]
    pub fn null(&mut self) -> Result<(), Error> {
        if self.marker()? != NULL {
            return Err(self.unexpected(Kind::Null));
        }
        self.at += 1;
        Ok(())
    }

    /// Reads a boolean.
    #[inline]
    pub fn bool(&mut self) -> Result<bool, Error> {
        let value = match self.marker()? {
            TRUE => true,
            FALSE => false,
            _ => return Err(self.unexpected(Kind::Bool)),
        };
        self.at += 1;
        Ok(value)
    }

    /// Reads an integer.
    #[inline]
    pub fn int(&mut self) -> Result<i64, Error> {
        let marker = self.marker()?;
        let (value, len) = match marker {
            0x00..=0x7F | 0xF0..=0xFF => (i64::from(marker as i8), 1),
            INT_8 => (i64::from(i8::from_be_bytes(self.after_marker()?)), 2),
            INT_16 => (i64::from(i16::from_be_bytes(self.after_marker()?)), 3),
            INT_32 => (i64::from(i32::from_be_bytes(self.after_marker()?)), 5),
            INT_64 => (i64::from_be_bytes(self.after_marker()?), 9),
            _ => return Err(self.unexpected(Kind::Int)),
        };
        self.at += len;
        Ok(value)
    }

    /// Reads a float.
    #[inline]
    pub fn float(&mut self) -> Result<f64, Error> {
        if self.marker()? != FLOAT_64 {
            return Err(self.unexpected(Kind::Float));
        }
        let value = f64::from_be_bytes(self.after_marker()?);
        self.at += 9;
        Ok(value)
    }

    /// Reads a byte array, which is lent out of the buffer.
    #[inline]
    pub fn bytes(&mut self) -> Result<&'a [u8], Error> {
        let (head, len) = match self.marker()? {
            BYTES_8 => self.length_8()?,
            BYTES_16 => self.length_16()?,
            BYTES_32 => self.length_32()?,
            _ => return Err(self.unexpected(Kind::Bytes)),
        };
        self.take(head, len)
    }

    /// Reads a string, which is lent out of the buffer.
    #[inline]
    pub fn string(&mut self) -> Result<&'a str, Error> {
        let marker = self.marker()?;
        let (head, len) = match marker {
            0x80..=0x8F => (1, usize::from(marker & 0x0F)),
            STRING_8 => self.length_8()?,
            STRING_16 => self.length_16()?,
            STRING_32 => self.length_32()?,
            _ => return Err(self.unexpected(Kind::String)),
        };
        let start = self.at;
        let bytes = self.take(head, len)?;
        std::str::from_utf8(bytes).map_err(|_| {
            self.at = start;
            Error::InvalidUtf8 { position: start + head }
        })
    }

    /// Reads the header of a list: the number of values that follow.
    ///
    /// The number is never more than the bytes that are left.
    #[inline]
    pub fn list_header(&mut self) -> Result<usize, Error> {
        let marker = self.marker()?;
        let (head, count) = match marker {
            0x90..=0x9F => (1, usize::from(marker & 0x0F)),
            LIST_8 => self.length_8()?,
            LIST_16 => self.length_16()?,
            LIST_32 => self.length_32()?,
            _ => return Err(self.unexpected(Kind::List)),
        };
        self.open(head, count, 1)
    }

    /// Reads the header of a map: the number of entries, each a string and a value, that follow.
    ///
    /// The number is never more than half the bytes that are left.
    #[inline]
    pub fn map_header(&mut self) -> Result<usize, Error> {
        let marker = self.marker()?;
        let (head, count) = match marker {
            0xA0..=0xAF => (1, usize::from(marker & 0x0F)),
            MAP_8 => self.length_8()?,
            MAP_16 => self.length_16()?,
            MAP_32 => self.length_32()?,
            _ => return Err(self.unexpected(Kind::Map)),
        };
        self.open(head, count, 2)
    }

    /// Reads the header of a structure: its tag and the number of fields that follow.
    #[inline]
    pub fn struct_header(&mut self) -> Result<(u8, usize), Error> {
        let marker = self.marker()?;
        let (head, count) = match marker {
            0xB0..=0xBF => (1, usize::from(marker & 0x0F)),
            STRUCT_8 => self.length_8()?,
            STRUCT_16 => self.length_16()?,
            _ => return Err(self.unexpected(Kind::Struct)),
        };
        let tag_at = self.at + head;
        let count = self.open(head + 1, count, 1)?;
        Ok((self.bytes[tag_at], count))
    }

    /// Passes over one value, however deep, and answers its bytes.
    ///
    /// Strings are not checked for UTF-8.
    pub fn skip(&mut self) -> Result<&'a [u8], Error> {
        let start = self.at;
        let mut left = 1_usize;
        while left > 0 {
            left -= 1;
            match self.skip_one() {
                // No header claims more values than bytes left, but those claims add up.
                Ok(inside) => left = left.saturating_add(inside),
                Err(error) => {
                    self.at = start;
                    return Err(error);
                }
            }
        }
        Ok(&self.bytes[start..self.at])
    }

    /// Reads one value of any kind.
    ///
    /// # Errors
    /// As any read, and [`Error::TooDeep`] beyond [`MAX_DEPTH`] levels.
    pub fn value(&mut self) -> Result<Value, Error> {
        let start = self.at;
        Value::decode(self, 0).inspect_err(|_| self.at = start)
    }

    /// Passes over one value without what it contains; answers how many values that is.
    #[inline]
    fn skip_one(&mut self) -> Result<usize, Error> {
        let marker = self.marker()?;
        let (head, len) = match marker {
            0x00..=0x7F | 0xF0..=0xFF | NULL | FALSE | TRUE => (1, 0),
            0x80..=0x8F => (1, usize::from(marker & 0x0F)),
            INT_8 => (2, 0),
            INT_16 => (3, 0),
            INT_32 => (5, 0),
            INT_64 | FLOAT_64 => (9, 0),
            BYTES_8 | STRING_8 => self.length_8()?,
            BYTES_16 | STRING_16 => self.length_16()?,
            BYTES_32 | STRING_32 => self.length_32()?,
            0x90..=0x9F | LIST_8..=LIST_32 => return self.list_header(),
            0xA0..=0xAF | MAP_8..=MAP_32 => return Ok(self.map_header()?.saturating_mul(2)),
            0xB0..=0xBF | STRUCT_8 | STRUCT_16 => return Ok(self.struct_header()?.1),
            _ => return Err(Error::UnknownMarker { position: self.at, marker }),
        };
        self.take(head, len)?;
        Ok(0)
    }

    #[inline]
    fn marker(&self) -> Result<u8, Error> {
        self.bytes.get(self.at).copied().ok_or(Error::UnexpectedEnd {
            position: self.at,
            needed: 1,
            available: 0,
        })
    }

    /// The `N` bytes behind the marker.
    #[inline]
    fn after_marker<const N: usize>(&self) -> Result<[u8; N], Error> {
        match self.bytes[self.at + 1..].first_chunk::<N>() {
            Some(bytes) => Ok(*bytes),
            None => Err(self.end(1 + N as u64)),
        }
    }

    #[inline]
    fn length_8(&self) -> Result<(usize, usize), Error> {
        Ok((2, usize::from(u8::from_be_bytes(self.after_marker()?))))
    }

    #[inline]
    fn length_16(&self) -> Result<(usize, usize), Error> {
        Ok((3, usize::from(u16::from_be_bytes(self.after_marker()?))))
    }

    #[inline]
    fn length_32(&self) -> Result<(usize, usize), Error> {
        let length = u32::from_be_bytes(self.after_marker()?);
        Ok((5, usize::try_from(length).unwrap_or(usize::MAX)))
    }

    /// Reads `len` bytes behind a head.
    #[inline]
    fn take(&mut self, head: usize, len: usize) -> Result<&'a [u8], Error> {
        let rest = self.rest();
        match rest.get(head..head.saturating_add(len)) {
            Some(bytes) => {
                self.at += head + len;
                Ok(bytes)
            }
            None => Err(self.end(head as u64 + len as u64)),
        }
    }

    /// Passes a head, if so many values of at least `each` bytes can follow it.
    #[inline]
    fn open(&mut self, head: usize, count: usize, each: u64) -> Result<usize, Error> {
        let needed = head as u64 + count as u64 * each;
        if needed > (self.bytes.len() - self.at) as u64 {
            return Err(self.end(needed));
        }
        self.at += head;
        Ok(count)
    }

    #[cold]
    fn end(&self, needed: u64) -> Error {
        Error::UnexpectedEnd { position: self.at, needed, available: self.bytes.len() - self.at }
    }

    #[cold]
    fn unexpected(&self, wanted: Kind) -> Error {
        match self.peek() {
            Ok(found) => Error::UnexpectedKind { position: self.at, wanted, found },
            Err(error) => error,
        }
    }
}
