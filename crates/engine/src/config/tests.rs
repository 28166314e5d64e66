use std::path::{Path, PathBuf};

use lifeboat_vault::Address;

use super::*;
use crate::vaults::Role;

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(text, Path::new("/etc/lifeboat/lifeboat.toml")).map_err(|error| error.to_string())
}

#[test]
fn reads_every_setting() {
    let config = parse(
        r#"
        [database]
        uri = "neo4j+s://db.example"
        username = "backup"
        password_command = ["pass", "show", "neo4j"]
        database = "stories"
        ca_file = "ca.pem"

        [vault.primary]
        url = "az://account/neo4j-backups"
        config_url = "az://account/settings"
        auth = "account-key"
        secret_file = "/run/secrets/azure"
        endpoint = "https://blob.example/account"
        region = "r"
        allow_http = true
        ca_file = "store.pem"

        [vault.secondary]
        url = "copies/neo4j-backups"

        [vault]
        active = "secondary"

        [retention]
        days = 45
        keep_monthly = 12
        "#,
    )
    .unwrap();
    assert_eq!(config.database.uri.as_ref().unwrap().to_string(), "neo4j+s://db.example:7687");
    let words = ["pass", "show", "neo4j"].map(str::to_owned).to_vec();
    assert_eq!(config.database.password, Some(SecretSource::Command(words)));
    assert_eq!(config.database.ca_file, Some(PathBuf::from("/etc/lifeboat/ca.pem")));
    assert_eq!(config.vault.active, Role::Secondary);
    let copies = config.vault.section(Role::Secondary).unwrap();
    assert_eq!(copies.url, Address::Folder("/etc/lifeboat/copies/neo4j-backups".into()));
    let beside = Address::Folder("/etc/lifeboat/copies/config-backups".into());
    assert_eq!(copies.config_address(), beside);
    let vault = config.vault.primary.unwrap();
    assert_eq!(vault.url, Address::azure("account", "neo4j-backups").unwrap());
    assert_eq!(vault.config_address(), Address::azure("account", "settings").unwrap());
    assert_eq!(vault.auth, VaultAuth::AccountKey);
    assert_eq!(vault.secret, Some(SecretSource::File("/run/secrets/azure".into())));
    assert_eq!(vault.ca_file, Some(PathBuf::from("/etc/lifeboat/store.pem")));
    assert!(vault.allow_http);
    assert_eq!(config.retention.days, 45);
    assert_eq!(config.retention.keep_monthly, 12);
    assert_eq!(config.retention.keep_last, 1);
}

#[test]
fn nothing_is_needed() {
    assert_eq!(parse("").unwrap(), Config::default());
    let folder = parse("[vault.primary]\nurl = \"backups\"").unwrap().vault.primary.unwrap();
    assert_eq!(folder.url, Address::Folder("/etc/lifeboat/backups".into()));
    assert_eq!(folder.auth, VaultAuth::Environment);
}

#[test]
fn errors_name_file_line_and_key() {
    for (text, says) in [
        (
            "[database]\nurl = \"x\"",
            "line 2, database.url: there is no such setting; known are `uri`",
        ),
        ("\n[databse]\n", "line 2, databse: there is no such setting; known are `database`"),
        (
            "[database]\n\nuri = \"http://x\"",
            "line 3, database.uri: the server's address is one of HTTP",
        ),
        (
            "[database]\nuri = 5",
            "line 2, database.uri: the value is of the wrong type; expected a string",
        ),
        ("[retention]\ndays = 0", "line 2, retention.days: 0 is not a number from 1 to 36500"),
        ("[retention]\nkeep_last = 0", "line 2, retention.keep_last: 0 is not a number from 1"),
        ("[retention]\ncollapse_percent = 101", "101 is not a number from 0 to 100"),
        ("[retention]\ndays = \"30\"", "line 2, retention.days: the value is of the wrong type"),
        ("[vault.primary]\nurl = \"ftp://x/y\"", "line 2, vault.primary.url:"),
        ("[vault.primary]\nregion = \"x\"", "line 1, vault.primary: the vault has no url"),
        ("[vault.tertiary]\nurl = \"x\"", "there is no such setting; known are `active`"),
        ("[vault.secondary]\nurl = \"x\"", "there is a secondary vault and no primary one"),
        (
            "[vault]\nactive = \"secondary\"\n[vault.primary]\nurl = \"x\"",
            "there is no [vault.secondary]",
        ),
        ("[vault.primary]\nurl = \"x\"\n[vault.secondary]\nurl = \"x\"", "are the same place"),
        ("[vault]\nactive = \"third\"", "vault.active: unknown variant"),
        (
            "[vault.primary]\nurl = \"x\"\nauth = \"keys\"",
            "line 3, vault.primary.auth: unknown variant",
        ),
        ("[vault.primary]\nurl = \"x\"\nauth = \"sas\"", "this kind of auth needs secret_file"),
        ("[vault.primary]\nurl = \"x\"\nsecret_file = \"f\"", "auth does not say what it is"),
        ("[vault.primary]\nurl = \"x\"\naccess_key_id = \"f\"", "goes with auth = \"access-key\""),
        (
            "[vault.primary]\nurl = \"x\"\nclient_id = \"f\"",
            "goes with auth = \"managed-identity\"",
        ),
        ("[database]\npassword_file = \"a\"\npassword_command = [\"b\"]", "are both set"),
        ("[database]\npassword_command = []", "password_command is empty"),
        ("[database\n", "line 1"),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.starts_with("/etc/lifeboat/lifeboat.toml, line "), "{text}: {error}");
        assert!(error.contains(says), "{text}: {error}");
    }
}

#[test]
fn a_secret_in_the_wrong_place_is_not_repeated() {
    for text in [
        "[database]\npassword = \"TOPSECRET\"",
        "[database]\npassword_command = \"TOPSECRET\"",
        "[database]\nuri = \"bolt://neo4j:TOPSECRET@host\"",
        "[vault.primary]\nurl = \"az://account/container?sig=TOPSECRET\"",
        "[vault.primary]\nurl = \"x\"\naccount_key = \"TOPSECRET\"",
        "[vault.primary]\nurl = \"x\"\nallow_http = \"TOPSECRET\"",
    ] {
        let error = Config::parse(text, Path::new("lifeboat.toml")).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("TOPSECRET"), "{error:?}");
    }
    let error = parse("[database]\npassword = \"x\"").unwrap_err();
    assert!(error.contains("line 2, database.password: secrets do not belong"), "{error}");
}

#[test]
fn reads_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    let file = SecretSource::File(path.clone());
    for (text, secret) in [("hunter2\n", "hunter2"), ("a b\r\n", "a b"), (" x\n\n", " x\n")] {
        std::fs::write(&path, text).unwrap();
        assert_eq!(file.read().unwrap(), secret);
    }
    std::fs::write(&path, "\n").unwrap();
    assert!(file.read().unwrap_err().to_string().contains("holds no secret"));
    std::fs::remove_file(&path).unwrap();
    assert!(file.read().unwrap_err().to_string().contains("cannot read the secret in"));

    let command =
        |words: &[&str]| SecretSource::Command(words.iter().map(|w| (*w).into()).collect());
    assert_eq!(command(&["printf", "hunter2\n"]).read().unwrap(), "hunter2");
    let error = command(&["sh", "-c", "exit 3 # TOPSECRET"]).read().unwrap_err().to_string();
    assert!(error.contains("failed") && !error.contains("TOPSECRET"), "{error}");
    let error = command(&["/no/such/program"]).read().unwrap_err().to_string();
    assert!(error.contains("cannot be run"), "{error}");
}

#[test]
fn a_vault_takes_its_secret_from_the_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key"), "c2VjcmV0\n").unwrap();
    let text = "[vault.primary]\nurl = \"az://account/backups\"\nauth = \"account-key\"\nsecret_file = \"key\"";
    let config = Config::parse(text, &folder.path().join("lifeboat.toml")).unwrap();
    let config = config.vault.primary.unwrap().vault_config().unwrap();
    let lifeboat_vault::Credentials::AzureAccountKey(key) = &config.credentials else {
        panic!("{config:?}")
    };
    assert_eq!(key.expose(), "c2VjcmV0");
    assert!(!format!("{config:?}").contains("c2VjcmV0"));
}

#[test]
fn reads_what_a_configuration_is() {
    let config = parse(
        r#"
        [config_backup]
        include = ["/etc/story/**", "conf", "*.env"]
        exclude = ["**/*.log"]
        secret_files = ["/etc/story/tls.key"]
        environment = ["STORY_URL"]
        secret_environment = ["STORY_TOKEN"]

        [config_backup.application]
        image = "registry.example/story:1.2.3"

        [[config_backup.commands]]
        name = "settings.json"
        command = ["az", "webapp", "config", "show"]
        timeout_seconds = 5
        "#,
    )
    .unwrap();
    let section = config.config_backup;
    assert_eq!(section.include, ["/etc/story/**", "/etc/lifeboat/conf", "/etc/lifeboat/*.env"]);
    assert_eq!(section.exclude, ["**/*.log"]);
    assert!(section.neo4j && !section.is_empty());
    assert_eq!(section.application["image"], "registry.example/story:1.2.3");
    assert_eq!(section.commands[0].timeout, std::time::Duration::from_secs(5));
    assert!(parse("").unwrap().config_backup.is_empty());
}

#[test]
fn refuses_what_cannot_be_a_configuration() {
    let command = |text: &str| format!("[[config_backup.commands]]\n{text}");
    for (text, says) in [
        ("[config_backup]\ninclude = [\"a[\"]".to_owned(), "a["),
        ("[config_backup]\ninclude = [\"../x\"]".to_owned(), "`..`"),
        ("[config_backup]\nenvironment = [\"A=B\"]".to_owned(), "environment variable"),
        (
            "[config_backup]\nenvironment = [\"A\"]\nsecret_environment = [\"A\"]".to_owned(),
            "both in environment",
        ),
        (command("name = \"a/b\"\ncommand = [\"x\"]"), "cannot name the output"),
        (command("name = \"a\"\ncommand = []"), "is empty"),
        (command("name = \"a\"\ncommand = [\"x\"]\ntimeout_seconds = 0"), "no time"),
    ] {
        let error = parse(&text).unwrap_err();
        assert!(error.contains(says), "{text}: {error}");
    }
}
