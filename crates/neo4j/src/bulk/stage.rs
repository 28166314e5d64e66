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

/// Shapes that get files of their own; what comes in yet another shape goes over Bolt.
const SHAPES: usize = 400;
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
    by_shape: HashMap<Shape, usize>,
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

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Shape {
    node: bool,
    multiline: bool,
    columns: Vec<(String, Column)>,
}

#[derive(Debug)]
struct Group {
    shape: Shape,
    header: PathBuf,
    /// The files with its rows, all but the last of which are full.
    parts: Vec<PathBuf>,
    out: Appender,
    /// Bytes in the last file.
    size: usize,
    rows: u64,
}

impl Group {
    fn write(&mut self, row: &[u8]) -> io::Result<()> {
        if self.shape.multiline && self.size > 0 && self.size + row.len() > MULTILINE_PART {
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
            by_shape: HashMap::new(),
            longest: 0,
            nodes: remainder("nodes.jsonl")?,
            relationships: remainder("relationships.jsonl")?,
        };
        // Nodes whose properties come later, and relationships without any, need no other shape.
        for (node, multiline) in [(true, true), (true, false), (false, false)] {
            stage.group(Shape { node, multiline, columns: Vec::new() })?;
        }
        Ok(stage)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The group of a shape, if there may be one.
    fn group(&mut self, shape: Shape) -> io::Result<Option<usize>> {
        if let Some(index) = self.by_shape.get(&shape) {
            return Ok(Some(*index));
        }
        let index = self.groups.len();
        if index >= SHAPES {
            return Ok(None);
        }
        let data = self.folder.join(format!("{index:04}.csv"));
        let header = self.folder.join(format!("{index:04}.header.csv"));
        let fixed = if shape.node { ":ID,:LABEL" } else { ":START_ID,:END_ID,:TYPE" };
        let mut text = fixed.to_owned();
        for (key, column) in &shape.columns {
            text.extend([",", key, ":", column.name()]);
        }
        text.push('\n');
        std::fs::write(&header, text)?;
        let out = Appender::new(data.clone())?;
        let parts = vec![data];
        self.groups.push(Group { shape: shape.clone(), header, parts, out, size: 0, rows: 0 });
        self.by_shape.insert(shape, index);
        Ok(Some(index))
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
        let mut head = Cells { exact: true, ..Cells::default() };
        head.quoted(&labels);
        let group = if sayable { self.shape_of(cells, true, head.multiline)? } else { None };
        let (group, cells) = if group.is_some() {
            (group, Some(cells))
        } else {
            let bare = Shape { node: true, multiline: head.multiline, columns: Vec::new() };
            self.nodes.push(text)?;
            (self.group(bare)?, None)
        };
        let group =
            group.ok_or_else(|| io::Error::other("no file for nodes without properties"))?;
        row.clear();
        row.extend_from_slice(line.id.to_string().as_bytes());
        row.push(b',');
        if !labels.is_empty() {
            row.extend_from_slice(&head.text);
        }
        self.row(group, row, cells)
    }

    fn relationship(
        &mut self,
        line: &Line<'_>,
        text: &[u8],
        cells: &Cells,
        row: &mut Vec<u8>,
    ) -> io::Result<()> {
        let mut head = Cells { exact: true, ..Cells::default() };
        head.quoted(&line.kind);
        let Some(group) = self.shape_of(cells, false, head.multiline)? else {
            return self.relationships.push(text);
        };
        row.clear();
        row.extend_from_slice(format!("{},{},", line.start, line.end).as_bytes());
        row.extend_from_slice(&head.text);
        self.row(group, row, Some(cells))
    }

    /// The file for what has these cells; `None` when it must go over Bolt.
    fn shape_of(
        &mut self,
        cells: &Cells,
        node: bool,
        multiline: bool,
    ) -> io::Result<Option<usize>> {
        if !cells.exact {
            return Ok(None);
        }
        let columns = cells.columns.iter().map(|(key, column, _)| (key.clone(), *column)).collect();
        self.group(Shape { node, multiline: multiline || cells.multiline, columns })
    }

    fn row(&mut self, group: usize, row: &mut Vec<u8>, cells: Option<&Cells>) -> io::Result<()> {
        let mut start = 0;
        for (_, _, end) in cells.map_or(&[][..], |cells| &cells.columns) {
            row.push(b',');
            row.extend_from_slice(&cells.map_or(&[][..], |cells| &cells.text)[start..*end]);
            start = *end;
        }
        row.push(b'\n');
        self.longest = self.longest.max(row.len());
        self.groups[group].write(row)
    }

    fn finish(&mut self) -> io::Result<()> {
        for group in &mut self.groups {
            group.out.flush()?;
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
            let flag = if group.shape.node { "nodes" } else { "relationships" };
            let parts: Vec<String> =
                group.parts.iter().map(|part| part.display().to_string()).collect();
            arguments.push(format!("--{flag}={},{}", group.header.display(), parts.join(",")));
            if group.shape.multiline {
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
