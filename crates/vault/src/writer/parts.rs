//! How an archive is cut into the parts of an upload: within the limits of the stores, and within
//! ours on memory.

use crate::error::translate::Place;

/// The size of the first parts of an upload.
const PART: usize = 8 << 20;

/// How many parts are on their way at a time, at most.
const PARALLEL: usize = 4;

/// How many bytes of parts are on their way at a time, as long as one part is not larger.
const IN_FLIGHT: usize = 40 << 20;

/// How large the parts of an upload are: they grow, so that the store's limit on their number is
/// never met, and memory stays at 64 MiB up to an archive of 70 GB (S3, Google) or 350 GB (Azure).
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts {
    /// After so many parts their size doubles.
    step: usize,
}

impl Parts {
    pub(super) fn of(place: &Place) -> Self {
        // Blocks of a blob, parts of an object:
        // https://learn.microsoft.com/azure/storage/blobs/scalability-targets
        // https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
        let most = match place {
            Place::Azure { .. } => 50_000,
            Place::S3 { .. } | Place::Gcs { .. } => 10_000,
            Place::Folder(_) | Place::Memory => return Self { step: usize::MAX },
        };
        // Eight sizes: 8 MiB to 1 GiB.
        Self { step: most / 8 }
    }

    pub(super) fn size(self, index: usize) -> usize {
        PART << (index / self.step).min(12)
    }

    /// How many parts of `size` bytes are on their way at a time.
    pub(super) fn parallel(size: usize) -> usize {
        (IN_FLIGHT / size.max(1)).clamp(1, PARALLEL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_grow_within_the_limits_of_the_stores() {
        let place = |most: usize| match most {
            50_000 => Place::Azure { account: String::new(), container: String::new(), means: "" },
            _ => Place::S3 { bucket: String::new() },
        };
        for (most, largest) in [(50_000, 12 << 40_u64), (10_000, 2 << 40)] {
            let parts = Parts::of(&place(most));
            let total: u64 = (0..most).map(|i| parts.size(i) as u64).sum();
            assert!(total >= largest, "{most} parts hold {total}");
            assert_eq!(parts.size(0), 8 << 20);
            assert!(parts.size(most - 1) <= 1 << 30);
            // 64 MiB at a time for a good while.
            let modest = (0..most).take_while(|i| parts.size(*i) <= 32 << 20);
            let bytes: u64 = modest.map(|i| parts.size(i) as u64).sum();
            assert!(bytes >= 70_000_000_000, "{bytes}");
            for index in 0..most {
                let size = parts.size(index);
                let memory = size * Parts::parallel(size) + size;
                assert!(memory <= 64 << 20 || size > 32 << 20);
            }
        }
        assert_eq!(Parts::of(&Place::Memory).size(1 << 40), 8 << 20);
    }
}
