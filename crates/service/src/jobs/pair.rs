//! The two jobs that make a recovery set: when they are due at the same times, each time is a set.
//!
//! Nothing passes between them. The name of a set is its time, and both know when they are due; so
//! each makes its half of it, in either order, later or again.

use lifeboat::config::{Config, JobKind};
use lifeboat::sets::SetName;

use crate::job::RunContext;

/// Whether database and configuration are backed up together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pair(bool);

impl Pair {
    /// As the settings say; `possible` tells of each job whether it can be done.
    pub(super) fn of(config: &Config, possible: bool) -> Self {
        let schedule = &config.schedule;
        let both = [JobKind::Backup, JobKind::ConfigBackup];
        let wanted = both.iter().all(|kind| schedule.wanted(*kind) != Some(false));
        let [database, configuration] = both.map(|kind| schedule.schedule(kind).timing);
        Self(possible && wanted && !config.config_backup.is_empty() && database == configuration)
    }

    /// What goes into the manifest of a half.
    pub(super) fn notes(self, run: &RunContext) -> Vec<(String, String)> {
        let mut notes = vec![("service-run".to_owned(), run.id.clone())];
        if let Some(due) = run.due.filter(|_| self.0) {
            notes.push(SetName::at(due).note());
        }
        notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(settings: &str) -> Pair {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lifeboat.toml");
        std::fs::write(&path, settings).unwrap();
        Pair::of(&Config::load(&path).unwrap(), true)
    }

    const CONFIGURATION: &str = "[config_backup]\ninclude = [\"app.conf\"]\n";

    #[test]
    fn what_is_due_together_is_a_set() {
        let due: jiff::Timestamp = "2026-11-25T02:00:00Z".parse().unwrap();
        let run = RunContext { id: "backup-7".to_owned(), due: Some(due), ..RunContext::default() };
        let notes = pair(CONFIGURATION).notes(&run);
        let set = ("recovery-set".to_owned(), "set-20261125-020000".to_owned());
        assert_eq!(notes, [("service-run".to_owned(), "backup-7".to_owned()), set]);
        // Nobody knows what one that was asked for belongs to.
        let asked = RunContext { due: None, ..run.clone() };
        assert_eq!(pair(CONFIGURATION).notes(&asked).len(), 1);
    }

    #[test]
    fn what_is_due_apart_is_none() {
        for more in [
            "[schedule.backup]\ncron = \"0 3 * * *\"",
            "[schedule.config-backup]\nzone = \"Europe/Berlin\"",
            "[schedule.config-backup]\nenabled = false",
        ] {
            assert_eq!(pair(&format!("{CONFIGURATION}{more}")), Pair(false), "{more}");
        }
        assert_eq!(pair(""), Pair(false), "there is no configuration to back up");
        let same = "[schedule.backup]\ncron = \"0 3 * * *\"\n\
                    [schedule.config-backup]\ncron = \"0 3 * * *\"";
        assert_eq!(pair(&format!("{CONFIGURATION}{same}")), Pair(true));
    }
}
