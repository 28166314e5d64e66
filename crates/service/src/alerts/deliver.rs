//! Delivers notices from the store: in order for each channel, again and again, until they have
//! arrived.
//!
//! A channel that does not deliver holds up no other, and after a few tries the others are given
//! its notices as well.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use jiff::SignedDuration;
use lifeboat::CancellationToken;
use tokio::sync::{Notify, watch};

use super::settings::Settings;
use crate::Result;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::store::Store;
use crate::store::alerts::{Delivered, Delivery};

/// After so many tries a channel is said to be stuck, and others are tried, too.
pub const STUCK: u32 = 3;

/// The wait before the second try; each is twice as long as the one before.
const BACKOFF: Duration = Duration::from_secs(5);

/// The longest wait between two tries.
const MAX_BACKOFF: Duration = Duration::from_mins(10);

/// After this long nobody needs the notice.
const GIVE_UP: SignedDuration = SignedDuration::from_hours(72);

/// The longest sleep while something waits: a clock may be set.
const MAX_SLEEP: Duration = Duration::from_mins(1);

/// The longest sleep while nothing does: whoever posts wakes it.
const IDLE: Duration = Duration::from_hours(1);

/// What delivers.
pub struct Post {
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where the notices are.
    pub store: Arc<Store>,
    /// The channels, as they change.
    pub settings: watch::Receiver<Arc<Settings>>,
    /// There is something.
    pub posted: Arc<Notify>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

impl Post {
    /// Delivers until told to stop.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn live(self, stop: CancellationToken) -> Result<()> {
        loop {
            let due = self.store.deliveries(self.clock.now())?;
            if due.is_empty() {
                tokio::select! {
                    () = stop.cancelled() => return Ok(()),
                    () = self.posted.notified() => {}
                    () = tokio::time::sleep(self.sleep()?) => {}
                }
                continue;
            }
            let tries = join_all(due.iter().map(|delivery| self.deliver(delivery)));
            let tried = tokio::select! {
                tried = tries => tried,
                // What was on its way is sent again at the next start.
                () = stop.cancelled() => return Ok(()),
            };
            tried.into_iter().collect::<Result<()>>()?;
        }
    }

    async fn deliver(&self, delivery: &Delivery) -> Result<()> {
        let settings = Arc::clone(&self.settings.borrow());
        let Delivery { channel, notice, .. } = delivery;
        let sent = match settings.channels.get(channel) {
            Some(channel) => channel.send(notice).await,
            None => Err(super::channel::Undelivered {
                why: "the settings do not have it any more".to_owned(),
                lasting: true,
            }),
        };
        let now = self.clock.now();
        let (how, outcome) = match sent {
            Ok(()) => (Delivered::Yes, "delivered"),
            Err(error) if error.lasting || now.duration_since(delivery.at) > GIVE_UP => {
                tracing::error!(%error, channel, id = notice.id, "a notice was given up");
                (Delivered::Never(error.why), "given-up")
            }
            Err(error) => {
                tracing::warn!(%error, channel, id = notice.id, "a notice was not delivered");
                (Delivered::Again(now + wait(delivery.tries), error.why), "failed")
            }
        };
        self.metrics.delivered(channel, outcome);
        let others: Vec<String> = if how != Delivered::Yes && spreads(delivery, &how) {
            settings.channels.keys().filter(|other| *other != channel).cloned().collect()
        } else {
            Vec::new()
        };
        self.store.delivered(delivery, now, &how, &others)
    }

    fn sleep(&self) -> Result<Duration> {
        let Some(next) = self.store.next_delivery()? else { return Ok(IDLE) };
        let wait = next.duration_since(self.clock.now()).max(SignedDuration::from_millis(100));
        Ok(Duration::try_from(wait).unwrap_or(MAX_SLEEP).min(MAX_SLEEP))
    }
}

/// Whether the other channels are to be given it, too.
fn spreads(delivery: &Delivery, how: &Delivered) -> bool {
    delivery.tries + 1 == STUCK || matches!(how, Delivered::Never(_))
}

/// How long to wait before the next try.
fn wait(tries: u32) -> Duration {
    BACKOFF.saturating_mul(1 << tries.min(20)).min(MAX_BACKOFF)
}

#[cfg(test)]
mod tests;
