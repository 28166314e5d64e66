//! `cargo deny`: licences, bans, sources and advisories of everything we build on.
//!
//! The tool is built once into `target/lifeboat/tools`, unoptimised, since building it takes far
//! longer than it ever runs. The advisory database lives in a git repository that not every
//! machine can reach; then the check is skipped, and says so.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use lifeboat_testkit::folders;

use crate::run::{cargo, program, quietly, run};

/// The version that `deny.toml` is written for.
const VERSION: &str = "0.20.2";
/// How long fetching the advisory database may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// What came of the advisories.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Advisories {
    /// None applies.
    Checked,
    /// The database cannot be had, for this reason.
    NotChecked(String),
}

/// Checks licences, bans and sources.
///
/// # Errors
/// When one of them is violated, or the tool cannot be had.
pub(crate) fn check() -> anyhow::Result<()> {
    let tool = tool()?;
    run(&mut program(
        tool,
        ["--log-level=warn", "--locked", "check", "bans", "licenses", "sources"],
    ))
}

/// Checks the advisories.
///
/// # Errors
/// When one applies, or the tool cannot be had.
pub(crate) fn advisories() -> anyhow::Result<Advisories> {
    let tool = tool()?;
    if let Err(why) = quietly(&mut program(&tool, ["--locked", "fetch", "db"]), PATIENCE) {
        return Ok(Advisories::NotChecked(format!("the database cannot be fetched ({why})")));
    }
    let arguments = ["--log-level=warn", "--locked", "check", "--disable-fetch", "advisories"];
    run(&mut program(tool, arguments))?;
    Ok(Advisories::Checked)
}

/// The tool, built unless that was done before.
pub(crate) fn tool() -> anyhow::Result<PathBuf> {
    let root = folders::cache()?.join("tools");
    let tool = root.join("bin/cargo-deny");
    if tool.is_file() && installed(&root).is_some_and(|text| text.contains(&entry())) {
        return Ok(tool);
    }
    println!("building cargo-deny {VERSION} …");
    let build = root.join("build");
    let mut install = cargo(["install", "cargo-deny", "--quiet", "--locked", "--force"]);
    install.args(["--profile=dev", "--version", VERSION, "--root"]).arg(&root);
    install.env("CARGO_TARGET_DIR", &build);
    install.env("CARGO_PROFILE_DEV_DEBUG", "0").env("CARGO_INCREMENTAL", "0");
    run(&mut install)?;
    let _ = fs::remove_dir_all(build);
    Ok(tool)
}

/// Cargo's own record of what it installed.
fn installed(root: &Path) -> Option<String> {
    fs::read_to_string(root.join(".crates.toml")).ok()
}

fn entry() -> String {
    format!("\"cargo-deny {VERSION} ")
}
