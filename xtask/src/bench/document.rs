//! `docs/benchmarks.md`, of which each benchmark writes its own part.

use std::fs;

use anyhow::Context;
use lifeboat_testkit::folders;

const HEAD: &str = "\
# Benchmarks

Written by `cargo xtask bench`, each part when that benchmark was last run. Whatever is compared ran
in turn on the same machine and the same data; a ratio is the median of the ratios within each turn.
";

/// Puts a benchmark's part into the document, in the place of what it wrote before.
///
/// # Errors
/// When the document cannot be read or written.
pub(super) fn put(name: &str, text: &str) -> anyhow::Result<()> {
    let path = folders::workspace().join("docs/benchmarks.md");
    let document = match fs::read_to_string(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(HEAD.to_owned()),
        other => other,
    };
    let written = document.and_then(|document| fs::write(&path, replaced(&document, name, text)));
    written.with_context(|| format!("cannot write {}", path.display()))
}

/// The document with this part; a new one comes last.
fn replaced(document: &str, name: &str, text: &str) -> String {
    let (begin, end) = (format!("<!-- bench: {name} -->"), format!("<!-- end: {name} -->"));
    let part = format!("{begin}\n{}\n{end}", text.trim());
    let there = document.find(&begin).and_then(|from| {
        let to = from + document[from..].find(&end)? + end.len();
        Some((&document[..from], &document[to..]))
    });
    match there {
        Some((before, after)) => format!("{before}{part}{after}"),
        None => format!("{}\n\n{part}\n", document.trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_part_changes() {
        let document = replaced(&replaced("# Head\n", "a", "first"), "b", "second");
        assert_eq!(
            document,
            "# Head\n\n<!-- bench: a -->\nfirst\n<!-- end: a -->\n\n\
             <!-- bench: b -->\nsecond\n<!-- end: b -->\n"
        );
        assert_eq!(replaced(&document, "a", "third\n"), document.replace("first", "third"));
    }
}
