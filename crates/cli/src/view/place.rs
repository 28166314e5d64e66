//! Where something was read: which of two vaults, and why not the other.

use lifeboat::vaults::{Fallback, Region, Role};
use serde::Serialize;

/// Members of a document that tell it.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Place {
    /// `primary` or `secondary`; nothing for a vault that stands in no settings.
    region: Option<&'static str>,
    /// Why it is not the active one.
    fallback: Option<String>,
}

impl Place {
    pub(crate) fn new(region: &Region, fallback: Option<&Fallback>) -> Self {
        Self {
            region: region.role.map(Role::as_str),
            fallback: fallback.map(|fallback| fallback.reason.clone()),
        }
    }

    /// Adds the members to an object.
    pub(crate) fn add_to(&self, document: &mut serde_json::Value) {
        if let (Some(object), Ok(serde_json::Value::Object(members))) =
            (document.as_object_mut(), serde_json::to_value(self))
        {
            object.extend(members);
        }
    }
}
