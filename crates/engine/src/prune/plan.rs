//! Which backups stay and which go: one function over plain data.
//!
//! Its one idea is that **time that has passed cannot be forged**. A backup counts from the moment
//! since when it has been in the vault, by the store's clock, whatever date it gives itself; and
//! what keeps a backup is only ever taken over by one that was there first, or that has been there
//! for as long as backups are kept. So whoever can write into the vault, and floods it with
//! backups of any dates, makes no good one expire before its time.
//!
//! From that follow the two forms that every rule has:
//! - *for each moment of the window* (the last so many days), what was the newest then: everything
//!   in the window, and the newest from before it;
//! - *for each stretch of the calendar*, the one that was there first.
//!
//! A rule only ever keeps. What no rule keeps goes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use lifeboat_archive::{BackupKind, BackupName, Method};

use super::calendar::Unit;
use super::hold::{Hold, hold};
use crate::config::Retention;

/// Backups that stand in for each other: a newer one of the same series can take an older one's
/// place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Series {
    /// What they hold.
    pub kind: BackupKind,
    /// The database, and how it was backed up.
    pub database: Option<(String, Method)>,
}

/// Whether a backup can be restored, as far as can be seen without reading its archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It can.
    Good(Series),
    /// It cannot, or not with the keys at hand. Its kind when its name tells it.
    Damaged(Option<BackupKind>),
    /// A newer program made it, which alone can judge it.
    Unknown,
}

/// A backup as the rules see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its name.
    pub name: BackupName,
    /// Whether it is good.
    pub state: State,
    /// When it was begun, as it says itself.
    pub created: Timestamp,
    /// When it was first stored, by the store's clock.
    pub stored: Timestamp,
    /// It was taken before a restore, of what was replaced.
    pub safety: bool,
    /// It has a valid certificate of a restore.
    pub certified: bool,
    /// The recovery set that it is a part of.
    pub set: Option<String>,
    /// How much it holds of everything, by name.
    pub counts: BTreeMap<String, u64>,
}

impl Candidate {
    /// Since when it has been of use to anybody.
    pub(super) fn since(&self) -> Timestamp {
        self.created.max(self.stored)
    }

    fn order(&self) -> (Timestamp, Timestamp, &BackupName) {
        (self.since(), self.created, &self.name)
    }

    /// The series that it is a good member of. A safety backup is of none: it may hold the very
    /// damage that somebody has repaired.
    pub(super) fn series(&self) -> Option<&Series> {
        match &self.state {
            State::Good(series) if !self.safety => Some(series),
            _ => None,
        }
    }
}

/// What else the decision rests on.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// What time it is.
    pub now: Timestamp,
    /// Backups that something else needs, and what: a base that recovery to a moment in the window
    /// begins with.
    pub needed: &'a BTreeMap<BackupName, String>,
    /// Backups that look poisoned, of which a person has said that they are what they should be.
    pub released: &'a BTreeSet<BackupName>,
}

/// What becomes of a backup, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The backup.
    pub name: BackupName,
    /// It goes.
    pub goes: bool,
    /// Why it stays or goes.
    pub reason: String,
}

/// What becomes of all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// One decision for each backup, in the order they were given.
    pub decisions: Vec<Decision>,
    /// Why nothing expires, when that is so.
    pub holds: Vec<Hold>,
}

/// Decides.
pub fn plan(policy: &Retention, backups: &[Candidate], circumstances: &Circumstances<'_>) -> Plan {
    let holds = hold(policy, backups, circumstances.released);
    let mut rules = Rules::new(policy, backups, circumstances);
    if let Some(hold) = holds.first() {
        let reason = format!("expiry is on hold, as {} looks poisoned", hold.backup);
        (0..backups.len()).for_each(|index| rules.keep(index, || reason.clone()));
    }
    rules.needed();
    rules.each_by_itself();
    rules.newest_before_the_window();
    rules.calendar();
    rules.damaged();
    rules.sets();
    let decisions = backups
        .iter()
        .zip(rules.kept)
        .map(|(backup, kept)| Decision {
            name: backup.name.clone(),
            goes: kept.is_none(),
            reason: kept.unwrap_or_else(|| {
                let age = age(circumstances.now, backup.since());
                format!("{age} old, past the {} that backups are kept", many(policy.days, "day"))
            }),
        })
        .collect();
    Plan { decisions, holds }
}

/// The rules, and what they have kept so far.
struct Rules<'a> {
    policy: &'a Retention,
    backups: &'a [Candidate],
    circumstances: &'a Circumstances<'a>,
    /// Good backups of each series, the one that was there first at the front.
    series: Vec<Vec<usize>>,
    /// Why each stays, for those that do.
    kept: Vec<Option<String>>,
}

impl<'a> Rules<'a> {
    fn new(
        policy: &'a Retention,
        backups: &'a [Candidate],
        circumstances: &'a Circumstances<'a>,
    ) -> Self {
        let mut series: BTreeMap<&Series, Vec<usize>> = BTreeMap::new();
        for (index, backup) in backups.iter().enumerate() {
            if let Some(of) = backup.series() {
                series.entry(of).or_default().push(index);
            }
        }
        let mut series: Vec<Vec<usize>> = series.into_values().collect();
        for members in &mut series {
            members.sort_by_key(|index| backups[*index].order());
        }
        Self { policy, backups, circumstances, series, kept: vec![None; backups.len()] }
    }

    /// The first reason counts.
    fn keep(&mut self, index: usize, reason: impl FnOnce() -> String) {
        self.kept[index].get_or_insert_with(reason);
    }

    fn window_start(&self) -> Timestamp {
        self.circumstances.now.checked_sub(days(self.policy.days)).unwrap_or(Timestamp::MIN)
    }

    fn needed(&mut self) {
        for (index, backup) in self.backups.iter().enumerate() {
            if let Some(what) = self.circumstances.needed.get(&backup.name) {
                self.keep(index, || what.clone());
            }
        }
    }

    fn each_by_itself(&mut self) {
        let now = self.circumstances.now;
        let start = self.window_start();
        let safety = now.checked_sub(days(self.policy.safety_days)).unwrap_or(Timestamp::MIN);
        for (index, backup) in self.backups.iter().enumerate() {
            let since = backup.since();
            if since > now {
                self.keep(index, || "its date is in the future".to_owned());
            }
            if backup.state == State::Unknown {
                self.keep(index, || {
                    "a newer lifeboat made it, which alone can judge it".to_owned()
                });
            }
            if since >= start {
                let kept = many(self.policy.days, "day");
                self.keep(index, || format!("{} old, within {kept}", age(now, since)));
            }
            if backup.safety && since >= safety {
                let kept = many(self.policy.safety_days, "day");
                self.keep(index, || {
                    format!("a safety backup, {} old, within {kept}", age(now, since))
                });
            }
        }
    }

    /// For each moment of the window, the newest at that moment; those in the window are kept by
    /// their age.
    fn newest_before_the_window(&mut self) {
        let start = self.window_start();
        let last = self.policy.keep_last as usize;
        for members in self.series.clone() {
            let before = || members.iter().rev().filter(|i| self.backups[**i].since() < start);
            let newest: Vec<usize> = before().take(last).copied().collect();
            let certified = before().find(|index| self.backups[**index].certified).copied();
            for (place, index) in newest.into_iter().enumerate() {
                let kept = many(self.policy.days, "day");
                self.keep(index, || match place {
                    0 => format!("the newest good one from before the last {kept}"),
                    _ => format!("one of the {last} newest good ones from before the last {kept}"),
                });
            }
            if let Some(index) = certified {
                self.keep(index, || "the newest with a certificate of its restore".to_owned());
            }
        }
    }

    /// One for each stretch of the calendar: the one that was there first.
    fn calendar(&mut self) {
        let now = self.circumstances.now;
        for members in self.series.clone() {
            for (unit, number) in calendar(self.policy) {
                let current = unit.number(now);
                let mut seen = HashSet::new();
                for index in &members {
                    let stretch = unit.number(self.backups[*index].created);
                    let recent = (0..i64::from(number)).contains(&(current - stretch));
                    if recent && seen.insert(stretch) {
                        let word = unit.word();
                        self.keep(*index, || {
                            format!("the first of its {word}, of the last {}", many(number, word))
                        });
                    }
                }
            }
        }
    }

    /// What is damaged stays while it might be the last hope, and with it the good half of its set:
    /// so only what has been there for long enough takes its place.
    fn damaged(&mut self) {
        let start = self.window_start();
        let mut newest: HashMap<Option<BackupKind>, Timestamp> = HashMap::new();
        for backup in self.backups.iter().filter(|backup| backup.since() < start) {
            if let Some(series) = backup.series() {
                for kind in [Some(series.kind), None] {
                    let newest = newest.entry(kind).or_insert(Timestamp::MIN);
                    *newest = backup.since().max(*newest);
                }
            }
        }
        for (index, backup) in self.backups.iter().enumerate() {
            if let State::Damaged(kind) = backup.state
                && newest.get(&kind).is_none_or(|newest| *newest <= backup.since())
            {
                self.keep(index, || "damaged, but no newer one of that age is good".to_owned());
            }
        }
    }

    /// The halves of a recovery set live as long as each other.
    fn sets(&mut self) {
        let of = |backup: &'a Candidate| backup.set.as_deref();
        let kept: HashSet<&str> = self
            .backups
            .iter()
            .zip(&self.kept)
            .filter_map(|(backup, kept)| kept.as_ref().and(of(backup)))
            .collect();
        for (index, backup) in self.backups.iter().enumerate() {
            if let Some(set) = of(backup).filter(|set| kept.contains(set)) {
                self.keep(index, || format!("the other half of {set} stays"));
            }
        }
    }
}

fn days(number: u32) -> SignedDuration {
    SignedDuration::from_hours(i64::from(number) * 24)
}

/// The rules that keep one backup for each stretch of the calendar.
fn calendar(policy: &Retention) -> [(Unit, u32); 5] {
    [
        (Unit::Hour, policy.keep_hourly),
        (Unit::Day, policy.keep_daily),
        (Unit::Week, policy.keep_weekly),
        (Unit::Month, policy.keep_monthly),
        (Unit::Year, policy.keep_yearly),
    ]
}

/// For people: how long something has been there.
fn age(now: Timestamp, since: Timestamp) -> String {
    let hours = now.duration_since(since).as_hours();
    let (number, unit) = if hours < 48 { (hours, "hour") } else { (hours / 24, "day") };
    many(u32::try_from(number).unwrap_or(0), unit)
}

fn many(number: u32, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}
