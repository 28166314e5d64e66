//! The canary: a tiny transaction at an interval, found again in what was shipped. It measures what
//! would really be lost, and keeps the end of the recovery window recent when nobody else writes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lifeboat_bolt::{Access, Connection, Params, RunOptions};
use lifeboat_neo4j::Database;
use lifeboat_neo4j::logical::CANARY;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{Event, Events, tell};
use crate::Target;

/// How many may be on their way; more than that, and the oldest tells enough.
const MOST: usize = 1000;

/// What to write it to, and how often.
#[derive(Debug, Clone)]
pub struct Canary {
    /// The server.
    pub target: Target,
    /// The pause between two.
    pub every: Duration,
}

/// One that was written.
#[derive(Debug, Clone, Copy)]
struct Written {
    tx: u64,
    at: Instant,
}

/// The writer, and what it has written that was not found yet.
#[derive(Debug)]
pub(super) struct Singing {
    /// The database, once it is known.
    database: Arc<Mutex<Option<String>>>,
    written: Arc<Mutex<VecDeque<Written>>>,
    task: JoinHandle<()>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Singing {
    pub(super) fn begin(canary: Canary, events: Events) -> Self {
        let database = Arc::new(Mutex::new(canary.target.database.clone()));
        let written = Arc::new(Mutex::new(VecDeque::new()));
        let (name, list) = (Arc::clone(&database), Arc::clone(&written));
        let task = tokio::spawn(async move {
            let mut connection = None;
            let mut troubled = false;
            loop {
                match write(&canary, &mut connection, &name).await {
                    Ok(tx) => {
                        troubled = false;
                        let mut list = lock(&list);
                        if list.len() < MOST {
                            list.push_back(Written { tx, at: Instant::now() });
                        }
                    }
                    Err(error) => {
                        connection = None;
                        // A server that is away is away for a while.
                        if !std::mem::replace(&mut troubled, true) {
                            let message = format!("the canary cannot be written: {error}");
                            tell(&events, Event::Trouble { message });
                        }
                    }
                }
                tokio::time::sleep(canary.every).await;
            }
        });
        Self { database, written, task }
    }

    /// Looks for what was written in what is shipped of a database: up to this transaction.
    pub(super) fn look(&self, database: &str, shipped: u64, events: &Events) {
        if lock(&self.database).as_deref() != Some(database) {
            return;
        }
        let mut list = lock(&self.written);
        while let Some(one) = list.pop_front_if(|one| one.tx <= shipped) {
            let seconds = one.at.elapsed().as_secs_f64();
            tell(events, Event::Canary { database: database.to_owned(), tx: one.tx, seconds });
        }
    }
}

impl Drop for Singing {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Writes one; the id of its transaction.
async fn write(
    canary: &Canary,
    connection: &mut Option<Connection>,
    database: &Mutex<Option<String>>,
) -> Result<u64, lifeboat_neo4j::Error> {
    let run = RunOptions {
        database: canary.target.database.clone(),
        access: Access::Write,
        ..RunOptions::default()
    };
    if connection.is_none() {
        let open = connection.insert(Connection::connect(&canary.target.config).await?);
        let name = Database::inspect(open, &run).await?.name;
        *lock(database) = Some(name);
    }
    let Some(open) = connection else { return Err(lifeboat_neo4j::Error::Interrupted) };
    let query = format!("MERGE (n:{CANARY}) SET n.written = datetime()");
    let summary = open.run(&query, Params::None, &run).await?.finish().await?;
    let bookmark = summary.bookmark.and_then(|bookmark| bookmark.decoded());
    bookmark.map(|bookmark| bookmark.tx_id).ok_or_else(|| lifeboat_neo4j::Error::Unexpected {
        what: "the server tells no transaction".to_owned(),
    })
}
