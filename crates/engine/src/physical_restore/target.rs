//! The home that is restored into: whether it may be, and how the data changes places.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use lifeboat_archive::{BackupName, PhysicalSection};
use lifeboat_neo4j::physical::Layout;
use lifeboat_server::{Version, running, version_in};

use super::HomeRestoreOptions;
use crate::{Error, Result};

/// What lies in the data folder and belongs to a backup.
const PARTS: [&str; 4] = ["databases", "transactions", "server_id", "dbms"];

/// The folders of a home that may be restored into.
pub(super) fn find(home: &Path) -> Result<Layout> {
    let failed =
        |why: String| Error::from(lifeboat_neo4j::Error::NotAHome { home: home.to_owned(), why });
    let items = fs::read_dir(home).map_err(|error| failed(error.to_string()))?;
    let names: Vec<_> = items.flatten().map(|item| item.file_name()).collect();
    let is_home = ["conf", "data", "lib"].iter().any(|name| names.iter().any(|n| n == name));
    if !names.is_empty() && !is_home {
        return Err(failed("it holds other things than `conf`, `data` or `lib`".to_owned()));
    }
    // Neo4j takes a relative path in its settings for one below its own home.
    let home = std::path::absolute(home).map_err(|error| failed(error.to_string()))?;
    Ok(Layout::of(&home)?)
}

/// The version of the server of this home, as far as there is a `lib` that tells it.
pub(super) fn version(options: &HomeRestoreOptions) -> Result<Option<Version>> {
    let found = match &options.installation {
        Some(folder) => Some(version_in(folder).map_err(lifeboat_neo4j::Error::from)?),
        None => version_in(&options.home).ok(),
    };
    Ok(found.map(|(version, _)| version))
}

/// Whether this program knows how such a server recovers.
fn is_supported(version: &Version) -> bool {
    version.is_calendar() || (version.major() == 5 && version.minor() >= 26)
}

/// A store can be opened by the server that wrote it and by newer ones, of lines that are tested.
pub(super) fn check_version(backup: &str, server: Option<&Version>) -> Result<()> {
    let refused = |why: String| Err(Error::VersionRefused { backup: backup.to_owned(), why });
    let Ok(of_backup) = backup.parse::<Version>() else {
        return refused("that is no version this program knows".to_owned());
    };
    for version in [Some(&of_backup), server].into_iter().flatten() {
        if !is_supported(version) {
            return refused(format!("Neo4j {version} is of no line that this program supports"));
        }
    }
    match server {
        Some(server) if *server < of_backup => {
            refused(format!("the server of this home is Neo4j {server}, which is older"))
        }
        _ => Ok(()),
    }
}

/// A single database can go back only to the server it came from: its id stands in `system` too.
pub(super) fn check_single(
    layout: &Layout,
    backup: &BackupName,
    physical: &PhysicalSection,
    name: &str,
) -> Result<()> {
    let refused =
        |why: String| Err(Error::NotAlone { name: backup.clone(), database: name.to_owned(), why });
    if !physical.databases.contains_key(name) {
        let names: Vec<_> = physical.databases.keys().map(String::as_str).collect();
        return refused(format!("the backup holds {}", names.join(", ")));
    }
    if name == "system" {
        return refused("`system` has to fit the databases beside it".to_owned());
    }
    if physical.server_id.is_none() || layout.server_id() != physical.server_id {
        return refused("the home's `system` is of another server".to_owned());
    }
    Ok(())
}

/// Whether an entry is restored.
pub(super) fn belongs(path: &str, options: &HomeRestoreOptions) -> bool {
    let Some(name) = &options.database else { return true };
    ["databases", "transactions"].iter().any(|kind| {
        path.strip_prefix("data/")
            .and_then(|path| {
                path.strip_prefix(kind)?.strip_prefix('/')?.strip_prefix(name.as_str())
            })
            .is_some_and(|rest| rest.starts_with('/'))
    })
}

/// Whether there is data that has to go aside.
pub(super) fn occupied(layout: &Layout, database: Option<&str>) -> bool {
    let folders = [layout.databases_folder(), layout.transactions.clone()];
    folders.iter().any(|folder| match database {
        Some(name) => folder.join(name).exists(),
        None => fs::read_dir(folder).is_ok_and(|mut items| items.next().is_some()),
    })
}

/// Refuses a home that a server runs on.
///
/// # Errors
/// When one does, or that cannot be told.
pub fn check_stopped(home: &Path) -> Result<()> {
    match running(home).map_err(lifeboat_neo4j::Error::from)? {
        None => Ok(()),
        Some(running) => {
            let error =
                lifeboat_server::Error::AlreadyRunning { home: home.to_owned(), pid: running.pid };
            Err(lifeboat_neo4j::Error::from(error).into())
        }
    }
}

/// A folder beside the data that has the form of a home.
#[derive(Debug)]
pub(super) struct Staging {
    layout: Layout,
    time: String,
    /// The home, below the data folder, so that its content can change places by renaming.
    pub(super) home: PathBuf,
    /// The transaction logs, when they do not lie below the data.
    pub(super) logs: Option<PathBuf>,
}

impl Staging {
    pub(super) fn make(layout: &Layout) -> Result<Self> {
        let time = free_time(&layout.data);
        let name = format!("restoring-{time}");
        let home = layout.data.join(&name);
        let logs = (layout.transactions != layout.data.join("transactions"))
            .then(|| layout.transactions.join(&name));
        let staging = Self { layout: layout.clone(), time, home, logs };
        for folder in [Some(&staging.home), staging.logs.as_ref()].into_iter().flatten() {
            let parent = folder.parent().unwrap_or(folder);
            fs::create_dir_all(parent)
                .and_then(|()| fs::create_dir(folder))
                .map_err(failed("make the folder", folder))?;
        }
        Ok(staging)
    }

    /// Where an entry of the archive goes.
    pub(super) fn place(&self, path: &str) -> PathBuf {
        match (&self.logs, path.strip_prefix("data/transactions/")) {
            (Some(logs), Some(rest)) => logs.join(rest),
            _ => self.home.join(path),
        }
    }

    /// The folder of the transaction logs.
    pub(super) fn transactions(&self) -> PathBuf {
        self.logs.clone().unwrap_or_else(|| self.home.join("data/transactions"))
    }

    /// Removes what was written.
    pub(super) fn discard(&self) {
        for folder in [Some(&self.home), self.logs.as_ref()].into_iter().flatten() {
            if let Err(error) = fs::remove_dir_all(folder) {
                tracing::warn!(%error, folder = %folder.display(), "a folder of a failed restore was left");
            }
        }
    }

    /// Gives what was written to whom the data folder belongs, if that is possible.
    pub(super) fn give_to_owner(&self) -> Result<()> {
        let owner =
            fs::metadata(&self.layout.data).map_err(failed("look at", &self.layout.data))?;
        let mine = rustix::process::geteuid().as_raw() == owner.uid();
        if mine || !rustix::process::geteuid().is_root() {
            return Ok(());
        }
        self.each(&|path| std::os::unix::fs::lchown(path, Some(owner.uid()), Some(owner.gid())))
    }

    /// Sees to it that what was written outlives a power cut.
    pub(super) fn sync(&self) -> Result<()> {
        self.each(&|path| {
            if path.symlink_metadata()?.is_symlink() {
                Ok(())
            } else {
                fs::File::open(path)?.sync_all()
            }
        })
    }

    fn each(&self, work: &dyn Fn(&Path) -> io::Result<()>) -> Result<()> {
        let mut folders: Vec<PathBuf> =
            [Some(&self.home), self.logs.as_ref()].into_iter().flatten().cloned().collect();
        while let Some(folder) = folders.pop() {
            for item in fs::read_dir(&folder).map_err(failed("read", &folder))? {
                let path = item.map_err(failed("read", &folder))?.path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    work(&path).map_err(failed("finish", &path))?;
                }
            }
            work(&folder).map_err(failed("finish", &folder))?;
        }
        Ok(())
    }

    /// Puts the new data in the place of the old, which goes aside. When a step fails, all goes
    /// back.
    pub(super) fn switch(self, database: Option<&str>) -> Result<Switched> {
        let name = format!("before-restore-{}", self.time);
        let mut aside = vec![self.layout.data.join(&name)];
        let mut pairs = Vec::new();
        let mut pair = |live: PathBuf, new: PathBuf, old: PathBuf| pairs.push((live, new, old));
        let data = &self.layout.data;
        for part in PARTS {
            let inside = database.map(|database| format!("{part}/{database}"));
            let path = match inside {
                Some(_) if !matches!(part, "databases" | "transactions") => continue,
                Some(path) => path,
                None => part.to_owned(),
            };
            if part == "transactions"
                && let Some(logs) = &self.logs
            {
                // One by one: the folder itself may be a mounted disk.
                aside.push(self.layout.transactions.join(&name));
                let names = names_in(logs)?.into_iter().chain(names_in(&self.layout.transactions)?);
                let mut names: Vec<_> = names
                    .filter(|n| {
                        n != &name
                            && !n.starts_with("restoring-")
                            && !n.starts_with("before-restore-")
                    })
                    .filter(|n| database.is_none_or(|database| n == database))
                    .collect();
                names.sort();
                names.dedup();
                for one in names {
                    let live = self.layout.transactions.join(&one);
                    pair(live, logs.join(&one), self.layout.transactions.join(&name).join(&one));
                }
                continue;
            }
            pair(
                data.join(&path),
                self.home.join("data").join(&path),
                data.join(&name).join(&path),
            );
        }
        let mut switched = Switched { moves: Vec::new(), aside, kept: false };
        for (live, new, old) in pairs {
            if let Err(error) = switched.change(&live, &new, &old) {
                self.discard();
                switched.put_back()?;
                return Err(error);
            }
        }
        self.discard();
        Ok(switched)
    }
}

/// The time now, or the next second that is in no name yet.
fn free_time(data: &Path) -> String {
    let mut now = Timestamp::now();
    loop {
        let time = now.strftime("%Y%m%d-%H%M%S").to_string();
        let names = [format!("restoring-{time}"), format!("before-restore-{time}")];
        if !names.iter().any(|name| data.join(name).exists()) {
            return time;
        }
        now += jiff::SignedDuration::from_secs(1);
    }
}

fn names_in(folder: &Path) -> Result<Vec<String>> {
    let items = match fs::read_dir(folder) {
        Ok(items) => items,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed("read", folder)(error)),
    };
    Ok(items.flatten().filter_map(|item| item.file_name().into_string().ok()).collect())
}

fn failed(action: &'static str, folder: &Path) -> impl FnOnce(io::Error) -> Error {
    let folder = folder.to_owned();
    move |error| Error::Folder { action, folder, error }
}

/// Data that has changed places.
#[derive(Debug)]
pub(super) struct Switched {
    /// What is in place now, and where what was there before is, if there was something.
    moves: Vec<(PathBuf, Option<PathBuf>)>,
    /// The folders that keep what was there before.
    aside: Vec<PathBuf>,
    kept: bool,
}

impl Switched {
    fn change(&mut self, live: &Path, new: &Path, old: &Path) -> Result<()> {
        let there = live.symlink_metadata().is_ok();
        if there {
            let parent = old.parent().unwrap_or(old);
            fs::create_dir_all(parent)
                .and_then(|()| fs::rename(live, old))
                .map_err(failed("move aside", live))?;
            self.kept = true;
        }
        self.moves.push((live.to_owned(), there.then(|| old.to_owned())));
        if new.symlink_metadata().is_ok() {
            let parent = live.parent().unwrap_or(live);
            fs::create_dir_all(parent)
                .and_then(|()| fs::rename(new, live))
                .map_err(failed("put in place", live))?;
        }
        Ok(())
    }

    /// Where the old data is kept, if there was any.
    pub(super) fn kept(&self) -> Option<PathBuf> {
        self.aside.first().filter(|_| self.kept).cloned()
    }

    /// Removes the new data, and puts the old in its place again.
    pub(super) fn put_back(self) -> Result<()> {
        for (live, old) in self.moves.iter().rev() {
            let removed = match live.symlink_metadata() {
                Err(_) => Ok(()),
                Ok(meta) if meta.is_dir() => fs::remove_dir_all(live),
                Ok(_) => fs::remove_file(live),
            };
            removed.map_err(failed("remove what was restored to", live))?;
            if let Some(old) = old {
                fs::rename(old, live).map_err(failed("put back what was moved to", old))?;
            }
        }
        for folder in &self.aside {
            for part in PARTS {
                let _ = fs::remove_dir(folder.join(part));
            }
            let _ = fs::remove_dir(folder);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_or_newer_servers_of_known_lines_will_do() {
        let server = |text: &str| text.parse::<Version>().unwrap();
        let fits = |backup, text: &str| check_version(backup, Some(&server(text))).is_ok();
        assert!(check_version("5.26.18", None).is_ok());
        assert!(fits("5.26.18", "5.26.18") && fits("5.26.18", "5.26.20"));
        assert!(fits("5.26.18", "2026.09.0") && fits("2025.01.0", "2026.09.0"));
        assert!(!fits("5.26.18", "5.26.17") && !fits("2026.09.0", "5.26.18"));
        assert!(!fits("5.10.0", "5.26.18"));
        assert!(check_version("unknown", None).is_err());
    }

    fn home(files: &[(&str, &str)]) -> (tempfile::TempDir, Layout) {
        let folder = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let layout = Layout::of(folder.path()).unwrap();
        (folder, layout)
    }

    fn fill(staging: &Staging, files: &[&str]) {
        for path in files {
            let place = staging.place(path);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(place, "new").unwrap();
        }
    }

    const FILES: [&str; 3] =
        ["data/databases/neo4j/neostore", "data/transactions/neo4j/log", "data/server_id"];

    #[test]
    fn data_changes_places_and_back() {
        let old = FILES.map(|path| (path, "old"));
        let (folder, layout) = home(&old);
        let read = |path: &str| fs::read_to_string(folder.path().join(path)).unwrap_or_default();
        let staging = Staging::make(&layout).unwrap();
        fill(&staging, &FILES);
        staging.sync().unwrap();
        let switched = staging.switch(None).unwrap();
        assert!(FILES.iter().all(|path| read(path) == "new"));
        let kept = switched.kept().unwrap();
        assert_eq!(fs::read_to_string(kept.join("server_id")).unwrap(), "old");
        switched.put_back().unwrap();
        assert!(FILES.iter().all(|path| read(path) == "old"));
        assert_eq!(names_in(&layout.data).unwrap().len(), 3, "nothing is left beside it");
    }

    #[test]
    fn one_database_leaves_the_others_alone() {
        let files =
            ["data/databases/neo4j/a", "data/transactions/neo4j/a", "data/databases/system/a"];
        let (folder, layout) = home(&files.map(|path| (path, "old")));
        let staging = Staging::make(&layout).unwrap();
        fill(&staging, &files[..2]);
        staging.switch(Some("neo4j")).unwrap();
        let read = |path: &str| fs::read_to_string(folder.path().join(path)).unwrap();
        assert_eq!(files.map(read), ["new", "new", "old"]);
    }

    #[test]
    fn logs_may_lie_elsewhere() {
        let (folder, _) = home(&[("data/databases/neo4j/a", "old"), ("logs/neo4j/log", "old")]);
        let conf = format!(
            "server.directories.transaction.logs.root={}\n",
            folder.path().join("logs").display()
        );
        fs::create_dir(folder.path().join("conf")).unwrap();
        fs::write(folder.path().join("conf/neo4j.conf"), conf).unwrap();
        let layout = Layout::of(folder.path()).unwrap();
        let staging = Staging::make(&layout).unwrap();
        fill(&staging, &FILES);
        let switched = staging.switch(None).unwrap();
        let read = |path: &str| fs::read_to_string(folder.path().join(path)).unwrap();
        assert_eq!(read("logs/neo4j/log"), "new");
        assert_eq!(read("data/databases/neo4j/neostore"), "new");
        switched.put_back().unwrap();
        assert_eq!(read("logs/neo4j/log"), "old");
        assert_eq!(names_in(&folder.path().join("logs")).unwrap(), ["neo4j"]);
    }
}
