//! Programs of Go modules, which tests and checks use where they are built.
//!
//! Building one takes minutes, and a Go. So nothing builds them by the way: `cargo xtask infra` does.
//! What is missing is said to be.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::folders;

/// A program of a Go module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Program {
    /// Its name.
    pub name: &'static str,
    /// The version of its module.
    pub version: &'static str,
    /// Its module.
    pub module: &'static str,
    /// Its package in the module.
    pub package: &'static str,
}

/// Prometheus's own check of rules.
pub const PROMTOOL: Program = Program {
    name: "promtool",
    version: "v0.307.3",
    module: "github.com/prometheus/prometheus",
    package: "./cmd/promtool",
};

/// OpenTofu.
pub const TOFU: Program = Program {
    name: "tofu",
    version: "v1.12.6",
    module: "github.com/opentofu/opentofu",
    package: "./cmd/tofu",
};

/// A server that speaks S3, see [`s3`](crate::s3). Its releases are no versions of Go, hence this one.
pub const MINIO: Program = Program {
    name: "minio",
    version: "v0.0.0-20260212201848-7aac2a2c5b7c",
    module: "github.com/minio/minio",
    package: ".",
};

impl Program {
    /// The built program, if it is there.
    ///
    /// # Errors
    /// When the folder for what is fetched cannot be made.
    pub fn built(&self) -> Result<Option<PathBuf>> {
        let file = self.file()?;
        Ok(file.exists().then_some(file))
    }

    /// As [`built`](Self::built); says on standard error that what needs it is not tested when it
    /// is not there.
    ///
    /// # Errors
    /// As [`built`](Self::built).
    pub fn built_or_told(&self) -> Result<Option<PathBuf>> {
        let built = self.built()?;
        if built.is_none() {
            eprintln!("NOT tested: {}", self.how_to());
        }
        Ok(built)
    }

    /// Says that it is missing, and how to get it.
    pub fn how_to(&self) -> String {
        let Self { name, version, .. } = self;
        format!("{name} {version} is not built; `cargo xtask infra` does so where there is a Go")
    }

    /// Builds it unless it is there; nothing when there is no Go. Such modules exclude or replace
    /// versions of others, which only counts where they are the main one; so each is built in its
    /// own folder.
    ///
    /// # Errors
    /// When the module cannot be fetched or built.
    pub fn build(&self) -> Result<Option<PathBuf>> {
        if let Some(file) = self.built()? {
            return Ok(Some(file));
        }
        let Some(go) = go() else { return Ok(None) };
        let Self { name, version, module, package, .. } = self;
        println!("building {name} {version}, once …");
        let module = format!("{module}@{version}");
        let output = Command::new(&go).args(["mod", "download", "-json", &module]).output()?;
        let found: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        let folder = found["Dir"].as_str().with_context(|| format!("no {module}: {found}"))?;
        let file = self.file()?;
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut build = Command::new(&go);
        build.args(["build", "-C", folder, "-o"]).arg(&file).arg(package);
        if !build.status()?.success() {
            bail!("cannot build {name} of {module}");
        }
        Ok(Some(file))
    }

    fn file(&self) -> Result<PathBuf> {
        Ok(folders::cache()?.join(format!("{0}-{1}/{0}", self.name, self.version)))
    }
}

/// Where Go is: on the `PATH`, or where its own installer puts it.
fn go() -> Option<PathBuf> {
    let known = Path::new("/usr/local/go/bin/go");
    if Command::new("go").arg("version").output().is_ok_and(|output| output.status.success()) {
        Some("go".into())
    } else {
        known.exists().then(|| known.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_built_is_told() {
        let none = Program { version: "v0.0.0", ..TOFU };
        assert_eq!(none.built().unwrap(), None);
        assert!(none.how_to().contains("`cargo xtask infra`"), "{}", none.how_to());
    }
}
