//! `recovery-point`: what is restored. It only looks, so `plan` tells what a run would choose.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use lifeboat::format::{BackupKind, Manifest, Method};
use lifeboat::select::safety_of;
use lifeboat::ship::{Until, Window, bases_of, windows};
use lifeboat::vault::{Listed, Vault};
use serde::Deserialize;

use crate::action::{Action, Context, Field, Finding, Outputs};
use crate::error::StepError;
use crate::predict;
use crate::template::Template;
use crate::value::Kind;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecoveryPoint {
    /// The vault; of an empty text, the one that answers.
    #[serde(default)]
    vault: Template,
    /// Nothing after this moment; of an empty text, the latest there is.
    #[serde(default)]
    until: Template,
    /// Only a backup that a trial restore has certified.
    #[serde(default)]
    certified: bool,
}

/// A point that can be recovered to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Point {
    /// The backup.
    pub(crate) backup: String,
    /// How it was made.
    pub(crate) method: Method,
    /// Up to when the log leads; empty when no log is replayed.
    pub(crate) until: String,
    /// What is in it at least: all that was committed before.
    pub(crate) reaches: Timestamp,
    /// The name of the configuration's backup; empty when there is none.
    pub(crate) config: String,
}

/// The newest point of a vault that is not after `until`, from the backup from which the least log
/// leads there.
pub(crate) async fn newest(
    vault: &Vault,
    listed: &[Listed],
    windows: &[Window],
    until: Option<Timestamp>,
    certified: bool,
) -> Option<Point> {
    let mut point = choose(listed, windows, until, certified)?;
    // A window begins with its oldest base, and a month of log may follow that.
    let window = windows.iter().find(|window| window.base.as_str() == point.backup);
    if let Some(window) = window.filter(|window| window.from < point.reaches) {
        for (_, manifest) in good(listed).filter(|(one, _)| is_trusted(one, certified)) {
            if manifest.name == window.base {
                break;
            }
            if safety_of(manifest).is_none() && leads(vault, manifest, window, until).await {
                point.backup = manifest.name.to_string();
                break;
            }
        }
    }
    Some(point)
}

/// Whether a backup stands in a window, so that its log leads on from it.
async fn leads(
    vault: &Vault,
    manifest: &Manifest,
    window: &Window,
    until: Option<Timestamp>,
) -> bool {
    let physical = manifest.database.as_ref().and_then(|section| section.physical.as_ref());
    let database = physical.and_then(|store| store.databases.get(&window.database));
    let Some((end, last_tx)) = database
        .and_then(|one| Some((one.last_tx_time.unwrap_or(manifest.finished), one.last_tx?)))
    else {
        return false;
    };
    if !(window.first_tx..=window.last_tx).contains(&last_tx) || until.is_some_and(|t| end > t) {
        return false;
    }
    let until = until.map_or(Until::Latest, Until::Time);
    let replay = predict::shipped(vault, manifest, &window.database, until).await;
    replay.is_some_and(|replay| replay.timeline() == window.timeline)
}

fn good(listed: &[Listed]) -> impl Iterator<Item = (&Listed, &Manifest)> {
    listed.iter().filter_map(|one| Some((one, one.manifest.as_ref().ok()?.as_ref())))
}

fn is_trusted(one: &Listed, certified: bool) -> bool {
    !certified || one.certificate.as_ref().is_some_and(|certified| certified.valid().is_some())
}

/// The newest point of a list that is not after `until`; of a window, from its oldest base.
fn choose(
    listed: &[Listed],
    windows: &[Window],
    until: Option<Timestamp>,
    certified: bool,
) -> Option<Point> {
    let good: Vec<_> = good(listed).collect();
    let within = |time: Timestamp| until.is_none_or(|until| time <= until);
    let trusted = |one: &Listed| is_trusted(one, certified);
    // A backup that was not finished by then holds what came after.
    let backups = good.iter().filter(|(one, manifest)| {
        manifest.database.is_some()
            && safety_of(manifest).is_none()
            && within(manifest.finished)
            && trusted(one)
    });
    let backup = backups.max_by_key(|(_, manifest)| manifest.created).map(|(_, manifest)| Point {
        backup: manifest.name.to_string(),
        method: manifest.database.as_ref().map_or(Method::Logical, |database| database.method),
        until: String::new(),
        reaches: manifest.created,
        config: String::new(),
    });
    let bases = windows.iter().filter(|window| {
        window.database != "system"
            && within(window.from)
            && good.iter().any(|(one, manifest)| manifest.name == window.base && trusted(one))
    });
    let window = bases
        .map(|window| (window, until.map_or(window.to, |until| until.min(window.to))))
        .max_by_key(|(_, reaches)| *reaches)
        .map(|(window, reaches)| Point {
            backup: window.base.to_string(),
            method: Method::Physical,
            until: until.map_or_else(String::new, |until| until.to_string()),
            reaches,
            config: String::new(),
        });
    let mut point = [backup, window].into_iter().flatten().max_by_key(|point| point.reaches)?;
    let configs = good
        .iter()
        .filter(|(_, manifest)| manifest.kind == BackupKind::Config && within(manifest.created));
    let config = configs.max_by_key(|(_, manifest)| manifest.created);
    point.config = config.map_or_else(String::new, |(_, manifest)| manifest.name.to_string());
    Some(point)
}

impl RecoveryPoint {
    async fn find(&self, cx: &Context<'_>) -> Result<(Point, String), StepError> {
        let role = cx.value(&self.vault, Kind::Vault)?;
        let until = cx.value(&self.until, Kind::Moment)?;
        let until = until.parse::<Timestamp>().ok();
        let (region, _) = cx.world.region(&role).await?;
        let listed = region.list().await?;
        let windows = windows(region.databases(), &bases_of(&listed)).await?;
        let vault = region.databases();
        let point = newest(vault, &listed, &windows, until, self.certified).await;
        let vault = vault.to_string();
        let point = point.ok_or_else(|| lifeboat::Error::NoBackup {
            vault,
            hint: match until {
                Some(until) => format!("none of before {until}; choose a later moment"),
                None => "make one with `lifeboat backup`".to_owned(),
            },
        })?;
        Ok((point, region.role.map(|role| role.to_string()).unwrap_or(role)))
    }
}

#[async_trait]
impl Action for RecoveryPoint {
    fn title(&self) -> String {
        "Choose the recovery point".to_owned()
    }

    fn fields(&self) -> Vec<Field<'_>> {
        vec![
            Field::new("vault", &self.vault, Kind::Vault),
            Field::new("until", &self.until, Kind::Moment),
        ]
    }

    /// `backup`: the database's backup; `vault`: where it is; `method`: how it was made; `until`: up
    /// to when its log is replayed; `reaches`: the moment up to which nothing is lost; `config`: the
    /// backup of the configuration, or nothing.
    fn outputs(&self) -> &'static [(&'static str, Kind)] {
        &[
            ("backup", Kind::Backup),
            ("vault", Kind::Vault),
            ("method", Kind::Text),
            ("until", Kind::Moment),
            ("reaches", Kind::Moment),
            ("config", Kind::Text),
        ]
    }

    fn only_looks(&self) -> bool {
        true
    }

    fn describe(&self, cx: &Context<'_>) -> Vec<String> {
        let until = self.until.show(cx.values);
        let vault = self.vault.show(cx.values);
        let vault = if vault.is_empty() {
            "the vault that answers".to_owned()
        } else {
            format!("the {vault} vault")
        };
        let when = if until.is_empty() {
            "the newest good backup".to_owned()
        } else {
            format!("the newest that is not after {until}")
        };
        vec![format!("choose {when} of {vault}")]
    }

    async fn check(&self, cx: &Context<'_>) -> Vec<Finding> {
        match self.find(cx).await {
            Ok((point, vault)) => {
                let mut found = vec![Finding::ok(format_args!(
                    "{} of the {vault} vault, {}, reaches {}",
                    point.backup, point.method, point.reaches
                ))];
                if point.config.is_empty() {
                    found.push(Finding::unknown("there is no backup of the configuration"));
                }
                found
            }
            Err(error @ StepError::NotYet { .. }) => vec![Finding::unknown(error)],
            Err(error) => vec![Finding::failed(error)],
        }
    }

    async fn predict(&self, _cx: &Context<'_>) -> Option<Duration> {
        Some(Duration::from_secs(2))
    }

    async fn run(&self, cx: &Context<'_>) -> Result<Outputs, StepError> {
        let (point, vault) = tokio::select! {
            found = self.find(cx) => found?,
            () = cx.cancel.cancelled() => return Err(StepError::Interrupted),
        };
        Ok(Outputs::from([
            ("backup".to_owned(), point.backup),
            ("vault".to_owned(), vault),
            ("method".to_owned(), point.method.to_string()),
            ("until".to_owned(), point.until),
            ("reaches".to_owned(), point.reaches.to_string()),
            ("config".to_owned(), point.config),
        ]))
    }
}
