//! Which crate may use which.
//!
//! The order of the crates is the architecture: one way, from the wire up to the command. It only
//! stays that way if breaking it fails a test.

use anyhow::{Context, bail};
use serde_json::Value;

use crate::run::cargo;

/// Each crate of the workspace, and the crates of the workspace that it may use.
const MAY_USE: [(&str, &[&str]); 11] = [
    ("lifeboat-bolt", &[]),
    ("lifeboat-archive", &[]),
    ("lifeboat-server", &[]),
    ("lifeboat-vault", &["lifeboat-archive"]),
    ("lifeboat-neo4j", &["lifeboat-bolt", "lifeboat-archive", "lifeboat-server"]),
    (
        "lifeboat",
        &[
            "lifeboat-vault",
            "lifeboat-neo4j",
            "lifeboat-bolt",
            "lifeboat-archive",
            "lifeboat-server",
        ],
    ),
    ("lifeboat-runbook", &["lifeboat"]),
    ("lifeboat-service", &["lifeboat", "lifeboat-runbook"]),
    ("lifeboat-cli", &["lifeboat", "lifeboat-runbook", "lifeboat-service"]),
    (TESTKIT, &["lifeboat-bolt", "lifeboat-server"]),
    ("xtask", &[TESTKIT, "lifeboat-bolt"]),
];

/// For tests only: every crate may have it as a dev-dependency.
const TESTKIT: &str = "lifeboat-testkit";

/// Crates from elsewhere that only some of ours may use.
const RESERVED: [(&str, &[&str]); 4] = [
    // Libraries have errors of their own, which say what to do.
    ("anyhow", &["lifeboat-cli", TESTKIT, "xtask"]),
    ("clap", &["lifeboat-cli", "xtask"]),
    // Only the vault knows how stores are spoken to.
    ("object_store", &["lifeboat-vault"]),
    // HTTP besides that is for clouds and applications in a disaster, and for those who are alerted.
    ("reqwest", &["lifeboat-vault", "lifeboat-runbook", "lifeboat-service"]),
];

/// Checks the workspace.
///
/// # Errors
/// Every breach, one a line.
pub(crate) fn check() -> anyhow::Result<()> {
    let output = cargo(["metadata", "--format-version=1", "--no-deps"]).output()?;
    if !output.status.success() {
        bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let metadata = serde_json::from_slice(&output.stdout).context("cargo metadata is not JSON")?;
    let breaches = breaches(&metadata)?;
    if !breaches.is_empty() {
        bail!("the layers are broken:\n{}", breaches.join("\n"));
    }
    Ok(())
}

/// All breaches in what `cargo metadata` says.
fn breaches(metadata: &Value) -> anyhow::Result<Vec<String>> {
    let packages = metadata["packages"].as_array().context("cargo metadata has no packages")?;
    let mut breaches = Vec::new();
    for package in packages {
        let name = package["name"].as_str().context("a package has no name")?;
        let Some((_, may_use)) = MAY_USE.iter().find(|(known, _)| *known == name) else {
            breaches.push(format!("{name} has no place in the table of layers yet"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let used = dependency["name"].as_str().context("a dependency has no name")?;
            let for_tests = dependency["kind"] == "dev";
            if !allowed(name, used, may_use, for_tests) {
                breaches.push(format!("{name} must not use {used}"));
            }
        }
    }
    Ok(breaches)
}

fn allowed(name: &str, used: &str, may_use: &[&str], for_tests: bool) -> bool {
    if let Some((_, users)) = RESERVED.iter().find(|(reserved, _)| *reserved == used) {
        return for_tests || users.contains(&name);
    }
    let ours = MAY_USE.iter().any(|(known, _)| *known == used);
    !ours || may_use.contains(&used) || (for_tests && used == TESTKIT)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(name: &str, used: &str, kind: Option<&str>) -> Vec<String> {
        let dependencies = json!([{ "name": used, "kind": kind }]);
        let packages = json!([{ "name": name, "dependencies": dependencies }]);
        breaches(&json!({ "packages": packages })).unwrap()
    }

    #[test]
    fn the_workspace_keeps_its_layers() {
        check().unwrap();
    }

    #[test]
    fn going_down_is_allowed_and_up_is_not() {
        assert!(found("lifeboat-vault", "lifeboat-archive", None).is_empty());
        assert_eq!(found("lifeboat-archive", "lifeboat-vault", None).len(), 1);
        assert_eq!(found("lifeboat-cli", "lifeboat-neo4j", None).len(), 1);
        assert_eq!(found("lifeboat-archive", "lifeboat-vault", Some("dev")).len(), 1);
    }

    #[test]
    fn the_testkit_is_for_tests() {
        assert!(found("lifeboat-bolt", TESTKIT, Some("dev")).is_empty());
        assert_eq!(found("lifeboat-bolt", TESTKIT, None).len(), 1);
        assert!(found("xtask", TESTKIT, None).is_empty());
    }

    #[test]
    fn some_crates_are_reserved() {
        assert_eq!(found("lifeboat-neo4j", "anyhow", None).len(), 1);
        assert!(found("lifeboat-cli", "anyhow", None).is_empty());
        assert!(found("lifeboat-neo4j", "bytes", None).is_empty());
    }

    #[test]
    fn a_new_crate_must_be_given_a_place() {
        assert_eq!(found("lifeboat-new", "bytes", None).len(), 1);
    }
}
