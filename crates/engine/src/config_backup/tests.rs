use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;
use crate::config::CommandSection;
use crate::testing::memory;

fn options(vault: &Vault, section: ConfigBackupSection) -> ConfigBackupOptions {
    ConfigBackupOptions {
        section,
        neo4j_home: None,
        folder: PathBuf::from("/"),
        vault: vault.clone(),
        name: None,
        compression: Compression::default(),
        notes: Vec::new(),
    }
}

/// Backs up what `section` lists.
async fn back_up(vault: &Vault, section: ConfigBackupSection) -> ConfigBackupReport {
    let options = options(vault, section);
    backup_config(options, &Arc::default(), &CancellationToken::new()).await.unwrap()
}

fn command(name: &str, words: &[&str]) -> CommandSection {
    CommandSection {
        name: name.to_owned(),
        command: words.iter().map(|word| (*word).to_owned()).collect(),
        timeout: Duration::from_mins(1),
        secret: false,
    }
}

fn paths(report: &ConfigBackupReport) -> Vec<&str> {
    report.manifest.entries.iter().map(|entry| entry.path.as_str()).collect()
}

#[tokio::test]
async fn everything_listed_is_kept_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let root = fs::canonicalize(folder.path()).unwrap();
    fs::create_dir(root.join("conf.d")).unwrap();
    fs::write(root.join("conf.d/a.toml"), "a = 1\n").unwrap();
    fs::set_permissions(root.join("conf.d/a.toml"), fs::Permissions::from_mode(0o640)).unwrap();
    fs::write(root.join("conf.d/large"), vec![7; 9 << 20]).unwrap();
    symlink("a.toml", root.join("conf.d/current")).unwrap();
    let home = root.join("neo4j");
    fs::create_dir_all(home.join("conf")).unwrap();
    fs::create_dir_all(home.join("plugins")).unwrap();
    fs::write(home.join("conf/neo4j.conf"), "server.bolt.enabled=true\n").unwrap();
    fs::write(home.join("plugins/apoc.jar"), "jar").unwrap();
    fs::write(home.join("plugins/README.txt"), "no plugin").unwrap();

    let vault = memory("config-all");
    let section = ConfigBackupSection {
        include: vec![format!("{}/conf.d", root.display())],
        environment: vec!["PATH".to_owned()],
        commands: vec![command("settings.json", &["echo", "{}"])],
        neo4j: true,
        application: [("image".to_owned(), "story:1".to_owned())].into(),
        ..ConfigBackupSection::default()
    };
    let mut options = options(&vault, section);
    options.neo4j_home = Some(home.clone());
    options.notes = vec![("why".to_owned(), "test".to_owned())];
    let report = backup_config(options, &Arc::default(), &CancellationToken::new()).await.unwrap();
    assert!(!report.is_incomplete(), "{:?}", report.manifest.config);
    let manifest = &report.manifest;
    assert!(manifest.name.as_str().starts_with("config-backup-"));
    assert_eq!((manifest.kind, manifest.options["why"].as_str()), (BackupKind::Config, "test"));
    assert_eq!(manifest.config.as_ref().unwrap().application["image"], "story:1");
    let below = |path: &str| format!("files{}/{path}", root.display());
    let expected = [
        "neo4j/plugins.json".to_owned(),
        "application.json".to_owned(),
        "environment/PATH".to_owned(),
        "commands/settings.json".to_owned(),
        below("conf.d"),
        below("conf.d/a.toml"),
        below("conf.d/current"),
        below("conf.d/large"),
        below("neo4j/conf/neo4j.conf"),
    ];
    assert_eq!(paths(&report), expected);
    let entry = |path: &str| manifest.entries.iter().find(|entry| entry.path == path).unwrap();
    let file = entry(&expected[5]);
    let metadata = fs::metadata(root.join("conf.d/a.toml")).unwrap();
    assert_eq!((file.mode(), file.mtime), (0o640, Some(metadata.mtime())));
    assert_eq!((file.uid, file.gid), (metadata.uid().into(), metadata.gid().into()));
    assert_eq!(entry(&expected[6]).link.as_deref(), Some("a.toml"));
    assert_eq!(file.blake3, Digest::of(b"a = 1\n"));
    assert_eq!(entry("commands/settings.json").blake3, Digest::of(b"{}\n"));
    // And it is whole in the vault.
    let progress = |_| {};
    let level = crate::verify::Level::Full;
    let cancel = CancellationToken::new();
    crate::verify::verify(&vault, manifest.clone(), level, &progress, &cancel).await.unwrap();
}

#[tokio::test]
async fn secrets_are_named_and_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tls.key"), "TOPSECRET").unwrap();
    let mut secret = command("token", &["echo", "TOPSECRET"]);
    secret.secret = true;
    let section = ConfigBackupSection {
        include: vec![folder.path().display().to_string()],
        secret_files: vec!["**/*.key".to_owned()],
        secret_environment: vec!["PATH".to_owned()],
        commands: vec![secret],
        ..ConfigBackupSection::default()
    };
    let vault = memory("config-secrets");
    let report = back_up(&vault, section).await;
    assert!(!report.is_incomplete());
    assert_eq!(report.manifest.entries.len(), 1, "{:?}", paths(&report));
    let config = report.manifest.config.unwrap();
    let named: Vec<_> =
        config.references.iter().map(|one| format!("{} {}", one.kind, one.name)).collect();
    assert_eq!(named[..2], ["environment PATH", "command token"]);
    assert!(named[2].ends_with("/tls.key"));
    assert!(config.secrets.is_empty());
    let path = std::env::var("PATH").unwrap();
    let said = serde_json::to_string(&config).unwrap();
    assert!(!said.contains("TOPSECRET") && !said.contains(&path));
}

#[tokio::test]
async fn what_cannot_be_read_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::write(root.join("good"), "x").unwrap();
    fs::write(root.join("odd\nname"), "x").unwrap();
    symlink("no\nwhere", root.join("link")).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
    let section = ConfigBackupSection {
        include: vec![root.display().to_string(), "/no/such/file".to_owned()],
        environment: vec!["LIFEBOAT_TEST_NOT_SET".to_owned()],
        commands: vec![command("fails", &["false"])],
        ..ConfigBackupSection::default()
    };
    let report = back_up(&memory("config-incomplete"), section).await;
    drop(socket);
    assert!(report.is_incomplete());
    let config = report.manifest.config.as_ref().unwrap();
    let told: Vec<_> = config.incomplete.iter().map(|one| one.reason.as_str()).collect();
    for says in [
        "nothing is there",
        "control character",
        "the variable is not set",
        "it failed",
        "where it points to cannot stand in an archive",
    ] {
        assert!(told.iter().any(|reason| reason.contains(says)), "no {says:?} in {told:?}");
    }
    assert_eq!((told.len(), config.skipped.len()), (5, 1));
    assert!(config.skipped[0].path.ends_with("socket"));
    assert_eq!(paths(&report).len(), 2);
}

#[tokio::test]
async fn nothing_to_back_up_is_an_error() {
    let options = options(&memory("config-nothing"), ConfigBackupSection::default());
    let vault = options.vault.clone();
    let result = backup_config(options, &Arc::default(), &CancellationToken::new()).await;
    assert!(matches!(result, Err(Error::NothingToBackUp)));
    assert!(vault.leftovers(Duration::ZERO).await.unwrap().removable.is_empty());
}

#[tokio::test]
async fn an_interruption_leaves_nothing() {
    let vault = memory("config-stopped");
    let section = ConfigBackupSection {
        commands: vec![command("slow", &["sleep", "600"])],
        ..ConfigBackupSection::default()
    };
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        stop.cancel();
    });
    let result = backup_config(options(&vault, section), &Arc::default(), &cancel).await;
    assert!(matches!(result, Err(Error::Interrupted)), "{result:?}");
    assert!(vault.list().await.unwrap().is_empty());
    assert!(vault.leftovers(Duration::ZERO).await.unwrap().removable.is_empty());
}
