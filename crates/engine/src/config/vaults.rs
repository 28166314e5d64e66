//! `[vault]`: one section for each vault, and which of them is in use.

use std::path::Path;

use serde::Deserialize;

use super::VaultSection;
use crate::vaults::Role;

/// `[vault.…]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawSections")]
pub struct VaultSections {
    /// Which one is written to, and read first: `active`, the primary unless it says otherwise.
    pub active: Role,
    /// `[vault.primary]`.
    pub primary: Option<VaultSection>,
    /// `[vault.secondary]`: the copy, in another region.
    pub secondary: Option<VaultSection>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawSections {
    active: Option<Role>,
    primary: Option<VaultSection>,
    secondary: Option<VaultSection>,
}

impl TryFrom<RawSections> for VaultSections {
    type Error = String;

    fn try_from(raw: RawSections) -> Result<Self, String> {
        let RawSections { active, primary, secondary } = raw;
        if secondary.is_some() && primary.is_none() {
            return Err("there is a secondary vault and no primary one; a vault that is alone is \
                        [vault.primary]"
                .to_owned());
        }
        let sections = Self { active: active.unwrap_or_default(), primary, secondary };
        if active.is_some() && sections.section(sections.active).is_none() {
            return Err(format!(
                "active names the {0} vault, and there is no [vault.{0}]",
                sections.active
            ));
        }
        if let (Some(primary), Some(secondary)) = (&sections.primary, &sections.secondary)
            && primary.url == secondary.url
            && primary.endpoint == secondary.endpoint
        {
            return Err("the primary and the secondary vault are the same place".to_owned());
        }
        Ok(sections)
    }
}

impl VaultSections {
    /// The section of a role.
    pub fn section(&self, role: Role) -> Option<&VaultSection> {
        match role {
            Role::Primary => self.primary.as_ref(),
            Role::Secondary => self.secondary.as_ref(),
        }
    }

    pub(super) fn resolve(&mut self, folder: &Path) {
        for section in [&mut self.primary, &mut self.secondary].into_iter().flatten() {
            section.resolve(folder);
        }
    }
}
