//! A file system of its own, for what depends on which one it is.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

/// XFS is not made smaller than this.
const SIZE: u64 = 320 << 20;

/// A file system in a file, mounted in a temporary folder; gone with the value.
#[derive(Debug)]
pub struct Volume {
    folder: TempDir,
}

impl Volume {
    /// One of XFS, which shares blocks between files; `None` with the reason where this machine
    /// does not let us mount one, as when we are not root.
    ///
    /// # Errors
    /// When it cannot be made for another reason.
    pub fn xfs() -> Result<Result<Self, String>> {
        let Some(mkfs) = mkfs() else { return Ok(Err("there is no mkfs.xfs".to_owned())) };
        let volume = Self { folder: tempfile::Builder::new().prefix("volume").tempdir()? };
        let image = volume.folder.path().join("image");
        File::create_new(&image)?.set_len(SIZE)?;
        let made = Command::new(mkfs).args(["-q", "-m", "reflink=1"]).arg(&image).output()?;
        ensure!(made.status.success(), "mkfs.xfs: {}", String::from_utf8_lossy(&made.stderr));
        std::fs::create_dir(volume.path())?;
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "xfs", "-o", "loop"]).arg(&image).arg(volume.path());
        let mounted = mounted.output().context("cannot run mount")?;
        if mounted.status.success() {
            Ok(Ok(volume))
        } else {
            Ok(Err(String::from_utf8_lossy(&mounted.stderr).trim().to_owned()))
        }
    }

    /// Its root.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("mounted")
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        // Lazily: who has a file open keeps it until then. Fails where nothing was mounted.
        let _ = Command::new("umount").arg("-l").arg(self.path()).output();
    }
}

/// It is not on the `PATH` of everybody.
pub(crate) fn mkfs() -> Option<&'static str> {
    let found = ["/usr/sbin/mkfs.xfs", "/sbin/mkfs.xfs", "/usr/bin/mkfs.xfs"];
    found.into_iter().find(|path| Path::new(path).is_file())
}
