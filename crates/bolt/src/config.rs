//! What a connection needs to know.

use std::path::PathBuf;
use std::time::Duration;

use crate::{Secret, Uri};

/// How to reach a server and who one is.
#[derive(Debug, Clone)]
pub struct Config {
    /// The server.
    pub uri: Uri,
    /// Who one is.
    pub auth: Auth,
    /// Name and version of the program, as `name/1.0`; shown in the server's logs.
    pub user_agent: String,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// PEM file of certificate authorities that are trusted besides those of the system.
    pub ca_file: Option<PathBuf>,
    /// With a `neo4j` scheme: the role that the server must have.
    pub role: Access,
    /// With a `neo4j` scheme: the database whose servers are asked for; the user's home database
    /// when not given.
    pub database: Option<String>,
    /// Highest version of Bolt (major, minor) to speak; for tests.
    pub max_version: Option<(u8, u8)>,
}

impl Config {
    /// A configuration with the defaults.
    pub fn new(uri: Uri, auth: Auth) -> Self {
        Self {
            uri,
            auth,
            user_agent: concat!("lifeboat/", env!("CARGO_PKG_VERSION")).to_owned(),
            timeouts: Timeouts::default(),
            ca_file: None,
            role: Access::Write,
            database: None,
            max_version: None,
        }
    }
}

/// Who one is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Auth {
    /// Nobody: for servers with authentication disabled.
    #[default]
    None,
    /// A user and a password.
    Basic {
        /// The user.
        username: String,
        /// The password.
        password: Secret,
    },
    /// A token of single sign-on.
    Bearer(Secret),
}

impl Auth {
    /// A user and a password.
    pub fn basic(username: impl Into<String>, password: impl Into<Secret>) -> Self {
        Self::Basic { username: username.into(), password: password.into() }
    }
}

/// How long to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a TCP connection, name resolution included.
    pub connect: Duration,
    /// From there until the server has accepted the credentials; TLS included.
    pub handshake: Duration,
    /// For the next byte of an answer. A server that is busy shows every so often that it lives,
    /// and says how often: the limit is never shorter than that.
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            handshake: Duration::from_secs(15),
            idle: Duration::from_mins(5),
        }
    }
}

/// What a query or transaction wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Access {
    /// Read only; the server refuses writes.
    Read,
    /// Read and write.
    #[default]
    Write,
}

/// How a query or transaction is run. Inside an explicit transaction only `fetch_size` counts, the
/// rest is that of [`Connection::begin`](crate::Connection::begin).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunOptions {
    /// The database; the user's home database when not given.
    pub database: Option<String>,
    /// Whether it writes.
    pub access: Access,
    /// Bookmarks of transactions that must be visible.
    pub bookmarks: Vec<String>,
    /// After which the server ends the transaction; its configured limit when not given. Counted
    /// in whole milliseconds.
    pub tx_timeout: Option<Duration>,
    /// Records to ask for at a time; `-1`, the default, for as many as keep the server busy
    /// without running more than a few MiB ahead of the reader, found out from the records' sizes.
    ///
    /// All are never asked for at once: the server does not wait for a slow reader then but piles
    /// up what it has to send, outside of its heap, and hangs up when that memory is used up
    /// (seen with 5.26.18 and 2026.09.0).
    pub fetch_size: i64,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            database: None,
            access: Access::default(),
            bookmarks: Vec::new(),
            tx_timeout: None,
            fetch_size: -1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        for auth in [Auth::basic("neo4j", "hunter2"), Auth::Bearer("hunter2".into())] {
            let config = Config::new("bolt://h".parse().unwrap(), auth);
            let shown = format!("{config:?} {config:#?}");
            assert!(shown.contains("***") && !shown.contains("hunter2"), "{shown}");
        }
    }
}
