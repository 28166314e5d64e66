//! Finding a Java that may run a given Neo4j.
//!
//! A machine often has several; the first one found that fits wins, in the order: the one asked
//! for, `JAVA_HOME`, those under `/usr/lib/jvm`, the one on the `PATH`. Versions are read from
//! the `release` file that every JDK and JRE since 8 carries, so nothing is started to find out.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use crate::{Error, Version};

/// Where Linux distributions put their Javas.
const SYSTEM_FOLDER: &str = "/usr/lib/jvm";

/// A Java runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Java {
    home: PathBuf,
    version: String,
    feature: u32,
    vector: bool,
}

impl Java {
    /// The Java at a Java home.
    ///
    /// # Errors
    /// A sentence saying why this is no Java home.
    pub fn at(home: &Path) -> Result<Self, String> {
        if !home.join("bin/java").is_file() {
            return Err("holds no bin/java".to_owned());
        }
        let release = fs::read_to_string(home.join("release"))
            .map_err(|e| format!("has no readable `release` file ({e})"))?;
        let (version, modules) = (value(&release, "JAVA_VERSION"), value(&release, "MODULES"));
        let version = version.ok_or("has a `release` file without JAVA_VERSION")?;
        let feature = feature(version).ok_or_else(|| format!("is of version {version:?}"))?;
        Ok(Self {
            home: home.to_owned(),
            version: version.to_owned(),
            feature,
            vector: modules
                .is_some_and(|m| m.split(' ').any(|name| name == "jdk.incubator.vector")),
        })
    }

    /// The Java home: the folder that holds `bin/java`.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// The `java` program.
    pub fn program(&self) -> PathBuf {
        self.home.join("bin/java")
    }

    /// The full version, such as `17.0.15`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The feature release: the 17 of `17.0.15`.
    pub fn feature(&self) -> u32 {
        self.feature
    }

    /// Whether it carries the module `jdk.incubator.vector`, which calendar versions of Neo4j use
    /// for vector search when it is there.
    pub fn has_vector_module(&self) -> bool {
        self.vector
    }

    /// Finds a Java for a version of Neo4j. `asked` (a Java home, or the path of a `java`
    /// program) is taken or refused, never passed over.
    ///
    /// # Errors
    /// When the one asked for does not fit, or none of the machine's does.
    pub fn find(asked: Option<&Path>, neo4j: &Version) -> Result<Self, Error> {
        if let Some(path) = asked {
            let home = if path.is_file() { home_of_program(path) } else { Some(path.to_owned()) };
            let home = home.unwrap_or_else(|| path.to_owned());
            return match Self::at(&home) {
                Ok(java) if neo4j.java().contains(&java.feature) => Ok(java),
                other => Err(Error::WrongJava {
                    path: path.to_owned(),
                    found: other.map_or_else(|why| why, |java| format!("is Java {}", java.version)),
                    version: neo4j.to_string(),
                    wanted: neo4j.java_wanted(),
                }),
            };
        }
        choose(candidates(), neo4j)
    }
}

/// The first of the candidates that fits.
fn choose(candidates: Vec<PathBuf>, neo4j: &Version) -> Result<Java, Error> {
    let mut looked = Vec::new();
    for home in candidates {
        match Java::at(&home) {
            Ok(java) if neo4j.java().contains(&java.feature) => return Ok(java),
            Ok(java) => looked.push(format!("{} is {}", home.display(), java.version)),
            Err(why) => looked.push(format!("{} {why}", home.display())),
        }
    }
    Err(Error::NoJava {
        version: neo4j.to_string(),
        wanted: neo4j.java_wanted(),
        looked: if looked.is_empty() {
            format!("no JAVA_HOME, nothing in {SYSTEM_FOLDER}, no java on the PATH")
        } else {
            looked.join("; ")
        },
    })
}

/// All Java homes worth a look, best first.
fn candidates() -> Vec<PathBuf> {
    let mut homes: Vec<PathBuf> = env::var_os("JAVA_HOME")
        .filter(|home| !home.is_empty())
        .map(PathBuf::from)
        .into_iter()
        .collect();
    // Sorted for the same choice on every run; only real homes, since the folder also holds
    // alias links and package metadata.
    let mut system: Vec<PathBuf> = fs::read_dir(SYSTEM_FOLDER)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .filter(|path| path.join("bin/java").is_file())
        .collect();
    system.sort();
    homes.append(&mut system);
    let path = env::var_os("PATH").unwrap_or_default();
    homes.extend(env::split_paths(&path).filter_map(|dir| home_of_program(&dir.join("java"))));
    homes.dedup();
    homes
}

/// The home of a `java` program, through the links that distributions lay to it.
fn home_of_program(program: &Path) -> Option<PathBuf> {
    let real = fs::canonicalize(program).ok()?;
    Some(real.parent()?.parent()?.to_owned())
}

/// The value of `NAME="value"` in a `release` file.
fn value<'a>(release: &'a str, name: &str) -> Option<&'a str> {
    release.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == name).then(|| value.trim().trim_matches('"'))
    })
}

/// The feature release of a Java version: 8 for `1.8.0_402`, 17 for `17.0.15`.
fn feature(version: &str) -> Option<u32> {
    let mut numbers = version.split(['.', '_', '-', '+']).map(str::parse::<u32>);
    match numbers.next()?.ok()? {
        1 => numbers.next()?.ok(),
        feature => Some(feature),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fake(folder: &Path, name: &str, release: &str) -> PathBuf {
        let home = folder.join(name);
        fs::create_dir_all(home.join("bin")).unwrap();
        fs::write(home.join("bin/java"), "").unwrap();
        fs::write(home.join("release"), release).unwrap();
        home
    }

    fn neo4j(version: &str) -> Version {
        version.parse().unwrap()
    }

    #[test]
    fn reads_a_release_file() {
        let folder = tempfile::tempdir().unwrap();
        let home = fake(
            folder.path(),
            "a",
            "JAVA_VERSION=\"25.0.3\"\nMODULES=\"java.base jdk.incubator.vector\"\n",
        );
        let java = Java::at(&home).unwrap();
        assert_eq!((java.version(), java.feature()), ("25.0.3", 25));
        assert!(java.has_vector_module());
        let old = fake(folder.path(), "b", "JAVA_VERSION=\"1.8.0_402\"\n");
        assert_eq!(Java::at(&old).unwrap().feature(), 8);
        assert!(Java::at(folder.path()).is_err());
    }

    #[test]
    fn takes_the_first_that_fits() {
        let folder = tempfile::tempdir().unwrap();
        let old = fake(folder.path(), "old", "JAVA_VERSION=\"11.0.2\"");
        let lts = fake(folder.path(), "lts", "JAVA_VERSION=\"17.0.15\"");
        let new = fake(folder.path(), "new", "JAVA_VERSION=\"25\"");
        let all = vec![folder.path().join("gone"), old, lts.clone(), new.clone()];
        assert_eq!(choose(all.clone(), &neo4j("5.26.18")).unwrap().home(), lts);
        assert_eq!(choose(all, &neo4j("2026.09.0")).unwrap().home(), new);
    }

    #[test]
    fn says_what_it_found_instead() {
        let folder = tempfile::tempdir().unwrap();
        let old = fake(folder.path(), "old", "JAVA_VERSION=\"11.0.2\"");
        let error = choose(vec![old], &neo4j("2026.09.0")).unwrap_err().to_string();
        assert!(error.contains("11.0.2") && error.contains("Java 21 or later"), "{error}");
    }

    #[test]
    fn refuses_a_wrong_one_that_was_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let new = fake(folder.path(), "new", "JAVA_VERSION=\"25\"");
        let error = Java::find(Some(&new), &neo4j("5.26.18")).unwrap_err().to_string();
        assert!(error.contains("is Java 25") && error.contains("Java 17 to 21"), "{error}");
        let program = new.join("bin/java");
        assert_eq!(Java::find(Some(&program), &neo4j("2026.09.0")).unwrap().feature(), 25);
    }
}
