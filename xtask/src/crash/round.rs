//! One round: a server with writers, a backup, mostly a shipper, something that dies, and restores.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use lifeboat_testkit::{Line, Neo4j, Neo4jOptions};

use super::Chance;
use super::writer::{Acknowledged, Writer, held, now};
use crate::demo::binary;

/// How many write at the same time.
const WRITERS: u64 = 2;

/// What a round, or all, have shown.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    acknowledged: u64,
    restores: u64,
    exact: u64,
    timed: u64,
    deaths: Vec<&'static str>,
}

impl Shown {
    pub(crate) fn add(&mut self, other: &Self) {
        self.acknowledged += other.acknowledged;
        self.restores += other.restores;
        self.exact += other.exact;
        self.timed += other.timed;
        self.deaths.extend(&other.deaths);
    }

    /// All in one line.
    pub(crate) fn sum(&self) -> String {
        let mut deaths = std::collections::BTreeMap::<_, u64>::new();
        for death in &self.deaths {
            *deaths.entry(*death).or_default() += 1;
        }
        let deaths: Vec<_> =
            deaths.iter().map(|(what, times)| format!("{times}× {what}")).collect();
        format!(
            "{} transactions acknowledged, {} restores ({} to a transaction, {} to a time); {}",
            self.acknowledged,
            self.restores,
            self.exact,
            self.timed,
            deaths.join(", ")
        )
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>5} acknowledged  {} restores  {}",
            self.acknowledged,
            self.restores,
            self.deaths.join(", ")
        )
    }
}

/// Where a restore should have come to.
enum Point {
    /// All that was acknowledged before, and nothing that was sent after: times in milliseconds.
    Between { before: u64, after: u64 },
    /// Exactly the transactions up to this.
    Tx(u64),
}

/// What the round works with.
struct Scene<'s> {
    folder: &'s Path,
    lifeboat: PathBuf,
    line: Line,
    chance: Chance,
    points: Points,
}

/// To how many points a round restores, where the window of recovery allows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Points {
    /// Transactions.
    pub(crate) transactions: u64,
    /// Times.
    pub(crate) times: u64,
}

/// What `lifeboat status` says can be recovered of the database.
#[derive(Debug, serde::Deserialize)]
struct Window {
    database: String,
    first_tx: u64,
    last_tx: u64,
    to: jiff::Timestamp,
}

impl Window {
    fn holds(&self, ack: &Acknowledged) -> bool {
        let is_between = |tx: u64| self.first_tx < tx && tx <= self.last_tx;
        self.database == "neo4j" && ack.tx.is_some_and(is_between)
    }

    /// Whether it goes on after the moment at which a transaction was acknowledged.
    fn outlasts(&self, ack: &Acknowledged) -> bool {
        self.holds(ack) && ack.done.cast_signed() < self.to.as_millisecond()
    }
}

/// Plays a round.
pub(crate) async fn play(
    seed: u64,
    line: Line,
    folder: &Path,
    points: Points,
) -> anyhow::Result<Shown> {
    let mut scene = Scene { folder, lifeboat: binary()?, line, chance: Chance::of(seed), points };
    let mut shown = Shown::default();
    let mut server = scene.start_server().await?;
    let mut writers = (0..WRITERS)
        .map(|id| Writer::start(&server, id, Vec::new()))
        .collect::<anyhow::Result<Vec<_>>>()?;
    scene.write_for(&writers, 30).await?;

    // The base, while they write; now and then the program dies over it and is called again.
    if scene.chance.below(4) == 0 {
        let mut dying = scene.spawn(&server, &["backup", "--method", "physical"])?;
        tokio::time::sleep(Duration::from_millis(scene.chance.below(600))).await;
        kill(&mut dying)?;
        shown.deaths.push("backup");
    }
    let before = now();
    scene.run(&server, &["backup", "--method", "physical"]).await?;
    let after = now();

    let ships = scene.chance.below(5) != 0 && scene.can_ship()?;
    if ships {
        let mut shipper = scene.spawn(&server, &["ship", "--interval", "1s"])?;
        for _ in 0..=scene.chance.below(3) {
            scene.write_for(&writers, 20).await?;
            match scene.chance.below(4) {
                0 => {
                    kill(&mut shipper)?;
                    shown.deaths.push("shipper");
                    shipper = scene.spawn(&server, &["ship", "--wait"])?;
                }
                1 => {
                    let away = scene.folder.join("vault-away");
                    std::fs::rename(scene.vault(), &away)?;
                    scene.write_for(&writers, 20).await?;
                    // The program may have made a folder of its own meanwhile: it must not.
                    ensure!(!scene.vault().exists(), "a vault that had gone was made anew");
                    std::fs::rename(&away, scene.vault())?;
                    shown.deaths.push("vault");
                }
                2 => {
                    server.kill()?;
                    shown.deaths.push("server");
                    let mut ended = Vec::new();
                    for writer in writers {
                        ended.push(writer.stop().await);
                    }
                    server.restart().await?;
                    writers = Vec::new();
                    for (id, done) in ended {
                        // What was sent last may be there without an answer.
                        let there = held(&server, id).await?;
                        let done = with_unanswered(done, there)?;
                        writers.push(Writer::start(&server, id, done)?);
                    }
                }
                _ => {}
            }
        }
        scene.write_for(&writers, 20).await?;
        let mut done = Vec::new();
        if scene.chance.below(2) == 0 {
            server.kill()?;
            shown.deaths.push("server");
        }
        for writer in writers {
            done.push(writer.stop().await);
        }
        if scene.chance.below(3) == 0 {
            kill(&mut shipper)?;
            shown.deaths.push("shipper");
        } else {
            let pid = shipper.id().to_string();
            ensure!(Command::new("kill").arg(pid).status()?.success(), "the shipper had ended");
            shipper.wait()?;
        }
        // What a shipper that died had not got to.
        scene.run(&server, &["ship", "--once", "--wait"]).await?;
        server.kill()?;
        shown.acknowledged = done.iter().map(|(_, list)| list.len() as u64).sum();
        let end = Point::Between { before: now(), after: u64::MAX };
        scene.restore(&["latest"], &end, &done, &mut shown).await?;
        scene.points(&server, &done, &mut shown).await?;
    } else {
        scene.write_for(&writers, 10).await?;
        server.kill()?;
        shown.deaths.push("server");
        let mut done = Vec::new();
        for writer in writers {
            done.push(writer.stop().await);
        }
        shown.acknowledged = done.iter().map(|(_, list)| list.len() as u64).sum();
        scene.restore(&["latest"], &Point::Between { before, after }, &done, &mut shown).await?;
        // A backup of what a dead server left holds all that it had acknowledged.
        scene.run(&server, &["backup", "--method", "physical"]).await?;
        let end = Point::Between { before: now(), after: u64::MAX };
        scene.restore(&["latest"], &end, &done, &mut shown).await?;
    }
    Ok(shown)
}

/// The acknowledged ones, and behind them one of which the answer got lost.
fn with_unanswered(mut done: Vec<Acknowledged>, there: u64) -> anyhow::Result<Vec<Acknowledged>> {
    let known = done.len() as u64;
    ensure!(
        there == known || there == known + 1,
        "a server that was killed holds {there} transactions of {known} acknowledged"
    );
    if there > known {
        done.push(Acknowledged { tx: None, sent: 0, done: now() });
    }
    Ok(done)
}

impl Scene<'_> {
    /// Whether the program knows how to ship logs.
    fn can_ship(&self) -> anyhow::Result<bool> {
        let mut command = Command::new(&self.lifeboat);
        command.args(["ship", "--help"]).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(command.status()?.success())
    }

    fn vault(&self) -> PathBuf {
        self.folder.join("vault")
    }

    async fn start_server(&mut self) -> anyhow::Result<Neo4j> {
        let checkpoint = self.chance.pick(&["1s", "3s", "15m"]);
        let rotation = self.chance.pick(&["128k", "1m", "256m"]);
        let keep = self.chance.pick(&["2 days", "keep_all", "1 files"]);
        let options = Neo4jOptions::default()
            .without_auth()
            .home(self.folder.join("home"))
            .setting("db.checkpoint.interval.time", checkpoint)
            .setting("db.tx_log.rotation.size", rotation)
            .setting("db.tx_log.rotation.retention_policy", keep)
            .setting("db.tx_log.preallocate", self.chance.pick(&["true", "false"]));
        Neo4j::start_with(self.line, options).await
    }

    /// Lets the writers go on for about so many transactions each.
    async fn write_for(&mut self, writers: &[Writer], least: u64) -> anyhow::Result<()> {
        let more = least + self.chance.below(2 * least);
        let goals: Vec<u64> = writers.iter().map(|writer| writer.sent() + more).collect();
        for _ in 0..6_000 {
            if writers.iter().zip(&goals).all(|(writer, goal)| writer.sent() >= *goal) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("the writers have come to a halt")
    }

    fn command(&self, server: &Neo4j, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.lifeboat);
        command
            .args(arguments)
            .arg("--json")
            .env("LIFEBOAT_VAULT", self.vault())
            .env("LIFEBOAT_NEO4J_HOME", self.folder.join("home"))
            .env_remove("LIFEBOAT_CONFIG")
            .current_dir(self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if matches!(arguments.first(), Some(&("backup" | "ship"))) {
            command.arg("--neo4j").arg(server.installation().folder());
        }
        command
    }

    fn spawn(&self, server: &Neo4j, arguments: &[&str]) -> anyhow::Result<Child> {
        Ok(self.command(server, arguments).spawn()?)
    }

    async fn run(&self, server: &Neo4j, arguments: &[&str]) -> anyhow::Result<()> {
        self.finish(self.command(server, arguments), arguments).await
    }

    async fn finish(&self, mut command: Command, arguments: &[&str]) -> anyhow::Result<()> {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = tokio::task::spawn_blocking(move || command.output()).await??;
        ensure!(
            output.status.success(),
            "`lifeboat {}` failed ({}): {}",
            arguments.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(())
    }

    /// Restores to transactions and times of what can be recovered.
    async fn points(
        &mut self,
        server: &Neo4j,
        done: &[(u64, Vec<Acknowledged>)],
        shown: &mut Shown,
    ) -> anyhow::Result<()> {
        let mut command = self.command(server, &["status"]);
        let output = tokio::task::spawn_blocking(move || {
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).output()
        });
        let output = output.await??;
        let status: serde_json::Value = serde_json::from_slice(&output.stdout)
            .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
        let windows: Vec<Window> = serde_json::from_value(status["windows"].clone())?;
        let all = || done.iter().flat_map(|(_, list)| list.iter().copied());
        let held: Vec<Acknowledged> =
            all().filter(|ack| windows.iter().any(|window| window.holds(ack))).collect();
        let outlasted: Vec<Acknowledged> =
            all().filter(|ack| windows.iter().any(|window| window.outlasts(ack))).collect();
        for _ in 0..if held.is_empty() { 0 } else { self.points.transactions } {
            let tx = self.chance.pick(&held).tx.context("it was acknowledged with its id")?;
            let text = tx.to_string();
            self.restore(&["--until-tx", &text], &Point::Tx(tx), done, shown).await?;
            shown.exact += 1;
        }
        for _ in 0..if outlasted.is_empty() { 0 } else { self.points.times } {
            let moment = self.chance.pick(&outlasted).done;
            let text = timestamp(moment)?;
            // A transaction's time is taken some milliseconds before its answer comes.
            let point = Point::Between { before: moment.saturating_sub(1), after: moment + 1 };
            self.restore(&["--until", &text], &point, done, shown).await?;
            shown.timed += 1;
        }
        Ok(())
    }

    /// Restores into a new home, starts a server on it, and looks; then checks the store.
    async fn restore(
        &mut self,
        which: &[&str],
        point: &Point,
        done: &[(u64, Vec<Acknowledged>)],
        shown: &mut Shown,
    ) -> anyhow::Result<()> {
        let home = self.folder.join(format!("restored-{}", shown.restores));
        std::fs::create_dir(&home)?;
        let into = home.to_str().context("a path that is not UTF-8")?.to_owned();
        let arguments = [&["restore"], which, &["--into-home", &into, "--no-check"]].concat();
        let mut command = Command::new(&self.lifeboat);
        command.args(&arguments).env("LIFEBOAT_VAULT", self.vault()).env_remove("LIFEBOAT_CONFIG");
        command.current_dir(self.folder).stdin(Stdio::null());
        self.finish(command, &arguments).await?;
        let options = Neo4jOptions::default().without_auth().home(&home);
        let mut restored = Neo4j::start_with(self.line, options).await?;
        for (writer, list) in done {
            let there = held(&restored, *writer).await?;
            let (least, most) = match *point {
                Point::Between { before, after } => (
                    list.iter().filter(|ack| ack.done < before).count() as u64,
                    list.iter().filter(|ack| ack.sent <= after).count() as u64
                        + u64::from(after == u64::MAX || list.iter().all(|ack| ack.sent <= after)),
                ),
                Point::Tx(tx) => {
                    let known = list.iter().rposition(|ack| ack.tx.is_some_and(|id| id <= tx));
                    let exact = known.map_or(0, |index| index + 1);
                    let unknown = list[exact..].iter().take_while(|ack| ack.tx.is_none()).count();
                    (exact as u64, (exact + unknown) as u64)
                }
            };
            ensure!(
                (least..=most).contains(&there),
                "after `lifeboat {}`, {there} transactions of writer {writer} are there, and there \
                 should be {least} to {most}",
                arguments.join(" ")
            );
        }
        restored.stop().await?;
        restored.check_store("neo4j").await?;
        shown.restores += 1;
        std::fs::remove_dir_all(&home)?;
        Ok(())
    }
}

/// Kills a program as a power cut would.
fn kill(child: &mut Child) -> anyhow::Result<()> {
    child.kill()?;
    child.wait()?;
    Ok(())
}

/// A moment as RFC 3339 writes it.
fn timestamp(millis: u64) -> anyhow::Result<String> {
    Ok(jiff::Timestamp::from_millisecond(millis.cast_signed())?.to_string())
}
