//! Records as they came, many at a time.

use bytes::Bytes;

/// Records in one buffer, not decoded.
///
/// A clone shares the bytes. A batch keeps the block of memory alive that it was read into, of
/// about 512 KiB or as long as its longest record, which its neighbours share.
#[derive(Debug, Clone)]
pub struct RecordBatch {
    bytes: Bytes,
    /// Start and end of each record's list of fields.
    records: Vec<(u32, u32)>,
    first: usize,
}

impl RecordBatch {
    pub(crate) fn new(bytes: Bytes, records: Vec<(u32, u32)>) -> Self {
        Self { bytes, records, first: 0 }
    }

    /// Number of records; never zero in a batch that a stream gave.
    pub fn len(&self) -> usize {
        self.records.len() - self.first
    }

    /// Whether there are no records.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that the batch takes, framing included.
    pub fn byte_len(&self) -> usize {
        let start = self.records.get(self.first).map_or(self.bytes.len(), |first| first.0 as usize);
        self.bytes.len() - start
    }

    /// The records, each as the PackStream list of its fields.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> + Clone {
        self.records[self.first..].iter().map(|(start, end)| self.fields(*start, *end))
    }

    /// Takes the first record.
    pub(crate) fn pop(&mut self) -> Option<&[u8]> {
        let (start, end) = *self.records.get(self.first)?;
        self.first += 1;
        Some(self.fields(start, end))
    }

    fn fields(&self, start: u32, end: u32) -> &[u8] {
        &self.bytes[start as usize..end as usize]
    }
}
