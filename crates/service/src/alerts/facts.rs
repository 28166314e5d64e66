//! What the rules look at, as plain data, and what they find.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lifeboat::config::{JobKind, Objectives, Severity};

use super::alert::Condition;
use super::book::Finding;
use super::rule::Rule;
use crate::catalog::{Backup, Backups};
use crate::event::What;
use crate::run::{Run, Status};
use crate::snapshot::{JobView, Snapshot};

/// How much later than due a run may begin without a word.
const LATE: SignedDuration = SignedDuration::from_mins(15);

/// How long a backup may take beyond the RPO: the newest one is dated by its beginning.
const RPO_GRACE: Duration = Duration::from_hours(2);

/// A run that is shorter is never too slow.
const SLOW: Duration = Duration::from_mins(10);

/// For how long a job may be paused without a word.
const PAUSED: SignedDuration = SignedDuration::from_hours(72);

/// How much may be written without being shipped, when the RPO is not shorter.
const LAG: Duration = Duration::from_mins(10);

/// How long a first base may take: until then nothing that is shipped can be replayed.
const UNPROTECTED: SignedDuration = SignedDuration::from_mins(30);

/// How long the vault, or a leader, may be away without a word.
const AWAY: SignedDuration = SignedDuration::from_mins(10);

/// How things stand.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The time.
    pub now: Timestamp,
    /// Jobs, and who leads.
    pub snapshot: Arc<Snapshot>,
    /// How long a run of a job usually takes.
    pub usual: BTreeMap<JobKind, Duration>,
    /// The backups, when they could be listed.
    pub backups: Option<Arc<Backups>>,
    /// Since when they cannot be, and why.
    pub vault_away: Option<(Timestamp, String)>,
    /// How shipping of the logs stands, when that is a job and can be told.
    pub shipping: Option<Shipping>,
    /// Since when no instance leads.
    pub leaderless: Option<Timestamp>,
    /// Disks: where, free and all bytes.
    pub disks: Vec<(String, u64, u64)>,
    /// Certificates: which, and until when they hold.
    pub certificates: Vec<(String, Timestamp)>,
    /// Channels that do not deliver: which, and why.
    pub channels: Vec<(String, String)>,
    /// What is wanted.
    pub limits: Limits,
}

/// How far the logs are shipped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shipping {
    /// How much would be lost now; `None` when what is shipped cannot be replayed.
    pub exposure: Option<Duration>,
    /// Since when it cannot.
    pub unprotected: Option<Timestamp>,
    /// Databases of whose logs some are missing, and which.
    pub gaps: Vec<(String, String)>,
}

/// From when on something is worth a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// RPO, RTO and the like.
    pub objectives: Objectives,
    /// The least percentage of a disk that is free.
    pub disk_free_percent: u8,
    /// The least days that a certificate has left.
    pub certificate_days: u16,
    /// The most bytes of the vault.
    pub vault_quota: Option<u64>,
    /// A backup that has lost so many percent is suspicious; 0: none is.
    pub collapse_percent: u32,
}

/// What an event tells.
pub fn of_event(what: &What) -> Option<Finding> {
    match what {
        What::RunEnded { run } => match run.status {
            Status::Succeeded => Some(Finding::Clear(Rule::Job, run.job.name().to_owned())),
            Status::Skipped | Status::Waiting | Status::Running => None,
            _ => Some(Finding::Raise(of_run(run))),
        },
        What::SettingsReloaded => Some(Finding::Clear(Rule::Settings, String::new())),
        What::SettingsRefused { reason } => Some(Finding::Raise(Condition {
            rule: Rule::Settings,
            subject: String::new(),
            severity: Severity::Warning,
            what: format!("new settings were refused: {reason}"),
        })),
        _ => None,
    }
}

/// A run that has not done what it should.
pub fn of_run(run: &Run) -> Condition {
    let grave = matches!(
        run.job,
        JobKind::Backup | JobKind::Verify | JobKind::RestoreTest | JobKind::Drill
    ) && matches!(run.status, Status::Failed | Status::TimedOut);
    let message = run.message.as_deref().unwrap_or("nothing is known");
    Condition {
        rule: Rule::Job,
        subject: run.job.name().to_owned(),
        severity: if grave { Severity::Critical } else { Severity::Warning },
        what: format!("{} of {} {}: {message}", run.id, run.due, run.status.name()),
    }
}

impl Facts {
    /// The rules that can be judged by these facts.
    pub fn covers(&self) -> Vec<Rule> {
        let vault = [
            Rule::Rpo,
            Rule::NoBackup,
            Rule::Damaged,
            Rule::Replication,
            Rule::Suspicious,
            Rule::Quota,
        ];
        Rule::ALL
            .into_iter()
            .filter(|rule| match rule {
                // What an event has told, another ends.
                Rule::Settings | Rule::Job => false,
                Rule::Shipping | Rule::Chain => {
                    let ships = self.snapshot.jobs.iter().any(|view| view.job == JobKind::Ship);
                    self.snapshot.leading && (self.shipping.is_some() || !ships)
                }
                rule if vault.contains(rule) => self.snapshot.leading && self.backups.is_some(),
                rule => !rule.is_leaders() || self.snapshot.leading,
            })
            .collect()
    }

    /// Everything that is wrong.
    pub fn judge(&self) -> Vec<Condition> {
        let mut found = Found(Vec::new());
        self.machine(&mut found);
        if self.snapshot.leading {
            for view in &self.snapshot.jobs {
                self.job(view, &mut found);
            }
            if let Some(backups) = &self.backups {
                self.backups(backups, &mut found);
            }
            if let Some(shipping) = &self.shipping {
                self.shipping(shipping, &mut found);
            }
            if let Some((since, why)) = &self.vault_away
                && self.now.duration_since(*since) > AWAY
            {
                let what = format!("the vault has not answered since {since}: {why}");
                found.add(Rule::Vault, "", Severity::Critical, what);
            }
        }
        found.0
    }

    fn machine(&self, found: &mut Found) {
        if let Some(since) = self.leaderless.filter(|since| self.now.duration_since(*since) > AWAY)
        {
            let why = self.snapshot.why_not.as_deref().unwrap_or("nothing is known");
            let what = format!("no instance has done the jobs since {since}: {why}");
            found.add(Rule::Leader, "", Severity::Critical, what);
        }
        for (place, free, all) in &self.disks {
            let limit = u128::from(*all) * u128::from(self.limits.disk_free_percent) / 100;
            if u128::from(*free) < limit {
                let what = format!("{place} has {} MiB free of {} MiB", free >> 20, all >> 20);
                let grave = u128::from(*free) * 4 < limit;
                let severity = if grave { Severity::Critical } else { Severity::Warning };
                found.add(Rule::Disk, place, severity, what);
            }
        }
        for (name, until) in &self.certificates {
            let left = until.duration_since(self.now).as_hours();
            if left < i64::from(self.limits.certificate_days) * 24 {
                let ends = if left < 0 { "has ended" } else { "ends" };
                let severity = if left < 72 { Severity::Critical } else { Severity::Warning };
                let what = format!("the certificate {name} {ends} on {until}");
                found.add(Rule::Certificate, name, severity, what);
            }
        }
        for (channel, why) in &self.channels {
            let what = format!("notices cannot be delivered by {channel}: {why}");
            found.add(Rule::Channel, channel, Severity::Warning, what);
        }
    }

    fn job(&self, view: &JobView, found: &mut Found) {
        let name = view.job.name();
        if let Some(paused) = &view.paused
            && self.now.duration_since(paused.since) > PAUSED
        {
            let what = format!("{name} has been paused by {} since {}", paused.by, paused.since);
            found.add(Rule::Paused, name, Severity::Warning, what);
        }
        if let Some(run) = &view.current {
            let begins = run.not_before.filter(|_| run.attempt == 0);
            if begins.is_some_and(|at| self.now.duration_since(at) > LATE) {
                let why = run.message.as_deref().unwrap_or("it has not begun");
                let what = format!("{} was due at {}: {why}", run.id, run.due);
                found.add(Rule::Late, name, Severity::Warning, what);
            }
            if run.status == Status::Running
                && let Some(usual) = self.usual.get(&view.job)
                && let Some(took) = run.started.map(|at| self.now.duration_since(at))
                && took > SignedDuration::try_from((*usual * 3).max(SLOW)).unwrap_or_default()
            {
                let what = format!(
                    "{} has been going for {} min; usual are {} min",
                    run.id,
                    took.as_mins(),
                    usual.as_secs() / 60
                );
                found.add(Rule::Slow, name, Severity::Warning, what);
            }
        }
        if view.job == JobKind::RestoreTest
            && let Some(last) = view.last.as_ref().filter(|run| run.status == Status::Succeeded)
            && let Some(took) = last.details.get("rto_seconds").and_then(serde_json::Value::as_f64)
            && let rto = self.limits.objectives.rto.unwrap_or(Objectives::RTO)
            && took > rto.as_secs_f64()
        {
            let limit = rto.as_secs();
            let what = format!("{} took {took:.0} s to restore; the RTO is {limit} s", last.id);
            found.add(Rule::Rto, "", Severity::Critical, what);
        }
    }

    fn backups(&self, backups: &Backups, found: &mut Found) {
        for damaged in backups.backups.iter().filter(|backup| !backup.intact) {
            let why = damaged.damage.as_deref().unwrap_or("it cannot be read");
            let what = format!("{} is damaged: {why}", damaged.name);
            found.add(Rule::Damaged, &damaged.name, Severity::Warning, what);
        }
        if let Some(quota) = self.limits.vault_quota {
            let bytes: u64 = backups.backups.iter().map(|backup| backup.size).sum();
            if bytes > quota / 10 * 9 {
                let severity = if bytes > quota { Severity::Critical } else { Severity::Warning };
                let (holds, may) = (bytes >> 20, quota >> 20);
                let what = format!("{} holds {holds} MiB of {may} MiB", backups.vault);
                found.add(Rule::Quota, "", severity, what);
            }
        }
        let view = |kind| self.snapshot.jobs.iter().find(|view| view.job == kind);
        let mut good = backups.backups.iter().filter(|backup| backup.intact);
        let Some(newest) = good.next() else {
            // Before the first run has ended there can be none.
            if view(JobKind::Backup).is_some_and(|view| view.last.is_some()) {
                let what = format!("there is no good backup in {}", backups.vault);
                found.add(Rule::NoBackup, "", Severity::Critical, what);
            }
            return;
        };
        let age = self.now.duration_since(newest.created);
        let older =
            |limit: Duration| SignedDuration::try_from(limit).is_ok_and(|limit| age > limit);
        let rpo = self.limits.objectives.rpo.unwrap_or(Objectives::RPO);
        if older(rpo + RPO_GRACE) {
            let (hours, limit) = (age.as_hours(), rpo.as_secs() / 3600);
            let what = format!("the newest good backup is {hours} h old; the RPO is {limit} h");
            found.add(Rule::Rpo, "", Severity::Critical, what);
        }
        let rto = self.limits.objectives.rto.unwrap_or(Objectives::RTO).as_secs();
        if let Some(predicted) = newest.predicted_rto_seconds.filter(|seconds| *seconds > rto)
            && !found.has(Rule::Rto)
        {
            let name = &newest.name;
            let what = format!("{name} would take {predicted} s to restore; the RTO is {rto} s");
            found.add(Rule::Rto, "", Severity::Critical, what);
        }
        if let Some(replicate) = view(JobKind::Replicate)
            && older(self.limits.objectives.replication.unwrap_or(Objectives::REPLICATION))
            && replicate.last_success.is_none_or(|at| at < newest.created)
        {
            let hours = age.as_hours();
            let what = format!("{} of {hours} h ago is not in the second vault", newest.name);
            found.add(Rule::Replication, "", Severity::Warning, what);
        }
        if let Some(before) = good.next()
            && let Some(why) = self.suspicion(newest, before)
        {
            let what = format!("{} looks wrong beside {}: {why}", newest.name, before.name);
            found.add(Rule::Suspicious, "", Severity::Critical, what);
        }
    }

    fn shipping(&self, shipping: &Shipping, found: &mut Found) {
        let limit = self.limits.objectives.rpo.map_or(LAG, |rpo| rpo.min(LAG));
        match (shipping.exposure, shipping.unprotected) {
            (Some(exposure), _) if exposure > limit => {
                let (lag, limit) = (exposure.as_secs(), limit.as_secs());
                let what = format!("what was written for {lag} s is not shipped; {limit} s may be");
                found.add(Rule::Shipping, "", Severity::Critical, what);
            }
            (None, Some(since)) if self.now.duration_since(since) > UNPROTECTED => {
                let what = format!("no base lets shipped logs be replayed, since {since}");
                found.add(Rule::Shipping, "", Severity::Critical, what);
            }
            _ => {}
        }
        for (database, missing) in &shipping.gaps {
            let what = format!("logs of {database} that were shipped are missing: {missing}");
            found.add(Rule::Chain, database, Severity::Critical, what);
        }
    }

    fn suspicion(&self, newest: &Backup, before: &Backup) -> Option<String> {
        let percent = u128::from(self.limits.collapse_percent);
        if percent == 0 {
            return None;
        }
        let counts = [
            ("nodes", newest.nodes, before.nodes),
            ("relationships", newest.relationships, before.relationships),
        ];
        counts.into_iter().find_map(|(name, now, then)| {
            let (now, then) = (now?, then?);
            let least = u128::from(then) * (100 - percent.min(100)) / 100;
            let fell = then > 0 && u128::from(now) <= least;
            // A small graph may well grow a lot.
            let burst = then > 1000 && now / 10 > then;
            (fell || burst).then(|| format!("{then} {name} became {now}"))
        })
    }
}

struct Found(Vec<Condition>);

impl Found {
    fn add(&mut self, rule: Rule, subject: &str, severity: Severity, what: String) {
        self.0.push(Condition { rule, subject: subject.to_owned(), severity, what });
    }

    fn has(&self, rule: Rule) -> bool {
        self.0.iter().any(|found| found.rule == rule)
    }
}

#[cfg(test)]
mod tests;
