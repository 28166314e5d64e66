//! How fast one core makes and verifies archives: `cargo run --release -p lifeboat-archive
//! --example throughput`. Takes JSON lines from a file given as argument, or makes some like those
//! of a logical backup. Prints MB (10^6 bytes) of uncompressed data per second of CPU time; the
//! best of three.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use lifeboat_archive::read::Frames;
use lifeboat_archive::{
    Assembler, BackupKind, BackupName, Compression, Digest, FrameWriter, Manifest, Tool, encode,
};

const ENTRY: usize = 4 << 20;

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A fixed sequence of numbers that look random (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.next() as usize % from.len()]
    }
}

fn json_lines(size: usize) -> Vec<u8> {
    use std::io::Write;
    const NAMES: [&str; 8] = ["Ada", "Björn", "Chidi", "Dolores", "Eero", "Fatima", "Grace", "Hao"];
    const WORDS: [&str; 12] = [
        "graph",
        "node",
        "the",
        "of",
        "recovery",
        "point",
        "a",
        "region",
        "customer",
        "order",
        "delivered",
        "late",
    ];
    let mut numbers = Numbers(1);
    let mut lines = Vec::with_capacity(size + 1024);
    for id in 0.. {
        if lines.len() >= size {
            break;
        }
        let words: Vec<_> = (0..4 + numbers.next() % 12).map(|_| numbers.pick(&WORDS)).collect();
        let (a, b) = (numbers.next(), numbers.next());
        writeln!(
            lines,
            "{{\"id\":{id},\"labels\":[\"Person\",\"{}\"],\"properties\":{{\"uuid\":\"{a:016x}-{b:016x}\",\
             \"name\":\"{} {:04}\",\"score\":{:.6},\"visits\":{},\"active\":{},\"joined\":\
             {{\"$type\":\"Date\",\"_value\":\"20{:02}-{:02}-{:02}\"}},\"note\":\"{}\"}}}}",
            numbers.pick(&["Customer", "Employee", "Supplier"]),
            numbers.pick(&NAMES),
            a % 10_000,
            (b % 1_000_000_007) as f64 / 1e7,
            a % 500,
            b.is_multiple_of(3),
            a % 26,
            1 + a % 12,
            1 + b % 28,
            words.join(" "),
        )
        .expect("a vector takes all bytes");
    }
    lines
}

/// CPU time of this thread where the system tells it, so that a busy machine does not count.
fn now() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = told.and_then(|text| text.split(' ').next()?.parse().ok());
    nanos.map_or_else(|| START.elapsed(), Duration::from_nanos)
}

fn best(mut run: impl FnMut()) -> Duration {
    let time = |_| {
        let start = now();
        run();
        now().saturating_sub(start)
    };
    (0..3).map(time).min().expect("three runs")
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let data = match std::env::args().nth(1) {
        Some(file) => std::fs::read(file)?,
        None => json_lines(256 << 20),
    };
    let rate = |time: Duration| data.len() as f64 / 1e6 / time.as_secs_f64();
    let hash = best(|| {
        std::hint::black_box(Digest::of(&data));
    });
    println!("{} MB; BLAKE3 alone {:.0} MB/s", data.len() / 1_000_000, rate(hash));

    for compression in [
        Compression::Zstd { level: 1 },
        Compression::Zstd { level: 3 },
        Compression::Gzip { level: 1 },
        Compression::Gzip { level: 6 },
    ] {
        let created = jiff::Timestamp::UNIX_EPOCH;
        let name = BackupName::at(BackupKind::Database, created);
        let mut archive = Vec::new();
        let mut finished = None;
        let write = best(|| {
            archive.clear();
            let writer = FrameWriter::new(created);
            let mut assembler = Assembler::new(compression);
            for (index, data) in data.chunks(ENTRY).enumerate() {
                let raw = writer.entry(format!("nodes/{index:06}.jsonl"), data).expect("a path");
                let frame = encode(raw, compression).expect("memory");
                archive.extend_from_slice(&assembler.push(frame).expect("in order"));
            }
            let end = assembler.finish(&name).expect("no entry is open");
            archive.extend_from_slice(&end.bytes);
            finished = Some(end);
        });
        let finished = finished.expect("three runs");
        let manifest = Manifest {
            name: name.clone(),
            kind: BackupKind::Database,
            created,
            finished: created,
            tool: Tool { name: "throughput".into(), version: "0".into() },
            archive: finished.archive,
            entries: finished.entries,
            database: None,
            config: None,
            options: std::collections::BTreeMap::new(),
        };
        let archive = bytes::Bytes::from(archive);
        let frames = Frames::new(&manifest)?;
        let verify = best(|| {
            let mut verifier = frames.verifier();
            for index in 0..frames.len() {
                let range = frames.range(index);
                let stored = archive.slice(range.start as usize..range.end as usize);
                let frame = frames.decode(index, stored).expect("good");
                verifier.push(&frame).expect("good");
            }
            verifier.finish().expect("good");
        });
        println!(
            "{compression}: ratio {:.2}, write {:.0} MB/s, verify {:.0} MB/s",
            data.len() as f64 / archive.len() as f64,
            rate(write),
            rate(verify),
        );
    }
    Ok(())
}
