//! What the doctor says of vaults: whether backups can be taken away again, and of credentials of
//! their own for pruning. On a folder and on Azurite, with signatures of limited rights.

use std::fs;
use std::path::Path;

use lifeboat_testkit::azurite::{ACCOUNT, Azurite};
use serde_json::Value;

use crate::support::{Ran, azurite, lifeboat};

/// A container of its own, and a folder with the settings.
struct World {
    azurite: &'static Azurite,
    container: &'static str,
    folder: tempfile::TempDir,
}

impl World {
    async fn new(container: &'static str) -> Self {
        let azurite = azurite().await;
        azurite.create_container(ACCOUNT.0, container).await.unwrap();
        Self { azurite, container, folder: tempfile::tempdir().unwrap() }
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes settings: for whom makes backups and for whom prunes, the rights of each.
    fn settings(&self, writer: &str, pruner: Option<&str>) {
        let (account, _) = ACCOUNT;
        let auth = |file: &str, rights: &str| {
            let sas = self.azurite.sas(account, self.container, rights).unwrap();
            fs::write(self.folder().join(file), sas).unwrap();
            format!("auth = \"sas\"\nsecret_file = \"{file}\"\n")
        };
        let mut text = format!(
            "[vault.primary]\nurl = \"az://{account}/{}\"\nendpoint = \"{}\"\n{}",
            self.container,
            self.azurite.endpoint(account),
            auth("writer", writer),
        );
        if let Some(rights) = pruner {
            text.push_str("[vault.primary.prune]\n");
            text.push_str(&auth("pruner", rights));
        }
        text.push_str("[config_backup]\ninclude = [\"story.toml\"]\n");
        fs::write(self.folder().join("story.toml"), "level = 1\n").unwrap();
        fs::write(self.folder().join("lifeboat.toml"), text).unwrap();
    }

    async fn doctor(&self, args: &[&str]) -> Ran {
        self.run(&[&["doctor"], args].concat()).await
    }

    async fn run(&self, args: &[&str]) -> Ran {
        let mut command = lifeboat(args);
        command.current_dir(self.folder());
        let ran = Ran::of(command).await;
        assert!(!ran.stdout.contains("sig=") && !ran.stderr.contains("sig="), "{ran:#?}");
        ran
    }
}

/// What was found by the checks of a name: outcomes, and details.
pub(crate) fn found(document: &Value, name: &str) -> Vec<(String, String)> {
    let checks = document["checks"].as_array().unwrap().iter();
    let text = |check: &Value, key: &str| check[key].as_str().unwrap().to_owned();
    checks
        .filter(|check| check["name"] == name)
        .map(|check| (text(check, "outcome"), text(check, "detail")))
        .collect()
}

/// The one check of a name.
#[track_caller]
pub(crate) fn one(document: &Value, name: &str) -> (String, String) {
    let mut found = found(document, name);
    assert_eq!(found.len(), 1, "{name}: {document:#}");
    found.remove(0)
}

#[tokio::test]
async fn a_folder_says_that_what_it_has_can_be_taken_away() {
    let folder = tempfile::tempdir().unwrap();
    let vault = folder.path().join("vault");
    let doctor = |args: &[&str]| {
        let vault = vault.to_str().unwrap();
        Ran::of(lifeboat([&["doctor", "--immutability", "--vault", vault], args].concat()))
    };
    let missing = doctor(&["--json"]).await.code(1).document();
    let (outcome, detail) = one(&missing, "immutability");
    assert!(outcome == "failed" && detail.contains("does not exist"), "{detail}");
    assert!(!vault.exists());

    fs::create_dir(&vault).unwrap();
    let document = doctor(&["--json"]).await.code(1).document();
    for name in ["overwriting", "deleting"] {
        let (outcome, detail) = one(&document, name);
        assert!(outcome == "failed" && detail.contains("can take them away"), "{detail}");
    }
    let text = doctor(&[]).await.code(1).stdout;
    assert!(text.contains("✗ deleting") && text.contains("2 of 2 checks failed"), "{text}");
    assert_eq!(fs::read_dir(&vault).unwrap().count(), 0, "nothing stays behind");

    let nowhere = Ran::of(lifeboat(["doctor", "--immutability", "--uri", "bolt://h"])).await;
    nowhere.code(2).says("there is no vault to try it on");
}

#[tokio::test]
async fn a_store_refuses_what_a_signature_does_not_allow() {
    let world = World::new("immutability").await;
    world.settings("rcl", None);
    let document = world.doctor(&["--immutability", "--json"]).await.code(0).document();
    assert_eq!(document["outcome"], "good", "{document:#}");
    for name in ["overwriting", "deleting"] {
        let (_, detail) = one(&document, name);
        assert!(detail.starts_with("the store refuses it: "), "{detail}");
    }
    assert!(one(&document, "what was tried on").1.ends_with("stays until prune removes it"));

    // Who may write in parts may overwrite; the documented rights of a writer.
    world.settings("rcwl", None);
    let document = world.doctor(&["--immutability", "--json"]).await.code(1).document();
    assert_eq!(one(&document, "overwriting").0, "failed");
    assert_eq!(one(&document, "deleting").0, "good");
    world.settings("racwdl", None);
    let document = world.doctor(&["--immutability", "--json"]).await.code(1).document();
    assert_eq!(one(&document, "deleting").0, "failed");
    world.settings("rl", None);
    let document = world.doctor(&["--immutability", "--json"]).await.code(1).document();
    assert!(one(&document, "immutability").1.contains("create"), "{document:#}");
}

#[tokio::test]
async fn who_prunes_is_checked_beside_who_writes() {
    let world = World::new("pruning").await;
    // Who writes cannot delete, and somebody else can: as it should be.
    for writer in ["rcwl", "rcl"] {
        world.settings(writer, Some("racwdl"));
        let document = world.doctor(&["--json"]).await.code(0).document();
        assert_eq!(one(&document, "vault rights").0, "good", "{document:#}");
        let (outcome, detail) = one(&document, "tamper resistance");
        assert!(outcome == "good" && detail.contains("cannot delete"), "{detail}");
        assert_eq!(one(&document, "rights to prune").0, "good");
    }
    // What the one could not delete, the other has: nothing is left that could not be removed.
    assert!(found(&world.doctor(&["--json"]).await.document(), "leftovers").is_empty());
    let tried = world.doctor(&["--immutability", "--json"]).await.document();
    let (_, detail) = one(&tried, "what was tried on");
    let object = detail.split(' ').next().unwrap();
    assert!(object.contains("probe"), "{object}");

    // Credentials of their own for pruning are worth little when the others can delete too.
    world.settings("racwdl", Some("racwdl"));
    let document = world.doctor(&["--json"]).await.code(0).document();
    let (outcome, detail) = one(&document, "tamper resistance");
    assert!(outcome == "warning" && detail.contains("docs/guides/immutability.md"), "{detail}");

    // Without rights, or without a secret, prune would fail.
    world.settings("rcwl", Some("rl"));
    let document = world.doctor(&["--json"]).await.code(1).document();
    let failed = found(&document, "rights to prune");
    assert!(failed.iter().all(|(outcome, _)| outcome == "failed"), "{failed:?}");
    assert!(failed[0].1.starts_with("create: "), "{failed:?}");
    assert!(failed.last().unwrap().1.contains("stays"), "{failed:?}");
    world.settings("rcwl", Some("racwl"));
    let document = world.doctor(&["--json"]).await.code(1).document();
    let failed = found(&document, "rights to prune");
    assert!(failed[0].1.starts_with("delete: "), "{failed:?}");
    fs::remove_file(world.folder().join("pruner")).unwrap();
    let document = world.doctor(&["--json"]).await.code(1).document();
    let (outcome, detail) = one(&document, "rights to prune");
    assert!(outcome == "failed" && detail.contains("pruner"), "{detail}");

    // And a writer that cannot write is told as ever.
    world.settings("rl", Some("racwdl"));
    let document = world.doctor(&["--json"]).await.code(1).document();
    assert!(one(&document, "vault rights").1.starts_with("create: "), "{document:#}");
    assert!(found(&document, "tamper resistance").is_empty());
    assert_eq!(one(&document, "rights to prune").0, "good");

    // Where one has all rights, nothing of this is told.
    world.settings("racwdl", None);
    let document = world.doctor(&["--json"]).await.code(0).document();
    assert!(found(&document, "tamper resistance").is_empty());
    assert!(found(&document, "rights to prune").is_empty());
}

#[tokio::test]
async fn prune_has_credentials_of_its_own() {
    let world = World::new("pruned").await;
    world.settings("rcwl", Some("racwdl"));
    let prune = ["prune", "--grace", "0s", "--json"];
    let leftovers = async || {
        let pruned = world.run(&prune).await.code(0).document();
        let vault = &pruned["vaults"][0];
        (vault["backups"].as_array().unwrap().len(), vault["leftovers"].as_array().unwrap().len())
    };
    // Who cannot delete leaves its claim beside a finished backup; who can removes it.
    world.run(&["backup", "config", "--name", "one"]).await.code(0);
    assert_eq!(leftovers().await, (1, 1));
    assert_eq!(leftovers().await, (1, 0));
    // Everything else goes on with the other credentials.
    world.run(&["backup", "config", "--name", "two"]).await.code(0);
    assert_eq!(leftovers().await, (2, 1));
    world.run(&["backup", "config", "--name", "three"]).await.code(0);
    world.settings("rcwl", None);
    world.run(&prune).await.code(1).says("may not delete");
}
