//! What a physical backup says about the store it holds.
//!
//! The files themselves are entries like any others, with paths as under a Neo4j home. What stands
//! here is what nobody should have to open them for: from where to where each database's
//! transaction log reaches, and what the server had beside its data.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{DatabaseSection, Method};
use crate::Digest;

/// A place in a database's transaction log.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct LogPosition {
    /// Number of the file: the `N` of `neostore.transaction.db.N`.
    pub version: u64,
    /// Bytes from the begin of that file.
    pub offset: u64,
}

impl std::fmt::Display for LogPosition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.version, self.offset)
    }
}

/// What a physical backup holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhysicalSection {
    /// The id of the server, which its folder `data` holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_id: Option<String>,
    /// Every database in the backup, by name, `system` among them.
    pub databases: BTreeMap<String, PhysicalDatabase>,
    /// Files of the server's `conf` folder, by path under the home. They are not in the archive.
    #[serde(default)]
    pub conf: Vec<FileDigest>,
    /// Files of the server's `plugins` folder, by path under the home. They are not in the archive.
    #[serde(default)]
    pub plugins: Vec<FileDigest>,
}

/// One database of a physical backup.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhysicalDatabase {
    /// The format of its store files, such as `record-aligned-1.1`; empty when the log's format is
    /// not understood.
    pub store_format: String,
    /// The id of its store: 32 hexadecimal digits, as the header of its transaction log has them;
    /// empty likewise.
    pub store_id: String,
    /// The format of its transaction log.
    pub log_format: u64,
    /// Where recovery begins to read the log; `None` when the checkpoints could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<LogPosition>,
    /// Where the backup's part of the log begins.
    pub log_start: LogPosition,
    /// Where it ends: behind the last transaction of the backup. From here on, later parts of the
    /// log can follow.
    pub log_end: LogPosition,
    /// The last transaction of the backup; `None` when the log could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_tx: Option<u64>,
    /// When it was committed, by the server's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_tx_time: Option<Timestamp>,
}

/// A file that a backup tells of without holding it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileDigest {
    /// Path under the home, with `/`.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// BLAKE3 of its content.
    pub blake3: Digest,
}

impl DatabaseSection {
    /// What contradicts itself in what is said about the store.
    pub(super) fn problem(&self) -> Option<String> {
        let physical = match (&self.physical, self.method) {
            (Some(physical), Method::Physical) => physical,
            (None, Method::Logical) => return None,
            (Some(_), Method::Logical) => {
                return Some("a logical backup tells of store files".to_owned());
            }
            (None, Method::Physical) => {
                return Some("a physical backup tells nothing of its store files".to_owned());
            }
        };
        if !physical.databases.contains_key(&self.name) {
            return Some(format!("the database {:?} is not among those it holds", self.name));
        }
        physical.databases.iter().find_map(|(name, database)| {
            database.problem().map(|problem| format!("database {name:?}: {problem}"))
        })
    }
}

impl PhysicalDatabase {
    fn problem(&self) -> Option<&'static str> {
        let hex = |text: &str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !self.store_id.is_empty() && (self.store_id.len() != 32 || !hex(&self.store_id)) {
            return Some("its store's id is not made of 32 hexadecimal digits");
        }
        if self.log_start > self.log_end {
            return Some("its log ends before it begins");
        }
        let outside = |at: LogPosition| at < self.log_start || at > self.log_end;
        if self.checkpoint.is_some_and(outside) {
            return Some("its checkpoint lies outside of its log");
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ServerInfo;

    fn section() -> DatabaseSection {
        let database = PhysicalDatabase {
            store_format: "record-aligned-1.1".to_owned(),
            store_id: "0123456789abcdef0123456789abcdef".to_owned(),
            log_format: 9,
            checkpoint: Some(LogPosition { version: 1, offset: 500 }),
            log_start: LogPosition { version: 0, offset: 64 },
            log_end: LogPosition { version: 1, offset: 900 },
            last_tx: Some(7),
            last_tx_time: None,
        };
        DatabaseSection {
            method: Method::Physical,
            name: "neo4j".to_owned(),
            id: None,
            server: ServerInfo { version: "5.26.18".to_owned(), edition: None, bolt: None },
            snapshot: None,
            counts: None,
            fingerprint: None,
            physical: Some(PhysicalSection {
                databases: BTreeMap::from([("neo4j".to_owned(), database)]),
                ..PhysicalSection::default()
            }),
        }
    }

    fn broken(change: impl FnOnce(&mut DatabaseSection)) -> String {
        let mut section = section();
        change(&mut section);
        section.problem().expect("it was broken")
    }

    fn of(section: &mut DatabaseSection) -> &mut PhysicalDatabase {
        let physical = section.physical.as_mut().expect("it is physical");
        physical.databases.get_mut("neo4j").expect("it is there")
    }

    #[test]
    fn what_contradicts_itself_is_found() {
        assert_eq!(section().problem(), None);
        assert!(broken(|s| s.method = Method::Logical).contains("logical"));
        assert!(broken(|s| s.physical = None).contains("nothing of its store"));
        assert!(broken(|s| s.name = "other".to_owned()).contains("other"));
        assert!(broken(|s| of(s).store_id = "x".repeat(32)).contains("hexadecimal"));
        assert!(broken(|s| of(s).log_end.version = 0).contains("checkpoint"));
        assert!(broken(|s| of(s).log_start.version = 2).contains("before it begins"));
        assert!(broken(|s| of(s).checkpoint = Some(LogPosition::default())).contains("outside"));
    }

    #[test]
    fn positions_order_by_file_first() {
        let at = |version, offset| LogPosition { version, offset };
        assert!(at(1, 900) < at(2, 64) && at(2, 64) < at(2, 65));
    }
}
