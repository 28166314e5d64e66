//! What can be wrong with a manifest.

/// Why a manifest is not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// Not JSON, or none that a manifest could be.
    #[error("this is not the manifest of a backup: {source}")]
    NotManifest {
        /// What the JSON parser says.
        source: serde_json::Error,
    },
    /// It was a manifest, and bytes of it changed.
    #[error(
        "the manifest is damaged: {reason}; \
         restore from another backup or the copy in the second vault"
    )]
    Damaged {
        /// How that was seen.
        reason: &'static str,
    },
    /// Made by a newer program.
    #[error(
        "format {format} is newer than this program understands ({understood}): upgrade lifeboat"
    )]
    Newer {
        /// The manifest's format.
        format: u64,
        /// The newest format this program reads.
        understood: u64,
    },
    /// Intact, but it contradicts itself, or says what no backup can be.
    #[error("the manifest is invalid: {problem}; do not trust this backup, use another")]
    Invalid {
        /// What contradicts what.
        problem: String,
    },
}

impl ManifestError {
    pub(crate) fn invalid(problem: impl Into<String>) -> Self {
        Self::Invalid { problem: problem.into() }
    }

    /// Whether the backup may be good and only this program too old.
    pub fn is_newer_format(&self) -> bool {
        matches!(self, Self::Newer { .. })
    }
}
