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

#[test]
fn reads_schedules_over_the_guide_s() {
    let config = parse(
        r#"
        [schedule.backup]
        cron = "30 1 * * MON-FRI"
        zone = "Europe/Berlin"
        jitter = "5m"
        overlap = "queue"
        catch_up = "2h"
        timeout = "90m"
        retries = 5
        backoff = "30s"

        [schedule.restore-test]
        enabled = false

        [schedule.replicate]
        cron = "never"
        after = ["config-backup"]
        "#,
    )
    .unwrap();
    let backup = config.schedule.schedule(JobKind::Backup);
    assert_eq!(backup.timing.to_string(), "30 1 * * MON-FRI Europe/Berlin");
    assert_eq!(backup.overlap, Overlap::Queue);
    assert_eq!(backup.timeout, std::time::Duration::from_mins(90));
    assert_eq!((backup.retries, backup.backoff.as_secs()), (5, 30));
    assert_eq!(config.schedule.wanted(JobKind::RestoreTest), Some(false));
    assert_eq!(config.schedule.wanted(JobKind::Backup), Some(true));
    assert_eq!(config.schedule.wanted(JobKind::Prune), None);
    let replicate = config.schedule.schedule(JobKind::Replicate);
    assert_eq!(replicate.timing, Timing::OnRequest);
    assert_eq!(replicate.after, [JobKind::ConfigBackup]);
    let guide: Vec<_> =
        JobKind::ALL.iter().map(|kind| Schedule::default_of(*kind).timing.to_string()).collect();
    assert_eq!(
        guide,
        [
            "0 2 * * * UTC",
            "0 2 * * * UTC",
            "continuous",
            "15 * * * * UTC",
            "0 4 * * SUN UTC",
            "0 5 1 * * UTC",
            "0 6 1 1,4,7,10 * UTC",
            "45 * * * * UTC",
            "30 3 * * * UTC"
        ]
    );
}

#[test]
fn reads_the_service() {
    let config = parse(
        r#"
        [service]
        state = "state"
        listen = "0.0.0.0:9474"
        rate = 20
        instance = "east"
        lease = "20s"
        tls_cert_file = "tls.pem"
        tls_key_file = "/etc/tls.key"

        [service.token.grafana]
        rights = "read"
        token_file = "grafana.token"

        [service.token.operator]
        rights = "operate"
        token_env = "OPERATOR_TOKEN"
        "#,
    )
    .unwrap()
    .service;
    assert_eq!(config.state, Some("/etc/lifeboat/state".into()));
    assert_eq!(config.tls.unwrap().cert_file, PathBuf::from("/etc/lifeboat/tls.pem"));
    let tokens: Vec<_> = config.tokens.iter().map(|(name, token)| (&**name, token)).collect();
    let file = TokenSource::Secret(SecretSource::File("/etc/lifeboat/grafana.token".into()));
    assert_eq!(tokens[0], ("grafana", &TokenSection { rights: Rights::Read, source: file }));
    assert_eq!(tokens[1].1.source, TokenSource::Variable("OPERATOR_TOKEN".to_owned()));
}

#[test]
fn what_the_service_cannot_do_is_refused_where_it_stands() {
    for (text, says) in [
        ("[schedule.backups]\n", "line 1, schedule.backups: there is no such setting"),
        ("[schedule.backup]\ncron = \"0 2 * *\"", "line 2, schedule.backup.cron: "),
        ("[schedule.backup]\ncron = \"0 2 * *\"", "does not have the five fields"),
        ("[schedule.prune]\n\nzone = \"Mars\"", "line 3, schedule.prune.zone: there is no time"),
        ("[schedule.prune]\ntimeout = \"5\"", "line 2, schedule.prune.timeout: write a time"),
        ("[schedule.prune]\ntimeout = \"0s\"", "stop every run at once"),
        ("[schedule.prune]\nretries = 101", "retries is more than"),
        ("[schedule.prune]\nafter = [\"backups\"]", "line 2, schedule.prune.after"),
        ("[service]\nlisten = \"9474\"", "line 2, service.listen: invalid socket address"),
        ("[service]\nlisten = \"0.0.0.0:1\"", "needs a [service.token"),
        (
            "[service]\nlisten = \"0.0.0.0:1\"\n[service.token.a]\nrights = \"read\"\ntoken_file = \"x\"",
            "in the clear",
        ),
        ("[service]\ntls_key_file = \"x\"", "go together"),
        ("[service]\nrate = 0", "refuse every request"),
        ("[service]\nlease = \"1s\"", "from 5s to 10m"),
        ("[service.token.a]\nrights = \"read\"", "set one of token_file"),
        ("[service.token.a]\nrights = \"all\"\ntoken_file = \"x\"", "service.token.a.rights"),
        ("[service.token.a]\ntoken = \"TOPSECRET\"", "secrets do not belong in this file"),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.contains(says), "{text}: {error}");
        assert!(!error.contains("TOPSECRET"), "{error}");
    }
}
