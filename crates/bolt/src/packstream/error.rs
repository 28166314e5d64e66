//! What can be wrong with PackStream bytes.

use super::{Kind, MAX_DEPTH};

/// Bytes that are not what they should be.
///
/// Positions are offsets from the start of the buffer that the decoder was given. The bytes came
/// from a server or a file that does not follow the format, or were damaged on their way; reading
/// them again does not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes end within a value, or a length says more than there is.
    #[error(
        "the value at byte {position} needs {needed} bytes, but the bytes end after {available}"
    )]
    UnexpectedEnd {
        /// Where the value starts.
        position: usize,
        /// Bytes it needs.
        needed: u64,
        /// Bytes there are.
        available: usize,
    },
    /// A marker that PackStream does not have.
    #[error("byte {position} is {marker:#04x}, which starts no PackStream value")]
    UnknownMarker {
        /// Where it is.
        position: usize,
        /// The byte.
        marker: u8,
    },
    /// A value of another kind than asked for.
    #[error("at byte {position} should be {wanted}, but there is {found}")]
    UnexpectedKind {
        /// Where it is.
        position: usize,
        /// What was asked for.
        wanted: Kind,
        /// What is there.
        found: Kind,
    },
    /// A string that is not UTF-8.
    #[error("the string at byte {position} is not UTF-8")]
    InvalidUtf8 {
        /// Where its first byte is.
        position: usize,
    },
    /// Lists, maps or structures inside each other beyond the limit.
    #[error("values are nested deeper than {MAX_DEPTH} levels at byte {position}")]
    TooDeep {
        /// Where the limit was passed.
        position: usize,
    },
}
