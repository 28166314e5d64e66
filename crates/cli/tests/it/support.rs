//! Servers, folders and the program.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use lifeboat::bolt::{Auth, Config, Connection, RunOptions};
use lifeboat_testkit::azurite::{ACCOUNT, Azurite};
use lifeboat_testkit::load::{load, wipe};
use lifeboat_testkit::oracle::Snapshot;
use lifeboat_testkit::{Line, Neo4j, zoo};
use serde_json::Value;
use tokio::process::Command;
use tokio::sync::{Mutex, MutexGuard, OnceCell};

/// The program under test.
pub(crate) const LIFEBOAT: &str = env!("CARGO_BIN_EXE_lifeboat");

/// Nobody listens here.
pub(crate) const NOBODY: &str = "127.0.0.1:1";

/// One for the shared database of each line.
static LTS: Mutex<()> = Mutex::const_new(());
static CURRENT: Mutex<()> = Mutex::const_new(());

/// The shared database of a line, for one test at a time.
pub(crate) struct Database {
    pub(crate) server: &'static Neo4j,
    _lock: MutexGuard<'static, ()>,
}

/// Waits for the database; it is empty then.
pub(crate) async fn database() -> Database {
    database_of(Line::Lts).await
}

/// Waits for the database of a line; it is empty then.
pub(crate) async fn database_of(line: Line) -> Database {
    let lock = match line {
        Line::Lts => &LTS,
        Line::Current => &CURRENT,
    };
    let lock = lock.lock().await;
    let server = Neo4j::shared(line).await.unwrap();
    let database = Database { server, _lock: lock };
    database.wipe().await;
    database
}

/// Logs in.
pub(crate) async fn connect(server: &Neo4j) -> Connection {
    let auth = Auth::basic(server.username(), server.password());
    Connection::connect(&Config::new(server.uri().parse().unwrap(), auth)).await.unwrap()
}

impl Database {
    async fn connect(&self) -> Connection {
        connect(self.server).await
    }

    pub(crate) async fn wipe(&self) {
        wipe(&mut self.connect().await, &RunOptions::default()).await.unwrap();
    }

    /// Loads the graph of everything odd.
    pub(crate) async fn load_zoo(&self) {
        load(&mut self.connect().await, &RunOptions::default(), &zoo::common()).await.unwrap();
    }

    pub(crate) async fn snapshot(&self) -> Snapshot {
        Snapshot::read(&mut self.connect().await, &RunOptions::default()).await.unwrap()
    }

    pub(crate) async fn create(&self, label: &str, number: u64) {
        let statement = format!(
            "UNWIND range(1, {number}) AS i \
             CREATE (:{label} {{number: i, text: 'some text to make it longer, {label} ' + i}})"
        );
        self.server.query(&statement).await.unwrap();
    }

    pub(crate) async fn count(&self, label: &str) -> u64 {
        let rows = self.server.query(&format!("MATCH (n:{label}) RETURN count(n)")).await.unwrap();
        rows[0][0].as_u64().unwrap()
    }

    /// The program, told how to reach the database and a folder as vault.
    pub(crate) fn lifeboat<S: AsRef<OsStr>>(
        &self,
        vault: &Path,
        args: impl IntoIterator<Item = S>,
    ) -> Command {
        let mut command = lifeboat(args);
        command.env("LIFEBOAT_URI", self.server.uri()).env("LIFEBOAT_VAULT", vault);
        command.env("LIFEBOAT_USERNAME", self.server.username());
        command.env("LIFEBOAT_PASSWORD", self.server.password());
        command
    }
}

/// What is in a server's database.
pub(crate) async fn snapshot_of(server: &Neo4j) -> Snapshot {
    let auth = Auth::basic(server.username(), server.password());
    let config = Config::new(server.uri().parse().unwrap(), auth);
    let mut connection = Connection::connect(&config).await.unwrap();
    Snapshot::read(&mut connection, &RunOptions::default()).await.unwrap()
}

/// Takes away what this test process's own environment would tell a program.
pub(crate) fn bare(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if ["LIFEBOAT_", "AZURE_", "AWS_", "NEO4J_"].iter().any(|start| text.starts_with(start)) {
            command.env_remove(&name);
        }
    }
    command.env("NO_COLOR", "1").env("LANG", "C.UTF-8").env_remove("LC_ALL");
    // Nothing is kept in the folders of whoever runs the tests.
    command.env("XDG_CACHE_HOME", concat!(env!("CARGO_TARGET_TMPDIR"), "/cache"));
    command.current_dir(std::env::temp_dir());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.kill_on_drop(true);
    command
}

/// The program, told nothing.
pub(crate) fn lifeboat<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = bare(LIFEBOAT);
    command.args(args);
    command
}

/// How a program ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    /// Runs a program to its end.
    pub(crate) async fn of(mut command: Command) -> Self {
        command.output().await.unwrap().into()
    }

    /// It must have ended with this code.
    #[track_caller]
    pub(crate) fn code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// It must have said this on standard error.
    #[track_caller]
    pub(crate) fn says(self, words: &str) -> Self {
        assert!(self.stderr.contains(words), "no {words:?} in {self:#?}");
        self
    }

    /// The one document on standard output.
    #[track_caller]
    pub(crate) fn document(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// The last line of JSON.
    #[track_caller]
    pub(crate) fn summary(&self) -> Value {
        let lines: Vec<Value> = self
            .stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {self:#?}")))
            .collect();
        let summary = lines.last().unwrap_or_else(|| panic!("no line: {self:#?}")).clone();
        assert_eq!(summary["message_type"], "summary", "{self:#?}");
        summary
    }
}

/// The names that are listed in a folder.
pub(crate) async fn listed(vault: &Path) -> Vec<String> {
    let vault = vault.to_str().unwrap();
    let list = Ran::of(lifeboat(["list", "--json", "--vault", vault])).await.code(0).document();
    let names = list["backups"].as_array().unwrap().iter();
    names.map(|backup| backup["name"].as_str().unwrap().to_owned()).collect()
}

/// The shared Azurite.
pub(crate) async fn azurite() -> &'static Azurite {
    static AZURITE: OnceCell<Azurite> = OnceCell::const_new();
    AZURITE.get_or_try_init(|| Azurite::start(&[ACCOUNT])).await.unwrap()
}

/// A documented script, told by the environment what no argument of it tells.
pub(crate) async fn script(name: &str, args: &[&str]) -> Command {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/scripts");
    let mut command = bare(folder.join(name));
    command.args(args).env("LIFEBOAT_BIN", LIFEBOAT);
    let (account, key) = ACCOUNT;
    command.env("AZURE_STORAGE_KEY", key);
    command.env("AZURE_STORAGE_ENDPOINT", azurite().await.endpoint(account));
    command
}

/// The files of a backup in a folder: archive and manifest.
pub(crate) fn files(vault: &Path, name: &str) -> (PathBuf, PathBuf) {
    (vault.join(format!("{name}.tar.zst")), vault.join(format!("{name}.manifest.json")))
}

/// Stands for what differs from run to run.
pub(crate) fn settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    for (pattern, replacement) in [
        (r"neo4j-backup-\d{8}-\d{6}", "neo4j-backup-[TIME]"),
        (r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?( UTC|Z)", "[TIME]"),
        (r"(bolt://)?127\.0\.0\.1:\d+", "[SERVER]"),
        (r"Neo4j([ /])(5\.26\.18|2026\.09\.0)", "Neo4j$1[VERSION]"),
        (r"Bolt [56]\.\d", "Bolt [VERSION]"),
        (r"/\S*/\.?tmp\w+|/tmp/\.tmp\w+", "[FOLDER]"),
        // How many entries there are depends on which thread wrote how much.
        (r"entries +\d+", "entries        [COUNT]"),
        (r"\b[0-9a-f]{64}\b", "[BLAKE3]"),
        (r"\b[0-9a-f]{32}\b", "[FINGERPRINT]"),
        (r"\b[0-9a-f]{8}-[0-9a-f-]{27}\b", "[ID]"),
        (r"transaction \d+", "transaction [TX]"),
        (r"[\d.]+ (B|KiB|MiB|GiB)\b", "[SIZE]"),
        (r"\(\d+ bytes\)", "([BYTES] bytes)"),
        (r"\d+ MiB free", "[SIZE] free"),
        (r"[\d.]+ (s|min \d+ s)\b", "[DURATION]"),
        (
            r"\([\d,]+ nodes and relationships a second\)",
            "([RATE] nodes and relationships a second)",
        ),
        (r"\[SIZE\]/s", "[RATE]"),
        (r" +\[DURATION\]  +\[SIZE\]", "  [AGE]  [SIZE]"),
        (r"\b[\d,]+ constraints, [\d,]+ indexes", "[SCHEMA]"),
        (r"\b[1-9][\d,]* nodes, [1-9][\d,]* relationships", "[GRAPH]"),
        (r"(nodes|relationships)  +[\d,]+", "$1  [COUNT]"),
        (r"  +[\d,]+  +[\d,]+  logical", "  [COUNT]  [COUNT]  logical"),
        (r"(?m)^(NAME) +(AGE) +(SIZE)", "$1  $2  $3"),
    ] {
        settings.add_filter(pattern, replacement);
    }
    settings
}
