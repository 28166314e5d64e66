//! Writing what differs, while the archive goes by.

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::path::PathBuf;

use lifeboat_archive::read::{DecodedFrame, EntryReader, Frames};
use lifeboat_archive::{Entry, EntryKind};

use super::Destination;
use super::plan::{Change, ConfigPlan, Places, Planned, is_root, look};
use super::tree::Beside;
use crate::{Error, Result};

/// Takes the frames of an archive in their order.
pub(super) struct Writer {
    name: lifeboat_archive::BackupName,
    frames: Frames,
    places: Places,
    /// Entries to write, by their number in the archive.
    wanted: HashMap<usize, Planned>,
    /// The number of the entry that goes on in the next frame.
    open: Option<(usize, EntryReader, Beside)>,
    mtime: i64,
    own: bool,
    suffix: String,
    kept: Vec<PathBuf>,
    written: usize,
}

impl Writer {
    pub(super) fn new(
        frames: Frames,
        plan: &ConfigPlan,
        destination: &Destination,
        suffix: String,
    ) -> Result<Self> {
        let wanted = plan.entries.iter().filter(|one| {
            matches!(one.change, Change::Added | Change::Changed { .. } | Change::Attributes)
        });
        let wanted = wanted.map(|one| (one.index, one.clone())).collect();
        Ok(Self {
            name: plan.manifest.name.clone(),
            frames,
            places: Places::open(destination)?,
            wanted,
            open: None,
            mtime: plan.manifest.archive.mtime,
            own: is_root(),
            suffix,
            kept: Vec::new(),
            written: 0,
        })
    }

    /// Makes the folders, closed to others until all is written, and the files without content.
    pub(super) fn begin(mut self) -> Result<Self> {
        self.places.make()?;
        let mut numbers: Vec<usize> = self.wanted.keys().copied().collect();
        numbers.sort_unstable();
        for index in numbers {
            let one = self.wanted[&index].clone();
            match self.entry(index).kind {
                EntryKind::Directory if one.change == Change::Added => {
                    let made = self.places.tree(one.in_place)?.make_folder(&one.path);
                    made.map_err(|error| self.failed(&one, error))?;
                }
                EntryKind::File if one.size == 0 => {
                    let begun = self.places.tree(one.in_place)?.begin(&one.path);
                    let beside = begun.map_err(|error| self.failed(&one, error))?;
                    self.finish_file(&one, beside)?;
                }
                _ => {}
            }
        }
        Ok(self)
    }

    /// Writes what a frame holds of the wanted files.
    pub(super) fn take(mut self, frame: &DecodedFrame) -> Result<Self> {
        for index in frame.entries() {
            let Some(one) = self.wanted.get(&index).cloned() else { continue };
            if frame.data(index).is_empty() {
                continue;
            }
            let (mut reader, mut beside) = match self.open.take() {
                Some((open, reader, beside)) if open == index => (reader, beside),
                _ => {
                    let begun = self.places.tree(one.in_place)?.begin(&one.path);
                    let beside = begun.map_err(|error| self.failed(&one, error))?;
                    (self.frames.entry_reader(index), beside)
                }
            };
            let damaged = |source| Error::Damaged { name: self.name.clone(), source };
            let done = reader.push(frame).map_err(damaged).and_then(|data| {
                beside.file.write_all(data).map_err(|error| self.failed(&one, error))
            });
            if let Err(error) = done {
                beside.drop_file();
                return Err(error);
            }
            let ends = self.frames.plan(index).end == frame.index() + 1;
            if !ends {
                self.open = Some((index, reader, beside));
                continue;
            }
            if let Err(source) = reader.finish() {
                beside.drop_file();
                return Err(Error::Damaged { name: self.name.clone(), source });
            }
            self.finish_file(&one, beside)?;
        }
        Ok(self)
    }

    /// Makes the links, now that nothing is written any more, and dresses the folders. What was
    /// kept of what was there.
    pub(super) fn finish(mut self) -> Result<Vec<PathBuf>> {
        let mut rest: Vec<Planned> = self.wanted.values().cloned().collect();
        rest.sort_by_key(|one| std::cmp::Reverse(one.index));
        for one in &rest {
            let entry = self.entry(one.index).clone();
            let tree = self.places.tree(one.in_place)?;
            let done = match entry.kind {
                EntryKind::File => continue,
                EntryKind::Symlink => {
                    let aside = self.aside(one);
                    let link = entry.link.as_deref().unwrap_or_default();
                    let wanted = look(&entry, self.mtime);
                    tree.link(&one.path, link, aside.as_deref()).and_then(|()| {
                        if self.own {
                            tree.own_link(&one.path, wanted.uid, wanted.gid)
                        } else {
                            Ok(())
                        }
                    })
                }
                EntryKind::Directory => {
                    tree.dress_folder(&one.path, look(&entry, self.mtime), self.own)
                }
            };
            done.map_err(|error| self.failed(one, error))?;
            self.note(one);
        }
        self.kept.sort();
        Ok(self.kept)
    }

    fn finish_file(&mut self, one: &Planned, beside: Beside) -> Result<()> {
        let wanted = look(self.entry(one.index), self.mtime);
        let aside = self.aside(one);
        beside
            .finish(wanted, self.own, aside.as_deref())
            .map_err(|error| self.failed(one, error))?;
        self.note(one);
        Ok(())
    }

    fn entry(&self, index: usize) -> &Entry {
        &self.frames.entries()[index]
    }

    /// The name under which what is there is kept.
    fn aside(&self, one: &Planned) -> Option<String> {
        let replaces = one.change != Change::Added && one.kind != EntryKind::Directory;
        let name = one.path.rsplit('/').next().unwrap_or(&one.path);
        replaces.then(|| format!("{name}{}", self.suffix))
    }

    fn note(&mut self, one: &Planned) {
        if let Some(aside) = self.aside(one) {
            self.kept.push(one.target.with_file_name(aside));
        }
        self.written += 1;
    }

    fn failed(&self, one: &Planned, error: io::Error) -> Error {
        Error::ConfigFile { path: one.target.clone(), written: self.written, error }
    }
}
