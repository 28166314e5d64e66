//! A payload as the files that the importer reads, and a remainder for Bolt.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::{StreamExt as _, stream};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::csv::{ARRAY_DELIMITER, Cells, CellsSeed, Column};
use crate::error::{Error, Result};
use crate::logical::Payload;
use crate::progress::{Phase, Progress};

/// Groups at most; what fits into none of them goes over Bolt.
const GROUPS: usize = 400;
/// Columns of a group at most: a row has a comma for each that stands before its last cell.
const COLUMNS: usize = 64;
/// Shapes whose place is remembered; for more it is found again each time.
const SHAPES: usize = 10_000;
/// Bytes that one file collects before they are written.
const BUFFER: usize = 256 << 10;
/// The importer's own default.
const READ_BUFFER: usize = 4 << 20;
/// Bytes of a file with texts of several lines, at most, unless one row has more: less than the
/// importer's buffer. Where it cuts a file into chunks it looks for the end of a row backwards, and
/// takes a quote or a comma in a text for the end of a field (`MultiLineChunker` of 5.26).
const MULTILINE_PART: usize = READ_BUFFER / 2;

/// What was staged.
#[derive(Debug)]
pub(super) struct Stage {
    folder: PathBuf,
    groups: Vec<Group>,
    places: HashMap<Shape, Option<Arc<Place>>>,
    /// Bytes of the longest row, which the importer's buffer must hold.
    longest: usize,
    /// Lines of nodes whose properties are still to be set.
    pub(super) nodes: Remainder,
    /// Lines of relationships that are still to be created.
    pub(super) relationships: Remainder,
}

/// Lines of the payload that CSV cannot say.
#[derive(Debug)]
pub(super) struct Remainder {
    pub(super) path: PathBuf,
    out: Appender,
    /// How many there are.
    pub(super) lines: u64,
}

/// What a row looks like.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Shape {
    kind: Kind,
    columns: Vec<(String, Column)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Kind {
    node: bool,
    /// Has a text of several lines, for which the importer has another reader.
    multiline: bool,
}

/// Where the rows of a shape go.
#[derive(Debug)]
struct Place {
    group: usize,
    /// The cells in the order of the group's columns: how many commas come before it, and which of
    /// the shape's columns it is.
    cells: Vec<(usize, usize)>,
}

/// Rows of one kind in one table: each fills the columns that it has. The importer takes its time
/// with every file, so there are as few as the types of the columns allow.
#[derive(Debug)]
struct Group {
    kind: Kind,
    columns: Vec<(String, Column)>,
    by_key: HashMap<String, usize>,
    header: PathBuf,
    /// The files with its rows, all but the last of which are full.
    parts: Vec<PathBuf>,
    out: Appender,
    /// Bytes in the last file.
    size: usize,
    rows: u64,
}

impl Group {
    /// Whether a shape's columns are among these or can be added.
    fn takes(&self, shape: &Shape) -> bool {
        let agrees = |(key, column): &(String, Column)| match self.by_key.get(key) {
            Some(at) => self.columns[*at].1 == *column,
            None => true,
        };
        let new = shape.columns.iter().filter(|(key, _)| !self.by_key.contains_key(key)).count();
        self.kind == shape.kind
            && shape.columns.iter().all(agrees)
            && (new == 0 || self.columns.is_empty() || self.columns.len() + new <= COLUMNS)
    }

    /// Adds the columns of a shape that are not there yet, and says where its cells go.
    fn place(&mut self, shape: &Shape) -> Vec<(usize, usize)> {
        let mut cells: Vec<(usize, usize)> = Vec::with_capacity(shape.columns.len());
        for (cell, (key, column)) in shape.columns.iter().enumerate() {
            let at = *self.by_key.entry(key.clone()).or_insert_with(|| {
                self.columns.push((key.clone(), *column));
                self.columns.len() - 1
            });
            cells.push((at, cell));
        }
        cells.sort_unstable();
        let mut before = 0;
        for (at, _) in &mut cells {
            let next = *at + 1;
            *at = next - before;
            before = next;
        }
        cells
    }

    fn write_header(&self) -> io::Result<()> {
        let fixed = if self.kind.node { ":ID,:LABEL" } else { ":START_ID,:END_ID,:TYPE" };
        let mut text = fixed.to_owned();
        for (key, column) in &self.columns {
            text.extend([",", key, ":", column.name()]);
        }
        text.push('\n');
        std::fs::write(&self.header, text)
    }

    fn write(&mut self, row: &[u8]) -> io::Result<()> {
        if self.kind.multiline && self.size > 0 && self.size + row.len() > MULTILINE_PART {
            self.out.flush()?;
            let part = self.parts[0].with_extension(format!("{}.csv", self.parts.len()));
            self.out = Appender::new(part.clone())?;
            self.parts.push(part);
            self.size = 0;
        }
        self.size += row.len();
        self.rows += 1;
        self.out.write(row)
    }
}

/// Appends to a file by large writes, without holding it open.
#[derive(Debug)]
struct Appender {
    path: PathBuf,
    buffer: Vec<u8>,
}

impl Appender {
    fn new(path: PathBuf) -> io::Result<Self> {
        File::create_new(&path)?;
        Ok(Self { path, buffer: Vec::new() })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        OpenOptions::new().append(true).open(&self.path)?.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

/// A line of the payload, its properties unread.
#[derive(Deserialize)]
struct Line<'l> {
    id: u64,
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    start: u64,
    #[serde(default)]
    end: u64,
    #[serde(borrow)]
    properties: &'l RawValue,
}

/// Stages a whole payload into a folder.
pub(super) async fn fill(
    folder: &Path,
    payload: &Arc<dyn Payload>,
    progress: &Arc<Progress>,
) -> Result<Stage> {
    let mut stage = Stage::new(folder).map_err(scratch)?;
    for (phase, prefix) in [(Phase::Nodes, "nodes/"), (Phase::Relationships, "relationships/")] {
        progress.enter(phase);
        let entries: Vec<(usize, String)> = payload.paths().into_iter().enumerate().collect();
        let mut contents = stream::iter(entries)
            .filter(|(_, path)| futures::future::ready(path.starts_with(prefix)))
            .map(|(index, path)| {
                let payload = Arc::clone(payload);
                async move { payload.read(index).await.map(|bytes| (path, bytes)) }
            })
            .buffered(3);
        while let Some(content) = contents.next().await {
            let (path, lines) = content.map_err(Error::Source)?;
            let progress = Arc::clone(progress);
            stage = tokio::task::spawn_blocking(move || {
                stage.entry(&path, &lines, phase == Phase::Nodes, &progress).map(|()| stage)
            })
            .await
            .map_err(|panic| Error::Unexpected { what: panic.to_string() })??;
        }
    }
    stage.finish().map_err(scratch)?;
    Ok(stage)
}

/// The cells of what has no properties.
fn bare() -> Cells {
    Cells { exact: true, ..Cells::default() }
}

fn scratch(error: io::Error) -> Error {
    Error::Staging(error)
}

impl Stage {
    fn new(folder: &Path) -> io::Result<Self> {
        let remainder = |name: &str| {
            let path = folder.join(name);
            let out = Appender::new(path.clone())?;
            io::Result::Ok(Remainder { path, out, lines: 0 })
        };
        let mut stage = Self {
            folder: folder.to_owned(),
            groups: Vec::new(),
            places: HashMap::new(),
            longest: 0,
            nodes: remainder("nodes.jsonl")?,
            relationships: remainder("relationships.jsonl")?,
        };
        // Nodes whose properties come later, and relationships without any, need no other shape.
        for (node, multiline) in [(true, true), (true, false), (false, false)] {
            stage.place(Shape { kind: Kind { node, multiline }, columns: Vec::new() })?;
        }
        Ok(stage)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the rows of a shape go, if there is a group for them.
    fn place(&mut self, shape: Shape) -> io::Result<Option<Arc<Place>>> {
        if let Some(place) = self.places.get(&shape) {
            return Ok(place.clone());
        }
        let group = match self.groups.iter().position(|group| group.takes(&shape)) {
            None if self.groups.len() >= GROUPS => None,
            None => Some(self.add_group(shape.kind)?),
            some => some,
        };
        let place = group.map(|group| {
            let cells = self.groups[group].place(&shape);
            Arc::new(Place { group, cells })
        });
        if self.places.len() < SHAPES {
            self.places.insert(shape, place.clone());
        }
        Ok(place)
    }

    fn add_group(&mut self, kind: Kind) -> io::Result<usize> {
        let index = self.groups.len();
        let data = self.folder.join(format!("{index:04}.csv"));
        self.groups.push(Group {
            kind,
            columns: Vec::new(),
            by_key: HashMap::new(),
            header: self.folder.join(format!("{index:04}.header.csv")),
            out: Appender::new(data.clone())?,
            parts: vec![data],
            size: 0,
            rows: 0,
        });
        Ok(index)
    }

    fn entry(&mut self, path: &str, lines: &[u8], nodes: bool, progress: &Progress) -> Result<()> {
        let mut cells = Cells::default();
        let mut row = Vec::new();
        let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let mut number = 0;
        for text in lines {
            number += 1;
            let line: Line<'_> = serde_json::from_slice(text)
                .map_err(|error| Error::payload(path, number, &error))?;
            cells.clear();
            let mut properties = serde_json::Deserializer::from_str(line.properties.get());
            serde::de::DeserializeSeed::deserialize(CellsSeed(&mut cells), &mut properties)
                .map_err(|error| Error::payload(path, number, &error))?;
            if nodes {
                self.node(&line, text, &cells, &mut row).map_err(scratch)?;
            } else {
                self.relationship(&line, text, &cells, &mut row).map_err(scratch)?;
            }
        }
        if nodes {
            progress.add_nodes(number);
        } else {
            progress.add_relationships(number);
        }
        Ok(())
    }

    fn node(
        &mut self,
        line: &Line<'_>,
        text: &[u8],
        cells: &Cells,
        row: &mut Vec<u8>,
    ) -> io::Result<()> {
        let sayable = line.labels.iter().all(|label| !label.contains(ARRAY_DELIMITER));
        let labels = if sayable { &line.labels[..] } else { &[] };
        let labels = labels.join(&ARRAY_DELIMITER.to_string());
        let mut head = bare();
        head.quoted(&labels);
        let place = if sayable { self.place_of(cells, true, head.multiline)? } else { None };
        let (place, cells) = if place.is_some() {
            (place, Some(cells))
        } else {
            self.nodes.push(text)?;
            (self.place_of(&bare(), true, head.multiline)?, None)
        };
        let place =
            place.ok_or_else(|| io::Error::other("no file for nodes without properties"))?;
        row.clear();
        row.extend_from_slice(line.id.to_string().as_bytes());
        let mut empty = 1;
        if !labels.is_empty() {
            row.push(b',');
            row.extend_from_slice(&head.text);
            empty = 0;
        }
        self.row(&place, row, empty, cells)
    }

    fn relationship(
        &mut self,
        line: &Line<'_>,
        text: &[u8],
        cells: &Cells,
        row: &mut Vec<u8>,
    ) -> io::Result<()> {
        let mut head = bare();
        head.quoted(&line.kind);
        let Some(place) = self.place_of(cells, false, head.multiline)? else {
            return self.relationships.push(text);
        };
        row.clear();
        row.extend_from_slice(format!("{},{},", line.start, line.end).as_bytes());
        row.extend_from_slice(&head.text);
        self.row(&place, row, 0, Some(cells))
    }

    /// Where a row with these cells goes; `None` when it must go over Bolt.
    fn place_of(
        &mut self,
        cells: &Cells,
        node: bool,
        multiline: bool,
    ) -> io::Result<Option<Arc<Place>>> {
        if !cells.exact {
            return Ok(None);
        }
        let columns = cells.columns.iter().map(|(key, column, _)| (key.clone(), *column)).collect();
        let kind = Kind { node, multiline: multiline || cells.multiline };
        self.place(Shape { kind, columns })
    }

    /// Completes a row, of which `empty` cells are still to be written. It ends with its last cell
    /// that is not empty: the importer takes what follows for more of a row whose last cell is empty
    /// while the table has more columns (`CsvInputParser`, of 5.26 and 2026).
    fn row(
        &mut self,
        place: &Place,
        row: &mut Vec<u8>,
        mut empty: usize,
        cells: Option<&Cells>,
    ) -> io::Result<()> {
        if let Some(cells) = cells {
            for (commas, cell) in &place.cells {
                row.resize(row.len() + empty + commas, b',');
                row.extend_from_slice(cells.of(*cell));
                empty = 0;
            }
        }
        row.push(b'\n');
        self.longest = self.longest.max(row.len());
        self.groups[place.group].write(row)
    }

    fn finish(&mut self) -> io::Result<()> {
        for group in &mut self.groups {
            group.out.flush()?;
            group.write_header()?;
        }
        self.nodes.out.flush()?;
        self.relationships.out.flush()
    }

    /// Whether there is nothing to import.
    pub(super) fn is_empty(&self) -> bool {
        self.groups.iter().all(|group| group.rows == 0)
    }

    /// What the importer is told. Files come first: the importer takes whatever stands behind their
    /// options for one more file, also the name of the database, until the next option.
    pub(super) fn arguments(&self) -> Vec<String> {
        let (mut arguments, mut multiline) = (Vec::new(), Vec::new());
        for group in self.groups.iter().filter(|group| group.rows > 0) {
            let flag = if group.kind.node { "nodes" } else { "relationships" };
            let parts: Vec<String> =
                group.parts.iter().map(|part| part.display().to_string()).collect();
            arguments.push(format!("--{flag}={},{}", group.header.display(), parts.join(",")));
            if group.kind.multiline {
                multiline.extend(parts);
            }
        }
        if !multiline.is_empty() {
            arguments.push(format!("--multiline-fields={}", multiline.join(",")));
            arguments.push("--multiline-fields-format=v2".to_owned());
        }
        arguments.extend([
            "--id-type=actual".to_owned(),
            "--array-delimiter=U+001F".to_owned(),
            "--trim-strings=false".to_owned(),
            "--strict=true".to_owned(),
            "--bad-tolerance=0".to_owned(),
            "--verbose".to_owned(),
            format!("--read-buffer-size={}", (self.longest * 2).max(READ_BUFFER)),
            format!("--report-file={}", self.folder.join("report").display()),
        ]);
        arguments
    }
}

impl Remainder {
    fn push(&mut self, line: &[u8]) -> io::Result<()> {
        self.lines += 1;
        self.out.write(line)?;
        self.out.write(b"\n")
    }
}
