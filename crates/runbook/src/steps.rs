//! The kinds of steps, one file each.

mod ask;
mod backup;
mod check;
mod command;
mod database;
mod deploy;
mod fence;
mod notify;
mod provision;
mod recovery_point;
mod replicate;
mod restore_config;
mod restore_database;
mod services;
mod traffic;
mod verify;
mod wait;

use serde::de::{DeserializeOwned, IntoDeserializer as _};
use toml::Spanned;
use toml::de::DeTable;

use crate::action::Action;

pub(crate) use database::stop as stop_database;
pub(crate) use recovery_point::newest as newest_point;

/// Reads the options of a step of some kind.
pub(crate) type Reader = fn(Spanned<DeTable<'_>>) -> Result<Box<dyn Action>, toml::de::Error>;

fn read<A: Action + DeserializeOwned + 'static>(
    options: Spanned<DeTable<'_>>,
) -> Result<Box<dyn Action>, toml::de::Error> {
    Ok(Box::new(A::deserialize(options.into_deserializer())?))
}

/// All kinds, by name, and what each is for.
pub const KINDS: [(&str, &str); 17] = [
    ("ask", "waits until a person agrees"),
    ("backup", "makes a backup of an environment's database"),
    ("check", "looks whether something holds"),
    ("command", "runs a command"),
    ("database", "starts or stops the database's server"),
    ("deploy", "has services run the images of the restored configuration"),
    ("fence", "keeps an environment from coming back, or lets it again"),
    ("notify", "tells people"),
    ("provision", "makes an environment's resources, or removes them"),
    ("recovery-point", "chooses what is restored"),
    ("replicate", "brings one vault what it lacks of the other"),
    ("restore-config", "restores the application's configuration"),
    ("restore-database", "restores the database"),
    ("services", "stops, starts or scales services"),
    ("traffic", "points the application's name and endpoints at an environment"),
    ("verify", "proves that the database and the application work"),
    ("wait", "waits for some time"),
];

/// What reads a kind of step.
pub(crate) fn reader(kind: &str) -> Option<Reader> {
    Some(match kind {
        "ask" => read::<ask::Ask>,
        "backup" => read::<backup::Backup>,
        "check" => read::<check::Check>,
        "command" => read::<command::Command>,
        "database" => read::<database::Database>,
        "deploy" => read::<deploy::Deploy>,
        "fence" => read::<fence::FenceStep>,
        "notify" => read::<notify::Notify>,
        "provision" => read::<provision::ProvisionStep>,
        "recovery-point" => read::<recovery_point::RecoveryPoint>,
        "replicate" => read::<replicate::Replicate>,
        "restore-config" => read::<restore_config::RestoreConfig>,
        "restore-database" => read::<restore_database::RestoreDatabase>,
        "services" => read::<services::Services>,
        "traffic" => read::<traffic::Traffic>,
        "verify" => read::<verify::Verify>,
        "wait" => read::<wait::Wait>,
        _ => return None,
    })
}

/// The names of all kinds.
pub(crate) fn names() -> String {
    KINDS.map(|(name, _)| name).join(", ")
}

/// A word with a capital letter at its beginning.
fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read() {
        for (kind, what) in KINDS {
            assert!(reader(kind).is_some() && !what.is_empty(), "{kind}");
        }
        assert!(reader("").is_none());
    }
}
