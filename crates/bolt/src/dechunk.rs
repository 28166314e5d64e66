//! Bytes of the wire into messages, in place.
//!
//! A message travels as chunks, each with a length of two bytes, and ends with an empty chunk. A
//! record is mostly one chunk, so its bytes already lie together: it is told by where it starts
//! and ends, without a copy. Further chunks of a long message are moved up against the first ones
//! within the buffer. Whole batches of records are split off the buffer, which stays one
//! allocation for many of them.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use crate::batch::RecordBatch;

/// Room for one go of reading, and so about the most of a batch, in bytes.
const BLOCK: usize = 512 * 1024;
/// Less room than this is not worth a system call.
const SMALL: usize = 64 * 1024;
/// Longest message that is taken: longer than any value Neo4j stores, and below what offsets hold.
pub(crate) const MAX_MESSAGE: usize = 1 << 31;

/// First bytes of a record's message: structure of one field, tag `q`.
const RECORD: [u8; 2] = [0xB1, 0x71];

/// What stands first in the buffer.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// Records without anything else between.
    Records(RecordBatch),
    /// Another message.
    Message(Bytes),
}

/// A message longer than [`MAX_MESSAGE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLong;

/// The read side of a connection.
#[derive(Debug, Default)]
pub(crate) struct Dechunker {
    bytes: BytesMut,
    /// Where the next chunk's header is expected.
    cursor: usize,
    /// What has come of the message at hand, moved together; empty before its first chunk.
    partial: Range<usize>,
    /// A whole message that has not been taken.
    ready: Option<Range<usize>>,
}

impl Dechunker {
    /// The buffer, with room to read into.
    pub(crate) fn room(&mut self) -> &mut BytesMut {
        if self.bytes.capacity() - self.bytes.len() < SMALL {
            self.bytes.reserve(BLOCK);
        }
        &mut self.bytes
    }

    /// Whether reading more before looking would be of no use: a batch's worth is there.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() - self.cursor >= BLOCK / 2
            || self.bytes.capacity() - self.bytes.len() < SMALL
    }

    /// Takes the records that are there, or the message that stands before them; `None` when
    /// nothing is whole.
    pub(crate) fn next(&mut self) -> Result<Option<Incoming>, TooLong> {
        let mut records = Vec::new();
        let mut end = 0;
        while self.complete()? {
            let Some(message) = self.ready.take() else { break };
            if self.bytes[message.clone()].starts_with(&RECORD) {
                // Offsets fit: what is read before it is looked at is bounded, and so is a message.
                records.push((message.start as u32 + RECORD.len() as u32, message.end as u32));
                end = self.cursor;
                if end >= BLOCK {
                    break;
                }
            } else if records.is_empty() {
                return Ok(Some(Incoming::Message(self.split(self.cursor).slice(message))));
            } else {
                self.ready = Some(message);
                break;
            }
        }
        if records.is_empty() {
            return Ok(None);
        }
        let bytes = self.split(end);
        Ok(Some(Incoming::Records(RecordBatch::new(bytes, records))))
    }

    /// Takes the message that stands first, if it is whole and no record.
    pub(crate) fn message(&mut self) -> Result<Option<Bytes>, TooLong> {
        if !self.complete()? {
            return Ok(None);
        }
        let other = |message: &Range<usize>| !self.bytes[message.clone()].starts_with(&RECORD);
        let Some(message) = self.ready.take_if(|message| other(message)) else { return Ok(None) };
        Ok(Some(self.split(self.cursor).slice(message)))
    }

    /// Passes over records without looking at them; answers the first other message, if it is
    /// there.
    pub(crate) fn next_but_records(&mut self) -> Result<Option<Bytes>, TooLong> {
        loop {
            match self.next()? {
                Some(Incoming::Records(_)) => {}
                Some(Incoming::Message(message)) => return Ok(Some(message)),
                None => return Ok(None),
            }
        }
    }

    /// Walks chunks until a message is whole.
    fn complete(&mut self) -> Result<bool, TooLong> {
        if self.ready.is_some() {
            return Ok(true);
        }
        while let Some(header) = self.bytes[self.cursor..].first_chunk::<2>() {
            let len = usize::from(u16::from_be_bytes(*header));
            let start = self.cursor + 2;
            if len == 0 {
                // An empty chunk where no message has begun is a sign of life.
                self.cursor = start;
                if !self.partial.is_empty() {
                    self.ready = Some(std::mem::take(&mut self.partial));
                    return Ok(true);
                }
            } else if self.bytes.len() - start < len {
                return Ok(false);
            } else {
                if self.partial.is_empty() {
                    self.partial = start..start;
                } else {
                    self.bytes.copy_within(start..start + len, self.partial.end);
                }
                self.partial.end += len;
                self.cursor = start + len;
                // What the chunks' headers take counts: tiny chunks must not take more memory.
                if self.cursor - self.partial.start > MAX_MESSAGE {
                    return Err(TooLong);
                }
            }
        }
        Ok(false)
    }

    /// Takes the bytes before `end`, and moves what refers to those behind.
    fn split(&mut self, end: usize) -> Bytes {
        let taken = self.bytes.split_to(end).freeze();
        self.cursor -= end;
        if !self.partial.is_empty() {
            self.partial = self.partial.start - end..self.partial.end - end;
        }
        if let Some(message) = &mut self.ready {
            *message = message.start - end..message.end - end;
        }
        taken
    }
}

/// Appends a message as chunks.
pub(crate) fn chunk(message: &[u8], out: &mut Vec<u8>) {
    out.reserve(message.len() + message.len() / usize::from(u16::MAX) * 2 + 4);
    for chunk in message.chunks(usize::from(u16::MAX)) {
        out.extend_from_slice(&(chunk.len() as u16).to_be_bytes());
        out.extend_from_slice(chunk);
    }
    out.extend_from_slice(&[0, 0]);
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Everything that comes out when the bytes come in pieces of this size.
    fn dechunked(wire: &[u8], piece: usize) -> Vec<Vec<u8>> {
        let mut dechunker = Dechunker::default();
        let mut found = Vec::new();
        for piece in wire.chunks(piece) {
            dechunker.room().extend_from_slice(piece);
            while let Some(incoming) = dechunker.next().unwrap() {
                match incoming {
                    Incoming::Message(message) => found.push(message.to_vec()),
                    Incoming::Records(batch) => found
                        .extend(batch.iter().map(|fields| [RECORD.as_slice(), fields].concat())),
                }
            }
        }
        found
    }

    fn message() -> impl Strategy<Value = Vec<u8>> {
        let content = prop_oneof![
            vec(any::<u8>(), 0..40),
            (0_usize..200_000).prop_map(|n| { (0..n).map(|i| ((i * 31) >> 3) as u8).collect() })
        ];
        (content, any::<bool>()).prop_map(|(content, record)| {
            let head: &[u8] = if record { &RECORD } else { &[0xB0] };
            [head, &content].concat()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn messages_come_out_as_they_went_in(
            messages in vec(message(), 0..12),
            piece in prop_oneof![1_usize..100, 1000_usize..300_000],
            chunk_size in 1_usize..=65_535,
            noops: bool,
        ) {
            let mut wire = Vec::new();
            for message in &messages {
                if noops {
                    wire.extend([0, 0]);
                }
                for chunk in message.chunks(chunk_size.max(message.len() / 500)) {
                    wire.extend((chunk.len() as u16).to_be_bytes());
                    wire.extend(chunk);
                }
                wire.extend([0, 0]);
            }
            let piece = piece.max(wire.len() / 2000);
            prop_assert_eq!(dechunked(&wire, piece), messages);
        }

        #[test]
        fn chunking_is_undone(messages in vec(message(), 0..4)) {
            let mut wire = Vec::new();
            for message in &messages { chunk(message, &mut wire); }
            prop_assert_eq!(dechunked(&wire, 70_000), messages);
        }

        #[test]
        fn any_bytes_are_taken(wire in vec(any::<u8>(), 0..3000), piece in 1_usize..50) {
            let found: usize = dechunked(&wire, piece).iter().map(Vec::len).sum();
            prop_assert!(found <= wire.len());
        }
    }

    #[test]
    fn records_are_batched_up_to_the_next_message() {
        let mut dechunker = Dechunker::default();
        let mut wire = Vec::new();
        for message in [&[0xB1, 0x71, 0x91, 1][..], &[0xB1, 0x71, 0x91, 2], &[0xB1, 0x70, 0xA0]] {
            chunk(message, &mut wire);
        }
        dechunker.room().extend_from_slice(&wire);
        let Some(Incoming::Records(batch)) = dechunker.next().unwrap() else { panic!() };
        assert_eq!(batch.iter().collect::<Vec<_>>(), [[0x91, 1], [0x91, 2]]);
        let Some(Incoming::Message(message)) = dechunker.next().unwrap() else { panic!() };
        assert_eq!(&message[..], [0xB1, 0x70, 0xA0]);
        assert!(dechunker.next().unwrap().is_none());
    }
}
