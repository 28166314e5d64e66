//! A text with places for values: `restore {steps.choose.backup} into {inputs.environment}`.
//!
//! `{inputs.NAME}` is an input of the runbook, `{steps.ID.NAME}` an output of a step before, and
//! `{run.id}`, `{run.declared}`, `{run.drill}` tell of the run. `{{` and `}}` stand for a brace.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Deserializer, de};
use toml::Spanned;

use crate::value::is_name;

/// What a place refers to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reference {
    /// An input of the runbook.
    Input(String),
    /// An output of a step.
    Output {
        /// The step.
        step: String,
        /// The output's name.
        name: String,
    },
    /// Something about the run itself: `id`, `declared` or `drill`.
    Run(String),
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(name) => write!(f, "{{inputs.{name}}}"),
            Self::Output { step, name } => write!(f, "{{steps.{step}.{name}}}"),
            Self::Run(name) => write!(f, "{{run.{name}}}"),
        }
    }
}

/// What can be said about a run: its `id`, when it was `declared`, and the id of the `drill`, which
/// is empty when this is none.
pub const RUN_VALUES: [&str; 3] = ["id", "declared", "drill"];

/// A text with places for values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
    /// Where it stands in its file.
    span: Option<Range<usize>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Place(Reference),
}

impl Template {
    /// Reads a text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                plain.push_str(brace);
                rest = after;
                continue;
            }
            if brace == "}" {
                return Err(format!("{text:?} has a }} without a {{; write }}}} for a brace"));
            }
            let Some((place, after)) = rest.split_once('}') else {
                return Err(format!("{text:?} has a {{ without a }}; write {{{{ for a brace"));
            };
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(Part::Place(reference(place)?));
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self { parts, span: None })
    }

    /// Where it stands in its file, in bytes; `None` when it does not come from one.
    pub fn span(&self) -> Option<Range<usize>> {
        self.span.clone()
    }

    /// All it refers to.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        self.parts.iter().filter_map(|part| match part {
            Part::Place(reference) => Some(reference),
            Part::Text(_) => None,
        })
    }

    /// The reference, when it is nothing but one.
    pub fn as_reference(&self) -> Option<&Reference> {
        match self.parts.as_slice() {
            [Part::Place(reference)] => Some(reference),
            _ => None,
        }
    }

    /// The text, when it has no places.
    pub fn as_text(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The text with values in its places.
    ///
    /// # Errors
    /// The first reference whose value is not known.
    pub fn resolve(&self, values: &Values) -> Result<String, Reference> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Place(reference) => {
                    text.push_str(values.get(reference).ok_or_else(|| reference.clone())?);
                }
            }
        }
        Ok(text)
    }

    /// The text with the values that are known; other places stand as they were written.
    pub fn show(&self, values: &Values) -> String {
        let part = |part: &Part| match part {
            Part::Text(plain) => plain.clone(),
            Part::Place(reference) => {
                values.get(reference).map_or_else(|| reference.to_string(), ToOwned::to_owned)
            }
        };
        self.parts.iter().map(part).collect()
    }
}

fn reference(place: &str) -> Result<Reference, String> {
    let parts: Vec<&str> = place.split('.').collect();
    match parts.as_slice() {
        ["inputs", name] if is_name(name) => Ok(Reference::Input((*name).to_owned())),
        ["steps", step, name] if is_name(step) && is_name(name) => {
            Ok(Reference::Output { step: (*step).to_owned(), name: (*name).to_owned() })
        }
        ["run", name] if RUN_VALUES.contains(name) => Ok(Reference::Run((*name).to_owned())),
        _ => Err(format!(
            "{{{place}}} refers to nothing; write {{inputs.NAME}}, {{steps.ID.OUTPUT}}, or one of \
             {{run.id}}, {{run.declared}}, {{run.drill}}"
        )),
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Spanned::<String>::deserialize(deserializer)?;
        let template = Self::parse(text.as_ref()).map_err(de::Error::custom)?;
        Ok(Self { span: Some(text.span()), ..template })
    }
}

/// The values that are known at a point of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Values {
    known: BTreeMap<Reference, String>,
}

impl Values {
    /// The value of a reference.
    pub fn get(&self, reference: &Reference) -> Option<&str> {
        self.known.get(reference).map(String::as_str)
    }

    /// Learns a value.
    pub fn set(&mut self, reference: Reference, value: impl Into<String>) {
        self.known.insert(reference, value.into());
    }

    /// Learns an input.
    pub fn input(&mut self, name: &str, value: impl Into<String>) {
        self.set(Reference::Input(name.to_owned()), value);
    }

    /// Learns what a step has put out.
    pub fn outputs(&mut self, step: &str, outputs: &BTreeMap<String, String>) {
        for (name, value) in outputs {
            self.set(Reference::Output { step: step.to_owned(), name: name.clone() }, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_take_values() {
        let template = Template::parse("a {{b}} {inputs.x}-{steps.one.out}").unwrap();
        let mut values = Values::default();
        values.input("x", "1");
        assert_eq!(template.show(&values), "a {b} 1-{steps.one.out}");
        let missing = template.resolve(&values).unwrap_err();
        assert_eq!(missing.to_string(), "{steps.one.out}");
        values.outputs("one", &BTreeMap::from([("out".to_owned(), "2".to_owned())]));
        assert_eq!(template.resolve(&values).as_deref(), Ok("a {b} 1-2"));
        assert_eq!(template.references().count(), 2);
        assert_eq!(Template::parse("").unwrap().as_text(), Some(""));
        assert!(Template::parse("{run.id}").unwrap().as_reference().is_some());
    }

    #[test]
    fn what_refers_to_nothing_is_refused() {
        for text in ["{", "}", "{x}", "{inputs.}", "{inputs.X}", "{steps.a}", "{run.me}", "{a{b}}"]
        {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }
}
