//! One number for each node id, in bounded memory.
//!
//! A backup keeps a node's digest for its relationships, a restore its id in the target. Ids are
//! dense in Neo4j's record stores, so a table of pages by id costs eight bytes a node and no
//! hashing. Pages beyond the budget go to an unnamed temporary file, oldest use first: memory stays
//! flat whatever the size of the graph.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// Numbers in a page: 64 KiB.
const PAGE: usize = 8192;

/// A map from node id to a number other than zero.
#[derive(Debug)]
pub struct NodeTable {
    pages: Vec<Slot>,
    resident: usize,
    budget: usize,
    hand: usize,
    file: Option<File>,
    len: u64,
}

#[derive(Debug, Default)]
struct Slot {
    page: Option<Box<[u64]>>,
    /// Looked at since the clock's hand passed.
    used: bool,
    /// Differs from what the file holds.
    dirty: bool,
    /// The file holds an image of it.
    stored: bool,
}

/// Ids above this would make the table itself large; Neo4j's record format has at most 2³⁵ nodes.
const MAX_ID: u64 = 1 << 40;

impl NodeTable {
    /// An empty table that keeps at most about `budget` bytes in memory.
    pub fn new(budget: usize) -> Self {
        let budget = (budget / (PAGE * 8)).max(2);
        Self { pages: Vec::new(), resident: 0, budget, hand: 0, file: None, len: 0 }
    }

    /// Number of ids that have a number.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether no id has a number.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Sets the number of `id`; zero takes it away.
    ///
    /// # Errors
    /// When the temporary file cannot be made, read or written, or the id is beyond all that
    /// Neo4j gives out.
    pub fn set(&mut self, id: u64, value: u64) -> io::Result<()> {
        if id >= MAX_ID {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("node id {id} is beyond the {MAX_ID} that Neo4j can hold"),
            ));
        }
        let index = (id / PAGE as u64) as usize;
        if index >= self.pages.len() {
            self.pages.resize_with(index + 1, Slot::default);
        }
        self.load(index)?;
        let slot = &mut self.pages[index];
        slot.dirty = true;
        if let Some(page) = &mut slot.page {
            let place = &mut page[(id % PAGE as u64) as usize];
            self.len += u64::from(*place == 0 && value != 0);
            self.len -= u64::from(*place != 0 && value == 0);
            *place = value;
        }
        Ok(())
    }

    /// The number of `id`, if it has one.
    ///
    /// # Errors
    /// When the temporary file cannot be read or written.
    pub fn get(&mut self, id: u64) -> io::Result<Option<u64>> {
        let index = (id / PAGE as u64) as usize;
        match self.pages.get(index) {
            None => return Ok(None),
            Some(slot) if slot.page.is_none() && !slot.stored => return Ok(None),
            Some(_) => self.load(index)?,
        }
        let page = self.pages[index].page.as_ref();
        Ok(page.map(|page| page[(id % PAGE as u64) as usize]).filter(|value| *value != 0))
    }

    fn load(&mut self, index: usize) -> io::Result<()> {
        let slot = &mut self.pages[index];
        slot.used = true;
        if slot.page.is_some() {
            return Ok(());
        }
        let mut page = vec![0; PAGE].into_boxed_slice();
        if slot.stored {
            let mut bytes = vec![0; PAGE * 8];
            if let Some(file) = &self.file {
                file.read_exact_at(&mut bytes, offset(index))?;
            }
            for (value, bytes) in page.iter_mut().zip(bytes.chunks_exact(8)) {
                *value = u64::from_le_bytes(bytes.try_into().unwrap_or_default());
            }
        }
        slot.page = Some(page);
        slot.dirty = false;
        self.resident += 1;
        if self.resident > self.budget { self.evict(index) } else { Ok(()) }
    }

    /// Gives one page up, by the clock algorithm; never `keep`.
    fn evict(&mut self, keep: usize) -> io::Result<()> {
        loop {
            self.hand = (self.hand + 1) % self.pages.len();
            let index = self.hand;
            let slot = &mut self.pages[index];
            if index == keep || slot.page.is_none() || std::mem::take(&mut slot.used) {
                continue;
            }
            if let Some(page) = slot.page.take().filter(|_| slot.dirty) {
                let bytes: Vec<u8> = page.iter().flat_map(|value| value.to_le_bytes()).collect();
                let file = match &mut self.file {
                    Some(file) => file,
                    none => none.insert(tempfile::tempfile()?),
                };
                if let Err(error) = file.write_all_at(&bytes, offset(index)) {
                    slot.page = Some(page);
                    return Err(error);
                }
                slot.stored = true;
            }
            self.resident -= 1;
            return Ok(());
        }
    }
}

fn offset(index: usize) -> u64 {
    index as u64 * PAGE as u64 * 8
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        /// Behaves as a map does, also when nearly every page is in the file.
        #[test]
        fn is_a_map(operations in prop::collection::vec((0u64..200_000, 0u64..5), 0..400)) {
            let mut table = NodeTable::new(0);
            let mut model = HashMap::new();
            for (id, value) in operations {
                prop_assert_eq!(table.get(id).unwrap(), model.get(&id).copied());
                table.set(id, value).unwrap();
                if value == 0 { model.remove(&id); } else { model.insert(id, value); }
                prop_assert_eq!(table.len(), model.len() as u64);
                prop_assert!(table.resident <= 2);
            }
            for (id, value) in model {
                prop_assert_eq!(table.get(id).unwrap(), Some(value));
            }
        }
    }

    #[test]
    fn an_absurd_id_is_refused() {
        assert!(NodeTable::new(0).set(u64::MAX, 1).is_err());
        assert_eq!(NodeTable::new(0).get(u64::MAX).unwrap(), None);
    }
}
