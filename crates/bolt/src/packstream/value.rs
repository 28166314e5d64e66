//! Any value, owned.

use super::{Decoder, Error, Kind, MAX_DEPTH, tag};

/// Room made for the items of a list before they are read: more comes as they do.
const FIRST_ROOM: usize = 256;

/// A value of the property graph or of the protocol.
///
/// Numbers are as wide as on the wire, so that every value survives a round trip. A structure
/// whose tag is known but whose fields are not of the expected number or kind is a
/// [`Value::Structure`]. Vectors (Bolt 6) are structures with the tag `V`.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// Nothing.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// A signed integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// A byte array.
    Bytes(Vec<u8>),
    /// Text.
    String(String),
    /// Values in order.
    List(Vec<Value>),
    /// Entries in the order of the wire. Keys may repeat.
    Map(Vec<(String, Value)>),
    /// A node.
    Node(Box<Node>),
    /// A relationship with its end nodes.
    Relationship(Box<Relationship>),
    /// A relationship of a path, whose ends the path tells.
    UnboundRelationship(Box<UnboundRelationship>),
    /// Nodes and relationships in turn.
    Path(Box<Path>),
    /// A day.
    Date {
        /// Days since 1970-01-01.
        days: i64,
    },
    /// A time of day with an offset.
    Time {
        /// Nanoseconds since midnight, local.
        nanos: i64,
        /// Offset from UTC in seconds.
        offset_s: i64,
    },
    /// A time of day.
    LocalTime {
        /// Nanoseconds since midnight.
        nanos: i64,
    },
    /// A date and time of no zone.
    LocalDateTime {
        /// Seconds since 1970-01-01 00:00, local.
        s: i64,
        /// Nanoseconds of the second.
        nanos: i64,
    },
    /// A moment, with an offset.
    DateTime {
        /// Seconds since 1970-01-01 00:00 UTC.
        s: i64,
        /// Nanoseconds of the second.
        nanos: i64,
        /// Offset from UTC in seconds.
        offset_s: i64,
    },
    /// A moment, with a named zone.
    DateTimeZoned {
        /// Seconds since 1970-01-01 00:00 UTC.
        s: i64,
        /// Nanoseconds of the second.
        nanos: i64,
        /// IANA name of the zone.
        zone: String,
    },
    /// An amount of time, in four parts that do not convert into each other.
    Duration {
        /// Months.
        months: i64,
        /// Days.
        days: i64,
        /// Seconds.
        s: i64,
        /// Nanoseconds.
        nanos: i64,
    },
    /// A point in a plane or on the globe.
    Point2D {
        /// Number of the coordinate reference system.
        srid: i64,
        /// First coordinate; longitude on the globe.
        x: f64,
        /// Second coordinate; latitude on the globe.
        y: f64,
    },
    /// A point in space.
    Point3D {
        /// Number of the coordinate reference system.
        srid: i64,
        /// First coordinate; longitude on the globe.
        x: f64,
        /// Second coordinate; latitude on the globe.
        y: f64,
        /// Third coordinate; height in metres on the globe.
        z: f64,
    },
    /// A structure that this crate has no name for, kept as it came.
    Structure {
        /// The tag.
        tag: u8,
        /// The fields.
        fields: Vec<Value>,
    },
}

/// A node.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Internal id, unique among the nodes of a database at one time.
    pub id: i64,
    /// Labels.
    pub labels: Vec<String>,
    /// Properties.
    pub properties: Vec<(String, Value)>,
    /// Id as text; none before Bolt 5.0.
    pub element_id: Option<String>,
}

/// A relationship.
#[derive(Debug, Clone, PartialEq)]
pub struct Relationship {
    /// Internal id, unique among the relationships of a database at one time.
    pub id: i64,
    /// Internal id of the start node.
    pub start: i64,
    /// Internal id of the end node.
    pub end: i64,
    /// Its type.
    pub kind: String,
    /// Properties.
    pub properties: Vec<(String, Value)>,
    /// Ids as text of itself, its start and its end node; none before Bolt 5.0.
    pub element_ids: Option<[String; 3]>,
}

/// A relationship of a path.
#[derive(Debug, Clone, PartialEq)]
pub struct UnboundRelationship {
    /// Internal id, unique among the relationships of a database at one time.
    pub id: i64,
    /// Its type.
    pub kind: String,
    /// Properties.
    pub properties: Vec<(String, Value)>,
    /// Id as text; none before Bolt 5.0.
    pub element_id: Option<String>,
}

/// A path.
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    /// Its nodes, each once; the first is where it starts.
    pub nodes: Vec<Node>,
    /// Its relationships, each once.
    pub relationships: Vec<UnboundRelationship>,
    /// Pairs, one a step: number of the relationship, from 1 and negative when walked against its
    /// direction; then the number of the node that it leads to, from 0.
    pub indices: Vec<i64>,
}

impl Value {
    /// The integer, if it is one.
    pub fn as_int(&self) -> Option<i64> {
        if let Self::Int(value) = self { Some(*value) } else { None }
    }

    /// The text, if it is text.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(value) = self { Some(value) } else { None }
    }

    /// The items, if it is a list.
    pub fn as_list(&self) -> Option<&[Value]> {
        if let Self::List(items) = self { Some(items) } else { None }
    }

    /// The entries, if it is a map.
    pub fn as_map(&self) -> Option<&[(String, Value)]> {
        if let Self::Map(entries) = self { Some(entries) } else { None }
    }

    /// The value of a key, if it is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.as_map()?.iter().find_map(|(name, value)| (name == key).then_some(value))
    }

    pub(super) fn decode(from: &mut Decoder<'_>, depth: usize) -> Result<Self, Error> {
        if depth > MAX_DEPTH {
            return Err(Error::TooDeep { position: from.position() });
        }
        Ok(match from.peek()? {
            Kind::Null => {
                from.null()?;
                Self::Null
            }
            Kind::Bool => Self::Bool(from.bool()?),
            Kind::Int => Self::Int(from.int()?),
            Kind::Float => Self::Float(from.float()?),
            Kind::Bytes => Self::Bytes(from.bytes()?.to_vec()),
            Kind::String => Self::String(from.string()?.to_owned()),
            Kind::List => {
                let count = from.list_header()?;
                Self::List(items(from, count, depth)?)
            }
            Kind::Map => Self::Map(entries(from, depth)?),
            Kind::Struct => structure(from, depth)?,
        })
    }
}

fn items(from: &mut Decoder<'_>, count: usize, depth: usize) -> Result<Vec<Value>, Error> {
    let mut items = Vec::with_capacity(count.min(FIRST_ROOM));
    for _ in 0..count {
        items.push(Value::decode(from, depth + 1)?);
    }
    Ok(items)
}

fn entries(from: &mut Decoder<'_>, depth: usize) -> Result<Vec<(String, Value)>, Error> {
    let count = from.map_header()?;
    let mut entries = Vec::with_capacity(count.min(FIRST_ROOM));
    for _ in 0..count {
        let key = from.string()?.to_owned();
        entries.push((key, Value::decode(from, depth + 1)?));
    }
    Ok(entries)
}

fn structure(from: &mut Decoder<'_>, depth: usize) -> Result<Value, Error> {
    let mut fields = from.clone();
    let (tag, count) = fields.struct_header()?;
    if graph_shape(&mut fields.clone(), tag, count).is_some() {
        *from = fields;
        return graph(from, tag, count, depth);
    }
    // A structure of another shape than expected is no error: it is kept field by field.
    if let Some(value) = scalar(&mut fields, tag, count) {
        *from = fields;
        return Ok(value);
    }
    from.struct_header()?;
    Ok(Value::Structure { tag, fields: items(from, count, depth)? })
}

/// A structure made of numbers and text only.
fn scalar(from: &mut Decoder<'_>, tag: u8, count: usize) -> Option<Value> {
    let int = |from: &mut Decoder<'_>| from.int().ok();
    let float = |from: &mut Decoder<'_>| from.float().ok();
    Some(match (tag, count) {
        (tag::DATE, 1) => Value::Date { days: int(from)? },
        (tag::TIME, 2) => Value::Time { nanos: int(from)?, offset_s: int(from)? },
        (tag::LOCAL_TIME, 1) => Value::LocalTime { nanos: int(from)? },
        (tag::LOCAL_DATE_TIME, 2) => Value::LocalDateTime { s: int(from)?, nanos: int(from)? },
        (tag::DATE_TIME, 3) => {
            Value::DateTime { s: int(from)?, nanos: int(from)?, offset_s: int(from)? }
        }
        (tag::DATE_TIME_ZONED, 3) => Value::DateTimeZoned {
            s: int(from)?,
            nanos: int(from)?,
            zone: from.string().ok()?.to_owned(),
        },
        (tag::DURATION, 4) => Value::Duration {
            months: int(from)?,
            days: int(from)?,
            s: int(from)?,
            nanos: int(from)?,
        },
        (tag::POINT_2D, 3) => Value::Point2D { srid: int(from)?, x: float(from)?, y: float(from)? },
        (tag::POINT_3D, 4) => {
            Value::Point3D { srid: int(from)?, x: float(from)?, y: float(from)?, z: float(from)? }
        }
        _ => return None,
    })
}

/// Looks whether the fields are those of a node, relationship or path, without going into
/// properties: trying to read them and then starting over would take time exponential in the
/// depth of hostile bytes.
fn graph_shape(from: &mut Decoder<'_>, tag: u8, count: usize) -> Option<()> {
    let texts = |from: &mut Decoder<'_>, count: usize| -> Option<()> {
        (0..count).try_for_each(|_| kind(from, Kind::String))
    };
    match (tag, count) {
        (tag::NODE, 3 | 4) => {
            kind(from, Kind::Int)?;
            let labels = from.list_header().ok()?;
            texts(from, labels)?;
            kind(from, Kind::Map)?;
            texts(from, count - 3)
        }
        (tag::RELATIONSHIP, 5 | 8) => {
            (0..3).try_for_each(|_| kind(from, Kind::Int))?;
            kind(from, Kind::String)?;
            kind(from, Kind::Map)?;
            texts(from, count - 5)
        }
        (tag::UNBOUND_RELATIONSHIP, 3 | 4) => {
            kind(from, Kind::Int)?;
            kind(from, Kind::String)?;
            kind(from, Kind::Map)?;
            texts(from, count - 3)
        }
        (tag::PATH, 3) => {
            for wanted in [tag::NODE, tag::UNBOUND_RELATIONSHIP] {
                for _ in 0..from.list_header().ok()? {
                    let (tag, count) = from.struct_header().ok()?;
                    if tag != wanted {
                        return None;
                    }
                    graph_shape(from, tag, count)?;
                }
            }
            let indices = from.list_header().ok()?;
            (0..indices).try_for_each(|_| kind(from, Kind::Int))
        }
        _ => None,
    }
}

/// Passes over a value if it is of this kind.
fn kind(from: &mut Decoder<'_>, wanted: Kind) -> Option<()> {
    (from.peek().ok()? == wanted).then_some(())?;
    from.skip().ok().map(drop)
}

/// Reads fields whose shape has been looked at.
fn graph(from: &mut Decoder<'_>, tag: u8, count: usize, depth: usize) -> Result<Value, Error> {
    Ok(match tag {
        tag::NODE => Value::Node(Box::new(node(from, count, depth)?)),
        tag::RELATIONSHIP => Value::Relationship(Box::new(Relationship {
            id: from.int()?,
            start: from.int()?,
            end: from.int()?,
            kind: text(from)?,
            properties: entries(from, depth)?,
            element_ids: if count == 8 {
                Some([text(from)?, text(from)?, text(from)?])
            } else {
                None
            },
        })),
        tag::UNBOUND_RELATIONSHIP => {
            Value::UnboundRelationship(Box::new(unbound(from, count, depth)?))
        }
        _ => {
            let (mut nodes, mut relationships) = (Vec::new(), Vec::new());
            for _ in 0..from.list_header()? {
                let (_, count) = from.struct_header()?;
                nodes.push(node(from, count, depth + 1)?);
            }
            for _ in 0..from.list_header()? {
                let (_, count) = from.struct_header()?;
                relationships.push(unbound(from, count, depth + 1)?);
            }
            let count = from.list_header()?;
            let indices = (0..count).map(|_| from.int()).collect::<Result<_, _>>()?;
            Value::Path(Box::new(Path { nodes, relationships, indices }))
        }
    })
}

fn text(from: &mut Decoder<'_>) -> Result<String, Error> {
    from.string().map(str::to_owned)
}

fn node(from: &mut Decoder<'_>, count: usize, depth: usize) -> Result<Node, Error> {
    let id = from.int()?;
    let labels = from.list_header()?;
    Ok(Node {
        id,
        labels: (0..labels).map(|_| text(from)).collect::<Result<_, _>>()?,
        properties: entries(from, depth)?,
        element_id: if count == 4 { Some(text(from)?) } else { None },
    })
}

fn unbound(
    from: &mut Decoder<'_>,
    count: usize,
    depth: usize,
) -> Result<UnboundRelationship, Error> {
    Ok(UnboundRelationship {
        id: from.int()?,
        kind: text(from)?,
        properties: entries(from, depth)?,
        element_id: if count == 4 { Some(text(from)?) } else { None },
    })
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::String(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::String(value)
    }
}

impl From<Vec<Value>> for Value {
    fn from(items: Vec<Value>) -> Self {
        Self::List(items)
    }
}
