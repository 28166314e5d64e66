//! APOC core as a plugin: the peer that benchmarks measure against. Nothing else uses it.
//!
//! Maven Central has it for the long-term support line only.

use std::{ffi::OsString, fs, os::unix::fs::symlink, path::Path};

use anyhow::{Context, ensure};
use lifeboat_server::Installation;

use super::{Line, maven};
use crate::{folders, lock::lock};

const ARTIFACTS: [&str; 2] = ["org.neo4j.procedure:apoc-core", "org.neo4j.procedure:apoc-common"];

/// Puts APOC into the plugins of a home.
pub(super) async fn install(
    line: Line,
    installation: &Installation,
    home: &Path,
) -> anyhow::Result<()> {
    ensure!(line == Line::Lts, "no APOC is published for Neo4j {}", line.version());
    let folder = folders::cache()?.join(format!("apoc-{}", line.version()));
    let _lock = lock(&folder.with_added_extension("lock")).await?;
    let marker = folder.join("complete");
    if !marker.exists() {
        eprintln!("fetching APOC {} from Maven Central …", line.version());
        fs::create_dir_all(&folder)?;
        maven::copy_jars(&ARTIFACTS, line.version(), &folder).await.context("cannot fetch APOC")?;
        fs::write(marker, "")?;
    }
    let there = jars(installation.folder())?;
    for name in jars(&folder)? {
        let plugin = home.join("plugins").join(&name);
        // A second copy of what the server has, in another version, would break it.
        let known = there.iter().any(|other| artifact(other) == artifact(&name));
        if !known && !plugin.exists() {
            symlink(folder.join("lib").join(name), plugin)?;
        }
    }
    Ok(())
}

/// The names of the jars in a folder's `lib/`.
fn jars(folder: &Path) -> anyhow::Result<Vec<String>> {
    let entries = fs::read_dir(folder.join("lib"))?;
    entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

/// What lets APOC write and read files in the home's `import` folder.
pub(super) fn flags() -> [OsString; 2] {
    ["-Dapoc.export.file.enabled=true", "-Dapoc.import.file.enabled=true"].map(OsString::from)
}

/// The name of an artifact, without version: `commons-text` of `commons-text-1.10.0.jar`.
fn artifact(file: &str) -> &str {
    let version = file
        .match_indices('-')
        .map(|(at, _)| at)
        .find(|at| file[at + 1..].starts_with(|c: char| c.is_ascii_digit()));
    &file[..version.unwrap_or(file.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_from_names() {
        assert_eq!(artifact("commons-text-1.10.0.jar"), "commons-text");
        assert_eq!(artifact("apoc-core-5.26.18.jar"), "apoc-core");
        assert_eq!(artifact("RoaringBitmap-0.7.17.jar"), "RoaringBitmap");
    }
}
