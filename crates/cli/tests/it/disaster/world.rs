//! Two regions on one machine, a third for drills, and the name by which people reach whichever
//! serves.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex as StdMutex};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use lifeboat_testkit::azurite::{ACCOUNT, Azurite, SECOND_ACCOUNT};
use lifeboat_testkit::dns::{Dns, KEY_NAME};
use lifeboat_testkit::ports::free_port;
use lifeboat_testkit::{Line, neo4j};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Child;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::application::number;
use super::control::{Control, Region};
use crate::support::{Ran, lifeboat};

const ZONE: &str = "story.test";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    East,
    West,
    /// Where drills take place.
    Drill,
}

impl Side {
    fn environment(self) -> &'static str {
        match self {
            Self::East => "primary",
            Self::West => "secondary",
            Self::Drill => "rehearsal",
        }
    }
}

/// A line to a store that can be cut.
struct Cable {
    port: u16,
    open: Arc<AtomicBool>,
}

impl Cable {
    async fn to(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let open = Arc::new(AtomicBool::new(true));
        let this = Arc::clone(&open);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                if !this.load(Ordering::Relaxed) {
                    continue;
                }
                let this = Arc::clone(&this);
                tokio::spawn(async move {
                    let Ok(mut server) = TcpStream::connect(("127.0.0.1", target)).await else {
                        return;
                    };
                    let copy = tokio::io::copy_bidirectional(&mut client, &mut server);
                    let cut = async {
                        while this.load(Ordering::Relaxed) {
                            tokio::time::sleep(Duration::from_millis(20)).await;
                        }
                    };
                    tokio::select! { _ = copy => {}, () = cut => {} }
                });
            }
        });
        Self { port, open }
    }
}

pub(super) struct World {
    name: &'static str,
    folder: tempfile::TempDir,
    dns: Dns,
    control: Arc<Control>,
    _stores: [Azurite; 2],
    cable: Cable,
    acknowledged: Arc<StdMutex<Vec<(u64, Timestamp)>>>,
    writing: Mutex<Option<(Arc<AtomicBool>, JoinHandle<()>)>>,
}

/// Asks an address over HTTP: the body of a good answer, or that of another.
async fn get(address: IpAddr, port: u16, path: &str) -> Result<String, String> {
    let work = async {
        let mut stream =
            TcpStream::connect((address, port)).await.map_err(|error| error.to_string())?;
        let text = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(text.as_bytes()).await.map_err(|error| error.to_string())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.map_err(|error| error.to_string())?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
        if head.starts_with("HTTP/1.1 200") { Ok(body.to_owned()) } else { Err(body.to_owned()) }
    };
    tokio::time::timeout(Duration::from_mins(1), work).await.unwrap_or(Err("too late".into()))
}

impl World {
    /// Both regions are made; the first serves. Each test has addresses of its own.
    pub(super) async fn start(name: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().canonicalize().unwrap();
        let net = 1 + ["corruption", "outage", "total", "drill", "failback"]
            .iter()
            .position(|known| *known == name)
            .unwrap() as u8;
        let address = |last: u8| IpAddr::from([127, 0, net, last]);
        let stores = [
            Azurite::start(&[ACCOUNT]).await.unwrap(),
            Azurite::start(&[SECOND_ACCOUNT]).await.unwrap(),
        ];
        for (store, (account, key)) in stores.iter().zip([ACCOUNT, SECOND_ACCOUNT]) {
            store.create_container(account, "neo4j-backups").await.unwrap();
            store.create_container(account, "config-backups").await.unwrap();
            std::fs::write(at.join(account), key).unwrap();
        }
        let cable = Cable::to(stores[0].port()).await;
        let dns = Dns::start(ZONE, &[("www", address(1)), ("drill", address(3))], 1).unwrap();
        let region = |environment: &'static str, last: u8| {
            let folder = at.join(environment);
            let source = at.join("primary/app");
            let configuration = match environment {
                "primary" => source,
                // Where a restored configuration has it.
                _ => folder.join("config/files").join(source.strip_prefix("/").unwrap()),
            };
            Region {
                environment,
                folder,
                address: address(last),
                bolt_port: free_port().unwrap(),
                reachable: true,
                database: None,
                application: None,
                configuration,
            }
        };
        let regions = vec![region("primary", 1), region("secondary", 2), region("rehearsal", 3)];
        let ports: Vec<u16> = regions.iter().map(|region| region.bolt_port).collect();
        let control = Arc::new(Control {
            regions: Mutex::new(regions),
            settings: at.clone(),
            port: free_port().unwrap(),
        });
        let interface = Arc::clone(&control).serve().await;
        std::fs::create_dir_all(at.join("primary/app")).unwrap();
        std::fs::create_dir_all(at.join("primary/home/conf")).unwrap();
        std::fs::write(at.join("primary/home/conf/neo4j.conf"), "# as it comes\n").unwrap();
        std::fs::write(at.join("primary/app/story.json"), "{\"greeting\": \"hello\"}").unwrap();
        std::fs::write(at.join("password"), neo4j::PASSWORD).unwrap();
        let installation = neo4j::assemble(Line::Lts).await.unwrap();
        let text = settings(&Places {
            at: &at,
            line: cable.port,
            second: &stores[1].endpoint(SECOND_ACCOUNT.0),
            interface,
            port: control.port,
            net,
            ports: &ports,
            dns: &dns,
            neo4j: installation.folder(),
        });
        std::fs::write(at.join("lifeboat.toml"), text).unwrap();
        for path in ["/primary/database/start", "/primary/application/start"] {
            control.act(path).await.unwrap();
        }
        let acknowledged = Arc::default();
        let writing = Mutex::new(None);
        Self { name, folder, dns, control, _stores: stores, cable, acknowledged, writing }
    }

    fn at(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap()
    }

    /// Changes the settings.
    pub(super) fn settings(&self, change: impl Fn(String) -> String) {
        let path = self.at().join("lifeboat.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        let changed = change(text.clone());
        assert_ne!(text, changed);
        std::fs::write(path, changed).unwrap();
    }

    fn command(&self, args: &[&str]) -> tokio::process::Command {
        let mut command = lifeboat(args);
        command.current_dir(self.at());
        command
    }

    pub(super) async fn lifeboat(&self, args: &[&str]) -> Ran {
        Ran::of(self.command(args)).await
    }

    /// Somebody writes numbers by the application's name, one after another.
    pub(super) fn begin_writing(&self) {
        let go = Arc::new(AtomicBool::new(true));
        let (on, known) = (Arc::clone(&go), Arc::clone(&self.acknowledged));
        let (port, dns) = (self.control.port, self.dns.address());
        let task = tokio::spawn(async move {
            let mut next = known.lock().unwrap().last().map_or(1, |(number, _)| number + 1);
            let mut address = None;
            while on.load(Ordering::Relaxed) {
                if address.is_none() {
                    address =
                        tokio::task::spawn_blocking(move || resolve(dns, "www")).await.unwrap();
                }
                let Some(to) = address else { continue };
                match get(to, port, &format!("/write/{next}")).await {
                    Ok(at) => {
                        known.lock().unwrap().push((next, at.trim().parse().unwrap()));
                        next += 1;
                    }
                    Err(_) => address = None,
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        *self.writing.try_lock().unwrap() = Some((go, task));
    }

    pub(super) async fn stop_writing(&self) {
        if let Some((go, task)) = self.writing.lock().await.take() {
            go.store(false, Ordering::Relaxed);
            task.await.unwrap();
        }
    }

    /// Waits until so many were acknowledged in all.
    pub(super) async fn written(&self, number: u64) {
        let began = Instant::now();
        while (self.acknowledged.lock().unwrap().len() as u64) < number {
            assert!(began.elapsed() < Duration::from_mins(3), "nobody writes");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What was acknowledged, and when it was written.
    pub(super) fn acknowledged(&self) -> Vec<(u64, Timestamp)> {
        self.acknowledged.lock().unwrap().clone()
    }

    /// What was acknowledged and is lost is written no more: the next number follows what is there.
    pub(super) async fn forget_lost(&self, side: Side) {
        *self.acknowledged.lock().unwrap() = self.numbers(side).await;
    }

    /// Writers write, and a shipper ships; so many are written, and all of these are shipped.
    pub(super) async fn write_and_ship(&self, number: u64) -> Child {
        self.begin_writing();
        let shipper = self.ship(&[]);
        self.written(number).await;
        self.all_shipped().await;
        shipper
    }

    /// Ships logs, once the first base is taken.
    pub(super) fn ship(&self, more: &[&str]) -> Child {
        let mut command = self.command(&[&["ship", "--json"], more].concat());
        command.stdout(std::process::Stdio::null());
        command.spawn().unwrap()
    }

    pub(super) async fn all_shipped(&self) {
        let began = Instant::now();
        let wanted = self.acknowledged.lock().unwrap().len();
        let wanted = self.acknowledged.lock().unwrap()[wanted - 1].1;
        loop {
            let status = self.lifeboat(&["status", "--json"]).await;
            let document: Value = serde_json::from_str(&status.stdout).unwrap_or_default();
            let windows = document["windows"].as_array().cloned().unwrap_or_default();
            let reached = windows.iter().any(|window| {
                let to = window["to"].as_str().and_then(|to| to.parse::<Timestamp>().ok());
                window["database"] == "neo4j" && to.is_some_and(|to| to >= wanted)
            });
            if reached {
                return;
            }
            assert!(began.elapsed() < Duration::from_mins(3), "{status:#?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Ends a program that was started, as a machine ends that is lost.
    pub(super) async fn end(&self, mut child: Child) {
        child.kill().await.unwrap();
    }

    /// When the canary last sang in the first region.
    pub(super) async fn canary(&self) -> Timestamp {
        let regions = self.control.regions.lock().await;
        let east = regions.iter().find(|region| region.environment == "primary").unwrap();
        let query = "MATCH (n:LifeboatCanary) RETURN toString(n.written)";
        let rows = east.database.as_ref().unwrap().query(query).await.unwrap();
        rows[0][0].as_str().unwrap().parse().unwrap()
    }

    /// Begins a run, and kills the program after a record; the run.
    pub(super) async fn killed_when(&self, args: &[&str], record: &str) -> String {
        let mut child = self.command(args).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        loop {
            let text = lines.next_line().await.unwrap().expect("it goes on until that record");
            let found: Value = serde_json::from_str(&text).unwrap();
            let word = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
            if format!("{} {}", word("event"), word("step")) == record {
                child.kill().await.unwrap();
                return word("run");
            }
        }
    }

    /// Nothing runs in a region, and nothing of it is left.
    pub(super) async fn is_gone(&self, side: Side) {
        let mut regions = self.control.regions.lock().await;
        let region = region_of(&mut regions, side);
        assert!(region.database.is_none() && region.application.is_none());
        assert!(!region.folder.exists());
    }

    /// Overwrites the files of the first region's store with garbage.
    pub(super) fn overwrite_stores(&self) {
        let store = self.at().join("primary/home/data/databases/neo4j");
        let mut any = false;
        for entry in std::fs::read_dir(store).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let length = path.metadata().unwrap().len() as usize;
                std::fs::write(&path, vec![0xA5; length]).unwrap();
                any = true;
            }
        }
        assert!(any);
    }

    pub(super) fn kill_database(&self, side: Side) {
        let mut regions = self.control.regions.try_lock().unwrap();
        let region = region_of(&mut regions, side);
        if let Some(mut database) = region.database.take() {
            database.kill().unwrap();
        }
    }

    /// A region is lost: its processes are killed, its store and its interface do not answer.
    pub(super) fn lose(&self, side: Side) {
        self.kill_database(side);
        let mut regions = self.control.regions.try_lock().unwrap();
        let region = region_of(&mut regions, side);
        region.application = None;
        region.reachable = false;
        self.cable.open.store(false, Ordering::Relaxed);
    }

    /// It is back: its processes are not.
    pub(super) fn find(&self, side: Side) {
        let mut regions = self.control.regions.try_lock().unwrap();
        region_of(&mut regions, side).reachable = true;
        self.cable.open.store(true, Ordering::Relaxed);
    }

    /// Everything of a region is deleted, and what this machine knew.
    pub(super) fn delete(&self, side: Side) {
        let _ = std::fs::remove_dir_all(self.at().join(side.environment()));
        let _ = std::fs::remove_dir_all(self.at().join("state"));
    }

    pub(super) async fn start_application(&self, side: Side) -> Result<String, String> {
        self.control.act(&format!("/{}/application/start", side.environment())).await
    }

    /// People reach the application of a region by its name, and that of no other.
    pub(super) async fn serves(&self, side: Side) {
        let greeting = self.by_name("/health").await.unwrap();
        assert_eq!(greeting, format!("hello from {}", side.environment()));
        let regions = self.control.regions.lock().await;
        let running: Vec<_> = regions
            .iter()
            .filter(|region| region.application.is_some() && region.environment != "rehearsal")
            .map(|region| region.environment)
            .collect();
        assert_eq!(running, [side.environment()]);
    }

    async fn by_name(&self, path: &str) -> Result<String, String> {
        let dns = self.dns.address();
        let address = tokio::task::spawn_blocking(move || resolve(dns, "www")).await.unwrap();
        get(address.ok_or("no address")?, self.control.port, path).await
    }

    /// What a region's database holds, as its own application tells.
    pub(super) async fn numbers(&self, side: Side) -> Vec<(u64, Timestamp)> {
        let address = {
            let mut regions = self.control.regions.lock().await;
            region_of(&mut regions, side).address
        };
        let text = get(address, self.control.port, "/numbers").await.unwrap();
        text.lines().map(number).collect()
    }

    /// The store of a region passes the server's own check.
    pub(super) async fn has_stopped_cleanly_checked(&self, side: Side) {
        let mut regions = self.control.regions.lock().await;
        let region = region_of(&mut regions, side);
        let database = region.database.as_mut().unwrap();
        database.stop().await.unwrap();
        database.check_store("neo4j").await.unwrap();
    }

    /// Runs a runbook, killed after each record of its journal and resumed each time; the run, and
    /// how long it took until the application was seen to be healthy by its name.
    pub(super) async fn recover(
        &self,
        runbook: &str,
        to: Side,
        more: &[&str],
    ) -> (String, Duration) {
        let declared = Timestamp::now();
        let last = self.acknowledged.lock().unwrap().last().map(|(_, at)| *at);
        let (declared_text, last) = (declared.to_string(), last.unwrap_or(declared).to_string());
        let mut args = vec!["runbook", "run", runbook, "--json", "--declared", &declared_text];
        args.extend(["--disaster", &declared_text, "--last-write", &last]);
        args.extend(more);
        let healthy = self.watch(to, declared);
        let (mut seen, mut run, mut kills) = (HashSet::new(), None::<String>, 0);
        loop {
            let mut command = match &run {
                None => self.command(&args),
                Some(run) => self.command(&["runbook", "resume", run, "--json", "--yes"]),
            };
            let mut child = command.spawn().unwrap();
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
            let mut killed = false;
            let mut told = Vec::new();
            while let Some(text) = lines.next_line().await.unwrap() {
                let record: Value = serde_json::from_str(&text).unwrap();
                told.push(text);
                if let Some(id) = record["run"].as_str() {
                    run = Some(id.to_owned());
                }
                let event = record["event"].as_str().unwrap_or_default();
                let step = record["step"].as_str().unwrap_or_default();
                if !matches!(event, "" | "resumed") && seen.insert(format!("{event} {step}")) {
                    child.start_kill().unwrap();
                    killed = true;
                    break;
                }
            }
            let output = child.wait_with_output().await.unwrap();
            if killed {
                kills += 1;
                assert!(kills < 200, "{} goes round in circles", self.name);
                if seen.contains("finished ") {
                    break;
                }
                continue;
            }
            let stderr = String::from_utf8_lossy(&output.stderr);
            // The one that was killed had written its last record by then.
            if output.status.code() == Some(13) && stderr.contains("is at its end") {
                break;
            }
            assert!(output.status.success(), "{told:#?}\n{stderr}");
            break;
        }
        assert!(kills > 15, "only {kills} kills: {seen:?}");
        let run = run.unwrap();
        // Whatever was killed, the run is at its end.
        let status = self.lifeboat(&["runbook", "status", &run, "--json"]).await.code(0).document();
        assert_eq!(status["outcome"], "succeeded", "{status:#}");
        let healthy = tokio::time::timeout(Duration::from_mins(1), healthy).await;
        (run, healthy.expect("it is healthy").unwrap())
    }

    /// When the application of a region is first healthy by its name, after a moment.
    fn watch(&self, side: Side, declared: Timestamp) -> JoinHandle<Duration> {
        let (dns, port) = (self.dns.address(), self.control.port);
        let wanted = format!("hello from {}", side.environment());
        tokio::spawn(async move {
            // What serves until it is stopped is not what is waited for.
            let mut down = side == Side::West;
            loop {
                let to = tokio::task::spawn_blocking(move || resolve(dns, "www")).await.unwrap();
                let answer = match to {
                    Some(address) => get(address, port, "/health").await,
                    None => Err("no address".to_owned()),
                };
                match answer {
                    Ok(text) if text == wanted && down => {
                        let took = Timestamp::now().duration_since(declared);
                        return Duration::try_from(took).unwrap();
                    }
                    Ok(text) if text == wanted => {}
                    _ => down = true,
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        })
    }

    pub(super) async fn report(&self, run: &str) -> Value {
        let report = self.lifeboat(&["drill", "report", run, "--format", "json"]).await.code(0);
        report.document()
    }
}

fn region_of(regions: &mut [Region], side: Side) -> &mut Region {
    regions.iter_mut().find(|region| region.environment == side.environment()).unwrap()
}

/// The address of a name, as `kdig` is told by the zone's server.
fn resolve(server: std::net::SocketAddr, name: &str) -> Option<IpAddr> {
    lifeboat_testkit::dns::ask(server, &format!("{name}.{ZONE}"))?.into_iter().next()
}

struct Places<'a> {
    at: &'a Path,
    line: u16,
    second: &'a str,
    interface: u16,
    port: u16,
    net: u8,
    ports: &'a [u16],
    dns: &'a Dns,
    neo4j: &'a Path,
}

/// The settings of the whole world.
fn settings(places: &Places<'_>) -> String {
    let Places { at, line, second, interface, port, net, ports, dns, neo4j } = places;
    let (at, neo4j) = (at.display(), neo4j.display());
    let (first_account, second_account) = (ACCOUNT.0, SECOND_ACCOUNT.0);
    let key = dns.key_file().unwrap();
    let (key, server) = (key.display(), dns.address());
    let mut text = format!(
        r#"
[database]
uri = "bolt://127.0.0.1:{}"
username = "neo4j"
password_file = "password"
neo4j_home = "{at}/primary/home"

[vault.primary]
url = "az://{first_account}/neo4j-backups"
auth = "account-key"
secret_file = "{first_account}"
endpoint = "http://127.0.0.1:{line}/{first_account}"

[vault.secondary]
url = "az://{second_account}/neo4j-backups"
auth = "account-key"
secret_file = "{second_account}"
endpoint = "{second}"

[config_backup]
include = ["primary/app"]
[config_backup.application]
story = "story:1.2.3"

[objectives]
rto = "1h"
rpo = "24h"

[[verify.invariants]]
name = "no number twice"
query = "MATCH (n:Written) WITH n.number AS number, count(*) AS times WHERE times > 1 RETURN number"
expect = "no-rows"

[dns]
name = "www.{ZONE}"
ttl = "1s"
servers = ["{server}"]
[dns.update]
kind = "rfc2136"
server = "{server}"
zone = "{ZONE}"
key_name = "{KEY_NAME}"
key_file = "{key}"

[drill.dns]
name = "drill.{ZONE}"
ttl = "1s"
servers = ["{server}"]
[drill.dns.update]
kind = "rfc2136"
server = "{server}"
zone = "{ZONE}"
key_name = "{KEY_NAME}"
key_file = "{key}"

[drill.environments]
primary = "rehearsal"
secondary = "rehearsal"

[runbooks]
state = "state"
notify = ["true"]
[[alerts.contacts]]
name = "emergency hotline"
reach = "+1 555 0199"
"#,
        ports[0]
    );
    for (index, name) in ["primary", "secondary", "rehearsal"].into_iter().enumerate() {
        let last = index + 1;
        let url = format!("http://127.0.0.1:{interface}/{name}");
        let host = if name == "rehearsal" { "drill" } else { "www" };
        let configuration = if name == "primary" {
            String::new()
        } else {
            format!("configuration = \"{name}/config\"\nimages = \"application.json\"\n")
        };
        let _ = write!(
            text,
            r#"
[environment.{name}]
disposable = {}
neo4j = "{neo4j}"
start_database = "curl -fsS {url}/database/start"
stop_database = "curl -fsS {url}/database/stop"
services = ["application"]
addresses = ["127.0.{net}.{last}"]
{configuration}
[environment.{name}.database]
uri = "bolt://127.0.0.1:{}"
username = "neo4j"
password_file = "password"
neo4j_home = "{at}/{name}/home"
[environment.{name}.platform]
kind = "command"
start = ["curl", "-fsS", "{url}/{{service}}/start"]
stop = ["curl", "-fsS", "{url}/{{service}}/stop"]
status = ["curl", "-fsS", "{url}/{{service}}/status"]
deploy = ["curl", "-fsS", "{url}/{{service}}/start"]
[environment.{name}.provision]
kind = "command"
create = ["curl", "-fsS", "{url}/resources/create"]
remove = ["curl", "-fsS", "{url}/resources/remove"]
[[environment.{name}.health]]
http = "http://{host}.{ZONE}:{port}/health"
by_dns = true
contains = "from {name}"
within = "60s"
"#,
            name == "rehearsal",
            ports[index]
        );
    }
    text
}
