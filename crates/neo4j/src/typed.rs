//! Values between PackStream and typed JSON, without a tree in between.
//!
//! Typed JSON is JSON where JSON is exact, and `{"$type": …, "_value": …}` where it is not:
//! strings, booleans, `null`, lists, integers up to 2⁵³ either way and finite floats (always with a
//! point or an exponent) stand for themselves; larger integers, NaN, infinities, bytes, temporal
//! values and points are typed as Neo4j's own typed JSON names them. A structure that no type is
//! known for is kept verbatim: `{"$type": "Structure", "tag": 86, "fields": […]}`.

mod read;
pub mod text;
mod write;

pub use read::{Failure, MapSeed};
pub use write::{Transcoder, put_string};

/// Structures of Bolt that a property can hold, by their tag.
mod tag {
    pub(super) const DATE: u8 = b'D';
    pub(super) const TIME: u8 = b'T';
    pub(super) const LOCAL_TIME: u8 = b't';
    pub(super) const LOCAL_DATE_TIME: u8 = b'd';
    pub(super) const DATE_TIME: u8 = b'I';
    pub(super) const DATE_TIME_ZONED: u8 = b'i';
    pub(super) const DURATION: u8 = b'E';
    pub(super) const POINT_2D: u8 = b'X';
    pub(super) const POINT_3D: u8 = b'Y';
}

/// Integers beyond this are not exact in every JSON reader.
const EXACT: i64 = 1 << 53;

#[cfg(test)]
mod tests;
