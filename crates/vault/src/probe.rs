//! Trying out what a vault lets us do, step by step, so that a missing right is found before the
//! night in which it is needed.

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::leftovers::PROBE_PREFIX;
use crate::vault::{Created, modified};
use crate::{Error, Vault};

/// What was tried and how it went; a step that could not be tried is `None`.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Probe {
    /// Listing: for `list` and `prune`.
    pub list: Option<Result<(), Error>>,
    /// Creating an object: for `backup`.
    pub create: Option<Result<(), Error>>,
    /// Whether an existing object is not overwritten by another create: what makes it safe to run
    /// two backups at once.
    pub create_only: Option<Result<(), Error>>,
    /// Reading it back, the same to the byte: for `verify` and `restore`.
    pub read: Option<Result<(), Error>>,
    /// Deleting it: for `prune`, and for cleaning up after failures.
    pub delete: Option<Result<(), Error>>,
    /// The object that could not be deleted. [`Vault::remove_probe`] removes it, with credentials
    /// that may; so does `prune`.
    pub left: Option<String>,
    /// How far this machine's clock is ahead of the store's; negative when it is behind. Network
    /// time is in it, some seconds mean nothing.
    pub clock_ahead: Option<SignedDuration>,
}

impl Probe {
    /// The steps by name, in their order.
    pub fn steps(&self) -> [(&'static str, Option<&Result<(), Error>>); 5] {
        [
            ("list", self.list.as_ref()),
            ("create", self.create.as_ref()),
            ("create only once", self.create_only.as_ref()),
            ("read", self.read.as_ref()),
            ("delete", self.delete.as_ref()),
        ]
    }

    /// Whether every step was tried and went well.
    pub fn is_good(&self) -> bool {
        self.steps().iter().all(|(_, result)| matches!(result, Some(Ok(()))))
    }
}

/// Room on the file system of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Space {
    /// Bytes that this user may still write.
    pub free: u64,
    /// Bytes in all.
    pub total: u64,
}

impl Vault {
    /// Lists, then creates, creates again (which must fail), reads and deletes one small object of
    /// a name that nothing else has. Makes nothing else, not even a missing folder.
    pub async fn probe(&self) -> Probe {
        let mut probe = Probe { list: Some(self.check().await), ..Probe::default() };
        if let Some(Err(Error::VaultMissing { .. })) = &probe.list {
            return probe;
        }
        let object = format!("{PROBE_PREFIX}{}", Uuid::new_v4());
        let content = Bytes::from(object.clone());
        let before = Timestamp::now();
        let created = self.create(&object, &content).await;
        let during = before.duration_since(Timestamp::now()).abs();
        match created {
            Ok(Created::Ours) => probe.create = Some(Ok(())),
            Ok(Created::Theirs(_)) => {
                probe.create = Some(Err(self.taken(&object)));
                return probe;
            }
            Err(error) => {
                probe.create = Some(Err(error));
                return probe;
            }
        }
        let other = Bytes::from_static(b"this must never be stored");
        probe.create_only = Some(match self.create(&object, &other).await {
            // Who may create, as just seen, but not overwrite, may be told so rather than that it
            // is there.
            Ok(Created::Theirs(_)) | Err(Error::Denied { .. }) => Ok(()),
            Ok(Created::Ours) => Err(self.wrong("create only once", &object, "overwrote it")),
            Err(error) => Err(error),
        });
        probe.read = Some(match self.get_small(&object, 1 << 20).await {
            Ok(Some(Ok(bytes))) if bytes == content => Ok(()),
            Ok(_) => Err(self.wrong("read", &object, "other bytes came back")),
            Err(error) => Err(error),
        });
        if let Ok(Some(meta)) = self.head(&object).await {
            probe.clock_ahead = Some((before + during / 2).duration_since(modified(&meta)));
        }
        probe.delete = Some(match self.delete(&object).await {
            Ok(_) => match self.head(&object).await {
                Ok(None) => Ok(()),
                Ok(Some(_)) => Err(self.wrong("delete", &object, "it is still there")),
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        });
        probe.left = matches!(probe.delete, Some(Err(_))).then_some(object);
        probe
    }

    /// Removes what a [probe](Self::probe) with other credentials had to leave.
    ///
    /// # Errors
    /// Those of deleting; [`Error::Misuse`] when it is no such object.
    pub async fn remove_probe(&self, object: &str) -> Result<(), Error> {
        if !object.starts_with(PROBE_PREFIX) {
            return Err(Error::Misuse(format!("{object} is not what a probe has left")));
        }
        self.delete(object).await.map(|_| ())
    }

    fn wrong(&self, action: &'static str, object: &str, reason: &str) -> Error {
        Error::Failed {
            vault: self.to_string(),
            action,
            object: object.to_owned(),
            reason: reason.to_owned(),
            hint: "this store cannot be trusted with backups, use another".to_owned(),
        }
    }

    /// The room left, for a folder; `None` for stores that have no limit of this kind. Of a folder
    /// that does not exist yet, where it would be made.
    ///
    /// # Errors
    /// [`Error::Denied`] and others of the file system.
    pub fn space(&self) -> Result<Option<Space>, Error> {
        let Some(folder) = self.folder() else { return Ok(None) };
        let place = folder.ancestors().find(|path| path.exists()).unwrap_or(folder);
        match rustix::fs::statvfs(place) {
            Ok(stat) => Ok(Some(Space {
                free: stat.f_bavail.saturating_mul(stat.f_frsize),
                total: stat.f_blocks.saturating_mul(stat.f_frsize),
            })),
            Err(error) => {
                let source = Box::new(std::io::Error::from(error));
                let error = object_store::Error::Generic { store: "Folder", source };
                Err(self.explain("ask the free space of", "the folder", &error))
            }
        }
    }
}
