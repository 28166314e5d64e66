//! Azurite from npm, once, into the workspace's `target`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// The version used: the last that runs on Node 20.
const VERSION: &str = "3.35.0";

/// The oldest Node that runs it.
const NODE: u32 = 18;

/// What is started, in the installed folder.
const SCRIPT: &str = "node_modules/azurite/dist/src/blob/main.js";

/// The script of Azurite's blob service, installed if it is not there yet.
pub(super) fn script() -> Result<PathBuf> {
    check_node()?;
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/lifeboat/azurite");
    fs::create_dir_all(&base).with_context(|| format!("cannot make {}", base.display()))?;
    let base = base.canonicalize()?;
    let folder = base.join(VERSION);
    let script = folder.join(SCRIPT);
    if script.is_file() {
        return Ok(script);
    }
    // Test binaries run side by side: one installs, the others wait. The lock goes with the file.
    let lock = File::create(base.join("lock"))?;
    lock.lock().context("cannot lock the folder of Azurite")?;
    if script.is_file() {
        return Ok(script);
    }
    let fresh = base.join(format!("{VERSION}.partial"));
    if fresh.exists() {
        fs::remove_dir_all(&fresh)?;
    }
    fs::create_dir_all(&fresh)?;
    fs::write(fresh.join("package.json"), "{\"private\":true}\n")?;
    let output = Command::new("npm")
        .args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"])
        .arg(format!("azurite@{VERSION}"))
        .current_dir(&fresh)
        .stdin(Stdio::null())
        .output()
        .context("cannot start npm: install it, on Debian with `apt install nodejs npm`")?;
    if !output.status.success() {
        bail!(
            "npm could not install azurite@{VERSION} ({}): {}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::rename(&fresh, &folder)?;
    if !script.is_file() {
        bail!("azurite@{VERSION} has no {SCRIPT}");
    }
    Ok(script)
}

fn check_node() -> Result<()> {
    let advice = "install Node 18 or later, on Debian with `apt install nodejs npm`";
    let output = Command::new("node")
        .arg("--version")
        .output()
        .with_context(|| format!("Azurite needs Node, which cannot be started: {advice}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let major = text.trim().trim_start_matches('v').split('.').next().and_then(|n| n.parse().ok());
    match major {
        Some(major) if (NODE..).contains(&major) => Ok(()),
        _ => bail!("Azurite needs another Node than {:?}: {advice}", text.trim()),
    }
}
