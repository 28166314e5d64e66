//! A Neo4j server put together from Maven Central: no tarball, no installer.
//!
//! Done once for each version under a lock, in a folder whose marker is written last, so that two
//! test processes at once, or one that is killed midway, leave nothing half-made. Two things are
//! made beside the jars that speed up every start to come: an archive of the classes that a start
//! and some queries load, and the file with the test password's hash.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use lifeboat_server::{AdminTool, Error, Installation, Server};

use super::{Line, PASSWORD, http, jdk, maven};
use crate::{folders, lock::lock};

/// Goes up when an assembled folder must be made anew.
const RECIPE: u32 = 2;

/// What a Community server and its administration tool consist of; the rest are dependencies.
const ARTIFACTS: [&str; 5] = [
    "org.neo4j.app:neo4j-server",
    "org.neo4j:neo4j",
    "org.neo4j:neo4j-consistency-check",
    "org.neo4j:neo4j-import-tool",
    "org.neo4j:neo4j-dbms",
];

/// What to run while classes are recorded: the ways of Cypher that tests go most.
const WARM_UP: [&str; 8] = [
    "CREATE INDEX warm IF NOT EXISTS FOR (n:Warm) ON (n.a)",
    "CREATE CONSTRAINT warmer IF NOT EXISTS FOR (n:Warm) REQUIRE n.b IS UNIQUE",
    "UNWIND range(1, 50) AS i CREATE (n:Warm {a: i, b: i}) CREATE (n)-[:WARM {c: i}]->(n)",
    "MATCH (n)-[r]->(m) RETURN n, r, m",
    "MATCH (n:Warm {a: 7}) RETURN count(n), labels(n), properties(n), elementId(n)",
    "SHOW INDEXES YIELD *",
    "SHOW CONSTRAINTS YIELD *",
    "MATCH (n) DETACH DELETE n",
];

/// A server that is ready to be started quickly.
#[derive(Clone, Debug)]
pub(super) struct Assembled {
    pub(super) installation: Installation,
    folder: PathBuf,
}

impl Assembled {
    /// The archive of preloaded classes.
    pub(super) fn classes(&self) -> PathBuf {
        self.folder.join("classes.jsa")
    }

    /// The file of users that a home begins with: `neo4j` with the test password.
    pub(super) fn users(&self) -> PathBuf {
        self.folder.join("auth.ini")
    }
}

/// Assembles a line unless that was done before.
pub(super) async fn assemble(line: Line) -> anyhow::Result<Assembled> {
    let cache = folders::cache()?;
    let folder = cache.join(format!("neo4j-{}", line.version()));
    let _lock = lock(&folder.with_added_extension("lock")).await?;
    let marker = folder.join("complete");
    if fs::read_to_string(&marker).is_ok_and(|text| text == RECIPE.to_string())
        && let Ok(installation) = find(line, &folder).await
        && fs::read_to_string(folder.join("java")).ok().as_deref() == Some(&identity(&installation))
    {
        return Ok(Assembled { installation, folder });
    }
    eprintln!("assembling Neo4j {} from Maven Central …", line.version());
    if folder.exists() {
        fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    maven::copy_jars(&ARTIFACTS, line.version(), &folder).await?;
    let installation = find(line, &folder).await?;
    fs::write(folder.join("java"), identity(&installation))?;
    let assembled = Assembled { installation, folder };
    record_users(&assembled).await.context("cannot prepare the test password")?;
    record_classes(&assembled).await.context("cannot record the classes of a start")?;
    fs::write(&marker, RECIPE.to_string())?;
    Ok(assembled)
}

/// The installation with a Java for it: one of the machine, or one of our own.
async fn find(line: Line, folder: &Path) -> anyhow::Result<Installation> {
    match Installation::find(folder, None) {
        Err(Error::NoJava { .. }) if line == Line::Current => {
            Ok(Installation::find(folder, Some(&jdk::ours().await?))?)
        }
        other => Ok(other.context(
            "is a Java missing? `cargo xtask setup` installs what it may and names the rest",
        )?),
    }
}

/// What the recorded classes depend on: the jars by their path, and the Java.
fn identity(installation: &Installation) -> String {
    let java = installation.java();
    format!("{} {} {}", installation.folder().display(), java.version(), java.home().display())
}

/// Lets the tool itself make the file with the password's hash, once for all homes.
async fn record_users(assembled: &Assembled) -> anyhow::Result<()> {
    let home = folders::scratch("users")?;
    lifeboat_server::initialize_home(home.path())?;
    let tool = AdminTool::new(&assembled.installation, home.path());
    tool.set_initial_password(PASSWORD).await?;
    fs::copy(home.path().join("data/dbms/auth.ini"), assembled.users())?;
    Ok(())
}

/// Starts a server that writes the classes it has loaded to an archive when it stops.
async fn record_classes(assembled: &Assembled) -> anyhow::Result<()> {
    let home = folders::scratch("classes")?;
    let mut flag = std::ffi::OsString::from("-XX:ArchiveClassesAtExit=");
    flag.push(assembled.classes());
    let mut options = super::quick(home.path()).without_auth();
    options.jvm_flags.push(flag);
    options.start_timeout = Duration::from_mins(5);
    let server = Server::start(&assembled.installation, options).await?;
    let port = server.http_port().context("it serves no HTTP")?;
    for statement in WARM_UP {
        http::query(port, None, "neo4j", statement).await?;
    }
    server.stop().await?;
    if !assembled.classes().exists() {
        eprintln!("this Java writes no archive of classes: servers will start more slowly");
    }
    Ok(())
}
