//! Logs that are shipped while a server works, and the way back to any transaction and time.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lifeboat_testkit::{Line, Neo4j, Neo4jOptions};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::support::{Ran, lifeboat};

/// A server of its own, and a vault.
struct World {
    server: Neo4j,
    folder: tempfile::TempDir,
}

impl World {
    async fn new(line: Line) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("home");
        std::fs::create_dir(folder.path().join("vault")).unwrap();
        let server = Neo4j::start_with(line, Neo4jOptions::default().home(&home)).await.unwrap();
        Self { server, folder }
    }

    fn vault(&self) -> PathBuf {
        self.folder.path().join("vault")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = lifeboat(args);
        command.env("LIFEBOAT_VAULT", self.vault());
        command.env("LIFEBOAT_URI", self.server.uri());
        command.env("LIFEBOAT_USERNAME", self.server.username());
        command.env("LIFEBOAT_PASSWORD", self.server.password());
        command.env("LIFEBOAT_NEO4J_HOME", self.server.home());
        command
    }

    async fn run(&self, args: &[&str]) -> Ran {
        Ran::of(self.command(args)).await
    }

    async fn write(&self, number: u64) {
        let text = format!("CREATE (:Written {{number: {number}}})");
        self.server.query(&text).await.unwrap();
    }

    /// The last transaction that was committed to the main database, and how many are not shipped.
    async fn lag(&self) -> (u64, Option<u64>) {
        let status = self.run(&["status", "--json"]).await.document();
        let lags = status["lags"].as_array().unwrap();
        let lag = lags.iter().find(|lag| lag["database"] == "neo4j").unwrap();
        (lag["committed_tx"].as_u64().unwrap(), lag["transactions"].as_u64())
    }

    async fn all_shipped(&self) {
        for _ in 0..600 {
            if self.lag().await.1 == Some(0) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the shipper does not get on: {:?}", self.lag().await);
    }

    /// What a server has on a home that was restored so.
    async fn restored(&self, line: Line, args: &[&str]) -> Vec<u64> {
        let home = tempfile::tempdir_in(self.folder.path()).unwrap();
        let into = home.path().to_str().unwrap();
        let all = [&["restore"], args, &["--into-home", into, "--no-check"]].concat();
        self.run(&all).await.code(0);
        let options = Neo4jOptions::default().without_auth().home(home.path());
        numbers(&Neo4j::start_with(line, options).await.unwrap()).await
    }
}

async fn numbers(server: &Neo4j) -> Vec<u64> {
    let rows = server.query("MATCH (n:Written) RETURN n.number ORDER BY n.number").await.unwrap();
    rows.iter().map(|row| row[0].as_u64().unwrap()).collect()
}

fn terminate(child: &Child) {
    let pid = child.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").arg(pid).status().unwrap().success());
}

/// The next message of this type from a shipper.
async fn heard(lines: &mut Lines<BufReader<ChildStdout>>, what: &str) -> serde_json::Value {
    while let Some(line) = lines.next_line().await.unwrap() {
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        if line["message_type"] == what {
            return line;
        }
    }
    panic!("the shipper has ended without a word of {what}");
}

/// The segments of the main database, the oldest first.
fn segments(vault: &Path) -> Vec<PathBuf> {
    let folder = std::fs::read_dir(vault.join("ship/neo4j/000001")).unwrap();
    let mut found: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|extension| extension == "seg"));
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_measures_what_would_be_lost_and_is_no_data() {
    let world = World::new(Line::Lts).await;
    world.write(1).await;
    let name = |name| ["backup", "--name", name, "--json"];
    let before = world.run(&name("before")).await.code(0).summary();
    let ship = ["ship", "--json", "--canary", "1s", "--no-base"];
    let mut command = world.command(&ship);
    let mut shipper = command.spawn().unwrap();
    let mut lines = BufReader::new(shipper.stdout.take().unwrap()).lines();
    let mut found = Vec::new();
    while found.len() < 3 {
        let line = heard(&mut lines, "canary").await;
        assert_eq!(line["database"], "neo4j");
        assert!(line["seconds"].as_f64().unwrap() >= 0.0, "{line}");
        found.push(line["tx"].as_u64().unwrap());
    }
    terminate(&shipper);
    assert_eq!(shipper.wait().await.unwrap().code(), Some(143));
    assert!(found.is_sorted(), "{found:?}");
    let count = "MATCH (n:LifeboatCanary) RETURN count(n)";
    assert_eq!(world.server.query(count).await.unwrap()[0][0], 1);
    let after = world.run(&name("after")).await.code(0).summary();
    assert_eq!(after["fingerprint"], before["fingerprint"]);
    assert_eq!((&after["nodes"], &before["nodes"]), (&1.into(), &1.into()));
    let mut nowhere = lifeboat(["ship", "--canary", "1s", "--vault", "x", "--neo4j-home", "y"]);
    nowhere.env_remove("LIFEBOAT_URI");
    Ran::of(nowhere).await.code(2).says("no server is given for the canary");
}

async fn to_any_transaction_and_time(line: Line) {
    let world = World::new(line).await;
    // The first transaction brings names with it, which are transactions of their own.
    world.write(0).await;
    let (first, _) = world.lag().await;
    // The log is shipped from where this stands, though it was taken before.
    world.run(&["backup", "--method", "physical", "--name", "base"]).await.code(0);
    world.write(1).await;
    let ship = ["ship", "--json", "--interval", "1s"];
    let mut shipper = world.command(&ship).spawn().unwrap();
    let mut lines = BufReader::new(shipper.stdout.take().unwrap()).lines();
    for number in 2..=20 {
        world.write(number).await;
    }
    world.all_shipped().await;
    // The vault is gone for a while; what gathers meanwhile comes later, and nothing is skipped.
    let away = world.folder.path().join("away");
    std::fs::rename(world.vault(), &away).unwrap();
    world.write(21).await;
    heard(&mut lines, "trouble").await;
    if line == Line::Lts {
        // Longer than a lease is held, which is in the vault as well.
        tokio::time::sleep(Duration::from_secs(65)).await;
    }
    world.write(22).await;
    std::fs::rename(&away, world.vault()).unwrap();
    heard(&mut lines, "recovered").await;
    world.all_shipped().await;
    world.run(&["ship", "--once"]).await.code(11).says("ships transaction logs");
    tokio::time::sleep(Duration::from_millis(50)).await;
    let moment = jiff::Timestamp::now().to_string();
    tokio::time::sleep(Duration::from_millis(50)).await;
    terminate(&shipper);
    assert_eq!(heard(&mut lines, "stopped").await["complete"], true);
    let ended = Ran::from(shipper.wait_with_output().await.unwrap()).code(143);
    assert!(!ended.stderr.contains("error"), "{ended:?}");

    // What was written while none was at work comes with the next.
    for number in 23..=42 {
        world.write(number).await;
    }
    tokio::time::sleep(Duration::from_millis(1100)).await;
    world.run(&["status", "--rpo", "1s"]).await.code(14);
    world.run(&["ship", "--once"]).await.code(0);
    let status = world.run(&["status", "--rpo", "1h"]).await.code(0);
    assert!(status.stdout.contains("all shipped"), "{status:?}");
    let list = world.run(&["list"]).await.code(0);
    assert!(list.stdout.contains("neo4j: from "), "{list:?}");

    assert!(world.restored(line, &["latest"]).await.into_iter().eq(0..=42));
    for number in [7, 33] {
        let tx = (first + number).to_string();
        assert!(world.restored(line, &["--until-tx", &tx]).await.into_iter().eq(0..=number));
    }
    assert!(world.restored(line, &["--until", &moment]).await.into_iter().eq(0..=22));

    // Beyond the end is no point that there is; the windows are named.
    let home = tempfile::tempdir_in(world.folder.path()).unwrap();
    let into = home.path().to_str().unwrap();
    let beyond = (first + 1000).to_string();
    let restore = ["restore", "--until-tx", &beyond, "--into-home", into];
    world.run(&restore).await.code(1).says(&format!("transaction {}", first + 42));
    assert!(std::fs::read_dir(home.path()).unwrap().next().is_none());

    // A segment with a wrong byte is never used; how far one comes without it is told.
    let last = segments(&world.vault()).pop().unwrap();
    let whole = std::fs::read(&last).unwrap();
    let mut wrong = whole.clone();
    let middle = wrong.len() / 2;
    wrong[middle] ^= 1;
    std::fs::write(&last, &wrong).unwrap();
    world.run(&["restore", "latest", "--into-home", into]).await.code(1).says("damaged");
    std::fs::remove_file(&last).unwrap();
    assert!(world.restored(line, &["latest"]).await.len() < 43);
    std::fs::write(&last, &whole).unwrap();
    assert_eq!(world.restored(line, &["latest"]).await.len(), 43);

    // Logs live as long as a base that needs them.
    let number = segments(&world.vault()).len();
    world.run(&["backup", "--method", "physical", "--name", "later"]).await.code(0);
    world.write(43).await;
    world.run(&["ship", "--once"]).await.code(0);
    let kept = world.run(&["prune"]).await.code(0);
    assert!(!kept.stdout.contains("shipped logs"), "{kept:?}");
    assert_eq!(segments(&world.vault()).len(), number + 1);
    for file in ["base.tar.zst", "base.manifest.json"] {
        std::fs::remove_file(world.vault().join(file)).unwrap();
    }
    let planned = world.run(&["prune", "--dry-run"]).await.code(0);
    assert!(planned.stdout.contains("would remove"), "{planned:?}");
    assert_eq!(segments(&world.vault()).len(), number + 1);
    world.run(&["prune"]).await.code(0);
    assert_eq!(segments(&world.vault()).len(), 2, "the one in which the later backup ends, and on");
    assert!(world.restored(line, &["latest"]).await.into_iter().eq(0..=43));
    world
        .run(&["restore", "--until-tx", &first.to_string(), "--into-home", into])
        .await
        .code(1)
        .says("no physical backup is from before");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_the_older_line_is_restored_to_any_transaction_and_time() {
    to_any_transaction_and_time(Line::Lts).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_the_newer_line_is_restored_to_any_transaction_and_time() {
    to_any_transaction_and_time(Line::Current).await;
}

#[tokio::test]
async fn what_cannot_be_shipped_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let run = |args: &[&str]| {
        let mut command = lifeboat(["ship", "--vault", path]);
        command.args(args);
        Ran::of(command)
    };
    run(&[]).await.code(2).says("--neo4j-home");
    run(&["--neo4j-home", path]).await.code(1).says("holds no transaction logs");
    run(&["--neo4j-home", path, "--interval", "often"]).await.code(2).says("as in 24h");
}
