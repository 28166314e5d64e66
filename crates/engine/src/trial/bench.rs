//! What a trial works with: a Neo4j installation, and a home in a folder that goes with it.

use std::path::PathBuf;

use lifeboat_archive::Check;
use lifeboat_bolt::{Auth, Config};
use lifeboat_server::{AdminTool, Installation, Server, ServerOptions, initialize_home};

use super::{Shown, check, holds};
use crate::config::VerifySection;
use crate::restore::Steps;
use crate::{Error, Result, Target};

/// Memory of the private server; building indexes is what it does most.
const HEAP_MIB: u32 = 1024;
const PAGE_CACHE_MIB: u32 = 512;

/// An installation, and an empty home.
pub(super) struct Bench<'a> {
    pub(super) settings: &'a VerifySection,
    pub(super) installation: Installation,
    pub(super) home: PathBuf,
    folder: tempfile::TempDir,
}

impl<'a> Bench<'a> {
    pub(super) fn new(settings: &'a VerifySection) -> Result<Self> {
        let neo4j = settings.neo4j.as_ref().ok_or(Error::NoInstallation)?;
        let installation =
            Installation::find(neo4j, settings.java.as_deref()).map_err(server_failed)?;
        let folder = scratch(settings)?;
        let home = folder.path().join("home");
        initialize_home(&home).map_err(server_failed)?;
        Ok(Self { settings, installation, home, folder })
    }

    /// The administration tool on the home.
    pub(super) fn admin(&self) -> AdminTool {
        AdminTool::new(&self.installation, &self.home)
    }

    /// How to start the private server on the home.
    pub(super) fn options(&self, database: &str) -> ServerOptions {
        let options = ServerOptions {
            http: false,
            heap_mib: HEAP_MIB,
            page_cache_mib: PAGE_CACHE_MIB,
            scratch: Some(self.folder.path().to_owned()),
            ..ServerOptions::new(&self.home)
        };
        options.setting("initial.dbms.default_database", database)
    }

    /// Starts the private server.
    pub(super) async fn start(&self, options: ServerOptions) -> Result<Server> {
        Server::start(&self.installation, options).await.map_err(server_failed)
    }

    /// Starts a server on the home into which something was restored, which can be used from then
    /// on, and examines it; adds that to what the restore has `shown`.
    pub(super) async fn serve(
        &self,
        database: &str,
        databases: &[String],
        mut shown: Shown,
    ) -> Result<Shown> {
        let mut steps = Steps::default();
        // Users that came with it have passwords, which are nobody's business.
        let server = self.start(self.options(database).without_auth()).await?;
        steps.done("start server");
        shown.usable_after = shown.steps.len() + steps.list.len();
        let target = target(&server, Auth::None, database)?;
        shown.checks.extend(self.examine(server, &target, databases, &mut steps).await?);
        shown.steps.extend(steps.list);
        Ok(shown)
    }

    /// What comes when the restored data can be used already: the invariants of the settings, and
    /// Neo4j's own check of the databases, for which the server is stopped.
    pub(super) async fn examine(
        &self,
        server: Server,
        target: &Target,
        databases: &[String],
        steps: &mut Steps,
    ) -> Result<Vec<Check>> {
        let mut checks = Vec::new();
        for invariant in &self.settings.invariants {
            let found = holds(target, invariant).await?;
            checks.push(check(&format!("invariant: {}", invariant.name), &found));
        }
        if !checks.is_empty() {
            steps.done("invariants");
        }
        server.stop().await.map_err(server_failed)?;
        steps.done("stop server");
        let reports = format!("--report-path={}", self.folder.path().display());
        for database in databases {
            let arguments = ["database", "check", reports.as_str(), database.as_str()];
            self.admin().run(arguments).await.map_err(server_failed)?;
        }
        checks.push(check("neo4j-admin database check", "consistent"));
        steps.done("consistency check");
        Ok(checks)
    }
}

/// A folder for a trial, which goes with it.
pub(super) fn scratch(settings: &VerifySection) -> Result<tempfile::TempDir> {
    let parent = settings.scratch.clone().unwrap_or_else(std::env::temp_dir);
    let made = tempfile::Builder::new().prefix("lifeboat-trial-").tempdir_in(&parent);
    made.map_err(|error| Error::Folder { action: "make a folder in", folder: parent, error })
}

/// A database of a private server.
pub(super) fn target(server: &Server, auth: Auth, database: &str) -> Result<Target> {
    let uri = server
        .bolt_uri()
        .parse()
        .map_err(|error: lifeboat_bolt::UriError| Error::Internal(error.to_string()))?;
    let mut config = Config::new(uri, auth);
    config.database = Some(database.to_owned());
    Ok(Target { config, database: Some(database.to_owned()) })
}

pub(super) fn server_failed(error: lifeboat_server::Error) -> Error {
    lifeboat_neo4j::Error::from(error).into()
}
