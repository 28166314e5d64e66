//! The journal of a run: what is intended is written down before it is done.
//!
//! A record is an object of its own, numbered from 1, made by create-if-absent: in a folder of this
//! machine and in every vault that answers. So a run can be carried on from another machine, and of
//! two processes that carry on the same run only one can write the next record; the other stops.
//! A place that does not answer is left out, and brought up to date when it is back.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::Timestamp;
use lifeboat::vault::{Area, Vault};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::action::Outputs;
use crate::error::{Error, Result};
use crate::world::Drilling;

/// Where journals lie in a vault.
const AREA: &str = "runbooks";

/// How long a vault may take to answer before it is left out. On the day of a disaster one of them
/// does not.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a vault that did not answer is left alone. A recovery does not wait for it again and
/// again.
const PAUSE: Duration = Duration::from_secs(30);

/// The longest a record may be; the first holds the runbook itself.
const LIMIT: u64 = 1 << 20;

/// A record of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its number, from 1.
    pub number: u32,
    /// When it was written, by the clock of who wrote it.
    pub at: Timestamp,
    /// Who wrote it: user, machine and process.
    pub by: String,
    /// What it says.
    #[serde(flatten)]
    pub event: Event,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Event {
    /// The disaster was declared: the clock of the RTO runs from here.
    Declared {
        /// The name of the runbook.
        runbook: String,
        /// Its text.
        source: String,
        /// Its inputs, all of them.
        inputs: BTreeMap<String, String>,
        /// When the disaster was declared, if that was before.
        declared: Timestamp,
        /// When it happened, as far as somebody knows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        disaster: Option<Timestamp>,
        /// When something was last written before, as far as somebody knows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last_write: Option<Timestamp>,
        /// The drill that it belongs to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        drill: Option<Drilling>,
        /// How long it was predicted to take, in milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        predicted_ms: Option<u64>,
    },
    /// A process carries the run on.
    Resumed,
    /// What a drill makes first stands. Until here the clock of the RTO stood still.
    Prepared,
    /// A step is about to be tried.
    Begun {
        /// The step.
        step: String,
        /// Which attempt, from 1.
        attempt: u32,
    },
    /// A step is done.
    Done {
        /// The step.
        step: String,
        /// What it put out.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        outputs: Outputs,
    },
    /// An attempt at a step failed.
    Failed {
        /// The step.
        step: String,
        /// Why.
        error: String,
        /// It will be tried no more by itself.
        last: bool,
    },
    /// The run goes on without a step that failed.
    PassedOver {
        /// The step.
        step: String,
    },
    /// A person agreed that a step begins.
    Approved {
        /// The step.
        step: String,
        /// Who.
        who: String,
    },
    /// A person has said what became of a step of which nobody knows how far it came.
    Settled {
        /// The step.
        step: String,
        /// It was done; else it is done again.
        done: bool,
    },
    /// The process stopped, and the run can be resumed.
    Stopped {
        /// Why.
        reason: String,
    },
    /// A step is about to be undone.
    Undoing {
        /// The step.
        step: String,
    },
    /// A step was undone, or it was said that it cannot be.
    Undone {
        /// The step.
        step: String,
        /// What was done.
        note: String,
    },
    /// The run is at its end.
    Finished {
        /// How it ended.
        outcome: Outcome,
    },
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// All steps were done.
    Succeeded,
    /// All steps were done but some that the runbook can do without.
    Incomplete,
    /// It was given up, and what it had done was undone as far as that goes.
    Undone,
    /// It was given up where it was.
    Aborted,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Succeeded => "succeeded",
            Self::Incomplete => "incomplete",
            Self::Undone => "undone",
            Self::Aborted => "aborted",
        })
    }
}

/// A place for journals.
#[derive(Debug, Clone)]
pub struct Place {
    area: Area,
    /// Of this machine, and so to be waited for.
    local: bool,
    /// Since when it does not answer, and why.
    silent: Arc<Mutex<Option<(Instant, String)>>>,
}

impl Place {
    /// A folder of this machine.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub fn local(vault: &Vault) -> Result<Self> {
        Ok(Self { area: vault.area(AREA)?, local: true, silent: Arc::default() })
    }

    /// A vault.
    ///
    /// # Errors
    /// When the vault cannot be used.
    pub fn vault(vault: &Vault) -> Result<Self> {
        Ok(Self { area: vault.area(AREA)?, local: false, silent: Arc::default() })
    }

    /// An answer, unless it takes too long.
    async fn ask<T>(
        &self,
        work: impl Future<Output = Result<T, lifeboat::vault::Error>>,
    ) -> Result<T, String> {
        if self.local {
            return work.await.map_err(|error| error.to_string());
        }
        let mut silent = self.silent.lock().await;
        if let Some((since, why)) = &*silent
            && since.elapsed() < PAUSE
        {
            return Err(why.clone());
        }
        let answer = match tokio::time::timeout(PATIENCE, work).await {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer within {} seconds", PATIENCE.as_secs())),
        };
        *silent = answer.as_ref().err().map(|why| (Instant::now(), why.clone()));
        answer
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.area.vault())
    }
}

/// The places that the journals of this machine are kept in.
#[derive(Debug, Clone)]
pub struct Journals {
    places: Vec<Place>,
}

/// The journal of one run, open for writing.
#[derive(Debug)]
pub struct Journal {
    run: String,
    by: String,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    next: u32,
    places: Vec<Standing>,
    written: Vec<Record>,
}

#[derive(Debug)]
struct Standing {
    place: Place,
    /// How many records it has, without a gap.
    has: u32,
    /// Why it is left out.
    failed: Option<String>,
}

fn key(run: &str, number: u32) -> String {
    format!("{run}/{number:06}.json")
}

impl Journals {
    /// Journals in these places.
    pub fn new(places: Vec<Place>) -> Self {
        Self { places }
    }

    /// The ids of all runs, in any place that answers, sorted; and what is wrong with those that
    /// do not.
    pub async fn runs(&self) -> (Vec<String>, Vec<String>) {
        let lists = self.places.iter().map(|place| async move {
            place.ask(place.area.list(None)).await.map_err(|why| format!("{place}: {why}"))
        });
        let (mut runs, mut silent) = (std::collections::BTreeSet::new(), Vec::new());
        for list in futures::future::join_all(lists).await {
            match list {
                Ok(objects) => runs.extend(objects.iter().filter_map(|object| {
                    let (run, rest) = object.key.split_once('/')?;
                    (rest == "000001.json").then(|| run.to_owned())
                })),
                Err(why) => silent.push(why),
            }
        }
        (runs.into_iter().collect(), silent)
    }

    /// Begins the journal of a new run.
    ///
    /// # Errors
    /// When the first record can be written nowhere, or there is such a run.
    pub async fn begin(&self, run: &str, event: Event) -> Result<Journal> {
        let journal = self.journal(run, Vec::new(), vec![Some(0); self.places.len()]);
        journal.append(event).await?;
        Ok(journal)
    }

    /// Reads a run from all places that answer: the longest of its journals.
    ///
    /// # Errors
    /// When there is none, or it is damaged.
    pub async fn read(&self, run: &str) -> Result<Vec<Record>> {
        Ok(self.find(run).await?.0)
    }

    /// Reads a run, and opens its journal for writing. What a place lacks it is given.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn open(&self, run: &str) -> Result<Journal> {
        let (records, has) = self.find(run).await?;
        let journal = self.journal(run, records, has);
        journal.inner.lock().await.bring_up_to_date(run).await?;
        Ok(journal)
    }

    /// What somebody has laid beside the records of a run, in each place that answers and has it.
    pub async fn beside_everywhere(&self, run: &str, name: &str) -> Vec<(String, Bytes)> {
        let key = format!("{run}/{name}");
        let mut found = Vec::new();
        for place in &self.places {
            if let Ok(Some((bytes, _))) = place.ask(place.area.read(&key, LIMIT)).await {
                found.push((place.to_string(), bytes));
            }
        }
        found
    }

    /// What somebody has laid beside the records of a run, in any place that answers.
    pub async fn beside(&self, run: &str, name: &str) -> Option<String> {
        let key = format!("{run}/{name}");
        for place in &self.places {
            if let Ok(Some((bytes, _))) = place.ask(place.area.read(&key, LIMIT)).await {
                return String::from_utf8(bytes.to_vec()).ok();
            }
        }
        None
    }

    /// The names of what lies beside the records of a run in any place that answers, sorted.
    pub async fn names_beside(&self, run: &str) -> Vec<String> {
        let mut names = std::collections::BTreeSet::new();
        for place in &self.places {
            if let Ok(objects) = place.ask(place.area.list(None)).await {
                let of_run = objects.iter().filter_map(|object| {
                    object.key.strip_prefix(run)?.strip_prefix('/').map(ToOwned::to_owned)
                });
                names.extend(of_run);
            }
        }
        names.into_iter().collect()
    }

    /// Lays something beside the records of a run, in every place that answers.
    ///
    /// # Errors
    /// When none does.
    pub async fn lay_beside(&self, run: &str, name: &str, text: &str) -> Result<()> {
        let key = format!("{run}/{name}");
        let bytes = Bytes::from(text.to_owned());
        let mut failures = Vec::new();
        for place in &self.places {
            if let Err(why) = place.ask(place.area.create(&key, &bytes)).await {
                failures.push(format!("{place}: {why}"));
            }
        }
        if failures.len() < self.places.len() {
            return Ok(());
        }
        Err(Error::Journal { run: run.to_owned(), why: failures.join("; ") })
    }

    fn journal(&self, run: &str, written: Vec<Record>, has: Vec<Option<u32>>) -> Journal {
        let standing = |(place, has): (&Place, Option<u32>)| Standing {
            place: place.clone(),
            has: has.unwrap_or(0),
            failed: has.is_none().then(|| "it holds another course of this run".to_owned()),
        };
        let mut places: Vec<_> = self.places.iter().zip(has).map(standing).collect();
        // Vaults first: it is there that another machine's record is met.
        places.sort_by_key(|standing| standing.place.local);
        let next = written.len() as u32 + 1;
        Journal {
            run: run.to_owned(),
            by: who(),
            inner: Mutex::new(Inner { next, places, written }),
        }
    }

    async fn find(&self, run: &str) -> Result<(Vec<Record>, Vec<Option<u32>>)> {
        let reads = self.places.iter().map(|place| async move { (place, read(place, run).await) });
        let mut found = Vec::new();
        for (place, read) in futures::future::join_all(reads).await {
            match read {
                Ok(records) => found.push(records),
                Err(error @ Error::Record { .. }) => return Err(error),
                Err(error) => {
                    tracing::warn!(%place, %error, "a place of journals does not answer");
                    found.push(Vec::new());
                }
            }
        }
        let longest = found.iter().max_by_key(|records| records.len()).cloned().unwrap_or_default();
        if longest.is_empty() {
            return Err(Error::NoRun { run: run.to_owned() });
        }
        // Two processes that did not see each other may have written in two places.
        let has = found
            .iter()
            .map(|records| longest.starts_with(records).then_some(records.len() as u32))
            .collect();
        Ok((longest, has))
    }
}

/// All records of a run in one place, up to the first that is missing.
async fn read(place: &Place, run: &str) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    loop {
        let number = records.len() as u32 + 1;
        let failed = |why: String| Error::Journal { run: run.to_owned(), why };
        let key = key(run, number);
        let Some((bytes, _)) = place.ask(place.area.read(&key, LIMIT)).await.map_err(failed)?
        else {
            return Ok(records);
        };
        let wrong = |why: String| Error::Record {
            run: run.to_owned(),
            number,
            place: place.to_string(),
            why,
        };
        let record: Record = serde_json::from_slice(&bytes).map_err(|e| wrong(e.to_string()))?;
        if record.number != number {
            return Err(wrong(format!("it has the number {}", record.number)));
        }
        records.push(record);
    }
}

impl Journal {
    /// The run.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// All that is written.
    pub async fn records(&self) -> Vec<Record> {
        self.inner.lock().await.written.clone()
    }

    /// Places that are left out at the moment, with the reason.
    pub async fn silent(&self) -> Vec<String> {
        let inner = self.inner.lock().await;
        let silent = |standing: &Standing| {
            standing.failed.as_ref().map(|why| format!("{}: {why}", standing.place))
        };
        inner.places.iter().filter_map(silent).collect()
    }

    /// Writes the next record: on return it is in at least one place, and in all that answer.
    ///
    /// # Errors
    /// [`Error::Taken`] when somebody else has written it; [`Error::Journal`] when no place takes
    /// it.
    pub async fn append(&self, event: Event) -> Result<Record> {
        let mut inner = self.inner.lock().await;
        let record =
            Record { number: inner.next, at: Timestamp::now(), by: self.by.clone(), event };
        inner.written.push(record.clone());
        match inner.bring_up_to_date(&self.run).await {
            Ok(()) => {
                inner.next += 1;
                Ok(record)
            }
            Err(error) => {
                inner.written.pop();
                Err(error)
            }
        }
    }

    /// Gives what they lack to places that did not answer before. Those that still do not are
    /// returned.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub async fn settle(&self) -> Result<Vec<String>> {
        {
            let mut inner = self.inner.lock().await;
            for standing in &mut inner.places {
                standing.failed = None;
            }
            inner.bring_up_to_date(&self.run).await?;
        }
        Ok(self.silent().await)
    }
}

impl Inner {
    async fn bring_up_to_date(&mut self, run: &str) -> Result<()> {
        let Self { places, written, .. } = self;
        for standing in places.iter_mut().filter(|standing| standing.failed.is_none()) {
            while let Some(record) = written.get(standing.has as usize) {
                let bytes = Bytes::from(serde_json::to_vec(record).map_err(|error| {
                    Error::Journal { run: run.to_owned(), why: error.to_string() }
                })?);
                let key = key(run, record.number);
                let place = &standing.place;
                match place.ask(place.area.create(&key, &bytes)).await {
                    Ok(true) => standing.has = record.number,
                    Ok(false) => return Err(taken(place, run, &key).await),
                    Err(why) => {
                        tracing::warn!(%place, %why, "a place of the journal does not answer and is left out");
                        standing.failed = Some(why);
                        break;
                    }
                }
            }
        }
        if places.iter().any(|standing| standing.failed.is_none()) {
            return Ok(());
        }
        let why = |standing: &Standing| {
            format!("{}: {}", standing.place, standing.failed.as_deref().unwrap_or_default())
        };
        let why = places.iter().map(why).collect::<Vec<_>>().join("; ");
        Err(Error::Journal { run: run.to_owned(), why })
    }
}

/// Who has written the record that we wanted to write.
async fn taken(place: &Place, run: &str, key: &str) -> Error {
    let read = place.ask(place.area.read(key, LIMIT)).await.ok().flatten();
    let by = read
        .and_then(|(bytes, _)| serde_json::from_slice::<Record>(&bytes).ok())
        .map_or_else(|| "unknown".to_owned(), |record| record.by);
    Error::Taken { run: run.to_owned(), by }
}

/// This process, for people.
pub(crate) fn who() -> String {
    let user = ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    let user = user.unwrap_or_else(|| format!("uid {}", rustix::process::geteuid().as_raw()));
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{user}@{host}, process {}", std::process::id())
}

#[cfg(test)]
mod tests {
    use lifeboat::vault::VaultConfig;

    use super::*;

    fn place(name: &str) -> (Vault, Place) {
        let vault =
            Vault::open(&VaultConfig::new(format!("memory://{name}").parse().unwrap())).unwrap();
        let place = Place::vault(&vault).unwrap();
        (vault, place)
    }

    fn begun(step: &str) -> Event {
        Event::Begun { step: step.to_owned(), attempt: 1 }
    }

    fn declared() -> Event {
        Event::Declared {
            runbook: "x".into(),
            source: String::new(),
            inputs: BTreeMap::new(),
            declared: Timestamp::UNIX_EPOCH,
            disaster: None,
            last_write: None,
            drill: None,
            predicted_ms: None,
        }
    }

    #[tokio::test]
    async fn a_run_is_carried_on_from_either_place_and_by_one_process_only() {
        let (a, b) = (place("journal-a").1, place("journal-b").1);
        let both = Journals::new(vec![a.clone(), b.clone()]);
        let journal = both.begin("x-1", declared()).await.unwrap();
        journal.append(begun("one")).await.unwrap();
        let elsewhere = Journals::new(vec![b]);
        let second = elsewhere.open("x-1").await.unwrap();
        assert_eq!(second.records().await, journal.records().await);
        second.append(Event::Resumed).await.unwrap();
        // The first place lacks it, and has taken this one in its stead; the second one objects.
        let error = journal.append(begun("two")).await.unwrap_err();
        assert!(matches!(error, Error::Taken { .. }), "{error}");
        assert_eq!(both.runs().await.0, ["x-1"]);
        assert!(matches!(both.begin("x-1", begun("x")).await, Err(Error::Taken { .. })));
        assert!(matches!(both.read("x-2").await, Err(Error::NoRun { .. })));
        let _ = a;
    }

    #[tokio::test]
    async fn a_place_that_was_away_is_brought_up_to_date() {
        let (a, b) = (place("journal-c").1, place("journal-d").1);
        let one = Journals::new(vec![a.clone()]);
        let journal = one.begin("y-1", declared()).await.unwrap();
        journal.append(begun("one")).await.unwrap();
        let both = Journals::new(vec![a, b.clone()]);
        let journal = both.open("y-1").await.unwrap();
        journal.append(Event::Resumed).await.unwrap();
        let alone = Journals::new(vec![b]).read("y-1").await.unwrap();
        assert_eq!(alone, journal.records().await);
        assert_eq!(alone.len(), 3);
    }
}
