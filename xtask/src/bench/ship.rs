//! Log shipping: what it costs the writers of a server, and a backup beside them, and how much would
//! be lost at any moment.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use lifeboat_bolt::{Access, Params, RunOptions, Value};
use lifeboat_testkit::{Line, Neo4j, folders};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;
use tokio::task::JoinHandle;

use super::child::Usage;
use super::section::{Section, mebibytes};
use super::turns::median;
use super::{Bench, child};
use crate::client;

/// What a transaction does.
const EVENT: &str = "CREATE (:Event {number: $number, text: 'what happened'})";
/// How many write at the same time.
const WRITERS: u32 = 4;
/// How long they write until a new server has come to its pace.
const WARM_UP: Duration = Duration::from_mins(2);
/// How long they write in a turn.
const TURN: Duration = Duration::from_secs(15);
/// How long the loss is measured, and at how many transactions a second.
const LOSS: Duration = Duration::from_mins(1);
const RATE: u32 = 300;

pub(super) async fn run(bench: &Bench) -> anyhow::Result<Section> {
    let scratch = folders::scratch("bench")?;
    let (home, vault) = (scratch.path().join("home"), scratch.path().join("vault"));
    std::fs::create_dir(&vault)?;
    let server = Neo4j::start_with(Line::Lts, Bench::server_options().home(&home)).await?;
    write(&server, None, WARM_UP).await?;
    child::run(&mut shipping(bench, &server, &vault, &["--once"])).await?;

    let backups = scratch.path().join("backups");
    let (mut ratios, mut paces) = (Vec::new(), Vec::new());
    for round in 0..bench.rounds() {
        // Now the one is first, now the other: a server goes on getting faster for a while.
        let (alone, shipped) = if round % 2 == 0 {
            (alone(&server).await?, beside(bench, &server, &vault).await?)
        } else {
            let shipped = beside(bench, &server, &vault).await?;
            (alone(&server).await?, shipped)
        };
        let backed_up = under_backup(bench, &server, &backups).await?;
        eprintln!(
            "  {:.0} transactions a second, {:.0} with a shipper, {:.0} under backup",
            alone.rate, shipped.rate, backed_up.rate
        );
        ratios.push(shipped.rate / alone.rate);
        paces.push([alone, shipped, backed_up]);
    }

    let shipper = Shipper::start(bench, &server, &vault).await?;
    let before = Usage::of(shipper.pid).unwrap_or_default();
    let began = Instant::now();
    let written = write(&server, Some(RATE), LOSS).await?;
    let after = Usage::of(shipper.pid).unwrap_or_default();
    let processor = after.processor.saturating_sub(before.processor);
    let processor = processor.as_secs_f64() / began.elapsed().as_secs_f64();
    // The last ones are shipped within the next interval.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (marks, peak) = shipper.stop().await?;
    let mut losses = Vec::new();
    for ack in &written {
        let mark = marks.iter().find(|mark| mark.last_tx >= ack.tx);
        let mark = mark.with_context(|| format!("transaction {} was never shipped", ack.tx))?;
        losses.push(mark.at.saturating_duration_since(ack.done).as_secs_f64());
    }
    ensure!(!losses.is_empty(), "nothing was written");

    let rows = ["alone", "with a shipper", "under one backup after another"];
    let rows = rows.iter().enumerate().map(|(index, name)| {
        let of =
            |pick: fn(&Pace) -> f64| median(paces.iter().map(|pace| pick(&pace[index])).collect());
        let (rate, p99) = (of(|pace| pace.rate), of(|pace| pace.p99));
        vec![(*name).to_owned(), format!("{rate:.0}"), format!("{:.1} ms", p99 * 1e3)]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    let mut section = Section::default();
    section.say(format!(
        "Neo4j {}. {WRITERS} writers create a node in each transaction, as fast as they are \
         answered, for {} s each: alone, beside `lifeboat ship` with its interval of a second, and \
         while `lifeboat backup --method physical` is run again and again.",
        Line::Lts.version(),
        TURN.as_secs()
    ));
    section.table(&["", "transactions a second", "99 % answered within"], &rows);
    section.say(format!(
        "What would be lost: the time from a transaction's answer until it was in the vault (a \
         folder), for each of {} at {RATE} a second: median {:.2} s, 99 % {:.2} s, most {:.2} s. The \
         shipper took {:.1} % of a processor and at most {}.",
        losses.len(),
        quantile(&mut losses, 0.5),
        quantile(&mut losses, 0.99),
        quantile(&mut losses, 1.0),
        processor * 100.0,
        mebibytes(peak)
    ));
    section.at_least("throughput, to that alone", median(ratios), 0.9, "");
    section.at_most("99 % of what would be lost", quantile(&mut losses, 0.99), 2.0, "s");
    section.at_most("peak memory", peak as f64 / f64::from(1 << 20), 256.0, "MiB");
    Ok(section)
}

/// A turn of the writers alone.
async fn alone(server: &Neo4j) -> anyhow::Result<Pace> {
    Ok(Pace::of(&write(server, None, TURN).await?))
}

/// A turn of the writers beside a shipper.
async fn beside(bench: &Bench, server: &Neo4j, vault: &Path) -> anyhow::Result<Pace> {
    let shipper = Shipper::start(bench, server, vault).await?;
    let pace = Pace::of(&write(server, None, TURN).await?);
    shipper.stop().await?;
    Ok(pace)
}

/// A turn of the writers while one physical backup follows the other.
async fn under_backup(bench: &Bench, server: &Neo4j, vault: &Path) -> anyhow::Result<Pace> {
    let again_and_again = async {
        loop {
            let mut backup =
                bench.lifeboat(Some(server), vault, &["backup", "--method", "physical"]);
            backup.arg("--neo4j-home").arg(server.home());
            if let Err(error) = child::run(&mut backup).await {
                return error;
            }
        }
    };
    tokio::select! {
        written = write(server, None, TURN) => Ok(Pace::of(&written?)),
        error = again_and_again => Err(error),
    }
}

fn shipping(
    bench: &Bench,
    server: &Neo4j,
    vault: &Path,
    arguments: &[&str],
) -> tokio::process::Command {
    let mut command = bench.lifeboat(Some(server), vault, &["ship", "--json"]);
    command.args(arguments).arg("--neo4j-home").arg(server.home());
    command
}

/// What a shipper says of the main database: up to where it was shipped, and when.
#[derive(Debug, Clone, Copy)]
struct Mark {
    last_tx: u64,
    at: Instant,
}

#[derive(Deserialize)]
struct Event {
    message_type: String,
    #[serde(default)]
    database: String,
    #[serde(default)]
    last_tx: u64,
}

/// A shipper at work.
struct Shipper {
    child: Child,
    pid: u32,
    reader: JoinHandle<Vec<Mark>>,
}

impl Shipper {
    async fn start(bench: &Bench, server: &Neo4j, vault: &Path) -> anyhow::Result<Self> {
        let mut command = shipping(bench, server, vault, &[]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.kill_on_drop(true).spawn()?;
        let pid = child.id().context("the shipper ended before it began")?;
        let mut lines = BufReader::new(child.stdout.take().context("it has an output")?).lines();
        let started = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&started);
        let reader = tokio::spawn(async move {
            let mut marks = Vec::new();
            while let Ok(Some(line)) = lines.next_line().await {
                let at = Instant::now();
                seen.store(true, Ordering::SeqCst);
                let Ok(event) = serde_json::from_str::<Event>(&line) else { continue };
                if event.message_type == "shipped" && event.database == "neo4j" {
                    marks.push(Mark { last_tx: event.last_tx, at });
                }
            }
            marks
        });
        while !started.load(Ordering::SeqCst) {
            ensure!(!reader.is_finished(), "the shipper says nothing");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(Self { child, pid, reader })
    }

    /// Ends it; what it has said, and the most memory that it had.
    async fn stop(mut self) -> anyhow::Result<(Vec<Mark>, u64)> {
        let peak = Usage::of(self.pid).unwrap_or_default().peak;
        let pid = self.pid.to_string();
        ensure!(
            std::process::Command::new("kill").arg(pid).status()?.success(),
            "the shipper had ended"
        );
        let status = self.child.wait().await?;
        ensure!(status.code() == Some(143), "the shipper ended with {status}");
        Ok((self.reader.await?, peak))
    }
}

/// A transaction that was answered.
#[derive(Debug, Clone, Copy)]
struct Answer {
    tx: u64,
    done: Instant,
    took: Duration,
}

/// How fast it went.
struct Pace {
    rate: f64,
    p99: f64,
}

impl Pace {
    fn of(answers: &[Answer]) -> Self {
        let mut took: Vec<f64> = answers.iter().map(|answer| answer.took.as_secs_f64()).collect();
        Self { rate: answers.len() as f64 / TURN.as_secs_f64(), p99: quantile(&mut took, 0.99) }
    }
}

fn quantile(numbers: &mut [f64], share: f64) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let index = (share * numbers.len().saturating_sub(1) as f64).round() as usize;
    numbers.get(index).copied().unwrap_or(f64::NAN)
}

/// Lets all writers write: as fast as they are answered, or so many transactions a second together.
async fn write(
    server: &Neo4j,
    rate: Option<u32>,
    how_long: Duration,
) -> anyhow::Result<Vec<Answer>> {
    let began = Instant::now();
    let next = Arc::new(AtomicU64::new(0));
    let mut writers = Vec::new();
    for _ in 0..WRITERS {
        let mut connection = client::connect(server).await?;
        let next = Arc::clone(&next);
        writers.push(tokio::spawn(async move {
            let run = RunOptions { access: Access::Write, ..RunOptions::default() };
            let mut answers = Vec::new();
            while began.elapsed() < how_long {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if let Some(rate) = rate {
                    let due = began + Duration::from_secs(1) / rate * u32::try_from(number)?;
                    tokio::time::sleep_until(due.into()).await;
                }
                let sent = Instant::now();
                let number = Value::Int(number.cast_signed());
                let params = Params::Values(vec![("number".to_owned(), number)]);
                let summary = connection.run(EVENT, params, &run).await?.finish().await?;
                let bookmark = summary.bookmark.and_then(|bookmark| bookmark.decoded());
                let tx = bookmark.context("the server tells no transaction")?.tx_id;
                answers.push(Answer { tx, done: Instant::now(), took: sent.elapsed() });
            }
            connection.close().await;
            anyhow::Ok(answers)
        }));
    }
    let mut answers = Vec::new();
    for writer in writers {
        answers.extend(writer.await??);
    }
    Ok(answers)
}
