//! The built graph on disk, since reading it is many times faster than parsing the sources again.
//!
//! A file holds one graph: a magic line, then PackStream values, then the digest of both. A file
//! that is not whole, or of another format, counts as absent. The name tells what it was built
//! from, so that nothing ever needs to be invalidated.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use lifeboat_bolt::packstream::{Decoder, Encoder};

use super::{CodeGraph, Limit, packages, row};
use crate::graph::{Graph, Name, NodeRow, Properties, RelRow};

/// Changes whenever the same sources give other rows.
const MAGIC: &[u8] = b"lifeboat code graph 1\n";
const DIGEST: usize = 32;

/// Where the graph of this workspace is kept.
pub(super) fn path(workspace: &Path, limit: Limit) -> Result<PathBuf> {
    let lock = workspace.join("Cargo.lock");
    let lock = fs::read(&lock).with_context(|| format!("cannot read {}", lock.display()))?;
    let platform = packages::host_platform().unwrap_or_default();
    let mut hasher = blake3::Hasher::new();
    hasher.update(&lock).update(platform.as_bytes()).update(MAGIC);
    let digest = hasher.finalize().to_hex();
    let cut = limit.0.map_or_else(|| "all".to_owned(), |nodes| nodes.to_string());
    let name = format!("codegraph-{}-{cut}.bin", &digest[..16]);
    Ok(workspace.join("target").join("lifeboat").join(name))
}

/// The graph in this file, if a whole one is there.
pub(super) fn read(path: &Path) -> Option<CodeGraph> {
    let bytes = fs::read(path).ok()?;
    let (content, digest) = bytes.split_at_checked(bytes.len().checked_sub(DIGEST)?)?;
    if blake3::hash(content).as_bytes() != digest {
        return None;
    }
    decode(content.strip_prefix(MAGIC)?).ok()
}

/// Writes the file in one step, so that no reader meets half of it.
pub(super) fn write(path: &Path, graph: &CodeGraph) -> Result<()> {
    let folder = path.parent().context("the cache has no folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut bytes = MAGIC.to_vec();
    encode(graph, &mut bytes);
    let digest = blake3::hash(&bytes);
    bytes.extend_from_slice(digest.as_bytes());
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(&bytes).and_then(|()| file.flush())?;
    remove_older(path, folder);
    file.persist(path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(())
}

/// The same cut of other lock files, which nobody asks for again.
fn remove_older(path: &Path, folder: &Path) {
    let cut = |path: &Path| {
        let name = path.file_name()?.to_str()?.strip_prefix("codegraph-")?.to_owned();
        name.split_once('-').map(|(_, cut)| cut.to_owned())
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries.filter(|e| cut(&e.path()).is_some() && cut(&e.path()) == cut(path)) {
        // One that stays costs only space.
        let _ = fs::remove_file(entry.path());
    }
}

fn encode(graph: &CodeGraph, out: &mut Vec<u8>) {
    let mut encoder = Encoder::new(out);
    encoder.list_header(graph.skipped.len());
    for (file, reason) in &graph.skipped {
        encoder.string(file);
        encoder.string(reason);
    }
    encoder.list_header(graph.graph.nodes.len());
    for node in &graph.graph.nodes {
        encoder.list_header(node.labels.len());
        for label in &node.labels {
            encoder.string(label);
        }
        encode_properties(&mut encoder, &node.properties);
    }
    encoder.list_header(graph.graph.relationships.len());
    for row in &graph.graph.relationships {
        encoder.int(row.start as i64);
        encoder.int(row.end as i64);
        encoder.string(&row.rel_type);
        encode_properties(&mut encoder, &row.properties);
    }
}

fn encode_properties(encoder: &mut Encoder<'_>, properties: &Properties) {
    encoder.map_header(properties.len());
    for (key, value) in properties {
        encoder.string(key);
        encoder.value(value);
    }
}

fn decode(bytes: &[u8]) -> Result<CodeGraph> {
    let mut decoder = Decoder::new(bytes);
    let d = &mut decoder;
    let skipped = list(d, |d| Ok((d.string()?.to_owned(), d.string()?.to_owned())))?;
    let nodes = list(d, |d| {
        let labels = list(d, name)?;
        Ok(NodeRow { labels, properties: properties(d)? })
    })?;
    let relationships = list(d, |d| {
        let (start, end) = (d.int()?.try_into()?, d.int()?.try_into()?);
        Ok(RelRow { start, end, rel_type: name(d)?, properties: properties(d)? })
    })?;
    if !decoder.is_empty() {
        return Err(anyhow!("more bytes than values"));
    }
    Ok(CodeGraph { graph: Graph { nodes, relationships, schema: super::schema() }, skipped })
}

fn list<'a, T>(
    decoder: &mut Decoder<'a>,
    mut item: impl FnMut(&mut Decoder<'a>) -> Result<T>,
) -> Result<Vec<T>> {
    let count = decoder.list_header()?;
    let mut items = Vec::with_capacity(count.min(1 << 20));
    for _ in 0..count {
        items.push(item(decoder)?);
    }
    Ok(items)
}

fn properties(decoder: &mut Decoder<'_>) -> Result<Properties> {
    let count = decoder.map_header()?;
    let mut entries = Vec::with_capacity(count.min(1 << 10));
    for _ in 0..count {
        entries.push((name(decoder)?, decoder.value()?));
    }
    Ok(entries)
}

fn name(decoder: &mut Decoder<'_>) -> Result<Name> {
    Ok(row::name(decoder.string()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_damage_is_absence() {
        let root = crate::folders::workspace();
        let graph = CodeGraph::build_uncached(&root, Limit::nodes(700)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep").join("graph.bin");
        assert!(read(&path).is_none());
        write(&path, &graph).unwrap();
        let found = read(&path).unwrap();
        assert!(format!("{found:?}") == format!("{graph:?}"), "the cache changes the graph");

        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert!(read(&path).is_none());
        fs::write(&path, b"short").unwrap();
        assert!(read(&path).is_none());
    }

    #[test]
    fn the_name_tells_the_cut() {
        let root = crate::folders::workspace();
        let small = path(&root, Limit::nodes(10)).unwrap();
        let all = path(&root, Limit::NONE).unwrap();
        assert_ne!(small, all);
        assert!(all.to_string_lossy().ends_with("-all.bin"));
    }
}
