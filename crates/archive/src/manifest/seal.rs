//! The bytes of a manifest, and of a certificate: JSON for people and programs, closed by a line
//! with a digest.
//!
//! The digest covers every byte before its line, and the bytes around its digits are fixed, so the
//! digest is found and checked before any JSON is parsed, and no byte is outside of it.

use std::io;

use serde::{Deserialize, Serialize};
use serde_json::ser::{Formatter, PrettyFormatter};

use super::{FORMAT, Manifest, ManifestError};
use crate::Digest;

/// What stands before the digest's digits, on their line.
const BEFORE: &str = "  \"digest\": \"";
/// What stands after them.
const AFTER: &str = "\"\n}\n";
/// How every manifest begins, of any format.
const BEGIN: &[u8] = b"{\n  \"format\": ";

/// A manifest with its format before it.
#[derive(Serialize)]
pub(super) struct Document<'a> {
    pub(super) format: u64,
    #[serde(flatten)]
    pub(super) manifest: &'a Manifest,
}

#[derive(Deserialize)]
struct Probe {
    format: u64,
}

/// The bytes of a document, whose members are those of an object, with its digest.
pub(crate) fn write(document: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, Lines::default());
    document
        .serialize(&mut serializer)
        .expect("a document has only types that JSON has, and a vector takes all bytes");
    bytes.truncate(bytes.len() - 2); // the closing "\n}"
    bytes.extend_from_slice(b",\n");
    let digest = Digest::of(&bytes).to_string();
    for text in [BEFORE, &digest, AFTER] {
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

pub(super) fn read(bytes: &[u8]) -> Result<Manifest, ManifestError> {
    let probe = || serde_json::from_slice::<Probe>(bytes);
    let newer = |format| ManifestError::Newer { format, understood: FORMAT };
    match sealed(bytes) {
        Some((digest, covered)) if Digest::of(covered) == digest => {}
        Some(_) => {
            return Err(ManifestError::Damaged {
                reason: "its content does not match its own digest",
            });
        }
        None => {
            return Err(match probe() {
                Ok(Probe { format }) if format > FORMAT => newer(format),
                Ok(_) => ManifestError::Damaged { reason: "it does not end with its digest" },
                Err(_) if bytes.starts_with(BEGIN) => {
                    ManifestError::Damaged { reason: "its end is missing" }
                }
                Err(source) => ManifestError::NotManifest { source },
            });
        }
    }
    let Probe { format } = probe().map_err(|source| ManifestError::NotManifest { source })?;
    match format {
        0 => return Err(ManifestError::invalid("there is no format 0")),
        1..=FORMAT => {}
        _ => return Err(newer(format)),
    }
    serde_json::from_slice(bytes).map_err(|error| ManifestError::invalid(error.to_string()))
}

/// The digest in the last line and the bytes it covers, when there is such a line.
pub(crate) fn sealed(bytes: &[u8]) -> Option<(Digest, &[u8])> {
    let rest = bytes.strip_suffix(AFTER.as_bytes())?;
    let (rest, digits) = rest.split_at_checked(rest.len().checked_sub(64)?)?;
    let covered = rest.strip_suffix(BEFORE.as_bytes())?;
    let digits = std::str::from_utf8(digits).ok()?;
    Some((digits.parse().ok()?, covered))
}

/// Pretty to the third level, one line from there on: a line for each entry.
#[derive(Default)]
struct Lines {
    pretty: PrettyFormatter<'static>,
    depth: usize,
}

const INLINE: usize = 3;

impl Lines {
    fn inline(&self) -> bool {
        self.depth >= INLINE
    }

    fn separate<W: ?Sized + io::Write>(writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }
}

impl Formatter for Lines {
    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth += 1;
        if self.inline() { writer.write_all(b"[") } else { self.pretty.begin_array(writer) }
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        let inline = self.inline();
        self.depth -= 1;
        if inline { writer.write_all(b"]") } else { self.pretty.end_array(writer) }
    }

    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if self.inline() {
            Self::separate(writer, first)
        } else {
            self.pretty.begin_array_value(writer, first)
        }
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        if self.inline() { Ok(()) } else { self.pretty.end_array_value(writer) }
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth += 1;
        if self.inline() { writer.write_all(b"{") } else { self.pretty.begin_object(writer) }
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        let inline = self.inline();
        self.depth -= 1;
        if inline { writer.write_all(b"}") } else { self.pretty.end_object(writer) }
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if self.inline() {
            Self::separate(writer, first)
        } else {
            self.pretty.begin_object_key(writer, first)
        }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        if self.inline() { Ok(()) } else { self.pretty.end_object_value(writer) }
    }
}
