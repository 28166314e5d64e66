//! A real code graph, from the sources that this workspace is built from.
//!
//! Tests and benchmarks need data that nobody made up: uneven, large, full of odd strings. Every
//! machine that builds the workspace has it already, in cargo's registry. The graph depends on
//! nothing but the lock file and the platform: two builds give the same rows in the same order.
//!
//! | Label | From |
//! |---|---|
//! | `Crate` (`Member`, `ProcMacro`) | `cargo metadata` |
//! | `File` | the `.rs` files of each package from a registry |
//! | `Module`, `Item` + `Function`, `Method`, `Type`, `Struct`, `Union`, `Enum`, `TypeAlias`, `Trait`, `Constant`, `Static`, `Macro`; `Impl`, `Variant`, `Field` | `syn` |
//!
//! Relationships: `DEPENDS_ON`, `CONTAINS`, `DEFINES`, `CALLS`, `USES_TYPE`, `IMPLEMENTS`.

mod cache;
mod mentions;
mod packages;
mod parse;
mod part;
mod row;
mod scaled;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Result};

pub use self::scaled::Scaled;
use crate::folders;
use crate::graph::schema::{Entity, Kind, Rule};
use crate::graph::{Counts, Graph, GraphSource, NodeRow, RelRow, Rows};
use packages::Packages;
use part::Part;
use row::RowBuilder;

/// How much of the graph to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(Option<u64>);

impl Limit {
    /// Everything: several hundred thousand nodes.
    pub const NONE: Self = Self(None);

    /// At most this many nodes: all crates, then what they contain, by the crates' names.
    pub const fn nodes(nodes: u64) -> Self {
        Self(Some(nodes))
    }
}

/// The code graph, or the beginning of it.
#[derive(Debug, Clone)]
pub struct CodeGraph {
    graph: Graph,
    skipped: Vec<(String, String)>,
}

impl CodeGraph {
    /// Builds the graph of this workspace, or reads it from `target/lifeboat/` when the same was
    /// built before.
    ///
    /// # Errors
    /// When `cargo metadata` fails or a package's folder cannot be read.
    pub fn build(limit: Limit) -> Result<Self> {
        let workspace = folders::workspace();
        let cache = cache::path(&workspace, limit)?;
        if let Some(found) = cache::read(&cache) {
            return Ok(found);
        }
        let built = Self::build_uncached(&workspace, limit)?;
        cache::write(&cache, &built)?;
        Ok(built)
    }

    /// Builds the graph of the workspace in this folder from its sources.
    ///
    /// # Errors
    /// When `cargo metadata` fails or a package's folder cannot be read.
    pub fn build_uncached(workspace: &Path, limit: Limit) -> Result<Self> {
        let packages = Packages::resolve(workspace)?;
        let parts = read_parts(&packages, limit.0)?;
        Ok(assemble(&packages, parts, limit.0))
    }

    /// The files that are not in the graph, each with the reason: what `syn` cannot parse, and
    /// generated files beyond a size.
    pub fn skipped(&self) -> &[(String, String)] {
        &self.skipped
    }

    /// The rows.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The rows, without a copy.
    pub fn into_graph(self) -> Graph {
        self.graph
    }

    /// The same graph `factor` times, under other names and keys each time. The copies are made
    /// while they are read, so that memory stays that of one.
    pub fn scaled(&self, factor: u32) -> Scaled<'_> {
        Scaled::new(&self.graph, factor)
    }
}

impl GraphSource for CodeGraph {
    fn counts(&self) -> Counts {
        self.graph.counts()
    }

    fn nodes(&self) -> Rows<'_, NodeRow> {
        self.graph.nodes()
    }

    fn relationships(&self) -> Rows<'_, RelRow> {
        self.graph.relationships()
    }

    fn schema(&self) -> &[Rule] {
        &self.graph.schema
    }
}

/// What people who search code would index.
fn schema() -> Vec<Rule> {
    use Entity::{Node, Relationship};
    let mut rules = vec![
        Rule::new(Kind::Unique, Node, "crate_key", &["Crate"], &["key"]),
        Rule::new(Kind::Unique, Node, "crate_version", &["Crate"], &["name", "version"]),
        Rule::new(Kind::Unique, Node, "file_key", &["File"], &["key"]),
        Rule::new(Kind::Range, Node, "item_key", &["Item"], &["key"]),
        Rule::new(Kind::Range, Node, "function_name", &["Function"], &["name"]),
        Rule::new(Kind::Range, Node, "type_name", &["Type"], &["name", "visibility"]),
        Rule::new(Kind::Range, Relationship, "call_count", &["CALLS"], &["count"]),
        Rule::new(Kind::Text, Node, "file_path", &["File"], &["path"]),
        Rule::new(Kind::Fulltext, Node, "words", &["Item", "Module", "File"], &["name", "doc"]),
    ];
    rules.extend(Rule::default_lookups());
    rules
}

/// Reads packages in order, on every processor, until they hold enough nodes.
fn read_parts(packages: &Packages, limit: Option<u64>) -> Result<Vec<Part>> {
    struct Shared {
        next: usize,
        nodes: u64,
        parts: Vec<Option<Result<Part>>>,
    }
    let list = &packages.list;
    let shared = Mutex::new(Shared { next: 0, nodes: list.len() as u64, parts: Vec::new() });
    let lock = || shared.lock().unwrap_or_else(PoisonError::into_inner);
    let work = || {
        loop {
            let index = {
                let mut state = lock();
                let index = state.next;
                if index == list.len() || limit.is_some_and(|limit| state.nodes >= limit) {
                    return;
                }
                state.next += 1;
                state.parts.push(None);
                index
            };
            let package = &list[index];
            let part = match packages::source_folder(package) {
                Some(folder) => part::read(&packages::key(package), &folder),
                None => Ok(Part::default()),
            };
            let mut state = lock();
            state.nodes += part.as_ref().map_or(0, |part| part.nodes.len() as u64);
            state.parts[index] = Some(part);
        }
    };
    thread::scope(|scope| {
        let count = thread::available_parallelism().map_or(2, usize::from);
        for _ in 0..count {
            // Deeply nested expressions make the parser go deep.
            thread::Builder::new().stack_size(64 << 20).spawn_scoped(scope, work)?;
        }
        Ok::<_, std::io::Error>(())
    })
    .context("cannot start a thread")?;
    let parts = std::mem::take(&mut lock().parts);
    parts.into_iter().map(|part| part.context("a thread that read sources died")?).collect()
}

/// Puts the parts behind the crates, and draws the edges between crates.
fn assemble(packages: &Packages, parts: Vec<Part>, limit: Option<u64>) -> CodeGraph {
    let mut graph = Graph {
        nodes: packages.nodes(),
        relationships: packages.relationships(),
        schema: schema(),
    };
    let dependencies = Packages::dependencies(&graph.relationships);
    let limit = limit.unwrap_or(u64::MAX);
    let mut skipped = Vec::new();
    let mut traits: Vec<HashMap<String, u64>> = Vec::new();
    let mut foreign = Vec::new();
    for (index, mut part) in parts.into_iter().enumerate() {
        let offset = graph.nodes.len() as u64;
        // How many packages were read beyond the limit depends on the threads.
        if offset >= limit {
            break;
        }
        skipped.append(&mut part.skipped);
        graph.nodes.append(&mut part.nodes);
        for file in part.files {
            graph.relationships.push(RelRow {
                start: index as u64,
                end: offset + file,
                rel_type: row::name("CONTAINS"),
                properties: Vec::new(),
            });
        }
        graph.relationships.extend(part.relationships.into_iter().map(|mut row| {
            row.start += offset;
            row.end += offset;
            row
        }));
        traits.push(part.traits.into_iter().map(|(name, node)| (name, node + offset)).collect());
        foreign.extend(part.foreign.into_iter().map(|f| (index, f.node + offset, f)));
    }
    for (index, node, foreign) in foreign {
        let targets = dependencies.get(&(index as u64)).into_iter().flatten();
        let found: std::collections::BTreeSet<_> = targets
            .filter_map(|&crate_index| traits.get(crate_index as usize))
            .filter_map(|traits| traits.get(&foreign.trait_name))
            .collect();
        if let [&target] = found.into_iter().collect::<Vec<_>>()[..] {
            let properties = RowBuilder::default()
                .text("trait", foreign.trait_name)
                .int("line", foreign.line)
                .build();
            let rel_type = row::name("IMPLEMENTS");
            graph.relationships.push(RelRow { start: node, end: target, rel_type, properties });
        }
    }
    CodeGraph { graph: graph.cut(limit), skipped }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows as text, so that a difference is readable. `Debug` of a value tells its bits.
    fn text(graph: &Graph) -> String {
        format!("{:?}\n{:?}\n{:?}", graph.nodes, graph.relationships, graph.schema)
    }

    #[test]
    fn the_same_sources_give_the_same_rows() {
        let root = folders::workspace();
        let first = CodeGraph::build_uncached(&root, Limit::nodes(3000)).unwrap();
        let second = CodeGraph::build_uncached(&root, Limit::nodes(3000)).unwrap();
        assert_eq!(first.graph.nodes.len(), 3000);
        assert!(text(&first.graph) == text(&second.graph), "two builds differ");
        assert_eq!(first.skipped, second.skipped);
    }

    #[test]
    fn a_smaller_cut_is_the_beginning_of_a_larger_one() {
        let root = folders::workspace();
        let small = CodeGraph::build_uncached(&root, Limit::nodes(1000)).unwrap().graph;
        let large = CodeGraph::build_uncached(&root, Limit::nodes(2000)).unwrap().graph;
        let nodes = |graph: &Graph| format!("{:?}", &graph.nodes[..1000]);
        assert!(nodes(&small) == nodes(&large), "the first nodes differ");
    }

    #[test]
    fn every_edge_joins_nodes_of_the_graph_and_every_kind_is_there() {
        let graph = CodeGraph::build(Limit::nodes(5000)).unwrap().into_graph();
        let mut types = std::collections::BTreeSet::new();
        for row in &graph.relationships {
            assert!(row.start < 5000 && row.end < 5000);
            types.insert(&*row.rel_type);
        }
        let wanted = ["CALLS", "CONTAINS", "DEFINES", "DEPENDS_ON", "IMPLEMENTS", "USES_TYPE"];
        assert_eq!(types.into_iter().collect::<Vec<_>>(), wanted);
        let mut keys = std::collections::HashSet::new();
        for node in &graph.nodes {
            let mut seen = std::collections::HashSet::new();
            assert!(node.properties.iter().all(|(key, _)| seen.insert(key)), "{node:?}");
            let key = format!("{:?}", node.get("key"));
            if node.labels.iter().any(|l| matches!(&**l, "Crate" | "File")) {
                assert!(keys.insert(key), "a key twice: {node:?}");
            }
        }
    }
}
