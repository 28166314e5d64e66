//! Lines of the payload, read back.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, Visitor};

use crate::typed::{Failure, MapSeed};

/// A node, without its properties.
#[derive(Debug)]
pub(crate) struct NodeLine<'l> {
    pub(crate) id: u64,
    pub(crate) labels: Vec<Cow<'l, str>>,
}

/// A relationship, without its properties.
#[derive(Debug)]
pub(crate) struct RelationshipLine<'l> {
    pub(crate) kind: Cow<'l, str>,
    pub(crate) start: u64,
    pub(crate) end: u64,
}

/// Reads a node; its properties are appended to `properties` as a PackStream map.
pub(crate) fn node<'l>(line: &'l [u8], properties: &mut Vec<u8>) -> Result<NodeLine<'l>, Failure> {
    let members = members(line, properties)?;
    let (Some(id), Some(labels)) = (members.id, members.labels) else {
        return Err(de::Error::custom("a node has id, labels and properties"));
    };
    Ok(NodeLine { id, labels: labels.into_iter().map(|Text(label)| label).collect() })
}

/// Reads a relationship; its properties are appended to `properties` as a PackStream map.
pub(crate) fn relationship<'l>(
    line: &'l [u8],
    properties: &mut Vec<u8>,
) -> Result<RelationshipLine<'l>, Failure> {
    let members = members(line, properties)?;
    let (Some(Text(kind)), Some(start), Some(end)) = (members.kind, members.start, members.end)
    else {
        return Err(de::Error::custom("a relationship has type, start, end and properties"));
    };
    Ok(RelationshipLine { kind, start, end })
}

/// A string that borrows from the line where it has no escapes.
#[derive(Debug, Deserialize)]
struct Text<'l>(#[serde(borrow)] Cow<'l, str>);

#[derive(Debug, Default)]
struct Members<'l> {
    id: Option<u64>,
    labels: Option<Vec<Text<'l>>>,
    kind: Option<Text<'l>>,
    start: Option<u64>,
    end: Option<u64>,
}

fn members<'l>(line: &'l [u8], properties: &mut Vec<u8>) -> Result<Members<'l>, Failure> {
    let mut deserializer = serde_json::Deserializer::from_slice(line);
    let members = Seed { properties }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(members)
}

struct Seed<'o> {
    properties: &'o mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Members<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a node or a relationship")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Members::default();
        let mut complete = false;
        while let Some(Text(key)) = map.next_key::<Text<'de>>()? {
            match key.as_ref() {
                "id" => members.id = Some(map.next_value()?),
                "labels" => members.labels = Some(map.next_value()?),
                "type" => members.kind = Some(map.next_value()?),
                "start" => members.start = Some(map.next_value()?),
                "end" => members.end = Some(map.next_value()?),
                "properties" => {
                    map.next_value_seed(MapSeed { out: &mut *self.properties })?;
                    complete = true;
                }
                other => {
                    return Err(de::Error::custom(format_args!("unexpected member {other:?}")));
                }
            }
        }
        if complete { Ok(members) } else { Err(de::Error::missing_field("properties")) }
    }
}
