//! What the manifest of a configuration's backup says besides its entries.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The configuration a backup holds, and what it does not hold of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigSection {
    /// Images and versions of the application, by name.
    #[serde(default)]
    pub application: BTreeMap<String, String>,
    /// Paths of entries whose content is secret. There are none unless the archive is encrypted.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// Secrets that are not in the archive, but only named.
    #[serde(default)]
    pub references: Vec<Reference>,
    /// What should be in the archive, and is not.
    #[serde(default)]
    pub incomplete: Vec<LeftOut>,
    /// What cannot be in an archive: sockets, pipes, devices.
    #[serde(default)]
    pub skipped: Vec<LeftOut>,
}

/// Where a secret comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReferenceKind {
    /// A file, by its path.
    File,
    /// A variable of the environment.
    Environment,
    /// The output of a command, by the name it would have in the archive.
    Command,
}

impl std::fmt::Display for ReferenceKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::File => "file",
            Self::Environment => "environment",
            Self::Command => "command",
        })
    }
}

/// A secret that is only named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// Where it comes from.
    pub kind: ReferenceKind,
    /// What it is called there.
    pub name: String,
}

/// Something that is not in the archive, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// What it is: the path of a file, or of the entry it would have been.
    pub path: String,
    /// Why it is not there.
    pub reason: String,
}

impl LeftOut {
    /// Says that something was left out.
    pub fn new(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { path: path.into(), reason: reason.into() }
    }
}
