//! Which packages the workspace is built from, as cargo itself resolved them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cargo_metadata::{CargoOpt, DependencyKind, Metadata, MetadataCommand, Package, TargetKind};
use lifeboat_bolt::packstream::Value;

use super::row::RowBuilder;
use crate::graph::{Name, NodeRow, RelRow};

/// The resolved packages, sorted by name and version.
pub(super) struct Packages {
    pub(super) list: Vec<Package>,
    metadata: Metadata,
}

impl Packages {
    /// Asks cargo for what this workspace's lock file resolves to on this platform.
    pub(super) fn resolve(workspace: &Path) -> Result<Self> {
        // Without the network first: what was built is there. A fresh clone may lack packages
        // that only an optional feature needs, which cargo then downloads.
        let metadata = command(workspace, true)
            .exec()
            .or_else(|_| command(workspace, false).exec())
            .context("cargo metadata failed: is the workspace's Cargo.lock up to date?")?;
        let mut list = metadata.packages.clone();
        list.sort_by(|a, b| (&*a.name, &a.version).cmp(&(&*b.name, &b.version)));
        Ok(Self { list, metadata })
    }

    /// One `Crate` node for each package, in the order of `list`.
    pub(super) fn nodes(&self) -> Vec<NodeRow> {
        self.list.iter().map(crate_node).collect()
    }

    /// One `DEPENDS_ON` for each declared dependency that was resolved; a crate that another needs
    /// both to run and to test gets two.
    pub(super) fn relationships(&self) -> Vec<RelRow> {
        let index: HashMap<_, u64> =
            self.list.iter().enumerate().map(|(i, p)| (&p.id, i as u64)).collect();
        let resolved: HashMap<_, _> = self
            .metadata
            .resolve
            .iter()
            .flat_map(|resolve| &resolve.nodes)
            .map(|node| (&node.id, node))
            .collect();
        let rel_type = Name::from("DEPENDS_ON");
        let mut rows = Vec::new();
        for (start, package) in self.list.iter().enumerate() {
            let Some(node) = resolved.get(&package.id) else { continue };
            for dependency in &package.dependencies {
                let target = node.deps.iter().find(|dep| {
                    dep.dep_kinds.iter().any(|k| k.kind == dependency.kind)
                        && index.get(&dep.pkg).is_some_and(|&i| {
                            let found = &self.list[i as usize];
                            *found.name == *dependency.name
                                && dependency.req.matches(&found.version)
                        })
                });
                let Some(&end) = target.and_then(|dep| index.get(&dep.pkg)) else { continue };
                let kind = match dependency.kind {
                    DependencyKind::Development => "dev",
                    DependencyKind::Build => "build",
                    _ => "normal",
                };
                let properties = RowBuilder::default()
                    .text("requirement", dependency.req.to_string())
                    .text("kind", kind)
                    .value("optional", Value::Bool(dependency.optional))
                    .value("default_features", Value::Bool(dependency.uses_default_features))
                    .texts("features", dependency.features.iter().cloned())
                    .opt_text("target", dependency.target.as_ref().map(ToString::to_string))
                    .opt_text("rename", dependency.rename.clone())
                    .build();
                let rel_type = Name::clone(&rel_type);
                rows.push(RelRow { start: start as u64, end, rel_type, properties });
            }
        }
        rows
    }

    /// For the package at `index`: the positions of the packages it depends on.
    pub(super) fn dependencies(edges: &[RelRow]) -> HashMap<u64, Vec<u64>> {
        let mut map: HashMap<u64, Vec<u64>> = HashMap::new();
        for edge in edges {
            map.entry(edge.start).or_default().push(edge.end);
        }
        map
    }
}

/// The name and version by which nodes refer to a package.
pub(super) fn key(package: &Package) -> String {
    format!("{}@{}", package.name, package.version)
}

/// The folder of a package that came from a registry. The workspace's own crates have none: their
/// sources change while the lock file stays, and the graph must not.
pub(super) fn source_folder(package: &Package) -> Option<PathBuf> {
    package.source.as_ref()?;
    Some(package.manifest_path.parent()?.as_std_path().to_path_buf())
}

fn command(workspace: &Path, offline: bool) -> MetadataCommand {
    let mut command = MetadataCommand::new();
    command.manifest_path(workspace.join("Cargo.toml")).features(CargoOpt::AllFeatures);
    let mut options = vec!["--locked".to_owned()];
    if let Some(platform) = host_platform() {
        options.extend(["--filter-platform".to_owned(), platform]);
    }
    if offline {
        options.push("--offline".to_owned());
    }
    command.other_options(options);
    command
}

/// The platform that is built for here. Packages for others need not be on the disk.
pub(super) fn host_platform() -> Option<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = std::process::Command::new(rustc).arg("-vV").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned)
}

fn crate_node(package: &Package) -> NodeRow {
    let has = |kind: &TargetKind| package.targets.iter().any(|t| t.kind.contains(kind));
    let mut labels = vec!["Crate"];
    if package.source.is_none() {
        labels.push("Member");
    }
    if has(&TargetKind::ProcMacro) {
        labels.push("ProcMacro");
    }
    let mut features: Vec<_> = package.features.keys().cloned().collect();
    features.sort();
    RowBuilder::default()
        .text("key", key(package))
        .text("name", package.name.as_str())
        .text("version", package.version.to_string())
        .value("major", Value::Int(package.version.major as i64))
        .opt_text("description", package.description.as_deref().map(str::trim))
        .opt_text("license", package.license.as_deref())
        .opt_text("repository", package.repository.as_deref())
        .opt_text("rust_version", package.rust_version.as_ref().map(ToString::to_string))
        .text("edition", package.edition.as_str())
        .texts("authors", package.authors.iter().cloned())
        .texts("keywords", package.keywords.iter().cloned())
        .texts("categories", package.categories.iter().cloned())
        .texts("features", features)
        .value("targets", Value::Int(package.targets.len() as i64))
        .value("build_script", Value::Bool(has(&TargetKind::CustomBuild)))
        .node(&labels)
}
