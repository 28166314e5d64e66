//! Reading and writing `neo4j.conf`.
//!
//! Only what is needed here: one setting a line, `name=value`, comments with `#`. Neo4j refuses a
//! file that sets a name twice, so settings are replaced rather than appended.

use crate::Error;

/// The value of a setting, if the text sets it.
pub(crate) fn get<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().filter_map(setting).find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// A configuration made of a base text, in which the given settings stand instead of those of the
/// same name. Later settings win over earlier ones.
pub(crate) fn merge(base: &str, settings: &[(String, String)]) -> Result<String, Error> {
    for (name, value) in settings {
        check(name, value)?;
    }
    let mut text = String::new();
    for line in base.lines() {
        let replaced =
            setting(line).is_some_and(|(key, _)| settings.iter().any(|(name, _)| name == key));
        if !replaced {
            text.push_str(line);
            text.push('\n');
        }
    }
    for (index, (name, value)) in settings.iter().enumerate() {
        if settings[index + 1..].iter().all(|(later, _)| later != name) {
            text.push_str(name);
            text.push('=');
            text.push_str(value);
            text.push('\n');
        }
    }
    Ok(text)
}

/// The name and the value of a line, unless it is empty or a comment.
fn setting(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    if line.starts_with(['#', '!']) {
        return None;
    }
    let (name, value) = line.split_once('=')?;
    Some((name.trim(), value.trim()))
}

fn check(name: &str, value: &str) -> Result<(), Error> {
    let why = if name.is_empty()
        || !name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    {
        "a name is made of letters, digits, dots, dashes and underscores"
    } else if value.contains(['\n', '\r']) {
        "its value holds a line break"
    } else {
        return Ok(());
    };
    Err(Error::BadSetting { name: name.to_owned(), why })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    }

    #[test]
    fn settings_replace_those_of_the_same_name() {
        let base = "# a comment\nserver.a=1\n server.b = 2\n#server.a=3\n";
        let text = merge(base, &pairs(&[("server.b", "x"), ("server.c", "y")])).unwrap();
        assert_eq!(text, "# a comment\nserver.a=1\n#server.a=3\nserver.b=x\nserver.c=y\n");
    }

    #[test]
    fn the_last_one_given_wins() {
        assert_eq!(merge("", &pairs(&[("a", "1"), ("b", "2"), ("a", "3")])).unwrap(), "b=2\na=3\n");
    }

    #[test]
    fn reads_settings_but_not_comments() {
        let text = "#a=1\n a = 2 \nb=x=y\n";
        assert_eq!(get(text, "a"), Some("2"));
        assert_eq!(get(text, "b"), Some("x=y"));
        assert_eq!(get(text, "c"), None);
    }

    #[test]
    fn nothing_can_be_smuggled_in() {
        assert!(merge("", &pairs(&[("a", "1\nb=2")])).is_err());
        assert!(merge("", &pairs(&[("a=1\nb", "2")])).is_err());
        assert!(merge("", &pairs(&[("", "2")])).is_err());
    }
}
