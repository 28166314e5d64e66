//! A Neo4j installation: a folder with the jars, and the Java to run them.
//!
//! Works for an unpacked tarball, a distribution's package and a `lib/` put together from Maven
//! alike, since it only relies on the jars' names: the version is the kernel's, the edition shows
//! by whether the enterprise kernel is there.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{Error, Java, Version};

/// Main classes of the Community server, newest name first, as entries of the `neo4j` jar.
const ENTRY_POINTS: [&str; 2] =
    ["org/neo4j/server/Neo4jCommunity", "org/neo4j/server/CommunityEntryPoint"];

/// Neo4j's editions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edition {
    /// The free one.
    Community,
    /// The licensed one.
    Enterprise,
}

impl std::fmt::Display for Edition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Community => "community",
            Self::Enterprise => "enterprise",
        })
    }
}

/// A Neo4j installation that can be run.
#[derive(Clone, Debug)]
pub struct Installation {
    folder: PathBuf,
    version: Version,
    edition: Edition,
    java: Java,
    jars: Vec<PathBuf>,
}

impl Installation {
    /// Looks at a folder that holds `lib/` with Neo4j's jars, and finds a Java for it: `java` (a
    /// Java home or a `java` program) or else the first of `JAVA_HOME`, `/usr/lib/jvm/*` and the
    /// `PATH` that fits the version.
    ///
    /// # Errors
    /// When the folder holds no Neo4j of version 5 or later, or there is no Java for it.
    pub fn find(folder: impl Into<PathBuf>, java: Option<&Path>) -> Result<Self, Error> {
        let folder = folder.into();
        let jars = jars(&folder.join("lib")).map_err(|e| Error::NotAnInstallation {
            path: folder.clone(),
            why: format!("its lib/ cannot be read ({e})"),
        })?;
        let (version, edition) = identify(&folder, &jars)?;
        if version.major() < 5 {
            return Err(Error::Unsupported {
                path: folder,
                version: version.to_string(),
                why: "versions before 5 are not supported".to_owned(),
            });
        }
        let java = Java::find(java, &version)?;
        Ok(Self { folder, version, edition, java, jars })
    }

    /// The folder that holds `lib/`.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The version of its kernel.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// Its edition.
    pub fn edition(&self) -> Edition {
        self.edition
    }

    /// The Java it is run with.
    pub fn java(&self) -> &Java {
        &self.java
    }

    /// All jars of `lib/`, sorted: the same class path on every run.
    pub(crate) fn jars(&self) -> &[PathBuf] {
        &self.jars
    }

    /// The server's main class.
    pub(crate) fn entry_point(&self) -> Result<String, Error> {
        let unsupported = |why: &str| Error::Unsupported {
            path: self.folder.clone(),
            version: self.version.to_string(),
            why: why.to_owned(),
        };
        if self.edition == Edition::Enterprise {
            return Err(unsupported(
                "private servers are started of the Community edition only; give the folder of one",
            ));
        }
        let jar = self.jars.iter().find(|jar| version_in_name(jar, "neo4j-").is_some());
        let jar = jar.ok_or_else(|| unsupported("lib/ has no neo4j jar"))?;
        let content = fs::read(jar).map_err(Error::io("read", jar))?;
        // A zip's directory holds the names of its entries as they are.
        ENTRY_POINTS
            .iter()
            .find(|class| contains(&content, format!("{class}.class").as_bytes()))
            .map(|class| class.replace('/', "."))
            .ok_or_else(|| unsupported("its neo4j jar has no main class known to this program"))
    }
}

/// The version and edition of a folder that holds `lib/` with Neo4j's jars; needs no Java.
///
/// # Errors
/// When the folder holds no Neo4j.
pub fn version_in(folder: &Path) -> Result<(Version, Edition), Error> {
    let jars = jars(&folder.join("lib")).map_err(|e| Error::NotAnInstallation {
        path: folder.to_owned(),
        why: format!("its lib/ cannot be read ({e})"),
    })?;
    identify(folder, &jars)
}

fn identify(folder: &Path, jars: &[PathBuf]) -> Result<(Version, Edition), Error> {
    let version =
        jars.iter().find_map(|jar| version_in_name(jar, "neo4j-kernel-")).ok_or_else(|| {
            Error::NotAnInstallation {
                path: folder.to_owned(),
                why: "lib/ has no neo4j-kernel jar".to_owned(),
            }
        })?;
    let enterprise =
        jars.iter().any(|jar| version_in_name(jar, "neo4j-enterprise-kernel-").is_some());
    Ok((version, if enterprise { Edition::Enterprise } else { Edition::Community }))
}

/// The jars of a folder, sorted by name.
fn jars(lib: &Path) -> io::Result<Vec<PathBuf>> {
    let mut jars = Vec::new();
    for entry in fs::read_dir(lib)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "jar") {
            jars.push(path);
        }
    }
    jars.sort();
    Ok(jars)
}

/// The version in a jar's name, when the name is exactly prefix, version and `.jar`.
fn version_in_name(jar: &Path, prefix: &str) -> Option<Version> {
    let name = jar.file_name()?.to_str()?;
    name.strip_prefix(prefix)?.strip_suffix(".jar")?.parse().ok()
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fake(folder: &Path, jars: &[&str]) -> PathBuf {
        fs::create_dir_all(folder.join("lib")).unwrap();
        for jar in jars {
            fs::write(folder.join("lib").join(jar), "org/neo4j/server/CommunityEntryPoint.class")
                .unwrap();
        }
        let java = folder.join("java");
        fs::create_dir_all(java.join("bin")).unwrap();
        fs::write(java.join("bin/java"), "").unwrap();
        fs::write(java.join("release"), "JAVA_VERSION=\"21.0.1\"").unwrap();
        java
    }

    #[test]
    fn reads_version_and_edition_from_jar_names() {
        let folder = tempfile::tempdir().unwrap();
        let jars =
            ["neo4j-5.26.18.jar", "neo4j-kernel-5.26.18.jar", "neo4j-kernel-api-5.26.18.jar"];
        let java = fake(folder.path(), &jars);
        let found = Installation::find(folder.path(), Some(&java)).unwrap();
        assert_eq!(found.version().to_string(), "5.26.18");
        assert_eq!(found.edition(), Edition::Community);
        assert_eq!(found.entry_point().unwrap(), "org.neo4j.server.CommunityEntryPoint");
        assert_eq!(found.jars().len(), 3);
    }

    #[test]
    fn enterprise_is_told_apart_and_not_started() {
        let folder = tempfile::tempdir().unwrap();
        let jars = ["neo4j-kernel-2026.09.0.jar", "neo4j-enterprise-kernel-2026.09.0.jar"];
        let java = fake(folder.path(), &jars);
        let found = Installation::find(folder.path(), Some(&java)).unwrap();
        assert_eq!(found.edition(), Edition::Enterprise);
        assert!(found.entry_point().unwrap_err().to_string().contains("Community"));
    }

    #[test]
    fn other_folders_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let error = Installation::find(folder.path(), None).unwrap_err().to_string();
        assert!(error.contains("no Neo4j installation"), "{error}");
        let java = fake(folder.path(), &["neo4j-kernel-api-5.26.18.jar"]);
        assert!(matches!(
            Installation::find(folder.path(), Some(&java)),
            Err(Error::NotAnInstallation { .. })
        ));
        fake(folder.path(), &["neo4j-kernel-4.4.40.jar"]);
        assert!(matches!(
            Installation::find(folder.path(), Some(&java)),
            Err(Error::Unsupported { .. })
        ));
    }
}
