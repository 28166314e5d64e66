use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use lifeboat_archive::{
    Assembler, BackupName, Compression, ConfigSection, Digest, EntryHeader, FrameWriter, encode,
};

use super::*;
use crate::testing::memory;
use crate::tool;

/// Stores a configuration of these entries, whatever they are.
async fn store(vault: &Vault, entries: &[(EntryHeader, &str)], secrets: &[&str]) -> Manifest {
    let created: Timestamp = "2026-11-24T02:00:00Z".parse().unwrap();
    let name = BackupName::at(BackupKind::Config, created);
    let compression = Compression::default();
    let mut assembler = Assembler::new(compression);
    // Small frames, so that some entries span several and some frames hold several.
    let mut cutter = FrameWriter::new(created).cutter(4096);
    let mut frames = Vec::new();
    for (header, content) in entries {
        frames.extend(cutter.begin(header.clone()).unwrap());
        frames.extend(cutter.write(content.as_bytes()).unwrap());
        frames.extend(cutter.end().unwrap());
    }
    frames.extend(cutter.finish().unwrap());
    let mut writer = vault.begin(&name, compression.codec()).await.unwrap();
    for frame in frames {
        writer.put(assembler.push(encode(frame, compression).unwrap()).unwrap()).await.unwrap();
    }
    let finished = assembler.finish(&name).unwrap();
    writer.put(finished.bytes).await.unwrap();
    let manifest = Manifest {
        name,
        kind: BackupKind::Config,
        created,
        finished: created,
        tool: tool(),
        archive: finished.archive,
        entries: finished.entries,
        database: None,
        config: Some(ConfigSection {
            secrets: secrets.iter().map(|path| (*path).to_owned()).collect(),
            ..ConfigSection::default()
        }),
        options: std::collections::BTreeMap::new(),
    };
    writer.commit(&manifest).await.unwrap();
    manifest
}

fn file<'c>(path: &str, mode: u32, content: &'c str) -> (EntryHeader, &'c str) {
    let metadata = fs::metadata("/proc/self").unwrap();
    let header = EntryHeader {
        mode: Some(mode),
        mtime: Some(1_700_000_000),
        uid: metadata.uid().into(),
        gid: metadata.gid().into(),
        ..EntryHeader::file(path, content.len() as u64)
    };
    (header, content)
}

fn folder(path: &str, mode: u32) -> (EntryHeader, &'static str) {
    let (header, _) = file(path, mode, "");
    (EntryHeader { kind: lifeboat_archive::EntryKind::Directory, ..header }, "")
}

fn link(path: &str, target: &str) -> (EntryHeader, &'static str) {
    (EntryHeader::symlink(path, target), "")
}

fn into(vault: &Vault, manifest: &Manifest, folder: &Path) -> ConfigRestoreOptions {
    ConfigRestoreOptions {
        vault: vault.clone(),
        manifest: manifest.clone(),
        destination: Destination::Folder(folder.to_owned()),
    }
}

async fn restore(options: &ConfigRestoreOptions) -> Result<ConfigRestoreReport> {
    restore_config(options, &Arc::default(), &CancellationToken::new()).await
}

fn changes(plan: &ConfigPlan) -> Vec<(String, Change)> {
    plan.entries.iter().map(|one| (one.path.clone(), one.change.clone())).collect()
}

#[tokio::test]
async fn a_folder_is_filled_and_then_kept_up() {
    let vault = memory("restore-config");
    let long = "line\n".repeat(5000);
    let entries = [
        file("environment/URL", 0o600, "http://x"),
        folder("files/etc/app", 0o750),
        file("files/etc/app/a.toml", 0o640, "a = 1\nb = 2\n"),
        link("files/etc/app/current", "a.toml"),
        file("files/etc/app/empty", 0o644, ""),
        file("files/etc/app/key", 0o400, "TOPSECRET"),
        file("files/etc/app/long", 0o644, &long),
    ];
    let manifest = store(&vault, &entries, &["files/etc/app/key"]).await;
    let temp = tempfile::tempdir().unwrap();
    let target = temp.path().join("new/folder");
    let options = into(&vault, &manifest, &target);

    let plan = plan_config(&options).await.unwrap();
    assert!(plan.entries.iter().all(|one| one.change == Change::Added));
    assert!(!target.exists(), "a plan makes nothing");
    let report = restore(&options).await.unwrap();
    assert!(report.kept.is_empty());
    let app = target.join("files/etc/app");
    assert_eq!(fs::read_to_string(app.join("a.toml")).unwrap(), "a = 1\nb = 2\n");
    assert_eq!(fs::read_to_string(app.join("long")).unwrap(), long);
    assert_eq!(fs::read_to_string(app.join("empty")).unwrap(), "");
    assert_eq!(fs::read_link(app.join("current")).unwrap(), Path::new("a.toml"));
    let metadata = fs::metadata(app.join("a.toml")).unwrap();
    assert_eq!((metadata.mode() & 0o7777, metadata.mtime()), (0o640, 1_700_000_000));
    assert_eq!(fs::metadata(&app).unwrap().mode() & 0o7777, 0o750);

    // The same again changes nothing.
    let again = restore(&options).await.unwrap();
    assert!(
        again.plan.entries.iter().all(|one| one.change == Change::Unchanged),
        "{:?}",
        changes(&again.plan)
    );

    // What has changed since is shown, and put right; what is new stays.
    fs::write(app.join("a.toml"), "a = 1\nb = 3\n").unwrap();
    fs::set_permissions(app.join("key"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(app.join("key"), "OTHERSECRET").unwrap();
    fs::set_permissions(app.join("empty"), fs::Permissions::from_mode(0o666)).unwrap();
    fs::remove_file(app.join("current")).unwrap();
    symlink("long", app.join("current")).unwrap();
    fs::write(app.join("new"), "mine").unwrap();
    let plan = plan_config(&options).await.unwrap();
    let of = |name: &str| {
        let path = format!("files/etc/app/{name}");
        plan.entries.iter().find(|one| one.path == path).unwrap().clone()
    };
    let Change::Changed { diff: Some(diff) } = of("a.toml").change else { panic!("{plan:?}") };
    assert!(diff.contains("-b = 3\n+b = 2\n"), "{diff}");
    assert_eq!((of("key").change, of("key").secret), (Change::Changed { diff: None }, true));
    assert_eq!(of("empty").change, Change::Attributes);
    assert_eq!(of("current").change, Change::Changed { diff: None });
    assert_eq!((plan.replaces(), plan.only_here.clone()), (4, vec![app.join("new")]));
    assert!(!format!("{plan:?}").contains("SECRET"));

    let report = restore(&options).await.unwrap();
    assert_eq!(fs::read_to_string(app.join("a.toml")).unwrap(), "a = 1\nb = 2\n");
    assert_eq!(fs::read_to_string(app.join("new")).unwrap(), "mine");
    assert_eq!(fs::read_link(app.join("current")).unwrap(), Path::new("a.toml"));
    assert_eq!(report.kept.len(), 4, "{:?}", report.kept);
    let old =
        report.kept.iter().find(|path| path.to_str().unwrap().contains("a.toml.before-restore-"));
    assert_eq!(fs::read_to_string(old.unwrap()).unwrap(), "a = 1\nb = 3\n");
    // Kept files are none of the application's.
    assert_eq!(plan_config(&options).await.unwrap().only_here, [app.join("new")]);
}

#[tokio::test]
async fn files_go_back_to_where_they_were() {
    let vault = memory("restore-in-place");
    let temp = tempfile::tempdir().unwrap();
    let root = fs::canonicalize(temp.path()).unwrap();
    let path = |name: &str| format!("files{}/{name}", root.display());
    let entries = [
        file("commands/out", 0o600, "o"),
        file(&path("a/b"), 0o644, "b"),
        link(&path("l"), "/etc"),
    ];
    let manifest = store(&vault, &entries, &[]).await;
    let mut options = into(&vault, &manifest, &root);
    options.destination = Destination::InPlace(None);
    let report = restore(&options).await.unwrap();
    assert_eq!(report.plan.without_place, ["commands/out"]);
    assert_eq!(fs::read_to_string(root.join("a/b")).unwrap(), "b");
    assert_eq!(fs::read_link(root.join("l")).unwrap(), Path::new("/etc"), "it led there before");
    options.destination = Destination::InPlace(Some(root.join("rest")));
    restore(&options).await.unwrap();
    assert_eq!(fs::read_to_string(root.join("rest/commands/out")).unwrap(), "o");
    assert!(!root.join("rest/files").exists());
}

#[tokio::test]
async fn a_hostile_target_leads_nowhere() {
    let vault = memory("restore-hostile-target");
    let entries = [
        file("files/app/a", 0o644, "restored"),
        file("files/b", 0o644, "restored"),
        file("files/c", 0o644, "restored"),
        file("files/d", 0o644, "restored"),
    ];
    let manifest = store(&vault, &entries, &[]).await;
    let temp = tempfile::tempdir().unwrap();
    let (target, outside) = (temp.path().join("target"), temp.path().join("outside"));
    fs::create_dir_all(target.join("files/c")).unwrap();
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("b"), "mine").unwrap();
    // A folder on the way is a link out; a file is a link out; a folder and a pipe stand in places.
    symlink(&outside, target.join("files/app")).unwrap();
    symlink(outside.join("b"), target.join("files/b")).unwrap();
    let pipe = target.join("files/d");
    let _listener = std::os::unix::net::UnixListener::bind(&pipe).unwrap();

    let options = into(&vault, &manifest, &target);
    let plan = plan_config(&options).await.unwrap();
    let refused: Vec<_> = plan.refused().map(|(_, reason)| reason.to_owned()).collect();
    assert_eq!(refused.len(), 3, "{refused:?}");
    for (reason, says) in
        refused.iter().zip(["nothing is written through it", "a folder stands", "a device"])
    {
        assert!(reason.contains(says), "{reason}");
    }
    restore(&options).await.unwrap();
    assert_eq!(fs::read_to_string(outside.join("b")).unwrap(), "mine");
    assert!(!outside.join("a").exists());
    // The link itself gave way to the file, and is kept.
    assert!(fs::symlink_metadata(target.join("files/b")).unwrap().is_file());
    assert_eq!(fs::read_to_string(target.join("files/b")).unwrap(), "restored");
}

#[tokio::test]
async fn a_hostile_archive_leads_nowhere() {
    let vault = memory("restore-hostile-archive");
    let mut odd = file("files/suid", 0o4755, "x");
    (odd.0.uid, odd.0.gid) = (u64::MAX, 0);
    let entries = [
        link("files/passwd", "/etc/passwd"),
        link("files/up", "../../../etc"),
        link("files/sly", "here/../../../etc"),
        link("files/fine", "suid"),
        odd,
    ];
    let manifest = store(&vault, &entries, &[]).await;
    let temp = tempfile::tempdir().unwrap();
    let target = temp.path().join("target");
    let report = restore(&into(&vault, &manifest, &target)).await.unwrap();
    let refused: Vec<_> = report.plan.refused().map(|(_, reason)| reason.to_owned()).collect();
    assert_eq!(refused.len(), 4, "{refused:?}");
    assert!(refused[3].contains("its owner"), "{refused:?}");
    for name in ["passwd", "up", "sly", "suid"] {
        assert!(fs::symlink_metadata(target.join("files").join(name)).is_err(), "{name}");
    }
}

#[tokio::test]
async fn a_damaged_archive_touches_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let place = temp.path().join("vault");
    let config = lifeboat_vault::VaultConfig::new(place.to_str().unwrap().parse().unwrap());
    let vault = Vault::open(&config).unwrap();
    let manifest = store(&vault, &[file("files/a", 0o644, "x")], &[]).await;
    let archive = place.join(&manifest.archive.file);
    let mut bytes = fs::read(&archive).unwrap();
    bytes[40] ^= 1;
    fs::write(&archive, bytes).unwrap();
    let target = temp.path().join("target");
    let result = restore(&into(&vault, &manifest, &target)).await;
    assert!(matches!(result, Err(Error::Damaged { .. })), "{result:?}");
    assert!(!target.exists());
}

#[tokio::test]
async fn a_database_is_no_configuration() {
    let vault = memory("restore-kind");
    let name = crate::testing::name(BackupKind::Database, 0);
    let manifest = crate::testing::store(&vault, &name, "x").await;
    let result = plan_config(&into(&vault, &manifest, Path::new("/nowhere"))).await;
    assert!(matches!(result, Err(Error::NotAConfiguration { .. })));
    assert_eq!(manifest.entries[0].blake3, Digest::of(b"x"));
}
