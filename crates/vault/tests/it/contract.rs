//! What every vault does, whatever its store.

use bytes::Bytes;
use futures::future::join_all;
use lifeboat_archive::Codec;
use lifeboat_testkit::azurite::{ACCOUNT, Azurite};
use lifeboat_testkit::s3::{Keeping, S3, root};
use lifeboat_vault::{
    Address, BackupKind, Credentials, Damage, Error, FileKind, LeftoverKind, Vault, VaultConfig,
};
use object_store::path::Path;
use object_store::{ObjectStoreExt as _, PutMode};

use crate::areas::{
    a_lease_has_one_holder, a_replacement_needs_the_version, objects_live_below_a_prefix,
};
use crate::keys::what_is_encrypted_and_signed_comes_out;
use crate::support::{
    GRACE, NO_GRACE, QUICK, Sample, check_clean_up, check_whole, in_bucket, name, noise, objects,
    plant, raw, steal, verify,
};

/// Runs every case on vaults that `$fresh` makes, one for each.
macro_rules! run_contract {
    ($fresh:expr) => {
        run_contract!($fresh;
            an_empty_vault, a_backup_goes_in_and_comes_out, a_large_one_goes_up_in_parts,
            an_empty_archive, nothing_shows_before_the_end, a_dropped_writer_leaves_a_claim,
            a_name_is_taken_once, a_file_of_anybodys_keeps_its_name, only_one_of_many_gets_a_name,
            the_newest_comes_first, what_is_damaged_is_shown, what_is_foreign_is_passed_over,
            a_backup_is_removed, what_lies_beside_goes_with_it, a_removal_goes_on, interrupted_runs_are_cleaned_up,
            what_nobody_claims_stays, a_running_backup_is_left_alone,
            a_discarded_backup_cannot_commit, a_finished_backup_is_never_discarded,
            a_wrong_manifest_is_refused, ranges_are_read, a_lost_archive_is_told,
            the_probe_finds_all_well, a_copy_is_the_same_to_the_byte,
            what_is_encrypted_and_signed_comes_out,
            create_if_absent_is_what_the_store_does, objects_live_below_a_prefix,
            a_replacement_needs_the_version, a_lease_has_one_holder)
    };
    ($fresh:expr; $($case:ident),+) => {
        $(
            eprintln!("{}", stringify!($case));
            $case(&$fresh(stringify!($case)).await).await;
        )+
    };
}

#[tokio::test]
async fn memory_keeps_the_contract() {
    let fresh = async |case: &str| {
        let address = Address::Memory(format!("contract-{case}"));
        Vault::open(&VaultConfig::new(address).with_retry(QUICK)).unwrap()
    };
    run_contract!(fresh);
}

#[tokio::test]
async fn a_folder_keeps_the_contract() {
    let temp = tempfile::tempdir().unwrap();
    let fresh = async |case: &str| {
        let folder = temp.path().join(case);
        std::fs::create_dir(&folder).unwrap();
        Vault::open(&VaultConfig::new(Address::Folder(folder)).with_retry(QUICK)).unwrap()
    };
    run_contract!(fresh);
}

#[tokio::test]
async fn azurite_keeps_the_contract() {
    let (account, key) = ACCOUNT;
    let azurite = Azurite::start(&[ACCOUNT]).await.unwrap();
    let fresh = async |case: &str| {
        let container = case.replace('_', "-");
        azurite.create_container(account, &container).await.unwrap();
        let config = VaultConfig::new(Address::azure(account, &container).unwrap())
            .with_credentials(Credentials::AzureAccountKey(key.into()))
            .with_endpoint(azurite.endpoint(account))
            .with_retry(QUICK);
        Vault::open(&config).unwrap()
    };
    run_contract!(fresh);
}

#[tokio::test]
async fn a_prefix_keeps_the_contract() {
    let (account, key) = ACCOUNT;
    let azurite = Azurite::start(&[ACCOUNT]).await.unwrap();
    azurite.create_container(account, "backups").await.unwrap();
    let fresh = async |case: &str| {
        let address = format!("az://{account}/backups/of/{case}").parse().unwrap();
        let config = VaultConfig::new(address)
            .with_credentials(Credentials::AzureAccountKey(key.into()))
            .with_endpoint(azurite.endpoint(account))
            .with_retry(QUICK);
        Vault::open(&config).unwrap()
    };
    run_contract!(fresh);
}

/// Vaults on buckets of a real S3 server, one for each case.
async fn s3_keeps_the_contract(keeping: Keeping) {
    let Some(s3) = S3::start().await.unwrap() else { return };
    let fresh = async |case: &str| {
        let bucket = format!("{keeping:?}-{case}").replace('_', "-").to_lowercase();
        s3.create_bucket(&bucket, keeping).await.unwrap();
        in_bucket(&s3, &format!("s3://{bucket}"), root())
    };
    run_contract!(fresh);
}

#[tokio::test]
async fn a_bucket_keeps_the_contract() {
    s3_keeps_the_contract(Keeping::Nothing).await;
}

#[tokio::test]
async fn a_locked_bucket_keeps_the_contract() {
    s3_keeps_the_contract(Keeping::Compliance).await;
}

#[tokio::test]
async fn a_prefix_in_a_bucket_keeps_the_contract() {
    let Some(s3) = S3::start().await.unwrap() else { return };
    s3.create_bucket("backups", Keeping::Versions).await.unwrap();
    let fresh = async |case: &str| in_bucket(&s3, &format!("s3://backups/of/{case}"), root());
    run_contract!(fresh);
}

async fn an_empty_vault(vault: &Vault) {
    vault.check().await.unwrap();
    assert!(vault.list().await.unwrap().is_empty());
    let leftovers = vault.leftovers(NO_GRACE).await.unwrap();
    assert!(leftovers.removable.is_empty() && leftovers.unclaimed.is_empty());
    let error = vault.manifest(&name(0)).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
    assert!(matches!(vault.open_archive(&name(0)).await, Err(Error::NotFound { .. })));
    assert!(matches!(vault.remove(&name(0)).await, Err(Error::NotFound { .. })));
}

async fn a_backup_goes_in_and_comes_out(vault: &Vault) {
    for (second, codec) in [(0, Codec::Zstd), (1, Codec::Gzip)] {
        let sample = Sample::new(&name(second), codec, 1000);
        sample.store(vault).await.unwrap();
        assert_eq!(vault.manifest(&name(second)).await.unwrap(), sample.manifest);
        verify(vault, &name(second)).await;
    }
    let listed = vault.list().await.unwrap();
    assert_eq!(listed.len(), 2);
    for one in listed {
        let manifest = one.manifest.unwrap();
        assert_eq!(one.size, manifest.archive.size);
        let now = jiff::Timestamp::now();
        assert!(now.duration_since(one.modified).abs() < jiff::SignedDuration::from_mins(5));
    }
    assert_eq!(objects(vault).await.len(), 4);
    check_clean_up(vault).await;
}

async fn a_large_one_goes_up_in_parts(vault: &Vault) {
    // Two full parts and some, given in pieces that fit nowhere.
    let sample = Sample::new(&name(0), Codec::Zstd, 20_000_000);
    let archive: Vec<u8> = sample.pieces.concat();
    let mut writer = vault.begin(&name(0), Codec::Zstd).await.unwrap();
    let mut rest = Bytes::from(archive);
    let mut size = 1;
    while !rest.is_empty() {
        writer.put(rest.split_to(size.min(rest.len()))).await.unwrap();
        writer.put(Bytes::new()).await.unwrap();
        size = size * 3 + 1;
    }
    assert_eq!(writer.given(), sample.manifest.archive.size);
    writer.commit(&sample.manifest).await.unwrap();
    verify(vault, &name(0)).await;
    check_clean_up(vault).await;
}

async fn an_empty_archive(vault: &Vault) {
    // Not one entry: the smallest there is.
    let mut sample = Sample::small(&name(0));
    let assembler = lifeboat_archive::Assembler::new(lifeboat_archive::Compression::default());
    let finished = assembler.finish(&name(0)).unwrap();
    sample.pieces = vec![finished.bytes];
    sample.manifest.archive = finished.archive;
    sample.manifest.entries = finished.entries;
    sample.store(vault).await.unwrap();
    verify(vault, &name(0)).await;
}

async fn nothing_shows_before_the_end(vault: &Vault) {
    for size in [100, 20_000_000] {
        let sample = Sample::new(&name(0), Codec::Zstd, size);
        let mut writer = vault.begin(&name(0), Codec::Zstd).await.unwrap();
        assert!(vault.list().await.unwrap().is_empty());
        for piece in &sample.pieces {
            writer.put(piece.clone()).await.unwrap();
            assert!(vault.list().await.unwrap().is_empty());
        }
        assert!(matches!(vault.manifest(&name(0)).await, Err(Error::NotFound { .. })));
        writer.abort().await.unwrap();
        assert_eq!(objects(vault).await, Vec::<String>::new());
    }
}

async fn a_dropped_writer_leaves_a_claim(vault: &Vault) {
    let mut writer = vault.begin(&name(0), Codec::Zstd).await.unwrap();
    writer.put(noise(9 << 20, 1).into()).await.unwrap();
    drop(writer);
    assert!(vault.list().await.unwrap().is_empty());
    let leftovers = vault.leftovers(GRACE).await.unwrap();
    assert!(leftovers.removable.is_empty());
    assert_eq!(leftovers.recent.len(), 1);
    assert_eq!(leftovers.recent[0].kind, LeftoverKind::Interrupted);
    assert_eq!(leftovers.recent[0].name, Some(name(0)));
    let holder = leftovers.recent[0].holder.clone().unwrap();
    assert!(holder.contains(&std::process::id().to_string()), "{holder}");
    check_clean_up(vault).await;
    // The name is free again.
    Sample::small(&name(0)).store(vault).await.unwrap();
    check_clean_up(vault).await;
}

async fn a_name_is_taken_once(vault: &Vault) {
    Sample::small(&name(0)).store(vault).await.unwrap();
    let running = vault.begin(&name(1), Codec::Zstd).await.unwrap();
    for second in [0, 1] {
        for codec in [Codec::Zstd, Codec::Gzip] {
            let error = vault.begin(&name(second), codec).await.unwrap_err();
            assert!(matches!(error, Error::AlreadyExists { .. }), "{error}");
        }
    }
    let time = name(0).timestamp().unwrap();
    let next = vault.begin_at(BackupKind::Database, time, Codec::Zstd).await.unwrap();
    assert_eq!(*next.name(), name(2));
    assert_eq!(next.archive_file(), format!("{}.tar.zst", name(2)));
    next.abort().await.unwrap();
    running.abort().await.unwrap();
    assert_eq!(check_whole(vault).await, [name(0)]);
    assert_eq!(objects(vault).await.len(), 2);
}

async fn a_file_of_anybodys_keeps_its_name(vault: &Vault) {
    let file = format!("{}.tar.gz", name(0));
    plant(vault, &file, "made by an old script").await;
    let error = vault.begin(&name(0), Codec::Zstd).await.unwrap_err();
    assert!(error.to_string().contains(&file), "{error}");
    assert_eq!(objects(vault).await, [file]);
}

async fn only_one_of_many_gets_a_name(vault: &Vault) {
    let sample = Sample::small(&name(0));
    let results = join_all((0..8).map(|_| sample.store(vault))).await;
    let won = results.iter().filter(|result| result.is_ok()).count();
    for error in results.into_iter().filter_map(Result::err) {
        assert!(matches!(error, Error::AlreadyExists { .. }), "{error}");
    }
    assert_eq!(won, 1);
    check_clean_up(vault).await;
    let time = name(10).timestamp().unwrap();
    let begun =
        join_all((0..6).map(|_| vault.begin_at(BackupKind::Database, time, Codec::Zstd))).await;
    let mut names: Vec<_> = begun.iter().map(|w| w.as_ref().unwrap().name().clone()).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 6);
}

async fn the_newest_comes_first(vault: &Vault) {
    for second in [5, 1, 9, 3] {
        Sample::small(&name(second)).store(vault).await.unwrap();
    }
    let mut named = Sample::small(&"before-upgrade".parse().unwrap());
    named.manifest.created = name(4).timestamp().unwrap();
    named.store(vault).await.unwrap();
    let listed: Vec<_> =
        vault.list().await.unwrap().into_iter().map(|l| l.name.to_string()).collect();
    let expected = [9, 5, 4, 3, 1].map(|second| match second {
        4 => "before-upgrade".to_owned(),
        _ => name(second).to_string(),
    });
    assert_eq!(listed, expected);
}

async fn what_is_damaged_is_shown(vault: &Vault) {
    for second in 0..8 {
        Sample::small(&name(second)).store(vault).await.unwrap();
    }
    let stored = |second| Sample::small(&name(second)).manifest;
    // 1: one flipped bit in the manifest. 2: half of it. 3: nothing of it.
    let bytes = stored(1).to_bytes().unwrap();
    let mut flipped = bytes.clone();
    flipped[40] ^= 1;
    plant(vault, &name(1).manifest_file(), flipped).await;
    plant(vault, &name(2).manifest_file(), bytes[..bytes.len() / 2].to_vec()).await;
    plant(vault, &name(3).manifest_file(), "").await;
    // 4: no archive. 5: a short one. 6: the manifest of another.
    steal(vault, &stored(4).archive.file).await;
    plant(vault, &stored(5).archive.file, "short").await;
    plant(vault, &name(6).manifest_file(), stored(7).to_bytes().unwrap()).await;
    let listed = vault.list().await.unwrap();
    assert_eq!(listed.len(), 8);
    for one in listed {
        let second = (0..8).find(|second| name(*second) == one.name).unwrap();
        let damage = one.manifest.as_ref().err();
        let expected = match second {
            1..=3 => matches!(damage, Some(Damage::Manifest(_))),
            4 => matches!(damage, Some(Damage::ArchiveMissing(_))),
            5 => matches!(damage, Some(Damage::ArchiveSize { found: 5, .. })),
            6 => matches!(damage, Some(Damage::OtherName(other)) if *other == name(7)),
            _ => damage.is_none(),
        };
        assert!(expected, "{}: {damage:?}", one.name);
        let opened = vault.open_archive(&one.name).await;
        assert_eq!(opened.is_ok(), one.is_intact());
        if let Err(error) = opened {
            assert!(matches!(error, Error::Damaged { .. }), "{error}");
        }
    }
    // None of it is a leftover, and all of it can be removed.
    vault.remove_leftovers(NO_GRACE).await.unwrap();
    assert_eq!(vault.list().await.unwrap().len(), 8);
    for second in 0..8 {
        vault.remove(&name(second)).await.unwrap();
    }
    assert_eq!(objects(vault).await, Vec::<String>::new());
}

async fn what_is_foreign_is_passed_over(vault: &Vault) {
    Sample::small(&name(0)).store(vault).await.unwrap();
    let foreign = [
        "neo4j-backup-x.tar.gz",
        "notes.txt",
        "site.manifest.json",
        "page.claim.json",
        "neo4j-backup-20200101-000000.tar.gz",
    ];
    for file in foreign {
        plant(vault, file, "{}").await;
    }
    let listed = vault.list().await.unwrap();
    assert_eq!(listed.len(), 1, "{listed:?}");
    let leftovers = vault.leftovers(NO_GRACE).await.unwrap();
    assert!(leftovers.removable.is_empty(), "{leftovers:?}");
    let mut unclaimed: Vec<_> = leftovers.unclaimed.iter().map(|u| u.object.as_str()).collect();
    unclaimed.sort_unstable();
    let mut expected = foreign;
    expected.sort_unstable();
    assert_eq!(unclaimed, expected);
    vault.remove_leftovers(NO_GRACE).await.unwrap();
    assert_eq!(objects(vault).await.len(), 2 + foreign.len());
}

async fn a_backup_is_removed(vault: &Vault) {
    for second in 0..3 {
        Sample::small(&name(second)).store(vault).await.unwrap();
    }
    vault.remove(&name(1)).await.unwrap();
    assert_eq!(check_whole(vault).await, [name(2), name(0)]);
    assert_eq!(objects(vault).await.len(), 4);
    assert!(matches!(vault.remove(&name(1)).await, Err(Error::NotFound { .. })));
    // While it is being made, it is no backup yet.
    let writer = vault.begin(&name(1), Codec::Zstd).await.unwrap();
    assert!(matches!(vault.remove(&name(1)).await, Err(Error::NotFound { .. })));
    writer.abort().await.unwrap();
}

async fn what_lies_beside_goes_with_it(vault: &Vault) {
    let beside = async |second: i64| {
        for kind in FileKind::BESIDE {
            let text = format!("{kind:?} of {second}");
            vault.write_beside(&name(second), kind, text.into()).await.unwrap();
        }
    };
    for second in 0..2 {
        Sample::small(&name(second)).store(vault).await.unwrap();
        beside(second).await;
    }
    let listed = vault.list().await.unwrap();
    for kind in FileKind::BESIDE {
        let text = format!("{kind:?} of 1");
        assert_eq!(listed[0].beside(kind).unwrap().size, text.len() as u64);
        assert_eq!(vault.read_beside(&name(1), kind).await.unwrap().unwrap(), text);
    }
    let leftovers = vault.leftovers(NO_GRACE).await.unwrap();
    assert!(leftovers.removable.is_empty() && leftovers.unclaimed.is_empty(), "{leftovers:?}");
    // One by one, or with the backup.
    vault.remove_beside(&name(0), FileKind::Mark).await.unwrap();
    assert_eq!(vault.read_beside(&name(0), FileKind::Mark).await.unwrap(), None);
    assert_eq!(vault.list().await.unwrap()[1].beside.len(), 3);
    vault.remove(&name(0)).await.unwrap();
    vault.remove(&name(1)).await.unwrap();
    assert_eq!(objects(vault).await, Vec::<String>::new());

    // What an interrupted backup has stored of it goes with the rest; what belongs to no backup
    // and no claim is nobody's, and keeps the name.
    drop(vault.begin(&name(2), Codec::Zstd).await.unwrap());
    beside(2).await;
    vault.remove_leftovers(NO_GRACE).await.unwrap();
    assert_eq!(objects(vault).await, Vec::<String>::new());
    beside(3).await;
    assert_eq!(vault.leftovers(NO_GRACE).await.unwrap().unclaimed.len(), 4);
    let error = vault.begin(&name(3), Codec::Zstd).await.unwrap_err();
    assert!(matches!(error, Error::AlreadyExists { .. }), "{error:?}");
    let error = vault.remove_beside(&name(3), FileKind::Manifest).await.unwrap_err();
    assert!(matches!(error, Error::Misuse(_)), "{error:?}");
}

async fn a_removal_goes_on(vault: &Vault) {
    // As a removal leaves it that was interrupted after its second step.
    let claim = |second: i64| {
        format!(
            r#"{{"format":1,"name":"{0}","archive":"{0}.tar.zst","purpose":"remove",
            "token":"67e55044-10b1-426f-9247-bb680e5fe0c8","by":"x","host":"y","pid":1,
            "since":"2026-11-24T02:00:00Z"}}"#,
            name(second)
        )
    };
    for second in 0..2 {
        Sample::small(&name(second)).store(vault).await.unwrap();
        plant(vault, &name(second).claim_file(), claim(second)).await;
        steal(vault, &name(second).manifest_file()).await;
    }
    vault.remove(&name(0)).await.unwrap();
    assert_eq!(objects(vault).await.len(), 2);
    let removed = vault.remove_leftovers(NO_GRACE).await.unwrap();
    assert_eq!(removed.removed.len(), 1);
    assert_eq!(objects(vault).await, Vec::<String>::new());
    // Interrupted after its first step, it has removed nothing.
    Sample::small(&name(0)).store(vault).await.unwrap();
    plant(vault, &name(0).claim_file(), claim(0)).await;
    let leftovers = vault.leftovers(NO_GRACE).await.unwrap();
    assert_eq!(leftovers.removable[0].kind, LeftoverKind::ClaimOfFinished);
    check_clean_up(vault).await;
    assert_eq!(check_whole(vault).await, [name(0)]);
}

async fn interrupted_runs_are_cleaned_up(vault: &Vault) {
    Sample::small(&name(0)).store(vault).await.unwrap();
    // One with an archive in full, one with none; and a claim beside a finished backup.
    for second in 1..4 {
        drop(vault.begin(&name(second), Codec::Zstd).await.unwrap());
    }
    plant(vault, &name(1).archive_file(Codec::Zstd), "half").await;
    let sample = Sample::small(&name(3));
    plant(vault, &sample.manifest.archive.file, sample.pieces.concat()).await;
    plant(vault, &name(3).manifest_file(), sample.manifest.to_bytes().unwrap()).await;
    // A probe that stopped half-way.
    plant(vault, "lifeboat-probe-1", "x").await;

    let leftovers = vault.leftovers(GRACE).await.unwrap();
    assert!(leftovers.removable.is_empty());
    assert_eq!(leftovers.recent.len(), 4);
    assert!(vault.remove_leftovers(GRACE).await.unwrap().removed.is_empty());
    assert_eq!(check_whole(vault).await, [name(3), name(0)]);

    let removed = vault.remove_leftovers(NO_GRACE).await.unwrap();
    assert!(removed.kept.is_empty());
    let mut kinds: Vec<_> = removed.removed.iter().map(|one| (one.kind, one.bytes > 0)).collect();
    kinds.sort_by_key(|(kind, _)| format!("{kind:?}"));
    assert_eq!(
        kinds,
        [
            (LeftoverKind::ClaimOfFinished, true),
            (LeftoverKind::Interrupted, true),
            (LeftoverKind::Interrupted, true),
            (LeftoverKind::Probe, true)
        ]
    );
    assert_eq!(check_whole(vault).await, [name(3), name(0)]);
    check_clean_up(vault).await;
}

async fn what_nobody_claims_stays(vault: &Vault) {
    drop(vault.begin(&name(0), Codec::Zstd).await.unwrap());
    // The claim speaks for its own archive, not for one that came from elsewhere.
    let other = name(0).archive_file(Codec::Gzip);
    plant(vault, &other, "not ours").await;
    // And a claim that nobody can read speaks for nothing.
    plant(vault, &name(1).claim_file(), "{}").await;
    plant(vault, &name(1).archive_file(Codec::Zstd), "whose?").await;
    let leftovers = vault.leftovers(NO_GRACE).await.unwrap();
    assert_eq!(leftovers.removable.len(), 1);
    assert_eq!(leftovers.unclaimed.len(), 3);
    vault.remove_leftovers(NO_GRACE).await.unwrap();
    let mut expected = [other, name(1).claim_file(), name(1).archive_file(Codec::Zstd)].to_vec();
    expected.sort();
    assert_eq!(objects(vault).await, expected);
}

async fn a_running_backup_is_left_alone(vault: &Vault) {
    let sample = Sample::new(&name(0), Codec::Zstd, 9_000_000);
    let mut writer = vault.begin(&name(0), Codec::Zstd).await.unwrap();
    for piece in &sample.pieces {
        assert!(vault.remove_leftovers(GRACE).await.unwrap().removed.is_empty());
        writer.put(piece.clone()).await.unwrap();
    }
    assert!(vault.remove_leftovers(GRACE).await.unwrap().removed.is_empty());
    writer.commit(&sample.manifest).await.unwrap();
    assert_eq!(check_whole(vault).await, [name(0)]);
}

async fn a_discarded_backup_cannot_commit(vault: &Vault) {
    for size in [100, 9_000_000] {
        let sample = Sample::new(&name(0), Codec::Zstd, size);
        let mut writer = vault.begin(&name(0), Codec::Zstd).await.unwrap();
        for piece in &sample.pieces {
            writer.put(piece.clone()).await.unwrap();
        }
        assert_eq!(vault.remove_leftovers(NO_GRACE).await.unwrap().removed.len(), 1);
        let error = writer.commit(&sample.manifest).await.unwrap_err();
        assert!(matches!(error, Error::Discarded { .. }), "{error:?}");
        assert_eq!(objects(vault).await, Vec::<String>::new());
    }
}

async fn a_finished_backup_is_never_discarded(vault: &Vault) {
    // The listing still shows the claim alone, and then the manifest is there after all.
    let sample = Sample::small(&name(0));
    sample.store(vault).await.unwrap();
    let manifest = sample.manifest.to_bytes().unwrap();
    steal(vault, &name(0).manifest_file()).await;
    drop(vault.begin(&name(1), Codec::Zstd).await.unwrap());
    let claim = raw(vault).get(&Path::from(name(1).claim_file())).await.unwrap();
    let claim = claim.bytes().await.unwrap();
    let text = String::from_utf8(claim.to_vec()).unwrap();
    let claim = text.replace(name(1).as_str(), name(0).as_str());
    steal(vault, &name(1).claim_file()).await;
    plant(vault, &name(0).claim_file(), claim).await;
    let late = crate::faults::late(vault, 2, name(0).manifest_file(), manifest.into());
    let removed = late.remove_leftovers(NO_GRACE).await.unwrap();
    assert_eq!((removed.removed.len(), removed.kept.len()), (0, 1), "{removed:?}");
    assert_eq!(check_whole(vault).await, [name(0)]);
    check_clean_up(vault).await;
}

async fn a_wrong_manifest_is_refused(vault: &Vault) {
    let sample = Sample::small(&name(0));
    let other = Sample::new(&name(0), Codec::Zstd, 5000);
    for manifest in [Sample::small(&name(1)).manifest, other.manifest] {
        let mut writer = vault.begin(&name(0), Codec::Zstd).await.unwrap();
        for piece in &sample.pieces {
            writer.put(piece.clone()).await.unwrap();
        }
        let error = writer.commit(&manifest).await.unwrap_err();
        assert!(matches!(error, Error::Misuse(_)), "{error}");
        assert_eq!(objects(vault).await, Vec::<String>::new());
    }
}

async fn ranges_are_read(vault: &Vault) {
    let sample = Sample::new(&name(0), Codec::Gzip, 9_000_000);
    sample.store(vault).await.unwrap();
    let archive = sample.pieces.concat();
    let reader = vault.open_archive(&name(0)).await.unwrap();
    let size = reader.size();
    assert_eq!(size, archive.len() as u64);
    let ranges = [0..1, 0..size, 7..7, size..size, size - 1..size, 8_388_600..8_388_700];
    let reads = ranges.iter().map(|range| {
        let (reader, range) = (reader.clone(), range.clone());
        async move { reader.read_range(range).await.unwrap() }
    });
    for (range, bytes) in ranges.iter().zip(join_all(reads).await) {
        assert!(bytes == archive[range.start as usize..range.end as usize], "{range:?}");
    }
    #[expect(clippy::reversed_empty_ranges, reason = "that is what must be refused")]
    for range in [0..size + 1, size + 1..size + 2, 5..4] {
        assert!(matches!(reader.read_range(range).await, Err(Error::Misuse(_))));
    }
}

async fn a_lost_archive_is_told(vault: &Vault) {
    let sample = Sample::new(&name(0), Codec::Zstd, 2000);
    sample.store(vault).await.unwrap();
    let reader = vault.open_archive(&name(0)).await.unwrap();
    let damage = async |range| match reader.read_range(range).await {
        Err(Error::Damaged { damage, .. }) => damage,
        other => panic!("{other:?}"),
    };
    plant(vault, reader.file(), noise(1000, 1)).await;
    assert!(matches!(damage(500..1500).await, Damage::ArchiveSize { found: 1000, .. }));
    assert!(matches!(damage(1500..1600).await, Damage::ArchiveSize { found: 1000, .. }));
    steal(vault, reader.file()).await;
    assert!(matches!(damage(0..10).await, Damage::ArchiveMissing(_)));
}

async fn the_probe_finds_all_well(vault: &Vault) {
    let probe = vault.probe().await;
    assert!(probe.is_good(), "{probe:?}");
    assert!(probe.clock_ahead.unwrap().abs() < jiff::SignedDuration::from_mins(2), "{probe:?}");
    assert_eq!(objects(vault).await, Vec::<String>::new());
}

async fn a_copy_is_the_same_to_the_byte(vault: &Vault) {
    Sample::small(&name(0)).store(vault).await.unwrap();
    let (_, bytes) = vault.read_manifest(&name(0)).await.unwrap();
    let second = Vault::open(&VaultConfig::new(Address::Memory(format!("copy-{vault}")))).unwrap();
    vault.copy_to(&name(0), &second, &|_| {}).await.unwrap();
    assert_eq!(second.read_manifest(&name(0)).await.unwrap().1, bytes);
    verify(&second, &name(0)).await;
}

async fn create_if_absent_is_what_the_store_does(vault: &Vault) {
    // What all else stands on, asked of the store itself, sixteen at a time.
    let store = raw(vault);
    let path = Path::from("once");
    let tries = (0..16_u8).map(|index| {
        let (store, path) = (&store, &path);
        async move { store.put_opts(path, vec![index].into(), PutMode::Create.into()).await }
    });
    let results = join_all(tries).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    for error in results.into_iter().filter_map(Result::err) {
        assert!(matches!(error, object_store::Error::AlreadyExists { .. }), "{error}");
    }
}
