//! Physical backup of a running server against `neo4j-admin database dump`, for which the server
//! has to be stopped; and the way back to the first answer, against `database load`.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use lifeboat_testkit::{AdminTool, Line, Neo4j, Neo4jOptions, folders};

use super::section::{Section, mebibytes};
use super::turns::{HEAD, Turn, Turns};
use super::{Bench, archive_size, child};

const BACKUP: &str = "`lifeboat backup --method physical`, server running";
const DUMP: &str = "`neo4j-admin database dump`, server stopped";
const RESTORE: &str = "`lifeboat restore --into-home`, start, first answer";
const LOAD: &str = "`neo4j-admin database load`, start, first answer";

/// How long a server that was just started serves before it is backed up.
const SERVING: Duration = Duration::from_secs(15);

pub(super) async fn run(bench: &Bench) -> anyhow::Result<Section> {
    let scratch = folders::scratch("bench")?;
    let (home, vault) = (scratch.path().join("home"), scratch.path().join("vault"));
    let dumps = scratch.path().join("dumps");
    fs::create_dir(&dumps)?;
    let mut server =
        bench.loaded(Line::Lts, Bench::server_options().home(&home), bench.scale()).await?;
    // With a checkpoint behind it.
    server.restart().await?;
    let installation = server.installation().clone();
    let home = text(&home)?;

    let mut turns = Turns::default();
    let mut peak = 0;
    for _ in 0..bench.rounds() {
        let arguments = ["backup", "--method", "physical", "--neo4j-home", home];
        serve(&server).await?;
        let turn = Turn::begin(Some(&server));
        let ran = child::run(&mut bench.lifeboat(Some(&server), &vault, &arguments)).await?;
        turn.end(&mut turns, BACKUP);
        peak = peak.max(ran.usage.peak);

        server.stop().await?;
        let tool = AdminTool::new(&installation, home);
        let to = format!("--to-path={}", dumps.display());
        let dump = ["database", "dump", "neo4j", &to, "--overwrite-destination=true"];
        let turn = Turn::begin(None);
        tool.run(dump).await?;
        turn.end(&mut turns, DUMP);
        server.restart().await?;
    }
    drop(server);
    let (archive, dump) = (archive_size(&vault)?, fs::metadata(dumps.join("neo4j.dump"))?.len());

    for _ in 0..bench.rounds() {
        let home = tempfile::tempdir_in(scratch.path())?;
        let arguments = ["restore", "latest", "--into-home", text(home.path())?, "--no-check"];
        let turn = Turn::begin(None);
        let ran = child::run(&mut bench.lifeboat(None, &vault, &arguments)).await?;
        answer(home.path()).await?;
        turn.end(&mut turns, RESTORE);
        peak = peak.max(ran.usage.peak);

        let home = tempfile::tempdir_in(scratch.path())?;
        let from = format!("--from-path={}", dumps.display());
        let turn = Turn::begin(None);
        let tool = AdminTool::new(&installation, home.path());
        tool.run(["database", "load", "neo4j", &from]).await?;
        answer(home.path()).await?;
        turn.end(&mut turns, LOAD);
    }

    let mut section = Section::default();
    section.say(format!(
        "Neo4j {}. A physical backup holds every database, users and roles included, and is stored \
         in a vault; a dump is one database in a folder. The server has answered queries for {} s \
         before its backup. A restore verifies every byte first.",
        Line::Lts.version(),
        SERVING.as_secs()
    ));
    section.table(&HEAD, &turns.table(DUMP));
    section.say(format!(
        "Sizes: backup {}, dump {}. Our process had at most {} of memory.",
        mebibytes(archive),
        mebibytes(dump),
        mebibytes(peak)
    ));
    section.at_most("time online, to a dump", turns.ratio(BACKUP, DUMP), 0.5, "");
    section.at_most("time to the first answer, to load", turns.ratio(RESTORE, LOAD), 0.8, "");
    section.at_most("peak memory", peak as f64 / f64::from(1 << 20), 256.0, "MiB");
    Ok(section)
}

/// Has the server answer questions, as one that has run for a while.
async fn serve(server: &Neo4j) -> anyhow::Result<()> {
    let began = Instant::now();
    while began.elapsed() < SERVING {
        server.query("MATCH (n) WITH n LIMIT 10000 MATCH (n)-[r]->(m) RETURN n, r, m").await?;
    }
    Ok(())
}

/// Starts a server on a home and waits for the answer to a question about its data.
async fn answer(home: &Path) -> anyhow::Result<()> {
    let options = Neo4jOptions { auth: false, ..Bench::server_options() };
    let server = Neo4j::start_with(Line::Lts, options.home(home)).await?;
    let rows = server.query("MATCH (n) RETURN count(n)").await?;
    let nodes = rows.first().and_then(|row| row.first()?.as_u64());
    nodes.filter(|nodes| *nodes > 0).context("the restored database is empty")?;
    Ok(())
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("a path that is not UTF-8")
}
