//! The bulk way in: a graph into the home of a stopped server, through Neo4j's own importer.
//!
//! For large graphs it is several times as fast as writing over Bolt. The importer reads CSV, which
//! cannot say everything that a property can hold. So each node and relationship goes one of two
//! ways: what CSV says exactly goes into CSV ([`csv`]); the rest (a NaN, a duration, an empty list,
//! a rare combination of properties) is set afterwards over Bolt, in a private server that listens
//! on the loopback interface only. Nodes keep the ids of the payload, so that nothing is needed to
//! find them again. The same private server builds the schema and proves the result.

mod csv;
mod online;
mod stage;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lifeboat_archive::DatabaseSection;
use lifeboat_bolt::{Auth, Config};
use lifeboat_server::{AdminTool, Installation, Server, ServerOptions};
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};
use crate::logical::{self, Payload, Source};
use crate::progress::{Phase, Progress};
use stage::Stage;

/// Heap of the importer, which takes more outside of it.
const IMPORT_HEAP_MIB: u32 = 1024;
/// Memory of the private server; building indexes is what it does most.
const HEAP_MIB: u32 = 1024;
const PAGE_CACHE_MIB: u32 = 512;
/// Nodes and relationships together up to which Java has little to do. A restore of 955,000 took 0.9
/// of the time so, and 0.66 of the processor time; for more the well compiled code pays.
const LITTLE: u64 = 1_000_000;

/// Where to import, and with what.
#[derive(Debug, Clone)]
pub struct BulkOptions {
    /// The installation whose importer and server are used; its version is what the home becomes.
    pub installation: Installation,
    /// The home of a stopped server.
    pub home: PathBuf,
    /// Name of the database.
    pub database: String,
    /// Threads that read the database back for the proof.
    pub threads: usize,
}

/// Imports a payload as a new database of a stopped server, and proves it: counts and fingerprint
/// equal the manifest's. The database must not exist in the home.
///
/// Staging takes space in the home's `data` folder for about what the payload measures unpacked;
/// it is freed at the end, whatever happens.
///
/// # Errors
/// When the payload cannot be read, the importer or the private server fails (the end of what they
/// print is in the error), or the result differs. The caller removes what was made.
pub async fn import_graph(
    options: &BulkOptions,
    payload: Arc<dyn Payload>,
    section: &DatabaseSection,
    progress: &Arc<Progress>,
    cancel: &CancellationToken,
) -> Result<DatabaseSection> {
    let counts = logical::counts(section)?;
    let little = counts.nodes + counts.relationships <= LITTLE;
    progress.expect(counts.nodes, counts.relationships);
    let schema = logical::payload_schema(payload.as_ref()).await?;
    let staging = staging_folder(&options.home)?;
    let stage = tokio::select! {
        stage = stage::fill(staging.path(), &payload, progress) => stage?,
        () = cancel.cancelled() => return Err(Error::Interrupted),
    };

    if !stage.is_empty() {
        progress.enter(Phase::Importing);
        tokio::select! {
            imported = import(options, &stage, little) => imported?,
            () = cancel.cancelled() => return Err(Error::Interrupted),
        }
    }

    let work = async {
        let server = ServerOptions {
            http: false,
            inherit_conf: true,
            heap_mib: HEAP_MIB,
            page_cache_mib: PAGE_CACHE_MIB,
            ..ServerOptions::new(&options.home)
        };
        let server = server
            .without_auth()
            .setting("initial.dbms.default_database", options.database.clone());
        let server = if little { server.soon_done() } else { server };
        progress.enter(Phase::Recovering);
        let server = Server::start(&options.installation, server).await?;
        let config = config(&server)?;
        online::finish(&config, &options.database, &stage, &schema, progress).await?;
        let source =
            Source { config, database: Some(options.database.clone()), threads: options.threads };
        let found = logical::fingerprint(&source, progress).await?;
        logical::compare(section, &found)?;
        server.stop().await?;
        Ok(found)
    };
    tokio::select! {
        found = work => found,
        () = cancel.cancelled() => Err(Error::Interrupted),
    }
}

fn staging_folder(home: &Path) -> Result<tempfile::TempDir> {
    let data = lifeboat_server::data_folder(home)?;
    std::fs::create_dir_all(&data)
        .and_then(|()| tempfile::Builder::new().prefix("lifeboat-import-").tempdir_in(&data))
        .map_err(|error| Error::Home { home: home.to_owned(), error })
}

async fn import(options: &BulkOptions, stage: &Stage, little: bool) -> Result<()> {
    let tool = AdminTool::new(&options.installation, &options.home).heap_mib(IMPORT_HEAP_MIB);
    let tool = if little { tool.soon_done() } else { tool };
    let mut arguments = vec!["database".to_owned(), "import".to_owned(), "full".to_owned()];
    arguments.extend(stage.arguments());
    arguments.push(options.database.clone());
    // A graph of many shapes has many files: more than a command line may hold.
    let file = stage.folder().join("arguments");
    let quoted: Vec<String> = arguments
        .iter()
        .map(|argument| format!("\"{}\"", argument.replace('\\', "\\\\").replace('"', "\\\"")))
        .collect();
    std::fs::write(&file, quoted.join("\n"))
        .map_err(|error| Error::Home { home: options.home.clone(), error })?;
    tool.run([format!("@{}", file.display())]).await?;
    Ok(())
}

/// How to reach a private server.
fn config(server: &Server) -> Result<Config> {
    let uri = server
        .bolt_uri()
        .parse()
        .map_err(|error: lifeboat_bolt::UriError| Error::Unexpected { what: error.to_string() })?;
    Ok(Config::new(uri, Auth::None))
}
