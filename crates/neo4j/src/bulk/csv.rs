//! Properties as CSV columns, for those values that the importer reads back exactly.

use std::fmt;
use std::io::Write as _;

use base64::Engine as _;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Separates the items of a list; a list with a string that holds it goes the other way.
pub(super) const ARRAY_DELIMITER: char = '\u{1f}';

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Column {
    Boolean,
    Long,
    Double,
    String,
    Booleans,
    Longs,
    Doubles,
    Strings,
    Bytes,
    Date,
    LocalDateTime,
    DateTime,
}

impl Column {
    /// As the header of a CSV file names it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Long => "long",
            Self::Double => "double",
            Self::String => "string",
            Self::Booleans => "boolean[]",
            Self::Longs => "long[]",
            Self::Doubles => "double[]",
            Self::Strings => "string[]",
            Self::Bytes => "byte[]",
            Self::Date => "date",
            Self::LocalDateTime => "localdatetime",
            Self::DateTime => "datetime",
        }
    }

    fn list(self) -> Option<Self> {
        match self {
            Self::Boolean => Some(Self::Booleans),
            Self::Long => Some(Self::Longs),
            Self::Double => Some(Self::Doubles),
            Self::String => Some(Self::Strings),
            _ => None,
        }
    }
}

/// The properties of one element as columns.
#[derive(Debug, Default)]
pub(super) struct Cells {
    /// Key and type of each column, and where its text ends.
    pub(super) columns: Vec<(String, Column, usize)>,
    /// The texts of all columns, quoted as CSV.
    pub(super) text: Vec<u8>,
    /// All values could be said.
    pub(super) exact: bool,
    /// A text has a line break.
    pub(super) multiline: bool,
}

impl Cells {
    pub(super) fn clear(&mut self) {
        self.columns.clear();
        self.text.clear();
        self.exact = true;
        self.multiline = false;
    }

    /// The text of a column.
    pub(super) fn of(&self, column: usize) -> &[u8] {
        let start = column.checked_sub(1).map_or(0, |before| self.columns[before].2);
        &self.text[start..self.columns[column].2]
    }

    pub(super) fn quoted(&mut self, text: &str) {
        self.text.push(b'"');
        for (index, part) in text.split('"').enumerate() {
            if index > 0 {
                self.text.extend_from_slice(b"\"\"");
            }
            self.text.extend_from_slice(part.as_bytes());
        }
        self.text.push(b'"');
        self.multiline |= text.contains(['\n', '\r']);
    }
}

/// Whether a property key can stand in a header, where `:` and more have a meaning.
fn plain(key: &str) -> bool {
    !key.is_empty()
        && key.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '$')
        && !key.starts_with(|c: char| c.is_numeric())
}

/// Reads an object of typed JSON into [`Cells`].
pub(super) struct CellsSeed<'c>(pub(super) &'c mut Cells);

impl<'de> DeserializeSeed<'de> for CellsSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for CellsSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of typed JSON values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            let cells = &mut *self.0;
            if !cells.exact {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            match map.next_value_seed(ValueSeed(Place::Cell(cells)))? {
                Some(column) if plain(&key) => {
                    let end = cells.text.len();
                    cells.columns.push((key, column, end));
                }
                _ => cells.exact = false,
            }
        }
        Ok(())
    }
}

/// Where a value's text goes.
enum Place<'c> {
    /// A cell of its own, quoted.
    Cell(&'c mut Cells),
    /// An item of a list, which is quoted as a whole.
    Item(&'c mut Vec<u8>),
}

/// Reads one typed JSON value; `None` when CSV cannot say it exactly in that place.
struct ValueSeed<'c>(Place<'c>);

impl ValueSeed<'_> {
    /// A value that is written as it is.
    fn plain(self, text: fmt::Arguments<'_>, column: Column) -> Column {
        let out = match self.0 {
            Place::Cell(cells) => &mut cells.text,
            Place::Item(list) => list,
        };
        // Writing to memory cannot fail.
        let _ = out.write_fmt(text);
        column
    }

    /// Bytes, which the importer reads as a list of small numbers; not empty ones, since it takes
    /// an empty field for no value at all.
    fn bytes(self, base64: &str) -> Option<Column> {
        let Place::Cell(cells) = self.0 else { return None };
        let bytes = base64::engine::general_purpose::STANDARD.decode(base64).ok()?;
        let (first, rest) = bytes.split_first()?;
        // Writing to memory cannot fail.
        let _ = write!(cells.text, "{}", first.cast_signed());
        for byte in rest {
            let _ = write!(cells.text, "{ARRAY_DELIMITER}{}", byte.cast_signed());
        }
        Some(Column::Bytes)
    }
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = Option<Column>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_> {
    type Value = Option<Column>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a typed JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Some(self.plain(format_args!("{value}"), Column::Boolean)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Some(self.plain(format_args!("{value}"), Column::Long)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        let column = self.plain(format_args!("{value}"), Column::Long);
        Ok(i64::try_from(value).is_ok().then_some(column))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Some(self.plain(format_args!("{value:?}"), Column::Double)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        let exact = match self.0 {
            Place::Cell(cells) => {
                cells.quoted(value);
                true
            }
            Place::Item(list) => {
                list.extend_from_slice(value.as_bytes());
                // Spaces around an item, an empty one, or one with the separator would not come
                // back.
                !value.is_empty() && value.trim() == value && !value.contains(ARRAY_DELIMITER)
            }
        };
        Ok(exact.then_some(Column::String))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut column: Option<Column> = None;
        let mut exact = true;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(ValueSeed(Place::Item(&mut list)))? {
            exact &= item.is_some() && column.is_none_or(|column| Some(column) == item);
            column = item;
            list.push(ARRAY_DELIMITER as u8);
        }
        list.pop();
        // The importer takes an empty field for no value at all, and knows no list in a list.
        let column = column.filter(|_| exact && !list.is_empty()).and_then(Column::list);
        match (self.0, column, str::from_utf8(&list)) {
            (Place::Cell(cells), Some(_), Ok(list)) => {
                cells.quoted(list);
                Ok(column)
            }
            _ => Ok(None),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut kind = String::new();
        let mut value = String::new();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "$type" => kind = map.next_value()?,
                "_value" if kind != "Map" => value = map.next_value()?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if kind == "Base64" {
            return Ok(self.bytes(&value));
        }
        // Years of more or fewer than four digits are written with a sign.
        let plain_year = value.starts_with(|c: char| c.is_ascii_digit());
        let column = match kind.as_str() {
            "Integer" => Column::Long,
            "Date" if plain_year => Column::Date,
            "LocalDateTime" if plain_year => Column::LocalDateTime,
            "OffsetDateTime" if plain_year && whole_minutes(&value) => Column::DateTime,
            _ => return Ok(None),
        };
        Ok(Some(self.plain(format_args!("{value}"), column)))
    }
}

/// Whether a date-time's offset has no seconds, which the importer cannot read.
fn whole_minutes(date_time: &str) -> bool {
    let time = date_time.split_once('T').map_or("", |(_, time)| time);
    time.rsplit_once(['+', '-']).is_none_or(|(_, offset)| offset.len() == "00:00".len())
}
