mod faults;

use lifeboat_archive::BackupKind::{Config, Database};
use lifeboat_archive::Codec;

use super::*;
use crate::ExitCode;
use crate::config::KeySections;
use crate::testing::{memory, name, store};
use crate::vaults::{RegionConfig, Role};

/// A region in a folder, with a place for each kind.
fn region(folder: &std::path::Path) -> Region {
    let url = folder.join("neo4j-backups").to_str().unwrap().parse().unwrap();
    let section = crate::config::VaultSection::at(url);
    RegionConfig { role: Some(Role::Primary), section, keys: KeySections::default() }
        .open()
        .unwrap()
}

async fn run(from: &Region, to: &Region, dry_run: bool) -> Result<ReplicateReport> {
    let options = ReplicateOptions { from: from.clone(), to: to.clone(), dry_run };
    let told = std::sync::Mutex::new(0);
    let count = |_: &Replicated| *told.lock().unwrap() += 1;
    let report =
        Box::pin(replicate(&options, &Arc::default(), &count, &CancellationToken::new())).await?;
    assert_eq!(told.into_inner().unwrap(), report.backups.len());
    Ok(report)
}

fn outcomes(report: &ReplicateReport) -> Vec<(String, Outcome)> {
    report.backups.iter().map(|one| (one.name.to_string(), one.outcome.clone())).collect()
}

async fn listed(region: &Region) -> Vec<BackupName> {
    let list = region.list().await.unwrap();
    assert!(list.iter().all(Listed::is_intact), "{list:?}");
    list.into_iter().map(|one| one.name).collect()
}

#[tokio::test]
async fn both_kinds_go_over_the_newest_first() {
    let temps = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (from, to) = (region(temps[0].path()), region(temps[1].path()));
    store(from.databases(), &name(Database, 0), "old").await;
    store(from.configs(), &name(Config, 1), "c").await;
    store(from.databases(), &name(Database, 2), "new").await;

    let plan = run(&from, &to, true).await.unwrap();
    assert_eq!((plan.lag.backups, plan.sent), (3, 0));
    assert_eq!(plan.lag.newest, name(Database, 2).timestamp());
    assert!(!temps[1].path().join("neo4j-backups").exists(), "a dry run makes nothing");

    let report = run(&from, &to, false).await.unwrap();
    let order: Vec<_> = report.backups.iter().map(|one| one.name.clone()).collect();
    assert_eq!(order, [name(Database, 2), name(Config, 1), name(Database, 0)]);
    assert_eq!((report.before.backups, report.lag), (3, Lag::default()));
    assert_eq!(report.newest_copy, name(Database, 2).timestamp());
    assert!(!report.is_incomplete());
    assert_eq!(listed(&to).await, order);
    assert!(temps[1].path().join("config-backups").join(name(Config, 1).manifest_file()).exists());

    let again = run(&from, &to, false).await.unwrap();
    assert_eq!((again.backups.len(), again.already, again.sent), (0, 3, 0));
}

#[tokio::test]
async fn what_cannot_be_copied_does_not_stop_the_rest() {
    let temps = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (from, to) = (region(temps[0].path()), region(temps[1].path()));
    for second in 0..5 {
        store(from.databases(), &name(Database, second), &format!("{second}")).await;
    }
    let file = |name: &BackupName| {
        temps[0].path().join("neo4j-backups").join(name.archive_file(Codec::Zstd))
    };
    // One with a flipped byte, one without its archive, one that the target has otherwise, one that
    // retention is about to remove.
    let mut bytes = std::fs::read(file(&name(Database, 0))).unwrap();
    bytes[30] ^= 1;
    std::fs::write(file(&name(Database, 0)), bytes).unwrap();
    std::fs::remove_file(file(&name(Database, 1))).unwrap();
    store(to.databases(), &name(Database, 2), "another").await;
    let marked = name(Database, 3);
    from.databases().write_beside(&marked, FileKind::Mark, "{}".into()).await.unwrap();

    let report = run(&from, &to, false).await.unwrap();
    assert!(report.is_incomplete());
    let reasons: Vec<_> = outcomes(&report)
        .into_iter()
        .map(|(name, outcome)| match outcome {
            Outcome::Failed(reason) => format!("{name}: {reason}"),
            outcome => format!("{name}: {outcome:?}"),
        })
        .collect();
    assert_eq!(reasons.len(), 4, "{reasons:?}");
    assert_eq!(reasons[0], format!("{}: Copied", name(Database, 4)));
    for (reason, says) in reasons[1..].iter().zip([
        "another backup of this name",
        "is missing",
        "is not what its manifest says",
    ]) {
        assert!(reason.contains(says), "{reason}");
    }
    assert_eq!((report.lag.backups, report.lag.newest), (1, name(Database, 0).timestamp()));
    assert_eq!(listed(&to).await, [name(Database, 4), name(Database, 2)]);
    // A damaged backup at the source has changed nothing here.
    assert!(to.databases().leftovers(Duration::ZERO).await.unwrap().removable.is_empty());
}

#[tokio::test]
async fn a_damaged_copy_is_replaced_by_a_good_one_only() {
    let temps = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (from, to) = (region(temps[0].path()), region(temps[1].path()));
    for second in 0..3 {
        store(from.databases(), &name(Database, second), "x").await;
    }
    run(&from, &to, false).await.unwrap();
    let place = |index: usize, file: String| temps[index].path().join("neo4j-backups").join(file);
    let archive = |second| name(Database, second).archive_file(Codec::Zstd);
    std::fs::remove_file(place(1, archive(0))).unwrap();
    std::fs::write(place(1, name(Database, 1).manifest_file()), "{\n  \"format\": 1").unwrap();
    // Here the source is no better.
    std::fs::write(place(1, archive(2)), "short").unwrap();
    let mut bytes = std::fs::read(place(0, archive(2))).unwrap();
    bytes[30] ^= 1;
    std::fs::write(place(0, archive(2)), bytes).unwrap();

    let report = run(&from, &to, false).await.unwrap();
    let outcomes = outcomes(&report);
    assert!(matches!(&outcomes[0].1, Outcome::Failed(reason) if reason.contains("damaged")));
    assert_eq!([&outcomes[1].1, &outcomes[2].1], [&Outcome::Repaired; 2]);
    assert!(place(1, archive(2)).exists(), "not removed for a source that is no better");
    let intact = to.list().await.unwrap().iter().filter(|one| one.is_intact()).count();
    assert_eq!(intact, 2);
}

#[tokio::test]
async fn a_certificate_follows_its_backup() {
    let (from, to) = (Region::of(memory("certified")), Region::of(memory("certified-copy")));
    let backup = name(Database, 0);
    store(from.databases(), &backup, "x").await;
    run(&from, &to, false).await.unwrap();
    for (kind, text) in [(FileKind::Certificate, "c"), (FileKind::CertificateSignature, "s")] {
        from.databases().write_beside(&backup, kind, text.into()).await.unwrap();
    }
    let report = run(&from, &to, false).await.unwrap();
    assert_eq!(outcomes(&report), [(backup.to_string(), Outcome::Certified)]);
    assert_eq!(report.lag, Lag::default());
    let copied = to.databases().read_beside(&backup, FileKind::Certificate).await.unwrap();
    assert_eq!(copied.unwrap(), "c");
    assert_eq!(run(&from, &to, false).await.unwrap().already, 1);
}

#[tokio::test]
async fn two_replications_do_not_run_at_once() {
    let (from, to) = (Region::of(memory("leased")), Region::of(memory("leased-copy")));
    store(from.databases(), &name(Database, 0), "x").await;
    let lease = to.databases().acquire_lease(LEASE, "tests", Duration::from_mins(1)).await.unwrap();
    let error = run(&from, &to, false).await.unwrap_err();
    assert_eq!(error.exit_code(), ExitCode::Locked);
    assert!(run(&from, &to, true).await.is_ok(), "a dry run needs no lease");
    lease.release().await.unwrap();
    assert_eq!(run(&from, &to, false).await.unwrap().backups.len(), 1);
    assert_eq!(run(&from, &to, false).await.unwrap().already, 1, "the lease was given back");
}

#[tokio::test]
async fn an_interruption_gives_the_lease_back() {
    let (from, to) = (Region::of(memory("stopped")), Region::of(memory("stopped-copy")));
    store(from.databases(), &name(Database, 0), "x").await;
    let options = ReplicateOptions { from: from.clone(), to: to.clone(), dry_run: false };
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    let told = move |_: &Replicated| stop.cancel();
    store(from.databases(), &name(Database, 1), "y").await;
    let result = replicate(&options, &Arc::default(), &told, &cancel).await;
    // The last may have been done before anybody looked.
    assert!(matches!(result, Err(Error::Interrupted) | Ok(_)), "{result:?}");
    let report = run(&from, &to, false).await.unwrap();
    assert_eq!(report.already + report.backups.len(), 2);
}

/// Stores a timeline of segments, each an object; the key of each.
async fn ship(vault: &Vault, segments: u64) -> Vec<String> {
    use crate::ship::segment::{LogRange, Meta, Transactions, encode};
    let area = vault.area("ship").unwrap();
    let info = serde_json::json!({
        "format": 1, "database": "neo4j", "timeline": "000001",
        "created": "2026-11-24T02:00:00Z", "reason": "first",
        "begins": { "version": 0, "offset": 0 }, "last_tx": 1, "store_id": "00",
    });
    let info = bytes::Bytes::from(info.to_string());
    assert!(area.create("neo4j/000001/timeline.json", &info).await.unwrap());
    let (mut previous, mut keys) = (None, Vec::new());
    for sequence in 0..segments {
        let meta = Meta {
            database: "neo4j".to_owned(),
            timeline: "000001".to_owned(),
            sequence,
            previous,
            log: LogRange { version: 0, from: sequence * 4, to: sequence * 4 + 4 },
            transactions: Transactions::none(sequence),
            verified: true,
        };
        let (bytes, digest) = encode(meta, b"log ", &lifeboat_vault::Keys::default()).unwrap();
        let key = format!("neo4j/000001/{sequence:012}.seg");
        assert!(area.create(&key, &bytes).await.unwrap());
        previous = Some(digest);
        keys.push(key);
    }
    keys
}

#[tokio::test]
async fn log_segments_follow_in_the_order_of_their_chain() {
    let (from, to) = (Region::of(memory("segments")), Region::of(memory("segments-copy")));
    let keys = ship(from.databases(), 5).await;
    let area = |region: &Region| region.databases().area("ship").unwrap();
    let plan = run(&from, &to, true).await.unwrap();
    assert_eq!((plan.segments.objects, plan.segments.missing), (5, 5));
    assert!(area(&to).list(None).await.unwrap().is_empty());

    // One is damaged: it is told, and the rest is there.
    let (good, version) = area(&from).read(&keys[3], 1 << 20).await.unwrap().unwrap();
    let mut bad = good.to_vec();
    bad[30] ^= 1;
    area(&from).replace(&keys[3], &bad.into(), &version).await.unwrap().unwrap();
    let report = run(&from, &to, false).await.unwrap();
    assert!(report.is_incomplete());
    assert_eq!((report.segments.objects, report.segments.missing), (4, 1));
    assert!(report.segments.failed[0].0.ends_with(&keys[3]), "{:?}", report.segments);

    // Mended, it follows, and all is the same to the byte.
    let (_, version) = area(&from).read(&keys[3], 1 << 20).await.unwrap().unwrap();
    area(&from).replace(&keys[3], &good, &version).await.unwrap().unwrap();
    assert_eq!(run(&from, &to, false).await.unwrap().segments.objects, 1);
    assert_eq!(run(&from, &to, false).await.unwrap().segments, SegmentReport::default());
    for object in area(&from).list(None).await.unwrap() {
        let here = area(&from).read(&object.key, 1 << 20).await.unwrap().unwrap().0;
        let there = area(&to).read(&object.key, 1 << 20).await.unwrap().unwrap().0;
        assert_eq!(here, there, "{}", object.key);
    }
}
