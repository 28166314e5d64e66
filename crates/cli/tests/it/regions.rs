//! Two vaults in two regions, and one of them gone.

use std::path::Path;

use lifeboat_testkit::azurite::{ACCOUNT, Azurite, SECOND_ACCOUNT};
use serde_json::Value;

use crate::support::{NOBODY, Ran, database, lifeboat, settings};

/// Settings with two vaults.
fn write_settings(folder: &Path, primary: &str, secondary: &str) {
    let text = format!("[vault.primary]\n{primary}\n[vault.secondary]\n{secondary}\n");
    std::fs::write(folder.join("lifeboat.toml"), text).unwrap();
}

/// The lines of a section for a container of an account.
fn azure(azurite: &Azurite, (account, key): (&str, &str), folder: &Path) -> String {
    std::fs::write(folder.join(account), key).unwrap();
    format!(
        "url = \"az://{account}/neo4j-backups\"\nauth = \"account-key\"\n\
         secret_file = \"{account}\"\nendpoint = \"{}\"",
        azurite.endpoint(account)
    )
}

async fn run(folder: &Path, args: &[&str]) -> Ran {
    let mut command = lifeboat(args);
    command.current_dir(folder);
    Ran::of(command).await
}

fn located(name: &str, regions: &[&str]) -> (String, Vec<String>) {
    (name.to_owned(), regions.iter().map(|region| (*region).to_owned()).collect())
}

/// The backups of a list, and the regions that have them.
fn told(list: &Value) -> Vec<(String, Vec<String>)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let regions = |backup: &Value| backup["regions"].as_array().unwrap().iter().map(text).collect();
    let backups = list["backups"].as_array().unwrap().iter();
    backups.map(|backup| (text(&backup["name"]), regions(backup))).collect()
}

#[tokio::test]
async fn reads_from_the_region_that_is_left() {
    let database = database().await;
    database.create("Story", 3).await;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let azurite = Azurite::start(&[ACCOUNT, SECOND_ACCOUNT]).await.unwrap();
    for (account, _) in [ACCOUNT, SECOND_ACCOUNT] {
        azurite.create_container(account, "neo4j-backups").await.unwrap();
    }
    let (first, second) =
        (azure(&azurite, ACCOUNT, folder), azure(&azurite, SECOND_ACCOUNT, folder));
    write_settings(folder, &first, &second);
    let backup = |args: &[&str]| {
        let mut command = database.lifeboat(folder, args);
        command.current_dir(folder).env_remove("LIFEBOAT_VAULT");
        Ran::of(command)
    };
    backup(&["backup", "--name", "here"]).await.code(0);
    backup(&["backup", "--name", "there", "--vault", "secondary"]).await.code(0);

    // Both answer.
    let list = run(folder, &["list", "--json"]).await.code(0).document();
    assert_eq!((&list["region"], &list["fallback"]), (&"primary".into(), &Value::Null));
    let both = [located("there", &["secondary"]), located("here", &["primary"])];
    assert_eq!((told(&list), &list["unanswered"]), (both.to_vec(), &Value::Null));
    let list = run(folder, &["list", "--json", "--vault", "secondary"]).await.code(0).document();
    assert_eq!((&list["region"], told(&list)), (&"secondary".into(), both[..1].to_vec()));
    for (region, name) in [("primary", "here"), ("secondary", "there")] {
        let list = run(folder, &["list", "--json", "--region", region]).await.code(0).document();
        assert_eq!(told(&list), [located(name, &[region])]);
    }
    let list = run(folder, &["list"]).await.code(0).stdout;
    assert!(list.contains("REGION") && list.contains("secondary  ok"), "{list}");
    let chosen = ["list", "--region", "primary", "--vault", "secondary"];
    run(folder, &chosen).await.code(2).says("there is no primary vault to look for");
    let show = run(folder, &["show", "there"]).await.code(0);
    assert!(show.says("using the secondary vault instead of the primary").stdout.contains("there"));
    let check = run(folder, &["config", "check"]).await.code(0);
    settings().bind(|| insta::assert_snapshot!("config_check_two", check.stdout));

    // What one has is copied to the other.
    let plan = run(folder, &["replicate", "--dry-run"]).await.code(0);
    assert!(plan.stdout.contains("here: would be copied"), "{plan:?}");
    let copied = run(folder, &["replicate", "--json"]).await.code(0).summary();
    assert_eq!((&copied["copied"], &copied["lag"]["backups"]), (&1.into(), &0.into()), "{copied}");
    assert_eq!(copied["behind_before"]["backups"], 1);
    run(folder, &["replicate", "--to", "primary"]).await.code(2).says("cannot be copied to itself");
    let back = run(folder, &["replicate", "--from", "secondary", "--to", "primary"]).await.code(0);
    assert!(back.stdout.contains("there: copied"), "{back:?}");
    run(folder, &["verify", "--all", "--vault", "secondary"]).await.code(0);
    let list = run(folder, &["list", "--json", "--region", "secondary"]).await.code(0).document();
    let regions = ["primary", "secondary"];
    assert_eq!(told(&list), [located("there", &regions), located("here", &regions)]);
    assert!(run(folder, &["list"]).await.code(0).stdout.contains("both"));

    // The first region is gone: nobody listens at its address.
    let gone =
        first.replace(&azurite.endpoint(ACCOUNT.0), &format!("http://{NOBODY}/{}", ACCOUNT.0));
    write_settings(folder, &gone, &second);
    let list = run(folder, &["list", "--json"]).await.code(0);
    let list = list.says("\"message_type\":\"warning\"").document();
    assert_eq!(
        (&list["region"], &list["backups"][0]["name"]),
        (&"secondary".into(), &"there".into())
    );
    assert!(list["fallback"].as_str().unwrap().contains("cannot list"), "{list}");
    run(folder, &["list", "--region", "secondary"]).await.code(0).says("using the secondary");
    run(folder, &["list", "--region", "primary"]).await.code(1).says("cannot list");
    let verify = run(folder, &["verify", "--json"]).await.code(0).summary();
    assert_eq!((&verify["good"], &verify["region"]), (&1.into(), &"secondary".into()));
    let restore = backup(&["restore", "latest", "--replace", "--dry-run"]).await.code(0);
    assert!(restore.says("warning: using the secondary vault").stdout.contains("there"));
    // Nothing is written elsewhere in silence.
    backup(&["backup"]).await.code(1).says("cannot");
    backup(&["backup", "--vault", "secondary", "--name", "after"]).await.code(0);
    run(folder, &["list", "--vault", "primary"]).await.code(1).says("cannot list");

    // The roles swapped, the same settings work as before.
    let text = std::fs::read_to_string(folder.join("lifeboat.toml")).unwrap();
    std::fs::write(
        folder.join("lifeboat.toml"),
        format!("[vault]\nactive = \"secondary\"\n{text}"),
    )
    .unwrap();
    let list = run(folder, &["list", "--json"]).await.code(0).says("the other vault is not in");
    assert_eq!(list.document()["fallback"], Value::Null);
    assert!(list.document()["unanswered"].as_str().unwrap().contains("cannot list"), "{list:?}");
    assert_eq!(run(folder, &["list", "--vault", "secondary"]).await.code(0).stderr, "");
    backup(&["backup", "--name", "later"]).await.code(0);
}
