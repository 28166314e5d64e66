//! Alerts and notices in the store: what was decided is kept in one transaction with how far the
//! events have been read, so that nothing is told twice for one event, and nothing is forgotten.

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, params};

use super::{Store, failed, json, parse};
use crate::Result;
use crate::alerts::alert::Alert;
use crate::alerts::notice::Notice;

/// The name of the alerts as a reader of events.
const READER: &str = "alerts";

/// Of each channel the first that waits: the end of an alert must not overtake its beginning.
const FIRST: &str = "SELECT * FROM deliveries WHERE number IN \
    (SELECT min(number) FROM deliveries WHERE state = 'waiting' GROUP BY channel)";

/// A notice for a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its number.
    pub number: i64,
    /// The channel's name.
    pub channel: String,
    /// How often it was tried.
    pub tries: u32,
    /// Since when.
    pub at: Timestamp,
    /// What is delivered.
    pub notice: Notice,
}

/// How a delivery went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivered {
    /// It has arrived.
    Yes,
    /// It has not, for this reason, and is tried again then.
    Again(Timestamp, String),
    /// It has not, and is not tried again.
    Never(String),
}

/// What the alerts have come to.
#[derive(Debug, Default)]
pub struct Decided<'a> {
    /// Those that changed, and whether they are done with.
    pub alerts: Vec<(&'a Alert, bool)>,
    /// Notices, each with the channel that it goes by.
    pub notices: Vec<(String, Notice)>,
    /// All events up to this number have been looked at.
    pub read: Option<u64>,
}

impl Store {
    /// Alerts that are not done with, and the number of the next new one.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn open_alerts(&self) -> Result<(Vec<Alert>, u64)> {
        let connection = self.lock();
        let mut statement = connection
            .prepare("SELECT alert FROM alerts WHERE done = 0 ORDER BY number")
            .map_err(failed("read"))?;
        let rows =
            statement.query_map([], |row| row.get::<_, String>(0)).map_err(failed("read"))?;
        let alerts = rows
            .map(|row| parse("an alert", &row.map_err(failed("read"))?))
            .collect::<Result<_>>()?;
        let last: Option<u64> = connection
            .query_row("SELECT seq FROM sqlite_sequence WHERE name = 'alerts'", [], |row| {
                row.get(0)
            })
            .optional()
            .map_err(failed("read"))?;
        Ok((alerts, last.unwrap_or(0) + 1))
    }

    /// The newest alerts, newest first; open ones only, if that is asked for.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn alerts(&self, only_open: bool, limit: usize) -> Result<Vec<Alert>> {
        let connection = self.lock();
        let mut statement = connection
            .prepare_cached(
                "SELECT alert FROM alerts WHERE ?1 = 0 OR alert ->> 'resolved' IS NULL \
                 ORDER BY number DESC LIMIT ?2",
            )
            .map_err(failed("read"))?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement
            .query_map(params![only_open, limit], |row| row.get::<_, String>(0))
            .map_err(failed("read"))?;
        rows.map(|row| parse("an alert", &row.map_err(failed("read"))?)).collect()
    }

    /// How far the alerts have read the events.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn alerts_read(&self) -> Result<u64> {
        self.cursor(READER)
    }

    /// Keeps what was decided: all of it or nothing.
    ///
    /// # Errors
    /// When it could not be stored.
    pub fn decide_alerts(&self, now: Timestamp, decided: &Decided<'_>) -> Result<()> {
        let mut connection = self.lock();
        let transaction = connection.transaction().map_err(failed("write"))?;
        for (alert, done) in &decided.alerts {
            transaction
                .prepare_cached(
                    "INSERT INTO alerts (number, since, done, alert) VALUES (?1, ?2, ?3, ?4) \
                     ON CONFLICT (number) DO UPDATE SET done = excluded.done, alert = excluded.alert",
                )
                .and_then(|mut statement| {
                    let since = alert.since.as_second();
                    statement.execute(params![alert.number, since, done, json(alert)])
                })
                .map_err(failed("write"))?;
        }
        for (channel, notice) in &decided.notices {
            transaction
                .prepare_cached(
                    "INSERT INTO deliveries (channel, state, next, at, tries, notice_id, notice) \
                     VALUES (?1, 'waiting', ?2, ?2, 0, ?3, ?4)",
                )
                .and_then(|mut statement| {
                    statement.execute(params![channel, now.as_second(), notice.id, json(notice)])
                })
                .map_err(failed("write"))?;
        }
        if let Some(read) = decided.read {
            transaction
                .execute("INSERT OR REPLACE INTO cursors VALUES (?1, ?2)", params![READER, read])
                .map_err(failed("write"))?;
        }
        transaction.commit().map_err(failed("write"))
    }

    /// The first of each channel's deliveries that wait, of those that may be tried now.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn deliveries(&self, now: Timestamp) -> Result<Vec<Delivery>> {
        let connection = self.lock();
        let mut statement = connection
            .prepare_cached(&format!(
                "SELECT number, channel, tries, at, notice FROM ({FIRST}) WHERE next <= ?1 \
                 ORDER BY number"
            ))
            .map_err(failed("read"))?;
        let rows = statement
            .query_map([now.as_second()], |row| {
                let at: i64 = row.get(3)?;
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, at, row.get::<_, String>(4)?))
            })
            .map_err(failed("read"))?;
        rows.map(|row| {
            let (number, channel, tries, at, notice) = row.map_err(failed("read"))?;
            let at = Timestamp::from_second(at).unwrap_or_default();
            Ok(Delivery { number, channel, tries, at, notice: parse("a notice", &notice)? })
        })
        .collect()
    }

    /// When a delivery may be tried next.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn next_delivery(&self) -> Result<Option<Timestamp>> {
        let connection = self.lock();
        let next: Option<i64> = connection
            .query_row(&format!("SELECT min(next) FROM ({FIRST})"), [], |row| row.get(0))
            .map_err(failed("read"))?;
        Ok(next.and_then(|next| Timestamp::from_second(next).ok()))
    }

    /// Keeps how a delivery went. A notice that other channels are to try as well becomes a
    /// delivery for each that does not have it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn delivered(
        &self,
        delivery: &Delivery,
        now: Timestamp,
        how: &Delivered,
        others: &[String],
    ) -> Result<()> {
        let (state, next, error) = match how {
            Delivered::Yes => ("delivered", now, None),
            Delivered::Again(next, why) => ("waiting", *next, Some(why)),
            Delivered::Never(why) => ("given-up", now, Some(why)),
        };
        let mut connection = self.lock();
        let transaction = connection.transaction().map_err(failed("write"))?;
        transaction
            .execute(
                "UPDATE deliveries SET state = ?2, next = ?3, error = ?4, tries = tries + 1 \
                 WHERE number = ?1",
                params![delivery.number, state, next.as_second(), error],
            )
            .map_err(failed("write"))?;
        for other in others {
            transaction
                .execute(
                    "INSERT INTO deliveries (channel, state, next, at, tries, notice_id, notice) \
                     SELECT ?1, 'waiting', ?2, ?2, 0, ?3, ?4 WHERE NOT EXISTS \
                     (SELECT 1 FROM deliveries WHERE channel = ?1 AND notice_id = ?3)",
                    params![other, now.as_second(), delivery.notice.id, json(&delivery.notice)],
                )
                .map_err(failed("write"))?;
        }
        transaction.commit().map_err(failed("write"))
    }

    /// Channels whose last delivery that was tried at least `tries` times still waits, and why.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn stuck_channels(&self, tries: u32) -> Result<Vec<(String, String)>> {
        let connection = self.lock();
        let mut statement = connection
            .prepare_cached(
                "SELECT channel, coalesce(max(error), '') FROM deliveries \
                 WHERE state = 'waiting' AND tries >= ?1 GROUP BY channel ORDER BY channel",
            )
            .map_err(failed("read"))?;
        let rows = statement
            .query_map([tries], |row| Ok((row.get(0)?, row.get(1)?)))
            .map_err(failed("read"))?;
        rows.map(|row| row.map_err(failed("read"))).collect()
    }
}

#[cfg(test)]
mod tests;
