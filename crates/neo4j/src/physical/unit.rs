//! What must be of one moment, and how to tell whether it is.
//!
//! A file is read while its server writes to it. For some that does not matter, some have a part
//! that tells:
//!
//! - **Record stores** are mended by the log, page by page.
//! - **Trees** (indexes, counts, free ids) keep two state pages behind their first page. A
//!   checkpoint writes one of them before pages that it set free can be used again, and nothing
//!   else writes to them. So a tree whose first pages are the same before and after was read
//!   between two checkpoints, and is what a power cut would have left. Source:
//!   `org.neo4j.index.internal.gbptree.GBPTree`, `TreeStatePair`.
//! - **Lucene** writes each file once. Which of them count stands in `segments_N`; as long as that
//!   is the same, nothing that counts goes away.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use lifeboat_archive::Digest;

use crate::error::{Error, Result};

/// The first page of a tree and its two state pages, of 8 KiB each.
const STATE_PAGES: usize = 3 * 8192;

/// A file, and its path in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) path: String,
    pub(super) file: PathBuf,
}

/// What must be of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unit {
    /// A record store.
    Records(Source),
    /// A tree, or a file that is not known.
    Tree(Source),
    /// A folder of Lucene.
    Lucene(PathBuf, Vec<Source>),
}

/// Everything in a folder and below it, in the order of paths; `path` is the folder's own in the
/// archive. What goes away while it is listed is left out.
pub(super) fn units(folder: &Path, path: &str) -> Result<Vec<Unit>> {
    let mut units = Vec::new();
    walk(folder, path, &mut units)?;
    Ok(units)
}

fn walk(folder: &Path, path: &str, units: &mut Vec<Unit>) -> Result<()> {
    let mut items = Vec::new();
    match fs::read_dir(folder) {
        Ok(list) => {
            for item in list {
                items.push(item.map_err(Error::file("read", folder))?);
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::file("read", folder)(error)),
    }
    items.sort_by_key(fs::DirEntry::file_name);
    let mut files = Vec::new();
    let mut lucene = false;
    for item in items {
        let name = item.file_name().into_string().map_err(|name| Error::File {
            action: "name in an archive",
            path: folder.join(name),
            error: io::Error::other("its name is not UTF-8"),
        })?;
        let source = Source { path: format!("{path}/{name}"), file: item.path() };
        match item.file_type() {
            Ok(kind) if kind.is_dir() => walk(&source.file, &source.path, units)?,
            Ok(kind) if kind.is_file() && !of_the_process(&name) => {
                lucene |= name.starts_with("segments_");
                files.push((name, source));
            }
            // Locks, sockets, links: nothing that Neo4j keeps data in.
            _ => {}
        }
    }
    if lucene {
        let files = files.into_iter().map(|(_, source)| source).collect();
        units.push(Unit::Lucene(folder.to_owned(), files));
    } else {
        units.extend(files.into_iter().map(|(name, source)| {
            if is_record_store(&name) { Unit::Records(source) } else { Unit::Tree(source) }
        }));
    }
    Ok(())
}

/// What belongs to the running process and not to the data.
fn of_the_process(name: &str) -> bool {
    matches!(name, "store_lock" | "database_lock" | "write.lock") || name.starts_with("id-buffer")
}

/// `neostore`, `neostore.nodestore.db`, `neostore.propertystore.db.strings` and their like, but not
/// the trees beside them.
fn is_record_store(name: &str) -> bool {
    let tree = Path::new(name).extension().is_some_and(|extension| extension == "id");
    name == "neostore" || (name.starts_with("neostore.") && name.contains("store.db") && !tree)
}

/// What stays the same as long as what is read is of one moment.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Witness(Vec<(String, Digest)>);

impl Unit {
    /// Its witness now; `None` when any mixture will do.
    pub(super) fn witness(&self) -> Result<Option<Witness>> {
        Ok(match self {
            Self::Records(_) => None,
            Self::Tree(source) => Some(Witness(first_pages(&source.file)?)),
            Self::Lucene(folder, _) => Some(Witness(commits(folder)?)),
        })
    }

    /// Its files.
    pub(super) fn sources(&self) -> &[Source] {
        match self {
            Self::Records(source) | Self::Tree(source) => std::slice::from_ref(source),
            Self::Lucene(_, files) => files,
        }
    }
}

fn first_pages(file: &Path) -> Result<Vec<(String, Digest)>> {
    let opened = match File::open(file) {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::file("read", file)(error)),
    };
    let mut pages = vec![0; STATE_PAGES];
    let mut read = 0;
    while read < pages.len() {
        match opened.read_at(&mut pages[read..], read as u64) {
            Ok(0) => break,
            Ok(count) => read += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::file("read", file)(error)),
        }
    }
    Ok(vec![(String::new(), Digest::of(&pages[..read]))])
}

fn commits(folder: &Path) -> Result<Vec<(String, Digest)>> {
    let mut commits = Vec::new();
    let Ok(items) = fs::read_dir(folder) else { return Ok(commits) };
    for item in items {
        let item = item.map_err(Error::file("read", folder))?;
        let Ok(name) = item.file_name().into_string() else { continue };
        if name.starts_with("segments_")
            && let Ok(content) = fs::read(item.path())
        {
            commits.push((name, Digest::of(&content)));
        }
    }
    commits.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(commits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_with(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        folder
    }

    #[test]
    fn files_are_told_apart() {
        for name in ["neostore", "neostore.nodestore.db", "neostore.propertystore.db.strings"] {
            assert!(is_record_store(name), "{name}");
        }
        for name in [
            "neostore.nodestore.db.id",
            "neostore.counts.db",
            "neostore.indexstats.db",
            "neostore.relationshipgroupstore.degrees.db",
            "index-7",
        ] {
            assert!(!is_record_store(name), "{name}");
        }
    }

    #[test]
    fn locks_and_buffers_are_left_out_and_lucene_stays_together() {
        let folder = folder_with(&[
            "database_lock",
            "id-buffer.tmp.0",
            "neostore",
            "neostore.counts.db",
            "schema/index/fulltext-1.0/4/1/_0.cfs",
            "schema/index/fulltext-1.0/4/1/segments_1",
            "schema/index/fulltext-1.0/4/1/write.lock",
            "schema/index/range-1.0/3/index-3",
        ]);
        let units = units(folder.path(), "d").unwrap();
        let kinds: Vec<_> = units
            .iter()
            .map(|unit| {
                let paths: Vec<_> = unit.sources().iter().map(|s| s.path.as_str()).collect();
                let kind = match unit {
                    Unit::Records(_) => 'r',
                    Unit::Tree(_) => 't',
                    Unit::Lucene(..) => 'l',
                };
                (kind, paths)
            })
            .collect();
        let lucene = "d/schema/index/fulltext-1.0/4/1";
        assert_eq!(
            kinds,
            [
                ('l', vec![&*format!("{lucene}/_0.cfs"), &*format!("{lucene}/segments_1")]),
                ('t', vec!["d/schema/index/range-1.0/3/index-3"]),
                ('r', vec!["d/neostore"]),
                ('t', vec!["d/neostore.counts.db"]),
            ]
        );
    }

    #[test]
    fn witnesses_see_checkpoints_and_commits_only() {
        let folder = folder_with(&["l/segments_1", "l/_0.cfs"]);
        let file = folder.path().join("tree");
        fs::write(&file, vec![1; 40_960]).unwrap();
        let found = units(folder.path(), "d").unwrap();
        let [lucene, tree] = &found[..] else { panic!("{found:?}") };
        let (before, commit) = (tree.witness().unwrap(), lucene.witness().unwrap());
        let opened = fs::OpenOptions::new().write(true).open(&file).unwrap();
        opened.write_at(&[2], 30_000).unwrap();
        assert_eq!(tree.witness().unwrap(), before);
        opened.write_at(&[2], 10_000).unwrap();
        assert_ne!(tree.witness().unwrap(), before);
        fs::remove_file(folder.path().join("l/_0.cfs")).unwrap();
        assert_eq!(lucene.witness().unwrap(), commit);
        fs::write(folder.path().join("l/segments_2"), "").unwrap();
        assert_ne!(lucene.witness().unwrap(), commit);
    }
}
