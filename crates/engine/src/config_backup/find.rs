//! Which files the patterns mean.
//!
//! A pattern that names a folder means all that is in it. Links are found and never followed, except
//! those in the part of a pattern that has no wildcard: that part stands for the place it leads to,
//! under whose real path its files are kept. So nothing in an archive ever lies behind a link.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use lifeboat_archive::LeftOut;
use walkdir::WalkDir;

use crate::config::ConfigBackupSection;

/// A file, folder or link that belongs to the backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// Its content is secret.
    pub(super) secret: bool,
}

/// What the patterns mean, by real path, and what could not be looked at.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub(super) found: BTreeMap<PathBuf, Found>,
    pub(super) unreadable: Vec<LeftOut>,
}

/// Patterns of one list.
struct Patterns(GlobSet);

impl Patterns {
    fn new(patterns: &[String]) -> Result<Self, globset::Error> {
        let mut set = GlobSetBuilder::new();
        for pattern in patterns {
            set.add(GlobBuilder::new(pattern).literal_separator(true).build()?);
        }
        Ok(Self(set.build()?))
    }

    /// Whether one of them means this path, or a folder that it is in.
    fn mean(&self, path: &Path) -> bool {
        !self.0.is_empty() && path.ancestors().any(|above| self.0.is_match(above))
    }
}

/// Finds the files.
pub(super) fn find(section: &ConfigBackupSection) -> Result<Files, globset::Error> {
    let exclude = Patterns::new(&section.exclude)?;
    let secret = Patterns::new(&section.secret_files)?;
    let mut files = Files::default();
    for pattern in &section.include {
        let include = Patterns::new(std::slice::from_ref(pattern))?;
        let base = base(pattern);
        let Ok(real) = real(&base, pattern) else {
            files.unreadable.push(LeftOut::new(pattern, "nothing is there"));
            continue;
        };
        let mut any = false;
        // What stands in the pattern is what the person sees; what is walked is where it leads to.
        let seen = |path: &Path| match path.strip_prefix(&real) {
            // Joined with nothing, it would end with a slash, which no pattern does.
            Ok(below) if below.as_os_str().is_empty() => base.clone(),
            Ok(below) => base.join(below),
            Err(_) => path.to_owned(),
        };
        let excluded = |path: &Path| exclude.mean(path) || exclude.mean(&seen(path));
        let walk = WalkDir::new(&real).sort_by_file_name().follow_root_links(false);
        for entry in walk.into_iter().filter_entry(|entry| !excluded(entry.path())) {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    let path = error.path().unwrap_or(&real).display().to_string();
                    let reason =
                        error.io_error().map_or_else(|| error.to_string(), ToString::to_string);
                    files.unreadable.push(LeftOut { path, reason });
                    any = true;
                    continue;
                }
            };
            let path = entry.path();
            if include.mean(&seen(path)) {
                any = true;
                let secret = secret.mean(path) || secret.mean(&seen(path));
                files.found.insert(path.to_owned(), Found { secret });
            }
        }
        if !any {
            files.unreadable.push(LeftOut::new(pattern, "it matches nothing"));
        }
    }
    Ok(files)
}

/// The part of a pattern before its first wildcard, in whole components.
fn base(pattern: &str) -> PathBuf {
    let plain = |part: &&str| !part.contains(['*', '?', '[', '{', '\\']);
    let mut base = PathBuf::from("/");
    base.extend(pattern.split('/').take_while(plain));
    base
}

/// Where the base leads to. A base that is the whole pattern may be a link, which is kept as one.
fn real(base: &Path, pattern: &str) -> std::io::Result<PathBuf> {
    let whole = base == Path::new(pattern.trim_end_matches('/'));
    match (base.parent(), base.file_name()) {
        (Some(parent), Some(name)) if whole => {
            let real = fs::canonicalize(parent)?.join(name);
            fs::symlink_metadata(&real)?;
            Ok(real)
        }
        _ => fs::canonicalize(base),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(root: &Path, include: &[&str], exclude: &[&str]) -> Vec<String> {
        let whole = |list: &[&str]| {
            list.iter()
                .map(|p| {
                    if p.starts_with("**/") {
                        (*p).to_owned()
                    } else {
                        format!("{}/{p}", root.display())
                    }
                })
                .collect()
        };
        let section = ConfigBackupSection {
            include: whole(include),
            exclude: whole(exclude),
            secret_files: vec!["**/*.key".to_owned()],
            ..ConfigBackupSection::default()
        };
        let files = find(&section).unwrap();
        let mut names: Vec<_> = files
            .found
            .iter()
            .map(|(path, found)| {
                let path = path.strip_prefix(root).unwrap().display();
                if found.secret { format!("{path} (secret)") } else { path.to_string() }
            })
            .collect();
        names.extend(files.unreadable.iter().map(|left| format!("! {}", left.reason)));
        names
    }

    #[test]
    fn patterns_mean_files_and_whole_folders() {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        for file in ["app/a.toml", "app/a.log", "app/sub/b.toml", "app/sub/tls.key", "other/c"] {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        symlink("a.toml", root.join("app/current")).unwrap();
        symlink("app", root.join("alias")).unwrap();

        assert_eq!(names(&root, &["app/*.toml"], &[]), ["app/a.toml"]);
        assert_eq!(names(&root, &["app/**/*.toml"], &[]), ["app/a.toml", "app/sub/b.toml"]);
        assert_eq!(
            names(&root, &["app"], &["**/*.log"]),
            [
                "app",
                "app/a.toml",
                "app/current",
                "app/sub",
                "app/sub/b.toml",
                "app/sub/tls.key (secret)"
            ]
        );
        assert_eq!(
            names(&root, &["app/s*"], &["app/sub/*.toml"]),
            ["app/sub", "app/sub/tls.key (secret)"]
        );
        assert_eq!(names(&root, &["app"], &["app/sub", "app/a*"]), ["app", "app/current"]);
        // A link on the way stands for where it leads; a link at the end is kept.
        assert_eq!(names(&root, &["alias/*.toml"], &[]), ["app/a.toml"]);
        assert_eq!(
            names(&root, &["alias/*"], &["alias/sub"]),
            ["app/a.log", "app/a.toml", "app/current"]
        );
        assert_eq!(names(&root, &["alias"], &[]), ["alias"]);
        // What is not there is told.
        assert_eq!(
            names(&root, &["none", "app/*.xml"], &[]),
            ["! nothing is there", "! it matches nothing"]
        );
    }
}
