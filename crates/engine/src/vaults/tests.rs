use lifeboat_archive::BackupKind::{Config, Database};

use super::*;
use crate::testing::{memory, name, store};

fn region(role: Role, url: &str) -> RegionConfig {
    let section = VaultSection::at(url.parse().unwrap());
    RegionConfig { role: Some(role), section, keys: KeySections::default() }
}

/// One vault that is alone.
pub(crate) fn one(url: &str) -> Vaults {
    Vaults::new(region(Role::Primary, url), None)
}

fn two(primary: &str, secondary: &str) -> Vaults {
    Vaults::new(region(Role::Primary, primary), Some(region(Role::Secondary, secondary)))
}

fn named(name: &BackupName) -> Selector {
    Selector::Name(name.clone())
}

#[tokio::test]
async fn a_region_has_a_place_for_each_kind() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("neo4j-backups");
    let region = region(Role::Primary, place.to_str().unwrap()).open().unwrap();
    assert_eq!(region.vaults().count(), 2);
    assert!(region.configs().folder().unwrap().ends_with("config-backups"));
    let (database, config) = (name(Database, 0), name(Config, 1));
    store(region.vault(Database), &database, "d").await;
    assert_eq!(region.list().await.unwrap().len(), 1, "nothing beside it yet");
    store(region.vault(Config), &config, "c").await;
    let listed: Vec<_> = region.list().await.unwrap().into_iter().map(|one| one.name).collect();
    assert_eq!(listed, [config.clone(), database.clone()]);
    for name in [&database, &config] {
        assert_eq!(region.find(&named(name)).await.unwrap().1.name, *name);
    }
    // A name that tells no kind is looked for in both.
    let odd: BackupName = "before-upgrade".parse().unwrap();
    store(region.configs(), &odd, "x").await;
    assert_eq!(
        region.find(&named(&odd)).await.unwrap().0.to_string(),
        region.configs().to_string()
    );
    assert!(region.find(&named(&name(Config, 5))).await.is_err());
}

#[tokio::test]
async fn the_active_vault_is_read_when_it_answers() {
    store(&memory("both-a"), &name(Database, 0), "a").await;
    store(&memory("both-b"), &name(Database, 1), "b").await;
    let vaults = two("memory://both-a", "memory://both-b");
    let reading = vaults.reading().await.unwrap();
    assert_eq!((reading.region.role, reading.fallback), (Some(Role::Primary), None));
    // What only the other has is found there.
    let found = vaults.find(&named(&name(Database, 1))).await.unwrap();
    assert_eq!(found.region.role, Some(Role::Secondary));
    let said = found.fallback.unwrap().to_string();
    assert!(said.starts_with("using the secondary vault instead of the primary: there is no"));
    // What none has is told of the active one.
    let error = vaults.find(&named(&name(Database, 7))).await.unwrap_err().to_string();
    assert!(error.contains("in memory://both-a"), "{error}");
}

#[tokio::test]
async fn the_other_vault_is_read_when_the_active_one_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let gone = folder.path().join("gone");
    store(&memory("left"), &name(Database, 1), "b").await;
    let vaults = two(gone.to_str().unwrap(), "memory://left");
    let reading = vaults.reading().await.unwrap();
    assert_eq!(reading.region.role, Some(Role::Secondary));
    assert_eq!(reading.region.list().await.unwrap().len(), 1);
    let fallback = reading.fallback.unwrap();
    assert_eq!((fallback.from, fallback.to), (Role::Primary, Role::Secondary));
    assert!(fallback.reason.contains("does not exist"), "{}", fallback.reason);

    // Roles swapped, the same the other way round.
    let swapped = Vaults::new(
        region(Role::Secondary, gone.to_str().unwrap()),
        Some(region(Role::Primary, "memory://left")),
    );
    assert_eq!(swapped.reading().await.unwrap().region.role, Some(Role::Primary));

    // Alone, it is told as it is; and so are both.
    let alone = Vaults::new(region(Role::Primary, gone.to_str().unwrap()), None);
    let reading = alone.reading().await.unwrap();
    assert!(reading.region.list().await.is_err());
    let neither = two(gone.to_str().unwrap(), folder.path().join("too").to_str().unwrap());
    let error = neither.reading().await.unwrap_err();
    assert_eq!(error.exit_code(), crate::ExitCode::VaultMissing);
    assert!(error.to_string().contains("gone") && error.to_string().contains("too"), "{error}");
}

// The clock runs ahead whenever nothing else can happen, so that no second is waited for.
#[tokio::test(start_paused = true)]
async fn a_vault_that_is_away_is_soon_passed_over() {
    store(&memory("here"), &name(Database, 1), "b").await;
    let named = named(&name(Database, 1));
    let listen = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = |listener: &std::net::TcpListener| listener.local_addr().unwrap().port();
    // One that takes calls and never answers, and one that nobody listens at.
    let silent = listen();
    let closed = port(&listen());
    for (port, says) in [(port(&silent), "no answer within 10 seconds"), (closed, "network")] {
        let text = format!(
            "[vault.primary]\nurl = \"az://account/neo4j-backups\"\nauth = \"anonymous\"\n\
             endpoint = \"http://127.0.0.1:{port}/account\"\n\
             [vault.secondary]\nurl = \"memory://here\""
        );
        let config = crate::config::Config::parse(&text, std::path::Path::new("x.toml")).unwrap();
        let region = |role| RegionConfig {
            role: Some(role),
            section: config.vault.section(role).unwrap().clone(),
            keys: KeySections::default(),
        };
        let vaults = Vaults::new(region(Role::Primary), Some(region(Role::Secondary)));
        let found = vaults.find(&named).await.unwrap();
        let why = found.fallback.unwrap().reason;
        assert!(found.region.role == Some(Role::Secondary) && why.contains(says), "{why}");
        let everywhere = vaults.list().await.unwrap();
        let (role, why) = everywhere.unanswered.unwrap();
        assert_eq!((role, everywhere.backups.len()), (Some(Role::Primary), 1));
        assert!(why.to_string().contains(says), "{why}");
        let regions = crate::status::regions(&vaults).await;
        let why = regions[0].holds.clone().unwrap_err();
        assert!(why.contains(says) && regions[1].holds.is_ok(), "{why}");
        // Nor does it keep anybody waiting who looks there for what the other has not.
        let swapped = Vaults::new(region(Role::Secondary), Some(region(Role::Primary)));
        assert!(swapped.find(&Selector::Name(name(Database, 7))).await.is_err());
    }
}

#[tokio::test]
async fn a_secret_out_of_reach_is_one_of_the_disasters() {
    store(&memory("reachable"), &name(Database, 1), "b").await;
    let text = "[vault.primary]\nurl = \"az://account/neo4j-backups\"\nauth = \"account-key\"\n\
                secret_file = \"no-such-file\"\n[vault.secondary]\nurl = \"memory://reachable\"";
    let config = crate::config::Config::parse(text, std::path::Path::new("x.toml")).unwrap();
    let region = |role| RegionConfig {
        role: Some(role),
        section: config.vault.section(role).unwrap().clone(),
        keys: KeySections::default(),
    };
    let vaults = Vaults::new(region(Role::Primary), Some(region(Role::Secondary)));
    let reading = vaults.reading().await.unwrap();
    assert!(reading.fallback.unwrap().reason.contains("cannot read the secret"));
    assert!(vaults.writing().is_err(), "nothing is written elsewhere in silence");
}

#[tokio::test]
async fn a_damaged_backup_is_taken_from_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let damaged = name(Database, 0);
    let primary = region(Role::Primary, folder.path().to_str().unwrap());
    let vault = primary.open().unwrap().databases().clone();
    store(&vault, &damaged, "x").await;
    std::fs::write(folder.path().join(damaged.manifest_file()), "{\n  \"format\": 1").unwrap();
    store(&memory("intact"), &damaged, "x").await;
    let vaults = Vaults::new(primary, Some(region(Role::Secondary, "memory://intact")));
    let found = vaults.find(&named(&damaged)).await.unwrap();
    assert_eq!(found.vault.to_string(), "memory://intact");
    assert!(found.fallback.unwrap().reason.contains("damaged"));
}

#[tokio::test]
async fn what_one_has_ahead_of_the_other_is_told() {
    let (one, other) = (memory("ahead"), memory("behind"));
    for vault in [&one, &other] {
        store(vault, &name(Database, 0), "same").await;
    }
    store(&one, &name(Database, 1), "only here").await;
    store(&one, &name(Database, 2), "one").await;
    store(&other, &name(Database, 2), "another").await;
    let (one, other) = (one.list().await.unwrap(), other.list().await.unwrap());
    assert_eq!(ahead(&one, &other), [&name(Database, 2), &name(Database, 1)]);
    assert_eq!(ahead(&other, &one), [&name(Database, 2)]);
}

/// Names and regions of a list.
fn told(everywhere: &Everywhere) -> Vec<(BackupName, Vec<Role>)> {
    everywhere.backups.iter().map(|one| (one.listed.name.clone(), one.regions.clone())).collect()
}

#[tokio::test]
async fn the_backups_of_both_regions_are_one_list() {
    use Role::{Primary, Secondary};

    let (here, there) = (memory("list-a"), memory("list-b"));
    for vault in [&here, &there] {
        store(vault, &name(Database, 0), "same").await;
        store(vault, &name(Database, 4), &format!("of {vault}")).await;
    }
    store(&here, &name(Database, 1), "here").await;
    store(&there, &name(Database, 2), "there").await;
    let vaults = two("memory://list-a", "memory://list-b");
    let everywhere = vaults.list().await.unwrap();
    assert_eq!((everywhere.here().len(), &everywhere.reading.fallback), (3, &None));
    assert!(everywhere.unanswered.is_none());
    let expected = [
        (name(Database, 4), vec![Primary]),
        (name(Database, 4), vec![Secondary]),
        (name(Database, 2), vec![Secondary]),
        (name(Database, 1), vec![Primary]),
        (name(Database, 0), vec![Primary, Secondary]),
    ];
    assert_eq!(told(&everywhere), expected);

    // One that is alone, and one that stands in no settings.
    assert_eq!(told(&one("memory://list-b").list().await.unwrap()).len(), 3);
    let config = RegionConfig { role: None, ..region(Primary, "memory://list-b") };
    let alone = Vaults::new(config, None).list().await.unwrap();
    assert!(told(&alone).iter().all(|(_, regions)| regions.is_empty()));
    assert_eq!(alone.here().len(), 3);
}

#[tokio::test]
async fn a_list_tells_which_region_does_not_answer() {
    use Role::{Primary, Secondary};

    let folder = tempfile::tempdir().unwrap();
    let gone = folder.path().join("gone");
    let gone = gone.to_str().unwrap();
    store(&memory("list-left"), &name(Database, 1), "b").await;
    let everywhere = two("memory://list-left", gone).list().await.unwrap();
    assert_eq!(told(&everywhere), [(name(Database, 1), vec![Primary])]);
    let (role, error) = everywhere.unanswered.unwrap();
    assert_eq!(role, Some(Secondary));
    assert!(error.to_string().contains("does not exist"), "{error}");

    let everywhere = two(gone, "memory://list-left").list().await.unwrap();
    assert_eq!(told(&everywhere), [(name(Database, 1), vec![Secondary])]);
    assert!(everywhere.reading.fallback.is_some());
    assert_eq!(everywhere.unanswered.unwrap().0, Some(Primary));
    let neither = two(gone, folder.path().join("too").to_str().unwrap()).list().await;
    assert!(matches!(neither, Err(Error::NeitherVault { .. })), "{neither:?}");
}

#[test]
fn a_vault_is_chosen_by_role_or_address() {
    let secondary: VaultChoice = "secondary".parse().unwrap();
    assert_eq!(secondary, VaultChoice::Role(Role::Secondary));
    assert_eq!(
        "./primary".parse::<VaultChoice>().unwrap(),
        VaultChoice::Address(Address::Folder("./primary".into()))
    );
    assert!("ftp://x".parse::<VaultChoice>().is_err());
}
