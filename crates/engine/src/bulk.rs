//! `restore --bulk`: a backup into the home of a stopped server, through Neo4j's importer.
//!
//! The old database stays beside the new one, in the home's data folder, until a person removes it;
//! when anything fails it is put back.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use lifeboat_archive::{DatabaseSection, Manifest};
use lifeboat_neo4j::Phase;
use lifeboat_neo4j::bulk::{BulkOptions, import_graph};
use lifeboat_server::Installation;
use lifeboat_vault::Vault;
use tokio_util::sync::CancellationToken;

use crate::archive::Archive;
use crate::restore::{Proven, prove_archive};
use crate::select::Selector;
use crate::{Error, Progress, Result, threads};

/// What the phases of a bulk restore are called as steps.
const IN_BULK: &[(Phase, &str)] = &[
    (Phase::Nodes, "write tables"),
    (Phase::Relationships, "write tables"),
    (Phase::Importing, "import"),
    (Phase::Recovering, "start server"),
    (Phase::Schema, "constraints and indexes"),
    (Phase::Comparing, "compare"),
];

/// What to restore, and where to.
#[derive(Debug, Clone)]
pub struct BulkRestoreOptions {
    /// The vault.
    pub vault: Vault,
    /// Which backup.
    pub backup: Selector,
    /// The home of the stopped server.
    pub home: PathBuf,
    /// The folder with Neo4j's `lib`; the home itself in a usual installation.
    pub installation: PathBuf,
    /// A Java to use instead of the one that is found.
    pub java: Option<PathBuf>,
    /// The database; the one that was backed up when not given.
    pub database: Option<String>,
    /// Replaces a database that is there; it is kept beside.
    pub replace: bool,
}

/// A bulk restore that was done.
#[derive(Debug, Clone)]
pub struct BulkRestoreReport {
    /// The backup.
    pub manifest: Manifest,
    /// The database after, read back; its fingerprint equals the manifest's.
    pub restored: DatabaseSection,
    /// Where the old database is kept.
    pub safety: Option<PathBuf>,
    /// How long each step took, in order.
    pub steps: Vec<(&'static str, std::time::Duration)>,
}

/// Restores a backup into a stopped server's home, and proves it.
///
/// # Errors
/// When the archive is damaged, a server runs on the home, the database exists and may not be
/// replaced, the import fails or the result differs from the manifest; the home is then as before.
pub async fn restore_bulk(
    options: &BulkRestoreOptions,
    progress: &Arc<Progress>,
    cancel: &CancellationToken,
) -> Result<BulkRestoreReport> {
    let Proven { manifest, wanted, mut steps } =
        prove_archive(&options.vault, &options.backup, progress, cancel).await?;
    let database = options.database.clone().unwrap_or_else(|| wanted.name.clone());
    let server = lifeboat_neo4j::Error::from;
    let installation =
        Installation::find(&options.installation, options.java.as_deref()).map_err(server)?;
    if let Some(running) = lifeboat_server::running(&options.home).map_err(server)? {
        let home = options.home.clone();
        let error = lifeboat_server::Error::AlreadyRunning { home, pid: running.pid };
        return Err(server(error).into());
    }
    let data = lifeboat_server::data_folder(&options.home).map_err(server)?;
    let aside = Aside::take(&data, &database, options.replace)?;

    let bulk =
        BulkOptions { installation, home: options.home.clone(), database, threads: threads() };
    let payload = Arc::new(Archive::open(&options.vault, &manifest).await?);
    match import_graph(&bulk, payload, &wanted, progress, cancel).await {
        Ok(restored) => {
            steps.done_in(progress, IN_BULK);
            Ok(BulkRestoreReport { manifest, restored, safety: aside.kept(), steps: steps.list })
        }
        Err(error) => {
            aside.put_back()?;
            Err(error.into())
        }
    }
}

/// A database's folders, moved out of the way.
struct Aside {
    /// Where they were, and where they are.
    moved: Vec<(PathBuf, PathBuf)>,
    /// Where the new ones will be.
    live: Vec<PathBuf>,
    folder: PathBuf,
}

impl Aside {
    fn take(data: &Path, database: &str, replace: bool) -> Result<Self> {
        let live: Vec<PathBuf> = ["databases", "transactions"]
            .iter()
            .map(|kind| data.join(kind).join(database))
            .collect();
        let there: Vec<&PathBuf> = live.iter().filter(|folder| folder.exists()).collect();
        if let Some(folder) = there.first().filter(|_| !replace) {
            return Err(Error::DatabaseExists { folder: (*folder).clone() });
        }
        let time = Timestamp::now().strftime("%Y%m%d-%H%M%S");
        let folder = data.join(format!("before-restore-{time}"));
        let mut aside = Self { moved: Vec::new(), live: live.clone(), folder };
        for from in there {
            let kind = from.parent().and_then(Path::file_name).unwrap_or_default();
            let to = aside.folder.join(kind).join(database);
            let moved = std::fs::create_dir_all(to.parent().unwrap_or(data))
                .and_then(|()| std::fs::rename(from, &to));
            if let Err(error) = moved {
                aside.return_moved()?;
                return Err(Error::Folder { action: "move aside", folder: from.clone(), error });
            }
            aside.moved.push((from.clone(), to));
        }
        Ok(aside)
    }

    fn kept(self) -> Option<PathBuf> {
        (!self.moved.is_empty()).then_some(self.folder)
    }

    /// Removes what a failed import made, and puts the old database back.
    fn put_back(&self) -> Result<()> {
        for folder in self.live.iter().filter(|folder| folder.exists()) {
            std::fs::remove_dir_all(folder).map_err(|error| Error::Folder {
                action: "remove the failed import in",
                folder: folder.clone(),
                error,
            })?;
        }
        self.return_moved()
    }

    fn return_moved(&self) -> Result<()> {
        for (from, to) in &self.moved {
            std::fs::rename(to, from).map_err(|error| Error::Folder {
                action: "put back what was moved to",
                folder: to.clone(),
                error,
            })?;
        }
        // Empty by now.
        let _ = std::fs::remove_dir(self.folder.join("databases"));
        let _ = std::fs::remove_dir(self.folder.join("transactions"));
        let _ = std::fs::remove_dir(&self.folder);
        Ok(())
    }
}
