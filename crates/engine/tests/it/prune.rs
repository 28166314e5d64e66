//! Pruning: two phases, holds, two vaults, and a store that fails at every operation in turn.
//!
//! Ages are real: files of a folder vault are given older times.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::{SignedDuration, Timestamp};
use lifeboat::config::Retention;
use lifeboat::format::{
    BackupKind, BackupName, Codec, Counts, DatabaseSection, Method, ServerInfo,
};
use lifeboat::prune::{PruneOptions, PruneReport, Step, prune};
use lifeboat::vault::{Address, Retry, Vault, VaultConfig};
use lifeboat::vaults::Region;
use lifeboat::{CancellationToken, Error, ExitCode};

use crate::store::{Fault, FaultyStore};
use crate::support::{QUICK, Sample, check_whole, objects, raw};

const DAY: u64 = 86_400;

/// A vault in a folder of its own.
struct Place {
    folder: tempfile::TempDir,
    vault: Vault,
}

impl Place {
    fn new() -> Self {
        Self::with_retry(QUICK)
    }

    fn with_retry(retry: Retry) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = Address::Folder(folder.path().to_owned());
        let vault = Vault::open(&VaultConfig::new(address).with_retry(retry)).unwrap();
        Self { folder, vault }
    }

    /// Stores a backup of so many days ago, with so many nodes.
    async fn store(&self, days: u64, nodes: u64) -> BackupName {
        let created = Timestamp::now() - SignedDuration::from_secs((days * DAY).cast_signed());
        let name = BackupName::at(BackupKind::Database, created);
        self.store_as(&name, days, nodes).await;
        name
    }

    async fn store_as(&self, name: &BackupName, days: u64, nodes: u64) {
        let mut sample = Sample::small(name);
        sample.manifest.database = Some(DatabaseSection {
            method: Method::Logical,
            name: "neo4j".to_owned(),
            id: None,
            server: ServerInfo { version: "5.26.18".to_owned(), edition: None, bolt: None },
            snapshot: None,
            counts: Some(Counts { nodes, ..Counts::default() }),
            fingerprint: None,
            physical: None,
        });
        sample.store(&self.vault).await.unwrap();
        self.age(days * DAY);
    }

    /// Stores backups of so many days ago; their names.
    async fn fill(&self, days: &[u64]) -> Vec<BackupName> {
        let mut names = Vec::new();
        // The oldest first, since storing one makes all older.
        let mut sorted = days.to_vec();
        sorted.sort_unstable_by(|a, b| b.cmp(a));
        for day in sorted {
            names.push((day, self.store(day, 1000).await));
        }
        days.iter().map(|day| names.iter().find(|(of, _)| of == day).unwrap().1.clone()).collect()
    }

    /// Gives every file that is younger this age.
    fn age(&self, seconds: u64) {
        set_age(self.folder.path(), seconds);
    }

    fn age_of(&self, file: &str, seconds: u64) {
        set_age(&self.folder.path().join(file), seconds);
    }

    fn has_mark(&self, name: &BackupName) -> bool {
        self.folder.path().join(format!("{name}.mark.json")).exists()
    }
}

fn set_age(path: &Path, seconds: u64) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            set_age(&entry.unwrap().path(), seconds);
        }
        return;
    }
    let time = SystemTime::now() - Duration::from_secs(seconds);
    let file = std::fs::File::open(path).unwrap();
    if file.metadata().unwrap().modified().unwrap() > time {
        file.set_modified(time).unwrap();
    }
}

fn options() -> PruneOptions {
    PruneOptions {
        retention: Retention::default(),
        grace: Duration::from_hours(24),
        dry_run: false,
        release: None,
    }
}

async fn run(vaults: &[Vault], options: &PruneOptions) -> PruneReport {
    prune(&regions(vaults), options, &CancellationToken::new()).await.unwrap()
}

fn regions(vaults: &[Vault]) -> Vec<Region> {
    vaults.iter().cloned().map(Region::of).collect()
}

fn step(report: &PruneReport, vault: usize, name: &BackupName) -> Step {
    report.vaults[vault].backups.iter().find(|one| one.name == *name).unwrap().step
}

#[tokio::test]
async fn a_backup_is_marked_and_goes_a_day_later() {
    let place = Place::new();
    let names = place.fill(&[0, 31, 40]).await;
    let vaults = [place.vault.clone()];
    let dry = PruneOptions { dry_run: true, ..options() };
    let before = objects(&place.vault).await;

    assert_eq!(step(&run(&vaults, &dry).await, 0, &names[2]), Step::Mark);
    assert_eq!(objects(&place.vault).await, before, "a dry run writes nothing");
    let report = run(&vaults, &options()).await;
    assert_eq!(step(&report, 0, &names[2]), Step::Mark);
    assert_eq!(step(&report, 0, &names[1]), Step::Keep, "the newest from before the window");
    assert!(report.is_complete() && place.has_mark(&names[2]));
    // Not before its time, by the store's clock.
    place.age_of(&format!("{}.mark.json", names[2]), DAY - 600);
    assert!(matches!(step(&run(&vaults, &options()).await, 0, &names[2]), Step::Wait(_)));
    place.age_of(&format!("{}.mark.json", names[2]), DAY + 600);
    assert_eq!(step(&run(&vaults, &dry).await, 0, &names[2]), Step::Remove);
    assert_eq!(step(&run(&vaults, &options()).await, 0, &names[2]), Step::Remove);
    assert_eq!(check_whole(&place.vault).await, names[..2]);
    let left = objects(&place.vault).await;
    assert!(!left.iter().any(|object| object.contains(names[2].as_str())), "{left:?}");
}

#[tokio::test]
async fn a_mark_is_taken_back_when_the_backup_is_needed_again() {
    let place = Place::new();
    let names = place.fill(&[0, 31, 40, 50]).await;
    let vaults = [place.vault.clone()];
    run(&vaults, &options()).await;
    for name in &names[2..] {
        place.age_of(&format!("{name}.mark.json"), 3 * DAY);
    }
    // The one that stood for it is gone, and a longer retention is set.
    place.vault.remove(&names[1]).await.unwrap();
    let report = run(&vaults, &options()).await;
    assert_eq!(step(&report, 0, &names[2]), Step::TakeBack);
    assert_eq!(step(&report, 0, &names[3]), Step::Remove);
    assert!(!place.has_mark(&names[2]));
    assert_eq!(check_whole(&place.vault).await, [names[0].clone(), names[2].clone()]);
}

#[tokio::test]
async fn a_mark_speaks_for_no_other_backup_of_that_name() {
    let place = Place::new();
    let names = place.fill(&[0, 31, 40]).await;
    place.vault.mark(&names[2], "to be replaced").await.unwrap();
    let mark = format!("{}.mark.json", names[2]);
    let text = std::fs::read(place.folder.path().join(&mark)).unwrap();
    place.vault.remove(&names[2]).await.unwrap();
    place.store_as(&names[2], 40, 7).await;
    std::fs::write(place.folder.path().join(&mark), text).unwrap();
    place.age_of(&mark, 3 * DAY);
    let vaults = [place.vault.clone()];
    assert_eq!(step(&run(&vaults, &options()).await, 0, &names[2]), Step::Keep);
    assert!(!place.has_mark(&names[2]));
    assert_eq!(step(&run(&vaults, &options()).await, 0, &names[2]), Step::Mark);
}

#[tokio::test]
async fn what_was_not_damaged_after_all_stays() {
    let place = Place::new();
    let names = place.fill(&[0, 31, 40]).await;
    let archive = place.folder.path().join(format!("{}.tar.zst", names[2]));
    let aside = place.folder.path().join("aside");
    std::fs::rename(&archive, &aside).unwrap();
    let vaults = [place.vault.clone()];
    run(&vaults, &options()).await;
    place.age_of(&format!("{}.mark.json", names[2]), 3 * DAY);
    // It comes back between the listing and the deletion.
    let vault = place.vault.clone();
    let late = vault.wrap(|inner| {
        let bytes = std::fs::read(&aside).unwrap().into();
        let file = format!("{}.tar.zst", names[2]);
        Arc::new(crate::store::LateStore::new(inner, 2, file, bytes))
    });
    assert_eq!(step(&run(&[late], &options()).await, 0, &names[2]), Step::TakeBack);
    assert_eq!(check_whole(&place.vault).await.len(), 3);
}

#[tokio::test]
async fn a_poisoned_backup_holds_everything_until_somebody_speaks_for_it() {
    let place = Place::new();
    let old = place.fill(&[31, 40]).await;
    let bad = place.store(0, 3).await;
    let vaults = [place.vault.clone()];
    place.vault.mark(&old[1], "past its time").await.unwrap();
    place.age_of(&format!("{}.mark.json", old[1]), 3 * DAY);

    let report = run(&vaults, &options()).await;
    assert_eq!(report.holds[0].backup, bad);
    assert_eq!(report.holds[0].collapsed, [("nodes".to_owned(), 1000, 3)]);
    assert!(!report.is_complete());
    assert_eq!(step(&report, 0, &old[1]), Step::TakeBack);
    assert_eq!(check_whole(&place.vault).await.len(), 3);

    let release = |name: &BackupName| PruneOptions { release: Some(name.clone()), ..options() };
    let wrong =
        prune(&regions(&vaults), &release(&old[0]), &CancellationToken::new()).await.unwrap_err();
    assert!(matches!(wrong, Error::NotHeld { .. }), "{wrong}");
    let report = run(&vaults, &release(&bad)).await;
    assert!(report.is_complete() && report.holds.is_empty());
    assert_eq!(step(&report, 0, &old[1]), Step::Mark);
    // The word stands for later runs, and for this backup only.
    assert!(run(&vaults, &options()).await.holds.is_empty());
    let worse = {
        tokio::time::sleep(Duration::from_millis(1100)).await;
        place.store(0, 1).await
    };
    assert_eq!(run(&vaults, &options()).await.holds[0].backup, worse);
}

#[tokio::test]
async fn two_vaults_keep_the_same_and_the_one_ahead_loses_nothing() {
    let (first, second) = (Place::new(), Place::new());
    let names = first.fill(&[0, 31, 40]).await;
    let vaults = [first.vault.clone(), second.vault.clone()];
    copy(&first, &second, &names[1..]);
    // The second has had its copies for a day only; they are as old as the first's.
    let report = run(&vaults, &options()).await;
    for side in 0..2 {
        assert_eq!(step(&report, side, &names[2]), Step::Mark);
    }
    for place in [&first, &second] {
        place.age_of(&format!("{}.mark.json", names[2]), 3 * DAY);
    }
    // The first is ahead.
    let report = run(&vaults, &options()).await;
    assert_eq!(step(&report, 0, &names[2]), Step::Withhold);
    assert_eq!(step(&report, 1, &names[2]), Step::Remove);
    assert!(report.vaults[0].withheld.as_ref().unwrap().contains(names[0].as_str()));
    assert!(!report.is_complete());
    copy(&first, &second, &names[..1]);
    // The second does not answer: the first may be ahead of it.
    let gone = second.folder.path().with_extension("gone");
    std::fs::rename(second.folder.path(), &gone).unwrap();
    let report = run(&vaults, &options()).await;
    assert_eq!(step(&report, 0, &names[2]), Step::Withhold);
    assert!(report.absent.as_ref().unwrap().contains("does not exist") && !report.is_complete());
    std::fs::rename(&gone, second.folder.path()).unwrap();
    let report = run(&vaults, &options()).await;
    assert_eq!(step(&report, 0, &names[2]), Step::Remove);
    assert!(report.is_complete());
    assert_eq!(check_whole(&first.vault).await, check_whole(&second.vault).await);
}

fn copy(from: &Place, to: &Place, names: &[BackupName]) {
    for name in names {
        for extension in ["tar.zst", "manifest.json"] {
            let file = format!("{name}.{extension}");
            std::fs::copy(from.folder.path().join(&file), to.folder.path().join(&file)).unwrap();
        }
    }
}

#[tokio::test]
async fn one_run_at_a_time_and_none_is_in_the_way_of_a_backup() {
    let place = Place::new();
    let names = place.fill(&[0, 40, 50]).await;
    let vaults = [place.vault.clone()];
    let lease = place.vault.acquire_lease("prune", "tests", Duration::from_mins(5)).await.unwrap();
    let locked = prune(&regions(&vaults), &options(), &CancellationToken::new()).await.unwrap_err();
    assert_eq!(locked.exit_code(), ExitCode::Locked, "{locked}");
    lease.release().await.unwrap();

    let running: BackupName = "running".parse().unwrap();
    let sample = Sample::small(&running);
    let mut writer = place.vault.begin(&running, Codec::Zstd).await.unwrap();
    writer.put(sample.pieces[0].clone()).await.unwrap();
    run(&vaults, &options()).await;
    for piece in &sample.pieces[1..] {
        writer.put(piece.clone()).await.unwrap();
    }
    writer.commit(&sample.manifest).await.unwrap();
    assert_eq!(check_whole(&place.vault).await.len(), names.len() + 1);
}

#[tokio::test]
async fn an_interruption_waits_for_the_backup_at_hand() {
    let place = Place::new();
    place.fill(&[0, 31, 40, 50, 60]).await;
    let vaults = [place.vault.clone()];
    let cancel = CancellationToken::new();
    cancel.cancel();
    let error = prune(&regions(&vaults), &options(), &cancel).await.unwrap_err();
    assert!(matches!(error, Error::Interrupted));
    assert_eq!(check_whole(&place.vault).await.len(), 5);
    // It has given back its lease.
    run(&vaults, &options()).await;
}

/// What is there when a fault happens: one to remove, one to mark, one to unmark, a leftover.
async fn prepare(place: &Place) -> Vec<BackupName> {
    let names = place.fill(&[0, 10, 31, 40, 50]).await;
    let half: BackupName = "half".parse().unwrap();
    let mut writer = place.vault.begin(&half, Codec::Zstd).await.unwrap();
    writer.put("half of it".into()).await.unwrap();
    drop(writer);
    for name in [&names[1], &names[4]] {
        place.vault.mark(name, "past its time").await.unwrap();
    }
    for entry in std::fs::read_dir(place.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let text = path.to_string_lossy().into_owned();
        if text.contains("half") || text.ends_with(".mark.json") {
            set_age(&path, 3 * DAY);
        }
    }
    names
}

/// The same again, in another folder: storing takes its time.
fn copied(template: &Place, retry: Retry) -> Place {
    let place = Place::with_retry(retry);
    for entry in std::fs::read_dir(template.folder.path()).unwrap() {
        let entry = entry.unwrap();
        let (from, to) = (entry.path(), place.folder.path().join(entry.file_name()));
        std::fs::copy(&from, &to).unwrap();
        let modified = entry.metadata().unwrap().modified().unwrap();
        std::fs::File::open(&to).unwrap().set_modified(modified).unwrap();
    }
    place
}

/// Whether the fault happened.
async fn once(
    template: &Place,
    names: &[BackupName],
    retry: Retry,
    fault: Fault,
    at: usize,
) -> bool {
    let place = copied(template, retry);
    let store = Arc::new(FaultyStore::new(raw(&place.vault), fault, at));
    let faulty = [Region::of(place.vault.wrap(|_| Arc::clone(&store) as _))];
    let (options, cancel) = (options(), CancellationToken::new());
    // `None` when the whole program was killed.
    let result = tokio::select! {
        result = prune(&faulty, &options, &cancel) => Some(result),
        () = store.killed() => None,
    };
    let happened = store.happened();
    store.heal();
    let context = format!("{fault:?} at {at} ({happened:?}): {result:?}");
    let good: BTreeSet<&BackupName> = names[..4].iter().collect();
    let check = async |when: &str| {
        let listed = check_whole(&place.vault).await;
        let lost: Vec<_> = good.iter().filter(|name| !listed.contains(name)).collect();
        assert!(lost.is_empty(), "{context}: {when} {lost:?} is gone");
    };
    check("after it").await;

    // The next day: a lease of a run that was killed has run out, and what is half removed has not
    // changed since. Marks that this run has set are as young as they were.
    for entry in std::fs::read_dir(place.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if ["leases", "half", names[4].as_str()]
            .iter()
            .any(|part| path.to_string_lossy().contains(part))
        {
            set_age(&path, 2 * DAY);
        }
    }
    run(std::slice::from_ref(&place.vault), &options).await;
    check("after the next run").await;
    assert!(place.has_mark(&names[3]) && !place.has_mark(&names[1]), "{context}");
    // Its mark was taken back when the store would not show it; then its time begins again.
    let again = place.has_mark(&names[4]);
    assert_eq!(check_whole(&place.vault).await.len(), 4 + usize::from(again), "{context}");
    let left = objects(&place.vault).await;
    let strange = |object: &&String| {
        object.contains("half") || (!again && object.contains(names[4].as_str()))
    };
    assert_eq!(left.iter().find(strange), None, "{context}: {left:?}");
    happened.is_some()
}

#[tokio::test]
async fn a_fault_at_any_operation_costs_nothing_good() {
    let template = Place::new();
    let names = prepare(&template).await;
    for retry in [Retry::NONE, QUICK] {
        for fault in Fault::ALL {
            let mut at = 0;
            while once(&template, &names, retry, fault, at).await {
                at += 1;
            }
            assert!(at > 0, "{fault:?}: never");
            eprintln!("{fault:?}: at {at} operations");
        }
    }
}
