//! Logical backup: how near to what the Bolt client can read at all, and how far from APOC.

use std::fs;
use std::path::Path;

use anyhow::Context;
use lifeboat_testkit::{Line, Neo4j, Neo4jOptions, folders};
use tokio::process::Command;

use super::section::{Section, mebibytes};
use super::turns::{HEAD, Turn, Turns};
use super::{Bench, EXPORT_GRAPHML, archive_size, child};

const DRAIN: &str = "Bolt client alone";
const BACKUP: &str = "`lifeboat backup`";
const JSON: &str = "apoc json + tar.gz";
const GRAPHML: &str = "apoc graphml + tar.gz";

pub(super) async fn run(bench: &Bench) -> anyhow::Result<Section> {
    let options = Neo4jOptions { apoc: true, ..Bench::server_options() };
    let server = bench.loaded(Line::Lts, options, bench.scale()).await?;
    let scratch = folders::scratch("bench")?;
    let password = scratch.path().join("password");
    fs::write(&password, server.password())?;
    let vault = scratch.path().join("vault");
    let exported = scratch.path().join("export.tar.gz");

    let mut turns = Turns::default();
    let mut used = child::Usage::default();
    let (mut json, mut graphml) = (0, 0);
    // The first reading warms the server up for all.
    let read = read_bytes(&drain(bench, &server, &password).await?.stdout);
    for _ in 0..bench.rounds() {
        let turn = Turn::begin(Some(&server));
        drain(bench, &server, &password).await?;
        turn.end(&mut turns, DRAIN);

        let turn = Turn::begin(Some(&server));
        let ran = child::run(&mut bench.lifeboat(Some(&server), &vault, &["backup"])).await?;
        turn.end(&mut turns, BACKUP);
        used = ran.usage;

        let turn = Turn::begin(Some(&server));
        let call = "CALL apoc.export.json.all('graph.json', {useTypes: true})";
        pack(&server, call, "graph.json", &exported).await?;
        turn.end(&mut turns, JSON);
        json = fs::metadata(&exported)?.len();

        let turn = Turn::begin(Some(&server));
        pack(&server, EXPORT_GRAPHML, "graph.graphml", &exported).await?;
        turn.end(&mut turns, GRAPHML);
        graphml = fs::metadata(&exported)?.len();
    }
    let archive = archive_size(&vault)?;

    let mut section = Section::default();
    section.say(format!(
        "Neo4j {}. Both read all nodes and all relationships of a running server; a backup also \
         writes lines, hashes and compresses them, stores them in a folder, and reads the schema, \
         which APOC's exports leave out.",
        Line::Lts.version()
    ));
    section.table(&HEAD, &turns.table(BACKUP));
    section.say(format!(
        "Sizes: {} by Bolt; backup {}, json {}, graphml {}. The last backup used {:.2} s of processor \
         time and {} of memory.",
        mebibytes(read),
        mebibytes(archive),
        mebibytes(json),
        mebibytes(graphml),
        used.processor.as_secs_f64(),
        mebibytes(used.peak)
    ));
    section.at_most("time, to apoc json + tar.gz", turns.ratio(BACKUP, JSON), 0.2, "");
    section.at_least("rate, to the Bolt client alone", turns.ratio(DRAIN, BACKUP), 0.6, "");
    Ok(section)
}

/// Reads everything and does nothing with it.
async fn drain(bench: &Bench, server: &Neo4j, password: &Path) -> anyhow::Result<child::Ran> {
    let mut drain = Command::new(bench.programs.join("examples/drain"));
    drain.arg(server.uri()).arg(server.username()).arg(password);
    drain.args(["-1", "MATCH (n) RETURN n", "MATCH ()-[r]->() RETURN r"]);
    child::run(&mut drain).await
}

/// How many bytes the results had, by what the drain printed: `N records, N bytes, …`.
fn read_bytes(printed: &str) -> u64 {
    let bytes = printed.split(", ").filter_map(|part| part.strip_suffix(" bytes"));
    bytes.filter_map(|number| number.parse::<u64>().ok()).sum()
}

/// Lets APOC export into a file of the server's import folder, and packs that.
async fn pack(server: &Neo4j, call: &str, file: &str, into: &Path) -> anyhow::Result<()> {
    server.query(call).await?;
    let folder = server.home().join("import");
    let mut tar = Command::new("tar");
    tar.arg("-czf").arg(into).arg("-C").arg(&folder).arg(file);
    child::run(&mut tar).await?;
    fs::remove_file(folder.join(file)).with_context(|| format!("APOC wrote no {file}"))
}
