//! A server process of our own: start, wait until it answers, stop.

use std::{
    fs::{self, File},
    io,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{
    Error, Installation, ServerOptions, Version,
    admin::tail,
    conf, free_port, home, initialize_home,
    launch::{self, Jvm},
    probe,
    process::Process,
};

/// How often a starting server is looked at.
const POLL: Duration = Duration::from_millis(25);
/// How often a start is tried with other ports when a free one was taken meanwhile.
const TRIES: usize = 4;
/// How much of a log an error carries.
const MAX_OUTPUT: usize = 8 * 1024;

/// How a server came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// It stopped in order: a checkpoint was written, the stores are closed.
    Cleanly,
    /// It did not stop in time, or had crashed: the next start has to recover.
    Uncleanly,
}

/// A running server of our own. Dropping it kills it; so does the end of this process, however it
/// comes.
#[derive(Debug)]
pub struct Server {
    process: Process,
    scratch: TempDir,
    options: ServerOptions,
    version: Version,
    bolt_port: u16,
    http_port: u16,
}

impl Server {
    /// Starts a server and waits until it answers. Dropping the future kills it.
    ///
    /// Missing folders of the home are made; its `conf` folder is not touched.
    ///
    /// # Errors
    /// When a server runs on the home already, when the process ends or does not answer in time
    /// (the end of its log is in the error), or when the installation cannot be run.
    pub async fn start(installation: &Installation, options: ServerOptions) -> Result<Self, Error> {
        if let Some(running) = home::running(&options.home)? {
            return Err(Error::AlreadyRunning { home: options.home, pid: running.pid });
        }
        initialize_home(&options.home)?;
        let may_retry = options.bolt_port.is_none() && options.http_port.is_none();
        let mut tries = 1;
        loop {
            match Self::try_start(installation, &options).await {
                Err(error) if may_retry && tries < TRIES && error.is_port_clash() => {
                    tracing::debug!(tries, "a free port was taken meanwhile, trying others");
                    tries += 1;
                }
                result => return result,
            }
        }
    }

    async fn try_start(
        installation: &Installation,
        options: &ServerOptions,
    ) -> Result<Self, Error> {
        let bolt_port = options.bolt_port.map_or_else(free_port, Ok)?;
        let http_port = options.http_port.map_or_else(free_port, Ok)?;
        let scratch = scratch(options)?;
        let mut command = command(installation, options, scratch.path(), [bolt_port, http_port])?;
        tracing::debug!(home = %options.home.display(), bolt_port, "starting Neo4j");
        let process = Process::spawn(&mut command)
            .map_err(Error::io("run", installation.java().program()))?;
        let mut server = Self {
            process,
            scratch,
            options: options.clone(),
            version: installation.version().clone(),
            bolt_port,
            http_port,
        };
        server.wait_until_it_answers().await?;
        Ok(server)
    }

    /// The port it speaks Bolt on, at 127.0.0.1.
    pub fn bolt_port(&self) -> u16 {
        self.bolt_port
    }

    /// `bolt://127.0.0.1:PORT`.
    pub fn bolt_uri(&self) -> String {
        format!("bolt://127.0.0.1:{}", self.bolt_port)
    }

    /// The port it speaks HTTP on, at 127.0.0.1, if it does.
    pub fn http_port(&self) -> Option<u16> {
        self.options.http.then_some(self.http_port)
    }

    /// `http://127.0.0.1:PORT`, if it serves HTTP.
    pub fn http_uri(&self) -> Option<String> {
        self.http_port().map(|port| format!("http://127.0.0.1:{port}"))
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Its home.
    pub fn home(&self) -> &Path {
        &self.options.home
    }

    /// Its version.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// Whether its process still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.process.ended(), Ok(None))
    }

    /// The end of what it printed, which includes its user log.
    pub fn output(&self) -> String {
        let text = fs::read(self.scratch.path().join("output.log")).unwrap_or_default();
        tail(String::from_utf8_lossy(&text).trim_end(), MAX_OUTPUT).to_owned()
    }

    /// Asks it to stop and waits; after [`ServerOptions::stop_timeout`] it is killed.
    ///
    /// # Errors
    /// When the process cannot be signalled or waited for.
    pub async fn stop(mut self) -> Result<Stopped, Error> {
        let failed = Error::io("stop the server of", self.options.home.clone());
        self.terminate().await.map_err(failed)
    }

    async fn terminate(&mut self) -> io::Result<Stopped> {
        self.process.terminate()?;
        let ended = self.process.wait(self.options.stop_timeout).await?;
        if ended.is_some_and(|status| status.success()) {
            return Ok(Stopped::Cleanly);
        }
        self.process.kill()?;
        Ok(Stopped::Uncleanly)
    }

    /// Kills it at once, as a power cut would.
    ///
    /// # Errors
    /// When the process cannot be killed.
    pub fn kill(mut self) -> Result<(), Error> {
        let home = self.options.home.clone();
        self.process.kill().map_err(Error::io("kill the server of", home))
    }

    /// It has started when it says so *and* answers: its word alone comes from a log, and an answer
    /// alone could come from another server that took the port.
    async fn wait_until_it_answers(&mut self) -> Result<(), Error> {
        let begin = Instant::now();
        loop {
            let waiting = Error::io("wait for the server of", &self.options.home);
            if let Some(status) = self.process.ended().map_err(waiting)? {
                return Err(Error::StartFailed {
                    home: self.options.home.clone(),
                    status: status.to_string(),
                    output: self.output(),
                });
            }
            if self.says_it_started() && self.answers().await {
                return Ok(());
            }
            if begin.elapsed() >= self.options.start_timeout {
                return Err(Error::StartTimeout {
                    home: self.options.home.clone(),
                    after: self.options.start_timeout,
                    output: self.output(),
                });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn says_it_started(&self) -> bool {
        self.output().lines().any(|line| line.ends_with(" Started."))
    }

    async fn answers(&self) -> bool {
        let bolt = probe::bolt(self.bolt_port, self.options.requires_tls()).await;
        if bolt.is_err() || !self.options.http {
            return bolt.is_ok();
        }
        probe::http(self.http_port).await.is_ok()
    }
}

fn scratch(options: &ServerOptions) -> Result<TempDir, Error> {
    let parent = options.scratch.clone().unwrap_or_else(std::env::temp_dir);
    tempfile::Builder::new()
        .prefix("lifeboat-server-")
        .tempdir_in(&parent)
        .map_err(Error::io("create a folder in", parent))
}

/// Writes the private configuration and makes the command line.
fn command(
    installation: &Installation,
    options: &ServerOptions,
    scratch: &Path,
    [bolt_port, http_port]: [u16; 2],
) -> Result<Command, Error> {
    let base = options.home.join("conf/neo4j.conf");
    let base = match options.inherit_conf.then(|| fs::read_to_string(&base)) {
        None => String::new(),
        Some(Ok(text)) => text,
        Some(Err(e)) if e.kind() == io::ErrorKind::NotFound => String::new(),
        Some(Err(e)) => return Err(Error::io("read", base)(e)),
    };
    let conf = scratch.join("conf");
    fs::create_dir(&conf).map_err(Error::io("create the folder", &conf))?;
    let file = conf.join("neo4j.conf");
    let text = conf::merge(&base, &options.settings(bolt_port, http_port))?;
    fs::write(&file, text).map_err(Error::io("write", file))?;

    let plugins = options.home.join("plugins");
    let jvm = Jvm {
        heap_mib: options.heap_mib,
        vector_module: options.vector_module,
        flags: &options.jvm_flags,
        plugins: Some(&plugins),
    };
    let mut command = launch::java(installation, scratch, &installation.entry_point()?, &jvm)?;
    let output = scratch.join("output.log");
    let failed = || Error::io("write", &output);
    let out = File::create(&output).map_err(failed())?;
    let err = out.try_clone().map_err(failed())?;
    let option = |name: &str, path: &Path| {
        let mut text = std::ffi::OsString::from(name);
        text.push(path);
        text
    };
    let home = std::path::absolute(&options.home).map_err(Error::io("find", &options.home))?;
    let conf = std::path::absolute(&conf).map_err(Error::io("find", &conf))?;
    command
        .arg(option("--home-dir=", &home))
        .arg(option("--config-dir=", &conf))
        // Else its user log goes to a file only, wherever the configuration puts that.
        .arg("--console-mode")
        .stdout(Stdio::from(out))
        .stderr(Stdio::from(err));
    Ok(command)
}
