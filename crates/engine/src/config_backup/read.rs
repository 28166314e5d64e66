//! Reading a file that others may be writing: all of one state of it, or nothing.
//!
//! A file's times, size and identity are looked at before and after. If they moved, or had moved so
//! shortly before that a further write might not show, the file is read again a little later. What
//! never rests is given up, and told; it is never kept torn.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Seek as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// How often a file is read before it is given up.
const ATTEMPTS: u32 = 5;

/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// A file that was written within this time may be written again without its time moving: clocks of
/// file systems tick slowly.
const RACY: Duration = Duration::from_millis(50);

/// Files of more bytes are held in a temporary file.
const IN_MEMORY: u64 = 32 << 20;

/// The content of a file at one moment.
#[derive(Debug)]
pub(super) enum Content {
    /// Of a small one.
    Memory(Vec<u8>),
    /// Of a large one.
    Spooled(File),
}

/// A file as it was at one moment.
#[derive(Debug)]
pub(super) struct Stable {
    pub(super) content: Content,
    pub(super) metadata: Metadata,
}

/// Reads a file; `Err` says why there is no one state of it.
pub(super) fn read(path: &Path) -> Result<Stable, String> {
    let mut moved = false;
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            std::thread::sleep(PAUSE);
        }
        match read_once(path) {
            Ok(Some(stable)) => return Ok(stable),
            Ok(None) => moved = true,
            // It may be on its way: written beside, and renamed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    Err(if moved { "it changed each time it was read" } else { "it has vanished" }.to_owned())
}

/// `None` when it moved meanwhile.
fn read_once(path: &Path) -> io::Result<Option<Stable>> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let mut file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let before = file.metadata()?;
    if !before.is_file() {
        return Err(io::Error::other("it is no file any more"));
    }
    let size = before.len();
    let (content, read) = if size <= IN_MEMORY {
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        let read = (&mut file).take(size + 1).read_to_end(&mut bytes)?;
        (Content::Memory(bytes), read as u64)
    } else {
        let mut spool = tempfile::tempfile()?;
        let read = io::copy(&mut (&mut file).take(size + 1), &mut spool)?;
        spool.rewind()?;
        (Content::Spooled(spool), read)
    };
    let (after, there) = (file.metadata()?, fs::symlink_metadata(path)?);
    let rested = before
        .modified()
        .ok()
        .and_then(|time| SystemTime::now().duration_since(time).ok())
        .is_none_or(|age| age > RACY);
    let same =
        rested && read == size && state(&before) == state(&after) && state(&after) == state(&there);
    Ok(same.then_some(Stable { content, metadata: after }))
}

/// What moves when a file is written, or another takes its name.
fn state(metadata: &Metadata) -> (u64, u64, u64, i64, i64, i64, i64) {
    (
        metadata.dev(),
        metadata.ino(),
        metadata.len(),
        metadata.mtime(),
        metadata.mtime_nsec(),
        metadata.ctime(),
        metadata.ctime_nsec(),
    )
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn a_file_at_rest_is_read_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fs::write(&path, "one state").unwrap();
        let stable = read(&path).unwrap();
        assert!(matches!(stable.content, Content::Memory(bytes) if bytes == b"one state"));
        let large = vec![7; (IN_MEMORY + 1) as usize];
        fs::write(&path, &large).unwrap();
        let Content::Spooled(mut spool) = read(&path).unwrap().content else { panic!("in memory") };
        let mut bytes = Vec::new();
        spool.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes.len(), large.len());
    }

    #[test]
    fn what_never_rests_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fs::write(&path, "0").unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let writer = std::thread::spawn({
            let (stop, path) = (Arc::clone(&stop), path.clone());
            move || {
                let mut file = OpenOptions::new().append(true).open(path).unwrap();
                while !stop.load(Ordering::Relaxed) {
                    file.write_all(b"more").unwrap();
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        });
        let error = read(&path).unwrap_err();
        stop.store(true, Ordering::Relaxed);
        writer.join().unwrap();
        assert_eq!(error, "it changed each time it was read");
        assert!(read(&path).is_ok());
    }

    #[test]
    fn what_is_gone_or_no_file_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        assert_eq!(read(&path).unwrap_err(), "it has vanished");
        std::os::unix::fs::symlink("/etc/hostname", &path).unwrap();
        assert!(read(&path).is_err(), "a link is not followed");
    }
}
