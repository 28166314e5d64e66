//! The service: what it costs while it waits, and how soon its API answers.

use std::fs;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use lifeboat_testkit::folders;
use lifeboat_testkit::ports::free_port;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::Child;

use super::Bench;
use super::child::Usage;
use super::section::{Section, mebibytes};

/// Jobs that are due in a year, so that nothing but the service itself is measured.
const SETTINGS: &str = r#"
[service]
rate = 100000
[schedule.verify]
cron = "0 0 1 1 *"
[schedule.prune]
cron = "0 0 1 1 *"
"#;

/// What is asked for, one after the other.
const ROUTES: [&str; 6] = [
    "/api/v1/status",
    "/api/v1/jobs",
    "/api/v1/runs",
    "/api/v1/backups",
    "/api/v1/alerts",
    "/metrics",
];

/// How long it is left alone, after the start, and then again to be measured.
const SETTLE: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_mins(1);

/// How many ask at the same time, how many requests a second together, and for how long.
const CLIENTS: u32 = 8;
const RATE: u32 = 200;
const ASKING: Duration = Duration::from_secs(30);

/// How long it may take until it answers.
const PATIENCE: Duration = Duration::from_mins(1);

pub(super) async fn run(bench: &Bench) -> anyhow::Result<Section> {
    let scratch = folders::scratch("bench")?;
    let service = Service::start(bench, scratch.path()).await?;
    tokio::time::sleep(SETTLE).await;
    let before = Usage::of(service.pid).context("the service has ended")?;
    tokio::time::sleep(IDLE).await;
    let after = Usage::of(service.pid).context("the service has ended")?;
    let processor = after.processor.saturating_sub(before.processor).as_secs_f64();
    let memory = resident(service.pid)?;

    let mut answers = ask(service.port).await?;
    answers.sort();
    let busy = resident(service.pid)?;
    let share = |share: f64| {
        let index = (share * answers.len().saturating_sub(1) as f64).round() as usize;
        answers.get(index).map_or(f64::NAN, |took| took.as_secs_f64() * 1e3)
    };

    let mut section = Section::default();
    section.say(format!(
        "`lifeboat serve` with an empty vault in a folder, and its lease renewed every ten seconds. \
         Left alone for {} s it took {:.2} s of a processor and held {}; after {} requests, {}.",
        IDLE.as_secs(),
        processor,
        mebibytes(memory),
        answers.len(),
        mebibytes(busy)
    ));
    section.say(format!(
        "{CLIENTS} clients ask for status, jobs, runs, backups, alerts and metrics in turn, {RATE} \
         requests a second together: median {:.2} ms, 99 % within {:.2} ms, the slowest {:.1} ms.",
        share(0.5),
        share(0.99),
        share(1.0)
    ));
    section.at_most("memory while idle", memory as f64 / f64::from(1 << 20), 30.0, "MiB");
    let idle_share = processor / IDLE.as_secs_f64() * 100.0;
    section.at_most("processor while idle", idle_share, 1.0, "%");
    section.at_most("99 % of answers", share(0.99), 10.0, "ms");
    Ok(section)
}

/// A service that is gone with the value.
struct Service {
    pid: u32,
    port: u16,
    _child: Child,
}

impl Service {
    async fn start(bench: &Bench, folder: &std::path::Path) -> anyhow::Result<Self> {
        let settings = folder.join("lifeboat.toml");
        fs::write(&settings, SETTINGS)?;
        let vault = folder.join("vault");
        fs::create_dir(&vault)?;
        let port = free_port()?;
        let mut command = bench.lifeboat(None, &vault, &["serve"]);
        command.arg("-c").arg(settings).arg("--state").arg(folder.join("state"));
        command.arg(format!("--listen=127.0.0.1:{port}"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.kill_on_drop(true).spawn()?;
        let pid = child.id().context("the service ended before it began")?;
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            ensure!(Instant::now() < end, "the service does not listen");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(Self { pid, port, _child: child })
    }
}

/// Bytes of a process that are in memory now.
fn resident(pid: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(kib.context("the kernel tells no VmRSS")?.trim().parse::<u64>()? << 10)
}

/// Asks at the rate, and tells how long each answer took, from when it was due to be asked for.
async fn ask(port: u16) -> anyhow::Result<Vec<Duration>> {
    let began = Instant::now();
    let next = Arc::new(AtomicU64::new(0));
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let next = Arc::clone(&next);
        clients.push(tokio::spawn(async move {
            let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", port)).await?);
            stream.get_ref().set_nodelay(true)?;
            let mut answers = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let due = Duration::from_secs(1) / RATE * u32::try_from(number)?;
                if due >= ASKING {
                    return anyhow::Ok(answers);
                }
                tokio::time::sleep_until((began + due).into()).await;
                let route = ROUTES[usize::try_from(number)? % ROUTES.len()];
                exchange(&mut stream, route).await?;
                answers.push((began + due).elapsed());
            }
        }));
    }
    let mut answers = Vec::new();
    for client in clients {
        answers.extend(client.await??);
    }
    Ok(answers)
}

/// One request on a connection that stays open.
async fn exchange(stream: &mut BufReader<TcpStream>, route: &str) -> anyhow::Result<()> {
    let request = format!("GET {route} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    ensure!(line.starts_with("HTTP/1.1 200 "), "{route} is answered by {line:?}");
    let mut length = None;
    loop {
        line.clear();
        ensure!(stream.read_line(&mut line).await? > 0, "{route}: the answer is cut off");
        let header = line.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(text) = header.strip_prefix("content-length:") {
            length = Some(text.trim().parse()?);
        }
    }
    let mut body = vec![0; length.with_context(|| format!("{route} tells no length"))?];
    stream.read_exact(&mut body).await?;
    Ok(())
}
