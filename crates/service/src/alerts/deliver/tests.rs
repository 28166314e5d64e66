//! Notices reach their receivers, in order, whatever goes wrong on the way.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::time::Instant;

use super::*;
use crate::alerts::channel::{Channel, Channels, Undelivered};
use crate::alerts::notice::{Kind, Notice, Routing};
use crate::store::alerts::Decided;

/// Time that flies as tokio's does.
struct Flying(Timestamp, Instant);

impl Clock for Flying {
    fn now(&self) -> Timestamp {
        self.0 + self.1.elapsed()
    }
}

/// A receiver that can be away.
#[derive(Default)]
struct Receiver {
    away: AtomicBool,
    lasting: bool,
    got: Mutex<Vec<String>>,
}

#[async_trait]
impl Channel for Receiver {
    async fn send(&self, notice: &Notice) -> Result<(), Undelivered> {
        if self.away.load(Ordering::Relaxed) {
            let why = "nobody listens".to_owned();
            return Err(Undelivered { why, lasting: self.lasting });
        }
        self.got.lock().unwrap().push(notice.id.clone());
        Ok(())
    }
}

struct Bench {
    store: Arc<Store>,
    clock: Arc<Flying>,
    posted: Arc<Notify>,
    settings: watch::Sender<Arc<Settings>>,
    stop: CancellationToken,
    task: Option<tokio::task::JoinHandle<Result<()>>>,
}

fn settings(channels: &[(&str, &Arc<Receiver>)]) -> Arc<Settings> {
    let channels: Channels = channels
        .iter()
        .map(|(name, receiver)| ((*name).to_owned(), Arc::clone(receiver) as Arc<dyn Channel>))
        .collect();
    let config = lifeboat::config::Config::default();
    Arc::new(Settings { channels, routing: Routing::default(), ..Settings::from(&config) })
}

impl Bench {
    fn new(channels: &[(&str, &Arc<Receiver>)]) -> Self {
        let store = Arc::new(Store::in_memory().unwrap());
        let now = "2026-11-25T12:00:00Z".parse().unwrap();
        let mut bench = Self {
            store,
            clock: Arc::new(Flying(now, Instant::now())),
            posted: Arc::default(),
            settings: watch::Sender::new(settings(channels)),
            stop: CancellationToken::new(),
            task: None,
        };
        bench.start();
        bench
    }

    fn start(&mut self) {
        let post = Post {
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            store: Arc::clone(&self.store),
            settings: self.settings.subscribe(),
            posted: Arc::clone(&self.posted),
            metrics: Arc::default(),
        };
        self.task = Some(tokio::spawn(post.live(self.stop.clone())));
    }

    fn crash(&mut self) {
        self.task.take().unwrap().abort();
    }

    fn post(&self, id: &str, channels: &[&str]) {
        let now = self.clock.now();
        let notice = Notice {
            id: id.to_owned(),
            kind: Kind::New,
            contact: "primary".to_owned(),
            instance: "east".to_owned(),
            at: now,
            alerts: Vec::new(),
            contacts: Vec::new(),
            runbooks: None,
            message: None,
        };
        let notices =
            channels.iter().map(|channel| ((*channel).to_owned(), notice.clone())).collect();
        let decided = Decided { notices, ..Decided::default() };
        self.store.decide_alerts(now, &decided).unwrap();
        self.posted.notify_one();
    }
}

fn got(receiver: &Receiver) -> Vec<String> {
    receiver.got.lock().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_delivered_waits_and_arrives_in_order() {
    let mail = Arc::new(Receiver { away: true.into(), ..Receiver::default() });
    let mut bench = Bench::new(&[("mail", &mail)]);
    bench.post("begins", &["mail"]);
    bench.post("ends", &["mail"]);
    tokio::time::sleep(Duration::from_hours(5)).await;
    bench.crash();
    assert_eq!(got(&mail), Vec::<String>::new());
    let stuck = bench.store.stuck_channels(STUCK).unwrap();
    assert_eq!(stuck, [("mail".to_owned(), "nobody listens".to_owned())]);
    mail.away.store(false, Ordering::Relaxed);
    bench.start();
    tokio::time::sleep(MAX_BACKOFF + Duration::from_secs(1)).await;
    assert_eq!(got(&mail), ["begins", "ends"]);
    assert_eq!(bench.store.stuck_channels(STUCK).unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn the_others_are_tried_when_a_channel_is_down_and_only_once() {
    let mail = Arc::new(Receiver { away: true.into(), ..Receiver::default() });
    let (chat, pager) = (Arc::new(Receiver::default()), Arc::new(Receiver::default()));
    let bench = Bench::new(&[("mail", &mail), ("chat", &chat), ("pager", &pager)]);
    bench.post("a", &["mail", "chat"]);
    tokio::time::sleep(Duration::from_mins(2)).await;
    assert_eq!((got(&chat), got(&pager)), (vec!["a".to_owned()], vec!["a".to_owned()]));
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert_eq!((got(&chat).len(), got(&pager).len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_for_good_holds_up_nothing() {
    let mail = Arc::new(Receiver { away: true.into(), lasting: true, ..Receiver::default() });
    let chat = Arc::new(Receiver::default());
    let bench = Bench::new(&[("mail", &mail), ("chat", &chat)]);
    bench.post("a", &["mail", "gone"]);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(got(&chat), ["a"]);
    mail.away.store(false, Ordering::Relaxed);
    bench.post("b", &["mail"]);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(got(&mail).last().unwrap(), "b");
    assert_eq!(bench.store.next_delivery().unwrap(), None, "nothing waits for ever");
}

#[test]
fn waits_grow_to_a_limit() {
    let waits: BTreeMap<u32, u64> =
        [0, 1, 2, 10, u32::MAX].map(|tries| (tries, wait(tries).as_secs())).into();
    assert_eq!(waits, [(0, 5), (1, 10), (2, 20), (10, 600), (u32::MAX, 600)].into());
}
