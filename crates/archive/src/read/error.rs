//! What can be wrong with an archive.

use crate::ManifestError;

/// Why an archive is not accepted. None of these goes away by trying again, except
/// [`Length`](Self::Length) when the store gave a part only.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The manifest contradicts itself.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The archive is encrypted, in a way this program does not know.
    #[error(
        "the archive {file} is encrypted in a way this program does not understand ({method:?}): \
         upgrade lifeboat"
    )]
    Encrypted {
        /// The archive's file name.
        file: String,
        /// What its manifest calls it.
        method: String,
    },
    /// The store gave fewer or more bytes than a frame has.
    #[error(
        "the archive {file} has {got} bytes at byte {at}, where frame {frame} should have \
         {expected}: it is truncated or another file; restore from another backup or the copy in \
         the second vault"
    )]
    Length {
        /// The archive's file name.
        file: String,
        /// The frame.
        frame: usize,
        /// Where it begins in the file.
        at: u64,
        /// Bytes it should have.
        expected: u32,
        /// Bytes that were given.
        got: usize,
    },
    /// A frame is not what was stored.
    #[error(
        "the archive {file} is damaged at byte {at} (frame {frame}): {reason}; restore from \
         another backup or the copy in the second vault"
    )]
    Damaged {
        /// The archive's file name.
        file: String,
        /// The frame.
        frame: usize,
        /// Where it begins in the file.
        at: u64,
        /// How that was seen.
        reason: String,
    },
    /// The tar inside is not what the manifest describes.
    #[error(
        "the archive {file} does not hold what its manifest says: {what} of {entry:?} at byte {at} \
         of the tar (frame {frame}) differs; do not trust this backup, use another"
    )]
    Tar {
        /// The archive's file name.
        file: String,
        /// The frame.
        frame: usize,
        /// Where in the tar.
        at: u64,
        /// The header or the padding.
        what: &'static str,
        /// The entry.
        entry: String,
    },
    /// The data of an entry does not match its digest.
    #[error(
        "the entry {path:?} of the archive {file} does not match its digest; do not trust this \
         backup, use another"
    )]
    Entry {
        /// The archive's file name.
        file: String,
        /// The entry.
        path: String,
    },
    /// The frames are right one by one, but the file as a whole is not.
    #[error("the archive {file} does not match its digest; do not trust this backup, use another")]
    File {
        /// The archive's file name.
        file: String,
    },
    /// The frames were not given in their order. A mistake in the calling program.
    #[error(
        "frame {got} of the archive {file} was given where {expected} was due; please report this"
    )]
    Order {
        /// The archive's file name.
        file: String,
        /// The frame that was due; the number of frames when none was.
        expected: usize,
        /// The frame that was given; the number of frames when none was.
        got: usize,
    },
}
