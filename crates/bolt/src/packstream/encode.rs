//! Writing, always in the shortest form.

use super::marker::{
    BYTES_8, BYTES_16, BYTES_32, FALSE, FLOAT_64, INT_8, INT_16, INT_32, INT_64, LIST_8, LIST_16,
    LIST_32, MAP_8, MAP_16, MAP_32, NULL, STRING_8, STRING_16, STRING_32, STRUCT_8, STRUCT_16,
    TINY_LIST, TINY_MAP, TINY_STRING, TINY_STRUCT, TRUE,
};
use super::{Value, tag};

/// Appends PackStream to a buffer.
///
/// Headers only announce what has to be written next: it is for the caller to write as many values
/// as a header says.
///
/// # Panics
/// The format has no way to write more than 2^32 − 1 bytes, characters' bytes, values or entries
/// in one piece, nor more than 65 535 fields: the methods panic when asked to.
#[derive(Debug)]
pub struct Encoder<'o> {
    out: &'o mut Vec<u8>,
}

impl<'o> Encoder<'o> {
    /// Appends to `out`.
    #[inline]
    pub fn new(out: &'o mut Vec<u8>) -> Self {
        Self { out }
    }

    /// Writes a null.
    #[inline]
    pub fn null(&mut self) {
        self.out.push(NULL);
    }

    /// Writes a boolean.
    #[inline]
    pub fn bool(&mut self, value: bool) {
        self.out.push(if value { TRUE } else { FALSE });
    }

    /// Writes an integer.
    #[inline]
    pub fn int(&mut self, value: i64) {
        if let Ok(small) = i8::try_from(value) {
            if small < -16 {
                self.out.push(INT_8);
            }
            self.out.push(small as u8);
        } else if let Ok(value) = i16::try_from(value) {
            self.marked(INT_16, value.to_be_bytes());
        } else if let Ok(value) = i32::try_from(value) {
            self.marked(INT_32, value.to_be_bytes());
        } else {
            self.marked(INT_64, value.to_be_bytes());
        }
    }

    /// Writes a float, bit by bit: the payload of a NaN is kept.
    #[inline]
    pub fn float(&mut self, value: f64) {
        self.marked(FLOAT_64, value.to_be_bytes());
    }

    /// Writes a byte array.
    #[inline]
    pub fn bytes(&mut self, value: &[u8]) {
        self.length(None, [BYTES_8, BYTES_16, BYTES_32], value.len());
        self.out.extend_from_slice(value);
    }

    /// Writes a string.
    #[inline]
    pub fn string(&mut self, value: &str) {
        self.length(Some(TINY_STRING), [STRING_8, STRING_16, STRING_32], value.len());
        self.out.extend_from_slice(value.as_bytes());
    }

    /// Announces a list of `count` values.
    #[inline]
    pub fn list_header(&mut self, count: usize) {
        self.length(Some(TINY_LIST), [LIST_8, LIST_16, LIST_32], count);
    }

    /// Announces a map of `count` entries: a string and a value each.
    #[inline]
    pub fn map_header(&mut self, count: usize) {
        self.length(Some(TINY_MAP), [MAP_8, MAP_16, MAP_32], count);
    }

    /// Announces a structure of `count` fields.
    ///
    /// More than 15 fields take a form that current servers read but do not write.
    #[inline]
    pub fn struct_header(&mut self, tag: u8, count: usize) {
        if count < 16 {
            self.out.push(TINY_STRUCT | count as u8);
        } else if let Ok(count) = u8::try_from(count) {
            self.marked(STRUCT_8, count.to_be_bytes());
        } else {
            let count = u16::try_from(count).expect("a structure has at most 65535 fields");
            self.marked(STRUCT_16, count.to_be_bytes());
        }
        self.out.push(tag);
    }

    /// Writes a map.
    pub fn map(&mut self, entries: &[(String, Value)]) {
        self.map_header(entries.len());
        for (key, value) in entries {
            self.string(key);
            self.value(value);
        }
    }

    /// Writes any value.
    pub fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.null(),
            Value::Bool(value) => self.bool(*value),
            Value::Int(value) => self.int(*value),
            Value::Float(value) => self.float(*value),
            Value::Bytes(value) => self.bytes(value),
            Value::String(value) => self.string(value),
            Value::List(items) => self.list(items),
            Value::Map(entries) => self.map(entries),
            Value::Node(node) => {
                self.struct_header(tag::NODE, 3 + usize::from(node.element_id.is_some()));
                self.node_fields(node);
            }
            Value::Relationship(relationship) => {
                let ids = relationship.element_ids.as_ref();
                self.struct_header(tag::RELATIONSHIP, if ids.is_some() { 8 } else { 5 });
                self.int(relationship.id);
                self.int(relationship.start);
                self.int(relationship.end);
                self.string(&relationship.kind);
                self.map(&relationship.properties);
                for id in ids.into_iter().flatten() {
                    self.string(id);
                }
            }
            Value::UnboundRelationship(relationship) => self.unbound(relationship),
            Value::Path(path) => {
                self.struct_header(tag::PATH, 3);
                self.list_header(path.nodes.len());
                for node in &path.nodes {
                    self.struct_header(tag::NODE, 3 + usize::from(node.element_id.is_some()));
                    self.node_fields(node);
                }
                self.list_header(path.relationships.len());
                for relationship in &path.relationships {
                    self.unbound(relationship);
                }
                self.list_header(path.indices.len());
                for index in &path.indices {
                    self.int(*index);
                }
            }
            Value::Date { days } => self.ints(tag::DATE, &[*days]),
            Value::Time { nanos, offset_s } => self.ints(tag::TIME, &[*nanos, *offset_s]),
            Value::LocalTime { nanos } => self.ints(tag::LOCAL_TIME, &[*nanos]),
            Value::LocalDateTime { s, nanos } => self.ints(tag::LOCAL_DATE_TIME, &[*s, *nanos]),
            Value::DateTime { s, nanos, offset_s } => {
                self.ints(tag::DATE_TIME, &[*s, *nanos, *offset_s]);
            }
            Value::DateTimeZoned { s, nanos, zone } => {
                self.struct_header(tag::DATE_TIME_ZONED, 3);
                self.int(*s);
                self.int(*nanos);
                self.string(zone);
            }
            Value::Duration { months, days, s, nanos } => {
                self.ints(tag::DURATION, &[*months, *days, *s, *nanos]);
            }
            Value::Point2D { srid, x, y } => self.point(tag::POINT_2D, *srid, &[*x, *y]),
            Value::Point3D { srid, x, y, z } => self.point(tag::POINT_3D, *srid, &[*x, *y, *z]),
            Value::Structure { tag, fields } => {
                self.struct_header(*tag, fields.len());
                for field in fields {
                    self.value(field);
                }
            }
        }
    }

    /// Writes a list.
    pub fn list(&mut self, items: &[Value]) {
        self.list_header(items.len());
        for item in items {
            self.value(item);
        }
    }

    fn node_fields(&mut self, node: &super::Node) {
        self.int(node.id);
        self.list_header(node.labels.len());
        for label in &node.labels {
            self.string(label);
        }
        self.map(&node.properties);
        if let Some(id) = &node.element_id {
            self.string(id);
        }
    }

    fn unbound(&mut self, relationship: &super::UnboundRelationship) {
        let id = relationship.element_id.as_ref();
        self.struct_header(tag::UNBOUND_RELATIONSHIP, 3 + usize::from(id.is_some()));
        self.int(relationship.id);
        self.string(&relationship.kind);
        self.map(&relationship.properties);
        if let Some(id) = id {
            self.string(id);
        }
    }

    fn ints(&mut self, tag: u8, fields: &[i64]) {
        self.struct_header(tag, fields.len());
        for field in fields {
            self.int(*field);
        }
    }

    fn point(&mut self, tag: u8, srid: i64, coordinates: &[f64]) {
        self.struct_header(tag, coordinates.len() + 1);
        self.int(srid);
        for coordinate in coordinates {
            self.float(*coordinate);
        }
    }

    #[inline]
    fn marked<const N: usize>(&mut self, marker: u8, bytes: [u8; N]) {
        self.out.push(marker);
        self.out.extend_from_slice(&bytes);
    }

    #[inline]
    fn length(&mut self, tiny: Option<u8>, [m8, m16, m32]: [u8; 3], length: usize) {
        match (tiny, u8::try_from(length), u16::try_from(length)) {
            (Some(tiny), Ok(length @ 0..=15), _) => self.out.push(tiny | length),
            (_, Ok(length), _) => self.marked(m8, length.to_be_bytes()),
            (_, _, Ok(length)) => self.marked(m16, length.to_be_bytes()),
            _ => {
                let length = u32::try_from(length).expect("PackStream lengths are below 2^32");
                self.marked(m32, length.to_be_bytes());
            }
        }
    }
}
