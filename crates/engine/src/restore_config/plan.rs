//! What a restore would change: every entry of the backup against what is there.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use lifeboat_archive::{Digest, Entry, EntryKind, Manifest};

use super::Destination;
use super::tree::{Look, There, Tree};
use crate::{Error, Result};

/// Files lie in the archive below this folder, by their absolute path.
const FILES: &str = "files/";

/// What becomes of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// There is nothing yet.
    Added,
    /// Something else is there.
    Changed {
        /// The difference, for a text that is not secret.
        diff: Option<String>,
    },
    /// Only owner or rights differ.
    Attributes,
    /// It is there as it is in the backup.
    Unchanged,
    /// It is not restored, for this reason.
    Refused(String),
}

/// An entry, and where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Its number in the archive.
    pub(super) index: usize,
    /// Whether it goes to the place of files, and not to the folder of the rest.
    pub(super) in_place: bool,
    /// Its path below that.
    pub(super) path: String,
    /// Where it goes.
    pub target: PathBuf,
    /// File, folder or link.
    pub kind: EntryKind,
    /// Bytes of its content.
    pub size: u64,
    /// Whether its content is secret.
    pub secret: bool,
    /// What becomes of it.
    pub change: Change,
}

/// What a restore would do.
#[derive(Debug, Clone)]
pub struct ConfigPlan {
    /// The backup.
    pub manifest: Manifest,
    /// Every entry that has a place, in the archive's order.
    pub entries: Vec<Planned>,
    /// Entries that are no files of the system and have no place to go to.
    pub without_place: Vec<String>,
    /// What lies in folders of the backup and is not in it: it stays.
    pub only_here: Vec<PathBuf>,
}

impl ConfigPlan {
    /// How many entries would be written over something that is there.
    pub fn replaces(&self) -> usize {
        let replaces = |one: &&Planned| {
            one.kind != EntryKind::Directory
                && matches!(one.change, Change::Changed { .. } | Change::Attributes)
        };
        self.entries.iter().filter(replaces).count()
    }

    /// Entries that are refused.
    pub fn refused(&self) -> impl Iterator<Item = (&Path, &str)> {
        self.entries.iter().filter_map(|one| match &one.change {
            Change::Refused(reason) => Some((one.target.as_path(), reason.as_str())),
            _ => None,
        })
    }

    /// Compares; reads every file that has the size of the one in the backup.
    pub(super) fn compare(manifest: &Manifest, destination: &Destination) -> Result<Self> {
        let places = Places::open(destination)?;
        let own = is_root();
        let secrets: HashSet<_> = manifest
            .config
            .iter()
            .flat_map(|config| config.secrets.iter().map(String::as_str))
            .collect();
        let mut plan = Self {
            manifest: manifest.clone(),
            entries: Vec::new(),
            without_place: Vec::new(),
            only_here: Vec::new(),
        };
        let known: HashSet<_> = manifest.entries.iter().map(|entry| entry.path.as_str()).collect();
        for (index, entry) in manifest.entries.iter().enumerate() {
            let Some((in_place, path)) = places.place(&entry.path) else {
                plan.without_place.push(entry.path.clone());
                continue;
            };
            let (root, tree) = places.of(in_place);
            let target = root.join(path);
            let failed = |error| Error::Folder { action: "look at", folder: target.clone(), error };
            let change = match tree {
                _ if entry.uid.max(entry.gid) >= u64::from(u32::MAX) => {
                    Change::Refused("its owner is nobody that there can be".to_owned())
                }
                _ if leads_out(entry, path, in_place) => {
                    Change::Refused("it is a link that leads out of the target".to_owned())
                }
                None => Change::Added,
                Some(tree) => match compare(entry, tree, path, own) {
                    Ok(change) => change,
                    Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                        Change::Refused(error.to_string())
                    }
                    Err(error) => return Err(failed(error)),
                },
            };
            if let (EntryKind::Directory, Some(tree)) = (entry.kind, tree)
                && !matches!(change, Change::Refused(_) | Change::Added)
            {
                for name in tree.names(path).map_err(failed)? {
                    let unknown = !known.contains(format!("{}/{name}", entry.path).as_str());
                    if unknown && !name.contains(".before-restore-") {
                        plan.only_here.push(target.join(name));
                    }
                }
            }
            plan.entries.push(Planned {
                index,
                in_place,
                path: path.to_owned(),
                target,
                kind: entry.kind,
                size: entry.size,
                secret: secrets.contains(entry.path.as_str()),
                change,
            });
        }
        Ok(plan)
    }
}

/// The one or two folders that a restore writes below.
#[derive(Debug)]
pub(super) struct Places {
    /// Where files go, when they go back to where they were.
    files: Option<(PathBuf, Option<Tree>)>,
    /// Where all the rest goes.
    rest: Option<(PathBuf, Option<Tree>)>,
}

impl Places {
    pub(super) fn open(destination: &Destination) -> Result<Self> {
        let open = |path: &Path| match Tree::open(path) {
            Ok(tree) => Ok((path.to_owned(), Some(tree))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((path.to_owned(), None)),
            Err(error) => Err(Error::Folder { action: "open", folder: path.to_owned(), error }),
        };
        Ok(match destination {
            Destination::Folder(folder) => Self { files: None, rest: Some(open(folder)?) },
            Destination::InPlace(folder) => Self {
                files: Some(open(Path::new("/"))?),
                rest: folder.as_deref().map(open).transpose()?,
            },
        })
    }

    /// Makes the folders that are missing.
    pub(super) fn make(&mut self) -> Result<()> {
        for (path, tree) in [&mut self.files, &mut self.rest].into_iter().flatten() {
            if tree.is_none() {
                let made = std::fs::create_dir_all(&*path).and_then(|()| Tree::open(path));
                let failed = |error| Error::Folder { action: "make", folder: path.clone(), error };
                *tree = Some(made.map_err(failed)?);
            }
        }
        Ok(())
    }

    /// Where an entry goes: whether to its own place, and the path below that.
    fn place<'p>(&self, path: &'p str) -> Option<(bool, &'p str)> {
        match path.strip_prefix(FILES) {
            Some(file) if self.files.is_some() => Some((true, file)),
            _ if self.rest.is_some() => Some((false, path)),
            _ => None,
        }
    }

    fn of(&self, in_place: bool) -> (&Path, Option<&Tree>) {
        let place = if in_place { &self.files } else { &self.rest };
        place.as_ref().map_or((Path::new("/"), None), |(path, tree)| (path, tree.as_ref()))
    }

    /// The folder, which is there.
    pub(super) fn tree(&self, in_place: bool) -> Result<&Tree> {
        self.of(in_place).1.ok_or_else(|| Error::Internal("a folder is not open".to_owned()))
    }
}

/// Whether we may give files to others.
pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// What an entry wants to look like.
pub(super) fn look(entry: &Entry, mtime: i64) -> Look {
    Look {
        mode: entry.mode(),
        mtime: entry.mtime.unwrap_or(mtime),
        uid: u32::try_from(entry.uid).unwrap_or(u32::MAX),
        gid: u32::try_from(entry.gid).unwrap_or(u32::MAX),
    }
}

fn compare(entry: &Entry, tree: &Tree, path: &str, own: bool) -> io::Result<Change> {
    let wanted = look(entry, 0);
    let same_look = |found: Look| {
        if own {
            (found.mode, found.uid, found.gid) == (wanted.mode, wanted.uid, wanted.gid)
        } else {
            found.mode & 0o777 == wanted.mode & 0o777
        }
    };
    let changed = Change::Changed { diff: None };
    let dressed = |found| if same_look(found) { Change::Unchanged } else { Change::Attributes };
    let refused = |what: &str| Change::Refused(format!("{what} stands in its place"));
    Ok(match (entry.kind, tree.look(path)?) {
        (_, There::Nothing) => Change::Added,
        (_, There::Special) => refused("a device, pipe or socket"),
        (EntryKind::Directory, There::Folder(found)) => dressed(found),
        (EntryKind::Directory, _) => refused("a file or a link"),
        (_, There::Folder(_)) => refused("a folder"),
        (EntryKind::File, There::File(found, size)) if size == entry.size => {
            let mut hasher = blake3::Hasher::new();
            io::copy(&mut tree.read(path)?, &mut hasher)?;
            if Digest::from(hasher.finalize()) == entry.blake3 { dressed(found) } else { changed }
        }
        (EntryKind::Symlink, There::Link(found)) => {
            let same = entry.link.as_deref().is_some_and(|link| *found == *link);
            if same { Change::Unchanged } else { changed }
        }
        (EntryKind::File | EntryKind::Symlink, There::File(..) | There::Link(_)) => changed,
    })
}

/// Whether a link would lead out of the folder that it is restored into. Those that go back to
/// where they were may lead where they did.
fn leads_out(entry: &Entry, path: &str, in_place: bool) -> bool {
    let Some(link) = entry.link.as_deref().filter(|_| !in_place) else { return false };
    if link.starts_with('/') {
        return true;
    }
    // Only at its beginning may it go up: behind a name, which may be a link, `..` can be anywhere.
    let depth = path.matches('/').count();
    let mut parts = link.split('/').filter(|part| !part.is_empty() && *part != ".").peekable();
    let mut up = 0;
    while parts.next_if_eq(&"..").is_some() {
        up += 1;
    }
    up > depth || parts.any(|part| part == "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_may_lead_within_the_target_only() {
        let entry = |link: &str| Entry {
            path: String::new(),
            size: 0,
            blake3: Digest::of(b""),
            offset: 0,
            kind: EntryKind::Symlink,
            mode: None,
            mtime: None,
            uid: 0,
            gid: 0,
            link: Some(link.to_owned()),
            superseded: false,
        };
        for (link, out) in [
            ("b", false),
            ("./b/c", false),
            ("../b", false),
            ("../../b", false),
            ("../../../b", true),
            ("/etc/passwd", true),
            ("b/../c", true),
            ("b/../../../../etc", true),
            ("..", false),
            (".././../..", true),
        ] {
            assert_eq!(leads_out(&entry(link), "x/y/z", false), out, "{link}");
            assert!(!leads_out(&entry(link), "x/y/z", true), "{link}");
        }
    }
}
