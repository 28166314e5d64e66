//! A lock between processes, for what is made once and used by all.

use std::{fs::File, path::Path};

use anyhow::Context;

/// Takes the lock file, waiting for whoever has it; freed when dropped, or when the process ends.
///
/// # Errors
/// When the file cannot be made or locked.
pub async fn lock(path: &Path) -> anyhow::Result<File> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .with_context(|| format!("cannot open the lock file {}", path.display()))?;
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || {
        file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
        Ok(file)
    })
    .await?
}
