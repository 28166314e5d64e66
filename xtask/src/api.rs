//! `cargo xtask api`: the service's API against its own document, by Schemathesis.
//!
//! Schemathesis reads the OpenAPI document that the service serves, makes thousands of requests
//! from it, sensible ones and others, and checks that each answer is one that the document names.
//! It is fetched from PyPI into `target/lifeboat`. The service runs on a vault in a scratch folder;
//! its jobs wait for requests, of which there will be many.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use lifeboat_testkit::folders;
use lifeboat_testkit::ports::free_port;

use crate::run::{cargo, program, run};

/// The version that the options below are written for.
const VERSION: &str = "4.32.5";

/// How long the service may take until it answers.
const PATIENCE: Duration = Duration::from_mins(2);

const SETTINGS: &str = r#"
[service]
rate = 100000
[service.token.fuzz]
rights = "operate"
token_env = "FUZZ_TOKEN"
[schedule.verify]
cron = "never"
[schedule.prune]
cron = "0 0 1 1 *"
"#;

const TOKEN: &str = "a-token-for-nothing-but-this";

/// What can be asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Requests made from each part of the document
    #[arg(long, default_value_t = 200)]
    examples: u32,
}

/// Runs it.
///
/// # Errors
/// When an answer is none that the document names, or Schemathesis cannot be had.
pub(crate) fn api(options: &Options) -> anyhow::Result<()> {
    let modules = schemathesis()?;
    run(&mut cargo(["build", "--quiet", "--package", "lifeboat-cli"]))?;
    let folder = tempfile::tempdir()?;
    let port = free_port()?;
    let _service = Service::start(folder.path(), port)?;
    let document = format!("http://127.0.0.1:{port}/api/v1/openapi.json");
    let header = format!("Authorization: Bearer {TOKEN}");
    let examples = options.examples.to_string();
    let arguments = [
        "-c",
        "import sys; from schemathesis.cli import schemathesis; sys.exit(schemathesis())",
        "run",
        &document,
        "--header",
        &header,
        "--checks",
        "all",
        "--max-examples",
        &examples,
    ];
    run(program("python3", arguments).env("PYTHONPATH", modules))
}

/// A service that is gone with the value.
struct Service(Child);

impl Service {
    fn start(folder: &Path, port: u16) -> anyhow::Result<Self> {
        fs::write(folder.join("lifeboat.toml"), SETTINGS)?;
        let lifeboat = folders::workspace().join("target/debug/lifeboat");
        let log = fs::File::create(folder.join("log"))?;
        let child = Command::new(lifeboat)
            .args(["serve", "-c"])
            .arg(folder.join("lifeboat.toml"))
            .arg("--vault")
            .arg(folder.join("vault"))
            .arg("--state")
            .arg(folder.join("state"))
            .arg(format!("--listen=127.0.0.1:{port}"))
            .env("FUZZ_TOKEN", TOKEN)
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .context("cannot start the service")?;
        let mut service = Self(child);
        let end = Instant::now() + PATIENCE;
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = || fs::read_to_string(folder.join("log")).unwrap_or_default();
            ensure!(service.0.try_wait()?.is_none(), "the service has ended:\n{}", log());
            ensure!(Instant::now() < end, "the service does not listen:\n{}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(service)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The folder of Schemathesis and what it needs, fetched unless that was done before.
fn schemathesis() -> anyhow::Result<PathBuf> {
    let folder = folders::cache()?.join(format!("schemathesis-{VERSION}"));
    if folder.join("complete").exists() {
        return Ok(folder);
    }
    println!("fetching Schemathesis {VERSION} from PyPI …");
    let wanted = format!("schemathesis=={VERSION}");
    let mut pip = program("python3", ["-m", "pip", "install", "--quiet", "--target"]);
    if let Err(error) = run(pip.arg(&folder).arg(wanted)) {
        bail!("{error}; it needs Python 3 with pip (Debian: python3-pip)");
    }
    fs::write(folder.join("complete"), "")?;
    Ok(folder)
}
