//! Manifests for tests of what is shown.

use lifeboat::format::{
    ArchiveSection, BackupKind, Codec, Counts, DatabaseSection, Digest, Fingerprint, LogPosition,
    Manifest, Method, PhysicalDatabase, PhysicalSection, ServerInfo, Snapshot, Tool,
};

/// A manifest of an exact backup.
pub(crate) fn manifest() -> Manifest {
    let map = |pairs: &[(&str, u64)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), *v)).collect();
    Manifest {
        name: "neo4j-backup-20261124-020000".parse().unwrap(),
        kind: BackupKind::Database,
        created: "2026-11-24T02:00:00Z".parse().unwrap(),
        finished: "2026-11-24T02:00:02.5Z".parse().unwrap(),
        tool: Tool { name: "lifeboat".to_owned(), version: "0.1.0".to_owned() },
        archive: ArchiveSection {
            file: "neo4j-backup-20261124-020000.tar.zst".to_owned(),
            size: 45_823_921,
            blake3: Digest::of(b"archive"),
            compression: Codec::Zstd,
            tar_size: 207_618_048,
            mtime: 0,
            encryption: None,
            frames: lifeboat::format::FrameTable::default(),
        },
        entries: Vec::new(),
        database: Some(DatabaseSection {
            method: Method::Logical,
            name: "neo4j".to_owned(),
            id: None,
            server: ServerInfo {
                version: "5.26.18".to_owned(),
                edition: Some("community".to_owned()),
                bolt: Some("5.8".to_owned()),
            },
            snapshot: Some(Snapshot { first_tx: 1234, last_tx: 1234, exact: true }),
            counts: Some(Counts {
                nodes: 276_539,
                relationships: 197_175,
                labels: map(&[("File", 9_000), ("Function", 267_539)]),
                types: map(&[("CALLS", 197_175)]),
                constraints: 1,
                indexes: 3,
                late_nodes: 0,
                dangling_relationships: 0,
            }),
            fingerprint: Some(Fingerprint {
                algorithm: "lifeboat-graph-1".to_owned(),
                graph: "0123456789abcdef0123456789abcdef".to_owned(),
                nodes: std::collections::BTreeMap::new(),
                relationships: std::collections::BTreeMap::new(),
                schema: "fedcba9876543210fedcba9876543210".to_owned(),
            }),
            physical: None,
        }),
        config: None,
        options: std::collections::BTreeMap::new(),
    }
}

/// A manifest of a backup of a graph that changed meanwhile.
pub(crate) fn fuzzy() -> Manifest {
    let mut manifest = manifest();
    manifest.options.insert("reason".to_owned(), "before the upgrade".to_owned());
    let database = manifest.database.as_mut().unwrap();
    database.snapshot = Some(Snapshot { first_tx: 1234, last_tx: 1300, exact: false });
    let counts = database.counts.as_mut().unwrap();
    counts.late_nodes = 3;
    counts.dangling_relationships = 12;
    manifest
}

/// A manifest of a physical backup.
pub(crate) fn physical() -> Manifest {
    let mut manifest = manifest();
    let database = manifest.database.as_mut().unwrap();
    database.method = Method::Physical;
    database.fingerprint = None;
    let store = PhysicalDatabase {
        store_format: "record-aligned-1.1".to_owned(),
        store_id: "0123456789abcdef0123456789abcdef".to_owned(),
        log_format: 9,
        checkpoint: Some(LogPosition { version: 3, offset: 700 }),
        log_start: LogPosition { version: 3, offset: 128 },
        log_end: LogPosition { version: 4, offset: 90_210 },
        last_tx: Some(1234),
        last_tx_time: Some("2026-11-24T01:59:58Z".parse().unwrap()),
    };
    database.physical = Some(PhysicalSection {
        server_id: Some("6f0ad3a4-7dd0-4d3c-8a30-1a4d0c3b5e77".to_owned()),
        databases: [("neo4j".to_owned(), store.clone()), ("system".to_owned(), store)].into(),
        ..PhysicalSection::default()
    });
    manifest
}
