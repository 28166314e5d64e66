//! Typed JSON to PackStream.
//!
//! A [`PackSeed`] drives `serde_json` and writes PackStream as it goes. The length of a list or map
//! is known only at its end, so their headers are written in the 32-bit form and filled in after.

use std::fmt;

use base64::Engine as _;
use lifeboat_bolt::packstream::Encoder;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{tag, text};

/// Why a line of a payload cannot be read.
pub type Failure = serde_json::Error;

const LIST_32: u8 = 0xD6;
const MAP_32: u8 = 0xDA;

/// Writes the next typed JSON value to `out` as PackStream.
#[derive(Debug)]
pub(super) struct PackSeed<'o> {
    /// Where the value goes.
    pub(super) out: &'o mut Vec<u8>,
}

/// Writes a header whose count comes later; answers where.
fn open(out: &mut Vec<u8>, marker: u8) -> usize {
    out.push(marker);
    out.extend_from_slice(&[0; 4]);
    out.len() - 4
}

fn close(out: &mut [u8], at: usize, count: u32) {
    out[at..at + 4].copy_from_slice(&count.to_be_bytes());
}

impl<'de> DeserializeSeed<'de> for PackSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for PackSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a typed JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Encoder::new(self.out).null();
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        Encoder::new(self.out).bool(value);
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        Encoder::new(self.out).int(value);
        Ok(())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<(), E> {
        let value = i64::try_from(value)
            .map_err(|_| E::custom(format_args!("{value} is beyond Neo4j's integers")))?;
        self.visit_i64(value)
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        Encoder::new(self.out).float(value);
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        Encoder::new(self.out).string(value);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let at = open(self.out, LIST_32);
        let mut count = 0;
        while items.next_element_seed(PackSeed { out: self.out })?.is_some() {
            count += 1;
        }
        close(self.out, at, count);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        expect_key(&mut map, "$type")?;
        let kind: String = map.next_value()?;
        match kind.as_str() {
            "Structure" => {
                expect_key(&mut map, "tag")?;
                let tag: u8 = map.next_value()?;
                expect_key(&mut map, "fields")?;
                map.next_value_seed(FieldsSeed { out: self.out, tag })?;
            }
            "Map" => {
                expect_key(&mut map, "_value")?;
                map.next_value_seed(MapSeed { out: self.out })?;
            }
            _ => {
                expect_key(&mut map, "_value")?;
                let value: String = map.next_value()?;
                put_typed(self.out, &kind, &value).ok_or_else(|| {
                    de::Error::custom(format_args!("{value:?} is not a value of type {kind:?}"))
                })?;
            }
        }
        match map.next_key::<String>()? {
            None => Ok(()),
            Some(key) => Err(de::Error::custom(format_args!("unexpected member {key:?}"))),
        }
    }
}

fn expect_key<'de, A: MapAccess<'de>>(map: &mut A, wanted: &str) -> Result<(), A::Error> {
    match map.next_key::<String>()? {
        Some(key) if key == wanted => Ok(()),
        other => Err(de::Error::custom(format_args!(
            "expected member {wanted:?} here, found {:?}",
            other.unwrap_or_default()
        ))),
    }
}

/// Writes a typed value from its text.
fn put_typed(out: &mut Vec<u8>, kind: &str, value: &str) -> Option<()> {
    let mut out = Encoder::new(out);
    match kind {
        "Integer" => out.int(value.parse().ok()?),
        "Float" => out.float(match value {
            "NaN" => f64::NAN,
            "Infinity" => f64::INFINITY,
            "-Infinity" => f64::NEG_INFINITY,
            _ => return None,
        }),
        "Base64" => out.bytes(&base64::engine::general_purpose::STANDARD.decode(value).ok()?),
        "Date" => {
            let days = text::date(value)?;
            out.struct_header(tag::DATE, 1);
            out.int(days);
        }
        "Time" => {
            let (nanos, offset) = text::time(value)?;
            out.struct_header(tag::TIME, 2);
            out.int(nanos);
            out.int(offset);
        }
        "LocalTime" => {
            let nanos = text::local_time(value)?;
            out.struct_header(tag::LOCAL_TIME, 1);
            out.int(nanos);
        }
        "LocalDateTime" => {
            let (seconds, nanos) = text::local_date_time(value)?;
            out.struct_header(tag::LOCAL_DATE_TIME, 2);
            out.int(seconds);
            out.int(nanos);
        }
        "OffsetDateTime" => {
            let (seconds, nanos, offset) = text::date_time(value)?;
            out.struct_header(tag::DATE_TIME, 3);
            out.int(seconds);
            out.int(nanos);
            out.int(offset);
        }
        "ZonedDateTime" => {
            let (seconds, nanos, zone) = text::zoned_date_time(value)?;
            out.struct_header(tag::DATE_TIME_ZONED, 3);
            out.int(seconds);
            out.int(nanos);
            out.string(zone);
        }
        "Duration" => {
            let (months, days, seconds, nanos) = text::duration(value)?;
            out.struct_header(tag::DURATION, 4);
            out.int(months);
            out.int(days);
            out.int(seconds);
            out.int(nanos);
        }
        "Point" => {
            let (srid, coordinates) = text::point(value)?;
            let tag = if coordinates.len() == 2 { tag::POINT_2D } else { tag::POINT_3D };
            out.struct_header(tag, coordinates.len() + 1);
            out.int(srid);
            for coordinate in coordinates {
                out.float(coordinate);
            }
        }
        _ => return None,
    }
    Some(())
}

/// Writes a JSON object of typed values as a PackStream map.
#[derive(Debug)]
pub struct MapSeed<'o> {
    /// Where the map goes.
    pub out: &'o mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for MapSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for MapSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of typed JSON values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let at = open(self.out, MAP_32);
        let mut count = 0;
        while map.next_key_seed(KeySeed { out: self.out })?.is_some() {
            map.next_value_seed(PackSeed { out: self.out })?;
            count += 1;
        }
        close(self.out, at, count);
        Ok(())
    }
}

/// Writes an object's key, whatever it holds, as a string.
struct KeySeed<'o> {
    out: &'o mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(PackSeed { out: self.out })
    }
}

/// Writes a JSON list as the fields of a structure, whose header has no 32-bit form.
struct FieldsSeed<'o> {
    out: &'o mut Vec<u8>,
    tag: u8,
}

impl<'de> DeserializeSeed<'de> for FieldsSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for FieldsSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of at most 15 fields")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut fields = Vec::new();
        let mut count = 0;
        while items.next_element_seed(PackSeed { out: &mut fields })?.is_some() {
            count += 1;
        }
        if count > 15 {
            return Err(de::Error::invalid_length(count, &self));
        }
        Encoder::new(self.out).struct_header(self.tag, count);
        self.out.extend_from_slice(&fields);
        Ok(())
    }
}
