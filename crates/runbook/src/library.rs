//! The runbooks that there are: those that are built in, and those of your own folder.

use std::path::{Path, PathBuf};

use crate::document::{DocumentError, Runbook};
use crate::error::{Error, Result};

/// Those that are built in, by name.
const BUILT_IN: [(&str, &str); 4] = [
    ("corruption", include_str!("library/corruption.toml")),
    ("region", include_str!("library/region.toml")),
    ("total", include_str!("library/total.toml")),
    ("failback", include_str!("library/failback.toml")),
];

/// Where a runbook comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// It is part of the program.
    BuiltIn,
    /// A file.
    File(PathBuf),
}

/// A runbook in the list.
#[derive(Debug)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Where it comes from.
    pub origin: Origin,
    /// The runbook, or what is wrong with it.
    pub runbook: std::result::Result<Runbook, DocumentError>,
}

/// The text of a built-in runbook.
pub fn built_in(name: &str) -> Option<&'static str> {
    BUILT_IN.iter().find(|(built_in, _)| *built_in == name).map(|(_, text)| *text)
}

fn own(folder: Option<&Path>) -> Vec<(String, PathBuf)> {
    let Some(folder) = folder else { return Vec::new() };
    let Ok(items) = std::fs::read_dir(folder) else { return Vec::new() };
    let file = |item: std::fs::DirEntry| {
        let path = item.path();
        let is_toml = path.extension().is_some_and(|end| end == "toml");
        let name = path.file_stem()?.to_str()?.to_owned();
        (is_toml && crate::value::is_name(&name)).then_some((name, path))
    };
    let mut all: Vec<_> = items.flatten().filter_map(file).collect();
    all.sort();
    all
}

/// All runbooks, by name. One of your own takes the place of a built-in one.
pub fn list(folder: Option<&Path>) -> Vec<Entry> {
    let own = own(folder);
    let built_in = BUILT_IN.iter().filter(|(name, _)| own.iter().all(|(own, _)| own != name));
    let mut all: Vec<Entry> = built_in
        .map(|(name, text)| Entry {
            name: (*name).to_owned(),
            origin: Origin::BuiltIn,
            runbook: Runbook::parse(name, name, text),
        })
        .collect();
    for (name, path) in &own {
        if let Ok(text) = std::fs::read_to_string(path) {
            let runbook = Runbook::parse(name, &path.display().to_string(), &text);
            all.push(Entry { name: name.clone(), origin: Origin::File(path.clone()), runbook });
        }
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

/// The runbook of a name, or in a file whose path is given: one that ends in `.toml`.
///
/// # Errors
/// When there is none, or it cannot be used.
pub fn find(folder: Option<&Path>, name: &str) -> Result<Runbook> {
    let is_path = Path::new(name).extension().is_some_and(|end| end == "toml");
    let path = if is_path {
        Some(PathBuf::from(name))
    } else {
        own(folder).into_iter().find(|(own, _)| own == name).map(|(_, path)| path)
    };
    if let Some(path) = path {
        let text = std::fs::read_to_string(&path).map_err(|error| Error::File {
            action: "read the runbook",
            path: path.clone(),
            error,
        })?;
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or(name);
        if !crate::value::is_name(stem) {
            return Err(Error::NoRunbook { name: stem.to_owned() });
        }
        return Ok(Runbook::parse(stem, &path.display().to_string(), &text)?);
    }
    let text = built_in(name).ok_or_else(|| Error::NoRunbook { name: name.to_owned() })?;
    Ok(Runbook::parse(name, name, text)?)
}

/// Writes a built-in runbook into a folder, for editing; its path.
///
/// # Errors
/// When there is none of this name, or the file is there already.
pub fn eject(folder: &Path, name: &str) -> Result<PathBuf> {
    let text = built_in(name).ok_or_else(|| Error::NoRunbook { name: name.to_owned() })?;
    let path = folder.join(format!("{name}.toml"));
    let failed = |error| Error::File { action: "write", path: path.clone(), error };
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut file = std::fs::File::create_new(&path).map_err(failed)?;
    std::io::Write::write_all(&mut file, text.as_bytes()).map_err(failed)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_runbooks_are_whole() {
        for entry in list(None) {
            let runbook = entry.runbook.unwrap_or_else(|error| panic!("{error}"));
            assert!(runbook.steps.len() > 5 && !runbook.description.is_empty(), "{}", entry.name);
        }
    }

    #[test]
    fn an_ejected_runbook_takes_the_place_of_the_built_in_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = eject(folder.path(), "corruption").unwrap();
        assert!(eject(folder.path(), "corruption").is_err());
        let text =
            std::fs::read_to_string(&path).unwrap().replacen("title = \"", "title = \"Our ", 1);
        std::fs::write(&path, text).unwrap();
        let found = find(Some(folder.path()), "corruption").unwrap();
        assert!(found.title.starts_with("Our "), "{}", found.title);
        assert_eq!(list(Some(folder.path())).len(), BUILT_IN.len());
        assert!(find(Some(folder.path()), "../x").is_err());
    }
}
