//! A folder that is written into, and nothing outside of it.
//!
//! Every step of a path is opened by itself, relative to the folder before, and never through a
//! link. So neither an archive nor links that somebody has laid into the target lead a write to
//! another place, also when they are laid while we write.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, RawMode, Stat, Timespec, Timestamps, UTIME_OMIT, Uid,
};
use rustix::io::Errno;

/// What an entry looks like on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) mode: u32,
    pub(super) mtime: i64,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// What stands at a path.
#[derive(Debug)]
pub(super) enum There {
    /// Nothing.
    Nothing,
    /// A file, with its size.
    File(Look, u64),
    /// A folder.
    Folder(Look),
    /// A link, and where it points to.
    Link(OsString),
    /// A device, a pipe or a socket.
    Special,
}

/// A folder, opened.
#[derive(Debug)]
pub(super) struct Tree {
    root: OwnedFd,
    path: PathBuf,
}

/// A file that is being written beside its place.
#[derive(Debug)]
pub(super) struct Beside {
    folder: OwnedFd,
    name: String,
    temporary: String,
    pub(super) file: File,
}

fn folder_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

impl Tree {
    /// Opens a folder, which may be reached through links: the person has named it.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(path, flags, Mode::empty())?;
        Ok(Self { root, path: path.to_owned() })
    }

    /// What stands at a path.
    pub(super) fn look(&self, path: &str) -> io::Result<There> {
        let (folder, name) = match self.parent(path, false) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(There::Nothing),
            Err(error) => return Err(error),
        };
        let stat = match rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(There::Nothing),
            Err(error) => return Err(error.into()),
        };
        let look = look(&stat);
        Ok(match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => There::File(look, u64::try_from(stat.st_size).unwrap_or(0)),
            FileType::Directory => There::Folder(look),
            FileType::Symlink => {
                let link = rustix::fs::readlinkat(&folder, name, Vec::new())?;
                There::Link(OsString::from_vec(link.into_bytes()))
            }
            _ => There::Special,
        })
    }

    /// Opens a file for reading.
    pub(super) fn read(&self, path: &str) -> io::Result<File> {
        let (folder, name) = self.parent(path, false)?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&folder, name, flags, Mode::empty())?.into())
    }

    /// The names in a folder, sorted; none when there is no such folder.
    pub(super) fn names(&self, path: &str) -> io::Result<Vec<String>> {
        let folder = match self.descend(path.split('/'), false) {
            Ok(folder) => folder,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&folder)? {
            let entry = entry?;
            match entry.file_name().to_str() {
                Ok("." | "..") | Err(_) => {}
                Ok(name) => names.push(name.to_owned()),
            }
        }
        names.sort();
        Ok(names)
    }

    /// Makes a folder, if there is none.
    pub(super) fn make_folder(&self, path: &str) -> io::Result<()> {
        self.descend(path.split('/'), true).map(|_| ())
    }

    /// Begins to write a file beside its place. Nobody else can read it before it is done.
    pub(super) fn begin(&self, path: &str) -> io::Result<Beside> {
        let (folder, name) = self.parent(path, true)?;
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        for _ in 0..16 {
            let temporary = temporary(name);
            match rustix::fs::openat(&folder, temporary.as_str(), flags, mode) {
                Ok(file) => {
                    let name = name.to_owned();
                    return Ok(Beside { folder, name, temporary, file: file.into() });
                }
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(io::Error::other("no temporary name is free"))
    }

    /// Makes a link, in the place of what `aside` keeps.
    pub(super) fn link(&self, path: &str, target: &str, aside: Option<&str>) -> io::Result<()> {
        let (folder, name) = self.parent(path, true)?;
        let temporary = temporary(name);
        rustix::fs::symlinkat(target, &folder, temporary.as_str())?;
        let placed = place(&folder, &temporary, name, aside);
        if placed.is_err() {
            let _ = rustix::fs::unlinkat(&folder, temporary.as_str(), AtFlags::empty());
        }
        placed
    }

    /// Gives a link its owner.
    pub(super) fn own_link(&self, path: &str, uid: u32, gid: u32) -> io::Result<()> {
        let (folder, name) = self.parent(path, false)?;
        let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        Ok(rustix::fs::chownat(&folder, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// Gives a folder its owner, rights and time.
    pub(super) fn dress_folder(&self, path: &str, look: Look, own: bool) -> io::Result<()> {
        let folder = self.descend(path.split('/'), false)?;
        dress(&folder, look, own)
    }

    /// The folder that a path lies in, and its last component.
    fn parent<'p>(&self, path: &'p str, make: bool) -> io::Result<(OwnedFd, &'p str)> {
        match path.rsplit_once('/') {
            None => Ok((self.descend(std::iter::empty(), make)?, path)),
            Some((folder, name)) => Ok((self.descend(folder.split('/'), make)?, name)),
        }
    }

    fn descend<'p>(
        &self,
        components: impl Iterator<Item = &'p str>,
        make: bool,
    ) -> io::Result<OwnedFd> {
        let mut folder = rustix::io::fcntl_dupfd_cloexec(&self.root, 0)?;
        let mut so_far = PathBuf::new();
        for component in components {
            so_far.push(component);
            // The archive's paths have none of these; nothing is left to it.
            if component.is_empty() || component == "." || component == ".." {
                return Err(io::Error::other("the path leads out of the folder"));
            }
            let mut next = rustix::fs::openat(&folder, component, folder_flags(), Mode::empty());
            if make && matches!(next, Err(Errno::NOENT)) {
                match rustix::fs::mkdirat(&folder, component, Mode::from_raw_mode(0o755)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(error.into()),
                }
                next = rustix::fs::openat(&folder, component, folder_flags(), Mode::empty());
            }
            folder = next.map_err(|error| match error {
                Errno::LOOP | Errno::NOTDIR => io::Error::new(
                    io::ErrorKind::NotADirectory,
                    format!(
                        "{} is a link or a file where a folder must be; nothing is written \
                         through it",
                        self.path.join(&so_far).display()
                    ),
                ),
                error => error.into(),
            })?;
        }
        Ok(folder)
    }
}

impl Beside {
    /// Puts the file into its place: its owner, rights and time set, its bytes on the disk, and what
    /// was there before kept under the name `aside`.
    pub(super) fn finish(mut self, look: Look, own: bool, aside: Option<&str>) -> io::Result<()> {
        let done = self
            .file
            .flush()
            .and_then(|()| dress(&self.file, look, own))
            .and_then(|()| self.file.sync_all())
            .and_then(|()| place(&self.folder, &self.temporary, &self.name, aside));
        match done {
            Ok(()) => Ok(()),
            Err(error) => {
                self.drop_file();
                Err(error)
            }
        }
    }

    /// Takes the unfinished file away.
    pub(super) fn drop_file(self) {
        let _ = rustix::fs::unlinkat(&self.folder, self.temporary.as_str(), AtFlags::empty());
    }
}

/// Puts `temporary` into the place of `name`, in one step; what was there is kept as `aside`.
fn place(folder: &OwnedFd, temporary: &str, name: &str, aside: Option<&str>) -> io::Result<()> {
    if let Some(aside) = aside {
        match rustix::fs::linkat(folder, name, folder, aside, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            // A file system without hard links: for a moment nothing has the name.
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::MLINK) => {
                rustix::fs::renameat(folder, name, folder, aside)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    rustix::fs::renameat(folder, temporary, folder, name)?;
    rustix::fs::fsync(folder)?;
    Ok(())
}

fn dress(file: &impl std::os::fd::AsFd, look: Look, own: bool) -> io::Result<()> {
    if own {
        let (uid, gid) = (Uid::from_raw(look.uid), Gid::from_raw(look.gid));
        rustix::fs::fchown(file, Some(uid), Some(gid))?;
    }
    // Without its owner, a file must not lend rights.
    let mode = if own { look.mode & 0o7777 } else { look.mode & 0o777 };
    rustix::fs::fchmod(file, Mode::from_raw_mode(mode as RawMode))?;
    let times = Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: look.mtime, tv_nsec: 0 },
    };
    Ok(rustix::fs::futimens(file, &times)?)
}

fn look(stat: &Stat) -> Look {
    Look { mode: stat.st_mode & 0o7777, mtime: stat.st_mtime, uid: stat.st_uid, gid: stat.st_gid }
}

/// A name beside `name` that nothing has, and that no program takes for a setting.
fn temporary(name: &str) -> String {
    let short: String = name.chars().take(60).collect();
    format!(".{short}.lifeboat-{}", uuid::Uuid::new_v4().simple())
}

/// Reads a file whole, if it is not larger than `limit`.
pub(super) fn read_up_to(mut file: &File, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    (&mut file).take(limit + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= limit).then_some(bytes))
}
