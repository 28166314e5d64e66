//! The frame table: where each frame lies in the stored file, how much tar it holds, and its
//! digest. 24 bytes a frame, so that the table of a backup of 1 TB is a few MB.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The most tar bytes a frame may hold: 64 MiB. A reader never allocates more for one frame.
pub const MAX_FRAME: u32 = 64 << 20;

/// The most bytes a stored frame may have: room for data that does not compress at all, which a
/// fast deflate may grow by an eighth.
pub const MAX_STORED: u32 = MAX_FRAME + MAX_FRAME / 8 + 4096;

/// The size of a packed record.
const RECORD: usize = 24;

/// One frame of the stored file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameRecord {
    /// Bytes in the stored file, 1 to [`MAX_STORED`].
    pub stored: u32,
    /// Bytes of tar it holds, 1 to [`MAX_FRAME`].
    pub tar: u32,
    /// The first half of the BLAKE3 of the stored bytes.
    pub digest: [u8; 16],
}

/// All frames of an archive, in the order in which they stand in the file. In the manifest: base64
/// of the packed records, each `u32le stored`, `u32le tar`, 16 bytes of digest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FrameTable(pub Vec<FrameRecord>);

impl FrameTable {
    fn pack(&self) -> Vec<u8> {
        let mut packed = Vec::with_capacity(self.0.len() * RECORD);
        for record in &self.0 {
            packed.extend_from_slice(&record.stored.to_le_bytes());
            packed.extend_from_slice(&record.tar.to_le_bytes());
            packed.extend_from_slice(&record.digest);
        }
        packed
    }

    fn unpack(packed: &[u8]) -> Option<Self> {
        let (records, rest) = packed.as_chunks::<RECORD>();
        if !rest.is_empty() {
            return None;
        }
        let records = records.iter().map(|record| {
            let (stored, rest) = record.split_first_chunk().expect("4 of 24 bytes");
            let (tar, digest) = rest.split_first_chunk().expect("4 of 20 bytes");
            FrameRecord {
                stored: u32::from_le_bytes(*stored),
                tar: u32::from_le_bytes(*tar),
                digest: *digest.first_chunk().expect("16 of 16 bytes"),
            }
        });
        Some(Self(records.collect()))
    }
}

impl Serialize for FrameTable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(self.pack()))
    }
}

impl<'de> Deserialize<'de> for FrameTable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
        let packed = STANDARD.decode(text.as_bytes()).map_err(|error| {
            de::Error::custom(format!("the frame table is not base64: {error}"))
        })?;
        Self::unpack(&packed)
            .ok_or_else(|| de::Error::custom("the frame table is not made of 24-byte records"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn unpacks_what_it_packed(records: Vec<(u32, u32, [u8; 16])>) {
            let table = FrameTable(
                records
                    .into_iter()
                    .map(|(stored, tar, digest)| FrameRecord { stored, tar, digest })
                    .collect(),
            );
            let json = serde_json::to_string(&table).unwrap();
            prop_assert_eq!(serde_json::from_str::<FrameTable>(&json).unwrap(), table);
        }
    }

    #[test]
    fn refuses_other_text() {
        for text in ["\"AAAA\"", "\"?\"", "7", "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==\""] {
            assert!(serde_json::from_str::<FrameTable>(text).is_err(), "{text}");
        }
    }
}
