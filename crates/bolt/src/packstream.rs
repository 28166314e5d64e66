//! PackStream version 1, the binary encoding of every value that Bolt carries.
//!
//! One idea: the bytes are the truth. [`Decoder`] is a cursor that lends strings and byte arrays
//! out of the buffer it reads, so a caller that only passes values on never builds a [`Value`]; a
//! structure this crate does not know stays a tag and its fields, so nothing a newer server sends
//! is lost. Hostile bytes give an [`Error`]: no length is believed before the bytes are there, and
//! nesting is limited to [`MAX_DEPTH`].
//!
//! Format: the PackStream page of the Bolt protocol documentation. Integers, lengths and headers
//! are written in the shortest form, so equal values have equal bytes.

mod decode;
mod encode;
mod error;
mod value;

pub use decode::{Decoder, Kind, MAX_DEPTH};
pub use encode::Encoder;
pub use error::Error;
pub use value::{Node, Path, Relationship, UnboundRelationship, Value};

/// Markers, by the names of the specification.
mod marker {
    pub(super) const TINY_STRING: u8 = 0x80;
    pub(super) const TINY_LIST: u8 = 0x90;
    pub(super) const TINY_MAP: u8 = 0xA0;
    pub(super) const TINY_STRUCT: u8 = 0xB0;
    pub(super) const NULL: u8 = 0xC0;
    pub(super) const FLOAT_64: u8 = 0xC1;
    pub(super) const FALSE: u8 = 0xC2;
    pub(super) const TRUE: u8 = 0xC3;
    pub(super) const INT_8: u8 = 0xC8;
    pub(super) const INT_16: u8 = 0xC9;
    pub(super) const INT_32: u8 = 0xCA;
    pub(super) const INT_64: u8 = 0xCB;
    pub(super) const BYTES_8: u8 = 0xCC;
    pub(super) const BYTES_16: u8 = 0xCD;
    pub(super) const BYTES_32: u8 = 0xCE;
    pub(super) const STRING_8: u8 = 0xD0;
    pub(super) const STRING_16: u8 = 0xD1;
    pub(super) const STRING_32: u8 = 0xD2;
    pub(super) const LIST_8: u8 = 0xD4;
    pub(super) const LIST_16: u8 = 0xD5;
    pub(super) const LIST_32: u8 = 0xD6;
    pub(super) const MAP_8: u8 = 0xD8;
    pub(super) const MAP_16: u8 = 0xD9;
    pub(super) const MAP_32: u8 = 0xDA;
    pub(super) const STRUCT_8: u8 = 0xDC;
    pub(super) const STRUCT_16: u8 = 0xDD;
}

/// Tags of the structures that this crate knows.
pub(crate) mod tag {
    pub(crate) const NODE: u8 = b'N';
    pub(crate) const RELATIONSHIP: u8 = b'R';
    pub(crate) const UNBOUND_RELATIONSHIP: u8 = b'r';
    pub(crate) const PATH: u8 = b'P';
    pub(crate) const DATE: u8 = b'D';
    pub(crate) const TIME: u8 = b'T';
    pub(crate) const LOCAL_TIME: u8 = b't';
    pub(crate) const LOCAL_DATE_TIME: u8 = b'd';
    pub(crate) const DATE_TIME: u8 = b'I';
    pub(crate) const DATE_TIME_ZONED: u8 = b'i';
    pub(crate) const DURATION: u8 = b'E';
    pub(crate) const POINT_2D: u8 = b'X';
    pub(crate) const POINT_3D: u8 = b'Y';
}

#[cfg(test)]
mod tests;
