//! A Neo4j home: its folders, where its data lies, and whether a server runs on it.
//!
//! A running server holds a POSIX lock on `databases/store_lock`. Instead of trying to take it,
//! which could make a server fail that starts at the same instant, the kernel is asked who holds
//! it (`F_GETLK`): that changes nothing, and names the process.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rustix::process::{Flock, FlockType, fcntl_getlk};

use crate::{Error, conf};

/// The folders beside each other in a home.
const FOLDERS: [&str; 8] =
    ["conf", "data", "logs", "plugins", "import", "run", "licenses", "certificates"];

/// A server that runs on a home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    /// Its process, unless that cannot be seen from here (another container).
    pub pid: Option<u32>,
}

/// Makes a home's folders where they are missing; what is there stays as it is.
///
/// # Errors
/// When a folder cannot be made.
pub fn initialize_home(home: &Path) -> Result<(), Error> {
    for folder in FOLDERS {
        let path = home.join(folder);
        fs::create_dir_all(&path).map_err(Error::io("create the folder", &path))?;
    }
    Ok(())
}

/// The folder with a home's data: `server.directories.data` of its `conf/neo4j.conf`, or `data`.
///
/// # Errors
/// When the configuration is there but cannot be read.
pub fn data_folder(home: &Path) -> Result<PathBuf, Error> {
    let set = setting(home, "server.directories.data")?;
    Ok(home.join(set.as_deref().unwrap_or("data")))
}

/// The folder with the transaction logs of a home's databases:
/// `server.directories.transaction.logs.root` of its `conf/neo4j.conf`, or `transactions` in its
/// data folder.
///
/// # Errors
/// As [`data_folder`].
pub fn transactions_folder(home: &Path) -> Result<PathBuf, Error> {
    let data = data_folder(home)?;
    let set = setting(home, "server.directories.transaction.logs.root")?;
    Ok(data.join(set.as_deref().unwrap_or("transactions")))
}

/// A setting of a home's `conf/neo4j.conf`.
fn setting(home: &Path, name: &str) -> Result<Option<String>, Error> {
    let file = home.join("conf/neo4j.conf");
    match fs::read_to_string(&file) {
        Ok(text) => Ok(conf::get(&text, name).map(str::to_owned)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::io("read", file)(e)),
    }
}

/// The server that runs on a home, if one does. Disturbs neither one that runs nor one that is
/// about to start. Does not see a server on another machine that shares the folder.
///
/// # Errors
/// When the lock file is there but cannot be asked about.
pub fn running(home: &Path) -> Result<Option<Running>, Error> {
    let path = data_folder(home)?.join("databases/store_lock");
    let file = match fs::File::open(&path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::io("open", path)(e)),
    };
    // Whole file, as Java's FileChannel.tryLock takes it.
    let wanted = Flock::from(FlockType::WriteLock);
    let holder = fcntl_getlk(&file, &wanted)
        .map_err(|e| Error::io("ask for the lock on", path)(e.into()))?;
    Ok(holder.map(|lock| Running {
        pid: lock.pid.and_then(|pid| u32::try_from(pid.as_raw_nonzero().get()).ok()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_made_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("new/home");
        initialize_home(&home).unwrap();
        fs::write(home.join("conf/neo4j.conf"), "mine").unwrap();
        initialize_home(&home).unwrap();
        assert_eq!(fs::read_to_string(home.join("conf/neo4j.conf")).unwrap(), "mine");
        assert!(home.join("certificates").is_dir());
    }

    #[test]
    fn data_may_lie_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path();
        assert_eq!(data_folder(home).unwrap(), home.join("data"));
        initialize_home(home).unwrap();
        let conf = "#server.directories.data=/no\nserver.directories.data = /var/lib/neo4j/data\n";
        fs::write(home.join("conf/neo4j.conf"), conf).unwrap();
        assert_eq!(data_folder(home).unwrap(), Path::new("/var/lib/neo4j/data"));
        let logs = Path::new("/var/lib/neo4j/data/transactions");
        assert_eq!(transactions_folder(home).unwrap(), logs);
        let conf = "server.directories.transaction.logs.root=/fast/logs\n";
        fs::write(home.join("conf/neo4j.conf"), conf).unwrap();
        assert_eq!(transactions_folder(home).unwrap(), Path::new("/fast/logs"));
    }

    #[test]
    fn an_unused_home_has_no_server() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path();
        assert_eq!(running(home).unwrap(), None);
        fs::create_dir_all(home.join("data/databases")).unwrap();
        fs::write(home.join("data/databases/store_lock"), "").unwrap();
        assert_eq!(running(home).unwrap(), None, "left behind by a server that was killed");
    }
}
