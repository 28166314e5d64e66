//! Real Neo4j servers for tests, of both supported lines.
//!
//! A server costs a few seconds and half a GiB of memory, so tests that only read, or clean up
//! after themselves, share one for each line ([`Neo4j::shared`]); tests that stop, kill or
//! reconfigure a server start their own. None outlives the test process, even a killed one.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use lifeboat_server::{AdminTool, Installation, Server, ServerOptions, Stopped, initialize_home};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::folders;

mod apoc;
mod assemble;
mod http;
mod jdk;
mod maven;

/// The name of the user that tests log in as.
pub const USERNAME: &str = "neo4j";
/// The password of all test servers: no secret.
pub const PASSWORD: &str = "lifeboat-in-the-storm";

/// The release lines of Neo4j that are supported and tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Line {
    /// The long-term support release.
    Lts,
    /// The newest calendar release.
    Current,
}

impl Line {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Lts, Self::Current];

    /// The version that is tested.
    pub fn version(self) -> &'static str {
        match self {
            Self::Lts => "5.26.18",
            Self::Current => "2026.09.0",
        }
    }
}

/// The installation of a line, assembled from Maven Central unless that was done before.
///
/// # Errors
/// When Maven or a Java is missing, or the jars cannot be had.
pub async fn assemble(line: Line) -> anyhow::Result<Installation> {
    Ok(assembled(line).await?.installation.clone())
}

async fn assembled(line: Line) -> anyhow::Result<&'static assemble::Assembled> {
    static LTS: OnceCell<assemble::Assembled> = OnceCell::const_new();
    static CURRENT: OnceCell<assemble::Assembled> = OnceCell::const_new();
    let cell = match line {
        Line::Lts => &LTS,
        Line::Current => &CURRENT,
    };
    cell.get_or_try_init(|| assemble::assemble(line))
        .await
        .with_context(|| format!("cannot assemble Neo4j {}", line.version()))
}

/// What a test server may be asked for beyond the defaults.
#[derive(Clone, Debug)]
pub struct Neo4jOptions {
    /// Whether clients must log in as [`USERNAME`] with [`PASSWORD`]. Default: yes.
    pub auth: bool,
    /// Further settings for `neo4j.conf`.
    pub settings: Vec<(String, String)>,
    /// Largest heap in MiB. Default: 512.
    pub heap_mib: u32,
    /// Page cache in MiB. Default: 128.
    pub page_cache_mib: u32,
    /// Runs the Java machine as a production server does. Slower to start, faster in the long run:
    /// for measurements. Default: off.
    pub production_jvm: bool,
    /// Brings APOC core along, on the long-term support line: a peer for measurements. Default: off.
    pub apoc: bool,
    /// Its port for Bolt. Default: a free one.
    pub bolt_port: Option<u16>,
    /// A home to run on, which is kept afterwards. Default: a new one, removed afterwards.
    pub home: Option<PathBuf>,
}

impl Default for Neo4jOptions {
    fn default() -> Self {
        Self {
            auth: true,
            settings: Vec::new(),
            heap_mib: 512,
            page_cache_mib: 128,
            production_jvm: false,
            apoc: false,
            bolt_port: None,
            home: None,
        }
    }
}

impl Neo4jOptions {
    /// Lets clients in without logging in.
    #[must_use]
    pub fn without_auth(mut self) -> Self {
        self.auth = false;
        self
    }

    /// Adds a setting for `neo4j.conf`.
    #[must_use]
    pub fn setting(mut self, name: &str, value: impl Into<String>) -> Self {
        self.settings.push((name.to_owned(), value.into()));
        self
    }

    /// Runs on this home, which is kept.
    #[must_use]
    pub fn home(mut self, home: impl Into<PathBuf>) -> Self {
        self.home = Some(home.into());
        self
    }
}

/// A Neo4j server for tests. Dropping it kills it and removes its home, unless that was given.
#[derive(Debug)]
pub struct Neo4j {
    // Before its folder, so that it is gone when that is removed.
    server: Option<Server>,
    line: Line,
    installation: Installation,
    options: ServerOptions,
    bolt_port: u16,
    http_port: u16,
    scratch: TempDir,
}

impl Neo4j {
    /// Starts a server on a new home. Clients log in as [`USERNAME`] with [`PASSWORD`].
    ///
    /// # Errors
    /// When the line cannot be assembled or the server does not start.
    pub async fn start(line: Line) -> anyhow::Result<Self> {
        Self::start_with(line, Neo4jOptions::default()).await
    }

    /// Starts a server with options.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_with(line: Line, options: Neo4jOptions) -> anyhow::Result<Self> {
        let assembled = assembled(line).await?;
        let scratch = folders::scratch("neo4j")?;
        let home = options.home.unwrap_or_else(|| scratch.path().join("home"));
        initialize_home(&home)?;
        let users = home.join("data/dbms/auth.ini");
        if options.auth && !home.join("data/databases").exists() && !users.exists() {
            fs::create_dir_all(home.join("data/dbms"))?;
            fs::copy(assembled.users(), users)?;
        }
        let mut server_options = if options.production_jvm {
            ServerOptions::new(home)
        } else {
            let mut options = quick(&home);
            if assembled.classes().exists() {
                let mut flag = OsString::from("-XX:SharedArchiveFile=");
                flag.push(assembled.classes());
                options.jvm_flags.push(flag);
            }
            options
        };
        if options.apoc {
            apoc::install(line, &assembled.installation, &server_options.home).await?;
            server_options.jvm_flags.extend(apoc::flags());
        }
        server_options.auth = options.auth;
        server_options.bolt_port = options.bolt_port;
        server_options.heap_mib = options.heap_mib;
        server_options.page_cache_mib = options.page_cache_mib;
        server_options.settings = options.settings;
        server_options.scratch = Some(scratch.path().to_owned());
        let installation = assembled.installation.clone();
        let server = Server::start(&installation, server_options.clone()).await?;
        let bolt_port = server.bolt_port();
        let http_port = server.http_port().context("the server serves no HTTP")?;
        // From now on always the same ones, as for a server that is restarted.
        server_options.bolt_port = Some(bolt_port);
        server_options.http_port = Some(http_port);
        Ok(Self {
            server: Some(server),
            line,
            installation,
            options: server_options,
            bolt_port,
            http_port,
            scratch,
        })
    }

    /// The server that all tests of this process share. Whoever uses it leaves it as it was found,
    /// and expects others to be at work at the same time.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn shared(line: Line) -> anyhow::Result<&'static Self> {
        static LTS: OnceCell<Neo4j> = OnceCell::const_new();
        static CURRENT: OnceCell<Neo4j> = OnceCell::const_new();
        let cell = match line {
            Line::Lts => &LTS,
            Line::Current => &CURRENT,
        };
        cell.get_or_try_init(|| Self::start(line)).await
    }

    /// Its release line.
    pub fn line(&self) -> Line {
        self.line
    }

    /// `bolt://127.0.0.1:PORT`; the same after a restart.
    pub fn uri(&self) -> String {
        format!("bolt://127.0.0.1:{}", self.bolt_port)
    }

    /// `http://127.0.0.1:PORT`; the same after a restart.
    pub fn http_uri(&self) -> String {
        format!("http://127.0.0.1:{}", self.http_port)
    }

    /// Its port for Bolt at 127.0.0.1.
    pub fn bolt_port(&self) -> u16 {
        self.bolt_port
    }

    /// The user to log in as.
    pub fn username(&self) -> &'static str {
        USERNAME
    }

    /// The user's password.
    pub fn password(&self) -> &'static str {
        PASSWORD
    }

    /// Its home.
    pub fn home(&self) -> &Path {
        &self.options.home
    }

    /// Its installation, for tools that run beside it.
    pub fn installation(&self) -> &Installation {
        &self.installation
    }

    /// Its process, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.server.as_ref().map(Server::pid)
    }

    /// Runs a statement over HTTP: a witness independent of our own client. The rows, each a list
    /// of values as plain JSON.
    ///
    /// # Errors
    /// When the server does not answer, or refuses the statement.
    pub async fn query(&self, statement: &str) -> anyhow::Result<Vec<Vec<Value>>> {
        self.query_as(USERNAME, PASSWORD, statement).await
    }

    /// Runs a statement over HTTP as a user.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    pub async fn query_as(
        &self,
        username: &str,
        password: &str,
        statement: &str,
    ) -> anyhow::Result<Vec<Vec<Value>>> {
        http::query(self.http_port, Some((username, password)), "neo4j", statement).await
    }

    /// Stops it in order; its home stays. Nothing happens when it does not run.
    ///
    /// # Errors
    /// When it did not stop in order.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        if let Some(server) = self.server.take() {
            let output = server.output();
            if server.stop().await? != Stopped::Cleanly {
                bail!("Neo4j did not stop in order; it had said:\n{output}");
            }
        }
        Ok(())
    }

    /// Kills it as a power cut would; its home stays. Nothing happens when it does not run.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.server.take().map_or(Ok(()), Server::kill)?;
        Ok(())
    }

    /// Runs Neo4j's own consistency check on a database; the server must have stopped.
    ///
    /// # Errors
    /// When the check finds anything or cannot be run.
    pub async fn check_store(&self, database: &str) -> anyhow::Result<()> {
        let report = format!("--report-path={}", self.scratch.path().display());
        let tool = AdminTool::new(&self.installation, self.home());
        tool.run(["database", "check", database, &report]).await?;
        Ok(())
    }

    /// Starts it again on its home and ports, after stopping it if it runs.
    ///
    /// # Errors
    /// When it does not stop or start.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.stop().await?;
        self.server = Some(Server::start(&self.installation, self.options.clone()).await?);
        Ok(())
    }
}

/// Options for a server that is up quickly and spares the machine: the first compiler only (a test
/// does not live to gain from the second) and one thread for garbage.
fn quick(home: &Path) -> ServerOptions {
    let mut options = ServerOptions::new(home);
    options.jvm_flags = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"].map(OsString::from).into();
    // An archive of classes cannot be used together with it, on some Javas.
    options.vector_module = false;
    options
}
