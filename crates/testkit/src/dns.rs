//! A real authoritative DNS server, Knot: one zone, which takes dynamic updates that are signed with
//! a shared key.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use crate::daemon::{self, Daemon};
use crate::ports::free_port;

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_mins(1);

/// The name of the key that may change the zone.
pub const KEY_NAME: &str = "lifeboat-key";

/// The key itself, in base64: known to all, and good for nothing but tests.
pub const KEY: &str = "dGVzdCBrZXkgb2YgbGlmZWJvYXQsIDMyIGJ5dGVzIQ==";

/// A server for tests. Dropping it kills it.
#[derive(Debug)]
pub struct Dns {
    // Before its folder, so that it is gone when that is removed.
    daemon: Daemon,
    address: SocketAddr,
    zone: String,
    folder: TempDir,
}

/// Where the server's program is; Debian has it where only administrators look.
pub(crate) fn daemon() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|folder| folder.join("knotd"))
        .find(|program| program.is_file())
}

impl Dns {
    /// Starts a server of a zone, in which each of `names` has an address; all with this time to
    /// live, in seconds.
    ///
    /// # Errors
    /// When the server is not installed, or does not start.
    pub fn start(zone: &str, names: &[(&str, IpAddr)], ttl: u32) -> Result<Self> {
        let program = daemon().context("there is no knotd: install knot")?;
        let folder = tempfile::Builder::new().prefix("knot").tempdir()?;
        let at = folder.path();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let mut records = format!(
            "$ORIGIN {zone}.\n$TTL {ttl}\n@ SOA ns.{zone}. admin.{zone}. 1 3600 600 86400 {ttl}\n@ NS \
             ns.{zone}.\nns A 127.0.0.1\n"
        );
        for (name, address) in names {
            let kind = if address.is_ipv4() { "A" } else { "AAAA" };
            let _ = writeln!(records, "{name} {kind} {address}");
        }
        fs::write(at.join("zone"), records)?;
        fs::create_dir(at.join("db"))?;
        let text = format!(
            "server:\n  listen: {}@{}\n  rundir: {at}\n  pidfile: {at}/pid\n  udp-workers: 1\n  \
             tcp-workers: 1\n  background-workers: 1\n\
             log:\n  - target: stderr\n    any: info\n\
             database:\n  storage: {at}/db\n\
             key:\n  - id: {KEY_NAME}\n    algorithm: hmac-sha256\n    secret: {KEY}\n\
             acl:\n  - id: update\n    key: {KEY_NAME}\n    action: update\n\
             zone:\n  - domain: {zone}\n    storage: {at}\n    file: zone\n    acl: update\n    \
             zonefile-sync: -1\n    journal-content: all\n    zonefile-load: difference-no-serial\n",
            address.ip(),
            address.port(),
            at = at.display(),
        );
        let config = at.join("knot.conf");
        fs::write(&config, text)?;
        let log = at.join("log");
        let mut command = daemon::command(&program.to_string_lossy());
        command
            .arg("-c")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(File::create(&log)?)
            .stderr(File::options().append(true).open(&log)?);
        let daemon = Daemon::start(command)?;
        let dns = Self { daemon, address, zone: zone.to_owned(), folder };
        dns.wait(&log)?;
        Ok(dns)
    }

    fn wait(&self, log: &Path) -> Result<()> {
        let start = Instant::now();
        while self.ask("ns").is_none_or(|found| found.is_empty()) {
            if start.elapsed() > PATIENCE || self.daemon.has_ended() {
                bail!("Knot does not answer: {}", fs::read_to_string(log).unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its zone.
    pub fn zone(&self) -> &str {
        &self.zone
    }

    /// A file that holds the key.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn key_file(&self) -> Result<PathBuf> {
        let path = self.folder.path().join("key");
        fs::write(&path, KEY)?;
        Ok(path)
    }

    /// The addresses of a name of the zone, as [`ask`] is told. `None` when there is no answer.
    pub fn ask(&self, name: &str) -> Option<Vec<IpAddr>> {
        ask(self.address, &format!("{name}.{}", self.zone))
    }
}

/// The addresses of a name, as `kdig` is told: a witness independent of our own messages. `None`
/// when there is no answer.
pub fn ask(server: SocketAddr, name: &str) -> Option<Vec<IpAddr>> {
    let output = Command::new("kdig")
        .arg(format!("@{}", server.ip()))
        .args(["-p", &server.port().to_string(), "+short", "+timeout=2", "+retry=0", name, "A"])
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let found: Vec<IpAddr> = text.lines().filter_map(|line| line.trim().parse().ok()).collect();
    output.status.success().then_some(found)
}
