//! Where the testkit keeps what it fetched and what its servers write.
//!
//! Always below the workspace's own `target/lifeboat`, whatever target folder cargo is told to
//! use: assembling a server once is enough for all of them.

use std::{
    fs,
    path::{Path, PathBuf},
    process,
    sync::Once,
};

use anyhow::Context;
use tempfile::TempDir;

/// The root of the workspace.
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// What is fetched once and kept between runs: `target/lifeboat`, made if missing.
///
/// # Errors
/// When it cannot be made.
pub fn cache() -> anyhow::Result<PathBuf> {
    let folder = workspace().join("target/lifeboat");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    // One name for it, however it was reached: archives of classes know their jars by path.
    fs::canonicalize(&folder).with_context(|| format!("cannot find {}", folder.display()))
}

/// A new folder for a server or a test, removed when dropped.
///
/// What is left by processes that were killed is swept by the next one to come: the folders'
/// names begin with the process that made them.
///
/// # Errors
/// When it cannot be made.
pub fn scratch(name: &str) -> anyhow::Result<TempDir> {
    static SWEPT: Once = Once::new();
    let parent = cache()?.join("run");
    fs::create_dir_all(&parent).with_context(|| format!("cannot create {}", parent.display()))?;
    SWEPT.call_once(|| sweep(&parent));
    tempfile::Builder::new()
        .prefix(&format!("{}-{name}-", process::id()))
        .tempdir_in(&parent)
        .with_context(|| format!("cannot create a folder in {}", parent.display()))
}

/// Removes the folders of processes that are gone. Another process may do the same right now, so
/// failures do not matter.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_string_lossy().split('-').next().and_then(|pid| pid.parse().ok());
        let owner: Option<u32> = owner;
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_is_found() {
        let manifest = fs::read_to_string(workspace().join("Cargo.toml")).unwrap();
        assert!(manifest.contains("[workspace]"));
    }

    #[test]
    fn only_folders_of_dead_processes_are_swept() {
        let parent = tempfile::tempdir().unwrap();
        // Above the largest process number that Linux gives (2^22).
        let dead = parent.path().join("4194305-neo4j-abc");
        let live = parent.path().join(format!("{}-neo4j-abc", process::id()));
        let other = parent.path().join("something");
        for folder in [&dead, &live, &other] {
            fs::create_dir_all(folder.join("data")).unwrap();
        }
        sweep(parent.path());
        assert!(!dead.exists() && live.exists() && other.exists());
    }
}
