//! The Java command line that the server and its tools have in common.
//!
//! Flags and class path go to an argument file (`java @file`): two hundred jars make a command line
//! that nobody can read in a process list.

use std::{
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Error, Installation};

/// Packages that Neo4j reaches into (source: `neo4j.conf` of the distribution).
const OPENED: [&str; 4] = ["java.nio", "java.io", "sun.nio.ch", "java.lang"];

/// Compiles by the first tier only. In the first ten seconds of a Neo4j the second one takes about a
/// third of the processor time; after that, what it has compiled is about twice as fast.
pub(crate) const SOON_DONE: &str = "-XX:TieredStopAtLevel=1";

/// Flags for the Java machine.
#[derive(Debug, Default)]
pub(crate) struct Jvm<'a> {
    pub(crate) heap_mib: u32,
    pub(crate) vector_module: bool,
    pub(crate) flags: &'a [OsString],
    pub(crate) plugins: Option<&'a Path>,
}

/// A command that runs a main class of the installation; `folder` keeps the argument file.
pub(crate) fn java(
    installation: &Installation,
    folder: &Path,
    main_class: &str,
    jvm: &Jvm<'_>,
) -> Result<Command, Error> {
    let file = folder.join("java.args");
    let text = arguments(installation, jvm).iter().map(|a| quote(a)).collect::<Vec<_>>().join("\n");
    fs::write(&file, text).map_err(Error::io("write", &file))?;
    let mut at_file = OsString::from("@");
    at_file.push(&file);
    let mut command = Command::new(installation.java().program());
    command.arg(at_file).arg(main_class);
    // Settings of another Neo4j on this machine.
    command.env_remove("NEO4J_HOME").env_remove("NEO4J_CONF");
    Ok(command)
}

fn arguments(installation: &Installation, jvm: &Jvm<'_>) -> Vec<String> {
    let java = installation.java();
    let mut arguments = vec![format!("-Xmx{}m", jvm.heap_mib)];
    arguments.extend(
        OPENED.iter().map(|package| format!("--add-opens=java.base/{package}=ALL-UNNAMED")),
    );
    if installation.version().is_calendar() {
        arguments.push("--enable-native-access=ALL-UNNAMED".to_owned());
        if jvm.vector_module && java.has_vector_module() {
            arguments.push("--add-modules=jdk.incubator.vector".to_owned());
        }
    }
    if java.feature() >= 24 {
        // Else every run begins with a page of warnings about sun.misc.Unsafe.
        arguments.push("--sun-misc-unsafe-memory-access=allow".to_owned());
    }
    arguments.extend(jvm.flags.iter().map(|flag| flag.to_string_lossy().into_owned()));
    arguments.push("-cp".to_owned());
    // The jars of lib/ first: an archive of preloaded classes is only used if they begin the path.
    let plugins = jvm.plugins.map(plugins).unwrap_or_default();
    let path = installation.jars().iter().chain(&plugins).map(|jar| jar.as_os_str());
    let path = path.collect::<Vec<_>>().join(OsStr::new(":"));
    arguments.push(path.to_string_lossy().into_owned());
    arguments
}

/// The jars in a plugin folder; one that cannot be read has none, as for Neo4j's own launcher.
fn plugins(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut jars: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "jar"))
        .collect();
    jars.sort();
    jars
}

/// An argument as an argument file wants it (source: "java Command-Line Argument Files").
fn quote(argument: &str) -> String {
    format!("\"{}\"", argument.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_quoted() {
        assert_eq!(quote("-Da=b c"), "\"-Da=b c\"");
        assert_eq!(quote(r#"a\b"c"#), r#""a\\b\"c""#);
    }

    #[test]
    fn only_jars_are_plugins() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.jar", "a.jar", "README.txt"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let found = plugins(folder.path());
        assert_eq!(found, [folder.path().join("a.jar"), folder.path().join("b.jar")]);
        assert_eq!(plugins(&folder.path().join("gone")), Vec::<PathBuf>::new());
    }
}
