//! A bucket of a real S3 server that locks what it holds, and somebody with the credentials that make
//! backups who wants them gone.

use std::fs;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use lifeboat_testkit::s3::{Keeping, Key, REGION, S3};
use tokio::process::Command;
use tokio::time::sleep;

use crate::doctor::{found, one};
use crate::support::{Ran, bare, lifeboat};

/// What making backups takes, and seeing what is kept of them.
const WRITES: [&str; 4] = ["s3:PutObject", "s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket"];

/// The rights above, and as much again as a careless person gives.
fn careless() -> Vec<&'static str> {
    let more = ["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:ListBucketVersions"];
    WRITES.into_iter().chain(more).collect()
}

/// Gives a program the key, in the variables that all tools of S3 read.
fn with_key(mut command: Command, s3: &S3, key: &Key) -> Command {
    command.env("AWS_ACCESS_KEY_ID", &key.id).env("AWS_SECRET_ACCESS_KEY", &key.secret);
    command.env("AWS_ENDPOINT_URL", s3.endpoint()).env("AWS_REGION", REGION);
    if let Some(token) = &key.token {
        command.env("AWS_SESSION_TOKEN", token);
    }
    command
}

/// Runs rclone as the guide says; `vault:` is the server.
async fn rclone(s3: &S3, key: &Key, folder: &Path, args: &[&str]) -> Ran {
    let mut command = with_key(bare("rclone"), s3, key);
    command.current_dir(folder).args(args);
    for (name, value) in
        [("TYPE", "s3"), ("PROVIDER", "Other"), ("ENV_AUTH", "true"), ("NO_CHECK_BUCKET", "true")]
    {
        command.env(format!("RCLONE_CONFIG_VAULT_{name}"), value);
    }
    command.env("RCLONE_CONFIG_VAULT_ENDPOINT", s3.endpoint()).env("RCLONE_CONFIG", "/dev/null");
    Ran::of(command).await.code(0)
}

#[tokio::test]
async fn the_doctor_says_what_the_store_keeps_and_for_whom() {
    let Some(s3) = S3::start().await.unwrap() else { return };
    for (bucket, keeping) in
        [("plain", Keeping::Nothing), ("kept", Keeping::Versions), ("locked", Keeping::Governance)]
    {
        s3.create_bucket(bucket, keeping).await.unwrap();
    }
    let doctor = async |bucket: &str, rights: &[&str], code| {
        let key = s3.key(rights).await.unwrap();
        let vault = format!("s3://{bucket}/neo4j-backups");
        let command = lifeboat(["doctor", "--immutability", "--json", "--vault", &vault]);
        let ran = Ran::of(with_key(command, &s3, &key)).await.code(code);
        assert!(!format!("{ran:?}").contains(&key.secret));
        ran.document()
    };
    // Nothing is kept: who may overwrite can take it away.
    let document = doctor("plain", &WRITES, 1).await;
    assert_eq!(one(&document, "overwriting").0, "failed", "{document:#}");
    let (outcome, detail) = one(&document, "deleting");
    assert!(outcome == "good" && detail.contains("the store refuses it: "), "{detail}");
    assert!(found(&document, "deleting the older version").is_empty());

    // Versions are kept, and the same credentials can delete them.
    let document = doctor("kept", &careless(), 1).await;
    assert_eq!(one(&document, "overwriting").0, "good", "{document:#}");
    assert!(one(&document, "deleting").1.contains("kept as an older version"));
    let (outcome, detail) = one(&document, "deleting the older version");
    assert!(outcome == "failed" && detail.contains("s3:DeleteObjectVersion"), "{detail}");

    // Either of the two ways out.
    for (bucket, rights) in [("kept", WRITES.to_vec()), ("locked", careless())] {
        let document = doctor(bucket, &rights, 0).await;
        assert_eq!(document["outcome"], "good", "{document:#}");
        let (_, detail) = one(&document, "deleting the older version");
        assert!(detail.starts_with("the store refuses it: "), "{detail}");
    }
}

/// As docs/guides/immutability.md says it.
#[tokio::test]
async fn what_an_attacker_deletes_comes_back_from_older_versions() {
    let Some(s3) = S3::start().await.unwrap() else { return };
    s3.create_bucket("storybook", Keeping::Governance).await.unwrap();
    let key = s3.key(&careless()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("story.toml"), "level = 1\n").unwrap();
    let settings = "[vault.primary]\nurl = \"s3://storybook/neo4j-backups\"\n\
                    [config_backup]\ninclude = [\"story.toml\"]\n";
    fs::write(folder.join("lifeboat.toml"), settings).unwrap();
    let run = async |args: &[&str]| {
        let mut command = with_key(lifeboat(args), &s3, &key);
        command.current_dir(folder);
        Ran::of(command).await.code(0)
    };
    run(&["backup", "config", "--name", "story"]).await;
    let listed = async || {
        let list = run(&["list", "--json"]).await.document();
        list["backups"].as_array().unwrap().len()
    };
    assert_eq!(listed().await, 1);
    let all = rclone(&s3, &key, folder, &["lsf", "-R", "--files-only", "vault:storybook"]).await;
    let objects: Vec<&str> = all.stdout.lines().collect();
    assert!(objects.len() >= 2, "{objects:?}");

    // A moment between, as exact as the tool takes it.
    sleep(Duration::from_secs(1)).await;
    let before = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    sleep(Duration::from_secs(1)).await;

    fs::write(folder.join("nothing"), "nothing").unwrap();
    for object in &objects {
        let object = format!("vault:storybook/{object}");
        rclone(&s3, &key, folder, &["copyto", "nothing", &object]).await;
    }
    rclone(&s3, &key, folder, &["delete", "vault:storybook"]).await;
    assert_eq!(listed().await, 0, "for Lifeboat it is gone");

    let from = ["copy", "--s3-version-at", &before, "vault:storybook", "recovered"];
    rclone(&s3, &key, folder, &from).await;
    let vault = ["--vault", "recovered/config-backups"];
    run(&[&["verify", "story"], &vault[..]].concat()).await;
    run(&[&["restore", "config", "story", "--to", "out"], &vault[..]].concat()).await;
    let path = fs::canonicalize(folder.join("story.toml")).unwrap();
    let restored = folder.join("out/files").join(path.strip_prefix("/").unwrap());
    assert_eq!(fs::read_to_string(restored).unwrap(), "level = 1\n");
}
