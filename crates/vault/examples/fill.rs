//! Fills a folder with valid backups, for measurements: `cargo run --release -p lifeboat-vault
//! --example fill -- FOLDER COUNT BYTES`. Each is an hour younger than the one before, the
//! last is of now, and each has about so many bytes of JSON lines, unpacked.

use std::path::Path;
use std::time::{Duration, SystemTime};

use jiff::{SignedDuration, Timestamp};
use lifeboat_archive::{
    Assembler, BackupKind, BackupName, Compression, Counts, DatabaseSection, FrameWriter, Manifest,
    Method, ServerInfo, Tool, encode,
};
use lifeboat_vault::{Vault, VaultConfig};

const COMPRESSION: Compression = Compression::Zstd { level: 1 };
const ENTRY: usize = 4 << 20;
const HOUR: i64 = 3600;

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, count, bytes] = arguments.as_slice() else {
        return Err("give a folder, a number of backups, and bytes for each".into());
    };
    let (count, bytes): (i64, usize) = (count.parse()?, bytes.parse()?);
    let vault = Vault::open(&VaultConfig::new(folder.parse()?))?;
    let now = Timestamp::now();
    for number in (0..count).rev() {
        let created = now - SignedDuration::from_secs(number * HOUR);
        let name = BackupName::at(BackupKind::Database, created);
        store(&vault, &name, created, bytes).await?;
        age(Path::new(folder), &name, Duration::from_secs((number * HOUR).unsigned_abs()))?;
    }
    Ok(())
}

async fn store(
    vault: &Vault,
    name: &BackupName,
    created: Timestamp,
    bytes: usize,
) -> Result<(), Failure> {
    let frames = FrameWriter::new(created);
    let mut assembler = Assembler::new(COMPRESSION);
    let mut writer = vault.begin(name, COMPRESSION.codec()).await?;
    let mut nodes = 0;
    for (index, start) in (0..bytes).step_by(ENTRY).enumerate() {
        let lines = lines(ENTRY.min(bytes - start), &mut nodes);
        let entry = frames.entry(format!("nodes/{index:06}.jsonl"), &lines)?;
        writer.put(assembler.push(encode(entry, COMPRESSION)?)?).await?;
    }
    let finished = assembler.finish(name)?;
    writer.put(finished.bytes.clone()).await?;
    let counts = Counts { nodes, ..Counts::default() };
    let manifest = Manifest {
        name: name.clone(),
        kind: BackupKind::Database,
        created,
        finished: created,
        tool: Tool { name: "fill".to_owned(), version: "0".to_owned() },
        archive: finished.archive,
        entries: finished.entries,
        database: Some(DatabaseSection {
            method: Method::Logical,
            name: "neo4j".to_owned(),
            id: None,
            server: ServerInfo { version: "5.26.18".to_owned(), edition: None, bolt: None },
            snapshot: None,
            counts: Some(counts),
            fingerprint: None,
            physical: None,
        }),
        config: None,
        options: std::collections::BTreeMap::new(),
    };
    writer.commit(&manifest).await?;
    Ok(())
}

/// Lines like those of a graph of source code.
fn lines(size: usize, nodes: &mut u64) -> Vec<u8> {
    use std::io::Write as _;
    let mut lines = Vec::with_capacity(size + 256);
    while lines.len() < size {
        *nodes += 1;
        // A fixed sequence of numbers that look random.
        let mixed = nodes.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let _ = writeln!(
            lines,
            "{{\"id\":{nodes},\"labels\":[\"Function\"],\"properties\":{{\"name\":\"function_{}\",\
             \"line\":{},\"hash\":\"{mixed:016x}\",\"path\":\"src/module_{}/part.rs\"}}}}",
            mixed % 100_003,
            mixed % 5_000,
            mixed % 977,
        );
    }
    lines
}

/// Gives the backup's files the age that it tells.
fn age(folder: &Path, name: &BackupName, age: Duration) -> Result<(), Failure> {
    for file in [name.manifest_file(), name.archive_file(COMPRESSION.codec())] {
        std::fs::File::open(folder.join(file))?.set_modified(SystemTime::now() - age)?;
    }
    Ok(())
}
