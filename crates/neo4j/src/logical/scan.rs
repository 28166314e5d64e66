//! Records of nodes and relationships: each becomes a line of the payload and a hash.

use std::collections::HashMap;

use lifeboat_bolt::packstream::Decoder;

use crate::error::{Error, Result};
use crate::fingerprint::{Tallies, Tally, first_half, label_set_name};
use crate::typed::{Transcoder, put_string};

/// The node structure of Bolt: id, labels, properties and, since 5.0, the element id.
const NODE: u8 = b'N';
/// The relationship structure: id, start, end, type, properties and, since 5.0, element ids.
const RELATIONSHIP: u8 = b'R';

/// The label of the node that a canary writes again and again, and that has no other label. It is
/// nobody's data: no backup of the graph holds it, no fingerprint counts it.
pub const CANARY: &str = "LifeboatCanary";

/// Reads records on one thread and adds up what they contribute to the fingerprint.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    transcoder: Transcoder,
    /// Label sets by the bytes of their list as the server sent it.
    label_sets: HashMap<Vec<u8>, LabelSet>,
    types: HashMap<String, Tally>,
}

#[derive(Debug)]
struct LabelSet {
    name: String,
    json: String,
    canon: Vec<u8>,
    tally: Tally,
    /// Nodes with it are no data.
    is_canary: bool,
}

/// Where a relationship starts and ends, by internal ids.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ends {
    /// Start node.
    pub(crate) start: u64,
    /// End node.
    pub(crate) end: u64,
}

impl Scanner {
    /// A scanner that writes lines as well, or only adds up the fingerprint.
    pub(crate) fn new(lines: bool) -> Self {
        Self { transcoder: Transcoder::new(lines), ..Self::default() }
    }

    /// Bytes of lines that have not been taken yet.
    pub(crate) fn pending(&self) -> usize {
        self.transcoder.json.as_ref().map_or(0, Vec::len)
    }

    /// Takes the lines written so far.
    pub(crate) fn take_lines(&mut self) -> Vec<u8> {
        self.transcoder.json.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// What was added up.
    pub(crate) fn into_tallies(self) -> Tallies {
        let mut tallies = Tallies::default();
        for set in self.label_sets.into_values().filter(|set| !set.is_canary) {
            // The same set can come with its labels in another order.
            tallies.nodes.entry(set.name).or_default().merge(set.tally);
        }
        tallies.relationships = self.types.into_iter().collect();
        tallies
    }

    /// Reads a record that holds a node; answers its id and the digest that stands for it. `None`
    /// for a [canary](CANARY).
    ///
    /// # Errors
    /// When the record is something else.
    pub(crate) fn node(&mut self, record: &[u8]) -> Result<Option<(u64, u64)>> {
        let mut fields = structure(record, NODE, "node")?;
        let id = internal_id(fields.int()?)?;
        let labels = fields.skip()?;

        let out = &mut self.transcoder;
        let set = match self.label_sets.get_mut(labels) {
            Some(set) => set,
            None => self.label_sets.entry(labels.to_vec()).or_insert(LabelSet::read(labels)?),
        };
        if set.is_canary {
            return Ok(None);
        }
        out.canon.clear();
        out.canon.push(b'N');
        out.canon.extend_from_slice(&set.canon);
        out.raw("{\"id\":");
        out.number(id as i64);
        out.raw(",\"labels\":");
        out.raw(&set.json);
        out.raw(",\"properties\":");
        out.map(&mut fields)?;
        out.raw("}\n");
        let hash = blake3::hash(&out.canon);
        set.tally.add(first_half(&hash));
        Ok(Some((id, digest64(&hash))))
    }

    /// The end nodes of a record that holds a relationship.
    ///
    /// # Errors
    /// When the record is something else.
    pub(crate) fn ends(record: &[u8]) -> Result<Ends> {
        let mut fields = structure(record, RELATIONSHIP, "relationship")?;
        fields.int()?;
        Ok(Ends { start: internal_id(fields.int()?)?, end: internal_id(fields.int()?)? })
    }

    /// Reads a record that holds a relationship, given the digests of its end nodes.
    ///
    /// # Errors
    /// When the record is something else.
    pub(crate) fn relationship(&mut self, record: &[u8], digests: (u64, u64)) -> Result<()> {
        let mut fields = structure(record, RELATIONSHIP, "relationship")?;
        let (id, start, end) = (fields.int()?, fields.int()?, fields.int()?);
        let kind = fields.string()?;

        let out = &mut self.transcoder;
        out.canon.clear();
        out.canon.push(b'R');
        out.canon_string(kind);
        out.canon.extend_from_slice(&digests.0.to_le_bytes());
        out.canon.extend_from_slice(&digests.1.to_le_bytes());
        out.raw("{\"id\":");
        out.number(id);
        out.raw(",\"type\":");
        out.string(kind);
        out.raw(",\"start\":");
        out.number(start);
        out.raw(",\"end\":");
        out.number(end);
        out.raw(",\"properties\":");
        out.map(&mut fields)?;
        out.raw("}\n");
        let hash = first_half(&blake3::hash(&out.canon));
        match self.types.get_mut(kind) {
            Some(tally) => tally.add(hash),
            None => self.types.entry(kind.to_owned()).or_default().add(hash),
        }
        Ok(())
    }
}

impl LabelSet {
    fn read(bytes: &[u8]) -> Result<Self> {
        let mut decoder = Decoder::new(bytes);
        let count = decoder.list_header()?;
        let mut labels = Vec::new();
        for _ in 0..count {
            labels.push(decoder.string()?);
        }
        labels.sort_unstable();
        let mut canon = (labels.len() as u64).to_le_bytes().to_vec();
        let mut json = vec![b'['];
        for (index, label) in labels.iter().enumerate() {
            canon.extend_from_slice(&(label.len() as u64).to_le_bytes());
            canon.extend_from_slice(label.as_bytes());
            if index > 0 {
                json.push(b',');
            }
            put_string(&mut json, label);
        }
        json.push(b']');
        Ok(Self {
            is_canary: labels == [CANARY],
            name: label_set_name(labels.iter().copied()),
            json: String::from_utf8_lossy(&json).into_owned(),
            canon,
            tally: Tally::default(),
        })
    }
}

/// The fields of the one structure that a record of one column holds.
fn structure<'a>(record: &'a [u8], wanted: u8, what: &str) -> Result<Decoder<'a>> {
    let mut decoder = Decoder::new(record);
    decoder.list_header()?;
    let (tag, _) = decoder.struct_header()?;
    if tag == wanted {
        Ok(decoder)
    } else {
        Err(Error::Unexpected {
            what: format!("a {what} was asked for, structure {tag:#04x} came"),
        })
    }
}

fn internal_id(id: i64) -> Result<u64> {
    u64::try_from(id).map_err(|_| Error::Unexpected {
        what: format!("internal id {id}: this server does not number its nodes and relationships"),
    })
}

/// What stands for a node in its relationships; never zero, which marks an empty place in a table.
fn digest64(hash: &blake3::Hash) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&hash.as_bytes()[..8]);
    u64::from_le_bytes(bytes).max(1)
}
