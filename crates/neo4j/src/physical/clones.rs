//! Clones of a database's files, where the file system shares blocks between files (XFS, Btrfs,
//! bcachefs, …).
//!
//! A clone is made at once and does not change any more, however long it is read. So a checkpoint
//! can only come between the first clone and the last, which are milliseconds apart, instead of
//! while everything is read; and nothing has to be read twice. Source: `ioctl_ficlone(2)`.
//!
//! The clones have no names (`O_TMPFILE`): nothing is to be seen of them in the server's data, and
//! nothing is left when this process dies.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io;

use rustix::fs::ioctl_ficlone;

use super::unit::{Source, Unit};
use crate::error::Result;

/// The files of a database as they were a moment ago.
#[derive(Debug)]
pub(super) struct Clones {
    files: HashMap<String, (File, Metadata)>,
    /// Whether each unit is of one moment.
    pub(super) whole: bool,
}

impl Clones {
    /// Clones all files of these; `None` where the file system cannot, or nothing may be written.
    pub(super) fn of(units: &[Unit]) -> Result<Option<Self>> {
        let mut clones = Self { files: HashMap::new(), whole: true };
        for unit in units {
            let before = unit.witness()?;
            let mut complete = true;
            for source in unit.sources() {
                match clone(source) {
                    Ok(found) => drop(clones.files.insert(source.path.clone(), found)),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => complete = false,
                    Err(error) => {
                        tracing::debug!(file = %source.file.display(), %error, "no clones");
                        return Ok(None);
                    }
                }
            }
            // Lucene removes files that no commit counts on.
            complete |= matches!(unit, Unit::Lucene(..));
            clones.whole &= complete && unit.witness()? == before;
        }
        Ok(Some(clones))
    }

    /// The clone of a file, with what was known of the file itself; `None` when it had gone.
    pub(super) fn file(&self, source: &Source) -> Option<&(File, Metadata)> {
        self.files.get(&source.path)
    }
}

fn clone(source: &Source) -> io::Result<(File, Metadata)> {
    let file = File::open(&source.file)?;
    let meta = file.metadata()?;
    let folder = source.file.parent().ok_or(io::ErrorKind::NotFound)?;
    let clone = tempfile::tempfile_in(folder)?;
    ioctl_ficlone(&clone, &file)?;
    Ok((clone, meta))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::FileExt as _;

    use lifeboat_testkit::volume::Volume;

    use super::*;
    use crate::physical::unit::units;

    #[test]
    fn what_is_cloned_stays_as_it_was_and_has_no_name() {
        let volume = match Volume::xfs().unwrap() {
            Ok(volume) => volume,
            Err(why) => return eprintln!("not tested, since XFS cannot be mounted: {why}"),
        };
        let folder = volume.path().join("store");
        fs::create_dir(&folder).unwrap();
        let before = vec![1; 3 << 20];
        for name in ["neostore", "neostore.counts.db"] {
            fs::write(folder.join(name), &before).unwrap();
        }
        let units = units(&folder, "d").unwrap();
        let clones = Clones::of(&units).unwrap().unwrap();
        assert!(clones.whole);
        let names = fs::read_dir(&folder).unwrap().count();
        assert_eq!(names, 2);
        for unit in &units {
            let [source] = unit.sources() else { panic!("{unit:?}") };
            fs::write(&source.file, "later").unwrap();
            let (clone, meta) = clones.file(source).unwrap();
            let mut found = vec![0; before.len()];
            clone.read_exact_at(&mut found, 0).unwrap();
            assert!(found == before && meta.len() == before.len() as u64);
        }

        // What went away in between is not whole, but for what Lucene tidied up.
        fs::remove_file(folder.join("neostore")).unwrap();
        assert!(!Clones::of(&units).unwrap().unwrap().whole);
    }

    #[test]
    fn where_there_are_no_clones_none_are_made() {
        let folder = std::path::Path::new("/dev/shm");
        if !folder.is_dir() {
            return eprintln!("not tested, since there is no tmpfs");
        }
        let folder = tempfile::tempdir_in(folder).unwrap();
        fs::write(folder.path().join("neostore"), "x").unwrap();
        assert!(Clones::of(&units(folder.path(), "d").unwrap()).unwrap().is_none());
    }
}
