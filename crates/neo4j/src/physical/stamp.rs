//! Has a file changed since it was read?

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, SystemTime};

/// A file that was written so shortly before it was read may have been written again without its
/// times showing it: clocks of file systems tick slowly.
const TOO_FRESH: Duration = Duration::from_secs(1);

/// What tells one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    /// Whether this state could change unnoticed.
    fresh: bool,
}

impl Stamp {
    /// The state that was seen just now.
    pub(super) fn of(meta: &Metadata) -> Self {
        let now = SystemTime::now();
        let age = meta.modified().ok().and_then(|time| now.duration_since(time).ok());
        Self {
            inode: meta.ino(),
            size: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
            // A time in the future tells nothing.
            fresh: age.is_none_or(|age| age < TOO_FRESH),
        }
    }

    /// Whether the file is for certain still as it was when this stamp was taken.
    pub(super) fn holds(&self, now: &Metadata) -> bool {
        let now = Self { fresh: self.fresh, ..Self::of(now) };
        !self.fresh && *self == now
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_what_rested_counts_as_unchanged() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let meta = || fs::metadata(file.path()).unwrap();
        assert!(!Stamp::of(&meta()).holds(&meta()), "written just now");
        let old = SystemTime::now() - Duration::from_hours(1);
        file.as_file().set_modified(old).unwrap();
        let stamp = Stamp::of(&meta());
        assert!(stamp.holds(&meta()));
        fs::write(file.path(), "x").unwrap();
        assert!(!stamp.holds(&meta()));
        file.as_file().set_modified(old).unwrap();
        assert!(!stamp.holds(&meta()), "its size tells");
    }
}
