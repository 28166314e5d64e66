//! Builds rows with few words.

use std::collections::HashMap;
use std::sync::{LazyLock, RwLock};

use lifeboat_bolt::packstream::Value;

use crate::graph::{Name, NodeRow, Properties};

/// Collects the properties of a row.
#[derive(Default)]
pub(super) struct RowBuilder(Properties);

impl RowBuilder {
    pub(super) fn value(mut self, key: &'static str, value: Value) -> Self {
        self.0.push((name(key), value));
        self
    }

    pub(super) fn text(self, key: &'static str, text: impl Into<String>) -> Self {
        self.value(key, Value::String(text.into()))
    }

    pub(super) fn opt_text(self, key: &'static str, text: Option<impl Into<String>>) -> Self {
        match text {
            Some(text) => self.text(key, text),
            None => self,
        }
    }

    /// A list of strings; left out when it is empty.
    pub(super) fn texts(self, key: &'static str, texts: impl IntoIterator<Item = String>) -> Self {
        let items: Vec<_> = texts.into_iter().map(Value::String).collect();
        if items.is_empty() { self } else { self.value(key, Value::List(items)) }
    }

    pub(super) fn int(self, key: &'static str, number: usize) -> Self {
        self.value(key, Value::Int(number as i64))
    }

    pub(super) fn flag(self, key: &'static str, set: bool) -> Self {
        if set { self.value(key, Value::Bool(true)) } else { self }
    }

    pub(super) fn build(self) -> Properties {
        self.0
    }

    pub(super) fn node(self, labels: &[&str]) -> NodeRow {
        NodeRow { labels: labels.iter().map(|l| name(l)).collect(), properties: self.0 }
    }
}

/// The one shared copy of a name.
pub(super) fn name(text: &str) -> Name {
    static NAMES: LazyLock<RwLock<HashMap<String, Name>>> = LazyLock::new(RwLock::default);
    if let Ok(names) = NAMES.read()
        && let Some(found) = names.get(text)
    {
        return Name::clone(found);
    }
    let made = Name::from(text);
    match NAMES.write() {
        Ok(mut names) => Name::clone(names.entry(text.to_owned()).or_insert(made)),
        Err(_) => made,
    }
}
