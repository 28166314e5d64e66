//! The list of backups.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;
use lifeboat::format::{Certificate, FileKind};
use lifeboat::ship::Window;
use lifeboat::vault::Certified;
use lifeboat::vaults::{Located, Role};
use lifeboat_runbook::predict::Rates;
use serde::Serialize;

use super::place::Place;
use super::status::window_words;
use super::trial;
use crate::output::{RED, paint};
use crate::units;
use lifeboat::select::safety_of;
use lifeboat::sets::{RecoverySet, set_of};

/// The list.
#[derive(Debug, Serialize)]
pub(crate) struct List {
    /// The vault's address.
    pub(crate) vault: String,
    #[serde(flatten)]
    pub(crate) place: Place,
    /// Why the backups of the other region are not in the list.
    pub(crate) unanswered: Option<String>,
    /// Newest first.
    pub(crate) backups: Vec<Row>,
    /// What can be recovered to any transaction in it, by shipped logs.
    pub(crate) windows: Vec<WindowRow>,
    /// Whether there are two regions.
    #[serde(skip)]
    pub(crate) two: bool,
}

/// A window, and how long a recovery to its end will take.
#[derive(Debug, Serialize)]
pub(crate) struct WindowRow {
    #[serde(flatten)]
    window: Window,
    /// With all of its log, from its base; `None` when nothing like it was ever tried.
    predicted_rto_seconds: Option<f64>,
}

impl WindowRow {
    pub(crate) fn new(window: Window, predicted: Option<Duration>) -> Self {
        Self { window, predicted_rto_seconds: predicted.map(super::seconds) }
    }

    fn text(&self) -> String {
        let mut text = window_words(&self.window);
        if let Some(seconds) = self.predicted_rto_seconds {
            let time = Duration::try_from_secs_f64(seconds).unwrap_or_default();
            let _ = write!(text, "; at its end in about {}", units::took(time));
        }
        text
    }
}

/// A backup in the list.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    name: String,
    /// The regions that have it just so; none for a vault that stands in no settings.
    regions: Vec<Role>,
    created: Timestamp,
    age_seconds: i64,
    size: u64,
    method: Option<String>,
    nodes: Option<u64>,
    relationships: Option<u64>,
    exact: Option<bool>,
    first_tx: Option<u64>,
    last_tx: Option<u64>,
    /// The backup was taken before that one was restored.
    safety_backup_before: Option<String>,
    /// What the newest trial restore of it has shown.
    certificate: Option<Certificate>,
    /// Why its certificate is worth nothing, when that is so.
    certificate_invalid: Option<String>,
    /// How long a recovery from it will take, by what trial restores have measured; `None` when
    /// nothing like it was ever tried.
    predicted_rto_seconds: Option<f64>,
    /// Since when it has been marked by `prune`, to be deleted.
    marked: Option<Timestamp>,
    /// The recovery set that it belongs to.
    recovery_set: Option<String>,
    /// What the set lacks: `database` or `config`.
    recovery_set_lacks: Option<String>,
    /// `intact` or `damaged`; as far as can be seen without reading the archive.
    state: &'static str,
    damage: Option<String>,
    /// When the list was made.
    #[serde(skip)]
    now: Timestamp,
}

impl Row {
    pub(crate) fn new(located: &Located, rates: &Rates, now: Timestamp) -> Self {
        let Located { listed, regions } = located;
        let manifest = listed.manifest.as_ref().ok();
        let database = manifest.and_then(|manifest| manifest.database.as_ref());
        let counts = database.and_then(|database| database.counts.as_ref());
        let snapshot = database.and_then(|database| database.snapshot);
        let created = listed.created();
        Self {
            name: listed.name.to_string(),
            regions: regions.clone(),
            created,
            age_seconds: now.duration_since(created).as_secs(),
            size: listed.size,
            method: database.map(|database| database.method.to_string()),
            nodes: counts.map(|counts| counts.nodes),
            relationships: counts.map(|counts| counts.relationships),
            exact: snapshot.map(|snapshot| snapshot.exact),
            first_tx: snapshot.map(|snapshot| snapshot.first_tx),
            last_tx: snapshot.map(|snapshot| snapshot.last_tx),
            safety_backup_before: manifest.and_then(|m| safety_of(m)).map(str::to_owned),
            certificate: listed.certificate.as_ref().and_then(Certified::valid).cloned(),
            certificate_invalid: match &listed.certificate {
                Some(Certified::Invalid(why)) => Some(why.clone()),
                _ => None,
            },
            predicted_rto_seconds: manifest
                .and_then(|manifest| rates.restore(manifest, None))
                .map(super::seconds),
            marked: listed.beside(FileKind::Mark).map(|mark| mark.modified),
            recovery_set: manifest.and_then(|m| set_of(m)).map(|set| set.to_string()),
            recovery_set_lacks: None,
            state: if listed.is_intact() { "intact" } else { "damaged" },
            damage: listed.manifest.as_ref().err().map(ToString::to_string),
            now,
        }
    }

    /// Says of every backup whether its recovery set is whole.
    pub(crate) fn tell_sets(rows: &mut [Self], sets: &[RecoverySet]) {
        let lacking: HashMap<_, _> = sets
            .iter()
            .filter_map(|set| Some((set.name.as_str(), set.missing()?.to_string())))
            .collect();
        for row in rows {
            let lacks = row.recovery_set.as_deref().and_then(|set| lacking.get(set));
            row.recovery_set_lacks = lacks.cloned();
        }
    }

    fn cells(&self) -> [String; 9] {
        let number = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), units::count);
        let mut state = match (&self.damage, &self.safety_backup_before) {
            (Some(damage), _) => format!("damaged: {damage}"),
            (None, Some(restored)) => format!("ok, safety backup before {restored} was restored"),
            (None, None) => "ok".to_owned(),
        };
        if let Some(certificate) = &self.certificate {
            state.push_str(", ");
            state.push_str(&trial::line(certificate, self.now));
        }
        if let Some(why) = &self.certificate_invalid {
            state.push_str(", with an invalid certificate: ");
            state.push_str(why);
        }
        if let Some(seconds) = self.predicted_rto_seconds {
            let time = Duration::try_from_secs_f64(seconds).unwrap_or_default();
            let _ = write!(state, ", back in about {}", units::took(time));
        }
        if self.marked.is_some() {
            state.push_str(", marked by prune");
        }
        if let Some(set) = &self.recovery_set {
            state.push_str(", in ");
            state.push_str(set);
        }
        if let Some(half) = &self.recovery_set_lacks {
            let _ = write!(state, ", which lacks its {half} backup");
        }
        [
            self.name.clone(),
            units::age(jiff::SignedDuration::from_secs(self.age_seconds)),
            units::size(self.size),
            number(self.nodes),
            number(self.relationships),
            self.method.clone().unwrap_or_else(|| "-".to_owned()),
            match self.exact {
                Some(true) => "exact",
                Some(false) => "fuzzy",
                None => "-",
            }
            .to_owned(),
            match self.regions.as_slice() {
                [] => "-",
                [region] => region.as_str(),
                _ => "both",
            }
            .to_owned(),
            state,
        ]
    }
}

const HEAD: [&str; 9] =
    ["NAME", "AGE", "SIZE", "NODES", "RELATIONSHIPS", "METHOD", "SNAPSHOT", "REGION", "STATE"];

/// Columns of numbers, which stand to the right.
const RIGHT: [bool; 9] = [false, true, true, true, true, false, false, false, false];

/// The column that only two regions have.
const REGION: usize = 7;

impl List {
    /// A table; nothing when there are no backups.
    pub(crate) fn text(&self, colour: bool) -> String {
        if self.backups.is_empty() {
            return String::new();
        }
        let mut rows = vec![HEAD.map(str::to_owned)];
        rows.extend(self.backups.iter().map(Row::cells));
        let width: Vec<usize> = (0..HEAD.len())
            .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
            .collect();
        let mut text = String::new();
        for (index, row) in rows.iter().enumerate() {
            let line: Vec<String> = row
                .iter()
                .enumerate()
                .filter(|(column, _)| self.two || *column != REGION)
                .map(|(column, cell)| {
                    let width = width[column];
                    if RIGHT[column] {
                        format!("{cell:>width$}")
                    } else {
                        format!("{cell:<width$}")
                    }
                })
                .collect();
            let line = line.join("  ");
            let damaged = index > 0 && self.backups[index - 1].damage.is_some();
            text.push_str(&paint(colour && damaged, RED, line.trim_end()));
            text.push('\n');
        }
        for window in &self.windows {
            let _ = writeln!(text, "{}", window.text());
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list() -> List {
        let good = |name: &str, age_seconds, exact| Row {
            name: name.to_owned(),
            regions: vec![Role::Primary, Role::Secondary],
            created: "2026-11-24T02:00:00Z".parse().unwrap(),
            age_seconds,
            size: 45_823_921,
            method: Some("logical".to_owned()),
            nodes: Some(276_539),
            relationships: Some(197_175),
            exact: Some(exact),
            first_tx: Some(12),
            last_tx: Some(14),
            safety_backup_before: None,
            certificate: None,
            certificate_invalid: None,
            predicted_rto_seconds: None,
            marked: None,
            recovery_set: None,
            recovery_set_lacks: None,
            state: "intact",
            damage: None,
            now: "2026-11-24T09:13:20Z".parse().unwrap(),
        };
        let safety = Row {
            regions: vec![Role::Primary],
            safety_backup_before: Some("neo4j-backup-20261124-020000".to_owned()),
            ..good("neo4j-backup-20261124-090000", 120, true)
        };
        let damaged = Row {
            regions: vec![Role::Secondary],
            size: 0,
            method: None,
            nodes: None,
            relationships: None,
            exact: None,
            first_tx: None,
            last_tx: None,
            state: "damaged",
            damage: Some("its archive before-upgrade.tar.gz is missing".to_owned()),
            ..good("before-upgrade", 9_000_000, true)
        };
        let mut certified = good("neo4j-backup-20261124-020000", 26_000, false);
        certified.certificate = Some(trial::sample::certificate());
        certified.predicted_rto_seconds = Some(41.2);
        let mut marked = good("neo4j-backup-20261020-020000", 3_050_000, true);
        marked.certificate_invalid = Some("it does not match its own digest".to_owned());
        marked.marked = Some("2026-11-24T02:30:00Z".parse().unwrap());
        let half = Row {
            method: None,
            nodes: None,
            relationships: None,
            exact: None,
            recovery_set: Some("set-20261124-010000".to_owned()),
            recovery_set_lacks: Some("database".to_owned()),
            ..good("config-backup-20261124-010000", 29_600, true)
        };
        let backups = vec![safety, half, certified, marked, damaged];
        List {
            vault: "/var/backups/neo4j".to_owned(),
            place: Place::default(),
            unanswered: None,
            backups,
            windows: Vec::new(),
            two: false,
        }
    }

    #[test]
    fn is_a_table() {
        insta::assert_snapshot!(list().text(false));
        insta::assert_snapshot!("regions", List { two: true, ..list() }.text(false));
        assert_eq!(list().text(true).matches("\x1b[1;31m").count(), 1);
        assert_eq!(List { backups: Vec::new(), ..list() }.text(true), "");
    }

    #[test]
    fn is_a_document() {
        insta::assert_json_snapshot!(list());
    }
}
