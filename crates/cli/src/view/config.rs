//! The settings that hold.

use serde::Serialize;

use super::pairs;

/// All of them.
#[derive(Debug, Serialize)]
pub(crate) struct Effective {
    /// The file, if there is one.
    pub(crate) file: Option<String>,
    pub(crate) settings: Vec<Setting>,
}

/// One of them; never a secret.
#[derive(Debug, Serialize)]
pub(crate) struct Setting {
    pub(crate) key: String,
    pub(crate) value: Option<String>,
    /// Where it comes from.
    pub(crate) origin: Option<&'static str>,
}

impl Effective {
    /// What a person reads.
    pub(crate) fn text(&self) -> String {
        let head = match &self.file {
            Some(file) => format!("{file} is good\n"),
            None => "there is no settings file\n".to_owned(),
        };
        let lines: Vec<_> = self
            .settings
            .iter()
            .map(|setting| {
                let text = match (&setting.value, setting.origin) {
                    (Some(value), Some(origin)) => format!("{value}  ({origin})"),
                    _ => "not set".to_owned(),
                };
                (&setting.key, text)
            })
            .collect();
        format!("{head}{}", pairs(&lines))
    }
}
