//! One package's share of the graph: its files, what they define, and who calls and uses whom.
//!
//! A name is resolved only where it can mean one thing in the crate. That misses edges and invents
//! few, and needs no compiler.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use lifeboat_bolt::packstream::Value;

use super::parse::{self, FileFacts, ItemFact, Kind};
use super::row::{RowBuilder, name};
use crate::graph::{NodeRow, Properties, RelRow};

/// Generated bindings of many MB would be most of the graph.
const MAX_FILE: u64 = 1 << 20;

/// A trait of another crate that an impl names.
pub(super) struct ForeignTrait {
    /// Position of the impl among the part's nodes.
    pub(super) node: u64,
    pub(super) trait_name: String,
    pub(super) line: usize,
}

/// Nodes and relationships of one package. Positions count from the part's first node.
#[derive(Default)]
pub(super) struct Part {
    pub(super) nodes: Vec<NodeRow>,
    pub(super) relationships: Vec<RelRow>,
    /// Positions of the files, for the edge from the crate.
    pub(super) files: Vec<u64>,
    /// Public traits by name, for impls in other crates.
    pub(super) traits: HashMap<String, u64>,
    pub(super) foreign: Vec<ForeignTrait>,
    /// Files left out, each with the reason.
    pub(super) skipped: Vec<(String, String)>,
}

/// Reads and links one package.
pub(super) fn read(package: &str, folder: &Path) -> Result<Part> {
    let mut paths = Vec::new();
    walk(folder, &mut paths)?;
    let mut linker = Linker { package, part: Part::default(), items: Vec::new(), crate_name: "" };
    linker.crate_name = package.split('@').next().unwrap_or(package);
    for path in &paths {
        let shown = path.strip_prefix(folder).unwrap_or(path).to_string_lossy().replace('\\', "/");
        let read = read_file(path).and_then(|text| Ok((parse::parse(&text)?, text)));
        match read {
            Ok((facts, text)) => linker.file(&shown, &text, facts),
            Err(reason) => {
                linker.part.skipped.push((format!("{package}/{shown}"), format!("{reason:#}")));
            }
        }
    }
    Ok(linker.link())
}

fn read_file(path: &Path) -> Result<String> {
    let size = fs::metadata(path)?.len();
    anyhow::ensure!(size <= MAX_FILE, "larger than {MAX_FILE} bytes ({size})");
    fs::read_to_string(path).context("not UTF-8")
}

/// Every Rust file below a folder, in the order of their paths.
fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()));
    let mut entries: Vec<_> = entries?.collect::<Result<_, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let kind = entry.file_type()?;
        let path = entry.path();
        if kind.is_dir() && !entry.file_name().to_string_lossy().starts_with('.') {
            walk(&path, found)?;
        } else if kind.is_file() && path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    Ok(())
}

struct Linker<'a> {
    package: &'a str,
    crate_name: &'a str,
    part: Part,
    /// Every item with its node's position and its file's.
    items: Vec<(u64, u64, ItemFact)>,
}

impl Linker<'_> {
    fn file(&mut self, path: &str, text: &str, facts: FileFacts) {
        let file = self.part.nodes.len() as u64;
        self.part.files.push(file);
        let lines = text.lines().count();
        let comments = text.lines().filter(|l| l.trim_start().starts_with("//")).count();
        let digest = blake3::hash(text.as_bytes());
        self.part.nodes.push(
            RowBuilder::default()
                .text("key", format!("{}/{path}", self.package))
                .text("path", path)
                .text("crate", self.crate_name)
                .opt_text("doc", facts.doc)
                .int("lines", lines)
                .int("bytes", text.len())
                .int("items", facts.items.len())
                .value("comment_ratio", Value::Float(comments as f64 / lines.max(1) as f64))
                .text("blake3", digest.to_hex().as_str())
                .value("indexed", indexed(digest.as_bytes()))
                .node(&["File"]),
        );
        let module = module_path(self.crate_name, path);
        let first = self.part.nodes.len() as u64;
        let mut paths: Vec<String> = Vec::with_capacity(facts.items.len());
        for (position, item) in facts.items.into_iter().enumerate() {
            let node = first + position as u64;
            let holder = item.parent.map_or(module.as_str(), |p| paths[p].as_str());
            let shown = format!("{holder}::{}", item.name);
            self.part.nodes.push(self.node(path, &shown, &item));
            let (start, rel_type, key) = match item.parent {
                Some(parent) => (first + parent as u64, "CONTAINS", "position"),
                None => (file, "DEFINES", "line"),
            };
            let number = if key == "line" { item.line } else { position };
            let properties = RowBuilder::default().int(key, number).build();
            self.relate(start, node, rel_type, properties);
            paths.push(shown);
            self.items.push((node, file, item));
        }
    }

    fn node(&self, file: &str, path: &str, item: &ItemFact) -> NodeRow {
        let row = RowBuilder::default()
            .text("key", format!("{}/{file}#{}:{}", self.package, item.line, item.column))
            .text("name", item.name.as_str())
            .int("line", item.line);
        let row = match item.kind {
            // Fields are many and small, as small things are in real graphs.
            Kind::Field | Kind::Variant => row,
            _ => row
                .text("path", path)
                .int("end_line", item.end_line)
                .int("length", item.end_line + 1 - item.line.min(item.end_line)),
        };
        let row = row
            .opt_text("visibility", item.visibility)
            .opt_text("type", item.ty.as_deref())
            .opt_text("doc", item.doc.as_deref())
            .opt_text("source", item.source.as_deref())
            .texts("params", item.params.iter().cloned());
        let row = match &item.source {
            Some(source) => {
                let digest = blake3::hash(source.as_bytes());
                row.value("digest", Value::Bytes(digest.as_bytes()[..16].to_vec()))
            }
            None => row,
        };
        let row = item.flags.iter().fold(row, |row, flag| row.flag(flag, true));
        row.node(item.kind.labels())
    }

    fn relate(&mut self, start: u64, end: u64, rel_type: &str, properties: Properties) {
        self.part.relationships.push(RelRow { start, end, rel_type: name(rel_type), properties });
    }

    fn link(mut self) -> Part {
        let items = std::mem::take(&mut self.items);
        let names = Names::of(&items);
        for (node, file, item) in &items {
            if item.kind == Kind::Trait && item.visibility == Some("public") {
                self.part.traits.entry(item.name.clone()).or_insert(*node);
            }
            self.calls(*node, *file, item, &names);
            self.mentions(*node, item, &names);
            if let Some(trait_name) = &item.trait_name {
                self.implementation(*node, trait_name, item, &names);
            }
        }
        self.part
    }

    fn calls(&mut self, node: u64, file: u64, item: &ItemFact, names: &Names<'_>) {
        let mut found: BTreeMap<u64, (usize, usize)> = BTreeMap::new();
        for call in &item.calls {
            let target = if call.method {
                one(names.methods.get(call.name.as_str()))
            } else if let Some(qualifier) = &call.qualifier {
                let owner = match (qualifier.as_str(), &item.self_type) {
                    ("Self", Some(own)) => own,
                    _ => qualifier,
                };
                one(names.owned.get(&(owner.as_str(), call.name.as_str())))
                    .or_else(|| one(names.functions.get(call.name.as_str())))
            } else {
                one(names.local.get(&(file, call.name.as_str())))
                    .or_else(|| one(names.functions.get(call.name.as_str())))
            };
            if let Some(target) = target {
                found.entry(target).or_insert((call.line, 0)).1 += 1;
            }
        }
        for (target, (line, count)) in found {
            let properties = RowBuilder::default().int("line", line).int("count", count).build();
            self.relate(node, target, "CALLS", properties);
        }
    }

    fn mentions(&mut self, node: u64, item: &ItemFact, names: &Names<'_>) {
        let mut found: BTreeMap<(u64, _), usize> = BTreeMap::new();
        for mention in &item.mentions {
            let wanted = match (mention.name.as_str(), &item.self_type) {
                ("Self", Some(own)) => own,
                (wanted, _) => wanted,
            };
            if let Some(target) = one(names.types.get(wanted)) {
                *found.entry((target, mention.role)).or_default() += 1;
            }
        }
        for ((target, role), count) in found {
            let properties =
                RowBuilder::default().text("role", role.name()).int("count", count).build();
            self.relate(node, target, "USES_TYPE", properties);
        }
    }

    fn implementation(&mut self, node: u64, wanted: &str, item: &ItemFact, names: &Names<'_>) {
        match names.traits.get(wanted).map(Vec::as_slice) {
            Some([target]) => {
                // Nothing to say about an impl of one's own trait: no properties.
                self.relate(node, *target, "IMPLEMENTS", Vec::new());
            }
            Some(_) => {}
            None => self.part.foreign.push(ForeignTrait {
                node,
                trait_name: wanted.to_owned(),
                line: item.line,
            }),
        }
    }
}

/// Where names lead, within one crate.
#[derive(Default)]
struct Names<'a> {
    functions: HashMap<&'a str, Vec<u64>>,
    local: HashMap<(u64, &'a str), Vec<u64>>,
    methods: HashMap<&'a str, Vec<u64>>,
    owned: HashMap<(&'a str, &'a str), Vec<u64>>,
    types: HashMap<&'a str, Vec<u64>>,
    traits: HashMap<&'a str, Vec<u64>>,
}

impl<'a> Names<'a> {
    fn of(items: &'a [(u64, u64, ItemFact)]) -> Self {
        let mut names = Self::default();
        for (node, file, item) in items {
            let key = item.name.as_str();
            match item.kind {
                Kind::Function => {
                    names.functions.entry(key).or_default().push(*node);
                    names.local.entry((*file, key)).or_default().push(*node);
                }
                Kind::Method => {
                    names.methods.entry(key).or_default().push(*node);
                    if let Some(owner) = &item.self_type {
                        names.owned.entry((owner, key)).or_default().push(*node);
                    }
                }
                Kind::Struct | Kind::Union | Kind::Enum | Kind::TypeAlias => {
                    names.types.entry(key).or_default().push(*node);
                }
                Kind::Trait => {
                    names.types.entry(key).or_default().push(*node);
                    names.traits.entry(key).or_default().push(*node);
                }
                _ => {}
            }
        }
        names
    }
}

fn one(found: Option<&Vec<u64>>) -> Option<u64> {
    match found.map(Vec::as_slice) {
        Some([only]) => Some(*only),
        _ => None,
    }
}

/// `src/a/b.rs` is `crate::a::b`.
fn module_path(crate_name: &str, path: &str) -> String {
    let stem = path.strip_suffix(".rs").unwrap_or(path);
    let stem = stem.strip_prefix("src/").unwrap_or(stem);
    let mut module = crate_name.replace('-', "_");
    for part in stem.split('/').filter(|p| !matches!(*p, "lib" | "main" | "mod")) {
        module.push_str("::");
        module.push_str(part);
    }
    module
}

/// A made-up moment, the same for the same content: the graph must not depend on the clock.
fn indexed(digest: &[u8; 32]) -> Value {
    let number = |at: usize| {
        digest[at..at + 4].iter().fold(0, |number, byte| number << 8 | i64::from(*byte))
    };
    // Within two years from the beginning of 2025.
    let s = 1_735_689_600 + number(0) % 63_072_000;
    let nanos = number(4) % 1_000_000_000;
    Value::DateTime { s, nanos, offset_s: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn module_paths_follow_files() {
        assert_eq!(module_path("a-b", "src/lib.rs"), "a_b");
        assert_eq!(module_path("a-b", "src/x/mod.rs"), "a_b::x");
        assert_eq!(module_path("a-b", "src/x/y.rs"), "a_b::x::y");
        assert_eq!(module_path("a-b", "tests/it.rs"), "a_b::tests::it");
    }

    #[test]
    fn calls_and_types_meet_within_a_crate() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("src")).unwrap();
        let lib = "mod other; pub trait Shape {} pub struct Dot(Size);
            impl Shape for Dot {} impl Clone for Dot {}
            impl Dot { fn new() -> Self { twice(twice(1)); Self::new() } }
            fn twice(x: u8) -> u8 { x }";
        fs::write(folder.path().join("src/lib.rs"), lib).unwrap();
        fs::write(folder.path().join("src/other.rs"), "pub struct Size; fn f( {").unwrap();
        fs::write(folder.path().join("src/third.rs"), "pub struct Size;").unwrap();
        let part = read("demo@1.0.0", folder.path()).unwrap();

        assert_eq!(part.skipped.len(), 1);
        assert_eq!(part.skipped[0].0, "demo@1.0.0/src/other.rs");
        assert_eq!(part.files.len(), 2);
        let shown = |at: u64| match part.nodes[at as usize].get("name") {
            Some(Value::String(name)) => name.clone(),
            _ => "file".to_owned(),
        };
        let mut edges: Vec<_> = part
            .relationships
            .iter()
            .filter(|r| !matches!(&*r.rel_type, "DEFINES" | "CONTAINS"))
            .map(|r| format!("{} {} {}", shown(r.start), r.rel_type, shown(r.end)))
            .collect();
        edges.sort();
        assert_eq!(
            edges,
            [
                "0 USES_TYPE Size",
                "Clone for Dot USES_TYPE Dot",
                "Dot USES_TYPE Dot",
                "Shape for Dot IMPLEMENTS Shape",
                "Shape for Dot USES_TYPE Dot",
                "new CALLS new",
                "new CALLS twice",
                "new USES_TYPE Dot",
            ]
        );
        assert_eq!(part.foreign.len(), 1);
        assert_eq!(part.foreign[0].trait_name, "Clone");
    }
}
