//! Keys as people make, show and change them, and what minisign and age make of them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::support::{Ran, lifeboat};

async fn run(folder: &Path, args: &[&str]) -> Ran {
    let mut command = lifeboat(args);
    command.current_dir(folder);
    Ran::of(command).await
}

/// Makes a key in `out`; its public half.
async fn generate(folder: &Path, purpose: &str, out: &str) -> String {
    let ran = run(folder, &["key", "generate", purpose, "--out", out]).await.code(0);
    ran.stdout.trim_end().to_owned()
}

/// What a tool prints, in one line.
fn tool(folder: &Path, program: &str, args: &[&str]) -> String {
    let output = Command::new(program).current_dir(folder).args(args).output().unwrap();
    assert!(output.status.success(), "{program}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// The lines of a secret key that must never be shown.
fn secret_lines(folder: &Path, file: &str) -> Vec<String> {
    let text = fs::read_to_string(folder.join(file)).unwrap();
    text.lines().skip(1).map(str::to_owned).collect()
}

#[track_caller]
fn keeps_secret(ran: &Ran, lines: &[String]) {
    assert!(!lines.is_empty());
    for line in lines {
        assert!(!ran.stdout.contains(line) && !ran.stderr.contains(line), "{ran:#?}");
    }
}

#[tokio::test]
async fn an_encryption_key_is_made_once_and_shown() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let made = run(folder, &["key", "generate", "encryption", "--out", "id"]).await.code(0);
    let made = made.says("encryption.recipients").says("where a disaster does not take it too");
    let public = made.stdout.strip_suffix('\n').unwrap();
    assert!(public.starts_with("age1") && !public.contains('\n'), "{public}");
    let secret = secret_lines(folder, "id");
    assert!(secret.len() == 1 && secret[0].starts_with("AGE-SECRET-KEY-1"));
    keeps_secret(&made, &secret);
    assert_eq!(fs::metadata(folder.join("id")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(tool(folder, "age-keygen", &["-y", "id"]), public);

    let shown = run(folder, &["key", "show", "encryption", "id"]).await.code(0);
    assert_eq!(shown.stdout, made.stdout);
    keeps_secret(&shown, &secret);
    let shown = run(folder, &["key", "show", "encryption", "id", "--json"]).await.code(0);
    assert_eq!(shown.document(), serde_json::json!({ "public_keys": [public] }));

    // After a change of keys, a file holds several.
    let second = generate(folder, "encryption", "id2").await;
    let both = [folder.join("id"), folder.join("id2")].map(|file| fs::read(file).unwrap()).concat();
    fs::write(folder.join("both"), both).unwrap();
    let shown = run(folder, &["key", "show", "encryption", "both"]).await.code(0);
    assert_eq!(shown.stdout, format!("{public}\n{second}\n"));

    // What is there is never overwritten.
    let before = fs::read(folder.join("id")).unwrap();
    let again = run(folder, &["key", "generate", "encryption", "--out", "id"]).await.code(13);
    again.says("never overwritten");
    assert_eq!(fs::read(folder.join("id")).unwrap(), before);
}

#[tokio::test]
async fn a_signing_key_has_a_password_or_none() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    fs::write(folder.join("password"), "TOPSECRET\n").unwrap();
    fs::write(folder.join("other"), "another\n").unwrap();
    let public = generate(folder, "signing", "plain").await;
    assert!(public.starts_with("RW"), "{public}");
    let shown = run(folder, &["key", "show", "signing", "plain"]).await.code(0);
    assert_eq!(shown.stdout, format!("{public}\n"));
    keeps_secret(&shown.says("signing.public_keys"), &secret_lines(folder, "plain"));

    let generate = ["key", "generate", "signing", "--out", "key", "--password-file", "password"];
    let made = run(folder, &generate).await.code(0);
    let secret = secret_lines(folder, "key");
    keeps_secret(&made, &secret);
    assert!(!made.stderr.contains("TOPSECRET"));
    assert_eq!(fs::metadata(folder.join("key")).unwrap().permissions().mode() & 0o777, 0o600);
    let show = ["key", "show", "signing", "key", "--password-file"];
    let shown = run(folder, &[&show[..], &["password"]].concat()).await.code(0);
    assert_eq!(shown.stdout, made.stdout);
    keeps_secret(&shown, &secret);
    // Without it, or with another, the secret half stays shut.
    let shut = run(folder, &show[..4]).await.code(2).says("none is given");
    assert_eq!(shut.stdout, "");
    let shut = run(folder, &[&show[..], &["other"]].concat()).await.code(2);
    keeps_secret(&shut.says("the password is wrong"), &secret);
}

#[tokio::test]
async fn what_is_no_key_is_told() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    fs::write(folder.join("word"), "word\n").unwrap();
    fs::write(folder.join("comments"), "# public key: age1xyz\n\n").unwrap();
    generate(folder, "encryption", "id").await;
    for (args, words) in [
        (&["show", "encryption", "nowhere"][..], "nowhere"),
        (&["show", "encryption", "word"], "a line of the identities"),
        (&["show", "encryption", "comments"], "no identity"),
        (&["show", "signing", "id"], "the secret key for signatures"),
        (&["show", "encryption", "id", "--password-file", "word"], "age -p"),
        (&["generate", "encryption", "--out", "new", "--password-file", "word"], "age -p"),
        (&["generate", "signing", "--out", "new", "--password-file", "nowhere"], "nowhere"),
        (&["generate", "signing"], "--out"),
        (&["generate", "lottery", "--out", "new"], "lottery"),
        (&["show", "encryption"], "FILE"),
        (&["sign"], "<BACKUP>"),
        (&["sign", "--all", "one"], "--all"),
        (&["sign", "--all", "--vault", "vault"], "there is no key to sign with"),
    ] {
        let ran = run(folder, &[&["key"], args].concat()).await.code(2).says(words);
        assert_eq!(ran.stdout, "", "{args:?}");
    }
    // A file that cannot be made is something else than one that is there already.
    let lost = run(folder, &["key", "generate", "encryption", "--out", "no/where"]).await.code(1);
    assert!(!lost.says("no/where").stderr.contains("overwritten"));
    assert!(!folder.join("new").exists());
}

/// A folder whose settings list a file to back up, and say this about signatures.
struct World {
    temp: TempDir,
}

impl World {
    fn new() -> Self {
        let world = Self { temp: tempfile::tempdir().unwrap() };
        fs::write(world.folder().join("story.toml"), "level = 1\n").unwrap();
        world.signing("");
        world
    }

    fn folder(&self) -> &Path {
        self.temp.path()
    }

    fn signing(&self, signing: &str) {
        let text = format!(
            "[vault.primary]\nurl = \"vault/neo4j-backups\"\n\
             [config_backup]\ninclude = [\"story.toml\"]\n[signing]\n{signing}"
        );
        fs::write(self.folder().join("lifeboat.toml"), text).unwrap();
    }

    async fn run(&self, args: &[&str]) -> Ran {
        run(self.folder(), args).await
    }

    /// Makes a backup, and looks whether a signature is beside it.
    async fn backup(&self, name: &str) -> bool {
        self.run(&["backup", "config", "--name", name]).await.code(0);
        let vault = self.folder().join("vault/config-backups");
        vault.join(format!("{name}.manifest.json.minisig")).exists()
    }

    /// How many of the listed backups are intact: those whose signatures are believed.
    async fn intact(&self) -> usize {
        let list = self.run(&["list", "--json"]).await.code(0).document();
        let backups = list["backups"].as_array().unwrap();
        backups.iter().filter(|backup| backup["state"] == "intact").count()
    }
}

#[tokio::test]
async fn signing_begins_and_its_key_is_changed() {
    let world = World::new();
    let first = generate(world.folder(), "signing", "first").await;
    let second = generate(world.folder(), "signing", "second").await;
    let settings = |secret: &str, trusted: &[&str]| {
        world.signing(&format!("secret_key_file = \"{secret}\"\npublic_keys = {trusted:?}\n"));
    };
    assert!(!world.backup("one").await && !world.backup("two").await);

    // What nobody has signed is signed only by somebody who vouches for it.
    settings("first", &[&first]);
    assert_eq!(world.intact().await, 0);
    let refused = world.run(&["key", "sign", "--all", "--json"]).await.code(1);
    assert_eq!(refused.document()["signed"], serde_json::json!([]));
    refused.says("it is not signed");
    assert_eq!(world.intact().await, 0);
    let signed = world.run(&["key", "sign", "one", "--unsigned", "--json"]).await.code(0);
    assert_eq!(signed.document(), serde_json::json!({ "signed": ["one"], "failed": [] }));
    assert_eq!(world.intact().await, 1);
    // One of two: incomplete, and it says which.
    let partly = world.run(&["key", "sign", "--all"]).await.code(3).says("two");
    assert!(partly.stdout.contains("1 signed, 1 not"), "{partly:?}");
    let partly = world.run(&["key", "sign", "one", "three"]).await.code(3);
    partly.says("there is no backup three");
    world.run(&["key", "sign", "three"]).await.code(1).says("there is no backup three");
    world.run(&["key", "sign", "--all", "--unsigned"]).await.code(0);
    assert_eq!(world.intact().await, 2);

    // Another key: both are believed until everything is signed with the new one.
    settings("second", &[&first, &second]);
    assert!(world.backup("three").await);
    let signed = world.run(&["key", "sign", "--all", "--json"]).await.code(0).document();
    assert_eq!(signed["signed"].as_array().unwrap().len(), 3, "{signed}");
    settings("second", &[&second]);
    assert_eq!(world.intact().await, 3);
    for name in ["one", "two", "three"] {
        let manifest = format!("vault/config-backups/{name}.manifest.json");
        tool(world.folder(), "minisign", &["-Vqm", &manifest, "-P", &second]);
    }
    settings("second", &[&first]);
    assert_eq!(world.intact().await, 0);

    // What somebody has changed is not signed, whoever asks.
    settings("second", &[&second]);
    let manifest = world.folder().join("vault/config-backups/two.manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replace("\"two", "\"owt")).unwrap();
    for args in [&["key", "sign", "two"][..], &["key", "sign", "two", "--unsigned"]] {
        world.run(args).await.code(1).says("two");
    }
    assert_eq!(world.intact().await, 2);
}

#[tokio::test]
async fn a_passphrase_does_without_keys() {
    const PHRASE: &str = "correct horse battery staple";
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let settings = "[vault.primary]\nurl = \"vault/neo4j-backups\"\n[config_backup]\n\
                    include = [\"app.toml\"]\n[encryption]\npassphrase_file = \"phrase\"\n";
    for vault in ["neo4j-backups", "config-backups"] {
        fs::create_dir_all(folder.join("vault").join(vault)).unwrap();
    }
    let phrase = |text: &str| fs::write(folder.join("phrase"), text).unwrap();
    fs::write(folder.join("lifeboat.toml"), settings).unwrap();
    fs::write(folder.join("app.toml"), "level = 1\n").unwrap();
    phrase(PHRASE);
    let made = run(folder, &["backup", "config", "--name", "first"]).await.code(0);
    keeps_secret(&made, &[PHRASE.to_owned()]);
    run(folder, &["verify", "first"]).await.code(0);

    // age asks for it at a terminal, which `script` makes.
    let line = "(sleep 1; cat phrase; echo) | \
                script -qec 'age -d -o plain vault/config-backups/first.tar.zst.age' /dev/null";
    tool(folder, "sh", &["-c", line]);
    let listed = tool(folder, "tar", &["-tf", "plain"]);
    assert!(listed.ends_with("app.toml"), "{listed}");

    // With another one nothing is opened, and nothing is told of either.
    phrase("incorrect horse");
    let refused = run(folder, &["verify", "first"]).await.code(12);
    keeps_secret(&refused, &[PHRASE.to_owned(), "incorrect horse".to_owned()]);
    refused.says("none of the keys that are set opens it");
    run(folder, &["restore", "config", "first", "--to", "out"]).await.code(12);
    assert!(!folder.join("out").exists());
}
