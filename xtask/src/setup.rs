//! Everything the tests need, before the first of them runs.
//!
//! Root on Debian gets missing packages installed; everybody else is told what to install, all at
//! once. The rest needs no rights: servers are assembled below `target/lifeboat`.

use std::{process::Command, time::Instant};

use anyhow::{Context, bail};
use lifeboat_testkit::{
    Line, azurite, neo4j,
    requirements::{Missing, missing},
};

use crate::{
    deny,
    run::{program, run},
};

/// Prepares the machine and the caches.
///
/// # Errors
/// When something is missing that may not be installed, or cannot be fetched.
pub(crate) async fn setup() -> anyhow::Result<()> {
    install_missing()?;
    for line in Line::ALL {
        let begin = Instant::now();
        let installation = neo4j::assemble(line).await?;
        let (version, java) = (installation.version(), installation.java().version());
        println!("Neo4j {version} on Java {java}: ready ({:.1} s)", begin.elapsed().as_secs_f64());
    }
    let begin = Instant::now();
    drop(azurite::Azurite::start(&[azurite::ACCOUNT]).await?);
    println!("Azurite: ready ({:.1} s)", begin.elapsed().as_secs_f64());
    let begin = Instant::now();
    deny::tool()?;
    println!("cargo-deny: ready ({:.1} s)", begin.elapsed().as_secs_f64());
    Ok(())
}

/// Installs the packages that are missing, or says which they are.
///
/// # Errors
/// When they may not be installed by us.
pub(crate) fn install_missing() -> anyhow::Result<()> {
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    if !(is_root() && has_apt()) {
        bail!("{}", instructions(&missing));
    }
    let mut apt = program("apt-get", ["update", "--quiet=2"]);
    run(&mut apt)?;
    let mut packages = Vec::new();
    for missing in &missing {
        let package = missing.debian.iter().find(|package| is_known(package));
        packages.push(*package.with_context(|| {
            format!("{} is missing, and apt knows no package for it; install it", missing.what)
        })?);
    }
    println!("installing {} …", packages.join(" "));
    let mut apt = program("apt-get", ["install", "--quiet=2", "--yes", "--no-install-recommends"]);
    run(apt.args(packages).env("DEBIAN_FRONTEND", "noninteractive"))
}

/// What to do for somebody who may not install, or has another system.
fn instructions(missing: &[Missing]) -> String {
    let what: Vec<_> = missing.iter().map(|missing| format!("- {}", missing.what)).collect();
    let debian = missing.iter().filter_map(|missing| missing.debian.first().copied());
    let debian: Vec<_> = debian.collect();
    format!(
        "these are missing; install them and try again:\n{}\nhint: on Debian or Ubuntu: sudo apt-get install {}",
        what.join("\n"),
        debian.join(" ")
    )
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn has_apt() -> bool {
    Command::new("apt-get").arg("--version").output().is_ok_and(|output| output.status.success())
}

fn is_known(package: &str) -> bool {
    let mut apt = Command::new("apt-cache");
    apt.args(["show", "--quiet=2", package]).output().is_ok_and(|output| output.status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_missing_is_named_at_once() {
        let missing = [
            Missing { what: "Maven".to_owned(), debian: &["maven"] },
            Missing { what: "Java 17 or 21".to_owned(), debian: &["openjdk-17-jre-headless", "b"] },
        ];
        let text = instructions(&missing);
        assert!(text.contains("- Maven\n- Java 17 or 21\n"), "{text}");
        assert!(text.ends_with("apt-get install maven openjdk-17-jre-headless"), "{text}");
    }
}
