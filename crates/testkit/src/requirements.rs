//! What the machine must bring along, beyond what the testkit fetches by itself.
//!
//! Named in one place, so that a set-up can install all of it at once, and so that whoever may not
//! install is told everything in one go rather than piece by piece.

use std::env;

use lifeboat_server::Java;

use crate::Line;
use crate::dns as knot;
use crate::volume;

/// Something that is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// What it is, for people.
    pub what: String,
    /// Names of Debian packages that bring it: any one of them will do, best first.
    pub debian: &'static [&'static str],
}

/// Everything that tests need and that is not there.
pub fn missing() -> Vec<Missing> {
    let mut missing = Vec::new();
    let mut need = |there: bool, what: &str, debian| {
        if !there {
            missing.push(Missing { what: what.to_owned(), debian });
        }
    };
    need(
        has_java(Line::Lts),
        "Java 17 or 21",
        &["openjdk-17-jre-headless", "openjdk-21-jre-headless"],
    );
    // Brings Java 21 or later where the machine has none.
    need(has_pip(), "Python 3 with pip", &["python3-pip"]);
    need(on_path("mvn"), "Maven", &["maven"]);
    need(on_path("node"), "Node.js 18 or later", &["nodejs"]);
    need(on_path("npm"), "npm", &["npm"]);
    need(on_path("tar"), "tar", &["tar"]);
    need(on_path("zstd"), "zstd", &["zstd"]);
    need(on_path("gzip"), "gzip", &["gzip"]);
    need(on_path("age"), "age", &["age"]);
    need(on_path("minisign"), "minisign", &["minisign"]);
    need(on_path("b3sum"), "b3sum", &["b3sum"]);
    need(knot::daemon().is_some(), "the DNS server Knot", &["knot"]);
    need(on_path("kdig"), "kdig", &["knot-dnsutils"]);
    need(volume::mkfs().is_some(), "mkfs.xfs", &["xfsprogs"]);
    need(on_path("curl"), "curl", &["curl"]);
    need(on_path("rclone"), "rclone", &["rclone"]);
    missing
}

/// Whether the machine has a Java for a line.
fn has_java(line: Line) -> bool {
    line.version().parse().is_ok_and(|version| Java::find(None, &version).is_ok())
}

fn has_pip() -> bool {
    let mut pip = std::process::Command::new("python3");
    pip.args(["-m", "pip", "--version"]).output().is_ok_and(|output| output.status.success())
}

/// Whether a program is found on the `PATH`.
pub(crate) fn on_path(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(name).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_looked_for_on_the_path() {
        assert!(on_path("sh"));
        assert!(!on_path("lifeboat-no-such-program"));
    }

    #[test]
    fn a_machine_that_runs_these_tests_has_all() {
        assert_eq!(missing(), []);
    }
}
