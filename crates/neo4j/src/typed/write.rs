//! PackStream to typed JSON and to the canonical bytes of the fingerprint, in one pass.

use std::io::Write as _;

use base64::Engine as _;
use lifeboat_bolt::packstream::{Decoder, Error, Kind};

use super::{EXACT, tag, text};

/// Turns values into their canonical bytes and, if wanted, into typed JSON.
///
/// One for each thread: it keeps its scratch space.
#[derive(Debug, Default)]
pub struct Transcoder {
    /// Canonical bytes of the element at hand, as [`crate::fingerprint`] defines them.
    pub canon: Vec<u8>,
    /// Typed JSON of all elements so far; `None` when only the fingerprint is wanted.
    pub json: Option<Vec<u8>>,
    keys: Vec<(usize, usize, usize)>,
}

impl Transcoder {
    /// One that writes JSON as well, or only canonical bytes.
    pub fn new(json: bool) -> Self {
        Self { json: json.then(Vec::new), ..Self::default() }
    }

    /// Writes plain text to the JSON.
    pub fn raw(&mut self, json: &str) {
        if let Some(out) = &mut self.json {
            out.extend_from_slice(json.as_bytes());
        }
    }

    /// Writes a whole number to the JSON.
    pub fn number(&mut self, number: i64) {
        if let Some(out) = &mut self.json {
            let _ = write!(out, "{number}");
        }
    }

    /// Writes a string to the JSON only.
    pub fn string(&mut self, string: &str) {
        if let Some(out) = &mut self.json {
            put_string(out, string);
        }
    }

    /// Writes a length or count to the canonical bytes.
    pub fn canon_length(&mut self, length: usize) {
        self.canon.extend_from_slice(&(length as u64).to_le_bytes());
    }

    /// Writes a string's length and bytes to the canonical bytes.
    pub fn canon_string(&mut self, string: &str) {
        self.canon_length(string.len());
        self.canon.extend_from_slice(string.as_bytes());
    }

    /// Writes a map, its keys in ascending order, as a JSON object and as canonical content.
    ///
    /// # Errors
    /// When the bytes are not a PackStream map.
    pub fn map(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Error> {
        let count = decoder.map_header()?;
        let bytes = decoder.rest();
        let base = decoder.position();
        // Nested maps push above what an outer one has pushed.
        let first = self.keys.len();
        for _ in 0..count {
            let key = decoder.position() - base;
            decoder.string()?;
            let value = decoder.position() - base;
            decoder.skip()?;
            self.keys.push((key, value, decoder.position() - base));
        }
        let key_of = |&(key, value, _): &(usize, usize, usize)| {
            Decoder::new(&bytes[key..value]).string().unwrap_or_default()
        };
        if !self.keys[first..].is_sorted_by_key(key_of) {
            self.keys[first..].sort_unstable_by(|a, b| key_of(a).cmp(key_of(b)));
        }
        self.canon_length(self.keys.len() - first);
        self.raw("{");
        for index in first..self.keys.len() {
            let (key, value, end) = self.keys[index];
            let key = Decoder::new(&bytes[key..value]).string()?;
            self.raw(if index == first { "" } else { "," });
            self.string(key);
            self.raw(":");
            self.canon_string(key);
            self.value(&mut Decoder::new(&bytes[value..end]))?;
        }
        self.keys.truncate(first);
        self.raw("}");
        Ok(())
    }

    /// Writes one value.
    ///
    /// # Errors
    /// When the bytes are not PackStream.
    pub fn value(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Error> {
        match decoder.peek()? {
            Kind::Null => {
                decoder.null()?;
                self.canon.push(0);
                self.raw("null");
            }
            Kind::Bool => {
                let value = decoder.bool()?;
                self.canon.push(1 + u8::from(value));
                self.raw(if value { "true" } else { "false" });
            }
            Kind::Int => {
                let value = decoder.int()?;
                self.canon.push(3);
                self.canon.extend_from_slice(&value.to_le_bytes());
                if (-EXACT..=EXACT).contains(&value) {
                    self.number(value);
                } else {
                    self.typed("Integer", |out| put(out, format_args!("{value}")));
                }
            }
            Kind::Float => self.float(decoder.float()?),
            Kind::Bytes => {
                let value = decoder.bytes()?;
                self.canon.push(5);
                self.canon_length(value.len());
                self.canon.extend_from_slice(value);
                self.typed("Base64", |out| {
                    let text = base64::engine::general_purpose::STANDARD.encode(value);
                    out.extend_from_slice(text.as_bytes());
                });
            }
            Kind::String => {
                let value = decoder.string()?;
                self.canon.push(6);
                self.canon_string(value);
                self.string(value);
            }
            Kind::List => {
                let count = decoder.list_header()?;
                self.canon.push(7);
                self.items(decoder, count)?;
            }
            Kind::Map => {
                self.canon.push(8);
                self.raw("{\"$type\":\"Map\",\"_value\":");
                self.map(decoder)?;
                self.raw("}");
            }
            Kind::Struct => self.structure(decoder)?,
        }
        Ok(())
    }

    fn items(&mut self, decoder: &mut Decoder<'_>, count: usize) -> Result<(), Error> {
        self.canon_length(count);
        self.raw("[");
        for index in 0..count {
            self.raw(if index == 0 { "" } else { "," });
            self.value(decoder)?;
        }
        self.raw("]");
        Ok(())
    }

    fn float(&mut self, value: f64) {
        let bits = if value.is_nan() { 0x7ff8_0000_0000_0000 } else { value.to_bits() };
        self.canon.push(4);
        self.canon.extend_from_slice(&bits.to_le_bytes());
        if value.is_finite() {
            if let Some(out) = &mut self.json {
                put(out, format_args!("{value:?}"));
            }
        } else {
            let name = if value.is_nan() {
                "NaN"
            } else if value > 0.0 {
                "Infinity"
            } else {
                "-Infinity"
            };
            self.typed("Float", |out| out.extend_from_slice(name.as_bytes()));
        }
    }

    fn structure(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Error> {
        let start = decoder.clone();
        let (tag, count) = decoder.struct_header()?;
        self.canon.push(9);
        self.canon.push(tag);
        // The JSON of the types that are known is made from the fields as numbers and text; their
        // canonical bytes, as for any structure, from the fields as values.
        let json = self.json.take();
        let known = match json {
            None => true,
            Some(mut out) => {
                let known = put_structure(&mut out, start, tag, count)?;
                self.json = Some(out);
                known
            }
        };
        if !known {
            self.raw("{\"$type\":\"Structure\",\"tag\":");
            self.number(i64::from(tag));
            self.raw(",\"fields\":");
            self.items(decoder, count)?;
            self.raw("}");
            return Ok(());
        }
        let json = self.json.take();
        let result = self.items(decoder, count);
        self.json = json;
        result
    }

    fn typed(&mut self, kind: &str, write: impl FnOnce(&mut Vec<u8>)) {
        if let Some(out) = &mut self.json {
            put_typed(out, kind, write);
        }
    }
}

fn put(out: &mut Vec<u8>, arguments: std::fmt::Arguments<'_>) {
    // Writing to a vector cannot fail.
    let _ = out.write_fmt(arguments);
}

fn put_typed(out: &mut Vec<u8>, kind: &str, write: impl FnOnce(&mut Vec<u8>)) {
    put(out, format_args!("{{\"$type\":\"{kind}\",\"_value\":\""));
    write(out);
    out.extend_from_slice(b"\"}");
}

/// Writes a structure that has a type of its own; `false` when it has none.
fn put_structure(
    out: &mut Vec<u8>,
    mut fields: Decoder<'_>,
    tag: u8,
    count: usize,
) -> Result<bool, Error> {
    fields.struct_header()?;
    match (tag, count) {
        (tag::DATE, 1) => {
            let days = fields.int()?;
            put_typed(out, "Date", |out| text::put_date(out, days));
        }
        (tag::TIME, 2) => {
            let (nanos, offset) = (fields.int()?, fields.int()?);
            put_typed(out, "Time", |out| {
                text::put_local_time(out, nanos);
                text::put_offset(out, offset);
            });
        }
        (tag::LOCAL_TIME, 1) => {
            let nanos = fields.int()?;
            put_typed(out, "LocalTime", |out| text::put_local_time(out, nanos));
        }
        (tag::LOCAL_DATE_TIME, 2) => {
            let (seconds, nanos) = (fields.int()?, fields.int()?);
            put_typed(out, "LocalDateTime", |out| text::put_local_date_time(out, seconds, nanos));
        }
        (tag::DATE_TIME, 3) => {
            let (seconds, nanos, offset) = (fields.int()?, fields.int()?, fields.int()?);
            put_typed(out, "OffsetDateTime", |out| {
                text::put_local_date_time(out, seconds.saturating_add(offset), nanos);
                text::put_offset(out, offset);
            });
        }
        (tag::DATE_TIME_ZONED, 3) => {
            let (seconds, nanos, zone) = (fields.int()?, fields.int()?, fields.string()?);
            if zone.contains(['"', '\\', '[', ']']) || zone.contains(char::is_control) {
                return Ok(false);
            }
            put_typed(out, "ZonedDateTime", |out| {
                text::put_local_date_time(out, seconds, nanos);
                put(out, format_args!("Z[{zone}]"));
            });
        }
        (tag::DURATION, 4) => {
            let parts = (fields.int()?, fields.int()?, fields.int()?, fields.int()?);
            put_typed(out, "Duration", |out| {
                text::put_duration(out, parts.0, parts.1, parts.2, parts.3);
            });
        }
        (tag::POINT_2D, 3) | (tag::POINT_3D, 4) => {
            let srid = fields.int()?;
            let mut coordinates = [0.0; 3];
            let used = &mut coordinates[..count - 1];
            for coordinate in used.iter_mut() {
                *coordinate = fields.float()?;
            }
            put_typed(out, "Point", |out| text::put_point(out, srid, used));
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// Writes a string as JSON.
pub fn put_string(out: &mut Vec<u8>, string: &str) {
    out.push(b'"');
    let bytes = string.as_bytes();
    let mut clean = 0;
    for (index, &byte) in bytes.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[clean..index]);
        clean = index + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => put(out, format_args!("\\u{byte:04x}")),
        }
    }
    out.extend_from_slice(&bytes[clean..]);
    out.push(b'"');
}
