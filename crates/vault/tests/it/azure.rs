//! Azure as people meet it: wrong keys, narrow rights, missing containers, servers that go away.

use std::collections::HashMap;
use std::time::Instant;

use lifeboat_archive::Codec;
use lifeboat_testkit::azurite::{ACCOUNT, Azurite, SECOND_ACCOUNT};
use lifeboat_vault::{Address, Attempt, Credentials, Error, Retry, Secret, Vault, VaultConfig};

use crate::support::{
    NO_GRACE, QUICK, Sample, check_clean_up, check_whole, name, noise, objects, plant, verify,
};

fn config(azurite: &Azurite, container: &str) -> VaultConfig {
    VaultConfig::new(Address::azure(ACCOUNT.0, container).unwrap())
        .with_endpoint(azurite.endpoint(ACCOUNT.0))
        .with_retry(QUICK)
}

fn with_key(azurite: &Azurite, container: &str) -> Vault {
    let credentials = Credentials::AzureAccountKey(ACCOUNT.1.into());
    Vault::open(&config(azurite, container).with_credentials(credentials)).unwrap()
}

/// Opens with nothing but these variables.
fn with_env(config: &VaultConfig, vars: &[(&str, String)]) -> Result<Vault, Error> {
    let vars: HashMap<&str, &String> = vars.iter().map(|(name, value)| (*name, value)).collect();
    Vault::open_with(config, &|name| vars.get(name).map(|value| (*value).clone()))
}

/// An error, after a look that it holds no secret.
fn harmless<T: std::fmt::Debug>(result: Result<T, Error>, secret: &str) -> Error {
    let error = result.unwrap_err();
    for text in [error.to_string(), format!("{error:?}"), format!("{error:#?}")] {
        assert!(!text.contains(secret), "{text}");
        assert!(!text.contains("sig=") || text.contains("sig=***"), "{text}");
    }
    error
}

#[tokio::test]
async fn every_way_in() {
    let azurite = Azurite::start(&[ACCOUNT, SECOND_ACCOUNT]).await.unwrap();
    azurite.create_container(ACCOUNT.0, "backups").await.unwrap();
    let bare = VaultConfig { endpoint: None, ..config(&azurite, "backups") };
    let endpoint = azurite.endpoint(ACCOUNT.0);
    let string = azurite.connection_string(ACCOUNT.0).unwrap();
    let sas = azurite.sas(ACCOUNT.0, "backups", "racwdl").unwrap();

    let key_vars = [
        ("AZURE_STORAGE_ACCOUNT_KEY", ACCOUNT.1.to_owned()),
        ("AZURE_STORAGE_ENDPOINT", endpoint.clone()),
    ];
    let sas_vars = [
        ("AZURE_STORAGE_SAS_TOKEN", format!("?{sas}\n")),
        ("AZURE_STORAGE_ENDPOINT", endpoint.clone()),
    ];
    let string_vars = [("AZURE_STORAGE_CONNECTION_STRING", string.clone())];
    let vaults = [
        with_key(&azurite, "backups"),
        with_env(&bare, &key_vars).unwrap(),
        with_env(&bare, &sas_vars).unwrap(),
        with_env(&bare, &string_vars).unwrap(),
        Vault::open(
            &bare.clone().with_credentials(Credentials::AzureConnectionString(string.into())),
        )
        .unwrap(),
        Vault::open(
            &config(&azurite, "backups")
                .with_credentials(Credentials::AzureSas(sas.clone().into())),
        )
        .unwrap(),
    ];
    for (second, vault) in vaults.iter().enumerate() {
        let shown = format!("{vault} {vault:?}");
        assert!(!shown.contains(ACCOUNT.1) && !shown.contains("sig="), "{shown}");
        assert!(vault.probe().await.is_good(), "{second}: {:?}", vault.probe().await);
        let sample = Sample::new(&name(second as i64), Codec::Gzip, 9_000_000);
        sample.store(vault).await.unwrap();
        verify(vault, &sample.manifest.name).await;
        assert_eq!(vault.list().await.unwrap().len(), second + 1);
    }
    vaults[2].remove(&name(0)).await.unwrap();
    check_clean_up(&vaults[5]).await;

    // The other account is another place.
    azurite.create_container(SECOND_ACCOUNT.0, "backups").await.unwrap();
    let second = VaultConfig::new(Address::azure(SECOND_ACCOUNT.0, "backups").unwrap())
        .with_endpoint(azurite.endpoint(SECOND_ACCOUNT.0))
        .with_credentials(Credentials::AzureAccountKey(SECOND_ACCOUNT.1.into()));
    assert!(Vault::open(&second).unwrap().list().await.unwrap().is_empty());
}

#[tokio::test]
async fn wrong_and_narrow_credentials() {
    let azurite = Azurite::start(&[ACCOUNT]).await.unwrap();
    azurite.create_container(ACCOUNT.0, "backups").await.unwrap();
    let good = with_key(&azurite, "backups");
    Sample::small(&name(0)).store(&good).await.unwrap();

    // The key of somebody else.
    let wrong = Credentials::AzureAccountKey(SECOND_ACCOUNT.1.into());
    let vault = Vault::open(&config(&azurite, "backups").with_credentials(wrong.clone())).unwrap();
    for error in [
        harmless(vault.check().await, SECOND_ACCOUNT.1),
        harmless(vault.list().await, SECOND_ACCOUNT.1),
        harmless(vault.begin(&name(1), Codec::Zstd).await, SECOND_ACCOUNT.1),
        harmless(vault.manifest(&name(0)).await, SECOND_ACCOUNT.1),
        harmless(vault.remove(&name(0)).await, SECOND_ACCOUNT.1),
    ] {
        assert!(matches!(error, Error::Denied { .. }), "{error:?}");
        assert!(error.to_string().contains("the account key"), "{error}");
    }
    // Broken signatures and halves of keys.
    let broken = azurite.sas(ACCOUNT.0, "backups", "racwdl").unwrap().replace("sig=", "sig=AA");
    let signature = broken.rsplit_once("sig=").unwrap().1.to_owned();
    let credentials = Credentials::AzureSas(Secret::new(&broken));
    let vault = Vault::open(&config(&azurite, "backups").with_credentials(credentials)).unwrap();
    let error = harmless(vault.check().await, &signature);
    assert!(matches!(error, Error::Denied { .. }), "{error:?}");
    let credentials = Credentials::AzureAccountKey("not base64!".into());
    let opened = Vault::open(&config(&azurite, "backups").with_credentials(credentials));
    assert!(matches!(harmless(opened, "not base64!"), Error::Setup { .. }));

    // Rights that do not reach: read and list.
    let narrow = |rights: &str| {
        let sas = azurite.sas(ACCOUNT.0, "backups", rights).unwrap();
        let credentials = Credentials::AzureSas(sas.into());
        Vault::open(&config(&azurite, "backups").with_credentials(credentials)).unwrap()
    };
    let reader = narrow("rl");
    assert_eq!(check_whole(&reader).await, [name(0)]);
    let error = harmless(reader.begin(&name(1), Codec::Zstd).await, "sig=");
    assert!(matches!(error, Error::Denied { .. }), "{error:?}");
    let probe = reader.probe().await;
    assert!(matches!(probe.list, Some(Ok(()))), "{probe:?}");
    assert!(matches!(probe.create, Some(Err(Error::Denied { .. }))), "{probe:?}");
    assert!(probe.delete.is_none() && !probe.is_good());
    let error = harmless(reader.remove(&name(0)).await, "sig=");
    assert!(matches!(error, Error::Denied { .. }), "{error:?}");
    assert_eq!(check_whole(&reader).await, [name(0)]);

    // All but delete: backups can be made, nothing can be removed.
    let writer = narrow("racwl");
    Sample::small(&name(1)).store(&writer).await.unwrap();
    assert_eq!(check_whole(&writer).await, [name(1), name(0)]);
    let probe = writer.probe().await;
    assert!(matches!(probe.read, Some(Ok(()))), "{probe:?}");
    assert!(matches!(probe.delete, Some(Err(Error::Denied { .. }))), "{probe:?}");
    let error = harmless(writer.remove(&name(0)).await, "sig=");
    assert!(matches!(error, Error::Denied { .. }), "{error:?}");
    assert_eq!(check_whole(&writer).await, [name(1), name(0)]);
    // What it has written it can overwrite, but not delete.
    let tried = writer.try_immutability().await.unwrap();
    assert_eq!(tried.overwrite, Attempt::Lost, "{tried:?}");
    assert!(matches!(tried.delete, Attempt::Refused(_)) && !tried.is_given(), "{tried:?}");
    // What it leaves behind is for somebody who may.
    good.remove_leftovers(NO_GRACE).await.unwrap();
    check_clean_up(&good).await;
    assert_eq!(check_whole(&good).await, [name(1), name(0)]);
}

#[tokio::test]
async fn credentials_that_can_take_nothing_away() {
    let azurite = Azurite::start(&[ACCOUNT]).await.unwrap();
    azurite.create_container(ACCOUNT.0, "backups").await.unwrap();
    let good = with_key(&azurite, "backups");
    // Read, create, list: neither write, which overwrites, nor delete.
    let sas = azurite.sas(ACCOUNT.0, "backups", "rcl").unwrap();
    let credentials = Credentials::AzureSas(sas.into());
    let writer = Vault::open(&config(&azurite, "backups").with_credentials(credentials)).unwrap();
    for second in 0..2 {
        Sample::small(&name(second)).store(&writer).await.unwrap();
    }
    assert_eq!(check_whole(&writer).await, [name(1), name(0)]);
    // What it may not overwrite is not overwritten, however the store says so.
    let probe = writer.probe().await;
    assert!(matches!(probe.create_only, Some(Ok(()))), "{probe:?}");
    assert!(matches!(probe.delete, Some(Err(Error::Denied { .. }))), "{probe:?}");
    // What goes up in parts needs the right to write.
    let large = Sample::new(&name(2), Codec::Zstd, 9_000_000).store(&writer).await;
    let error = harmless(large, "sig=");
    assert!(matches!(error, Error::Denied { .. }), "{error:?}");
    let tried = writer.try_immutability().await.unwrap();
    assert!(tried.is_given() && tried.left.is_some(), "{tried:?}");
    assert!(matches!(tried.overwrite, Attempt::Refused(_)), "{tried:?}");
    assert!(matches!(tried.delete, Attempt::Refused(_)), "{tried:?}");
    let error = harmless(writer.remove(&name(0)).await, "sig=");
    assert!(matches!(error, Error::Denied { .. }), "{error:?}");
    assert_eq!(check_whole(&writer).await, [name(1), name(0)]);
    // Claims and the like stay until somebody comes who may delete.
    assert!(!writer.leftovers(NO_GRACE).await.unwrap().removable.is_empty());
    check_clean_up(&good).await;
    assert_eq!(check_whole(&good).await, [name(1), name(0)]);
    let tried = good.try_immutability().await.unwrap();
    assert_eq!((tried.overwrite, tried.delete), (Attempt::Lost, Attempt::Lost));
}

#[tokio::test]
async fn a_second_list_fetches_nothing_again() {
    let azurite = Azurite::start(&[ACCOUNT]).await.unwrap();
    azurite.create_container(ACCOUNT.0, "backups").await.unwrap();
    let kept = tempfile::tempdir().unwrap();
    let config = config(&azurite, "backups")
        .with_credentials(Credentials::AzureAccountKey(ACCOUNT.1.into()))
        .with_cache(Some(kept.path().to_owned()));
    let vault = Vault::open(&config).unwrap();
    for second in 0..3 {
        Sample::small(&name(second)).store(&vault).await.unwrap();
    }
    let files = || -> Vec<_> {
        let folder = std::fs::read_dir(kept.path().join("objects")).unwrap();
        folder.map(|entry| entry.unwrap().path()).collect()
    };
    let first = vault.list().await.unwrap();
    assert_eq!(files().len(), 3);
    // What is kept cannot be told from what is fetched.
    let again = vault.list().await.unwrap();
    let manifests = |listed: &[lifeboat_vault::Listed]| -> Vec<_> {
        listed.iter().map(|one| one.manifest.as_ref().unwrap().clone()).collect()
    };
    assert_eq!(manifests(&first), manifests(&again));
    // It is really what is read: a lie of the same size is believed, as far as anything is that
    // nobody has signed; and refused when signatures are asked for.
    let mut lie = first[0].manifest.as_ref().unwrap().as_ref().clone();
    lie.tool.version = "9.9.9".into();
    let file = files().into_iter().find(|file| {
        let text = std::fs::read_to_string(file).unwrap();
        text.contains(first[0].name.as_str())
    });
    let file = file.unwrap();
    std::fs::write(&file, lie.to_bytes().unwrap()).unwrap();
    assert_eq!(*manifests(&vault.list().await.unwrap())[0], lie);
    let keys = crate::keys::Pairs::new().keys();
    assert!(!vault.with_keys(keys).list().await.unwrap()[0].is_intact());
    assert_eq!(vault.manifest(&name(2)).await.unwrap(), *manifests(&first)[0]);
    // What was tampered with here is fetched anew; a new version is, too.
    std::fs::write(&file, "{}").unwrap();
    assert_eq!(manifests(&vault.list().await.unwrap()), manifests(&first));
    assert!(files().iter().all(|file| std::fs::metadata(file).unwrap().len() > 2));
    plant(&vault, &name(1).manifest_file(), "not a manifest any more").await;
    let listed = vault.list().await.unwrap();
    assert!(listed[1].manifest.is_err() && listed[0].is_intact(), "{listed:?}");
    // Without the folder it goes on as before.
    std::fs::remove_dir_all(kept.path()).unwrap();
    assert_eq!(vault.list().await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_missing_container() {
    let azurite = Azurite::start(&[ACCOUNT]).await.unwrap();
    let vault = with_key(&azurite, "nowhere");
    for error in [
        harmless(vault.check().await, ACCOUNT.1),
        harmless(vault.list().await, ACCOUNT.1),
        harmless(vault.begin(&name(0), Codec::Zstd).await, ACCOUNT.1),
        harmless(vault.leftovers(NO_GRACE).await, ACCOUNT.1),
        harmless(vault.manifest(&name(0)).await, ACCOUNT.1),
    ] {
        assert!(error.is_vault_missing(), "{error:?}");
        assert!(error.to_string().contains("az storage container create"), "{error}");
        assert!(!error.is_retryable());
    }
    let probe = vault.probe().await;
    assert!(matches!(probe.list, Some(Err(Error::VaultMissing { .. }))) && probe.create.is_none());
}

#[tokio::test]
async fn a_server_that_goes_away() {
    let azurite = Azurite::start(&[ACCOUNT]).await.unwrap();
    azurite.create_container(ACCOUNT.0, "backups").await.unwrap();
    let vault = with_key(&azurite, "backups");
    Sample::small(&name(0)).store(&vault).await.unwrap();
    let reader = vault.open_archive(&name(0)).await.unwrap();
    let mut writer = vault.begin(&name(1), Codec::Zstd).await.unwrap();
    writer.put(noise(9 << 20, 1).into()).await.unwrap();
    let config = config(&azurite, "backups")
        .with_credentials(Credentials::AzureAccountKey(ACCOUNT.1.into()))
        .with_retry(Retry::NONE);
    let hasty = Vault::open(&config).unwrap();
    azurite.stop();

    let start = Instant::now();
    for error in [
        harmless(hasty.check().await, ACCOUNT.1),
        harmless(hasty.list().await, ACCOUNT.1),
        harmless(hasty.begin(&name(2), Codec::Zstd).await, ACCOUNT.1),
        harmless(reader.read_range(0..10).await, ACCOUNT.1),
    ] {
        assert!(error.is_retryable(), "{error:?}");
        assert!(error.to_string().contains("check the network"), "{error}");
    }
    // Five parts are too many for the queue: at the latest then it is told.
    let mut told = None;
    for seed in 0..5 {
        told = told.or(writer.put(noise(9 << 20, seed).into()).await.err());
    }
    let error = told.unwrap();
    assert!(error.is_retryable(), "{error:?}");
    let error = writer.put("more".into()).await.unwrap_err();
    assert!(matches!(error, Error::Misuse(_)), "{error}");
    eprintln!("told after {:?}", start.elapsed());
}

#[tokio::test]
async fn plain_http_is_for_this_machine() {
    let config = |endpoint: &str| {
        VaultConfig::new(Address::azure(ACCOUNT.0, "backups").unwrap())
            .with_endpoint(endpoint)
            .with_credentials(Credentials::AzureAccountKey(ACCOUNT.1.into()))
    };
    for endpoint in ["http://127.0.0.1:1/x", "http://localhost/x", "http://[::1]:1/x", "https://x/"]
    {
        Vault::open(&config(endpoint)).unwrap();
    }
    let error = harmless(Vault::open(&config("http://azurite:10000/x")), ACCOUNT.1);
    assert!(error.to_string().contains("TLS"), "{error}");
    Vault::open(&VaultConfig { allow_http: true, ..config("http://azurite:10000/x") }).unwrap();
    for endpoint in ["ftp://x", "x", "https://x/?sig=TOPSECRET", "https://user:TOPSECRET@x/"] {
        harmless(Vault::open(&config(endpoint)), "TOPSECRET");
    }
    // A connection string that says http means it.
    let string = format!(
        "AccountName={};AccountKey={};BlobEndpoint=http://azurite:10000/x",
        ACCOUNT.0, ACCOUNT.1
    );
    let config = VaultConfig::new(Address::azure(ACCOUNT.0, "backups").unwrap())
        .with_credentials(Credentials::AzureConnectionString(string.into()));
    Vault::open(&config).unwrap();
}

#[tokio::test]
async fn other_clouds_open_without_a_network() {
    let key = || Credentials::Aws {
        access_key_id: "AKIA".into(),
        secret_access_key: "TOPSECRET".into(),
        session_token: None,
    };
    let open = |address: &str, credentials| {
        Vault::open(&VaultConfig::new(address.parse().unwrap()).with_credentials(credentials))
    };
    let vault = open("s3://bucket/prefix", key()).unwrap();
    assert!(!format!("{vault:?}").contains("TOPSECRET"));
    assert_eq!(vault.to_string(), "s3://bucket/prefix");
    harmless(open("gs://bucket", key()), "TOPSECRET");
    harmless(open("az://account/container", key()), "TOPSECRET");
    harmless(open("s3://bucket", Credentials::AzureSas("sig=TOPSECRET".into())), "TOPSECRET");
    harmless(open("gs://bucket", Credentials::GcpServiceAccount("TOPSECRET".into())), "TOPSECRET");
    open("gs://bucket", Credentials::Anonymous).unwrap();
    let variables = [
        ("AWS_ACCESS_KEY_ID", "AKIA".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "TOPSECRET".to_owned()),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1".to_owned()),
    ];
    let config = VaultConfig::new("s3://bucket".parse().unwrap()).with_retry(Retry::NONE);
    let vault = with_env(&config, &variables).unwrap();
    let error = harmless(vault.check().await, "TOPSECRET");
    assert!(error.is_retryable(), "{error:?}");
}

#[tokio::test]
async fn many_writers_and_a_cleaner_at_once() {
    let azurite = Azurite::start(&[ACCOUNT]).await.unwrap();
    azurite.create_container(ACCOUNT.0, "backups").await.unwrap();
    let vault = with_key(&azurite, "backups");
    crate::race::race(&vault, 6).await;
    assert!(!objects(&vault).await.is_empty());
}
