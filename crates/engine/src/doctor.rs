//! `doctor`: is everything there that a backup and a restore will need?
//!
//! Each check does the thing itself, small and without trace, rather than asking whether it might
//! work: a node is created and rolled back, an object is written, read and deleted.

mod vault;

use jiff::Timestamp;
use lifeboat_bolt::packstream::Value;
use lifeboat_bolt::{Access, Connection, Params, RunOptions};
use lifeboat_neo4j::Database;

use crate::Target;
use crate::vaults::RegionConfig;

pub use vault::try_immutability;

/// Clocks may differ by this much before it is worth a word; stores refuse requests at minutes.
const SKEW: i64 = 30;

/// Free space below this is worth a word.
const LOW_SPACE: u64 = 1 << 30;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// As it should be.
    Good,
    /// Works, with something to know.
    Warning,
    /// Will not work.
    Failed,
}

/// One check.
#[derive(Debug, Clone)]
pub struct Check {
    /// What was checked.
    pub name: &'static str,
    /// How it came out.
    pub outcome: Outcome,
    /// What was found, and what to do when it is not good.
    pub detail: String,
}

/// All checks that were made, in order.
#[derive(Debug, Clone, Default)]
pub struct Diagnosis {
    /// The checks.
    pub checks: Vec<Check>,
}

impl Diagnosis {
    /// The worst outcome.
    pub fn outcome(&self) -> Outcome {
        self.checks.iter().map(|check| check.outcome).max().unwrap_or(Outcome::Good)
    }

    fn add(&mut self, name: &'static str, outcome: Outcome, detail: impl Into<String>) {
        self.checks.push(Check { name, outcome, detail: detail.into() });
    }

    fn good(&mut self, name: &'static str, detail: impl Into<String>) {
        self.add(name, Outcome::Good, detail);
    }

    fn failed(&mut self, name: &'static str, error: &dyn std::error::Error) {
        self.add(name, Outcome::Failed, error.to_string());
    }
}

/// Checks what is given: the database, the vault, both, and this machine.
pub async fn doctor(target: Option<&Target>, vault: Option<&RegionConfig>) -> Diagnosis {
    let mut diagnosis = Diagnosis::default();
    if let Some(target) = target {
        check_database(target, &mut diagnosis).await;
    }
    if let Some(region) = vault {
        vault::check(region, &mut diagnosis).await;
    }
    check_machine(&mut diagnosis);
    diagnosis
}

async fn check_database(target: &Target, diagnosis: &mut Diagnosis) {
    let mut connection = match Connection::connect(&target.config).await {
        Ok(connection) => connection,
        Err(error) => return diagnosis.failed("connection", &error),
    };
    let server = connection.server();
    let (major, minor) = server.version;
    diagnosis.good(
        "connection",
        format!("{} answers {} with Bolt {major}.{minor}", target.config.uri, server.agent),
    );
    let run =
        |access| RunOptions { database: target.database.clone(), access, ..RunOptions::default() };
    match Database::inspect(&mut connection, &run(Access::Read)).await {
        Ok(database) => {
            let known =
                ["5.", "2025.", "2026."].iter().any(|line| database.version.starts_with(line));
            let (outcome, note) = if known {
                (Outcome::Good, "")
            } else {
                (Outcome::Warning, "; this line of versions has not been tested with this program")
            };
            diagnosis.add(
                "server",
                outcome,
                format!("Neo4j {} {}{note}", database.version, database.edition),
            );
            diagnosis.good(
                "database",
                format!(
                    "{}: {} nodes, {} relationships",
                    database.name, database.nodes, database.relationships
                ),
            );
        }
        Err(error) => diagnosis.failed("database", &error),
    }
    match Database::last_tx(&mut connection, &run(Access::Read)).await {
        Ok(Some(last)) => {
            diagnosis.good("bookmarks", format!("last transaction {}", last.tx_id));
        }
        Ok(None) => diagnosis.add(
            "bookmarks",
            Outcome::Warning,
            "their form is not known: backups cannot tell whether they are exact",
        ),
        Err(error) => diagnosis.failed("bookmarks", &error),
    }
    match try_write(&mut connection, &run(Access::Write)).await {
        Ok(()) => diagnosis.good("right to write", "a node was created and rolled back"),
        Err(error) => diagnosis.add(
            "right to write",
            Outcome::Warning,
            format!("backups work, restores will not: {error}"),
        ),
    }
    match server_time(&mut connection, &run(Access::Read)).await {
        Ok(Some(seconds)) => skew("server clock", seconds, diagnosis),
        Ok(None) => {}
        Err(error) => diagnosis.failed("server clock", &error),
    }
    connection.close().await;
}

async fn try_write(
    connection: &mut Connection,
    run: &RunOptions,
) -> Result<(), lifeboat_bolt::Error> {
    connection.begin(run).await?;
    let created = match connection.run("CREATE (n) RETURN 1", Params::None, run).await {
        Ok(rows) => rows.finish().await.map(|_| ()),
        Err(error) => Err(error),
    };
    let undone = connection.rollback().await;
    created.and(undone)
}

async fn server_time(
    connection: &mut Connection,
    run: &RunOptions,
) -> Result<Option<i64>, lifeboat_bolt::Error> {
    let mut rows =
        connection.run("RETURN datetime.realtime().epochSeconds", Params::None, run).await?;
    let row = rows.next().await?.unwrap_or_default();
    rows.finish().await?;
    Ok(match row.as_slice() {
        [Value::Int(seconds)] => Some(*seconds),
        _ => None,
    })
}

fn skew(name: &'static str, seconds: i64, diagnosis: &mut Diagnosis) {
    let behind = Timestamp::now().as_second() - seconds;
    if behind.abs() <= SKEW {
        diagnosis.good(name, format!("within {SKEW} s of this machine's"));
    } else {
        diagnosis.add(
            name,
            Outcome::Warning,
            format!(
                "{} s {} this machine's: set both by NTP, or times of backups mislead",
                behind.abs(),
                if behind > 0 { "behind" } else { "ahead of" }
            ),
        );
    }
}

fn check_machine(diagnosis: &mut Diagnosis) {
    let folder = std::env::temp_dir();
    match rustix::fs::statvfs(&folder) {
        Ok(stat) => space("temporary space", stat.f_bavail * stat.f_frsize, diagnosis),
        Err(error) => diagnosis.failed("temporary space", &error),
    }
}

fn space(name: &'static str, free: u64, diagnosis: &mut Diagnosis) {
    let text = format!("{} MiB free", free >> 20);
    if free < LOW_SPACE {
        diagnosis.add(name, Outcome::Warning, format!("{text}: that is little"));
    } else {
        diagnosis.good(name, text);
    }
}
